// A stand-in for LLM providers, on loopback: below a path for each of them it
// answers as they do, and only if the right header has the key. A key with one
// of the words below in it is answered accordingly; errors repeat the key, as
// real ones do.

import { createServer } from 'node:http';

const json = (status, body) => ({ status, body });

const openAiError = (status, message, type) => json(status, { error: { message, type, param: null, code: type } });
const anthropicError = (status, message, type) => json(status, { type: 'error', error: { type, message } });
const googleError = (status, message, type) => json(status, { error: { code: status, message, status: type } });
const mistralError = (status, message) => json(status, { message, request_id: 'stand-in' });
const huggingFaceError = (status, message) => json(status, { error: message });

const openAiModels = (ids) => json(200, { object: 'list', data: ids.map((id) => ({ id, object: 'model', created: 1700000000, owned_by: 'stand-in' })) });

const completion = (model) => json(200, {
  id: 'chatcmpl-1', object: 'chat.completion', created: 1700000000, model,
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'pong', refusal: null } }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
});

// Each model, below the list of them
const eachModel = (path, ids) => Object.fromEntries(ids.map((id) => [`GET ${path}/${id}`, () => json(200, { id, object: 'model' })]));

function openAiLike(ids, error) {
  return {
    accepts: { authorization: 'Bearer ' }, error,
    'GET /models': () => openAiModels(ids),
    ...eachModel('/models', ids),
    'POST /chat/completions': ({ body }) => (body.model ? completion(body.model) : error(422, 'model: field required', 'invalid_request_error')),
  };
}

const ANTHROPIC = ['claude-opus-5', 'claude-sonnet-5', 'claude-haiku-5'];
const GOOGLE = ['gemini-4-flash', 'gemini-4-pro', 'gemma-5'];

// A page has two, so that there is a second one, however many are asked for.
function anthropicModels({ query }) {
  const after = query.get('after_id');
  const from = after === null ? 0 : ANTHROPIC.indexOf(after) + 1;
  const page = ANTHROPIC.slice(from, from + 2);
  return json(200, {
    data: page.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' })),
    has_more: from + 2 < ANTHROPIC.length, first_id: page[0], last_id: page.at(-1),
  });
}

function googleModels({ query }) {
  const from = Number(query.get('pageToken') ?? 0);
  const models = GOOGLE.slice(from, from + 2).map((id) => ({ name: `models/${id}`, supportedGenerationMethods: ['generateContent'] }));
  return json(200, from + 2 < GOOGLE.length ? { models, nextPageToken: String(from + 2) } : { models });
}

const PROVIDERS = {
  '/openai/v1': openAiLike(['gpt-6', 'gpt-6-mini', 'o5'], openAiError),
  '/mistral/v1': openAiLike(['mistral-large-latest', 'codestral-latest'], mistralError),
  '/huggingface/v1': openAiLike(['meta-llama/Llama-5-70B-Instruct', 'Qwen/Qwen4-32B'], huggingFaceError),
  '/compatible/v1': openAiLike(['llama-5-8b-instant'], openAiError),
  '/xai/v1': openAiLike(['grok-5'], openAiError),
  '/anthropic': {
    // the second of each is what its SDK sends since 1.0
    accepts: { 'x-api-key': '', authorization: 'Bearer ' }, error: anthropicError,
    also: { 'anthropic-version': ['2023-06-01', '2026-10-21'] },
    'GET /v1/models': anthropicModels,
    ...eachModel('/v1/models', ANTHROPIC),
    'POST /v1/messages': ({ body }) => json(200, {
      id: 'msg_1', type: 'message', role: 'assistant', model: body.model, stop_reason: 'end_turn', stop_sequence: null,
      content: [{ type: 'text', text: 'pong' }], usage: { input_tokens: 1, output_tokens: 1 },
    }),
  },
  '/google': {
    accepts: { 'x-goog-api-key': '' }, error: googleError,
    'GET /v1beta/models': googleModels,
    ...eachModel('/v1beta/models', GOOGLE),
    'POST /v1beta/models/gemini-4-flash:generateContent': () => json(200, {
      candidates: [{ content: { role: 'model', parts: [{ text: 'pong' }] }, finishReason: 'STOP' }],
    }),
  },
  '/azure': {
    accepts: { 'api-key': '' }, error: openAiError,
    'GET /openai/v1/models': () => openAiModels(['gpt-6-2026-01-01', 'gpt-6-mini-2026-01-01']),
    'GET /openai/deployments': () => json(200, { object: 'list', data: [{ id: 'our-gpt-6', model: 'gpt-6', status: 'succeeded', object: 'deployment' }] }),
    'POST /openai/v1/chat/completions': ({ body }) => completion(body.model),
    'POST /openai/deployments/our-gpt-6/chat/completions': () => completion('our-gpt-6'),
  },
};

