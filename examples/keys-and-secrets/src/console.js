// A message to the model of an agent, sent as the agent's runner would send it. The
// address and the headers come from the database; how a message looks is the API's.

import { ProviderError, readJson, redactorOf } from './answers.js';

const chatCompletions = {
  path: () => '/chat/completions',
  body: (model, message) => ({ model, messages: [{ role: 'user', content: message }] }),
  text: (answer) => answer.choices?.[0]?.message?.content,
};

const APIS = {
  anthropic: {
    path: () => '/v1/messages',
    body: (model, message) => ({ model, max_tokens: 1024, messages: [{ role: 'user', content: message }] }),
    text: (answer) => textOfParts(answer.content),
  },
  google_ai: {
    path: (model) => `/v1beta/models/${encodeURIComponent(model)}:generateContent`,
    body: (model, message) => ({ contents: [{ role: 'user', parts: [{ text: message }] }] }),
    text: (answer) => textOfParts(answer.candidates?.[0]?.content?.parts),
  },
};

function textOfParts(parts) {
  return Array.isArray(parts) ? parts.map((part) => part?.text ?? '').join('') : undefined;
}

// What is reported of the key: only what does not hang on the model or the message,
// because those are the member's, and the key is everybody's.
const OUTCOMES = { 401: 'rejected', 402: 'quota', 429: 'rate_limited' };

// Resolves to the answer or the problem, as texts for people, and what is to be
// reported, if anything
export async function converse({ provider, base_url: base, headers }, { model, message }, { timeLimitMs, allowPrivate = false }) {
  const api = APIS[provider] ?? chatCompletions;
  const request = { method: 'POST', url: base + api.path(model), headers: { 'content-type': 'application/json', ...headers } };
  const redact = redactorOf(headers);
  const options = { allowPrivate, redact, body: JSON.stringify(api.body(model, message)), signal: AbortSignal.timeout(timeLimitMs) };
  try {
    const text = api.text(await readJson(request, options));
    if (typeof text !== 'string') throw new ProviderError('The provider’s answer has no text.');
    return { outcome: 'ok', answer: redact(text) };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return { outcome: OUTCOMES[error.status], problem: error.message };
  }
}
