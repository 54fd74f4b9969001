// The order of keys: rows are dragged among those of their provider, or moved by their
// menu. The page that answers has the new list.

import { added, onContent } from './content.js';

let dragged = null;

const listOf = (element) => element.closest('[data-orders]');
const rowById = (id) => document.getElementById(id);

function say(list, text) {
  list.querySelector('[data-said]').textContent = text;
}

// Takes the list of another page, and gives the row its focus back
async function takeList(list, response, rowId) {
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  const after = page.getElementById(list.id);
  if (after === null) throw new Error('the page has no list');
  list.querySelector('.rows').replaceWith(document.adoptNode(after.querySelector('.rows')));
  added(list);
  rowById(rowId).querySelector('summary').focus();
}

async function move(form, place) {
  const list = listOf(form);
  const row = form.closest('.row');
  const body = new URLSearchParams(new FormData(form));
  body.set('place', place);
  try {
    const response = await fetch(form.action, { method: 'POST', body });
    await takeList(list, response, row.id);
    const { name, spokenPlace } = rowById(row.id).dataset;
    say(list, `${name} is now ${spokenPlace}.`);
  } catch {
    location.reload();
  }
}

document.addEventListener('submit', (event) => {
  if (!event.target.matches('form[data-move]')) return;
  event.preventDefault();
  move(event.target, event.target.elements.place.value);
});

// Dragging

const mayDrop = (row) => dragged !== null && row !== null && row !== dragged && row.dataset.group === dragged.dataset.group;

function mark(row) {
  for (const each of document.querySelectorAll('.row.target')) each.classList.remove('target');
  row?.classList.add('target');
}

onContent((root) => {
  for (const handle of root.querySelectorAll('[data-handle]')) handle.draggable = true;
});

document.addEventListener('dragstart', (event) => {
  const handle = event.target.closest?.('[data-handle]');
  if (!handle) return;
  dragged = handle.closest('.row');
  event.dataTransfer.effectAllowed = 'move';
  event.dataTransfer.setData('text/plain', dragged.dataset.name);
  event.dataTransfer.setDragImage(dragged, 0, 0);
});

document.addEventListener('dragover', (event) => {
  const row = event.target.closest?.('.row') ?? null;
  if (!mayDrop(row)) return;
  event.preventDefault();
  mark(row);
});

document.addEventListener('drop', (event) => {
  const row = event.target.closest?.('.row') ?? null;
  if (!mayDrop(row)) return;
  event.preventDefault();
  move(dragged.querySelector('form[data-move]'), row.dataset.place);
});

document.addEventListener('dragend', () => {
  dragged = null;
  mark(null);
});
