// A client of tarx_keys on node-postgres: transactions as a user, keys and secrets, errors
// without values, sealing, keys in turn, and runs. README.md shows each of them. To use it,
// copy this file and sealing.js into your program; it needs pg and libsodium-wrappers.
//
// It works behind a pooler in transaction mode: nothing is prepared by name, and nothing
// is left of a transaction at its end.

import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import * as boxes from './sealing.js';

export { newKeyPair, openKey, openSecret, sealLlmKey, sealReplacement, sealSecret } from './sealing.js';

/** The first argument of sealing.js @type {boxes.Sodium} */
export const sodium = createRequire(import.meta.url)('libsodium-wrappers'); // its ES module takes Node.js 19
await sodium.ready;

/** @typedef {pg.Pool} Pool */
/** @typedef {pg.ClientBase} Client */
/** @typedef {Client | Pool | Run} Db where a call is made: in the client's transaction, or in one of its own */
/** @typedef {boxes.KeyPair} KeyPair */
/** @template T @typedef {(client: Client) => Promise<T> | T} Work */
/** @typedef {{ attempts?: number }} Attempts how often a transaction is tried in all */
/** @typedef {{ project?: string | null, user?: string, token?: string, jwt?: string }} Who one of user, token and jwt */
/** @typedef {{ userId: string, role: string | null }} Person the role is null without a project, and for a user who was only named */
/** @typedef {{ baseUrl: string, headers: Record<string, string> }} Request what calls are below, and headers with the key in them */
/**
 * @typedef {{ keyId: string, provider: string, name: string, baseUrl: string, value: string, headers: Record<string, string>,
 *             attempt?: number, remaining?: number, request?: Request }} Key headers are the key's own, for each call
 */

// Errors. What leaves this module has the SQLSTATE as its code, and one class for each kind.
// Neither text, JSON nor cause has what was given to a statement: the error of node-postgres
// stays here. Its text is passed on where it can only name roles, constraints and the like.

const PLAIN = /^(TK|08|25|28|3D|40|53|55|57|42501$|23505$|23514$|54000$)/;
const PLAIN_AT_AN_ARGUMENT = /^(22023|42704|0A000)$/; // PostgreSQL's own name no argument

export class KeysError extends Error {
  /** @param {{ code: string, message: string, hint?: string, column?: string }} told */
  constructor({ code, message, hint, column }) {
    super(message);
    this.code = code;
    this.hint = hint; // what to do
    this.column = column; // the argument that the error is about
  }

  get name() {
    return this.constructor.name;
  }

  toJSON() {
    return { name: this.name, code: this.code, message: this.message, hint: this.hint, column: this.column };
  }
}
export class KeyGone extends KeysError {} // no such key in the project, or deleted
export class AgentGone extends KeysError {} // no such agent in the project, or without a key
export class Tampered extends KeysError {} // a stored row is not what was written
export class NoMasterKey extends KeysError {} // the server has no keyring, or lacks a master key
export class NobodyActs extends KeysError {} // in this transaction
export class LoginEnded extends KeysError {} // the token is wrong, or has ended since
export class SecretGone extends KeysError {} // no such secret in the project
export class BoxRefused extends KeysError {} // seal again, with the public key of now
export class NoUsableKey extends KeysError {} // of the provider
export class KeyUnusable extends KeysError {} // disabled, expired, or not for this model
export class RunEnded extends KeysError {} // the ticket is missing, does not count, or has expired
export class NotAllowed extends KeysError {} // also for what is another project's, or nobody's
export class BadInput extends KeysError {} // column is the argument
export class NameTaken extends KeysError {}
export class LastAdmin extends KeysError {} // the project would have none
export class TooMany extends KeysError {} // of what a project may have so many of
export class TryAgain extends KeysError {} // others were faster: the whole transaction

