// Dialogs. Each is a page with an address of its own; with scripts, public/dialogs.js
// shows what is marked data-dialog-part in a <dialog>, over the page that has the link.

import { html } from '../html.js';
import { buttons, hidden } from './fields.js';
import { frame } from './layout.js';

// back is where Cancel and a success lead; wide makes room for lists; ask is what
// closing asks first, for what is shown once only.
export function dialogPage(view, tab, { title, body, back, wide = false, ask }) {
  return frame(view, tab, html`<article class="part${wide && ' wide'}" data-dialog-part data-back="${back}"${ask && html` data-ask="${ask}"`} aria-labelledby="dialog-title">
<h2 id="dialog-title" tabindex="-1">${title}</h2>
${view.problem && html`<p class="problem" role="alert">${view.problem}</p>`}
${body}
</article>`, { title, problem: '' });
}

// A question before something that hurts: what breaks, the safer way first, and the
// verb on the button.
export function confirmation(view, tab, { title, breaks, safer, action, verb, fields, back }) {
  return dialogPage(view, tab, {
    title, back,
    body: html`${breaks}
${safer && html`<div class="safer">${safer}</div>`}
<form method="post" action="${action}">${hidden(view)}
${fields}
${buttons(verb, back, 'danger')}
</form>`,
  });
}
