// Run tickets: without one the runner's login resolves nothing; who gets one, for
// what, and until when.

import assert from 'node:assert/strict';
import test from 'node:test';
import { resolveAgentKey } from '../../client/index.js';
import { asPerson, openDatabase } from '../src/database.js';
import { explain } from '../src/errors.js';
import { addAgent, addKey, as, asRoot, asRunner, deleteAgent, ids, inRun, newPerson, newValue, Person, PROJECTS, provider, settings, signedIn, ticketFor, tokens } from './harness.js';

const healthOf = async (id) => (await as('alice', 'SELECT health FROM tarx_keys.llm_keys WHERE id = $1', [id]))[0].health;

async function discard(keyId, agentId) {
  if (agentId) await deleteAgent(agentId);
  await as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, keyId]);
}

const PATH = settings('alice', '/console');

test('without a ticket nothing resolves', async () => {
  const agent = await addAgent('Waits', ids.openai);
  const calls = {
    'resolve_key($1, $2)': ids.openai, 'resolve_agent_key($1, $2)': agent, 'models_request($1, $2)': ids.openai,
    'probe_request($1, $2)': ids.openai, 'chat_request_base($1, $2)': ids.openai, "report_key($1, $2, 'ok')": ids.openai,
    'resolve_secret($1, $2)': 'SHOP_TOKEN',
  };
  for (const [call, id] of Object.entries(calls)) {
    await assert.rejects(asRunner(`SELECT * FROM tarx_keys.${call}`, [PROJECTS.support, id]), { code: 'TK016' }, call);
  }
  // nor does the login take the setting back
  await assert.rejects(asRunner('SET tarx_keys.require_run_ticket = off'), { code: '42501' });
  await deleteAgent(agent);
});

test('the service’s tickets are for one thing, for a minute, and for the other login', async () => {
  const db = openDatabase({ webLogin: 'app_web', modelsLogin: 'app_models', poolSize: 1 });
  const agentId = await addAgent('Narrow', ids.openai);
  try {
    const issued = (name, of) => asPerson(db, { token: tokens[name] }, PROJECTS.support,
      (client) => db.issueTicket(client, PROJECTS.support, of));
    const ofAgent = await issued('bob', { agentId });
    const ofKey = await issued('alice', { keyId: ids.mistral });
    await assert.rejects(issued('bob', { keyId: ids.mistral }), { code: '42501' });
    assert.equal((await db.modelsRequest(ofAgent, ids.openai)).length, 1);
    assert.equal((await db.agentModelsRequest(ofAgent))[0].name, 'GPT');
    assert.equal(await db.inRunOf(ofAgent, async (run) => (await resolveAgentKey(run, { project: run.project, agent: run.agent })).keyId), ids.openai);
    await assert.rejects(db.modelsRequest(ofAgent, ids.mistral), { code: '42501' });
    assert.match((await db.probeRequest(ofKey, ids.mistral)).url, /\/mistral\/v1\/models$/);
    await assert.rejects(db.probeRequest(ofKey, ids.openai), { code: '42501' });
    // it names no agent
    await assert.rejects(db.agentModelsRequest(ofKey), { code: '22023' });
    for (const ticket of [ofAgent, ofKey]) {
      // the superuser is another login, too
      await assert.rejects(asRoot('SELECT FROM tarx_keys.enter_run($1)', [ticket]), { code: 'TK016' });
      const [renewed] = await asRunner("SELECT tarx_keys.renew_run_ticket($1, '1 hour') AS ticket", [ticket]);
      const [{ seconds }] = await asRunner('SELECT extract(epoch FROM expires_at - now())::float AS seconds FROM tarx_keys.enter_run($1)', [renewed.ticket]);
      assert.ok(seconds <= 60, String(seconds));
    }
  } finally {
    await db.close();
    await deleteAgent(agentId);
  }
});

