// Testing a key: the page that answers has the result, of which only the row is taken.

import { added } from './content.js';

const PARTS = ['.row-title', '.facts', '.status'];

async function rowAfter(form, row) {
  const response = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  const after = page.getElementById(row.id);
  if (after === null) throw new Error('the page has no result');
  return after;
}

document.addEventListener('submit', async (event) => {
  const { target: form } = event;
  if (!form.matches('form[data-test]')) return;
  event.preventDefault();
  const row = form.closest('.row');
  const status = row.querySelector('.status');
  if (row.ariaBusy === 'true') return;
  row.ariaBusy = 'true';
  status.className = 'status';
  status.textContent = 'Asking the provider…';
  try {
    const after = await rowAfter(form, row);
    const [title, facts, result] = PARTS.map((part) => after.querySelector(part));
    row.querySelector('.row-title').replaceChildren(...title.childNodes);
    row.querySelector('.facts').replaceChildren(...facts.childNodes);
    added(row);
    status.className = result.className;
    status.textContent = result.textContent;
  } catch {
    status.textContent = 'The key could not be tested. Reload the page and try again.';
  }
  row.ariaBusy = null;
});
