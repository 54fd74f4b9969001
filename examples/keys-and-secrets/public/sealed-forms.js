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

// Where requests go: to the base URL of one's own, else to the provider's, as the form says
const baseUrlOf = (form) => fieldOf(form, 'base_url').trim() || null;
const destinationOf = (form) => baseUrlOf(form) ?? form.dataset.usual;

// What each purpose puts into its box besides
const BOXES = {
  secret: (sodium, key, form, box) => sealSecret(sodium, key, { ...box, name: fieldOf(form, 'name') }),
  // one of many: the options say which
  env: (sodium, key, form, { options: { name }, ...box }) => sealSecret(sodium, key, { ...box, name }),
  'llm-key': (sodium, key, form, box) => sealLlmKey(sodium, key, {
    ...box, provider: fieldOf(form, 'provider'), name: fieldOf(form, 'name'), baseUrl: baseUrlOf(form), destination: destinationOf(form),
  }),
  replacement: (sodium, key, form, box) => {
    const { oldKey, provider, destination } = form.dataset;
    return sealReplacement(sodium, key, { ...box, oldKeyId: oldKey, provider, destination });
  },
  // in the place of a key that does not open, of which nothing is taken over
  entered: (sodium, key, form, box) => {
    const { oldKey, provider } = form.dataset;
    const options = { ...box.options, name: fieldOf(form, 'name'), provider, base_url: baseUrlOf(form) };
    return sealReplacement(sodium, key, { ...box, options, oldKeyId: oldKey, provider, destination: destinationOf(form) });
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
  // keys have no blanks around them, but what else is sealed may
  const isKey = form.dataset.seal !== 'secret';
  form.elements.sealed.value = await sealed(form, isKey ? value.trim() : value, options);
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
