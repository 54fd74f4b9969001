// Sealing. The fields with values have no names, so no form sends them; they are
// emptied before anything else happens, and a box is put into the field "sealed".

import { sealLlmKey, sealReplacement, sealSecret } from './sealing.js';
import { optionsOf } from './key-options.js';

const LIFETIME_SECONDS = 300;

const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

function fieldOf(form, name) {
  const input = form.elements[name];
  return input && !input.disabled ? input.value : '';
}

// Where requests go without a base URL of one's own, as the form says
const usualBaseUrl = (form) => form.elements.provider.selectedOptions[0].dataset.usual;

// What each purpose puts into its box besides
const BOXES = {
  secret: (sodium, key, form, box) => sealSecret(sodium, key, { ...box, name: fieldOf(form, 'name') }),
  // one of many: the options say which
  env: (sodium, key, form, { options: { name }, ...box }) => sealSecret(sodium, key, { ...box, name }),
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

// The value, and those of headers
export const fieldsWithValues = (root) => [...root.querySelectorAll('[data-value], [data-header-value]')];

// Empties them, and returns what was in them
export function takeValues(form) {
  form.boxOptions = optionsOf(form);
  return fieldsWithValues(form).map((field) => {
    const { value } = field;
    field.value = '';
    return value;
  });
}

// A box for one value, in base64; form has the data of sealAttributes()
export async function sealed(form, value, options = {}) {
  const { default: sodium } = await import('libsodium-wrappers');
  const { seal, project, publicKey, now } = form.dataset;
  // the server's time when it made the page, and what has passed since
  const expiresAt = Math.floor(Number(now) + performance.now() / 1000) + LIFETIME_SECONDS;
  return toBase64(await BOXES[seal](sodium, fromBase64(publicKey), form, { projectId: project, value, options, expiresAt }));
}

export async function sealInto(form, [value]) {
  const options = form.boxOptions;
  delete form.boxOptions;
  form.elements.sealed.value = await sealed(form, value, options);
}

// Forms that are not in a dialog go on by themselves
document.addEventListener('submit', async (event) => {
  const { target: form } = event;
  if (!form.dataset.seal || form.closest('[data-dialog-part]')) return;
  event.preventDefault();
  const button = form.querySelector('button:not([type])');
  const status = form.querySelector('.status');
  button.disabled = true;
  status.textContent = 'Sealing…';
  try {
    await sealInto(form, takeValues(form));
    form.submit();
  } catch {
    status.textContent = 'The value could not be sealed here. Reload the page and try again.';
    button.disabled = false;
  }
});
