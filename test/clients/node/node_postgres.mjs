// node-postgres, with examples/client. What stands between "doc:" and "end" is in
// docs/integration.md.

import pg from 'pg';
import { asUser, openPool, resolveSecrets, savepoint, transaction, withKey, withRun } from '../../../examples/client/index.js';
import { AT_AN_ARGUMENT, check, failureOf, placesOf, PROJECT, VALUE } from './check.mjs';

// doc: as a user
export const backend = openPool({ user: 'app_backend', max: 10 });
export const runner = openPool({ user: 'app_runner', max: 10 });

export const addKey = (user, project, { provider, name, value }) =>
  asUser(backend, { user, project }, async (client) => {
    const { rows: [key] } = await client.query(
      'SELECT tarx_keys.add_llm_key($1, $2, $3, $4) AS id', [project, provider, name, value]);
    return key.id;
  });
// end

// doc: with a token
const web = openPool({ user: 'app_web' }); // granted tarx_keys_login

export const whoIs = (token, project) => asUser(web, { token, project }, (client, person) => person);
// end

// doc: a page of a list
const FIRST = { name: '', id: '00000000-0000-0000-0000-000000000000' };

export const listKeys = (user, project, after = FIRST, limit = 50) =>
  asUser(backend, { user, project }, async (client) => {
    const { rows } = await client.query(
      `SELECT id, name, provider, masked_key, status, agent_count::int, last_used_at
         FROM tarx_keys.llm_keys
        WHERE (name COLLATE tarx_keys.people, id) > ($1, $2)
        ORDER BY name COLLATE tarx_keys.people, id LIMIT $3`, [after.name, after.id, limit]);
    return rows; // the last one is "after" of the next page
  });
// end

// doc: a job
const RESOLVE = `
  SELECT k.provider, c.base_url, c.headers
    FROM tarx_keys.resolve_agent_key($1, $2) k, tarx_keys.chat_request_base($1, k.key_id) c`;

export const nextJob = () => transaction(runner, async (client) => {
  const { rows: [job] } = await client.query(
    `SELECT id, project_id, agent_id FROM jobs
      WHERE status = 'waiting' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`);
  if (job === undefined) return null;
  try {
    const { rows: [request] } = await savepoint(client, () => client.query(RESOLVE, [job.project_id, job.agent_id]));
    await client.query("UPDATE jobs SET status = 'running' WHERE id = $1", [job.id]);
    return { job, request };
  } catch (error) {
    await client.query("UPDATE jobs SET status = 'failed', error = $2 WHERE id = $1", [job.id, error.code]);
    return { job, error };
  }
});
// end

// doc: a ticket
export const startRun = (user, project, agent) => asUser(backend, { user, project }, async (client) => {
  const { rows: [run] } = await client.query(
    `SELECT tarx_keys.issue_run_ticket($1, $2, lifetime => '5 minutes', runner_role => 'app_runner') AS ticket`,
    [project, agent]);
  return run.ticket; // for the runner, and for nobody else
});
// end

// doc: a run
const REQUEST = `
  SELECT k.provider, c.base_url, c.headers
    FROM tarx_keys.enter_run($1) r,
         tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k,
         tarx_keys.chat_request_base(r.project_id, k.key_id) c`;

export async function requestOf(ticket) {
  const { rows: [request] } = await runner.query(REQUEST, [ticket]);
  return request;
}
// end

// doc: a longer run
export const longRun = (ticket, call) => withRun(runner, ticket, async (run) => {
  const secrets = await run.transaction((client) => resolveSecrets(client, { project: run.project, names: ['SHOP_TOKEN'] }));
  return withKey(run, { project: run.project, agent: run.agent }, (key) => call(key, secrets));
});
// end

// doc: kept
export function keeping(resolve) {
  const entries = new Map(); // project and agent → { version, kept }
  return async (project, agent) => {
    const id = `${project} ${agent}`; // another project can have the same version
    // before the resolve: what changes in between costs one resolve more
    const { rows: [{ version }] } = await runner.query('SELECT tarx_keys.project_version($1) AS version', [project]);
    const entry = entries.get(id);
    if (entry?.version === version) return entry.kept;
    entries.delete(id);
    const kept = await resolve(project, agent);
    entries.set(id, { version, kept });
    return kept;
  };
}
// end

