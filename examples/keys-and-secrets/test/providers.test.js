// Providers: their own SDKs take what the database gives to a runner, and the
// page lists the models of each; what fails is told without the key.

import assert from 'node:assert/strict';
import test from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { InferenceClient } from '@huggingface/inference';
import { Mistral } from '@mistralai/mistralai';
import OpenAI, { AzureOpenAI } from 'openai';
import { addKey, ids, inRun, KEYS, newValue, PROJECTS, provider, resolve, settings, signedIn, start, ticketFor } from './harness.js';

const ping = [{ role: 'user', content: 'ping' }];
const textOf = (completion) => completion.choices[0].message.content;

// How each SDK is made of a resolved key, and a call with it
const CALLS = {
  openai: async ({ key_value: apiKey, base_url: baseURL }) => {
    const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
    return textOf(await client.chat.completions.create({ model: 'gpt-6', messages: ping }));
  },
  openai_compatible: async ({ key_value: apiKey, base_url: baseURL }) => {
    const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
    return textOf(await client.chat.completions.create({ model: 'llama-5-8b-instant', messages: ping }));
  },
  azure_ai_foundry: async ({ key_value: apiKey, base_url: endpoint }) => {
    const client = new AzureOpenAI({ apiKey, endpoint, deployment: 'our-gpt-6', apiVersion: '2024-10-21', maxRetries: 0 });
    return textOf(await client.chat.completions.create({ model: 'our-gpt-6', messages: ping }));
  },
  anthropic: async ({ key_value: apiKey, base_url: baseURL }) => {
    const client = new Anthropic({ apiKey, baseURL, maxRetries: 0 });
    return (await client.messages.create({ model: 'claude-haiku-5', max_tokens: 10, messages: ping })).content[0].text;
  },
  google_ai: async ({ key_value: apiKey, base_url: baseUrl }) => {
    const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });
    return (await client.models.generateContent({ model: 'gemini-4-flash', contents: 'ping' })).text;
  },
  mistral: async ({ key_value: apiKey, base_url: url }) => {
    // this SDK adds the /v1 itself
    const client = new Mistral({ apiKey, serverURL: url.replace(/\/v1$/, '') });
    return textOf(await client.chat.complete({ model: 'mistral-large-latest', messages: ping }));
  },
  huggingface: async ({ key_value: accessToken, base_url: endpointUrl }) => {
    const client = new InferenceClient(accessToken, { endpointUrl });
    return textOf(await client.chatCompletion({ model: 'Qwen/Qwen4-32B', messages: ping }));
  },
};

// What the stand-in must have got
const ARRIVES = {
  openai: ['POST', '/openai/v1/chat/completions', 'authorization', 'Bearer '],
  openai_compatible: ['POST', '/compatible/v1/chat/completions', 'authorization', 'Bearer '],
  azure_ai_foundry: ['POST', '/azure/openai/deployments/our-gpt-6/chat/completions', 'api-key', ''],
  anthropic: ['POST', '/anthropic/v1/messages', 'authorization', 'Bearer '],
  google_ai: ['POST', '/google/v1beta/models/gemini-4-flash:generateContent', 'x-goog-api-key', ''],
  mistral: ['POST', '/mistral/v1/chat/completions', 'authorization', 'Bearer '],
  huggingface: ['POST', '/huggingface/v1/chat/completions', 'authorization', 'Bearer '],
};

for (const [slug, call] of Object.entries(CALLS)) {
  test(`${slug}: the official SDK works with a resolved key`, async () => {
    const [method, path, header, scheme] = ARRIVES[slug];
    provider.requests.length = 0;
    assert.equal(await call(await resolve(ids[slug])), 'pong');
    assert.equal(provider.requests.length, 1);
    const [request] = provider.requests;
    assert.equal(`${request.method} ${request.path}`, `${method} ${path}`);
    assert.equal(request.headers[header], scheme + KEYS[slug][1]);
  });
}

// What is behind chat_request_base() of each, for clients without an SDK
const PATHS = {
  openai: ['/chat/completions', { model: 'gpt-6', messages: ping }],
  openai_compatible: ['/chat/completions', { model: 'llama-5-8b-instant', messages: ping }],
  azure_ai_foundry: ['/chat/completions', { model: 'our-gpt-6', messages: ping }],
  mistral: ['/chat/completions', { model: 'mistral-large-latest', messages: ping }],
  huggingface: ['/chat/completions', { model: 'Qwen/Qwen4-32B', messages: ping }],
  anthropic: ['/v1/messages', { model: 'claude-haiku-5', max_tokens: 10, messages: ping }],
  google_ai: ['/v1beta/models/gemini-4-flash:generateContent', { contents: [{ parts: [{ text: 'ping' }] }] }],
};