/** @type {Record<string, typeof KeysError>} */
const KINDS = {
  TK001: KeyGone, TK002: KeyGone, TK003: AgentGone, TK004: Tampered, TK005: NoMasterKey, TK006: NoMasterKey,
  TK007: NobodyActs, TK010: LoginEnded, TK011: SecretGone, TK013: BoxRefused, TK014: NoUsableKey,
  TK015: KeyUnusable, TK016: RunEnded, TK017: RunEnded, 42501: NotAllowed, 22023: BadInput,
  23505: NameTaken, 23514: LastAdmin, 54000: TooMany, 40001: TryAgain, '40P01': TryAgain,
};

const LEFT_OUT = (/** @type {string} */ code) => ({
  message: `the database refused a statement with SQLSTATE ${code}`,
  hint: 'Its text is left out, because it may quote a value. Look at the server log.',
});

/** The error of ours in place of one of node-postgres; others are the caller's, and stay @type {(error: any) => any} */
export function withoutValues(error) {
  if (error instanceof KeysError || typeof error?.severity !== 'string' || typeof error.code !== 'string') return error;
  const { code, message, hint, column, stack = '' } = error;
  const isPlain = PLAIN.test(code) || (column !== undefined && PLAIN_AT_AN_ARGUMENT.test(code));
  const ours = new (KINDS[code] ?? KeysError)(isPlain ? { code, message, hint, column } : { code, ...LEFT_OUT(code) });
  // where it was, which is behind the text
  if (stack.includes(message)) ours.stack = `${ours}${stack.slice(stack.indexOf(message) + message.length)}`;
  return ours;
}

// Transactions

/**
 * A pool that outlives connections which the server ends: an error without a listener
 * would end the process. The first is for those that wait, the second for those in use.
 * @param {pg.PoolConfig} config
 */
export function openPool(config) {
  const pool = new pg.Pool(config);
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

const IGNORED = { code: '25P02', message: 'rolled back, because an error was ignored', hint: 'Put what may fail into savepoint().' };

/** @type {<T>(pool: Pool, work: Work<T>) => Promise<T>} */
async function once(pool, work) {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    const { command } = await client.query('COMMIT');
    // what the server answers to COMMIT if a statement has failed before
    if (command === 'ROLLBACK') throw new KeysError(IGNORED);
    return result;
  } catch (error) {
    // who acts ends with the transaction, so a connection that cannot end it is closed
    await client.query('ROLLBACK').catch(() => { broken = true; });
    throw error;
  } finally {
    client.release(broken);
  }
}

/**
 * BEGIN, the work, COMMIT; or ROLLBACK, and the error. After 40001 and 40P01 all of it
 * runs again, so the work does nothing else that counts.
 * @type {<T>(pool: Pool, work: Work<T>, options?: Attempts) => Promise<T>}
 */
export async function transaction(pool, work, { attempts = 5 } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(pool, work);
    } catch (error) {
      const ours = withoutValues(error);
      if (!(ours instanceof TryAgain) || attempt >= attempts) throw ours;
      await sleep(Math.random() * 10 * 2 ** attempt);
    }
  }
}

/** Who acts in this transaction, from now on @type {(client: Client, who: Who) => Promise<Person>} */
export async function signIn(client, { user, token, jwt, project = null }) {
  if ([user, token, jwt].filter((each) => each !== undefined).length !== 1) throw new TypeError('give one of user, token and jwt');
  if (user !== undefined) {
    await client.query('SELECT tarx_keys.act_as($1, $2)', [user, project]);
    return { userId: user, role: null };
  }
  const call = token === undefined ? 'login_jwt' : 'login';
  const { rows: [person] } = await client.query(`SELECT user_id, role FROM tarx_keys.${call}($1, $2)`, [token ?? jwt, project]);
  return { userId: person.user_id, role: person.role };
}

/**
 * A transaction as a user, in a project
 * @type {<T>(pool: Pool, who: Who, work: (client: Client, person: Person) => Promise<T> | T, options?: Attempts) => Promise<T>}
 */