// doc: requests
async function send(url, options) {
  const response = await fetch(url, {
    ...options,
    redirect: 'error', // it would take the key along
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok) {
    const [retryAfter] = /^\d{1,9}$/.exec(response.headers.get('retry-after')) ?? [null]; // in seconds
    // the text of a refusal may quote the key
    throw Object.assign(new Error(`the provider answered ${response.status}`), { status: response.status, retryAfter });
  }
  return response.json();
}

export const post = ({ base_url: baseUrl, headers }, path, body) => send(baseUrl + path, {
  method: 'POST',
  headers: { ...headers, 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

export async function listModels(projectId, keyId) {
  const { rows } = await runner.query(
    'SELECT method, url, headers FROM tarx_keys.models_request($1, $2)', [projectId, keyId]);
  let refusal = new Error('the provider lists no models');
  for (const { method, url, headers } of rows) { // the first that is answered counts
    try {
      return await send(url, { method, headers });
    } catch (error) {
      refusal = error;
    }
  }
  throw refusal;
}
// end

// doc: keys in turn
export const ask = (project, provider, model, path, body) => withKey(runner, { project, provider, model },
  ({ request: { baseUrl, headers } }) => post({ base_url: baseUrl, headers }, path, body));
// end

// The shape of a request

const key = { provider: 'openai', name: 'By node-postgres', value: VALUE };
const id = await addKey('alice', PROJECT, key);
check('an admin adds a key', /^[0-9a-f-]{36}$/.test(id));
const [listed] = (await listKeys('bob', PROJECT)).filter((row) => row.id === id);
check('a member lists it', [listed.name, listed.masked_key.includes(VALUE)], [key.name, false]);
const whoNext = async (pool) => (await pool.query('SELECT tarx_keys.current_user_id() AS id')).rows[0].id;

const refused = await failureOf(addKey('bob', PROJECT, { ...key, name: 'Refused' }));
check('a member is refused to add', [refused.code, typeof refused.hint], ['42501', 'string']);
check('the value is nowhere in the error', placesOf(refused), []);
check('nothing is left of who acted', await whoNext(backend), null);
const named = await failureOf(backend.query(AT_AN_ARGUMENT));
check('an error names the argument', [named.code, named.column, named.hint], ['22023', 'base_url', 'Choose another.']);
const outside = await failureOf(backend.query('SELECT tarx_keys.act_as($1)', ['alice'])
  .then(() => backend.query('SELECT tarx_keys.create_project($1)', ['Outside'])));
check('without BEGIN nobody acts', outside.code, 'TK007');

const swallowed = await failureOf(asUser(backend, { user: 'bob', project: PROJECT }, async (client) => {
  await client.query('SELECT tarx_keys.create_agent($1, $2)', [PROJECT, 'Swallowed']);
  await failureOf(client.query('SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECT, id]));
}));
check('an error that was ignored', swallowed.message, 'rolled back, because an error was ignored');
check('it has undone what was before', await asUser(backend, { user: 'bob', project: PROJECT }, async (client) =>
  (await client.query("SELECT count(*) FROM tarx_keys.agents WHERE name = 'Swallowed'")).rows[0].count), '0');

const { id: tokenId, token } = await asUser(backend, { user: 'bob' }, async (client) =>
  (await client.query('SELECT id, token FROM tarx_keys.create_platform_key($1)', ['laptop'])).rows[0]);
check('a token proves who it is', await whoIs(token, PROJECT), { userId: 'bob', role: 'member' });
check('a wrong one does not', (await failureOf(whoIs(`${token}x`, PROJECT))).code, 'TK010');

// Types

await asUser(backend, { user: 'bob' }, async (client) => {
  const { rows } = await client.query('SELECT tarx_keys.revoke_platform_key($1)', [tokenId]);
  check('void is an empty string', rows, [{ revoke_platform_key: '' }]);
});
await asUser(backend, { user: 'bob', project: PROJECT }, async (client) => {
  const { rows: [row] } = await client.query(
    `SELECT agent_count, agent_count::int AS number, created_at, last_used_at
       FROM tarx_keys.llm_keys WHERE id = $1`, [id]);
  check('bigint is a string, integer a number', [row.agent_count, row.number], ['0', 0]);
  check('timestamptz is a Date', [row.created_at instanceof Date, row.last_used_at], [true, null]);
});

// A client that is released without COMMIT, and one that breaks

const one = new pg.Pool({ user: 'app_backend', max: 1 });
const act = async () => {
  const client = await one.connect();
  await client.query('BEGIN');
  await client.query('SELECT tarx_keys.act_as($1)', ['alice']);
  return client;
};
(await act()).release();
check('released without COMMIT, the next query is alice', await whoNext(one), 'alice');
await one.query('ROLLBACK');
check('and after ROLLBACK nobody', await whoNext(one), null);
(await act()).release(true);
check('release(true) ends the connection', await whoNext(one), null);
await one.end();

const broken = await failureOf(asUser(backend, { user: 'alice', project: PROJECT }, async (client) => {
  await client.query("SET LOCAL idle_in_transaction_session_timeout = '100ms'");
  await new Promise((resolve) => { client.on('end', resolve); });
  await client.query('SELECT 1');
}));
check('the server has ended a connection in use', broken.message,
  'Client has encountered a connection error and is not queryable');
check('the next request gets another', (await listKeys('bob', PROJECT)).length > 0);

// A runner

for (const status of ['running', 'failed']) {
  const { job, request, error } = await nextJob();
  const { rows: [row] } = await runner.query('SELECT status, error FROM jobs WHERE id = $1', [job.id]);
  check(`a job is marked ${status}`, [row.status, row.error, error?.code],
    status === 'running' ? ['running', null, undefined] : ['failed', 'TK003', 'TK003']);
  if (request) check('it has what a request needs', Object.keys(request), ['provider', 'base_url', 'headers']);
}
check('no job is left', await nextJob(), null);
const aborted = await failureOf(transaction(runner, async (client) => {
  await failureOf(client.query(RESOLVE, [PROJECT, id]));
  await client.query('SELECT 1');
}));
check('without a savepoint the transaction is over', aborted.code, '25P02');

const message = [{ role: 'user', content: 'ping' }];
const BODIES = {
  anthropic: ['/v1/messages', { model: 'claude-haiku-5', max_tokens: 10, messages: message }],
  google_ai: ['/v1beta/models/gemini-4-flash:generateContent', { contents: [{ parts: [{ text: 'ping' }] }] }],
};
const others = ['/chat/completions', { model: 'gpt-6', messages: message }];
const keys = (await listKeys('bob', PROJECT)).filter(({ name }) => name.startsWith('of '));
check('there is a key of each provider', keys.length, 7);
for (const { id: keyId, provider } of keys) {
  const { rows: [request] } = await runner.query('SELECT * FROM tarx_keys.chat_request_base($1, $2)', [PROJECT, keyId]);
  const [path, body] = BODIES[provider] ?? others;
  check(`${provider}: a call`, JSON.stringify(await post(request, path, body)).includes('pong'));
  const models = await listModels(PROJECT, keyId);
  check(`${provider}: its models`, (models.data ?? models.models).length > 0);
}
const moved = await addKey('alice', PROJECT, { provider: 'openai', name: 'Moved', value: 'sk-moved-0123456789' });
check('a redirect is not followed', (await failureOf(listModels(PROJECT, moved))).cause?.message, 'unexpected redirect');
const [first] = await listKeys('bob', PROJECT, undefined, 1);
const [second] = await listKeys('bob', PROJECT, first, 1);
check('pages follow each other', (await listKeys('bob', PROJECT)).slice(0, 2), [first, second]);

// Keys in turn: one that fails before one that works; client.mjs has the other ways

const CHAT = ['/chat/completions', { model: 'mistral-large-latest', messages: message }];
const say = () => ask(PROJECT, 'mistral', CHAT[1].model, ...CHAT);
const asAlice = (sql, ...values) => asUser(backend, { user: 'alice', project: PROJECT }, async (client) =>
  (await client.query(sql, [PROJECT, ...values])).rows[0]);
const addFirst = (word) => asAlice(
  'SELECT tarx_keys.add_llm_key($1, $2, $3, $4, options => $5) AS id',
  'mistral', `First, ${word}`, `not-a-real-key-${word}-0123456789`, { priority: 1 });
const healthOf = (keyId) => asAlice(
  `SELECT health, extract(epoch FROM cooling_until - health_at)::int AS cooling
     FROM tarx_keys.llm_keys WHERE project_id = $1 AND id = $2`, keyId);
const good = keys.find(({ provider }) => provider === 'mistral').id;
const { id: bad } = await addFirst('limited');
check('the next key answers', JSON.stringify(await say()).includes('pong'));
check('for how long to wait is known of the key', Object.values(await healthOf(bad)), ['cooling', 120]);
check('and of the one that answered that it works', Object.values(await healthOf(good)), ['ok', null]);
await asAlice('SELECT tarx_keys.delete_llm_key($1, $2)', bad);
const wrong = await failureOf(ask(PROJECT, 'mistral', null, '/nowhere', {}));
check('a wrong request is tried once', wrong.status, 404);
check('and says nothing of the key', Object.values(await healthOf(good)), ['ok', null]);
const enable = (enabled) => asAlice('SELECT tarx_keys.update_llm_key($1, $2, $3)', good, { enabled });
await enable(false);
const { id: only } = await addFirst('refused');
check('the last key fails as the provider says', (await failureOf(say())).status, 401);
await asAlice('SELECT tarx_keys.delete_llm_key($1, $2)', only);
check('without any key', (await failureOf(say())).code, 'TK014');
await enable(true);

// What was resolved, kept: as long as nothing changes, and no longer

let resolves = 0;
let onTheWay = async () => {};
const destinationOf = keeping(async (project, agent) => {
  resolves += 1;
  const { rows: [row] } = await runner.query('SELECT name FROM tarx_keys.resolve_agent_key($1, $2)', [project, agent]);
  await onTheWay();
  return row.name;
});
const { id: keeper } = await asAlice('SELECT tarx_keys.create_agent($1, $2, $3) AS id', 'Keeper', good);
const keptName = () => destinationOf(PROJECT, keeper);
check('the first use resolves', [await keptName(), await keptName(), resolves], ['of mistral', 'of mistral', 1]);
await asAlice('SELECT tarx_keys.update_llm_key($1, $2, $3)', good, { name: 'Renamed' });
check('after a change it resolves again', [await keptName(), await keptName(), resolves], ['Renamed', 'Renamed', 2]);
// a slow answer from before a change comes after a new one
await asAlice('SELECT tarx_keys.update_llm_key($1, $2, $3)', good, { name: 'Old' });
let arrive;
const slow = new Promise((resolve) => { arrive = resolve; });
const reached = new Promise((resolve) => { onTheWay = async () => { onTheWay = async () => {}; resolve(); await slow; }; });
const inFlight = keptName();
await reached;
await asAlice('SELECT tarx_keys.update_llm_key($1, $2, $3)', good, { name: 'of mistral' });
check('the new answer is kept', await keptName(), 'of mistral');
arrive();
check('an answer in flight is what it was', await inFlight, 'Old');
check('and does not come back', await keptName(), 'of mistral');
await asAlice('SELECT tarx_keys.delete_agent($1, $2)', keeper);
check('what is gone is not served', (await failureOf(keptName())).code, 'TK003');
const projectOf = keeping(async (project) => project);
runner.query = async () => ({ rows: [{ version: '1' }] });
check('another project with the same version gets its own', [await projectOf('a', keeper), await projectOf('b', keeper)], ['a', 'b']);
delete runner.query;

// A run with a ticket

const newAgent = (name) => asUser(backend, { user: 'bob', project: PROJECT }, async (client) =>
  (await client.query('SELECT tarx_keys.create_agent($1, $2, $3) AS id', [PROJECT, name, good])).rows[0].id);
const [helper, other] = [await newAgent('Helper'), await newAgent('Other')];
const ticket = await startRun('bob', PROJECT, helper);
check('a ticket is a text', /^tarx-run-[\w-]+$/.test(ticket));
check('in one round trip it gives a request', JSON.stringify(await post(await requestOf(ticket), ...CHAT)).includes('pong'));
check('the next transaction is in no run', (await runner.query(
  'SELECT count(*)::int AS keys FROM tarx_keys.resolve_agent_key($1, $2)', [PROJECT, other])).rows[0].keys, 1);
await asAlice('SELECT tarx_keys.set_secret($1, $2, $3)', 'SHOP_TOKEN', 'not-a-real-token');
const { ticket: withSecret } = await asAlice(
  'SELECT tarx_keys.issue_run_ticket($1, $2, secret_names => $3) AS ticket', helper, ['SHOP_TOKEN']);
check('a longer run has secrets and keys', await longRun(withSecret, async (requested, secrets) =>
  [secrets.SHOP_TOKEN, requested.name]), ['not-a-real-token', 'of mistral']);

await Promise.all([backend, runner, web].map((pool) => pool.end()));
console.log('done');