for (const [slug, [path, body]] of Object.entries(PATHS)) {
  test(`${slug}: chat_request_base() is all that a call needs`, async () => {
    const [{ base_url: base, headers }] = await inRun(await ticketFor({ keyId: ids[slug] }),
      'SELECT * FROM tarx_keys.chat_request_base($1, $2)', [PROJECTS.support, ids[slug]]);
    const response = await fetch(base + path, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    assert.equal(response.status, 200);
    assert.match(await response.text(), /pong/);
  });
}

const MODELS = {
  openai: ['gpt-6', 'gpt-6-mini', 'o5'],
  openai_compatible: ['llama-5-8b-instant'],
  azure_ai_foundry: ['our-gpt-6'],
  // on two pages each
  anthropic: ['claude-haiku-5', 'claude-opus-5', 'claude-sonnet-5'],
  google_ai: ['gemini-4-flash', 'gemini-4-pro', 'gemma-5'],
  mistral: ['codestral-latest', 'mistral-large-latest'],
  huggingface: ['meta-llama/Llama-5-70B-Instruct', 'Qwen/Qwen4-32B'],
};

const HEADERS = { anthropic: 'x-api-key', google_ai: 'x-goog-api-key', azure_ai_foundry: 'api-key' };

async function listed(keyId, name = 'alice') {
  const user = await signedIn(name);
  return JSON.parse((await user.get(settings(name, `/llm-keys/${keyId}/models`), { accept: 'application/json' })).text);
}

for (const [slug, models] of Object.entries(MODELS)) {
  test(`${slug}: the page lists the models of a key`, async () => {
    provider.requests.length = 0;
    assert.deepEqual(await listed(ids[slug]), { status: 200, models, remarks: [] });
    // the headers are the catalogue's, on each page
    const header = HEADERS[slug] ?? 'authorization';
    const value = (HEADERS[slug] ? '' : 'Bearer ') + KEYS[slug][1];
    for (const request of provider.requests) {
      assert.equal(request.headers[header], value);
      assert.equal(request.headers['anthropic-version'], slug === 'anthropic' ? '2023-06-01' : undefined);
    }
  });
}

const AS_HERE = { timeLimitMs: 1500, allowPrivate: true };

test('azure_ai_foundry: where deployments are not listed, models are', async () => {
  const requests = await inRun(await ticketFor({ keyId: ids.azure_ai_foundry }),
    'SELECT * FROM tarx_keys.models_request($1, $2)', [PROJECTS.support, ids.azure_ai_foundry]);
  assert.deepEqual(requests.map(({ url }) => url.replace(provider.url, '')),
    ['/azure/openai/deployments?api-version=2022-12-01', '/azure/openai/v1/models']);
  const { listModels } = await import('../src/models.js');
  requests[0].url = `${provider.url}/azure/openai/none`;
  assert.deepEqual(await listModels(requests, AS_HERE), { models: ['gpt-6-2026-01-01', 'gpt-6-mini-2026-01-01'], isCut: false, isCatalogue: true });
});

const FAILURES = {
  refused: /^The provider answered 401: Incorrect API key provided: \[redacted\]\. You can find yours/,
  partly: /^The provider answered 401: Incorrect API key provided: \[redacted\]…\[redacted\]$/,
  limited: /^The provider answered 429: Rate limit reached for \[redacted\]$/,
  broken: /^The provider answered 500 with a web page\.$/,
  inside: /^The provider answered 200 with an error: No key like \[redacted\] here$/,
  moved: /^The provider answered 302, a redirect, which is not followed\.$/,
  endless: /^The provider’s answer is too long\.$/,
  unlike: /^The provider’s answer has no list of models\.$/,
  silent: /^The provider did not answer in time\.$/,
};

for (const [word, message] of Object.entries(FAILURES)) {
  test(`a provider that fails (${word}) is told of, without the key`, async () => {
    const value = newValue(`sk-proj-${word}-`);
    const answer = await listed(await addKey('openai', `Fails: ${word}`, value));
    assert.equal(answer.status, 502);
    assert.match(answer.problem, message);
    for (let i = 0; i + 8 <= value.length; i++) assert.ok(!answer.problem.toLowerCase().includes(value.slice(i, i + 8)));
  });
}

test('a provider that is not there is told of', async () => {
  const { listModels } = await import('../src/models.js');
  await assert.rejects(listModels([{ method: 'GET', url: 'http://127.0.0.1:9/models', headers: { authorization: 'Bearer x' } }], AS_HERE),
    { message: 'The provider could not be reached.' });
});

test('each request has the time for itself', async () => {
  const { listModels } = await import('../src/models.js');
  const request = (key) => ({ method: 'GET', url: `${provider.url}/openai/v1/models`, headers: { Authorization: `Bearer ${key}` } });
  const { models } = await listModels([request('silent-not-a-real-key'), request('not-a-real-key')], { ...AS_HERE, timeLimitMs: 500 });
  assert.deepEqual(models, MODELS.openai);
});

test('models are named without the key, and by nothing but text', async () => {
  const value = newValue('sk-proj-echo-');
  const { status, models } = await listed(await addKey('openai', 'Echoes', value));
  assert.equal(status, 200);
  assert.deepEqual(models.map((id) => id.replace(/^QmVhcmVy[\w-]{1,3}\[redacted\]$/, 'base64')).sort(), ['[redacted]', 'base64', 'ft:[redacted]']);
});

test('a key in a header without a scheme is taken out from its first word', async () => {
  const { listModels } = await import('../src/models.js');
  const key = 'refused not-a-real-key';
  await assert.rejects(listModels([{ method: 'GET', url: `${provider.url}/azure/openai/v1/models`, headers: { 'api-key': key } }], AS_HERE),
    { message: /^The provider answered 401: Incorrect API key provided: \[redacted\]\. You can find/ });
});

test('a provider whose address is not public gets no request', async () => {
  const { listModels } = await import('../src/models.js');
  const { port } = new URL(provider.url);
  provider.requests.length = 0;
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]']) {
    await assert.rejects(listModels([{ method: 'GET', url: `http://${host}:${port}/openai/v1/models`, headers: { authorization: 'Bearer x' } }], { timeLimitMs: 1500 }),
      { message: 'The provider’s address is not a public one.' }, host);
  }
  const strict = await start({ ALLOW_PRIVATE_ADDRESSES: '' });
  const response = await (await signedIn('bob', strict.address)).get(settings('bob', `/llm-keys/${ids.openai}/models`), { accept: 'application/json' });
  assert.match(response.text, /not a public one/);
  assert.equal(provider.requests.length, 0);
});

