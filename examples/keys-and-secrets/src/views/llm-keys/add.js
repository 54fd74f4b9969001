// Adding a key: first its provider, then only what that provider has.

import { button, buttons, checkbox, dialogPage, field, hidden, html, inProject, link, mark, sealAttributes, secretInput, text } from '../parts.js';
import { moreOptions } from './options.js';
import { baseUrlHint, keyHint, providerChoice, providerData } from './providers.js';

export const TAB = 'Keys & Secrets';
export const toList = (view) => inProject(view, '#llm-keys');

export function chooseProviderPage(view, more) {
  return dialogPage(view, TAB, {
    title: 'Add an LLM key', back: toList(view),
    body: html`<p>Whose models is it for?</p>
${providerChoice(view, more)}
<div class="buttons"><a class="button quiet" href="${toList(view)}" data-close>Cancel</a></div>`,
  });
}

// A name that is not taken
export function nameFor(view, label) {
  const taken = new Set(view.keys.map(({ name }) => name.toLowerCase()));
  let name = label;
  for (let i = 2; taken.has(name.toLowerCase()); i++) name = `${label} ${i}`;
  return name;
}

export const chosen = (provider, change) => html`<p class="chosen">${mark(provider.slug, provider.label)}<strong>${provider.label}</strong>${change}</p>`;

export function baseUrlField(form, provider) {
  return provider.base_url_allowed && field(form, 'base_url', 'Base URL',
    text('base_url', `type="url" maxlength="2048" data-base-url${provider.base_url_required ? ' required' : ''}`), baseUrlHint(provider));
}

export const keyField = (form, provider, label = 'Key') => field(form, 'value', label, secretInput, keyHint(provider));

export const GATEWAY = 'For a gateway in front of the provider. Their values are sealed with the key.';

export function addKeyPage(view, provider, values = {}) {
  const form = { id: 'llm-key', values: { priority: 100, name: nameFor(view, provider.label), test: '1', ...values }, ...view.forms['llm-key'] };
  const url = baseUrlField(form, provider);
  return dialogPage(view, TAB, {
    title: 'Add an LLM key', back: toList(view),
    body: html`<form method="post" action="${inProject(view, '/llm-keys')}" ${sealAttributes(view, 'llm-key')}${providerData(view, provider)} data-check="${inProject(view, '/llm-keys/check')}" data-keep>
${hidden(view)}<input type="hidden" name="sealed"><input type="hidden" name="provider" value="${provider.slug}">
${chosen(provider, link(inProject(view, '/llm-keys/new'), 'Change', { of: 'the provider' }))}
${field(form, 'name', 'Name', text('name', 'required maxlength="100"'), 'How the project knows it.')}
${keyField(form, provider)}
${provider.base_url_required && url}
${checkbox('test-key', 'test', 'Test it with the provider', form.values.test === '1')}
${moreOptions(form, GATEWAY, !provider.base_url_required && url)}
<p class="hint" data-without-script>Values are sealed by a script in your browser, so this form needs scripts.</p>
${buttons('Add key', toList(view))}
</form>`,
  });
}

// After a test that the provider answered with 401 or 403
export function rejectedPage(view, key, tested, { old } = {}) {
  const again = { provider: key.provider, name: key.name };
  const undo = old
    ? html`<form method="post" action="${inProject(view, `/llm-keys/${key.id}/take-back`)}">${hidden(view)}<input type="hidden" name="old" value="${old}">${button('Take the replacement back')}</form>`
    : html`<form method="post" action="${inProject(view, `/llm-keys/${key.id}/discard`)}">${hidden(view)}<input type="hidden" name="provider" value="${again.provider}"><input type="hidden" name="name" value="${again.name}">${button('Delete it and try another')}</form>`;
  return dialogPage(view, TAB, {
    title: `The provider rejected “${key.name}”`, back: inProject(view, `#key-${key.id}`),
    body: html`<p class="problem" role="alert">${tested?.text ?? 'The provider rejected this key.'}</p>
<p>${old ? 'The new key is in place all the same, and agents use it.' : 'It was added all the same, as'} ${!old && html`<code>${key.masked_key}</code>.`} Was it copied in full, and is it of this provider? A key with few rights may be rejected here, and work for models.</p>
<div class="buttons">${undo}<a class="button quiet" href="${inProject(view, `#key-${key.id}`)}">Keep it</a></div>`,
  });
}
