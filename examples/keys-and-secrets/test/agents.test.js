// Agents over HTTP: the list, what it says of keys, the dialogs, and who may what.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addAgent, addKey, as, asRoot, deleteAgent, ids, newPerson, newValue, PROJECTS, settings, signedIn } from './harness.js';

const alice = await signedIn('alice');
const bob = await signedIn('bob');
const PATH = settings('bob', '/agents');

const rowIn = ({ text }, id) => text.split(`id="agent-${id}"`)[1]?.split('<li class="row"')[0].split('</ul>\n')[0];
const usesOf = async (id) => (await as('alice', 'SELECT name, user_api_key_id AS key, provider FROM tarx_keys.agents WHERE id = $1', [id]))[0];
const idOf = async (name) => (await as('alice', 'SELECT id FROM tarx_keys.agents WHERE name = $1', [name]))[0]?.id;
const discard = (id) => as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, id]);
const update = (id, changes) => as('alice', 'SELECT tarx_keys.update_llm_key($1, $2, $3)', [PROJECTS.support, id, changes]);

// What is done to a key, what the row says then, and what it says to do to an admin and to a member
const STATES = {
  disabled: [(id) => update(id, { enabled: false }), 'key disabled', /Enable the key/, /ask an admin to enable it/],
  expired: [(id) => update(id, { expires_at: '2001-01-01T00:00Z' }), 'key expired', /Replace the key/, /ask an admin to replace it/],
  tampered: [(id) => asRoot("UPDATE tarx_keys.project_llm_keys SET destination = 'https://evil.example' WHERE id = $1", [id]), 'key does not open', /Enter the key again/, /ask an admin to enter it again/],
  deleted: [discard, 'key deleted', />Choose another<.*so that it can run\./, />Choose another<.*so that it can run\./],
};

