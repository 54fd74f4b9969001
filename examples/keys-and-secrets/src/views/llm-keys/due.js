// Keys that wait for somebody, on top of the list.

import { ago, due, html, inProject, link } from '../parts.js';

const MOST = 5;

function why(view, { reason, since, key_id: id }) {
  const key = view.keys.find((each) => each.id === id);
  switch (reason) {
    case 'expiring': return key.state === 'expired' ? html`expired ${ago(key.expires_at)}` : html`expires ${ago(key.expires_at)}`;
    case 'rotation due': return html`was to be replaced ${ago(since)}`;
    case 'rejected': return html`was rejected by its provider ${ago(since)}`;
    default: return 'was not used for 90 days';
  }
}

function item(view, each) {
  const isUnused = each.reason === 'unused';
  const action = isUnused ? link(inProject(view, `/llm-keys/${each.key_id}/delete`), 'Delete', { of: each.name })
    : link(inProject(view, `/llm-keys/${each.key_id}/replace`), 'Replace', { of: each.name });
  return html`“${each.name}” ${why(view, each)}.${view.mayChangeKeys && html` ${action}`}`;
}

export function dueKeys(view) {
  // a key that does not open has its own row of advice
  const shown = view.dueKeys.filter(({ key_id: id }) => view.keys.some((key) => key.id === id && key.status === 'ok'));
  const items = shown.slice(0, MOST).map((each) => item(view, each));
  if (shown.length > MOST) items.push(`And ${shown.length - MOST} more, which have a badge below or were not used for 90 days.`);
  return due('Look at these keys', items);
}
