import { about, call, created, rowOf } from '../calls.js';
import { page } from '../lists.js';

const AGENTS = {
  select: 'id, name, user_api_key_id, provider, created_by, created_at, updated_at', from: 'tarx_keys.agents',
  by: { created_at: 'timestamptz', id: 'uuid' }, descending: true,
};

const agentOf = (client, id) => rowOf(client, AGENTS, 'id', id);

export const listAgents = ({ act, query }) => act((client) => page(client, AGENTS, query));

export const getAgent = ({ act, params: { id } }) => act((client) => agentOf(client, id));

export const createAgent = ({ act, body, project }) => act(async (client) => {
  const id = await about('user_api_key_id', call(client, 'create_agent', { project_id: project, ...body }));
  return created(`/agents/${id}`, await agentOf(client, id));
});

export const updateAgent = ({ act, params: { id }, body: { name, user_api_key_id: key, provider }, project }) => act(async (client) => {
  const agent = { project_id: project, agent_id: id };
  await agentOf(client, id);
  if (name !== undefined) await call(client, 'rename_agent', { ...agent, name });
  if (key !== undefined) await about('user_api_key_id', call(client, 'set_agent_key', { ...agent, user_api_key_id: key }));
  if (provider !== undefined) await call(client, 'set_agent_provider', { ...agent, provider });
  return agentOf(client, id);
});

export const deleteAgent = ({ act, params: { id }, project }) =>
  act((client) => call(client, 'delete_agent', { project_id: project, agent_id: id })).then(() => undefined);