export const asUser = (pool, who, work, options) =>
  transaction(pool, async (client) => work(client, await signIn(client, who)), options);

/** What may fail without an end of the transaction around it @type {<T>(client: Client, work: Work<T>) => Promise<T>} */
export async function savepoint(client, work) {
  try {
    await client.query('SAVEPOINT tarx_keys_client');
    const result = await work(client);
    await client.query('RELEASE SAVEPOINT tarx_keys_client');
    return result;
  } catch (error) {
    await client.query('ROLLBACK TO SAVEPOINT tarx_keys_client; RELEASE SAVEPOINT tarx_keys_client').catch(() => {});
    throw withoutValues(error);
  }
}

/** The rows of a statement, behind a savepoint if in a transaction @type {(db: Db, sql: string, values: unknown[]) => Promise<any[]>} */
async function ask(db, sql, values) {
  const rows = async (/** @type {Client | Pool} */ on) => (await on.query(sql, values)).rows;
  if (db instanceof Run) return db.transaction(rows);
  if ('idleCount' in db) return rows(db).catch((error) => { throw withoutValues(error); });
  return savepoint(db, rows);
}

// Keys and secrets. With a key pair, of newKeyPair(), they come in boxes which only it
// opens, and all but name and attempts is from the box. An agent's box does not say which
// key it is: there keyId is the row's.

/**
 * @typedef {{ project: string, model?: string | null, tried?: string[], keyPair?: KeyPair }} Wanted
 * @type {(db: Db, kind: 'key' | 'agent_key' | 'provider_key', what: Wanted & { of: string }, forCalls?: boolean) => Promise<Key>}
 */
async function resolve(db, kind, { project, of, model = null, tried = [], keyPair }, forCalls = false) {
  const values = [project, of, ...(keyPair ? [Buffer.from(keyPair.publicKey)] : []), ...(kind === 'key' ? [] : [model, tried])];
  const call = `tarx_keys.resolve_${kind}${keyPair ? '_sealed' : ''}(${values.map((_, i) => `$${i + 1}`).join(', ')})`;
  const [row] = await ask(db, forCalls && !keyPair
    ? `SELECT k.*, c.base_url AS call_url, c.headers AS call_headers FROM ${call} k, tarx_keys.chat_request_base($1, k.key_id) c`
    : `SELECT * FROM ${call}`, values);
  const { name, attempt, remaining, key_id: keyId, provider, base_url: baseUrl, key_value: value } = row;
  if (!keyPair) {
    const request = forCalls ? { baseUrl: row.call_url, headers: row.call_headers } : undefined;
    return { keyId, provider, name, baseUrl, value, headers: row.headers ?? {}, attempt, remaining, request };
  }
  const { authHeader, authScheme, ...key } = boxes.openKey(sodium, row.sealed, keyPair,
    kind === 'provider_key' ? { projectId: project, provider: of, tried } : { projectId: project, id: of });
  const request = {
    baseUrl: key.baseUrl, headers: { ...key.headers, [authHeader]: authScheme === null ? key.value : `${authScheme} ${key.value}` },
  };
  return { keyId: kind === 'key' ? of : keyId, name, attempt, remaining, ...key, request };
}

/** @type {(db: Db, what: { project: string, key: string, keyPair?: KeyPair }) => Promise<Key>} */
export const resolveKey = (db, { key, ...what }) => resolve(db, 'key', { ...what, of: key });

/** @type {(db: Db, what: Wanted & { agent: string }) => Promise<Key>} */
export const resolveAgentKey = (db, { agent, ...what }) => resolve(db, 'agent_key', { ...what, of: agent });

/** @type {(db: Db, what: Wanted & { provider: string }) => Promise<Key>} */
export const resolveProviderKey = (db, { provider, ...what }) => resolve(db, 'provider_key', { ...what, of: provider });

/**
 * Secrets by their names; without names all of the project
 * @type {(db: Db, what: { project: string, names?: string[] | null, keyPair?: KeyPair }) => Promise<Record<string, string>>}
 */
