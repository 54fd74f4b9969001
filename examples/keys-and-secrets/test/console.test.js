// The test console: what is sent, with which keys, what is told and reported.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { converse } from '../src/console.js';
import { addAgent, addKey, as, asRoot, deleteAgent, ids, newPerson, newValue, PROJECTS, provider, service, settings, signedIn } from './harness.js';

const healthOf = async (id) => (await as('alice', 'SELECT health FROM tarx_keys.llm_keys WHERE id = $1', [id]))[0].health;
const discard = (id) => as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, id]);
const update = (id, changes) => as('alice', 'SELECT tarx_keys.update_llm_key($1, $2, $3)', [PROJECTS.support, id, changes]);

const resultIn = ({ text }) => text.split('id="result"')[1]?.split('</section>')[0];
const triesIn = (page) => [...resultIn(page).matchAll(/<li>.*?<strong>([^<]*)<\/strong> <span class="badge \w+">([^<]*)</gs)].map(([, key, outcome]) => `${key}: ${outcome}`);

const bob = await signedIn('bob');
const send = (agent, rest = {}) => bob.post(settings('bob', '/console'), { agent, model: 'gpt-6', message: 'ping', ...rest });

// A model of each provider, and what must arrive
const CALLS = {
  openai: ['gpt-6', '/openai/v1/chat/completions'],
  openai_compatible: ['llama-5-8b-instant', '/compatible/v1/chat/completions'],
  azure_ai_foundry: ['our-gpt-6', '/azure/openai/v1/chat/completions'],
  anthropic: ['claude-haiku-5', '/anthropic/v1/messages'],
  google_ai: ['gemini-4-flash', '/google/v1beta/models/gemini-4-flash:generateContent'],
  mistral: ['mistral-large-latest', '/mistral/v1/chat/completions'],
  huggingface: ['Qwen/Qwen4-32B', '/huggingface/v1/chat/completions'],
};

for (const [slug, [model, path]] of Object.entries(CALLS)) {
  test(`a member has the answer of an agent’s model: ${slug}`, async () => {
    const agent = await addAgent('Tried', ids[slug]);
    provider.requests.length = 0;
    const page = await send(agent, { model, message: 'ping <b>' });
    assert.equal(page.status, 200);
    assert.match(resultIn(page), /Tried, [^<]*: with the key “[^<]*” in \d+ ms<.*>pong<\/div>/s);
    // what was typed is still there
    assert.match(page.text, /ping &lt;b&gt;<\/textarea>/);
    assert.ok(page.text.includes(`value="${model}"`));
    assert.match(page.text, new RegExp(`<option value="${agent}" selected`));
    assert.deepEqual(provider.requests.map((request) => `${request.method} ${request.path}`), [`POST ${path}`]);
    assert.equal(await healthOf(ids[slug]), 'ok');
    assert.doesNotMatch(page.text, /tarx-run-/);
    await deleteAgent(agent);
  });
}

// What is told, and what is reported of the key, as a runner does
const FAILURES = [
  ['refused', /answered 401: Incorrect API key provided: \[redacted\]/, 'rejected', 'rejected the key'],
  ['inside', /answered 200 with an error: No key like \[redacted\] here/, 'rejected', 'rejected the key'],
  ['unpaid', /answered 402: No credit is left for \[redacted\]/, 'quota', 'quota used up'],
  ['limited', /answered 429: Rate limit reached for \[redacted\]/, 'cooling', 'too many requests'],
  ['narrow', /answered 403: \[redacted\] has insufficient/, 'rejected', 'rejected the key'],
  ['broken', /answered 500 with a web page\./, 'cooling', 'problem of the provider'],
  ['silent', /did not answer in time/, 'cooling', 'no answer'],
  ['unlike', /answer has no text/, 'unverified', 'refused the request'],
];

for (const [word, problem, health, outcome] of FAILURES) {
  test(`what goes wrong is told without the key, and reported if it is the key’s fault: ${word}`, async () => {
    const value = newValue(`sk-proj-${word}-`);
    const id = await addKey('openai', 'Tried', value);
    const agent = await addAgent('Tried', id);
    const page = await send(agent);
    assert.equal(page.status, 502);
    assert.match(resultIn(page), /<h2 [^>]*>No answer</);
    assert.match(resultIn(page), problem);
    assert.deepEqual(triesIn(page), [`Tried: ${outcome}`]);
    assert.ok(!page.text.includes(value.slice(-12)));
    assert.equal(await healthOf(id), health);
    await deleteAgent(agent);
    await discard(id);
  });
}

