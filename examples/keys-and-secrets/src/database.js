// The two logins, and the one transaction that a request is.
//
// One is granted tarx_keys_login: it acts for nobody unless a platform key proves
// who. The other is granted tarx_keys_agent and asks what to send to get a model
// list, or to try a key, and reports how that went.

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
    modelsRequest: (projectId, keyId) => requestsOf(models, 'models_request', projectId, keyId),
    probeRequest: async (projectId, keyId) => (await requestsOf(models, 'probe_request', projectId, keyId))[0],
    reportKey: (...report) => reportKey(models, report),
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
    return work(client, { userId, projects, project, isAdmin: role === 'admin', isReadOnly });
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

// What to send, by one of the functions for runners
async function requestsOf(pool, name, projectId, keyId) {
  const { rows } = await pool.query(
    `SELECT method, url, headers FROM tarx_keys.${name}($1, $2)`, [projectId, keyId]);
  return rows;
}

// projectId, keyId, outcome, and the seconds of Retry-After or null
async function reportKey(pool, report) {
  await pool.query('SELECT tarx_keys.report_key($1, $2, $3, make_interval(secs => $4))', report);
}
