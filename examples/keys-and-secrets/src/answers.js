// What providers answer, read with limits of size and time. Texts of theirs are shown
// without the key.

import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { NotPublic } from './addresses.js';
import { redactor } from './redact.js';
import { send } from './requests.js';

const SIZE_LIMIT = 4 * 1024 * 1024;

// A failure with a text for people, and the status of the answer if there was one
export class ProviderError extends Error {}

// Bytes

async function readLimited(response) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > SIZE_LIMIT) throw new ProviderError('The provider’s answer is too long.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const [gunzip, inflate, inflateRaw, brotli] = [zlib.gunzip, zlib.inflate, zlib.inflateRaw, zlib.brotliDecompress].map(promisify);

const DECODERS = {
  identity: async (bytes) => bytes,
  gzip: gunzip,
  'x-gzip': gunzip,
  br: brotli,
  // some send it without the two bytes in front that it should have
  deflate: (bytes, options) => ((bytes[0] & 0x0f) === 8 ? inflate : inflateRaw)(bytes, options),
};

// Nobody compresses more often; each time takes as long as that of a whole answer.
const MOST_ENCODINGS = 3;

// The last encoding in the header is the outermost.
async function decoded(bytes, header = '') {
  const encodings = header.toLowerCase().split(',').map((each) => each.trim()).filter(Boolean);
  for (const encoding of encodings.reverse()) {
    const decode = DECODERS[encoding];
    if (decode === undefined || encodings.length > MOST_ENCODINGS) throw new ProviderError('The provider’s answer is compressed in a way that is not read here.');
    try {
      if (bytes.length > 0) bytes = await decode(bytes, { maxOutputLength: SIZE_LIMIT });
    } catch (error) {
      throw new ProviderError(error.code === 'ERR_BUFFER_TOO_LARGE'
        ? 'The provider’s answer is too long.' : 'The provider’s answer is compressed, and not as it says.');
    }
  }
  return bytes;
}

const MARKS = [['utf-8', [0xef, 0xbb, 0xbf]], ['utf-16be', [0xfe, 0xff]], ['utf-16le', [0xff, 0xfe]]];

// A mark at the start counts more than what the header says. TextDecoder leaves it out.
function charsetOf(bytes, type) {
  const [marked] = MARKS.find(([, mark]) => mark.every((byte, i) => bytes[i] === byte)) ?? [];
  return marked ?? /;\s*charset\s*=\s*"?([\w.:-]+)/i.exec(type)?.[1] ?? 'utf-8';
}

function textOf(bytes, type) {
  try {
    return new TextDecoder(charsetOf(bytes, type)).decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes);   // a charset that nobody knows
  }
}

// The text of a response as http has it, and whether that is a web page
export async function readText(response) {
  const { 'content-type': type = '', 'content-encoding': encoding } = response.headers;
  const text = textOf(await decoded(await readLimited(response), encoding), type);
  return { text, isPage: /^\s*text\/html\b/i.test(type) || /^\s*<(!doctype html|html|head|body)\b/i.test(text) };
}

export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Errors

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

// An object has no text, or makes trouble when it is asked for one
const plain = (value) => (typeof value === 'object' ? undefined : value);

// What an error says. It may be a text, an object, a list of such, and JSON in a text.
const TOLD = ['message', 'msg', 'error', 'errors', 'detail', 'error_description', 'description', 'title', 'reason', 'type', 'code'];

// Errors in errors
const DEEPEST = 8;

