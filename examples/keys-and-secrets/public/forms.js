// Forms of dialogs are sent without leaving the page. An answer that refuses takes the
// dialog's place, and what never left the browser is put back into it.

import { passes } from './checks.js';
import { goOn, put } from './dialogs.js';
import { partIn } from './parts.js';
import { fieldsWithValues, sealInto, takeValues } from './sealed-forms.js';

const isOurs = (form) => form.method === 'post' && !form.hasAttribute('data-native') && form.closest('[data-dialog-part]') !== null;

function putBack(part, values) {
  const fields = fieldsWithValues(part);
  values.forEach((value, i) => { if (fields[i]) fields[i].value = value; });
}

async function send(form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  return fetch(form.action, { method: 'POST', body, headers: { accept: 'text/html, application/json', 'x-in-page': '1' } });
}

// Sends the form, and shows what came of it. values are those that were taken out of it.
async function submit(form, submitter, values) {
  const response = await send(form, submitter);
  if (response.headers.get('content-type')?.startsWith('application/json')) {
    const { location: href, stays } = await response.json();
    await goOn(href, { stays });
    return '';
  }
  const answer = partIn(await response.text());
  if (answer !== null) {
    putBack(answer.part, values);
    put(answer.part);
    return '';
  }
  putBack(form, values);
  return response.status === 401
    ? 'Your session has ended. Sign in again in another tab, then send this once more.'
    : 'This was refused. Reload the page and try again.';
}

async function sealAndSubmit(form, submitter, status) {
  let values = [];
  try {
    if (form.dataset.seal) {
      if (!await passes(form)) return '';
      values = takeValues(form);
      status.textContent = 'Sealing…';
      await sealInto(form, values);
      status.textContent = 'Sending…';
    }
    return await submit(form, submitter, values);
  } catch {
    putBack(form, values);
    return 'This could not be sent. What you typed is still here: try again.';
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
  status.textContent = await sealAndSubmit(form, submitter, status);
  button.classList.remove('busy');
  form.ariaBusy = null;
});
