// The question before a deletion: what breaks, and the ways that keep things running.

import { confirmation, field, html, inProject, post, select } from '../parts.js';
import { named } from '../llm-keys.js';
import { toList, TAB } from './add.js';

const isUsable = (key) => key.status === 'ok' && key.state === 'enabled';

// What public/key-choices.js says where it is chosen
const warning = (key, { provider_label: label }) =>
  html` data-warning="Its agents have used ${key.provider_label ?? 'another provider'} until now. With ${label}, they have to ask for models of ${label}, or their calls fail."`;

// Keys of the same provider first; with another provider's, an agent asks for models that it does not have.
function choices(view, key) {
  const usable = view.keys.filter((other) => other.id !== key.id && isUsable(other));
  const option = (other) => ({ value: other.id, label: named(other), data: other.provider !== key.provider && warning(key, other) });
  const same = usable.filter(({ provider }) => provider === key.provider).map(option);
  const others = usable.filter(({ provider }) => provider !== key.provider).map(option);
  return {
    preferred: same[0]?.value ?? '',
    options: [
      ...(same.length > 0 ? [{ label: `Also ${key.provider_label}`, options: same }] : []),
      { value: '', label: 'Leave them without a key: they stop working' },
      ...(others.length > 0 ? [{ label: 'Other providers: the agents’ models may not be there', options: others }] : []),
    ],
  };
}

function agentsField(view, key, form) {
  const { preferred, options } = choices(view, key);
  const values = { to: form.values?.to ?? preferred };
  return view.agents.length > 0 && html`${field({ id: 'repoint', values, fields: form.fields }, 'to', 'These agents go on with', select('to', options, 'data-warns'))}
<p class="warning" role="status" data-warning></p>`;
}

function breaks(view, key) {
  const agents = view.agents.map(({ name }) => html`<li>${name}</li>`);
  const what = key.status === 'ok' ? html`The ${key.provider_label} key <code class="mask">${key.masked_key}</code>` : 'This key, which does not open,';
  return html`<p>${what} is erased here at once, and nobody can bring it back. The provider goes on accepting it until you revoke it there.</p>
${agents.length === 0 ? html`<p>No agent uses it by itself.</p>`
    : html`<p class="warning">${agents.length === 1 ? 'This agent uses it:' : `These ${agents.length} agents use it:`}</p><ul class="names">${agents}</ul>`}`;
}

// Disabling is what can be taken back.
const safer = (view, key) => isUsable(key) && html`<p>Not sure? Disabled, it keeps its value, and can be enabled again.</p>
${post(view, inProject(view, `/llm-keys/${key.id}/state`), 'Disable instead', { fields: { enabled: '0' } })}`;

export function deleteKeyPage(view, key) {
  const form = view.forms.delete ?? {};
  return confirmation(view, TAB, {
    title: `Delete “${key.name}”?`, back: toList(view), breaks: breaks(view, key), safer: safer(view, key),
    action: inProject(view, `/llm-keys/${key.id}/delete`), verb: `Delete ${key.name}`, fields: agentsField(view, key, form),
  });
}
