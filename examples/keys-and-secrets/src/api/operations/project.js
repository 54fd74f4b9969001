// Members, the audit log and runs of a project

import { Answer, bytes, call, rowOf } from '../calls.js';
import { page } from '../lists.js';

const MEMBERS = {
  select: 'user_id, role, service_account, added_at', from: 'tarx_keys.project_members', by: { 'user_id COLLATE "C"': 'text' },
};
const AUDIT = {
  select: 'at, user_id, proven, login, client, action, object_id, object_name, revision, outcome, seq::float8 AS seq',
  from: 'tarx_keys.project_audit', by: { at: 'timestamptz', seq: 'bigint' }, descending: true,
};

export const listMembers = ({ act, query }) => act((client) => page(client, MEMBERS, query));

export const setMember = ({ act, params: { user_id: userId }, body: { role }, project }) => act(async (client) => {
  const { rows: before } = await client.query('SELECT FROM tarx_keys.project_members WHERE user_id = $1', [userId]);
  await call(client, 'add_member', { project_id: project, user_id: userId, role });
  return new Answer(before.length > 0 ? 200 : 201, await rowOf(client, MEMBERS, 'user_id', userId));
});

export const removeMember = ({ act, params: { user_id: userId }, project }) =>
  act((client) => call(client, 'remove_member', { project_id: project, user_id: userId })).then(() => undefined);

export const listAudit = ({ act, query: { action, user_id: userId, object_id: objectId, ...query } }) => act((client) => page(client, {
  ...AUDIT,
  filters: { action: { value: action, type: 'text' }, user_id: { value: userId, type: 'text' }, object_id: { value: objectId, type: 'uuid' } },
}, query));

const seconds = (number) => (number === undefined ? undefined : `${number} seconds`);

// About the agent or the key that the body names
const fieldOf = { TK001: 'key_id', TK002: 'key_id', TK003: 'agent_id' };

export const startRun = ({ act, body, project }) => act(async (client) => {
  const { agent_id: agentId = null, lifetime, renewable, recipient_public_key: publicKey, ...rest } = body;
  const ticket = await call(client, 'issue_run_ticket', {
    project_id: project, agent_id: agentId, lifetime: seconds(lifetime), renewable: seconds(renewable),
    recipient_public_key: bytes(publicKey), ...rest,
  }).catch((error) => { throw Object.assign(error, { column: error.column ?? fieldOf[error.code] }); });
  return new Answer(201, { ticket });
});

export const endRuns = ({ act, body, project }) => act((client) =>
  call(client, 'revoke_run_tickets', { project_id: project, agent_id: body.agent_id })
    .catch((error) => { throw Object.assign(error, { column: error.column ?? fieldOf[error.code] }); })).then(() => undefined);
