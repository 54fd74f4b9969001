// What is to be said of a choice of a key, as that it is of another provider, is said where it is chosen.

import { onContent } from './content.js';

function prepare(select) {
  const place = select.form.querySelector('[data-warning][role="status"]');
  const show = () => { place.textContent = select.selectedOptions[0]?.dataset.warning ?? ''; };
  select.addEventListener('change', show);
  show();
}

onContent((root) => root.querySelectorAll('select[data-warns]').forEach(prepare));
