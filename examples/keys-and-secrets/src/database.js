// The two logins, and the one transaction that a request is.
//
// One is granted tarx_keys_login: it acts for nobody unless a platform key proves
// who. The other is granted tarx_keys_agent and asks what to send to get a model
// list, to try a key, or to an agent's model, and reports how that went. It may do
// so only with a run ticket, which the first issues as the person.

import pg from 'pg';

// Limits of the server are settings of the logins: at the start of a connection
// a pooler refuses them.
const CONNECTION = { connectionTimeoutMillis: 5000, application_name: 'keys-and-secrets' };

export class NotFound extends Error {}
export class SignedOut extends Error {}

function openPool(user, max) {
  const pool = new pg.Pool({ ...CONNECTION, user, max });
  // without these, a connection that the server ends would end the process: the
  // first is for those that wait in the pool, the second for those in use
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

export function openDatabase({ webLogin, modelsLogin, poolSize = 10 }) {
  const web = openPool(webLogin, poolSize);
  const models = openPool(modelsLogin, Math.min(poolSize, 3));
  return {
    transaction: (work) => transaction(web, work),
    whoIs: (token) => whoIs(web, token),
    issueTicket: (client, projectId, of) => issueTicket(client, modelsLogin, projectId, of),
    modelsRequest: (ticket, keyId) => inRun(models, 'models', [ticket, keyId]),
    probeRequest: async (ticket, keyId) => (await inRun(models, 'probe', [ticket, keyId]))[0],
    chatRequest: async (ticket, model) => (await inRun(models, 'chat', [ticket, model]))[0],
    // the outcome, and the seconds of Retry-After or null
    reportKey: (ticket, keyId, outcome, retryAfter = null) => inRun(models, 'report', [ticket, keyId, outcome, retryAfter]),
    close: () => Promise.all([web, models].map((pool) => pool.end())),
  };
}

// TK010 can come from any call: a key may end while a transaction goes on.
async function transaction(pool, work) {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // the identity ends with the transaction, so a connection that cannot end it is not used again
    await client.query('ROLLBACK').catch(() => { broken = true; });
    if (error.code === 'TK010') throw new SignedOut();
    throw error;
  } finally {
    client.release(broken);
  }
}

async function logIn(client, token, projectId) {
  const { rows: [person] } = await client.query(
    `SELECT user_id, role, current_setting('tarx_keys.read_only')::bool AS read_only
       FROM tarx_keys.login($1, $2)`, [token, projectId]);
  return person;
}

// Whose platform key it is
async function whoIs(pool, token) {
  const person = await transaction(pool, (client) => logIn(client, token, null));
  return person.user_id;
}

// Do something as the person of a session, in a project: the one that is asked
// for, else the first. The person's projects are what login() without one shows.
export function asPerson(db, session, projectId, work) {
  return db.transaction(async (client) => {
    const { user_id: userId, read_only: isReadOnly } = await logIn(client, session.token, null);
    const { rows: projects } = await client.query(
      'SELECT id, name FROM tarx_keys.projects ORDER BY name, id');
    const project = projectId === undefined ? projects[0] : projects.find(({ id }) => id === projectId);
    if (project === undefined && projectId !== undefined) throw new NotFound();
    let role = null;
    if (project !== undefined) ({ role } = await logIn(client, session.token, project.id));
    return work(client, { userId, projects, project, role, managesKeys: role === 'admin' || role === 'key_manager', isReadOnly });
  });
}

// A change that may be refused: the error, or null. What was done before it
// stays, so that the page can be shown with the error in the same transaction.
export async function attempt(client, work) {
  await client.query('SAVEPOINT change');
  try {
    await work();
    await client.query('RELEASE SAVEPOINT change');
    return null;
  } catch (error) {
    await client.query('ROLLBACK TO SAVEPOINT change');
    return error;
  }
}

// The right to an agent's keys, or to requests with one key, given by the person who
// acts in this transaction: for a minute, and for the other login only. It goes from
// here to there, and nowhere else.
async function issueTicket(client, modelsLogin, projectId, { agentId = null, keyId = null }) {
  const { rows: [{ ticket }] } = await client.query(
    `SELECT tarx_keys.issue_run_ticket($1, $2, lifetime => '1 minute', renewable => '0', runner_role => $3, key_id => $4) AS ticket`,
    [projectId, agentId, modelsLogin, keyId]);
  return ticket;
}

// Calls for runners. Each is in the run of a ticket, $1: a run lasts as long as a
// transaction, and a statement is one. The project, and the agent, are the ticket's.
const CALLS = {
  models: 'SELECT q.method, q.url, q.headers FROM tarx_keys.enter_run($1) r, tarx_keys.models_request(r.project_id, $2) q',
  probe: 'SELECT q.method, q.url, q.headers FROM tarx_keys.enter_run($1) r, tarx_keys.probe_request(r.project_id, $2) q',
  chat: `SELECT k.key_id, k.provider, k.name, q.base_url, q.headers
           FROM tarx_keys.enter_run($1) r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id, $2) k,
                tarx_keys.chat_request_base(r.project_id, k.key_id) q`,
  report: 'SELECT tarx_keys.report_key(r.project_id, $2, $3, make_interval(secs => $4)) FROM tarx_keys.enter_run($1) r',
};

async function inRun(pool, call, values) {
  return (await pool.query(CALLS[call], values)).rows;
}
