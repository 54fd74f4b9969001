// Another value in the place of a key: by the rotation of the guide, or, where the key
// does not open, by entering all of it again.

import { alert, buttons, checkbox, dialogPage, field, hidden, html, inProject, link, sealAttributes, text } from '../parts.js';
import { baseUrlField, chosen, keyField, TAB } from './add.js';
import { moreOptions, optionsOf } from './options.js';
import { providerChoice, providerData } from './providers.js';
import { list } from './row.js';

// Which agents go on with the new key: all, unless somebody says otherwise
function movers(view, values) {
  if (view.agents.length === 0) return html`<p>No agent uses it by itself.</p>`;
  return html`<fieldset class="field"><legend>Agents that go on with the new key</legend>
${view.agents.map(({ id, name }) => checkbox(`moves-${id}`, `moves_${id}`, name, values === undefined || values[`moves_${id}`] === '1'))}
<p class="hint">If one stays, the old key stays enabled for it.</p></fieldset>`;
}

export function replaceKeyPage(view, key) {
  const given = view.forms.replace;
  const form = { id: 'replace', ...given, values: { ...optionsOf(key), test: '1', ...given?.values } };
  const provider = view.providers.find(({ slug }) => slug === key.provider);
  const sent = key.header_names?.length > 0 ? `those of the old one, ${list(key.header_names)}` : 'none, as the old one';
  return dialogPage(view, TAB, {
    title: `Replace “${key.name}”`, back: inProject(view, `#key-${key.id}`),
    body: html`<form method="post" action="${inProject(view, `/llm-keys/${key.id}/replace`)}" ${sealAttributes(view, 'replacement')}${providerData(view, provider)} data-no-change data-old-key="${key.id}" data-destination="${key.destination}" data-check="${inProject(view, `/llm-keys/${key.id}/replace/check`)}">
${hidden(view)}<input type="hidden" name="sealed">
${chosen(provider, html`<code class="mask">${key.masked_key}</code>`)}
${keyField(form, provider, 'New key')}
${movers(view, given?.values)}
${checkbox('test-new-key', 'test', 'Test it with the provider', form.values.test === '1')}
<p>The new key takes over the name, base URL, headers, order and models. The old one is disabled and keeps its value, so this can be undone. At the provider it goes on working until you revoke it there.</p>
${moreOptions(form, `Left empty, the new key has ${sent}.`)}
${buttons('Replace key', inProject(view, `#key-${key.id}`))}
</form>`,
  });
}

export function chooseProviderAgainPage(view, key) {
  return dialogPage(view, TAB, {
    title: `Enter “${key.name}” again`, back: inProject(view, `#key-${key.id}`),
    body: html`${why}<p>Whose key is it?</p>${providerChoice(view, {}, `/llm-keys/${key.id}/enter`)}`,
  });
}

const why = html`<p>The stored key does not open: somebody changed its row, or its master key is missing on the server. Nothing of it is taken over but its agents.</p>`;

// A key that does not open
export function enterKeyPage(view, key, provider) {
  const given = view.forms.enter;
  const form = { id: 'enter', ...given, values: { name: key.name, priority: 100, test: '1', ...given?.values } };
  const url = baseUrlField(form, provider);
  const self = `/llm-keys/${key.id}/enter`;
  return dialogPage(view, TAB, {
    title: `Enter “${key.name}” again`, back: inProject(view, `#key-${key.id}`),
    body: html`${why}${alert(form.fields?.form)}
<form method="post" action="${inProject(view, self)}" ${sealAttributes(view, 'entered')}${providerData(view, provider)} data-no-change data-old-key="${key.id}" data-check="${inProject(view, '/llm-keys/check', { instead: key.id })}">
${hidden(view)}<input type="hidden" name="sealed"><input type="hidden" name="provider" value="${provider.slug}">
${chosen(provider, link(inProject(view, self), 'Change', { of: 'the provider' }))}
${field(form, 'name', 'Name', text('name', 'required maxlength="100"'), 'How the project knows it.')}
${keyField(form, provider)}
${url}
${checkbox('test-entered-key', 'test', 'Test it with the provider', form.values.test === '1')}
${moreOptions(form, 'For a gateway in front of the provider. Their values are sealed with the key.')}
${buttons('Enter key', inProject(view, `#key-${key.id}`))}
</form>`,
  });
}
