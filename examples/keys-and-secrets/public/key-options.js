// The options of a key, which are in its box. What is empty is none.

import { onContent } from './content.js';

function fieldOf(form, name) {
  const input = form.elements[name];
  return input && !input.disabled ? input.value : '';
}

// The field is in the reader's zone: see times.js.
const utc = (text) => (text === '' ? null : new Date(text).toISOString());

function modelsOf(form) {
  const names = fieldOf(form, 'allowed_models').split(/[\s,]+/).filter(Boolean);
  return names.length > 0 ? names : null;
}

const headerRows = (form) => [...form.querySelectorAll('[data-header]')].map((row) => [...row.querySelectorAll('input')]);

const namedHeaders = (form) => headerRows(form).map(([name, value]) => [name.value.trim(), value.value.trim()]).filter(([name]) => name !== '');

// What the service gets of headers
export function headerNamesInto(form) {
  if (form.elements.header_names) form.elements.header_names.value = namedHeaders(form).map(([name]) => name).join(' ');
}

function headersOf(form) {
  const headers = namedHeaders(form);
  headerNamesInto(form);
  return headers.length > 0 ? { headers: Object.fromEntries(headers) } : {};
}

export function optionsOf(form) {
  if (!form.elements.priority) return {};
  const priority = fieldOf(form, 'priority');
  return {
    ...(priority === '' ? {} : { priority: Number(priority) }),
    expires_at: utc(fieldOf(form, 'expires_at')),
    rotate_after: utc(fieldOf(form, 'rotate_after')),
    allowed_models: modelsOf(form),
    ...headersOf(form),
  };
}

// Headers: a row more where one is needed; each has a name of its own, and a value.

const MOST_HEADERS = 16;

function checkHeaders(form) {
  const seen = new Set();
  for (const [name, value] of headerRows(form)) {
    const same = name.value.trim().toLowerCase();
    name.required = value.required = name.value !== '' || value.value !== '';
    name.setCustomValidity(same !== '' && seen.has(same) ? 'This header is there twice.' : '');
    seen.add(same);
  }
}

function prepare(button) {
  const { form } = button;
  button.addEventListener('click', () => {
    const row = form.querySelector('[data-header]').cloneNode(true);
    for (const input of row.querySelectorAll('input')) {
      input.value = '';
      input.required = false;
      input.setCustomValidity('');
    }
    button.before(row);
    button.hidden = headerRows(form).length >= MOST_HEADERS;
    row.querySelector('input').focus();
  });
  form.addEventListener('input', () => checkHeaders(form));
  // what is wrong must be seen
  form.addEventListener('invalid', ({ target }) => { target.closest('details').open = true; }, true);
}

onContent((root) => root.querySelectorAll('[data-add-header]').forEach(prepare));
