// The models that a key is for, asked of its provider now. What to send comes
// from the database; this file knows how providers answer, not who they are.

import { ProviderError, readJson, redactorOf } from './answers.js';

const MOST_PAGES = 20;
const MOST_MODELS = 5000;    // more than anybody reads, and all that one can look through in no time

// Models sort as the database's names do: see tarx_keys.people.
const { compare } = new Intl.Collator('und', { numeric: true });

const nameOf = (entry) => (typeof entry === 'string' ? entry : entry?.id ?? entry?.name ?? entry?.model);

function idsIn(body) {
  const entries = Array.isArray(body) ? body : body?.data ?? body?.models;
  if (!Array.isArray(entries)) throw new ProviderError('The provider’s answer has no list of models.');
  return entries.map(nameOf).filter((id) => typeof id === 'string' && id !== '').map((id) => id.replace(/^models\//, ''));
}

// The URL of the next page, null if there is none, or undefined if there is one
// that nobody can find
function nextPage(url, body) {
  const next = new URL(url);
  if (body.has_more === true) {
    if (typeof body.last_id !== 'string') return undefined;
    next.searchParams.set('after_id', body.last_id);
  } else if (typeof body.nextPageToken === 'string' && body.nextPageToken !== '') {
    next.searchParams.set('pageToken', body.nextPageToken);
  } else {
    return null;
  }
  return next.href === url ? undefined : next.href;
}

// All of a list, or as much of it as is read here
async function listAll(request, options) {
  const { redact } = options;
  const ids = new Set();
  let url = request.url;
  for (let page = 0; url && page < MOST_PAGES; page++) {
    const body = await readJson({ ...request, url }, options);
    const found = idsIn(body);
    const room = MOST_MODELS - ids.size;
    for (const id of found.slice(0, room)) ids.add(redact(id));
    url = found.length > room ? undefined : nextPage(url, body);
  }
  return { models: [...ids].sort(compare), isCut: url !== null };
}

// Of several requests, the first that is answered counts: deployments before
// models, where a provider lists both. Each has the time for itself. What the second
// lists is what the provider offers, and not what a call can name.
export async function listModels(requests, { timeLimitMs, allowPrivate = false }) {
  let problem = new ProviderError('The provider lists no models.');
  for (const [i, request] of requests.entries()) {
    try {
      const list = await listAll(request, { allowPrivate, redact: redactorOf(request.headers), signal: AbortSignal.timeout(timeLimitMs) });
      return { ...list, isCatalogue: i > 0 };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      problem = error;
    }
  }
  throw problem;
}

// What is to be said of a list, for people
export function remarksOn({ models, isCut, isCatalogue }) {
  return [
    models.length === 0 && 'The provider lists no models for this key.',
    isCatalogue && 'The provider does not list your deployments here. This is its catalogue: a call names one of your deployments.',
    isCut && `The provider has more: these are the first ${models.length}.`,
  ].filter(Boolean);
}
