// The parts of forms.

import { html, raw } from '../html.js';

export function hidden(view) {
  return html`<input type="hidden" name="csrf" value="${view.csrf}">`;
}

function problem(id, text) {
  return text && html`<p class="problem" id="${id}-problem">${text}</p>`;
}

function describedBy(id, text, hint) {
  const ids = [hint && `${id}-hint`, text && `${id}-problem`].filter(Boolean).join(' ');
  return html`${ids && html` aria-describedby="${ids}"`}${text && html` aria-invalid="true"`}`;
}

export function hintLine(id, hint) {
  return hint && html`<p class="hint" id="${id}-hint">${hint}</p>`;
}

// A field with its label, hint and problem. kind makes the control, given its
// id, value and the attributes that tie it to hint and problem.
export function field(form, name, label, kind, hint) {
  const id = `${form.id}-${name}`;
  const text = form.fields?.[name];
  return html`<div class="field" data-field="${name}">
<label for="${id}">${label}</label>
${kind(id, form.values?.[name] ?? '', describedBy(id, text, hint))}
${hintLine(id, hint)}
${problem(id, text)}
</div>`;
}

export const text = (name, attributes = '') => (id, value, more) =>
  html`<input id="${id}" name="${name}" value="${value}" autocomplete="off" ${raw(attributes)}${more}>`;

// The value to seal has no name, so that no form sends it; public/sealed-forms.js puts
// a box into the field "sealed" instead.
export const secretInput = (id, value, more) =>
  html`<input id="${id}" type="password" data-value required autocomplete="off" spellcheck="false"${more}>`;

export const secretArea = (id, value, more) =>
  html`<textarea id="${id}" data-value required rows="3" autocomplete="off" spellcheck="false"${more}></textarea>`;

export const textArea = (name, attributes = '') => (id, value, more) =>
  html`<textarea id="${id}" name="${name}" rows="2" autocomplete="off" spellcheck="false" ${raw(attributes)}${more}>${value}</textarea>`;

// A group of options has a label and options of its own
function optionTag(option, value) {
  if (option.options) return html`<optgroup label="${option.label}">${option.options.map((each) => optionTag(each, value))}</optgroup>`;
  return html`<option value="${option.value}"${option.value === value && html` selected`}${option.data ?? ''}>${option.label}</option>`;
}

export const select = (name, options, attributes = '') => (id, value, more) =>
  html`<select id="${id}" name="${name}" ${raw(attributes)}${more}>${options.map((option) => optionTag(option, value))}</select>`;

export function checkbox(id, name, label, isOn = false) {
  return html`<div class="field check"><input type="checkbox" id="${id}" name="${name}" value="1"${isOn && html` checked`}><label for="${id}">${label}</label></div>`;
}

export function alert(content) {
  return content && html`<p class="problem" role="alert">${content}</p>`;
}

// What public/sealed-forms.js needs to seal; the time is the server's, which is what boxes expire by
export function sealAttributes(view, purpose) {
  return html`data-seal="${purpose}" data-project="${view.project.id}" data-public-key="${view.publicKey}" data-now="${Math.floor(Date.now() / 1000)}"`;
}

export function button(label, className = '') {
  return html`<button${className && html` class="${className}"`}>${label}</button>`;
}

// The end of a form: its button, a way out, and what is going on
export function buttons(label, back, className = '') {
  return html`<div class="buttons">${button(label, className)} <a class="button quiet" href="${back}" data-close>Cancel</a></div>
<p class="status" role="status"></p>`;
}
