// examples/client/index.js, in the ways that its README shows, through a pooler if there is one.

import { inspect } from 'node:util';
import pg from 'pg';
import * as keys from '../../../examples/client/index.js';
import { AT_AN_ARGUMENT, check, failureOf, placesOf, PROJECT, VALUE } from './check.mjs';

const { asUser, openPool, savepoint, transaction, withKey, withRun } = keys;
const backend = openPool({ user: 'client_backend' });
const web = openPool({ user: 'client_web' });
const runner = openPool({ user: 'client_runner' });
const kindOf = (error) => [error.constructor.name, error.code];
const until = async (condition) => {
  for (let turn = 0; turn < 400 && !await condition(); turn += 1) await new Promise((resolve) => { setTimeout(resolve, 25); });
};
const asAlice = (sql, ...values) => asUser(backend, { user: 'alice', project: PROJECT }, async (client) =>
  (await client.query(sql, [PROJECT, ...values])).rows[0]);
const message = [{ role: 'user', content: 'ping' }];

// Sealing, opening, and in clear

const { publicKey } = await asUser(backend, { user: 'alice' }, (client) => keys.sealingKey(client));
const destination = (await asAlice("SELECT default_base_url AS url FROM tarx_keys.providers WHERE slug = 'mistral' AND $1::uuid IS NOT NULL")).url;
const sealed = { projectId: PROJECT, provider: 'mistral', destination, value: VALUE };
const addBox = async (name, options) => (await asAlice('SELECT tarx_keys.add_sealed_llm_key($1, $2, $3, $4) AS id', 'mistral', name,
  Buffer.from(await keys.sealLlmKey(keys.sodium, publicKey, { ...sealed, name, options })))).id;
const first = await addBox('By the client', { priority: 50, headers: { 'x-team': 'blue' } });
const replacement = await keys.sealReplacement(keys.sodium, publicKey, { ...sealed, oldKeyId: first, options: { name: 'Replaced' } });
const { id } = await asAlice('SELECT tarx_keys.replace_sealed_llm_key($1, $2, $3) AS id', first, Buffer.from(replacement));
const secret = await keys.sealSecret(keys.sodium, publicKey, { projectId: PROJECT, name: 'BY_CLIENT', value: VALUE });
check('the database opens the box of a secret',
  (await asAlice('SELECT tarx_keys.set_sealed_secret($1, $2, $3) AS version', 'BY_CLIENT', Buffer.from(secret))).version, 1);
const agent = (await asAlice('SELECT tarx_keys.create_agent($1, $2, $3) AS id', 'Of the client', id)).id;
const keyPair = await keys.newKeyPair(keys.sodium);
for (const [how, pair] of [['in clear', {}], ['in a box', { keyPair }]]) {
  const resolved = await Promise.all([
    keys.resolveKey(runner, { project: PROJECT, key: id, ...pair }),
    keys.resolveAgentKey(runner, { project: PROJECT, agent, ...pair }),
    keys.resolveProviderKey(runner, { project: PROJECT, provider: 'mistral', ...pair })]);
  check(`a key resolves, ${how}`, resolved.map((key) => [key.keyId, key.provider, key.name, key.baseUrl, key.headers, key.value === VALUE]),
    Array(3).fill([id, 'mistral', 'Replaced', destination, { 'x-team': 'blue' }, true]));
  check(`a provider's key counts, ${how}`, [resolved[2].attempt, resolved[2].remaining], [1, 1]);
  check(`a secret, ${how}`, await keys.resolveSecret(runner, { project: PROJECT, name: 'BY_CLIENT', ...pair }) === VALUE);
  for (const names of [undefined, ['BY_CLIENT']]) {
    const secrets = await keys.resolveSecrets(runner, { project: PROJECT, names, ...pair });
    check(`${names ? 'one of the' : 'all'} secrets, ${how}`, secrets.BY_CLIENT === VALUE && (!names || Object.keys(secrets).length === 1));
  }
  check(`a secret that is not there, ${how}`,
    kindOf(await failureOf(keys.resolveSecret(runner, { project: PROJECT, name: 'NONE', ...pair }))), ['SecretGone', 'TK011']);
}
check('a template', await keys.renderTemplate(runner, { project: PROJECT, template: 'a ${secrets.BY_CLIENT}' }) === `a ${VALUE}`);
const { request } = await keys.resolveAgentKey(runner, { project: PROJECT, agent, keyPair });
check('a box has what a request needs', [request.baseUrl, Object.keys(request.headers), request.headers.Authorization === `Bearer ${VALUE}`],
  [destination, ['x-team', 'Authorization'], true]);

