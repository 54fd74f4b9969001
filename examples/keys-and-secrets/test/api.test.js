// The API as a client uses it that was made from the document

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { asRoot, asRunner, deleteAgent, ids, inRun, KEYS, newValue, PROJECTS, resolve, resolveAgent, ticketFor, tokens } from './harness.js';
import { assertProblem, clientOf, document, keyBox, operations, people, provider, raw, replacementBox, secretBox, seen } from './api.js';

const { alice, bob, carol } = people;
const NOBODY = '00000000-0000-4000-8000-000000000000';

async function addKey(name, value = newValue(), rest = {}) {
  const sealed = await keyBox({ provider: 'openai', name, value, ...rest });
  return alice.addLlmKey({}, { provider: 'openai', name, sealed });
}

// All rows of a list, in small pages
async function everything(list, parameters = {}) {
  const rows = [];
  let cursor;
  do {
    const { data, headers } = await list({ ...parameters, limit: 2, ...(cursor ? { cursor } : {}) });
    assert.ok(data.data.length <= 2);
    rows.push(...data.data);
    cursor = data.next_cursor ?? undefined;
    const next = /^<\/api\/v1\/[^>]*>; rel="next"$/.exec(headers.link ?? '')?.[0];
    assert.equal(next === undefined, cursor === undefined);
    if (cursor) assert.ok(next.includes(`cursor=${cursor}`));
  } while (cursor);
  return rows;
}

const isNewestFirst = (rows, column = 'created_at') => rows.every((row, i) => i === 0 || row[column] <= rows[i - 1][column]);

test('the document is OpenAPI 3.1, and is served as it is, to everybody', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(document)));
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, '3.1');
  const served = await raw('GET', '/openapi.json');
  assert.equal(served.status, 200);
  assert.deepEqual(served.data, JSON.parse(readFileSync(new URL('../src/openapi.json', import.meta.url), 'utf8')));
});

test('a token says who one is, and in which projects', async () => {
  assert.deepEqual((await alice.getMe()).data, { user_id: 'alice', read_only: false, project_ids: null, expires_at: null });
  const own = await everything(alice.listProjects);
  assert.deepEqual(own.map(({ name }) => name).sort(), ['Support bots', 'Tool research']);
  assert.ok(isNewestFirst(own));
  assert.equal((await bob.listProjects()).data.data.length, 1);
  const { data: project } = await bob.getProject({ project_id: PROJECTS.support });
  assert.deepEqual([project.name, project.role], ['Support bots', 'member']);
  const denied = [await bob.getProject({ project_id: PROJECTS.research }), await bob.getProject({ project_id: NOBODY })];
  assert.deepEqual(denied.map(({ status }) => status), [404, 404]);
  assert.deepEqual(denied[0].data, denied[1].data);
});

test('an LLM key is added sealed, shown masked, and resolves', async () => {
  const value = newValue();
  const added = await addKey('By API', value, { options: { priority: 7, headers: { 'x-team': 'red' } } });
  assert.equal(added.status, 201);
  const { id } = added.data;
  assert.equal(added.headers.location, `/api/v1/llm-keys/${id}`);
  assert.deepEqual([added.data.priority, added.data.header_names, added.data.added_by], [7, ['x-team'], 'alice']);
  assert.ok(!JSON.stringify(added.data).includes(value));
  assert.equal((await resolve(id)).key_value, value);
  assert.deepEqual((await bob.getLlmKey({ id })).data, (await alice.getLlmKey({ id })).data);

  const again = await addKey('by api', value);
  assertProblem(again, 409, '23505');
  assert.equal(again.data.field, 'name');
  assert.deepEqual((await alice.listLlmKeys({ name: 'BY API' })).data.data.map((key) => key.id), [id]);
  assert.deepEqual((await alice.listLlmKeys({ name: 'By AP' })).data.data, []);

  const changes = { name: 'By an API', enabled: false, priority: 3, expires_at: '2099-01-01T00:00:00Z', rotate_after: null, allowed_models: ['o5'] };
  const { data: changed } = await alice.updateLlmKey({ id }, changes);
  assert.deepEqual([changed.name, changed.state, changed.priority, changed.expires_at, changed.allowed_models],
    ['By an API', 'disabled', 3, '2099-01-01T00:00:00.000Z', ['o5']]);
  assertProblem(await alice.updateLlmKey({ id }, { name: ' blank' }), 422, '22023');
  assertProblem(await alice.updateLlmKey({ id: NOBODY }, { priority: 1 }), 404, 'TK001');
  assertProblem(await alice.getLlmKey({ id: NOBODY }), 404, 'not_found');
  assert.equal((await alice.deleteLlmKey({ id })).status, 204);
  assertProblem(await alice.deleteLlmKey({ id }), 404, 'TK002');
  assertProblem(await alice.getLlmKey({ id }), 404, 'not_found');
});

