// Whether a key works, asked of its provider now. The status of the answer counts, and
// whether an answer of 200 is an error all the same. What the provider says besides is
// not shown, because it may repeat the key.

import { NotPublic } from './addresses.js';
import { errorIn, parse, readText } from './answers.js';
import { send } from './requests.js';

const OUTCOMES = { 401: 'rejected', 402: 'quota', 403: 'rejected', 429: 'rate_limited' };

// What an answer says about the key, in a word that report_key() takes; undefined
// where it says nothing. A POST has an empty body: who complains about that has
// taken the key. To a GET, some providers say 400 of a wrong key.
export function outcomeOf(method, status) {
  if (status >= 200 && status < 300) return 'ok';
  if (status >= 500 && status < 600) return 'server';
  if (method === 'POST' && (status === 400 || status === 422)) return 'ok';
  if (method === 'GET' && status === 400) return 'rejected';
  return OUTCOMES[status];
}

// For people
const TEXTS = {
  ok: () => 'The provider accepted this key.',
  // a key with few rights may not be allowed this request, and work for others
  rejected: (status) => `The provider rejected this key${status === 403 ? ', or does not let it do what the test does' : ''} (${status}).`,
  quota: () => 'The provider says that the quota or credit of this key is used up (402).',
  rate_limited: (status, retryAfter) =>
    `The provider takes no more requests with this key for now (429)${retryAfter === null ? '' : `, and asks to wait ${retryAfter} seconds`}.`,
  server: (status) => `The provider has a problem of its own (${status}). Try again later.`,
};

// In seconds, or null: a date is taken for none
function retryAfterOf({ headers }) {
  const text = headers['retry-after'] ?? '';
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : null;
}

// An error that came with 200 or the like: { status } that it names, if any; null for none.
// What is too long, too slow or not to be read is none.
async function errorOf(response) {
  if (response.statusCode >= 300) return null;
  try {
    const { text, isPage } = await readText(response);
    return isPage ? { isPage } : errorIn(parse(text)) ?? null;
  } catch {
    return null;
  }
}

async function ask(request, options) {
  const response = await send(request, options);
  try {
    return { response, error: await errorOf(response) };
  } finally {
    response.destroy();
  }
}

const unclear = (what) => ({ text: `The provider answered ${what}, which does not tell whether this key works.` });

function read(method, { response, error }) {
  if (error?.isPage) return unclear(`${response.statusCode} with a web page`);
  if (error !== null && error.status === undefined) return unclear(`${response.statusCode} with an error`);
  const status = error?.status ?? response.statusCode;
  const outcome = outcomeOf(method, status);
  const retryAfter = outcome === 'rate_limited' ? retryAfterOf(response) : null;
  const text = TEXTS[outcome]?.(status, retryAfter);
  return text === undefined ? unclear(status) : { outcome, retryAfter, text };
}

// Resolves to what is to be reported, if anything, and a text for people
export async function probe(request, { timeLimitMs, allowPrivate = false }) {
  const signal = AbortSignal.timeout(timeLimitMs);
  const body = request.method === 'POST' ? '{}' : undefined;
  try {
    return read(request.method, await ask(request, { signal, allowPrivate, body }));
  } catch (error) {
    if (error instanceof NotPublic) return { text: 'The provider’s address is not a public one. The key was not sent.' };
    return {
      outcome: 'timeout',
      text: signal.aborted ? 'The provider did not answer in time.' : 'The provider could not be reached.',
    };
  }
}
