// Testing a key: who may, what is sent, what is told and reported.

import assert from 'node:assert/strict';
import test from 'node:test';
import { outcomeOf } from '../src/probe.js';
import { addKey, as, asRoot, ids, newValue, Person, PROJECTS, provider, service, settings, signedIn, start } from './harness.js';

test('what an answer says about a key', () => {
  const cases = [
    ['GET', { ok: [200, 204], rejected: [400, 401, 403], quota: [402], rate_limited: [429], server: [500, 503, 599], undefined: [302, 304, 404, 405, 422, 600] }],
    ['POST', { ok: [200, 400, 422], rejected: [401, 403], quota: [402], rate_limited: [429], server: [500, 529], undefined: [301, 404, 409, 415] }],
  ];
  for (const [method, outcomes] of cases) {
    for (const [outcome, statuses] of Object.entries(outcomes)) {
      for (const status of statuses) assert.equal(String(outcomeOf(method, status)), outcome, `${method} ${status}`);
    }
  }
});

const pathOf = (id) => settings('alice', `/llm-keys/${id}/test`);

const healthOf = async (id) => (await as('alice',
  'SELECT health, extract(epoch FROM cooling_until - health_at)::int AS cools FROM tarx_keys.llm_keys WHERE id = $1', [id]))[0];

// What a page says beside a key
const resultIn = (page, id) => new RegExp(`id="key-${id}".*?role="status" class="status[a-z ]*">([^<]*)<`, 's').exec(page.text)?.[1];

async function discard(id) {
  await as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, id]);
}

// A new key, tested by alice
async function tested(value, { slug = 'openai', path = null, person } = {}) {
  const alice = person ?? await signedIn('alice');
  const id = await addKey(slug, 'Tested', value, path);
  provider.requests.length = 0;
  const page = await alice.post(pathOf(id), {});
  assert.equal(page.status, 200);
  assert.ok(!page.text.includes(value));
  const result = { text: resultIn(page, id), health: await healthOf(id), requests: [...provider.requests] };
  await discard(id);
  return result;
}

const ANSWERS = [
  ['works', /^The provider accepted this key\.$/, { health: 'ok', cools: null }],
  ['refused', /^The provider rejected this key \(401\)\.$/, { health: 'rejected', cools: null }],
  ['narrow', /^The provider rejected this key, or does not let it do .* \(403\)\.$/, { health: 'rejected', cools: null }],
  ['unpaid', /used up \(402\)/, { health: 'quota', cools: 300 }],
  ['limited', /no more requests .* \(429\), and asks to wait 120 seconds/, { health: 'cooling', cools: 120 }],
  ['broken', /problem of its own \(500\)/, { health: 'cooling', cools: 10 }],
  ['silent', /did not answer in time/, { health: 'cooling', cools: 10 }],
  ['moved', /answered 302, which does not tell/, { health: 'unverified', cools: null }],
  ['inside', /^The provider rejected this key \(401\)\.$/, { health: 'rejected', cools: null }],
];

for (const [word, text, health] of ANSWERS) {
  test(`the provider’s answer about a key is told and reported: ${word}`, async () => {
    const value = newValue(`sk-proj-${word}-`);
    const result = await tested(value);
    assert.match(result.text, text);
    assert.deepEqual(result.health, health);
    // one request, with the key, also where the answer is a redirect
    assert.equal(result.requests.length, 1);
    assert.equal(result.requests[0].path, '/openai/v1/models');
    assert.equal(result.requests[0].headers.authorization, `Bearer ${value}`);
  });
}

test('a provider whose list is public is asked otherwise: who complains about an empty call has taken the key', async () => {
  const { text, health, requests } = await tested(newValue('hf_'), { slug: 'huggingface' });
  assert.deepEqual(requests.map(({ method, path }) => `${method} ${path}`), ['POST /huggingface/v1/chat/completions']);
  assert.match(text, /accepted/);
  assert.equal(health.health, 'ok');
});

test('a key for some models is tested by the first of them; where there is none such, nothing is reported', async () => {
  const alice = await signedIn('alice');
  const id = await addKey('openai', 'Tested', newValue());
  const models = (allowed) => as('alice', 'SELECT tarx_keys.update_llm_key($1, $2, $3)', [PROJECTS.support, id, { allowed_models: allowed }]);
  await models(['o5']);
  assert.match(resultIn(await alice.post(pathOf(id), {}), id), /accepted/);
  assert.equal(provider.requests.at(-1).path, '/openai/v1/models/o5');
  await models(['gpt-none']);
  assert.match(resultIn(await alice.post(pathOf(id), {}), id), /answered 404, which does not tell/);
  assert.equal((await healthOf(id)).health, 'unverified');
  await discard(id);
});

