// The pages without a session, and those of errors.

import { html } from '../html.js';
import { alert, button, field } from './fields.js';
import { layout } from './layout.js';

const WHY = {
  ended: 'Your session has ended. Sign in again, and you are back where you were. What you typed is there, but for values and keys.',
  revoked: 'You have revoked the key that you were signed in with, or one that it was made with. It signs nobody in any more: use another one.',
  out: 'You are signed out.',
};

// why one is here, where to go on, and what is wrong with what was given
export function signInPage({ why, to, fields = {} } = {}) {
  const form = { id: 'sign-in', fields };
  return layout('Sign in', html`<main id="main" class="narrow"><h1>Sign in</h1>
${Object.hasOwn(WHY, why ?? '') && html`<p class="told" role="status">${WHY[why]}</p>`}
<form method="post" action="/sign-in">
${to && html`<input type="hidden" name="to" value="${to}">`}
${alert(fields.form)}
${field(form, 'token', 'Platform API key', (id, value, more) =>
    html`<input id="${id}" name="token" type="password" required autocomplete="off" spellcheck="false" autofocus maxlength="200"${more}>`, 'It begins with sk-tarx-.')}
${button('Sign in')}
</form>
<p class="hint">No key at hand? Somebody who administers the platform can give you one. A lost key cannot be shown again.</p>
</main>`);
}

export function errorPage(title, text) {
  return layout(title, html`<main id="main" class="narrow"><h1>${title}</h1><p>${text}</p><p><a href="/">To the start</a></p></main>`);
}
