// The pages without a session, and those of errors.

import { html } from '../html.js';
import { alert, button, field } from './fields.js';
import { layout } from './layout.js';

export function signInPage(fields = {}) {
  const form = { id: 'sign-in', fields };
  return layout('Sign in', html`<main id="main" class="narrow"><h1>Sign in</h1>
<form method="post" action="/sign-in">
${alert(fields.form)}
${field(form, 'token', 'Platform API key', (id, value, more) =>
    html`<input id="${id}" name="token" type="password" required autocomplete="off" spellcheck="false" maxlength="200"${more}>`, 'It begins with sk-tarx-.')}
${button('Sign in')}
</form></main>`);
}

export function errorPage(title, text) {
  return layout(title, html`<main id="main" class="narrow"><h1>${title}</h1><p>${text}</p><p><a href="/">To the start</a></p></main>`);
}