function told(value, depth = 0) {
  if (depth > DEEPEST) return '';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') {
    const inside = /^\s*[[{]/.test(value) ? parse(value) : undefined;
    return (inside === undefined ? '' : told(inside, depth + 1)) || value.trim();
  }
  if (Array.isArray(value)) return value.slice(0, 3).map((each) => told(each, depth + 1)).filter(Boolean).join('; ');
  if (!isObject(value)) return '';
  for (const name of TOLD) {
    const text = told(value[name], depth + 1);
    if (text !== '') return text;
  }
  return '';
}

// The status that an error names, where it names one
function statusIn(value, depth = 0) {
  if (depth > DEEPEST) return undefined;
  if (typeof value === 'string') return /^\s*[[{]/.test(value) ? statusIn(parse(value), depth + 1) : undefined;
  if (Array.isArray(value)) return statusIn(value[0], depth + 1);
  if (!isObject(value)) return undefined;
  const named = ['status', 'status_code', 'statusCode', 'http_status', 'code'].map((name) => Number(plain(value[name])))
    .find((number) => Number.isInteger(number) && number >= 400 && number < 600);
  return named ?? statusIn(value.error ?? value.errors ?? value.detail ?? value.message, depth + 1);
}

const isFilled = (value, depth = 0) => value !== null && value !== undefined && value !== false && value !== 0 && value !== ''
  && (typeof value !== 'object' || depth > DEEPEST || Object.values(value).some((each) => isFilled(each, depth + 1)));

// Whether an answer says of itself that it is an error, whatever its status
function isFailure(body) {
  if (Array.isArray(body)) return body.length > 0 && isObject(body[0]) && isFailure(body[0]);
  if (!isObject(body)) return false;
  if (isFilled(body.error) || isFilled(body.errors)) return true;
  if (body.success === false || body.ok === false) return true;
  return [body.type, body.object, body.status].some((word) => /^(error|failed|failure)$/i.test(plain(word)));
}

// The error in an answer that came with 200: { detail, status }, or undefined. Gateways
// put what one of several providers said into the choice.
export function errorIn(body) {
  const [failed] = [body, body?.choices?.[0]].filter(isFailure);
  return failed === undefined ? undefined : { detail: told(failed), status: statusIn(failed) };
}

// Takes what the headers have out of a text. In authorization, the word before
// the key is a scheme, which texts may have. What version an API has is no secret.
export function redactorOf(headers) {
  return redactor(Object.entries(headers).filter(([name]) => !/(^|-)version$|^content-type$/i.test(name))
    .map(([name, value]) => (name.toLowerCase() === 'authorization' ? value.replace(/^[A-Za-z]+ /, '') : value)));
}

function failure(what, detail, { status, redact, retryAfter }) {
  const text = redact(detail);
  return Object.assign(new ProviderError(`The provider answered ${what}${text === '' ? '.' : `: ${text}`}`), { status, retryAfter });
}

// The JSON of an answer, which is no error by its status nor by what it says
function readBody(status, { text, isPage }, redact, retryAfter) {
  const refuse = (what, detail, named) => { throw failure(what, detail, { status: named, redact, retryAfter }); };
  const body = parse(text);
  // what is asked again behind another address would take the key to another place
  if (status >= 300 && status < 400) refuse(`${status}, a redirect, which is not followed`, '', status);
  if (status < 200 || status >= 300) {
    if (isPage) refuse(`${status} with a web page`, '', status);
    refuse(status, body === undefined && !text.startsWith('<') ? text : told(body), status);
  }
  if (text.trim() === '') refuse(`${status} with nothing`, '');
  if (isPage) refuse(`${status} with a web page. Look at the base URL of the key`, '');
  if (body === undefined) throw new ProviderError('The provider’s answer is no JSON.');
  const error = errorIn(body);
  if (error !== undefined) refuse(`${status} with an error`, error.detail, error.status);
  return body;
}

// The JSON that a request is answered with, or a ProviderError. That has the status of
// the answer, or the one that an error in it names; its name is TimeoutError where none came.
export async function readJson(request, options) {
  const { redact, signal } = options;
  let response;
  let content;
  try {
    response = await send(request, options);
    content = await readText(response);
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    if (error instanceof NotPublic) throw new ProviderError('The provider’s address is not a public one.');
    const text = signal.aborted ? 'The provider did not answer in time.' : 'The provider could not be reached.';
    throw Object.assign(new ProviderError(text), { name: 'TimeoutError' });
  } finally {
    response?.destroy();
  }
  return readBody(response.statusCode, content, redact, response.headers['retry-after']);
}
