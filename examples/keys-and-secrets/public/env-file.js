// A .env file that was pasted: read here by dotenv's own parser, its values sealed here, and
// the boxes sent one by one. No value leaves the browser in clear.

import { onContent } from './content.js';
import { changed } from './dialogs.js';
import { askToSignIn, renew } from './forms.js';
import { sealed } from './sealed-forms.js';

const LONGEST = 64 * 1024;
const encoder = new TextEncoder();

// Why a secret of this name and value would be refused, or nothing
function wrong(name, value, pattern) {
  if (!pattern.test(name) || name.length > 128) return 'Not a name of a secret: letters, digits and _, no digit first.';
  if (value === '') return 'It has no value.';
  return encoder.encode(value).length > LONGEST ? 'Its value is longer than 64 KiB.' : '';
}

const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

function lengthOf(value) {
  const lines = value.split('\n').length;
  return `${plural(Array.from(value).length, 'character')}${lines > 1 ? ` in ${lines} lines` : ''}`;
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A row for a name: what would happen to it, and later what has
function rowOf({ name, value, problem }, i, versions) {
  const box = element('input', { type: 'checkbox', id: `env-${i}`, checked: !problem, disabled: Boolean(problem) });
  const now = versions.get(name);
  const plan = problem || `${lengthOf(value)}, ${now === undefined ? 'new' : `becomes version ${now + 1} of the one there is`}`;
  const result = element('span', { className: problem ? 'problem' : 'hint', textContent: plan });
  const label = element('label', { htmlFor: box.id }, element('code', { textContent: name }));
  return { box, result, row: element('li', { className: 'row' }, box, element('div', { className: 'row-main' }, label, element('p', { className: 'facts' }, result))) };
}

async function send(form, { name, value }) {
  const body = new URLSearchParams({ csrf: form.elements.csrf.value, name, sealed: await sealed(form, value, { name }) });
  const response = await fetch(form.action, { method: 'POST', body, headers: { accept: 'application/json' } });
  if (response.status === 429) return { status: 429, problem: 'Too many requests in a minute. Wait a moment, then set the rest.' };
  if (!response.headers.get('content-type')?.startsWith('application/json')) return { status: response.status, problem: 'It was refused. Reload the page and try again.' };
  return response.json();
}

function prepare(form) {
  const [text, file, found, list, submit] = ['text', 'file', 'found', 'rows', 'submit'].map((part) => form.querySelector(`[data-env-${part}]`));
  const status = form.querySelector('.status');
  const close = form.querySelector('[data-env-close]');
  const versions = new Map(Object.entries(JSON.parse(form.dataset.versions)));
  const pattern = new RegExp(form.dataset.pattern);
  let entries = [];
  let isBusy = false;

  const chosen = () => entries.filter((entry) => entry.box.checked && !entry.isSet);
  const count = () => {
    const { length } = chosen();
    submit.disabled = isBusy || length === 0;
    submit.textContent = length === 0 ? 'Set secrets' : `Set ${plural(length, 'secret')}`;
  };

  async function read() {
    const { parse } = await import('/assets/dotenv.mjs');
    entries = Object.entries(parse(text.value)).map(([name, value], i) => {
      const entry = { name, value, problem: wrong(name, value, pattern) };
      return { ...entry, ...rowOf(entry, i, versions) };
    });
    list.replaceChildren(...entries.map(({ row }) => row));
    found.hidden = entries.length === 0;
    const refused = entries.filter(({ problem }) => problem).length;
    status.textContent = text.value.trim() === '' ? '' : entries.length === 0 ? 'There is no line like NAME=value in it.'
      : `${plural(entries.length, 'name')} found${refused > 0 ? `, ${refused} of which cannot be set` : ''}.`;
    count();
  }

  function told(entry, { status: code, version, problem }) {
    entry.isSet = code === 200;
    entry.result.className = entry.isSet ? 'good' : 'problem';
    entry.result.textContent = entry.isSet ? `Set, version ${version}.` : problem;
    if (!entry.isSet) return;
    entry.value = '';
    entry.box.checked = false;
    entry.box.disabled = true;
    versions.set(entry.name, version);
    changed();
  }

  function summary() {
    const set = entries.filter(({ isSet }) => isSet).length;
    const left = chosen().length;
    if (left > 0) return `${plural(set, 'secret')} set; ${left} not, for the reasons beside them.`;
    text.value = '';
    close.textContent = 'Done';
    return `${plural(set, 'secret')} set. Delete the file if nothing else needs it.`;
  }

  // One after the other; the end of the session or of what is allowed in a minute ends it,
  // and the rest can be set later.
  async function setAll() {
    if ('ofEnded' in form.dataset) await renew(form);
    for (const entry of chosen()) {
      status.textContent = `Setting ${entry.name}…`;
      const answer = await send(form, entry);
      if (answer.signIn) return askToSignIn(form, status, answer.signIn);
      told(entry, answer);
      if (answer.status === 429) break;
    }
    status.textContent = summary();
    return undefined;
  }

  text.addEventListener('input', read);
  file.addEventListener('change', async () => {
    text.value = await file.files[0]?.text() ?? '';
    file.value = '';
    await read();
  });
  list.addEventListener('change', count);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    isBusy = true;
    count();
    try {
      await setAll();
    } catch {
      status.textContent = 'This could not be sent. What is not set yet is still here: try again.';
    }
    isBusy = false;
    count();
    if (!('ofEnded' in form.dataset)) (submit.disabled ? close : submit).focus();
  });
  read();
}

onContent((root) => root.querySelectorAll('form[data-env]').forEach(prepare));
