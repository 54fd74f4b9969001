// The models that a key is for, asked of its provider now. What to send comes
// from the database; this file knows how providers answer, not who they are.

import { redact } from './redact.js';

const SIZE_LIMIT = 4 * 1024 * 1024;
const MOST_PAGES = 20;

// A failure with a text for people
export class ProviderError extends Error {}

async function readLimited(response, limit) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limit) throw new ProviderError('The provider’s answer is too long.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

// The value of each header, without the short word before it that is a scheme
function secretsOf(headers) {
  return Object.values(headers).map((value) => value.replace(/^[A-Za-z]{1,7} /, ''));
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function failure(status, text, headers) {
  const body = parse(text);
  const told = body?.error?.message ?? body?.error ?? body?.message ?? body?.detail;
  const detail = typeof told === 'string' ? redact(told, secretsOf(headers)) : '';
  return new ProviderError(`The provider answered ${status}${detail === '' ? '.' : `: ${detail}`}`);
}

async function get({ method, url, headers }, signal) {
  let response;
  let text;
  try {
    // a redirect would take the key to another place
    response = await fetch(url, { method, headers, redirect: 'manual', signal });
    text = await readLimited(response, SIZE_LIMIT);
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    throw new ProviderError(signal.aborted
      ? 'The provider did not answer in time.'
      : 'The provider could not be reached.');
  }
  if (response.status >= 300 && response.status < 400) {
    throw new ProviderError(`The provider answered ${response.status}, a redirect, which is not followed.`);
  }
  if (!response.ok) throw failure(response.status, text, headers);
  const body = parse(text);
  if (body === null) throw new ProviderError('The provider’s answer is no JSON.');
  return body;
}

function idsIn(body) {
  const entries = Array.isArray(body) ? body : body.data ?? body.models;
  if (!Array.isArray(entries)) throw new ProviderError('The provider’s answer has no list of models.');
  return entries.map((entry) => String(entry?.id ?? entry?.name ?? '').replace(/^models\//, '')).filter(Boolean);
}

// The URL of the next page, or null
function nextPage(url, body) {
  const next = new URL(url);
  if (body.has_more === true && typeof body.last_id === 'string') next.searchParams.set('after_id', body.last_id);
  else if (typeof body.nextPageToken === 'string' && body.nextPageToken !== '') next.searchParams.set('pageToken', body.nextPageToken);
  else return null;
  return next.href;
}

async function listAll(request, signal) {
  const ids = new Set();
  let url = request.url;
  for (let page = 0; url !== null && page < MOST_PAGES; page++) {
    const body = await get({ ...request, url }, signal);
    for (const id of idsIn(body)) ids.add(id);
    url = nextPage(url, body);
  }
  return [...ids].sort();
}

// Of several requests, the first that is answered counts: deployments before
// models, where a provider lists both.
export async function listModels(requests, timeLimitMs) {
  const signal = AbortSignal.timeout(timeLimitMs);
  let problem;
  for (const request of requests) {
    try {
      return await listAll(request, signal);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      problem = error;
    }
  }
  throw problem;
}
