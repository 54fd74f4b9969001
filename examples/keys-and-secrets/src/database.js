// The two logins, and the one transaction that a request is. Transactions, savepoints,
// retries and errors are those of examples/client.
//
// One login is granted tarx_keys_login: it acts for nobody unless a platform key proves
// who. The other is granted tarx_keys_agent and asks what to send to get a model
// list, to try a key, or to an agent's model, and reports how that went. It may do
// so only with a run ticket, which the first issues as the person.

import { asUser, openPool, signIn, withoutValues, withRun } from '../../client/index.js';

export { LoginEnded, savepoint } from '../../client/index.js';

// Limits of the server are settings of the logins: at the start of a connection
// a pooler refuses them.
const CONNECTION = { connectionTimeoutMillis: 5000, application_name: 'keys-and-secrets' };

export class NotFound extends Error {}

export function openDatabase({ webLogin, modelsLogin, poolSize = 10 }) {
  const web = openPool({ ...CONNECTION, user: webLogin, max: poolSize });
  const models = openPool({ ...CONNECTION, user: modelsLogin, max: Math.min(poolSize, 3) });
  return {
    asOwner: (token, work, project) => asUser(web, { token, project }, work),
    issueTicket: (client, projectId, of) => issueTicket(client, modelsLogin, projectId, of),
    // the work gets a run, as examples/client has them
    inRunOf: (ticket, work) => withRun(models, ticket, work),
    modelsRequest: (ticket, keyId) => inRun(models, 'models', [ticket, keyId]),
    // of the key that the agent would get first
    agentModelsRequest: (ticket) => inRun(models, 'agentModels', [ticket]),
    probeRequest: async (ticket, keyId) => (await inRun(models, 'probe', [ticket, keyId]))[0],
    // the outcome, and the seconds of Retry-After or null
    reportKey: (ticket, keyId, outcome, retryAfter = null) => inRun(models, 'report', [ticket, keyId, outcome, retryAfter]),
    close: () => Promise.all([web, models].map((pool) => pool.end())),
  };
}

// Do something as the person of a session, in a project: the one that is asked
// for, else the first. The person's projects are what login() without one shows.
export function asPerson(db, session, projectId, work) {
  return db.asOwner(session.token, async (client, { userId }) => {
    const { rows: [{ read_only: isReadOnly }] } = await client.query(
      "SELECT current_setting('tarx_keys.read_only')::bool AS read_only");
    const { rows: projects } = await client.query(
      'SELECT id, name FROM tarx_keys.projects ORDER BY name COLLATE tarx_keys.people, id');
    const project = projectId === undefined ? projects[0] : projects.find(({ id }) => id === projectId);
    if (project === undefined && projectId !== undefined) throw new NotFound();
    const { role } = project === undefined ? { role: null } : await signIn(client, { token: session.token, project: project.id });
    return work(client, { userId, projects, project, role, managesKeys: role === 'admin' || role === 'key_manager', isReadOnly });
  });
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
  agentModels: `SELECT k.name, q.method, q.url, q.headers
           FROM tarx_keys.enter_run($1) r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k
                LEFT JOIN LATERAL tarx_keys.models_request(r.project_id, k.key_id) q ON true`,
  report: 'SELECT tarx_keys.report_key(r.project_id, $2, $3, make_interval(secs => $4)) FROM tarx_keys.enter_run($1) r',
};

async function inRun(pool, call, values) {
  try {
    return (await pool.query(CALLS[call], values)).rows;
  } catch (error) {
    throw withoutValues(error);
  }
}
