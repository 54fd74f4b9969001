// The choice of what an agent uses: a key, or a provider, whose keys are tried in their order.

import { field, hintLine, html, inProject, link, select } from './parts.js';

const notPlain = (key) => (key.status === 'ok' ? key.state !== 'enabled' && key.state : 'does not open');

const keyLabel = (key) => `${key.name}, ${key.masked_key}${notPlain(key) ? ` (${notPlain(key)})` : ''}`;

// What goes wrong where an agent that is made for one provider's models gets another
const warning = (now, label) => `The agent has used ${now} until now. With ${label}, it has to ask for models of ${label}, or its calls fail.`;

function providerGroup({ slug, label, keys }, now) {
  const isOther = now !== undefined && now.provider !== slug;
  const data = isOther ? html` data-warning="${warning(now.label, label)}"` : '';
  return {
    label: isOther ? `${label}: other models than now` : label,
    options: [...keys.map((key) => ({ value: key.id, label: keyLabel(key), data })),
      { value: `provider:${slug}`, label: `Any key of ${label}, in their order`, data }],
  };
}

// The keys of each provider, the agent's own first
function groups(view, now) {
  const bySlug = new Map();
  if (now !== undefined) bySlug.set(now.provider, { slug: now.provider, label: now.label, keys: [] });
  for (const key of view.keys) {
    const slug = key.provider;
    if (!bySlug.has(slug)) bySlug.set(slug, { slug, label: key.provider_label, keys: [] });
    bySlug.get(slug).keys.push(key);
  }
  return [...bySlug.values()].map((each) => providerGroup(each, now));
}

const noKeys = (view) => (view.managesKeys
  ? html`This project has no LLM keys yet. ${link(inProject(view, '#llm-keys'), 'Add one first', { dialog: false })}.`
  : 'This project has no LLM keys yet. Ask an admin to add one.');

// now has the provider and label of what the agent uses, if anything; uses is the value of that
export function agentKeyField(view, form, { provider, label, uses = '', isDeleted = false } = {}) {
  const now = provider === undefined ? undefined : { provider, label };
  const nothing = { value: isDeleted ? uses : '', label: isDeleted ? 'A deleted key' : 'No key yet' };
  const options = [...(now === undefined ? [nothing] : []), ...groups(view, now)];
  // a provider that is wrong is chosen in the same field
  const fields = { key: form.fields?.provider, ...form.fields };
  return html`${field({ ...form, fields }, 'key', 'Key', select('key', options, 'data-warns'),
    view.keys.length === 0 ? noKeys(view) : 'Members see its name and mask; nobody sees its value again.')}
${now && html`<div data-without-script>${hintLine(`${form.id}-other`, 'Another provider has other models: the agent has to ask for one of them.')}</div>`}
<p class="warning" role="status" data-warning></p>`;
}