// Errors without values

const visible = (error) => placesOf(error).length > 0
  || [JSON.stringify(error), inspect(error, { depth: null, showHidden: true }), String(error), error.stack].join('').includes(VALUE);
const WRONG = 'SELECT $1::uuid';
const direct = new pg.Client({ user: 'client_backend' });
await direct.connect();
check("node-postgres' own error has the value", visible(await failureOf(direct.query(WRONG, [VALUE]))));
await direct.end();
const wrong = await failureOf(transaction(backend, (client) => client.query(WRONG, [VALUE])));
check('an error of a transaction has it not', [visible(wrong), ...kindOf(wrong)], [false, 'KeysError', '22P02']);
check('though it says where it was', wrong.stack.startsWith('KeysError: the database refused') && wrong.stack.includes('client.mjs'));
const lines = await failureOf(transaction(backend, (client) => client.query(WRONG, [`a\n    at ${VALUE}`])));
check('a value that looks like a place is left out as well', [visible(lines), lines.code], [false, '22P02']);
const inSavepoint = await failureOf(transaction(backend, (client) => savepoint(client, () => client.query(WRONG, [VALUE]))));
check('nor that of a savepoint', [visible(inSavepoint), inSavepoint.code], [false, '22P02']);
const wrongId = await failureOf(keys.resolveKey(runner, { project: PROJECT, key: VALUE }));
check('nor that of a resolve with arguments in the wrong order', [visible(wrongId), wrongId.code], [false, '22P02']);
const add = (who, name, value = VALUE) => asUser(backend, { user: who, project: PROJECT }, (client) =>
  client.query('SELECT tarx_keys.add_llm_key($1, $2, $3, $4)', [PROJECT, 'mistral', name, value]));
const refused = await failureOf(add('bob', 'Refused'));
check('what a member may not', [visible(refused), ...kindOf(refused), typeof refused.hint], [false, 'NotAllowed', '42501', 'string']);
const taken = await failureOf(add('alice', 'Replaced'));
check('a name that is taken', [visible(taken), ...kindOf(taken)], [false, 'NameTaken', '23505']);
const bad = await failureOf(add('alice', 'Bad', `Bearer ${VALUE}`));
check('a bad argument is named, with what to do', [visible(bad), ...kindOf(bad), bad.column, typeof bad.hint],
  [false, 'BadInput', '22023', 'key_value', 'string']);
check('as JSON as well', JSON.parse(JSON.stringify(bad)),
  { name: 'BadInput', code: '22023', message: bad.message, hint: bad.hint, column: 'key_value' });
check('and when it is printed', inspect(bad).startsWith(`BadInput: ${bad.message}\n`));
const atAnArgument = await failureOf(transaction(backend, (client) => client.query(AT_AN_ARGUMENT)));
check('its text is the database’s', [atAnArgument.message, atAnArgument.hint], ['not accepted', 'Choose another.']);
const own = new RangeError('of the application');
check('an error of the application stays', await failureOf(transaction(backend, () => { throw own; })) === own);

// Who acts

const { token } = await asUser(backend, { user: 'bob' }, async (client) =>
  (await client.query("SELECT token FROM tarx_keys.create_platform_key('client')")).rows[0]);
check('a token proves who it is', await asUser(web, { token, project: PROJECT }, (client, person) => person), { userId: 'bob', role: 'member' });
const wrongToken = await failureOf(asUser(web, { token: VALUE }, () => {}));
check('a wrong one does not', [visible(wrongToken), ...kindOf(wrongToken)], [false, 'LoginEnded', 'TK010']);
const wrongJwt = await failureOf(asUser(web, { jwt: VALUE }, () => {}));
check('nor does a wrong JWT', [visible(wrongJwt), ...kindOf(wrongJwt)], [false, 'LoginEnded', 'TK010']);
check('two at once are refused', (await failureOf(asUser(backend, { user: 'alice', token }, () => {}))).constructor.name, 'TypeError');
check('nobody acts afterwards', (await backend.query('SELECT tarx_keys.current_user_id() AS id')).rows[0].id, null);

// A refused resolve in the caller's transaction

