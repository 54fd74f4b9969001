// The test console without leaving the page: what the page that answers has is put in place,
// and the focus goes to the answer, or to the field that is wrong.

import { onContent } from './content.js';

const BUSY = { send: 'Asking the model…', models: 'Asking the provider for its models…' };

async function ask(form, what) {
  const body = new URLSearchParams(new FormData(form));
  body.set('do', what);
  const response = await fetch(form.action, { method: 'POST', body });
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  const part = page.querySelector('[data-console]');
  if (part === null) throw new Error(response.status === 401 ? 'Your session has ended. Sign in again in another tab, then send this once more.' : '');
  return document.adoptNode(part);
}

// A reload shows the same agent and model; the message is in no address.
function remember(form) {
  const url = new URL(location.href);
  url.pathname = new URL(form.action).pathname;
  for (const name of ['agent', 'model']) url.searchParams.set(name, form.elements[name].value);
  url.hash = '';
  history.replaceState(history.state, '', url);
}

// Models go into the list of the field; the region that says how many was there before, so
// that it is read out.
function putModels(place, answer) {
  const [told, newTold] = [place, answer].map((each) => each.querySelector('[data-models-told]'));
  place.querySelector('datalist').replaceChildren(...answer.querySelector('datalist').childNodes);
  told.className = newTold.className;
  told.textContent = newTold.textContent;
  place.querySelector('[name="model"]').focus();
}

function putAnswer(place, answer) {
  place.replaceChildren(...answer.childNodes);
  (place.querySelector('[aria-invalid]') ?? place.querySelector('[data-focus]'))?.focus();
}

const TOLD = { send: '[data-told]', models: '[data-models-told]' };

function prepare(place) {
  let isBusy = false;
  place.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    const { target: form, submitter } = event;
    const what = submitter?.value ?? 'send';
    const buttons = form.querySelectorAll('button');
    const status = place.querySelector(TOLD[what]);
    status.classList.remove('problem');
    status.textContent = BUSY[what];
    place.setAttribute('aria-busy', 'true');
    for (const button of buttons) button.disabled = true;
    try {
      remember(form);
      const answer = await ask(form, what);
      for (const button of buttons) button.disabled = false;
      if (what === 'models' && answer.querySelector('[aria-invalid]') === null) putModels(place, answer);
      else putAnswer(place, answer);
    } catch (error) {
      status.classList.add('problem');
      status.textContent = error.message.startsWith('Your') ? error.message : 'This could not be sent. What you typed is still here: try again.';
      for (const button of buttons) button.disabled = false;
    }
    place.removeAttribute('aria-busy');
    isBusy = false;
  });
}

onContent((root) => root.querySelectorAll('[data-console]').forEach(prepare));
