// Forms of dialogs are sent without leaving the page. An answer that refuses takes the
// dialog's place, and what never left the browser is put back into it.

import { passes } from './checks.js';
import { goOn, put } from './dialogs.js';
import { partIn, partOf } from './parts.js';
import { fieldsWithValues, sealInto, takeValues } from './sealed-forms.js';

const isOurs = (form) => form.method === 'post' && !form.hasAttribute('data-native') && !form.hasAttribute('data-env') && form.closest('[data-dialog-part]') !== null;

function putBack(part, values) {
  const fields = fieldsWithValues(part);
  values.forEach((value, i) => { if (fields[i]) fields[i].value = value; });
}

async function send(form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  return fetch(form.action, { method: 'POST', body, headers: { accept: 'text/html, application/json', 'x-in-page': '1' } });
}

// The session has ended. What was typed stays here, and is sent again by the next session.
export function askToSignIn(form, status, href) {
  form.dataset.ofEnded = '';
  const link = Object.assign(document.createElement('a'), { href, target: '_blank', textContent: 'Sign in again' });
  status.replaceChildren('Your session has ended. ', link, ' in another tab, then send this once more: what you typed is still here.');
  link.focus();
}

// The token and the time of the session that there is now
export async function renew(form) {
  const answer = await partOf(location.href);
  const now = answer?.part.querySelector('form[method="post"]');
  if (!now) throw new Error('there is no session');
  form.elements.csrf.value = now.elements.csrf.value;
  for (const name of ['publicKey', 'now']) if (now.dataset[name]) form.dataset[name] = now.dataset[name];
  delete form.dataset.ofEnded;
}

// Sends the form, and shows what came of it. values are those that were taken out of it.
async function submit(form, submitter, values, status) {
  const response = await send(form, submitter);
  if (response.headers.get('content-type')?.startsWith('application/json')) {
    const { location: href, stays, signIn } = await response.json();
    if (signIn) {
      putBack(form, values);
      askToSignIn(form, status, signIn);
    } else await goOn(href, { stays });
    return;
  }
  const answer = partIn(await response.text());
  if (answer !== null) {
    putBack(answer.part, values);
    put(answer.part);
    return;
  }
  putBack(form, values);
  status.textContent = 'This was refused. Reload the page and try again.';
}

async function sealAndSubmit(form, submitter, status) {
  let values = [];
  try {
    if ('ofEnded' in form.dataset) await renew(form);
    if (form.dataset.seal) {
      if (!await passes(form)) {
        status.textContent = '';
        return;
      }
      values = takeValues(form);
      status.textContent = 'Sealing…';
      await sealInto(form, values);
      status.textContent = 'Sending…';
    }
    await submit(form, submitter, values, status);
  } catch {
    putBack(form, values);
    status.textContent = 'This could not be sent. What you typed is still here: try again.';
  }
}

document.addEventListener('submit', async (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || !isOurs(form)) return;
  event.preventDefault();
  if (form.ariaBusy === 'true') return;
  const status = form.querySelector('.status') ?? document.createElement('p');
  const button = submitter ?? form.querySelector('button:not([type=button])');
  form.ariaBusy = 'true';
  button.classList.add('busy');
  status.textContent = 'Working…';
  await sealAndSubmit(form, submitter, status);
  button.classList.remove('busy');
  form.ariaBusy = null;
});