const NOBODY = PROJECT;
const kinds = await transaction(runner, async (client) => {
  await client.query("UPDATE jobs SET error = 'before' WHERE id = 3");
  const errors = [];
  for (const call of [
    () => keys.resolveKey(client, { project: PROJECT, key: NOBODY }),
    () => keys.resolveAgentKey(client, { project: PROJECT, agent: NOBODY }),
    () => keys.resolveProviderKey(client, { project: PROJECT, provider: 'groq' }),
    () => keys.resolveSecret(client, { project: PROJECT, name: 'NONE' }),
    () => keys.renderTemplate(client, { project: PROJECT, template: '${secrets.NONE}' })]) {
    errors.push((await failureOf(call())).constructor.name);
  }
  return errors;
});
check('each refused resolve has its class', kinds, ['KeyGone', 'AgentGone', 'NoUsableKey', 'SecretGone', 'SecretGone']);
check('what was before them is kept', (await runner.query('SELECT error FROM jobs WHERE id = 3')).rows[0].error, 'before');
const names = await asUser(backend, { user: 'bob', project: PROJECT }, async (client) => {
  const create = (name) => client.query('SELECT tarx_keys.create_agent($1, $2)', [PROJECT, name]);
  const fail = () => client.query('SELECT 1 / 0');
  await savepoint(client, async () => {
    await create('Outer');
    await failureOf(savepoint(client, () => create('Inner').then(fail)));
  });
  await failureOf(savepoint(client, async () => {
    await create('Undone');
    await failureOf(savepoint(client, fail));
    await fail();
  }));
  const { rows } = await client.query("SELECT name FROM tarx_keys.agents WHERE name IN ('Outer', 'Inner', 'Undone')");
  return rows.map(({ name }) => name);
});
check('savepoints in savepoints undo their own', names, ['Outer']);
const ignored = await failureOf(transaction(backend, (client) => client.query('SELECT 1 / 0').catch(() => {})));
check('an error that was ignored', ignored.message, 'rolled back, because an error was ignored');

// Again after 40001, and only then

const setSecret = (client) => client.query('SELECT tarx_keys.set_secret($1, $2, $3) AS version', [PROJECT, 'AGAIN', 'x']);
const inNew = () => asUser(backend, { user: 'alice', project: PROJECT }, setSecret);
await inNew();
let tries = 0;
const lose = async (client, always) => {
  tries += 1;
  await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  await keys.signIn(client, { user: 'alice', project: PROJECT });
  if (always || tries === 1) await inNew();
  return setSecret(client);
};
const { rows: [{ version }] } = await transaction(backend, (client) => lose(client, false));
check('a transaction runs again after 40001', [tries, version], [2, 3]);
tries = 0;
const lost = await failureOf(transaction(backend, (client) => lose(client, true), { attempts: 3 }));
check('as often as was said', [tries, ...kindOf(lost)], [3, 'TryAgain', '40001']);
tries = 0;
await failureOf(transaction(backend, async (client) => { tries += 1; await client.query('SELECT 1 / 0'); }));
check('another error is final', tries, 1);

// Keys in turn

await asAlice('SELECT tarx_keys.delete_llm_key($1, $2)', id);
const healthOf = async (keyId) => Object.values(await asAlice(
  `SELECT health, extract(epoch FROM cooling_until - health_at)::int AS cooling
     FROM tarx_keys.llm_keys WHERE project_id = $1 AND id = $2`, keyId));
const addFirst = async (word) => (await asAlice('SELECT tarx_keys.add_llm_key($1, $2, $3, $4, options => $5) AS id',
  'mistral', `Client, ${word}`, `not-a-real-key-${word}-0123456789`, { priority: 1 })).id;
