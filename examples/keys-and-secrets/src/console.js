// A message to the model of an agent, sent as the agent's runner would send it: with its key,
// or its provider's keys in turn. The address and the headers come from the database; how a
// message looks is the API's.

import { outcomeOf, withKey } from '../../client/index.js';
import { ProviderError, readJson, redactorOf } from './answers.js';

// So many keys have the time that a ticket is good for.
const MOST_KEYS = 5;

const ANSWER = { most: 20_000, lines: true };

// Parts are objects with a text, or texts; thoughts are none.
function textOfParts(parts) {
  if (typeof parts === 'string') return parts;
  if (!Array.isArray(parts)) return '';
  return parts.map((part) => (typeof part === 'string' ? part : part?.text)).filter((text) => typeof text === 'string').join('');
}

const withMessages = (model, message) => ({ model, messages: [{ role: 'user', content: message }] });

const chatCompletions = {
  path: () => '/chat/completions',
  body: withMessages,
  text: ({ choices }) => textOfParts(choices?.[0]?.message?.content) || textOfParts(choices?.[0]?.message?.refusal),
  why: ({ choices }) => choices?.[0]?.finish_reason,
};

const APIS = {
  anthropic: {
    path: () => '/v1/messages',
    body: (model, message) => ({ max_tokens: 1024, ...withMessages(model, message) }),
    text: ({ content }) => textOfParts(content),
    why: ({ stop_reason: reason }) => reason,
  },
  google_ai: {
    path: (model) => `/v1beta/models/${encodeURIComponent(model)}:generateContent`,
    body: (model, message) => ({ contents: [{ role: 'user', parts: [{ text: message }] }] }),
    text: ({ candidates }) => textOfParts(candidates?.[0]?.content?.parts),
    why: ({ candidates, promptFeedback }) => candidates?.[0]?.finishReason ?? promptFeedback?.blockReason,
  },
  perplexity: {
    path: () => '/responses',
    body: (model, message) => ({ model, input: message }),
    text: ({ output }) => (Array.isArray(output) ? output.map((item) => textOfParts(item?.content)).join('') : ''),
    why: ({ status }) => status,
  },
};

// The text that a model answers with a key, or a ProviderError
export async function converse({ provider, request: { baseUrl, headers } }, { model, message }, { timeLimitMs, allowPrivate = false }) {
  const api = APIS[provider] ?? chatCompletions;
  const request = { method: 'POST', url: baseUrl + api.path(model), headers: { 'content-type': 'application/json', ...headers } };
  const redact = redactorOf(headers);
  const body = JSON.stringify(api.body(model, message));
  const answer = await readJson(request, { allowPrivate, redact, body, signal: AbortSignal.timeout(timeLimitMs) }) ?? {};
  const text = redact(api.text(answer), ANSWER);
  if (text !== '') return text;
  const why = api.why(answer);
  throw new ProviderError(`The provider’s answer has no text${typeof why === 'string' ? ` (${redact(why)})` : ''}.`);
}

// Asks in a run of the agent. Resolves to the answer, or what the last key's provider said in
// its place, and to all tries: { keyName, provider, outcome, ms, problem }. What has an outcome
// is reported, for the next choice of any runner. An error of the database is thrown, with tries.
export async function askAgent(run, { model, message }, limits) {
  const tries = [];
  const call = async (key) => {
    const began = performance.now();
    const attempt = { keyName: key.name, provider: key.provider };
    tries.push(attempt);
    try {
      const answer = await converse(key, { model, message }, limits);
      attempt.outcome = 'ok';
      return answer;
    } catch (error) {
      attempt.outcome = outcomeOf(error);
      attempt.problem = error.message;
      throw error;
    } finally {
      attempt.ms = Math.round(performance.now() - began);
    }
  };
  try {
    return { answer: await withKey(run, { project: run.project, agent: run.agent, model, attempts: MOST_KEYS }, call), tries };
  } catch (error) {
    if (error instanceof ProviderError) return { problem: error.message, tries };
    throw Object.assign(error, { tries });
  }
}
