// All that is known of a key, and what happened to it lately.

import { ago, at, dialogPage, html, inProject } from '../parts.js';
import { chosen, TAB, toList } from './add.js';
import { placeFact } from './place.js';
import { statesOf } from './state.js';

const HEALTH = { unverified: 'Not tried since the server started', ok: 'Works', rejected: 'Rejected by the provider', quota: 'Quota used up', cooling: 'A call failed' };

const term = (name, content) => content && html`<div><dt>${name}</dt><dd>${content}</dd></div>`;
const names = (list) => list?.length > 0 && html`${list.map((name, i) => html`${i > 0 && ', '}<code>${name}</code>`)}`;

const ACTIONS = {
  'llm_key.add': 'added it', 'llm_key.update': 'changed it', 'llm_key.replace': 'put another key in its place',
  'llm_key.delete': 'deleted it', 'agents.repoint': 'pointed its agents to another key',
};

function history(events) {
  return events && html`<h3>What happened to it lately</h3>
${events.length === 0 ? html`<p>Nothing that is still in the audit log.</p>`
    : html`<ul class="events">${events.map(({ at: when, user_id: user, action }) => html`<li><strong>${user}</strong> ${ACTIONS[action] ?? action} <span class="hint">${ago(when)}</span></li>`)}</ul>`}`;
}

export function keyDetailsPage(view, key) {
  const opens = key.status === 'ok';
  return dialogPage(view, TAB, {
    title: key.name, back: toList(view),
    body: html`${opens && chosen({ slug: key.provider, label: key.provider_label }, html`<code class="mask">${key.masked_key}</code>`)}
${statesOf(key).map(([kind, label, text]) => html`<p class="state ${kind}"><strong>${label}</strong>: ${text}</p>`)}
<dl class="details">
${term('Requests go to', key.destination && html`<code>${key.destination}</code>`)}
${opens && term('Health', html`${HEALTH[key.health]}${key.health_at && html`, ${ago(key.health_at)}`}`)}
${term('Last used', ago(key.last_used_at))}
${term('Agents', view.agents.length > 0 ? view.agents.map(({ name }) => name).join(', ') : 'none by itself')}
${opens && term('Order', html`${key.priority}${placeFact(view.keys, key) && html`, ${placeFact(view.keys, key)}`}`)}
${term('Expires', key.expires_at && at(key.expires_at))}
${term('To be replaced after', key.rotate_after && at(key.rotate_after))}
${term('Only for', names(key.allowed_models))}
${term('Sent with', names(key.header_names))}
${term('Added', html`${key.added_by && html`by ${key.added_by}, `}${ago(key.created_at)}`)}
</dl>
${history(view.history)}
<div class="buttons"><a class="button quiet" href="${inProject(view, `#key-${key.id}`)}" data-close>Close</a></div>`,
  });
}