for (const [what, [work, label, forAdmin, forMember]] of Object.entries(STATES)) {
  test(`an agent whose key is ${what} says so, and what to do`, async () => {
    const key = await addKey('openai', `Sick, ${what}`, newValue());
    // three are named on top, in the order of the list, and other tests may leave some
    const agent = await addAgent('0 Patient', key);
    assert.doesNotMatch(rowIn(await bob.get(PATH), agent), /class="badge/);
    await work(key);
    const ofBob = await bob.get(PATH);
    assert.match(rowIn(ofBob, agent), new RegExp(`<span class="badge bad">${label}</span>`));
    assert.match(rowIn(ofBob, agent), forMember);
    assert.match(rowIn(await alice.get(settings('alice', '/agents')), agent), forAdmin);
    // it has another key to be chosen in place of a test, and stands on top
    assert.doesNotMatch(rowIn(ofBob, agent), /\/console\?/);
    assert.match(rowIn(ofBob, agent), />Choose a key</);
    assert.match(ofBob.text, new RegExp(`class="due">.*>0 Patient</a>: ${label}<`, 's'));
    await deleteAgent(agent);
    if (what === 'deleted') assert.equal((await bob.get(settings('bob', `/llm-keys/${key}/models`))).status, 404);
    else await discard(key);
  });
}

test('how a key fared is said, where it did not fare well', async () => {
  const key = await addKey('openai', 'Tried', newValue());
  const agent = await addAgent('Patient', key);
  for (const [outcome, label] of [['rejected', 'key rejected'], ['quota', 'quota used up'], ['server', 'key failed lately']]) {
    await update(key, { enabled: true });
    await asRoot("SET tarx_keys.require_run_ticket = off");
    await asRoot('SELECT tarx_keys.report_key($1, $2, $3)', [PROJECTS.support, key, outcome]);
    const row = rowIn(await bob.get(PATH), agent);
    assert.match(row, new RegExp(`class="badge \\w+">${label}<`), outcome);
    // it may work again, so it can be tested
    assert.match(row, /\/console\?/);
  }
  await asRoot('RESET tarx_keys.require_run_ticket');
  await deleteAgent(agent);
  await discard(key);
});

test('an agent with a provider shows its keys in their order, and what comes first by now', async () => {
  const first = await addKey('xai', 'Second by name', newValue('xai-'));
  const second = await addKey('xai', 'First by name', newValue('xai-'));
  const off = await addKey('xai', 'Off', newValue('xai-'));
  await update(first, { priority: 1 });
  await update(off, { enabled: false });
  const response = await bob.post(PATH, { name: 'Any xAI', key: 'provider:xai' });
  assert.equal(response.status, 303);
  const agent = await idOf('Any xAI');
  assert.deepEqual(await usesOf(agent), { name: 'Any xAI', key: null, provider: 'xai' });
  let row = rowIn(await bob.get(PATH), agent);
  assert.match(row, /any key of xAI, in order.*Second by name, First by name.*1 left out/s);
  assert.doesNotMatch(row, /class="badge/);
  await asRoot("SET tarx_keys.require_run_ticket = off");
  await asRoot('SELECT tarx_keys.report_key($1, $2, $3)', [PROJECTS.support, first, 'rejected']);
  assert.match(rowIn(await bob.get(PATH), agent), /falls back to First by name/);
  await asRoot('SELECT tarx_keys.report_key($1, $2, $3)', [PROJECTS.support, second, 'server']);
  assert.match(rowIn(await bob.get(PATH), agent), /all keys failed lately/);
  await asRoot('RESET tarx_keys.require_run_ticket');
  for (const id of [first, second]) await update(id, { enabled: false });
  row = rowIn(await bob.get(PATH), agent);
  assert.match(row, /no usable key.*ask an admin to add a key of xAI/s);
  assert.match(row, />Choose a key</);
  await deleteAgent(agent);
  for (const id of [first, second, off]) await discard(id);
});

test('an agent is created with a key, a provider or neither, and the notice says what comes next', async () => {
  for (const [key, next] of [[ids.openai, /href="[^"]*\/console\?[^"]*agent=[-0-9a-f]{36}"[^>]*>Test it</], ['provider:openai', />Test it</], ['', /needs a key before it can run/]]) {
    assert.equal((await bob.post(PATH, { name: 'Born', key })).status, 303);
    const { text } = await bob.get(PATH);
    assert.match(text, /Created “Born”\./);
    assert.match(text, next);
    await deleteAgent(await idOf('Born'));
  }
});

test('what is wrong with a new agent is said at its field, in the dialog', async () => {
  const page = await bob.post(PATH, { name: ' x', key: ids.openai });
  assert.equal(page.status, 422);
  assert.match(page.text, /data-dialog-part/);
  assert.match(page.text, /id="agent-name-problem">\w/);
  assert.match(page.text, new RegExp(`<option value="${ids.openai}" selected`));
  const none = await bob.post(PATH, { name: 'x', key: 'provider:none' });
  assert.equal(none.status, 422);
  assert.match(none.text, /id="agent-key-problem">\w/);
  assert.equal((await bob.post(PATH, { name: 'x', key: 'nonsense' })).status, 404);
});

test('an agent gets another name and key, which can be taken back', async () => {
  const agent = await addAgent('Before', ids.openai);
  const path = settings('bob', `/agents/${agent}`);
  assert.equal((await bob.post(path, { name: 'After', key: ids.anthropic })).status, 303);
  assert.deepEqual(await usesOf(agent), { name: 'After', key: ids.anthropic, provider: null });
  const { text } = await bob.get(PATH);
  assert.match(text, /Saved “After”\. It uses “Claude” from now on\./);
  assert.match(text, new RegExp(`action="[^"]*/agents/${agent}\\?[^"]*"[^>]*>.*name="name" value="Before".*name="key" value="${ids.openai}"`, 's'));
  assert.equal((await bob.post(path, { name: 'Before', key: ids.openai })).status, 303);
  assert.equal((await bob.post(path, { name: 'Before', key: 'provider:openai' })).status, 303);
  assert.deepEqual(await usesOf(agent), { name: 'Before', key: null, provider: 'openai' });
  // what is as it was is no change, and one of them may be left out
  assert.equal((await bob.post(path, { name: 'Before', key: 'provider:openai' })).status, 303);
  assert.doesNotMatch((await bob.get(PATH)).text, />Undo</);
  assert.equal((await bob.post(path, { key: ids.openai })).status, 303);
  assert.deepEqual(await usesOf(agent), { name: 'Before', key: ids.openai, provider: null });
  const [{ count }] = await as('alice', "SELECT count(*)::int FROM tarx_keys.project_audit WHERE object_id = $1 AND action LIKE 'agent.%'", [agent]);
  assert.equal(count, 7);   // created, two names, four keys
  await deleteAgent(agent);
});

test('the choice of a key has those of the same provider first, and warns of others', async () => {
  const agent = await addAgent('Chooses', ids.openai);
  const { text } = await bob.get(settings('bob', `/agents/${agent}/edit`));
  const groups = [...text.matchAll(/<optgroup label="([^"]*)">(.*?)<\/optgroup>/gs)];
  assert.equal(groups[0][1], 'OpenAI');
  assert.doesNotMatch(groups[0][2], /data-warning/);
  assert.match(groups[0][2], new RegExp(`<option value="${ids.openai}" selected>GPT, sk-proj-`));
  assert.match(groups[0][2], /<option value="provider:openai">Any key of OpenAI, in their order</);
  for (const [, label, options] of groups.slice(1)) {
    assert.match(label, /: other models than now$/);
    assert.equal(options.match(/<option/g).length, options.match(/data-warning="The agent has used OpenAI until now\./g).length);
  }
  assert.match(text, /Another provider has other models/);
  await deleteAgent(agent);
});

test('an agent of a deleted key is edited: its key is chosen anew, or it gets only a name', async () => {
  const key = await addKey('openai', 'Going', newValue());
  const agent = await addAgent('Left behind', key);
  await discard(key);
  const path = settings('bob', `/agents/${agent}`);
  const { text } = await bob.get(settings('bob', `/agents/${agent}/edit`));
  assert.match(text, new RegExp(`<option value="${key}" selected>A deleted key<`));
  assert.equal((await bob.post(path, { name: 'Renamed', key })).status, 303);
  assert.equal((await bob.post(path, { name: 'Renamed', key: ids.openai })).status, 303);
  const page = await bob.get(PATH);
  assert.match(page.text, /Saved “Renamed”\. It uses “GPT” from now on\./);
  assert.doesNotMatch(page.text, />Undo</);
  assert.deepEqual(await usesOf(agent), { name: 'Renamed', key: ids.openai, provider: null });
  await deleteAgent(agent);
});

test('a deletion asks first, in the words of what happens', async () => {
  const agent = await addAgent('Leaving', ids.openai);
  const asked = await bob.get(settings('bob', `/agents/${agent}/delete`));
  assert.match(asked.text, /Delete “Leaving”\?.*Its runs stop.*cannot be undone.*Its key “GPT” stays.*edit it.*>Delete Leaving</s);
  assert.equal((await usesOf(agent)).name, 'Leaving');
  assert.equal((await bob.post(settings('bob', `/agents/${agent}/delete`), {})).status, 303);
  assert.match((await bob.get(PATH)).text, /Deleted “Leaving”\./);
  assert.equal(await usesOf(agent), undefined);
});

test('agents that are not there are not found, and those of others neither', async () => {
  const carol = await signedIn('carol');
  const agent = await addAgent('Ours', ids.openai);
  for (const rest of ['/edit', '/delete', '/models']) {
    assert.equal((await bob.get(settings('bob', `/agents/${ids.openai}${rest}`))).status, 404);
    assert.equal((await carol.get(settings('carol', `/agents/${agent}${rest}`, PROJECTS.research))).status, 404);
  }
  assert.equal((await carol.post(settings('carol', `/agents/${agent}`, PROJECTS.research), { name: 'Theirs' })).status, 404);
  assert.equal((await usesOf(agent)).name, 'Ours');
  await deleteAgent(agent);
});

test('a viewer sees the agents and is offered nothing; the database refuses the rest', async () => {
  await as('alice', "SELECT tarx_keys.add_member($1, 'viktor', 'viewer')", [PROJECTS.support]);
  const viktor = await newPerson('viktor');
  const agent = await addAgent('Looked at', ids.openai);
  const { text } = await viktor.get(settings('viktor', '/agents'));
  assert.match(text, /Looked at/);
  assert.doesNotMatch(text, /\/edit\?|\/delete\?|\/console|\/models\?|Create agent|Choose a/);
  for (const rest of ['new', `${agent}/edit`, `${agent}/delete`]) {
    assert.equal((await viktor.get(settings('viktor', `/agents/${rest}`))).status, 404);
  }
  for (const [rest, form] of [['', { name: 'No' }], [`/${agent}`, { name: 'No' }], [`/${agent}/delete`, {}]]) {
    assert.equal((await viktor.post(settings('viktor', `/agents${rest}`), form)).status, 403, rest);
  }
  assert.equal((await usesOf(agent)).name, 'Looked at');
  await deleteAgent(agent);
});

test('a hundred agents sort as people sort, have pages, and are found by name and by state', async () => {
  const [{ id: project }] = await as('hundred', "SELECT tarx_keys.create_project('Hundred') AS id");
  await as('hundred', `SELECT tarx_keys.create_agent($1, n) FROM (SELECT 'Bot ' || i AS n FROM generate_series(1, 98) i UNION VALUES ('GPT helper'), ('gemini helper')) v`, [project]);
  const hundred = await newPerson('hundred');
  const page = async (rest = '') => (await hundred.get(`${settings('hundred', '/agents', project)}${rest}`)).text;
  const names = (text) => [...text.matchAll(/<h3>([^<]*)<\/h3>/g)].map(([, name]) => name);
  const first = await page();
  assert.match(first, /Project agents \(100\)/);
  assert.deepEqual(names(first).slice(0, 11).slice(-3), ['Bot 9', 'Bot 10', 'Bot 11']);
  assert.equal(names(first).length, 50);
  assert.match(first, /1 to 50 of 100/);
  const second = await page('&page=2');
  assert.deepEqual(names(second).slice(-2), ['gemini helper', 'GPT helper']);
  assert.equal(new Set([...names(first), ...names(second)]).size, 100);
  assert.deepEqual(names(await page('&q=HELPER')), ['gemini helper', 'GPT helper']);
  assert.match(first, /100 agents cannot run.*Show all 100/s);
  assert.equal(names(await page('&only=stopped&page=99')).length, 50);
  assert.match(await page('&q=nobody'), /No agent is like that.*Show all 100/s);
  assert.match(await page(`&q=${encodeURIComponent('"><script>')}`), /value="&quot;&gt;&lt;script&gt;"/);
});

test('empty projects, and no project, say what belongs there', async () => {
  const [{ id }] = await as('nadia', "SELECT tarx_keys.create_project('New') AS id");
  const nadia = await newPerson('nadia');
  const { text } = await nadia.get(settings('nadia', '/agents', id));
  assert.match(text, /There is none yet.*Create agent/s);
  assert.match((await nadia.get(settings('nadia', '/console', id))).text, /no agent to test yet/);
  assert.match((await nadia.get(settings('nadia', '/agents/new', id))).text, /no LLM keys yet/);
  const otto = await newPerson('otto');
  assert.match((await otto.get('/otto/settings/agents')).text, /in no project yet/);
  assert.equal((await otto.get('/otto/settings/console')).status, 404);
});