test('a member has the models of a key listed that an agent may use, and of no other', async () => {
  const bob = await signedIn('bob');
  const id = await addKey('mistral', 'Unused', newValue(''));
  const path = settings('bob', `/llm-keys/${id}/models`);
  provider.requests.length = 0;
  const refused = await bob.get(path);
  assert.equal(refused.status, 403);
  assert.match(refused.text, /class="problem" role="alert">\w/);
  const json = await bob.get(path, { accept: 'application/json' });
  assert.match(JSON.parse(json.text).problem, /\w/);
  assert.equal(provider.requests.length, 0);
  const agents = [await addAgent('Uses it', id), await addAgent('Any of Mistral', null)];
  for (const agent of agents) {
    const listed = await bob.get(path);
    assert.equal(listed.status, 200);
    assert.match(listed.text, /codestral-latest/);
    await deleteAgent(agent);
    if (agent === agents[0]) await as('alice', "SELECT tarx_keys.set_agent_provider($1, $2, 'mistral')", [PROJECTS.support, agents[1]]);
  }
  await discard(id);
});

test('a platform key that may only list gets no ticket, and is offered nothing that needs one', async () => {
  const [{ token }] = await as('alice', "SELECT token FROM tarx_keys.create_platform_key('lists', read_only => true)");
  const reader = new Person();
  await reader.signIn(token);
  const agent = await addAgent('Watched', ids.openai);
  const { text } = await reader.get(settings('alice', '/agents'));
  assert.match(text, /Watched/);
  assert.doesNotMatch(text, /\/console|\/models\?|\/edit\?|\/delete\?|Create agent/);
  provider.requests.length = 0;
  assert.equal((await reader.get(settings('alice', `/llm-keys/${ids.openai}/models`))).status, 403);
  assert.equal((await reader.get(settings('alice', `/agents/${agent}/models`))).status, 403);
  assert.match((await reader.get(PATH)).text, /platform key that may only list/);
  const sent = await reader.post(PATH, { agent, model: 'gpt-6', message: 'ping' });
  assert.equal(sent.status, 403);
  assert.equal(provider.requests.length, 0);
  await deleteAgent(agent);
});

test('a run ends with the membership of who it is from', async () => {
  const id = await addKey('openai', 'Left behind', newValue('sk-proj-silent-'));
  const agent = await addAgent('Left behind', id);
  await as('alice', "SELECT tarx_keys.add_member($1, 'zoe')", [PROJECTS.support]);
  const zoe = await newPerson('zoe');
  const ticket = await ticketFor({ agentId: agent }, 'zoe');
  const resolve = () => inRun(ticket, 'SELECT name FROM tarx_keys.resolve_agent_key($1, $2)', [PROJECTS.support, agent]);
  assert.deepEqual(await resolve(), [{ name: 'Left behind' }]);
  provider.requests.length = 0;
  const sent = zoe.post(settings('zoe', '/console'), { agent, model: 'gpt-6', message: 'ping' });
  while (provider.requests.length === 0) await new Promise((resolve_) => { setTimeout(resolve_, 20); });
  await as('alice', "SELECT tarx_keys.remove_member($1, 'zoe')", [PROJECTS.support]);
  await assert.rejects(resolve(), { code: 'TK016' });
  assert.equal((await sent).status, 404);
  assert.equal((await zoe.post(settings('zoe', '/console'), { agent, model: 'gpt-6', message: 'ping' })).status, 404);
  await discard(id, agent);
});

test('a right that ends while a provider is asked is told in people’s words', async () => {
  const id = await addKey('openai', 'Taken away', newValue('sk-proj-silent-'));
  const alice = await signedIn('alice');
  provider.requests.length = 0;
  const sent = alice.post(settings('alice', `/llm-keys/${id}/test`), {});
  while (provider.requests.length === 0) await new Promise((resolve) => { setTimeout(resolve, 20); });
  await as('alice', 'SELECT tarx_keys.revoke_run_tickets($1)', [PROJECTS.support]);
  assert.match((await sent).text, new RegExp(`id="key-${id}".*?role="status"[^>]*>Your right to use this key, or the agent, has changed meanwhile\\.`, 's'));
  assert.equal(await healthOf(id), 'unverified');
  await discard(id);
});

test('what an error about a ticket says is for people', () => {
  for (const code of ['TK016', 'TK017']) {
    const { status, fields } = explain({ code, message: 'a valid run ticket is required', hint: 'Call tarx_keys.enter_run() first.' });
    assert.equal(status, 409);
    assert.match(fields.form, /try again\.$/i);
    assert.doesNotMatch(fields.form, /ticket|enter_run/);
  }
});
