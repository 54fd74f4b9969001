// What providers answer, read with limits of size and time. Texts of theirs are shown
// without the key.

import { NotPublic } from './addresses.js';
import { redactor } from './redact.js';
import { send } from './requests.js';

const SIZE_LIMIT = 4 * 1024 * 1024;

// A failure with a text for people, and the status of the answer if there was one
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
export function redactorOf(headers) {
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
  const error = new ProviderError(`The provider answered ${status}${detail === '' ? '.' : `: ${detail}`}`);
  return Object.assign(error, { status });
}

// The JSON that a request is answered with by 200, or a ProviderError
export async function readJson(request, options) {
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
