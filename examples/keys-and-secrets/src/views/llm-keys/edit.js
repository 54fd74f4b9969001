// What is kept with a key, without its value.

import { buttons, dialogPage, field, hidden, html, inProject, link, text } from '../parts.js';
import { chosen, TAB } from './add.js';
import { optionFields, optionsOf } from './options.js';

export function editKeyPage(view, key) {
  const given = view.forms.edit;
  const form = { id: 'edit', ...given, values: { name: key.name, ...optionsOf(key), ...given?.values } };
  const back = inProject(view, `#key-${key.id}`);
  return dialogPage(view, TAB, {
    title: `Edit “${key.name}”`, back,
    body: html`<form method="post" action="${inProject(view, `/llm-keys/${key.id}/edit`)}">${hidden(view)}
${chosen({ slug: key.provider, label: key.provider_label }, html`<code class="mask">${key.masked_key}</code>`)}
${field(form, 'name', 'Name', text('name', 'required maxlength="100"'))}
${optionFields(form)}
<p class="hint">Value, base URL and headers are sealed together. For others, ${link(inProject(view, `/llm-keys/${key.id}/replace`), 'replace the key')}.</p>
${buttons('Save', back)}
</form>`,
  });
}
