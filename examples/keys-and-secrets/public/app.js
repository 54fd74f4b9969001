// What the pages do in the browser: seal values, show models, copy. Everything
// else is links and forms, which work without it.

import { sealLlmKey, sealReplacement, sealSecret } from './sealing.js';

const LIFETIME_SECONDS = 300;

document.documentElement.classList.add('script');

// Sealing. The field with the value has no name, so no form sends it; it is
// emptied before anything else happens.

const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

function fieldOf(form, name) {
  const input = form.elements[name];
  return input && !input.disabled ? input.value : '';
}

// Where requests go without a base URL of one's own, as the form says
const usualBaseUrl = (form) => form.elements.provider.selectedOptions[0].dataset.usual;

// The options of a key, which are in its box. What is empty is none.

const utc = (text) => (text === '' ? null : `${text}Z`);

function modelsOf(form) {
  const names = fieldOf(form, 'allowed_models').split(/[\s,]+/).filter(Boolean);
  return names.length > 0 ? names : null;
}

const headerRows = (form) => [...form.querySelectorAll('[data-header]')].map((row) => [...row.querySelectorAll('input')]);

function headersOf(form) {
  const headers = headerRows(form).map(([name, value]) => [name.value.trim(), value.value.trim()]).filter(([name]) => name !== '');
  form.elements.header_names.value = headers.map(([name]) => name).join(' ');
  return headers.length > 0 ? { headers: Object.fromEntries(headers) } : {};
}

function optionsOf(form) {
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

// What each purpose puts into its box besides
const BOXES = {
  secret: (sodium, key, form, box) => sealSecret(sodium, key, { ...box, name: fieldOf(form, 'name') }),
  'llm-key': (sodium, key, form, box) => {
    const baseUrl = fieldOf(form, 'base_url') || null;
    return sealLlmKey(sodium, key, {
      ...box, provider: fieldOf(form, 'provider'), name: fieldOf(form, 'name'),
      baseUrl, destination: baseUrl ?? usualBaseUrl(form),
    });
  },
  replacement: (sodium, key, form, box) => {
    const { oldKey, provider, destination } = form.dataset;
    return sealReplacement(sodium, key, { ...box, oldKeyId: oldKey, provider, destination });
  },
};

async function sealForm(form, value, options) {
  const { default: sodium } = await import('libsodium-wrappers');
  const { seal, project, publicKey, now } = form.dataset;
  const key = fromBase64(publicKey);
  // the server's time when it made the page, and what has passed since
  const expiresAt = Math.floor(Number(now) + performance.now() / 1000) + LIFETIME_SECONDS;
  return toBase64(await BOXES[seal](sodium, key, form, { projectId: project, value, options, expiresAt }));
}

for (const form of document.querySelectorAll('form[data-seal]')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const input = form.querySelector('[data-value]');
    const button = form.querySelector('button:not([type])');
    const status = form.querySelector('.status');
    const { value } = input;
    const options = optionsOf(form);
    for (const secret of [input, ...form.querySelectorAll('[data-header-value]')]) secret.value = '';
    button.disabled = true;
    status.textContent = 'Sealing…';
    try {
      form.elements.sealed.value = await sealForm(form, value, options);
      form.submit();
    } catch {
      status.textContent = 'The value could not be sealed here. Reload the page and try again.';
      button.disabled = false;
    }
  });
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

for (const button of document.querySelectorAll('[data-add-header]')) {
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

// Testing a key: the page that answers has the result, of which only the cell is taken.

async function testKey(form) {
  const response = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  const cell = page.getElementById(form.parentElement.id);
  if (cell === null) throw new Error('the page has no result');
  return [cell.querySelector('.health'), cell.querySelector('.status')];
}

for (const form of document.querySelectorAll('form[data-test]')) {
  const [health, status] = ['.health', '.status'].map((part) => form.parentElement.querySelector(part));
  let busy = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    status.className = 'status';
    status.textContent = 'Asking the provider…';
    try {
      const [newHealth, result] = await testKey(form);
      health.replaceChildren(...newHealth.childNodes);
      status.className = result.className;
      status.textContent = result.textContent;
    } catch {
      status.textContent = 'The key could not be tested. Reload the page and try again.';
    }
    busy = false;
  });
}

// The base URL is asked for where the provider needs or takes one.

function baseUrlHint({ baseUrl, hosts, usual }) {
  const ends = hosts ? ` The host is, or ends in, one of: ${hosts}, and the like.` : '';
  if (baseUrl === 'optional') return `Only for an endpoint of your own, regional or a gateway. Left empty, calls go to ${usual}.${ends}`;
  if (hosts) return `The address of your resource, as the portal shows it.${ends}`;
  return 'The address that paths like /chat/completions are below, like https://api.groq.com/openai/v1.';
}

for (const select of document.querySelectorAll('select[data-provider]')) {
  const field = select.form.querySelector('[data-field="base_url"]');
  const input = field.querySelector('input');
  const show = () => {
    const provider = select.selectedOptions[0].dataset;
    field.hidden = !provider.baseUrl;
    input.disabled = !provider.baseUrl;
    input.required = provider.baseUrl === 'required';
    field.querySelector('.hint').textContent = baseUrlHint(provider);
  };
  select.addEventListener('change', show);
  show();
}

for (const select of document.querySelectorAll('select[data-submit]')) {
  select.addEventListener('change', () => select.form.requestSubmit());
}

// Copying

for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    const input = document.getElementById(button.dataset.copy);
    input.select();
    try {
      await navigator.clipboard.writeText(input.value);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Press Ctrl+C';
    }
  });
}

// Models of the key that is chosen, asked of its provider now

async function fetchModels(url) {
  const response = await fetch(url, { headers: { accept: 'application/json' } });
  if (response.headers.get('content-type')?.startsWith('application/json')) return response.json();
  return { problem: response.status === 401 ? 'Sign in again.' : 'The models could not be listed.' };
}

function showModels(region, { models, problem }) {
  const status = region.querySelector('.status');
  status.classList.toggle('problem', Boolean(problem));
  status.textContent = problem ?? (models.length === 0 ? 'The provider lists no models for this key.' : `${models.length} models`);
  region.querySelector('ul').replaceChildren(...(models ?? []).map((id) => {
    const item = document.createElement('li');
    item.textContent = id;
    return item;
  }));
}

for (const region of document.querySelectorAll('[data-models-of]')) {
  const select = document.getElementById(region.dataset.modelsOf);
  const status = region.querySelector('.status');
  const load = async () => {
    const keyId = select.value;
    if (keyId === '') return;
    showModels(region, { models: [] });
    region.removeAttribute('aria-busy');
    status.textContent = select.selectedOptions[0].dataset.noModels;
    if (status.textContent !== '') return;
    status.textContent = 'Asking the provider…';
    region.setAttribute('aria-busy', 'true');
    const answer = await fetchModels(`${region.dataset.modelsUrl}${keyId}/models?project=${region.dataset.project}`)
      .catch(() => ({ problem: 'The models could not be listed.' }));
    // another key may have been chosen meanwhile
    if (select.value !== keyId) return;
    region.removeAttribute('aria-busy');
    showModels(region, answer);
  };
  select.addEventListener('change', load);
  load();
}
