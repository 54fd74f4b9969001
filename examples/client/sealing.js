// Seals values to a tarx_keys server and opens what it sealed to us. It imports
// nothing, so that the same file runs in Node.js and in a browser: sodium is the
// library of the package libsodium-wrappers, as the caller has loaded it.
//
// Public keys and boxes are Uint8Array; a JavaScript string cannot be wiped, so
// do not keep values longer than you need them.

/** @typedef {typeof import('libsodium-wrappers')} Sodium */
/** @typedef {{ publicKey: Uint8Array, privateKey: Uint8Array }} KeyPair */

const LIFETIME_SECONDS = 300;

/** @type {(number: number, width: number) => Uint8Array} */
function bigEndian(number, width) {
  const bytes = new Uint8Array(width);
  let rest = BigInt(number);
  for (let i = width - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** @type {(parts: Uint8Array[]) => Uint8Array} */
function join(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** @type {(sodium: Sodium, id: string) => Uint8Array} */
const uuid = (sodium, id) => sodium.from_hex(id.replaceAll('-', ''));
/** @type {(sodium: Sodium, id: string) => string} */
const uuidHex = (sodium, id) => sodium.to_hex(uuid(sodium, id));

/**
 * A field is bytes, or a text, or null
 * @type {(sodium: Sodium, content: Uint8Array | string | null) => Uint8Array}
 */
function field(sodium, content) {
  if (content === null) return Uint8Array.of(0);
  const bytes = typeof content === 'string' ? sodium.from_string(content) : content;
  return join([Uint8Array.of(1), bigEndian(bytes.length, 4), bytes]);
}

/** @type {(sodium: Sodium, format: number, purpose: string, projectId: string, fields: (Uint8Array | string | null)[]) => Uint8Array} */
function header(sodium, format, purpose, projectId, fields) {
  return join([
    Uint8Array.of(format), sodium.from_string(purpose), uuid(sodium, projectId),
    ...fields.map((content) => field(sodium, content)),
  ]);
}

/**
 * Sealing: what is in front of the expiry, what is between it and the value
 * @type {(sodium: Sodium, publicKey: Uint8Array, expiresAt: number | undefined, front: Uint8Array, middle: Uint8Array, value: string) => Promise<Uint8Array>}
 */
async function seal(sodium, publicKey, expiresAt, front, middle, value) {
  const expiry = expiresAt ?? Math.floor(Date.now() / 1000) + LIFETIME_SECONDS;
  const payload = join([front, bigEndian(expiry, 8), middle, sodium.from_string(value)]);
  try {
    return sodium.crypto_box_seal(payload, publicKey);
  } finally {
    sodium.memzero(payload);
  }
}

/** @type {(sodium: Sodium, given: object) => Uint8Array} */
const options = (sodium, given) => field(sodium, JSON.stringify(given));

/**
 * A box for add_sealed_llm_key() with exactly these arguments, its own options left
 * out: those are in the box. destination is the base URL that the user was shown,
 * where requests with the key go: baseUrl, or the provider's default. The key is not
 * added for another one. expiresAt is in seconds since 1970, five minutes from now
 * by default and at most a day.
 *
 * @param {Sodium} sodium
 * @param {Uint8Array} publicKey
 * @param {{ projectId: string, provider: string, name: string, baseUrl?: string | null,
 *           destination?: string | null, options?: object, value: string, expiresAt?: number }} what
 * @returns {Promise<Uint8Array>}
 */
export async function sealLlmKey(sodium, publicKey, {
  projectId, provider, name, baseUrl = null, destination = baseUrl, options: given = {}, value, expiresAt,
}) {
  await sodium.ready;
  if (!destination) throw new Error('sealLlmKey: destination is missing');
  const front = header(sodium, 2, 'tarx.box-llm...2', projectId, [provider, name, baseUrl, destination]);
  return seal(sodium, publicKey, expiresAt, front, options(sodium, given), value);
}

/**
 * A box for replace_sealed_llm_key(): provider and destination are those of the new
 * key, so the old one's unless the options name others
 *
 * @param {Sodium} sodium
 * @param {Uint8Array} publicKey
 * @param {{ projectId: string, oldKeyId: string, provider: string, destination: string,
 *           options?: object, value: string, expiresAt?: number }} what
 * @returns {Promise<Uint8Array>}
 */
export async function sealReplacement(sodium, publicKey, {
  projectId, oldKeyId, provider, destination, options: given = {}, value, expiresAt,
}) {
  await sodium.ready;
  if (!destination) throw new Error('sealReplacement: destination is missing');
  const front = header(sodium, 2, 'tarx.box-rep...2', projectId, [uuid(sodium, oldKeyId), provider, destination]);
  return seal(sodium, publicKey, expiresAt, front, options(sodium, given), value);
}

/**
 * A box for set_sealed_secret() with exactly these arguments
 *
 * @param {Sodium} sodium
 * @param {Uint8Array} publicKey
 * @param {{ projectId: string, name: string, value: string, expiresAt?: number }} what
 * @returns {Promise<Uint8Array>}
 */
export async function sealSecret(sodium, publicKey, { projectId, name, value, expiresAt }) {
  await sodium.ready;
  const front = header(sodium, 1, 'tarx.box-sec...1', projectId, [name]);
  return seal(sodium, publicKey, expiresAt, front, new Uint8Array(0), value);
}

/**
 * A box for find_sealed_key()
 *
 * @param {Sodium} sodium
 * @param {Uint8Array} publicKey
 * @param {{ value: string, expiresAt?: number }} what
 * @returns {Promise<Uint8Array>}
 */
export async function sealSearch(sodium, publicKey, { value, expiresAt }) {
  await sodium.ready;
  const front = header(sodium, 1, 'tarx.box-find..1', '00000000-0000-0000-0000-000000000000', []);
  return seal(sodium, publicKey, expiresAt, front, new Uint8Array(0), value);
}

// Opening

const SOMETHING_ELSE = 'the box is for something else';

/**
 * A key pair for one run; its publicKey is what resolve calls take.
 *
 * @param {Sodium} sodium
 * @returns {Promise<KeyPair>}
 */
export async function newKeyPair(sodium) {
  await sodium.ready;
  return sodium.crypto_box_keypair();
}

/**
 * The fields behind a header, which must be all there is
 * @type {(bytes: Uint8Array, count: number) => (Uint8Array | null)[]}
 */
function readFields(bytes, count) {
  /** @type {(Uint8Array | null)[]} */
  const fields = [];
  let at = 0;
  /** @type {(length: number) => Uint8Array} */
  const take = (length) => {
    if (length > bytes.length - at) throw new Error('the box ends too early');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (fields.length < count) {
    const [tag] = take(1);
    if (tag > 1) throw new Error('the box has no field where one must be');
    const length = tag === 1 ? take(4).reduce((number, byte) => number * 256 + byte, 0) : 0;
    fields.push(tag === 1 ? take(length) : null);
  }
  if (at < bytes.length) throw new Error('the box goes on behind its end');
  return fields;
}

/**
 * What is in a box for this project. asked is the id or the name that the box is
 * for, in hexadecimal.
 * @type {(sodium: Sodium, box: Uint8Array, keyPair: KeyPair, projectId: string) => { asked: string | null, value: string } & Record<'provider' | 'baseUrl' | 'authHeader' | 'authScheme' | 'headers', string | null>}
 */
function open(sodium, box, { publicKey, privateKey }, projectId) {
  const payload = sodium.crypto_box_seal_open(box, publicKey, privateKey);
  try {
    const expected = header(sodium, 2, 'tarx.box-out...2', projectId, []);
    if (!expected.every((byte, i) => payload[i] === byte)) throw new Error(SOMETHING_ELSE);
    const [asked, ...texts] = readFields(payload.subarray(expected.length), 7);
    const [provider, baseUrl, authHeader, authScheme, value, headers] = texts.map((bytes) => bytes && sodium.to_string(bytes));
    if (value === null) throw new Error('the box has no value');
    return { asked: asked && sodium.to_hex(asked), provider, baseUrl, authHeader, authScheme, value, headers };
  } finally {
    sodium.memzero(payload);
  }
}

/**
 * @typedef {{ keyId?: string, provider: string, baseUrl: string, authHeader: string,
 *             authScheme: string | null, value: string, headers: Record<string, string> }} OpenedKey
 */

/**
 * The key in a box of a resolve call for this id, which is that of a key or of an
 * agent. Or else for this provider, with these ids of keys as tried: then the box is
 * for the id of the key that the server has chosen, and keyId is that id. Take all of
 * it from here, and nothing from the row beside the box: whoever passes the row on can
 * change that. authScheme is null where the header has the value alone; headers are
 * the key's own, to send as well.
 *
 * @param {Sodium} sodium
 * @param {Uint8Array} box
 * @param {KeyPair} keyPair
 * @param {{ projectId: string, id?: string, provider?: string, tried?: string[] }} asked
 * @returns {OpenedKey}
 */
export function openKey(sodium, box, keyPair, { projectId, id, provider, tried = [] }) {
  if (id !== undefined && tried.length > 0) throw new Error('openKey: tried goes with provider, not with id');
  const { asked, provider: its, baseUrl, authHeader, headers, ...rest } = open(sodium, box, keyPair, projectId);
  const right = id === undefined ? its === provider : asked === uuidHex(sodium, id);
  if (!right) throw new Error(SOMETHING_ELSE);
  if (its === null || baseUrl === null || authHeader === null) throw new Error('the box has no key');
  const key = { provider: its, baseUrl, authHeader, ...rest, headers: headers === null ? {} : parse(headers) };
  return id === undefined ? { keyId: chosenId(sodium, asked, tried), ...key } : key;
}

/** @type {(text: string) => Record<string, string>} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the box has headers that are no JSON'); // the parser's error quotes them
  }
}

/** @type {(sodium: Sodium, asked: string | null, tried: string[]) => string} */
function chosenId(sodium, asked, tried) {
  if (asked === null || asked.length !== 32) throw new Error('the box has no id where one must be');
  if (tried.some((other) => uuidHex(sodium, other) === asked)) throw new Error('the box has a key that was tried');
  return asked.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/**
 * The value of a secret, in a box of a resolve call for this name
 *
 * @param {Sodium} sodium
 * @param {Uint8Array} box
 * @param {KeyPair} keyPair
 * @param {{ projectId: string, name: string }} asked
 * @returns {string}
 */
export function openSecret(sodium, box, keyPair, { projectId, name }) {
  const { asked, value, ...rest } = open(sodium, box, keyPair, projectId);
  if (asked !== sodium.to_hex(sodium.from_string(name))) throw new Error(SOMETHING_ELSE);
  if (Object.values(rest).some((content) => content !== null)) throw new Error('the box has no secret');
  return value;
}