export async function resolveSecrets(db, { project, names = null, keyPair }) {
  const rows = keyPair
    ? await ask(db, 'SELECT * FROM tarx_keys.resolve_secrets_sealed($1, $2, $3)', [project, names, Buffer.from(keyPair.publicKey)])
    : await ask(db, 'SELECT * FROM tarx_keys.resolve_secrets($1, $2)', [project, names]);
  const secrets = Object.fromEntries(rows.map(({ name, value, sealed }) =>
    [name, keyPair ? boxes.openSecret(sodium, sealed, keyPair, { projectId: project, name }) : value]));
  if (names?.some((name) => !Object.hasOwn(secrets, name))) throw new Error('the answer lacks a secret');
  return secrets;
}

/** @type {(db: Db, what: { project: string, name: string, keyPair?: KeyPair }) => Promise<string>} */
export async function resolveSecret(db, { name, ...what }) {
  if (what.keyPair) return (await resolveSecrets(db, { ...what, names: [name] }))[name];
  return (await ask(db, 'SELECT tarx_keys.resolve_secret($1, $2) AS value', [what.project, name]))[0].value;
}

/** @type {(db: Db, what: { project: string, template: string }) => Promise<string>} */
export const renderTemplate = async (db, { project, template }) =>
  (await ask(db, 'SELECT tarx_keys.render_template($1, $2) AS text', [project, template]))[0].text;

/** @type {(db: Db) => Promise<{ keyId: string, publicKey: Uint8Array }>} what to seal to */
export async function sealingKey(db) {
  const [row] = await ask(db, 'SELECT key_id, public_key FROM tarx_keys.sealing_public_key()', []);
  return { keyId: row.key_id, publicKey: row.public_key };
}

// Keys in turn

/** @type {Record<number, string>} */
const OUTCOMES = { 401: 'rejected', 402: 'quota', 403: 'rejected', 429: 'rate_limited' };

/**
 * What an error of a call says of the key, in a word that report_key() takes: one with the
 * status of the answer, as providers' SDKs have it, or one of fetch(). Undefined for nothing.
 * @type {(error: any) => string | undefined}
 */
export function outcomeOf(error) {
  if (typeof error?.status === 'number') return error.status >= 500 ? 'server' : OUTCOMES[error.status];
  const named = [error?.name, error?.constructor?.name, error?.cause?.code];
  return named.some((name) => /^(TimeoutError$|APIConnection|E(?!RR_)[A-Z_]+$|UND_ERR_)/.test(name)) ? 'timeout' : undefined;
}

/** @type {(error: any) => string | null} in seconds: a date is taken for none */
function retryAfterOf({ retryAfter, headers }) {
  const text = String(retryAfter ?? headers?.get?.('retry-after') ?? headers?.['retry-after'] ?? '');
  return /^[0-9]{1,9}$/.test(text) ? text : null;
}

/**
 * Say how a call with a key went, for the next choice of any runner
 * @type {(db: Db, what: { project: string, key: string, outcome: string, retryAfter?: string | number | null }) => Promise<void>}
 */
export async function reportKey(db, { project, key, outcome, retryAfter = null }) {
  await ask(db, 'SELECT tarx_keys.report_key($1, $2, $3, make_interval(secs => $4))', [project, key, outcome, retryAfter]);
}

/**
 * A call with the first usable key of a provider, or of an agent; if that fails for the
 * key's sake, with the next one. How each went is reported. Throws the call's error if it
 * lies in the request, or if no other key is left. Not in a transaction: calls take long.
 * @type {<T>(db: Pool | Run, what: { project: string, provider?: string, agent?: string, model?: string | null, keyPair?: KeyPair,
 *   attempts?: number }, call: (key: Key & { request: Request }) => Promise<T>) => Promise<T>}
 */