const good = (await asAlice("SELECT id FROM tarx_keys.llm_keys WHERE project_id = $1 AND name = 'of mistral'")).id;
const byProvider = (await asAlice('SELECT tarx_keys.create_agent($1, $2, provider => $3) AS id', 'By provider', 'mistral')).id;
let calls = 0;
const post = (path) => async (key) => {
  calls += 1;
  const response = await fetch(key.request.baseUrl + path, {
    method: 'POST', redirect: 'error', signal: AbortSignal.timeout(2000), headers: { ...key.request.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'mistral-large-latest', messages: message }),
  });
  if (!response.ok) throw Object.assign(new Error('refused'), { status: response.status, headers: response.headers });
  return JSON.stringify(await response.json());
};
const say = post('/chat/completions');
const mistral = { project: PROJECT, provider: 'mistral', model: 'mistral-large-latest' };
for (const [word, expected] of Object.entries({
  limited: ['cooling', 120], refused: ['rejected', null], unpaid: ['quota', 300], broken: ['cooling', 10], silent: ['cooling', 10],
})) {
  const failing = await addFirst(word);
  check(`${word}: the next key answers`, (await withKey(runner, mistral, say)).includes('pong'));
  check(`${word}: it is known of the key, and of the one that answered`, [await healthOf(failing), await healthOf(good)], [expected, ['ok', null]]);
  await asAlice('SELECT tarx_keys.delete_llm_key($1, $2)', failing);
}
const rejected = await addFirst('refused');
check('by an agent', (await withKey(runner, { project: PROJECT, agent: byProvider }, say)).includes('pong'));
check('it is known as well', await healthOf(rejected), ['rejected', null]);
calls = 0;
const notFound = await failureOf(withKey(runner, mistral, post('/nowhere')));
check('a wrong request is tried once', [notFound.status, calls], [404, 1]);
const bug = await failureOf(withKey(runner, mistral, async () => undefined.x));
check('so is a mistake of the program, which says nothing of the key', [bug.constructor.name, await healthOf(good)], ['TypeError', ['ok', null]]);
const inBox = await withKey(runner, { ...mistral, keyPair }, (key) => say(key));
check('with boxes', inBox.includes('pong'));
await asAlice('SELECT tarx_keys.update_llm_key($1, $2, $3)', good, { enabled: false });
const ownAgent = (await asAlice('SELECT tarx_keys.create_agent($1, $2, $3) AS id', 'Own', rejected)).id;
check('the last key fails as the provider says', (await failureOf(withKey(runner, mistral, say))).status, 401);
check('so does an agent’s own', (await failureOf(withKey(runner, { project: PROJECT, agent: ownAgent }, say))).status, 401);
check('a report of a key that is gone is no failure', await withKey(runner, mistral, async () => {
  await asAlice('SELECT tarx_keys.delete_llm_key($1, $2)', rejected);
  return 'answered';
}), 'answered');
check('without any key', kindOf(await failureOf(withKey(runner, mistral, say))), ['NoUsableKey', 'TK014']);
await asAlice('SELECT tarx_keys.update_llm_key($1, $2, $3)', good, { enabled: true });

// A run

const { ticket } = await asAlice('SELECT tarx_keys.issue_run_ticket($1, $2, lifetime => $3, secret_names => $4) AS ticket',
  byProvider, '2 seconds', ['BY_CLIENT']);
const { entered, renewed, other, lasting, answered, ended } = await withRun(runner, ticket, async (run) => {
  const seen = { entered: [run.project, run.agent, run.user] };
  await until(async () => (await failureOf(runner.query('SELECT FROM tarx_keys.enter_run($1)', [ticket]))).code === 'TK017');
  seen.renewed = run.ticket !== ticket;
  seen.lasting = await run.transaction(async (client) => {
    seen.other = (await failureOf(keys.resolveAgentKey(client, { project: run.project, agent: ownAgent }))).constructor.name;
    return await keys.resolveSecret(client, { project: run.project, name: 'BY_CLIENT' }) === VALUE;
  });
  seen.answered = (await withKey(run, { project: run.project, agent: run.agent }, say)).includes('pong');
  await asAlice('SELECT tarx_keys.revoke_run_tickets($1, $2)', byProvider);
  seen.ended = kindOf(await failureOf(run.transaction(() => {})));
  return seen;
}, { lifetime: 2 });
check('a run is entered', entered, [PROJECT, byProvider, 'alice']);
check('it outlasts its first ticket', [renewed, lasting], [true, true]);
check('in it another agent is refused, without an end of the transaction', other, 'NotAllowed');
check('keys in turn go on in a run', answered);
check('until it is revoked', ended, ['RunEnded', 'TK016']);
check('a ticket that is none', kindOf(await failureOf(withRun(runner, VALUE, () => {}))), ['RunEnded', 'TK016']);

// A connection that the server ends

const broken = await failureOf(transaction(backend, async (client) => {
  await client.query("SET LOCAL idle_in_transaction_session_timeout = '50ms'");
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  await client.query('SELECT 1');
}));
check('a connection that the server has ended', broken instanceof Error);
check('the next transaction gets another', (await asAlice('SELECT 1 AS one, $1::uuid')).one, 1);

for (const name of ['BY_CLIENT', 'AGAIN']) await asAlice('SELECT tarx_keys.delete_secret($1, $2)', name);
await Promise.all([backend, web, runner].map((pool) => pool.end()));
console.log('done');