// What a word in a key brings about
const WORDS = {
  refused: (key, error) => error(401, `Incorrect API key provided: ${key}. You can find yours at http://127.0.0.1/keys?key=${encodeURIComponent(key)}.`, 'invalid_api_key'),
  partly: (key, error) => error(401, `Incorrect API key provided: ${key.slice(0, 14)}…${key.slice(-12)}`, 'invalid_api_key'),
  narrow: (key, error) => error(403, `${key} has insufficient permissions for this operation`, 'insufficient_permissions'),
  limited: (key, error) => ({ ...error(429, `Rate limit reached for ${key.toUpperCase()}`, 'rate_limit_exceeded'), headers: { 'retry-after': '120' } }),
  unpaid: (key, error) => error(402, `No credit is left for ${key}`, 'insufficient_quota'),
  broken: (key) => ({ status: 500, type: 'text/html', body: `<h1>Internal error with ${key}</h1>` }),
  moved: () => ({ status: 302, headers: { location: 'http://127.0.0.1:9/elsewhere' }, body: {} }),
  endless: () => json(200, { data: Array.from({ length: 200_000 }, (_, i) => ({ id: `model-number-${i}-with-a-long-name` })) }),
  // models whose names are the key, whole, in part and encoded; and names that are none
  echo: (key) => json(200, { data: [key, `ft:${key.slice(0, 16)}`, Buffer.from(`Bearer ${key}`).toString('base64url'), `models/${key}`,
    { toString: 1 }, 5, null].map((id) => ({ id })) }),
  // a page that leads to another, and so on
  paged: (key, error, { query }) => {
    const page = Number(query.get('after_id') ?? 0);
    return json(200, { data: [1, 2].map((i) => ({ id: `model-${2 * page + i}` })), has_more: true, last_id: String(page + 1) });
  },
  // as where a key may not see deployments
  undeployed: (key, error, { path }) => (path.includes('/deployments') ? error(404, 'Resource not found', 'not_found') : openAiModels(['gpt-6-2026-01-01', 'gpt-6-mini-2026-01-01'])),
  unlike: () => json(200, { hello: 'world' }),
  // as gateways do
  inside: (key) => json(200, { error: { code: 401, message: `No key like ${key} here` } }),
};

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? undefined : JSON.parse(text);
}

function keyIn(headers, accepts) {
  for (const [name, scheme] of Object.entries(accepts)) {
    const given = headers[name] ?? '';
    if (given.startsWith(scheme) && given.length >= scheme.length + 8) return given.slice(scheme.length);
  }
  return undefined;
}

function answer(request, url, body) {
  const [prefix, provider] = Object.entries(PROVIDERS).find(([path]) => url.pathname.startsWith(`${path}/`)) ?? [];
  if (provider === undefined) return json(404, { error: { message: 'no such provider' } });
  const key = keyIn(request.headers, provider.accepts);
  if (key === undefined) {
    return provider.error(401, `Put your key into the header ${Object.keys(provider.accepts)[0]}.`, 'invalid_request_error');
  }
  for (const [name, values] of Object.entries(provider.also ?? {})) {
    if (!values.includes(request.headers[name])) return provider.error(400, `${name}: header is required`, 'invalid_request_error');
  }
  const [word] = Object.keys(WORDS).filter((each) => key.includes(each));
  if (word) return WORDS[word](key, provider.error, { path: url.pathname, query: url.searchParams });
  const handler = provider[`${request.method} ${url.pathname.slice(prefix.length)}`];
  if (handler === undefined) return provider.error(404, `Unknown request URL: ${request.method} ${url.pathname}`, 'not_found');
  return handler({ query: url.searchParams, body });
}

// Listens on a free port; requests has what came, for tests.
export async function startProvider(port = 0) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://stand-in');
    const body = await readBody(request);
    requests.push({ method: request.method, path: url.pathname, query: url.search, headers: request.headers });
    // "silent" never answers
    if (Object.values(request.headers).some((value) => String(value).includes('silent'))) return;
    const { status, type = 'application/json', headers = {}, body: told } = answer(request, url, body);
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(type === 'application/json' ? JSON.stringify(told) : told);
  });
  await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    close: () => { server.closeAllConnections(); server.close(); },
  };
}