test('which addresses are public', async () => {
  const { isPublic } = await import('../src/addresses.js');
  for (const address of ['1.1.1.1', '168.63.129.17', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1']) assert.ok(isPublic(address), address);
  for (const address of ['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.8.9.1', '168.63.129.16', '169.254.169.254', '172.31.255.255', '192.168.0.1', '198.18.0.1',
    '224.0.0.1', '255.255.255.255', '::', '::1', '::ffff:10.0.0.1', '::ffff:1.1.1.1', '64:ff9b::a00:1', 'fe80::1', 'fe80::1%lo', 'fd00::1',
    'ff02::1', '2001:db8::1', '2002:a00:1::', 'localhost', '']) assert.ok(!isPublic(address), address);
});

test('a metadata service gets no request, whatever is allowed', async () => {
  const { isAdmitted } = await import('../src/addresses.js');
  const { listModels } = await import('../src/models.js');
  for (const address of ['169.254.169.254', '169.254.170.2', '168.63.129.16', '100.100.100.200', 'fd00:ec2::254', '::ffff:169.254.169.254', 'localhost', '']) assert.ok(!isAdmitted(address), address);
  for (const address of ['127.0.0.1', '10.1.2.3', '::1', 'fd12::1', '1.1.1.1']) assert.ok(isAdmitted(address), address);
  await assert.rejects(listModels([{ method: 'GET', url: 'http://169.254.169.254/latest', headers: { authorization: 'Bearer x' } }], AS_HERE),
    { message: 'The provider’s address is not a public one.' });
});

test('listing models counts as a use of the key', async () => {
  const id = await addKey('mistral', 'Counted', newValue(''));
  await listed(id);
  const { text } = await (await signedIn('bob')).get(settings('bob'));
  assert.match(text, new RegExp(`id="key-${id}".*?used <time`, 's'));
});
