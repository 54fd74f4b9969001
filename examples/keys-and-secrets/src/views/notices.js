// What was done, with what comes next or the way back. In the session it is
// { text, next: { href, label, dialog }, undo: { action, fields, label } } or a text.

import { html } from '../html.js';
import { link, post } from './rows.js';

export function notice(view, told) {
  if (!told) return '';
  const { text, next, undo } = typeof told === 'string' ? { text: told } : told;
  return html`<div class="notice" role="status" tabindex="-1" data-notice><p>${text}</p>${
    undo && post(view, undo.action, undo.label ?? 'Undo', { fields: undo.fields })}${
    next && link(next.href, next.label, { dialog: next.dialog === true })}</div>`;
}

// Something that waits for the reader, on top of a section
export function due(title, items) {
  return items.length > 0 && html`<div class="due"><p><strong>${title}</strong></p><ul>${items.map((item) => html`<li>${item}</li>`)}</ul></div>`;
}