test('lists come in pages without gaps', async () => {
  const keys = await everything(alice.listLlmKeys);
  assert.ok(keys.length > 7);
  assert.equal(new Set(keys.map(({ id }) => id)).size, keys.length);
  assert.ok(isNewestFirst(keys));
  assert.deepEqual(keys, (await alice.listLlmKeys({ limit: 100 })).data.data);
  for (const [list, column] of [[alice.listSecrets, 'name'], [alice.listMembers, 'user_id']]) {
    const names = (await everything(list)).map((row) => row[column]);
    assert.ok(names.length > 1);
    assert.deepEqual(names, [...names].sort());
  }
  assert.ok(isNewestFirst(await everything(alice.listAgents)));
  assert.ok(isNewestFirst(await everything(alice.listPlatformKeys)));
});

test('a box that does not fit is refused, at its field', async () => {
  const sealed = await keyBox({ provider: 'openai', name: 'Another name', value: newValue() });
  const refused = await alice.addLlmKey({}, { provider: 'openai', name: 'Misfit', sealed });
  assertProblem(refused, 422, 'TK013');
  assert.equal(refused.data.field, 'sealed');
  assert.match(refused.data.hint, /GET \/sealing-key/);
  const bad = await keyBox({ provider: 'openai', name: 'Misfit', value: 'Bearer not a key' });
  assertProblem(await alice.addLlmKey({}, { provider: 'openai', name: 'Misfit', sealed: bad }), 422, '22023');
  const url = 'https://10.0.0.1/v1';
  const internal = await keyBox({ provider: 'openai_compatible', name: 'Misfit', baseUrl: url, value: newValue('') });
  const refusedUrl = await alice.addLlmKey({}, { provider: 'openai_compatible', name: 'Misfit', base_url: url, sealed: internal });
  assertProblem(refusedUrl, 422, '22023');
  assert.equal(refusedUrl.data.field, 'base_url');
});