// Keys of xai in an order, as the provider answers them
async function keysInTurn(...words) {
  const made = [];
  for (const [i, word] of words.entries()) {
    made.push(await addKey('xai', `${i + 1} ${word}`, newValue(`xai-${word}-`)));
    await update(made.at(-1), { priority: i + 1 });
  }
  const [{ id: agent }] = await as('alice', "SELECT tarx_keys.create_agent($1, 'In turn', NULL, 'xai') AS id", [PROJECTS.support]);
  return { agent, end: async () => { await deleteAgent(agent); for (const id of made) await discard(id); }, made };
}

test('an agent with a provider has its keys tried in their order, as a runner would', async () => {
  const { agent, made, end } = await keysInTurn('refused', 'limited', 'works', 'never');
  provider.requests.length = 0;
  const page = await send(agent, { model: 'grok-5' });
  assert.equal(page.status, 200);
  assert.deepEqual(triesIn(page), ['1 refused: rejected the key', '2 limited: too many requests', '3 works: answered']);
  assert.match(resultIn(page), /with the key “3 works” in \d+ ms, after 2 others failed/);
  assert.equal(provider.requests.length, 3);
  assert.deepEqual(await Promise.all(made.map(healthOf)), ['rejected', 'cooling', 'ok', 'unverified']);
  // the next one begins with the one that works
  assert.match(resultIn(await send(agent, { model: 'grok-5' })), /with the key “3 works” in \d+ ms</);
  await end();
});

test('a request that is wrong is tried with one key only', async () => {
  const { agent, made, end } = await keysInTurn('unlike', 'works');
  const page = await send(agent, { model: 'grok-5' });
  assert.deepEqual(triesIn(page), ['1 unlike: refused the request']);
  assert.match(resultIn(page), /The key is not to blame/);
  assert.deepEqual(await Promise.all(made.map(healthOf)), ['unverified', 'unverified']);
  await end();
});

test('keys are tried for as long as a ticket is good, and no longer', async () => {
  const { agent, end } = await keysInTurn('refused', 'refused-b', 'refused-c', 'refused-d', 'refused-e', 'refused-f');
  const page = await send(agent, { model: 'grok-5' });
  assert.equal(page.status, 502);
  assert.equal(triesIn(page).length, 5);
  await end();
});

test('a provider without a usable key says why, and nothing is sent', async () => {
  const { agent, made, end } = await keysInTurn('works');
  await update(made[0], { enabled: false });
  provider.requests.length = 0;
  const page = await send(agent, { model: 'grok-5' });
  assert.equal(page.status, 409);
  assert.match(resultIn(page), /class="problem">\w/);
  assert.equal(provider.requests.length, 0);
  await end();
});

test('what the database refuses is said: models that the key is not for, agents that are not there or were changed', async () => {
  const id = await addKey('openai', 'For one model', newValue());
  await update(id, { allowed_models: ['o5'] });
  const agent = await addAgent('Picky', id);
  provider.requests.length = 0;
  const page = await send(agent);
  assert.equal(page.status, 409);
  assert.match(resultIn(page), /class="problem">\w/);
  await asRoot("UPDATE tarx_keys.agents SET name = 'Forged' WHERE id = $1", [agent]);
  const forged = await send(agent);
  assert.equal(forged.status, 409);
  assert.match(resultIn(forged), /class="problem">\w/);
  await deleteAgent(agent);
  await discard(id);
  const gone = await send(agent, { model: 'o5' });
  assert.equal(gone.status, 404);
  assert.match(resultIn(gone), /class="problem">\w/);
  const carol = await signedIn('carol');
  assert.equal((await carol.post(settings('carol', '/console'), { agent, model: 'o5', message: 'ping' })).status, 404);
  assert.equal(provider.requests.length, 0);
});

const problemAt = ({ text }, name) => new RegExp(`id="console-${name}"[^>]* aria-invalid="true"`).test(text)
  && new RegExp(`id="console-${name}-problem">([^<]+)<`).exec(text)?.[1];

test('what is missing or too long is said at its field, and what was typed stays', async () => {
  const agent = await addAgent('Careful', ids.openai);
  provider.requests.length = 0;
  const empty = await send('', { model: ' ', message: ' \n' });
  assert.equal(empty.status, 422);
  for (const name of ['agent', 'model', 'message']) assert.match(problemAt(empty, name), /\w/);
  const long = await send(agent, { model: 'm'.repeat(201), message: 'x'.repeat(4001) });
  for (const name of ['model', 'message']) assert.match(problemAt(long, name), /at most/);
  assert.ok(long.text.includes('x'.repeat(4001)));
  assert.equal(problemAt(long, 'agent'), false);
  assert.equal((await send('nonsense')).status, 404);
  assert.equal(provider.requests.length, 0);
  await deleteAgent(agent);
});

