// A field to find rows by what is in them

import { onContent } from './content.js';

function filter(input) {
  const wanted = input.value.trim().toLowerCase();
  const rows = [...document.getElementById(input.dataset.filter).querySelectorAll('.row')];
  for (const row of rows) row.hidden = !`${row.querySelector('.row-title').textContent} ${row.querySelector('.facts').textContent}`.toLowerCase().includes(wanted);
  const count = rows.filter((row) => !row.hidden).length;
  input.parentElement.querySelector('[role="status"]').textContent = wanted === '' ? '' : `${count} of ${rows.length} shown`;
}

onContent((root) => {
  for (const input of root.querySelectorAll('[data-filter]')) input.addEventListener('input', () => filter(input));
});