test('a key is replaced, and the replacement taken back', async () => {
  const { data: { id: old } } = await addKey('Rotates');
  const { data: agent } = await bob.createAgent({}, { name: 'Rotates along', user_api_key_id: old });
  const value = newValue();
  const replaced = await alice.replaceLlmKey({ id: old }, { sealed: await replacementBox({ oldKeyId: old, provider: 'openai', value }) });
  assert.equal(replaced.status, 201);
  assert.equal(replaced.headers.location, `/api/v1/llm-keys/${replaced.data.id}`);
  assert.deepEqual([replaced.data.name, replaced.data.agent_count], ['Rotates', 1]);
  assert.equal((await resolveAgent(agent.id)).key_value, value);
  const { data: before } = await alice.getLlmKey({ id: old });
  assert.match(before.name, /^Rotates \(until /);
  assert.equal(before.state, 'disabled');
  assertProblem(await alice.repointAgents({ id: replaced.data.id }, { to: NOBODY }), 422, 'TK001');
  await alice.updateLlmKey({ id: old }, { enabled: true });
  assert.deepEqual((await bob.repointAgents({ id: replaced.data.id }, { to: old })).data, { agents: 1 });
  assert.equal((await bob.getAgent({ id: agent.id })).data.user_api_key_id, old);

  // nor does a deletion leave agents without a key, if it says where they go
  // its agents would have been pointed to what is deleted
  for (const itself of [old, old.toUpperCase()]) {
    const refused = await alice.deleteLlmKey({ id: old, agents_to: itself });
    assertProblem(refused, 400, 'invalid_request');
    assert.equal(refused.data.field, 'agents_to');
    assertProblem(await alice.repointAgents({ id: old }, { to: itself }), 400, 'invalid_request');
  }
  const missing = await alice.deleteLlmKey({ id: old, agents_to: NOBODY });
  assertProblem(missing, 422, 'TK001');
  assert.equal(missing.data.field, 'agents_to');
  assert.equal((await alice.deleteLlmKey({ id: old, agents_to: replaced.data.id })).status, 204);
  assert.equal((await bob.getAgent({ id: agent.id })).data.user_api_key_id, replaced.data.id);
  await bob.deleteAgent({ id: agent.id });
  await alice.deleteLlmKey({ id: replaced.data.id });
});

test('a key is tested, by those who may', async () => {
  const outcomes = { '': 'ok', 'refused-': 'rejected', 'unpaid-': 'quota', 'broken-': 'server' };
  for (const [word, outcome] of Object.entries(outcomes)) {
    const { data: { id } } = await addKey('Tested', newValue(`sk-proj-${word}`));
    const { data } = await alice.testLlmKey({ id });
    assert.equal(data.outcome, outcome, word);
    assert.match(data.detail, /provider/);
    if (outcome === 'rejected') assert.equal((await alice.getLlmKey({ id })).data.health, 'rejected');
    provider.requests.length = 0;
    assertProblem(await bob.testLlmKey({ id }), 403, '42501');
    assert.equal(provider.requests.length, 0);
    await alice.deleteLlmKey({ id });
  }
  assertProblem(await alice.testLlmKey({ id: NOBODY }), 404, 'TK001');
});

test('a right that ends while a provider is asked', async () => {
  const { data: { id } } = await addKey('Taken away', newValue('sk-proj-silent-'));
  provider.requests.length = 0;
  const tested = alice.testLlmKey({ id });
  while (provider.requests.length === 0) await new Promise((resolve_) => { setTimeout(resolve_, 20); });
  await alice.endRuns({}, {});
  assertProblem(await tested, 409, 'TK016');
  assert.equal((await alice.getLlmKey({ id })).data.health, 'unverified');
  await alice.deleteLlmKey({ id });
});

test('a secret is set, described, renamed, restored and deleted', async () => {
  const set = async (value, description) => alice.setSecret({ name: 'API_SECRET' },
    { sealed: await secretBox({ name: 'API_SECRET', value }), ...(description === undefined ? {} : { description }) });
  const valueOf = async (name) => (await inRun(await ticketFor({ agentId: agent.id, secrets: [name] }),
    'SELECT tarx_keys.resolve_secret($1, $2) AS value', [PROJECTS.support, name]))[0].value;
  const { data: agent } = await alice.createAgent({}, { name: 'Reads secrets', user_api_key_id: ids.openai });
  const first = await set('one', 'of the shop');
  assert.equal(first.status, 201);
  assert.equal(first.headers.location, '/api/v1/secrets/API_SECRET');
  assert.deepEqual([first.data.version, first.data.description, first.data.updated_by], [1, 'of the shop', 'alice']);
  const second = await set('two');
  assert.deepEqual([second.status, second.data.version, second.data.description], [200, 2, 'of the shop']);
  assert.equal(await valueOf('API_SECRET'), 'two');
  assert.equal((await alice.restoreSecret({ name: 'API_SECRET' }, { version: 1 })).data.version, 3);
  assert.equal(await valueOf('API_SECRET'), 'one');
  const versions = async (client) => (await client.listSecretVersions({ name: 'API_SECRET' })).data.data.map(({ version, set_by: by }) => [version, by]);
  assert.deepEqual(await versions(alice), [[3, 'alice'], [2, 'alice'], [1, 'alice']]);
  assert.deepEqual(await versions(bob), [[3, 'alice'], [2, null], [1, null]]);
  const missing = await alice.restoreSecret({ name: 'API_SECRET' }, { version: 9 });
  assertProblem(missing, 422, 'TK011');
  assert.equal(missing.data.field, 'version');
  const { data: renamed } = await alice.updateSecret({ name: 'API_SECRET' }, { name: 'API_TOKEN', description: '' });
  assert.deepEqual([renamed.name, renamed.version, renamed.description], ['API_TOKEN', 3, null]);
  assertProblem(await alice.getSecret({ name: 'API_SECRET' }), 404, 'not_found');
  const taken = await alice.updateSecret({ name: 'API_TOKEN' }, { name: 'SHOP_TOKEN' });
  assertProblem(taken, 409, '23505');
  assert.equal(taken.data.field, 'name');
  assert.deepEqual((await bob.getSecret({ name: 'API_TOKEN' })).data, (await alice.getSecret({ name: 'API_TOKEN' })).data);
  assert.equal((await alice.deleteSecret({ name: 'API_TOKEN' })).status, 204);
  assertProblem(await alice.deleteSecret({ name: 'API_TOKEN' }), 404, 'TK011');
  assertProblem(await bob.setSecret({ name: 'X' }, { sealed: await secretBox({ name: 'X', value: 'x' }) }), 403, '42501');
  // the largest there is
  const large = await alice.setSecret({ name: 'LARGE' }, { sealed: await secretBox({ name: 'LARGE', value: 'x'.repeat(65536) }) });
  assert.equal(large.status, 201);
  await alice.deleteSecret({ name: 'LARGE' });
  await deleteAgent(agent.id);
});

test('an agent is created, changed and deleted', async () => {
  const created = await bob.createAgent({}, { name: 'By API' });
  assert.equal(created.status, 201);
  const { id } = created.data;
  assert.equal(created.headers.location, `/api/v1/agents/${id}`);
  assert.deepEqual([created.data.user_api_key_id, created.data.provider, created.data.created_by], [null, null, 'bob']);
  const { data: pointed } = await bob.updateAgent({ id }, { name: 'Renamed', user_api_key_id: ids.anthropic });
  assert.deepEqual([pointed.name, pointed.user_api_key_id], ['Renamed', ids.anthropic]);
  const { data: routed } = await bob.updateAgent({ id }, { provider: 'mistral' });
  assert.deepEqual([routed.user_api_key_id, routed.provider], [null, 'mistral']);
  // all of it or nothing
  const refused = await bob.updateAgent({ id }, { name: 'Half', user_api_key_id: NOBODY });
  assertProblem(refused, 422, 'TK001');
  assert.equal(refused.data.field, 'user_api_key_id');
  assert.equal((await bob.getAgent({ id })).data.name, 'Renamed');
  assertProblem(await bob.createAgent({}, { name: 'Both', user_api_key_id: ids.openai, provider: 'openai' }), 422, '22023');
  assertProblem(await bob.updateAgent({ id }, { name: 'Both', user_api_key_id: ids.openai, provider: 'openai' }), 400, 'invalid_request');
  assertProblem(await bob.updateAgent({ id: NOBODY }, { name: 'x' }), 404, 'not_found');
  assert.equal((await bob.deleteAgent({ id })).status, 204);
  assertProblem(await bob.deleteAgent({ id }), 404, 'TK003');
  // another project's key is like one that does not exist
  const { data: { data: [{ id: foreign }] } } = await carol.listLlmKeys();
  const answers = [foreign, NOBODY].map((key) => bob.createAgent({}, { name: 'x', user_api_key_id: key }));
  const [a, b] = (await Promise.all(answers)).map(({ data }) => JSON.stringify(data).replace(/[0-9a-f-]{36}/g, 'ID'));
  assert.equal(a, b);
});

test('members are added, changed and removed', async () => {
  const user_id = 'Zoë/ops team';
  assert.equal((await alice.setMember({ user_id }, { role: 'viewer' })).status, 201);
  const { status, data } = await alice.setMember({ user_id }, { role: 'member' });
  assert.deepEqual([status, data.user_id, data.role], [200, user_id, 'member']);
  assertProblem(await bob.setMember({ user_id: 'mallory' }, { role: 'admin' }), 403, '42501');
  assertProblem(await alice.removeMember({ user_id: 'alice' }), 409, '23514');
  assert.equal((await alice.removeMember({ user_id })).status, 204);
  assertProblem(await alice.removeMember({ user_id }), 404, '42704');
});

test('platform keys: the token is told once; narrowed and read-only ones may no more', async () => {
  const created = await alice.createPlatformKey({}, { name: 'ci', expires_at: '2099-01-01T00:00:00Z' });
  const { token, platform_key: { id } } = created.data;
  assert.equal(created.headers.location, `/api/v1/platform-keys/${id}`);
  const { data: shown } = await alice.getPlatformKey({ id });
  assert.ok(!JSON.stringify(shown).includes(token));
  const ci = await clientOf(token);
  assert.equal((await ci.getMe()).data.expires_at, '2099-01-01T00:00:00.000Z');

  const make = async (rest) => clientOf((await ci.createPlatformKey({}, { name: 'narrow', expires_at: '2098-01-01T00:00:00Z', ...rest })).data.token);
  const reader = await make({ read_only: true });
  assert.equal((await reader.getMe()).data.read_only, true);
  assert.equal((await reader.listLlmKeys()).status, 200);
  for (const refused of [reader.createAgent({}, { name: 'x' }), reader.startRun({}, { key_id: ids.openai }),
    reader.createPlatformKey({}, { name: 'x' }), reader.deleteSecret({ name: 'SHOP_TOKEN' })]) assertProblem(await refused, 403, '42501');

  const narrow = await make({ project_ids: [PROJECTS.research] });
  assert.deepEqual((await narrow.getMe()).data.project_ids, [PROJECTS.research]);
  assert.deepEqual((await narrow.listProjects()).data.data.map((project) => project.id), [PROJECTS.research]);
  assertProblem(await narrow.listLlmKeys(), 403, '42501');
  assertProblem(await narrow.getProject({ project_id: PROJECTS.support }), 404, 'not_found');

  assertProblem(await ci.createPlatformKey({}, { name: 'outlives' }), 403, '42501');
  assertProblem(await alice.createPlatformKey({}, { name: 'past', expires_at: '2001-01-01T00:00:00Z' }), 422, '22023');
  // whether a project is one's own is looked up when the key is used
  const foreign = await bob.createPlatformKey({}, { name: 'foreign', project_ids: [PROJECTS.research] });
  const asForeign = await clientOf(foreign.data.token, { project: PROJECTS.research });
  assert.deepEqual((await asForeign.listProjects()).data.data, []);
  assertProblem(await asForeign.listLlmKeys(), 403, '42501');
  // others' keys are not there
  assertProblem(await bob.getPlatformKey({ id }), 404, 'not_found');
  assertProblem(await bob.revokePlatformKey({ id }), 404, '42704');

  assert.equal((await ci.revokePlatformKey({ id })).status, 204);
  for (const ended of [ci, reader, narrow]) assertProblem(await ended.getMe(), 401, 'TK010');
  assert.equal((await alice.getPlatformKey({ id })).data.status, null);
  assertProblem(await alice.revokePlatformKey({ id }), 404, '42704');
});

test('only the key itself is revoked, if that is asked for', async () => {
  const { data: first } = await alice.createPlatformKey({}, { name: 'parent' });
  const { data: second } = await (await clientOf(first.token)).createPlatformKey({}, { name: 'child' });
  await alice.revokePlatformKey({ id: first.platform_key.id, descendants: false });
  assert.equal((await (await clientOf(second.token)).getMe()).status, 200);
  await alice.revokePlatformKey({ id: second.platform_key.id });
});

test('the audit log, newest first, for admins', async () => {
  const { data: agent } = await alice.createAgent({}, { name: 'Audited' });
  await alice.deleteAgent({ id: agent.id });
  const mine = await everything(alice.listAudit, { object_id: agent.id });
  assert.deepEqual(mine.map(({ action }) => action).slice(-1), ['agent.create']);
  assert.equal(mine[0].action, 'agent.delete');
  assert.ok((await alice.listAudit({ action: 'agent.create', user_id: 'bob' })).data.data.every((row) => row.user_id === 'bob' && row.action === 'agent.create'));
  const all = await everything(alice.listAudit);
  assert.ok(isNewestFirst(all, 'at'));
  const [{ count }] = (await asRoot('SELECT count(*)::int FROM tarx_keys.audit_log WHERE project_id = $1', [PROJECTS.support])).rows;
  assert.equal(all.length, count);
  assertProblem(await bob.listAudit(), 403, '42501');
});

test('a run ticket is a runner’s right, until it is taken away', async () => {
  const { data: agent } = await bob.createAgent({}, { name: 'Runs', user_api_key_id: ids.openai });
  const { data: { ticket } } = await bob.startRun({}, { agent_id: agent.id, lifetime: 60, renewable: 0, secret_names: ['SHOP_TOKEN'] });
  const resolveIt = () => inRun(ticket, 'SELECT key_value FROM tarx_keys.resolve_agent_key($1, $2)', [PROJECTS.support, agent.id]);
  assert.deepEqual(await resolveIt(), [{ key_value: KEYS.openai[1] }]);
  const [{ seconds }] = await asRunner('SELECT extract(epoch FROM expires_at - now())::float AS seconds FROM tarx_keys.enter_run($1)', [ticket]);
  assert.ok(seconds > 50 && seconds <= 60, String(seconds));
  const boxed = await bob.startRun({}, { agent_id: agent.id, recipient_public_key: 'ab'.repeat(32) });
  await assert.rejects(inRun(boxed.data.ticket, 'SELECT FROM tarx_keys.resolve_agent_key($1, $2)', [PROJECTS.support, agent.id]), { code: '42501' });

  assertProblem(await bob.endRuns({}, { agent_id: agent.id }), 403, '42501');
  assert.equal((await alice.endRuns({}, { agent_id: agent.id })).status, 204);
  await assert.rejects(resolveIt(), { code: 'TK016' });

  const forKey = await alice.startRun({}, { key_id: ids.mistral });
  assert.equal((await asRunner('SELECT agent_id FROM tarx_keys.enter_run($1)', [forKey.data.ticket]))[0].agent_id, null);
  await alice.endRuns({}, {});
  await assert.rejects(asRunner('SELECT FROM tarx_keys.enter_run($1)', [forKey.data.ticket]), { code: 'TK016' });

  assertProblem(await bob.startRun({}, { key_id: ids.mistral }), 403, '42501');
  for (const neitherOrBoth of [{}, { agent_id: agent.id, key_id: ids.mistral }]) {
    const refused = await bob.startRun({}, neitherOrBoth);
    assertProblem(refused, 400, 'invalid_request');
    assert.match(refused.data.detail, /One of `agent_id` and `key_id`/);
  }
  assertProblem(await bob.startRun({}, { agent_id: agent.id, lifetime: 604800 }), 422, '22023');
  const missing = await bob.startRun({}, { agent_id: NOBODY });
  assertProblem(missing, 422, 'TK003');
  assert.equal(missing.data.field, 'agent_id');
  await bob.deleteAgent({ id: agent.id });
});

// A request that each operation takes, with ids of nothing
const SAMPLES = { Uuid: NOBODY, SecretName: 'NOTHING', UserId: 'nobody', Role: 'viewer', Name: 'x', Description: '', ProviderSlug: 'openai', SealedKey: 'ab'.repeat(100), SealedSecret: 'ab'.repeat(100) };
const last = ({ $ref: ref = '' }) => ref.split('/').at(-1);
const resolved = (part) => (part.$ref ? document.components[part.$ref.split('/')[2]][last(part)] : part);

function sampleOf({ parameters = [], requestBody }) {
  const given = parameters.map(resolved).filter((parameter) => parameter.in === 'path');
  const schema = requestBody && resolved(requestBody.content['application/json'].schema);
  const names = schema && (schema.required ?? Object.keys(schema.properties).slice(0, 1));
  return [Object.fromEntries(given.map((parameter) => [parameter.name, SAMPLES[last(parameter.schema)]])),
    names && Object.fromEntries(names.map((name) => [name, SAMPLES[last(schema.properties[name])] ?? 1]))];
}

test('a project that is not one’s own is like one that does not exist, in every operation', async () => {
  const strangers = await Promise.all([PROJECTS.support, NOBODY].map((project) => clientOf(tokens.carol, { project })));
  let tried = 0;
  for (const operation of operations.filter(({ parameters = [] }) => parameters.some((parameter) => last(parameter) === 'ProjectId'))) {
    const [there, nowhere] = await Promise.all(strangers.map((client) => client[operation.operationId](...sampleOf(operation))));
    assertProblem(there, 403, '42501', operation.operationId);
    const texts = [there, nowhere].map(({ data }) => JSON.stringify(data).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID'));
    assert.equal(texts[0], texts[1], operation.operationId);
    tried += 1;
  }
  assert.ok(tried > 20);
});

test('what is another project’s is not there', async () => {
  for (const refused of [carol.getLlmKey({ id: ids.openai }), carol.deleteLlmKey({ id: ids.openai }), carol.updateLlmKey({ id: ids.openai }, { enabled: false }),
    carol.testLlmKey({ id: ids.openai }), carol.getSecret({ name: 'SHOP_TOKEN' }), carol.deleteSecret({ name: 'SHOP_TOKEN' })]) {
    assert.equal((await refused).status, 404);
  }
  assert.equal((await alice.getLlmKey({ id: ids.openai })).data.state, 'enabled');
});

test('100 requests at once are answered, each to who asked', async () => {
  const clients = [alice, bob, carol];
  const names = ['alice', 'bob', 'carol'];
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => clients[i % 3].getMe()));
  answers.forEach(({ status, data }, i) => assert.deepEqual([status, data.user_id], [200, names[i % 3]]));
  const agents = await Promise.all(Array.from({ length: 20 }, (_, i) => bob.createAgent({}, { name: `At once ${i}` })));
  assert.deepEqual(new Set(agents.map(({ status }) => status)), new Set([201]));
  const ended = await Promise.all(agents.map(({ data }) => bob.deleteAgent({ id: data.id })));
  assert.deepEqual(new Set(ended.map(({ status }) => status)), new Set([204]));
  // one of many wins
  const sealed = await keyBox({ provider: 'openai', name: 'Once', value: newValue() });
  const added = await Promise.all(Array.from({ length: 10 }, () => alice.addLlmKey({}, { provider: 'openai', name: 'Once', sealed })));
  assert.deepEqual(added.map(({ status }) => status).sort(), [201, ...Array(9).fill(409)]);
  await alice.deleteLlmKey({ id: added.find(({ status }) => status === 201).data.id });
});

test('every operation was tried here, with every answer that is no error', () => {
  const all = operations.flatMap(({ operationId, responses }) =>
    Object.keys(responses).filter((status) => status.startsWith('2')).map((status) => `${operationId} ${status}`));
  assert.deepEqual(all.filter((each) => !seen.has(each)), []);
});