test('without scripts the models of the chosen agent are shown, and what was typed stays', async () => {
  const agent = await addAgent('Lists', ids.openai);
  const page = await send(agent, { do: 'models', model: '', message: 'kept' });
  assert.equal(page.status, 200);
  assert.match(page.text, /<option value="gpt-6-mini"><\/option>/);
  assert.match(page.text, /3 models\./);
  assert.match(page.text, /kept<\/textarea>/);
  assert.equal(resultIn(page), undefined);
  await deleteAgent(agent);
  const refused = await addAgent('Lists', ids.refused);
  const failed = await send(refused, { do: 'models' });
  assert.equal(failed.status, 502);
  assert.match(failed.text, /class="status problem"[^>]*>The provider answered 401: .*\[redacted\]/);
  await deleteAgent(refused);
});

test('the console can be linked to, with an agent and a model; the message is in no address and no log', async () => {
  const agent = await addAgent('Linked', ids.openai);
  const { text, status } = await bob.get(`${settings('bob', '/console')}&agent=${agent}&model=gpt-6`);
  assert.equal(status, 200);
  assert.match(text, new RegExp(`<option value="${agent}" selected`));
  assert.match(text, /name="model" value="gpt-6"/);
  await send(agent, { message: 'a message of its own' });
  assert.ok(!service.log.includes('a message of its own'));
  assert.equal((await bob.get(`${settings('bob', '/console')}&agent=x`)).status, 404);
  await deleteAgent(agent);
});

test('viewers are told why they cannot, and the database refuses them', async () => {
  await as('alice', "SELECT tarx_keys.add_member($1, 'vera', 'viewer')", [PROJECTS.support]);
  const vera = await newPerson('vera');
  const agent = await addAgent('Seen', ids.openai);
  const { text } = await vera.get(settings('vera', '/console'));
  assert.match(text, /Viewers see agents and do not run them/);
  assert.doesNotMatch(text, /name="message"/);
  provider.requests.length = 0;
  assert.equal((await vera.post(settings('vera', '/console'), { agent, model: 'gpt-6', message: 'ping' })).status, 403);
  assert.equal((await vera.get(settings('vera', `/agents/${agent}/models`))).status, 403);
  assert.equal(provider.requests.length, 0);
  await deleteAgent(agent);
});

// What APIs answer besides a plain text

let body;
const server = createServer((request, response) => { response.end(JSON.stringify(body)); });
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
after(() => { server.closeAllConnections(); server.close(); });
const LIMITS = { timeLimitMs: 1500, allowPrivate: true };

function answerOf(slug, given) {
  body = given;
  const request = { baseUrl: `http://127.0.0.1:${server.address().port}`, headers: { authorization: `Bearer sk-${'k7Qw2ZtR9mXv'}` } };
  return converse({ provider: slug, request }, { model: 'm', message: 'ping' }, LIMITS);
}

test('the text of an answer is found where each API has it', async () => {
  const cases = [
    ['openai', { choices: [{ message: { content: 'One\n\ntwo' } }] }, 'One\n\ntwo'],
    ['openai', { choices: [{ message: { content: null, refusal: 'I will not.' } }] }, 'I will not.'],
    ['mistral', { choices: [{ message: { content: [{ type: 'thinking', thinking: [{ text: 'no' }] }, { type: 'text', text: 'yes' }] } }] }, 'yes'],
    ['anthropic', { content: [{ type: 'text', text: 'a' }, { type: 'tool_use' }, { type: 'text', text: 'b' }] }, 'ab'],
    ['google_ai', { candidates: [{ content: { parts: [{ text: 'a' }, { inlineData: {} }, { text: 'b' }] } }] }, 'ab'],
    ['perplexity', { output: [{ type: 'search_results' }, { type: 'message', content: [{ type: 'output_text', text: 'found' }] }], error: null, status: 'completed' }, 'found'],
    ['openai', { choices: [{ message: { content: `Yours is sk-k7Qw2ZtR9mXv.\nIs it? ${'x'.repeat(400)}` } }] }, `Yours is [redacted].\nIs it? ${'x'.repeat(400)}`],
  ];
  for (const [slug, given, text] of cases) assert.equal(await answerOf(slug, given), text);
});

test('an answer without a text says why, where the API does', async () => {
  const cases = [
    ['openai', { choices: [{ message: { content: '' }, finish_reason: 'length' }] }, ' (length)'],
    ['anthropic', { content: [], stop_reason: 'refusal' }, ' (refusal)'],
    ['google_ai', { promptFeedback: { blockReason: 'SAFETY' } }, ' (SAFETY)'],
    ['google_ai', { candidates: [{ finishReason: 'MAX_TOKENS' }] }, ' (MAX_TOKENS)'],
    ['openai', { hello: 'world' }, ''],
  ];
  for (const [slug, given, why] of cases) await assert.rejects(answerOf(slug, given), { message: `The provider’s answer has no text${why}.` });
  await assert.rejects(answerOf('openai', { choices: [{ error: { code: 502, message: 'Upstream failed' } }] }),
    { message: 'The provider answered 200 with an error: Upstream failed', status: 502 });
});
