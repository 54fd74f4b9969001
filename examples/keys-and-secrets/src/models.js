// The models that a key is for, asked of its provider now. What to send comes
// from the database; this file knows how providers answer, not who they are.

import { NotPublic } from './addresses.js';
import { redactor } from './redact.js';
import { send } from './requests.js';

const SIZE_LIMIT = 4 * 1024 * 1024;
const MOST_PAGES = 20;

// A failure with a text for people
export class ProviderError extends Error {}

async function readLimited(response, limit) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > limit) throw new ProviderError('The provider’s answer is too long.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

// Takes what the headers have out of a text. In authorization, the word before
// the key is a scheme, which texts may have.
function redactorOf(headers) {
  return redactor(Object.entries(headers).map(([name, value]) =>
    (name.toLowerCase() === 'authorization' ? value.replace(/^[A-Za-z]+ /, '') : value)));
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function failure(status, text, redact) {
  const body = parse(text);
  const told = body?.error?.message ?? body?.error ?? body?.message ?? body?.detail;
  const detail = typeof told === 'string' ? redact(told) : '';
  return new ProviderError(`The provider answered ${status}${detail === '' ? '.' : `: ${detail}`}`);
}

async function get(request, options) {
  const { redact, signal } = options;
  let status;
  let text;
  try {
    const response = await send(request, options);
    status = response.statusCode;
    text = await readLimited(response, SIZE_LIMIT);
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    if (error instanceof NotPublic) throw new ProviderError('The provider’s address is not a public one.');
    throw new ProviderError(signal.aborted
      ? 'The provider did not answer in time.'
      : 'The provider could not be reached.');
  }
  // a redirect would take the key to another place
  if (status >= 300 && status < 400) throw new ProviderError(`The provider answered ${status}, a redirect, which is not followed.`);
  if (status !== 200) throw failure(status, text, redact);
  const body = parse(text);
  if (body === null) throw new ProviderError('The provider’s answer is no JSON.');
  return body;
}

function idsIn(body) {
  const entries = Array.isArray(body) ? body : body.data ?? body.models;
  if (!Array.isArray(entries)) throw new ProviderError('The provider’s answer has no list of models.');
  return entries.map((entry) => entry?.id ?? entry?.name).filter((id) => typeof id === 'string' && id !== '')
    .map((id) => id.replace(/^models\//, ''));
}

// The URL of the next page, or null
function nextPage(url, body) {
  const next = new URL(url);
  if (body.has_more === true && typeof body.last_id === 'string') next.searchParams.set('after_id', body.last_id);
  else if (typeof body.nextPageToken === 'string' && body.nextPageToken !== '') next.searchParams.set('pageToken', body.nextPageToken);
  else return null;
  return next.href;
}

async function listAll(request, options) {
  const { redact } = options;
  const ids = new Set();
  let url = request.url;
  for (let page = 0; url !== null && page < MOST_PAGES; page++) {
    const body = await get({ ...request, url }, options);
    for (const id of idsIn(body)) ids.add(redact(id));
    url = nextPage(url, body);
  }
  return [...ids].sort();
}

// Of several requests, the first that is answered counts: deployments before
// models, where a provider lists both. Each has the time for itself.
export async function listModels(requests, { timeLimitMs, allowPrivate = false }) {
  let problem = new ProviderError('The provider lists no models.');
  for (const request of requests) {
    try {
      return await listAll(request, { allowPrivate, redact: redactorOf(request.headers), signal: AbortSignal.timeout(timeLimitMs) });
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      problem = error;
    }
  }
  throw problem;
}
