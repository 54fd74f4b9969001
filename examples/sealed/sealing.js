// Seals values to a tarx_keys server and opens what it sealed to us. It imports
// nothing, so that the same file runs in Node.js and in a browser: sodium is the
// library of the package libsodium-wrappers, as the caller has loaded it.
//
// Public keys and boxes are Uint8Array; a JavaScript string cannot be wiped, so
// do not keep values longer than you need them.

const FORMAT_VERSION = 1;
const LIFETIME_SECONDS = 300;

function bigEndian(number, width) {
  const bytes = new Uint8Array(width);
  let rest = BigInt(number);
  for (let i = width - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

function join(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function field(sodium, text) {
  if (text === null) return Uint8Array.of(0);
  const bytes = sodium.from_string(text);
  return join([Uint8Array.of(1), bigEndian(bytes.length, 4), bytes]);
}

async function seal(sodium, publicKey, purpose, projectId, fields, value, expiresAt) {
  await sodium.ready;
  const expiry = expiresAt ?? Math.floor(Date.now() / 1000) + LIFETIME_SECONDS;
  const payload = join([
    Uint8Array.of(FORMAT_VERSION),
    sodium.from_string(purpose),
    sodium.from_hex(projectId.replaceAll('-', '')),
    ...fields.map((text) => field(sodium, text)),
    bigEndian(expiry, 8),
    sodium.from_string(value),
  ]);
  try {
    return sodium.crypto_box_seal(payload, publicKey);
  } finally {
    sodium.memzero(payload);
  }
}

// A box for add_sealed_llm_key() with exactly these arguments. expiresAt is in
// seconds since 1970, five minutes from now by default.
export function sealLlmKey(sodium, publicKey, { projectId, provider, name, baseUrl = null, value, expiresAt }) {
  return seal(sodium, publicKey, 'tarx.box-llm...1', projectId, [provider, name, baseUrl], value, expiresAt);
}

// A box for set_sealed_secret() with exactly these arguments
export function sealSecret(sodium, publicKey, { projectId, name, value, expiresAt }) {
  return seal(sodium, publicKey, 'tarx.box-sec...1', projectId, [name], value, expiresAt);
}

// A key pair for one run; its publicKey is what resolve calls take.
export async function newKeyPair(sodium) {
  await sodium.ready;
  return sodium.crypto_box_keypair();
}

// The value in a box that a resolve call gave
export function openSealed(sodium, box, { publicKey, privateKey }) {
  return sodium.to_string(sodium.crypto_box_seal_open(box, publicKey, privateKey));
}
