// Lists of models, which a provider is asked for when somebody looks; and what is looked for in them.

import { onContent } from './content.js';

async function load(place) {
  const response = await fetch(place.dataset.load, { headers: { accept: 'text/html', 'x-in-page': 'models' } });
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  const part = page.querySelector('[data-dialog-part]');
  if (part === null) throw new Error('the page has no models');
  // all but the heading, which is there already
  part.querySelector('h2').remove();
  return [...part.childNodes].map((node) => document.adoptNode(node));
}

async function fill(place) {
  const status = place.querySelector('[role="status"]');
  const part = place.closest('[data-dialog-part]');
  try {
    const nodes = await load(place);
    if (!place.isConnected) return;
    part.querySelector('.buttons')?.remove();
    place.replaceWith(...nodes);
    onFilters(part);
  } catch {
    place.removeAttribute('aria-busy');
    status.textContent = 'The models could not be listed. Close this and try again.';
  }
}

function filter(input) {
  const items = [...document.getElementById(input.dataset.findModel).children];
  const status = input.closest('[data-dialog-part]').querySelector('[data-filtered]');
  input.addEventListener('input', () => {
    const part = input.value.trim().toLowerCase();
    for (const item of items) item.hidden = !item.firstElementChild.textContent.toLowerCase().includes(part);
    const count = items.filter((item) => !item.hidden).length;
    status.textContent = count === 1 ? '1 model' : `${count} models`;
  });
}

function onFilters(root) {
  root.querySelectorAll('[data-find-model]').forEach(filter);
}

onContent((root) => {
  root.querySelectorAll('[data-load]').forEach(fill);
  onFilters(root);
});