test('a provider that is not there, or not in public, is told', async () => {
  const value = newValue();
  const id = await addKey('openai_compatible', 'Tested', value, '/compatible/v1');
  const careful = await start({ ALLOW_PRIVATE_ADDRESSES: '' });
  provider.requests.length = 0;
  assert.match(resultIn(await (await signedIn('alice', careful.address)).post(pathOf(id), {}), id), /not a public one\. The key was not sent/);
  assert.equal(provider.requests.length, 0);
  assert.equal((await healthOf(id)).health, 'unverified');
  await discard(id);
  const [{ id: gone }] = await as('alice', 'SELECT tarx_keys.add_llm_key($1, $2, $3, $4, $5) AS id',
    [PROJECTS.support, 'openai_compatible', 'Tested', value, 'http://127.0.0.1:9/v1']);
  assert.match(resultIn(await (await signedIn('alice')).post(pathOf(gone), {}), gone), /could not be reached/);
  assert.equal((await healthOf(gone)).health, 'cooling');
  await discard(gone);
});

test('nobody but an admin of the project tests a key, and none with a platform key that may only list', async () => {
  const reader = new Person();
  const [{ token }] = await as('alice', "SELECT token FROM tarx_keys.create_platform_key('lists', read_only => true)");
  await reader.signIn(token);
  assert.doesNotMatch((await reader.get(settings('alice'))).text, /\/test\?/);
  const [bob, carol, alice] = await Promise.all(['bob', 'carol', 'alice'].map((name) => signedIn(name)));
  const rest = `/llm-keys/${ids.openai}/test`;
  provider.requests.length = 0;
  const before = await healthOf(ids.openai);
  // the database issues no ticket, and says why
  const refused = [await reader.post(pathOf(ids.openai), {}), await bob.post(settings('bob', rest), {})];
  assert.deepEqual(refused.map(({ status }) => status), [403, 403]);
  for (const { text } of refused) assert.match(text, /<p class="problem" role="alert">\w/);
  assert.equal((await carol.post(settings('carol', rest), {})).status, 404);
  // of another project, where carol is an admin
  assert.equal((await carol.post(settings('carol', rest, PROJECTS.research), {})).status, 404);
  assert.equal((await alice.post(pathOf(ids.openai), { csrf: '' })).status, 403);
  assert.equal((await alice.get(pathOf(ids.openai))).status, 404);
  assert.equal(provider.requests.length, 0);
  assert.deepEqual(await healthOf(ids.openai), before);
});

test('a key that does not resolve is not tested, and says why', async () => {
  const alice = await signedIn('alice');
  const id = await addKey('openai', 'Tested', newValue());
  const update = (changes) => as('alice', 'SELECT tarx_keys.update_llm_key($1, $2, $3)', [PROJECTS.support, id, changes]);
  assert.match((await alice.get(settings('alice'))).text, />Test<span class="away"> Tested</);
  provider.requests.length = 0;
  const problem = /<p class="problem" role="alert">\w/;
  for (const changes of [{ enabled: false }, { enabled: true, expires_at: '2001-01-01T00:00Z' }]) {
    await update(changes);
    assert.doesNotMatch((await alice.get(settings('alice'))).text, />Test<span class="away"> Tested</);
    assert.match((await alice.post(pathOf(id), {})).text, problem);
  }
  await update({ expires_at: null });
  await asRoot("UPDATE tarx_keys.project_llm_keys SET destination = 'https://evil.example' WHERE id = $1", [id]);
  assert.match((await alice.post(pathOf(id), {})).text, problem);
  assert.equal(provider.requests.length, 0);
  await discard(id);
  assert.equal((await alice.post(pathOf(id), {})).status, 409);
});

test('a key that is deleted while it is tested is no error', async () => {
  const alice = await signedIn('alice');
  const id = await addKey('openai', 'Tested', newValue('sk-proj-silent-'));
  provider.requests.length = 0;
  const answer = alice.post(pathOf(id), {});
  while (provider.requests.length === 0) await new Promise((resolve) => { setTimeout(resolve, 20); });
  await discard(id);
  const page = await answer;
  assert.equal(page.status, 200);
  assert.match(page.text, /<p class="problem" role="alert">\w/);
});

test('neither the log nor the page has what the provider said', () => {
  assert.match(service.log, /"url":"\/alice\/settings\/llm-keys\/[-0-9a-f]+\/test/);
  assert.doesNotMatch(service.log, /Incorrect API key|insufficient permissions|Rate limit reached|Internal error with/);
});
