// Drizzle on node-postgres. What stands between "doc:" and "end" is in
// docs/integration.md.

import pg from 'pg';
import { AT_AN_ARGUMENT, check, failureOf, placesOf, printedBy, PROJECT, VALUE } from './check.mjs';

const openPool = (user, max = 10) => new pg.Pool({ user, max });
const backend = openPool('app_backend');
const runner = openPool('app_runner');

// doc: drizzle
import { DrizzleQueryError, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bigint, pgSchema, text, timestamp, uuid } from 'drizzle-orm/pg-core';

export const llmKeys = pgSchema('tarx_keys').view('llm_keys', {
  id: uuid('id'),
  name: text('name'),
  provider: text('provider'),
  maskedKey: text('masked_key'),
  status: text('status'),
  agentCount: bigint('agent_count', { mode: 'number' }),
  lastUsedAt: timestamp('last_used_at', { withTimezone: true }),
}).existing();

const db = drizzle({ client: backend });

// Drizzle's own errors have the values in their messages; the database's do not.
export async function withoutValues(work) {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DrizzleQueryError ? error.cause : error;
  }
}

export const asUser = (userId, projectId, work) => withoutValues(() => db.transaction(async (tx) => {
  await tx.execute(sql`SELECT tarx_keys.act_as(${userId}, ${projectId})`);
  return work(tx);
}));

export const addKey = (userId, projectId, { provider, name, value }) =>
  asUser(userId, projectId, async (tx) => {
    const { rows: [key] } = await tx.execute(
      sql`SELECT tarx_keys.add_llm_key(${projectId}, ${provider}, ${name}, ${value}) AS id`);
    return key.id;
  });

export const listKeys = (userId, projectId) =>
  asUser(userId, projectId, (tx) => tx.select().from(llmKeys).orderBy(llmKeys.name));
// end

// The shape of a request

const key = { provider: 'openai', name: 'By Drizzle', value: VALUE };
const id = await addKey('alice', PROJECT, key);
check('an admin adds a key', /^[0-9a-f-]{36}$/.test(id));
const [listed] = (await listKeys('bob', PROJECT)).filter((row) => row.id === id);
check('a member lists it', [listed.name, listed.maskedKey.includes(VALUE)], [key.name, false]);
check('bigint is a number by its mode', [listed.agentCount, listed.lastUsedAt], [0, null]);
const refusedKey = { ...key, name: 'Refused' };
const refused = await failureOf(addKey('bob', PROJECT, refusedKey));
check('a member is refused to add', refused.code, '42501');
const named = await failureOf(withoutValues(() => db.execute(sql.raw(AT_AN_ARGUMENT))));
check('an error names the argument', [named.code, named.column, named.hint], ['22023', 'base_url', 'Choose another.']);
await asUser('bob', PROJECT, async (tx) => {
  const { rows } = await tx.execute(sql`SELECT tarx_keys.act_as(${'bob'})`);
  check('void is an empty string', rows, [{ act_as: '' }]);
  const { rows: [row] } = await tx.execute(sql`SELECT agent_count, created_at FROM tarx_keys.llm_keys WHERE id = ${id}`);
  check('bigint and timestamptz without a mode are strings', [row.agent_count, typeof row.created_at], ['0', 'string']);
});

// A client that is released without COMMIT

const one = openPool('app_backend', 1);
const onOne = drizzle({ client: one });
const whoNext = async () => (await onOne.execute(sql`SELECT tarx_keys.current_user_id() AS id`)).rows[0].id;
await onOne.execute(sql`BEGIN`);
await onOne.execute(sql`SELECT tarx_keys.act_as(${'alice'})`);
check('BEGIN without COMMIT, the next query is alice', await whoNext(), 'alice');
await onOne.execute(sql`ROLLBACK`);
await failureOf(onOne.transaction(async (tx) => {
  await tx.execute(sql`SELECT tarx_keys.act_as(${'alice'})`);
  throw new Error('of the application');
}));
check('after a transaction that throws it is nobody', await whoNext(), null);

// A runner: a savepoint is a transaction in a transaction

await drizzle({ client: runner }).transaction(async (tx) => {
  const error = await failureOf(tx.transaction((savepoint) => savepoint.execute(
    sql`SELECT provider FROM tarx_keys.resolve_agent_key(${PROJECT}, ${id})`)));
  check('a resolve is refused', error.cause?.code, 'TK003');
  await tx.execute(sql`UPDATE jobs SET error = ${error.cause.code} WHERE id = 3`);
});
const { rows: [job] } = await runner.query('SELECT error FROM jobs WHERE id = 3');
check('the job is marked', job.error, 'TK003');

// Where the value is in errors and logs

const call = sql`SELECT tarx_keys.add_llm_key(${PROJECT}, ${'openai'}, ${'Refused'}, ${VALUE})`;
const add = (database, query = call) => failureOf(database.transaction(async (tx) => {
  await tx.execute(sql`SELECT tarx_keys.act_as(${'bob'}, ${PROJECT})`);
  await tx.execute(query);
}));
const own = await add(db);
check("an error of Drizzle's has the value", [own instanceof DrizzleQueryError, ...placesOf(own)],
  [true, 'message', 'params.3', 'stack']);
check('its cause has it nowhere', [own.cause.code, ...placesOf(own.cause)], ['42501']);
check('what withoutValues() throws has it nowhere', placesOf(refused), []);
const printed = (options) => printedBy(() => add(drizzle({ client: backend, ...options })));
check('logger: true prints it', (await printed({ logger: true })).includes(VALUE));
check('without it nothing is printed', await printed({}), '');

// Sealed, it has nowhere to leak from

const box = Buffer.from(process.env.TARX_KEYS_BOX, 'hex');
const sealed = await add(db, sql`SELECT tarx_keys.add_sealed_llm_key(${PROJECT}, ${'openai'}, ${'Sealed'}, ${box})`);
check('a sealed one that is refused is in no error', [sealed.cause.code, ...placesOf(sealed)], ['42501']);
check('an admin adds it', (await asUser('alice', PROJECT, (tx) => tx.execute(
  sql`SELECT tarx_keys.add_sealed_llm_key(${PROJECT}, ${'openai'}, ${'Sealed'}, ${box}) AS id`))).rows.length, 1);

await Promise.all([backend, runner, one].map((pool) => pool.end()));
console.log('done');