export async function withKey(db, { project, provider, agent, model, keyPair, attempts = 100 }, call) {
  if ((provider === undefined) === (agent === undefined)) throw new TypeError('give one of provider and agent');
  /** @type {string[]} */
  const tried = [];
  /** @type {any} */
  let refusal;
  while (tried.length < attempts) {
    const what = { project, of: /** @type {string} */ (agent ?? provider), model, tried, keyPair };
    const key = await resolve(db, agent === undefined ? 'provider_key' : 'agent_key', what, true).catch((error) => {
      throw refusal !== undefined && error instanceof NoUsableKey ? refusal : error;
    });
    // the call matters more than the report: the key may have been deleted meanwhile
    const report = (/** @type {string} */ outcome, /** @type {string | null} */ retryAfter = null) =>
      reportKey(db, { project, key: key.keyId, outcome, retryAfter }).catch(() => {});
    try {
      const answer = await call(/** @type {Key & { request: Request }} */ (key));
      await report('ok');
      return answer;
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome) await report(outcome, retryAfterOf(error));
      if (!outcome || key.remaining === 0) throw error; // no other key would help
      refusal = error;
      tried.push(key.keyId);
    }
  }
  throw refusal;
}

// Runs

const RUN = 'r.project_id, r.agent_id, r.user_id, extract(epoch FROM r.expires_at - clock_timestamp())::float8 AS seconds';
const ENTER = `SELECT ${RUN} FROM tarx_keys.enter_run($1) r`;
const RENEW = `SELECT t.ticket, ${RUN}
  FROM tarx_keys.renew_run_ticket($1, make_interval(secs => $2)) t (ticket), tarx_keys.enter_run(t.ticket) r`;

/** A run with a ticket, as withRun() gives it */
export class Run {
  #pool;
  #ticket;
  #over = new AbortController();

  /** @param {Pool} pool @param {string} ticket @param {any} row */
  constructor(pool, ticket, row) {
    this.#pool = pool;
    this.#ticket = ticket;
    /** @type {string} */
    this.project = row.project_id;
    /** null for a ticket for a key @type {string | null} */
    this.agent = row.agent_id;
    /** who has issued the ticket @type {string} */
    this.user = row.user_id;
  }

  /** the newest one, to hand on; never log it */
  get ticket() {
    return this.#ticket;
  }

  /** A transaction in the run @type {<T>(work: Work<T>, options?: Attempts) => Promise<T>} */
  transaction(work, options) {
    return transaction(this.#pool, async (client) => {
      await client.query(ENTER, [this.#ticket]);
      return work(client);
    }, options);
  }

  /** Renew the ticket at half of its time, until the run is over @param {number} seconds @param {number} lifetime */
  async keep(seconds, lifetime) {
    for (let left = seconds; left > 0.01;) {
      await sleep(left * 500, undefined, { signal: this.#over.signal, ref: false });
      try {
        const { rows: [next] } = await this.#pool.query(RENEW, [this.#ticket, lifetime]);
        this.#ticket = next.ticket;
        if (next.seconds <= Math.min(left, lifetime) / 2) return; // it cannot be renewed for longer
        left = next.seconds;
      } catch (error) {
        // what ended the run is said by its next transaction; else the next turn may succeed
        if (withoutValues(error) instanceof RunEnded) return;
        left /= 2;
      }
    }
  }

  end() {
    this.#over.abort();
  }
}

/**
 * Work in the run of a ticket. Each transaction of the run enters it, and the ticket is
 * renewed in time, for lifetime seconds each time.
 * @type {<T>(pool: Pool, ticket: string, work: (run: Run) => Promise<T> | T, options?: { lifetime?: number }) => Promise<T>}
 */
export async function withRun(pool, ticket, work, { lifetime = 300 } = {}) {
  const [row] = await ask(pool, ENTER, [ticket]);
  const run = new Run(pool, ticket, row);
  const kept = run.keep(row.seconds, lifetime).catch(() => {});
  try {
    return await work(run);
  } finally {
    run.end();
    await kept;
  }
}
