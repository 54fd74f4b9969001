// The models that a key is for, asked of its provider now. What to send comes
// from the database; this file knows how providers answer, not who they are.

import { ProviderError, readJson, redactorOf } from './answers.js';

const MOST_PAGES = 20;

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
    const body = await readJson({ ...request, url }, options);
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
