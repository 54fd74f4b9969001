// The options of a key. With a new value they go sealed in its box, headers' values
// and all; what has a name here is sent as well, for the page to show again if something
// is wrong.

import { alert, field, hintLine, html, text, textArea } from '../parts.js';
import { comingTime } from '../times.js';

const time = (name) => text(name, 'type="datetime-local" max="9999-12-31T23:59" data-utc');
const zone = html` <span data-zone>(UTC)</span>`;

export function optionFields(form) {
  return html`${field(form, 'priority', 'Order', text('priority', 'type="number" step="1" min="-2147483648" max="2147483647"'), 'Keys of a provider are tried in their order, lower first.')}
${field(form, 'expires_at', html`Expires${zone}`, time('expires_at'), 'The key does not work from then on. Left empty, it has no end.')}
${field(form, 'rotate_after', html`Remind me to replace it after${zone}`, time('rotate_after'), 'The key goes on working.')}
${field(form, 'allowed_models', 'Only for these models', textArea('allowed_models'), 'Their names, with spaces or commas between them. Left empty, all.')}`;
}

function headerRow(name) {
  return html`<div class="header" data-header>
<label>Header <input data-header-name value="${name}" maxlength="128" autocomplete="off" spellcheck="false"></label>
<label>Its value <input data-header-value type="password" maxlength="2048" autocomplete="off" spellcheck="false"></label>
</div>`;
}

function headerFields(form, hint) {
  const names = (form.values?.header_names ?? '').split(' ').filter(Boolean);
  return html`<fieldset class="field" data-headers data-field="headers" aria-describedby="${form.id}-headers-hint"><legend>Headers</legend>
${hintLine(`${form.id}-headers`, hint)}
<input type="hidden" name="header_names">
${(names.length > 0 ? names : ['']).map(headerRow)}
<button type="button" class="quiet" data-add-header>Add another header</button>
${alert(form.fields?.headers)}</fieldset>`;
}

const INSIDE = ['priority', 'expires_at', 'rotate_after', 'allowed_models', 'headers', 'options'];

export function moreOptions(form, headersHint, first) {
  const isWrong = INSIDE.some((name) => form.fields?.[name]);
  return html`<details class="more"${isWrong && html` open`}><summary>More options</summary>
${alert(form.fields?.options)}
${first}
${optionFields(form)}
${headerFields(form, headersHint)}
</details>`;
}

// What a form shows of a key
export function optionsOf(key) {
  return {
    priority: key.priority, expires_at: comingTime(key.expires_at), rotate_after: comingTime(key.rotate_after),
    allowed_models: key.allowed_models?.join(', '),
  };
}
