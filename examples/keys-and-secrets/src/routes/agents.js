// Agents: creating, editing and deleting them.

import { NotFound } from '../database.js';
import { readAgents } from '../read/agents.js';
import { readLlmKeys } from '../read/llm-keys.js';
import { managesAgents } from '../views/agent-state.js';
import { agentsPage, consolePath, deleteAgentPage, editAgentPage, newAgentPage, usesOf } from '../views/agents.js';
import { requireUuid, take, WITHOUT_PROJECT } from './common.js';

export async function readKeysAndAgents(client, view) {
  if (!view.project) return;
  await readLlmKeys(client, view);
  await readAgents(client, view);
}

export async function oneAgent(client, view, agentId) {
  await readKeysAndAgents(client, view);
  const agent = view.agents.find(({ id }) => id === agentId);
  if (agent === undefined) throw new NotFound();
  return agent;
}

// For dialogs that only ask, where the database refuses what they ask for
function requireMember(view) {
  if (!managesAgents(view)) throw new NotFound();
}

// What the field of a form says: a key, a provider, or neither
function usesIn(text = '') {
  const [, provider] = /^provider:(.*)$/s.exec(text) ?? [];
  return { key: provider === undefined && text !== '' ? requireUuid(text) : null, provider: provider ?? null };
}

function createdNotice(view, agent, uses) {
  const text = `Created “${agent.name}”.`;
  return uses.key === null && uses.provider === null
    ? `${text} It needs a key before it can run.` : { text, next: { href: consolePath(view, agent), label: 'Test it' } };
}

// Name and what it uses, each if it is another one; a form without one of them leaves it.
// Resolves to the agent as it was.
async function save(client, view, agentId, { name, key }) {
  const agent = await oneAgent(client, view, agentId);
  if (name !== undefined && name !== agent.name) {
    await client.query('SELECT tarx_keys.rename_agent($1, $2, $3)', [view.project.id, agentId, name]);
  }
  if (key === undefined || key === usesOf(agent)) return agent;
  const uses = usesIn(key);
  if (uses.provider === null) await client.query('SELECT tarx_keys.set_agent_key($1, $2, $3)', [view.project.id, agentId, uses.key]);
  else await client.query('SELECT tarx_keys.set_agent_provider($1, $2, $3)', [view.project.id, agentId, uses.provider]);
  return agent;
}

// With the way back, where there is one: to a key that is gone there is none.
function savedNotice(view, before, { name = before.name, key = usesOf(before) }, path) {
  const now = view.keys.find(({ id }) => id === key);
  const text = `Saved “${name}”.${now && key !== usesOf(before) ? ` It uses “${now.name}” from now on.` : ''}`;
  const isAsBefore = name === before.name && key === usesOf(before);
  const canGoBack = before.provider !== null || view.keys.some(({ id }) => id === before.user_api_key_id) || key === usesOf(before);
  return isAsBefore || !canGoBack ? text : { text, undo: { action: path, fields: { name: before.name, key: usesOf(before) } } };
}

export function agentRoutes(app, on) {
  app.get('/:username/settings/agents', WITHOUT_PROJECT, (request, reply) => on.show(request, reply, async (client, view) => {
    await readKeysAndAgents(client, view);
    view.notice = take(request.session, 'notice');
    return agentsPage(view, request.query);
  }));

  app.get('/:username/settings/agents/new', (request, reply) => on.show(request, reply, async (client, view) => {
    requireMember(view);
    await readKeysAndAgents(client, view);
    return newAgentPage(view, request.query);
  }));

  app.post('/:username/settings/agents', async (request, reply) => {
    const { name, key } = request.body;
    const uses = usesIn(key);
    return on.change(request, reply, {
      form: 'agent',
      values: { name, key },
      rest: ({ rows: [{ id }] }) => `/agents#agent-${id}`,
      done: ({ rows: [{ id }] }, view) => ({ notice: createdNotice(view, { id, name }, uses) }),
      work: (client, view) => client.query('SELECT tarx_keys.create_agent($1, $2, $3, $4) AS id', [view.project.id, name, uses.key, uses.provider]),
      again: async (client, view) => {
        await readKeysAndAgents(client, view);
        return newAgentPage(view);
      },
    });
  });

  app.get('/:username/settings/agents/:id/edit', (request, reply) => on.show(request, reply, async (client, view) => {
    requireMember(view);
    return editAgentPage(view, await oneAgent(client, view, requireUuid(request.params.id)));
  }));

  app.post('/:username/settings/agents/:id', async (request, reply) => {
    const id = requireUuid(request.params.id);
    const { name, key } = request.body;
    usesIn(key);
    return on.change(request, reply, {
      form: 'agent',
      values: { name, key },
      rest: `/agents#agent-${id}`,
      work: (client, view) => save(client, view, id, { name, key }),
      done: (before, view) => ({ notice: savedNotice(view, before, { name, key }, request.url) }),
      again: async (client, view) => editAgentPage(view, await oneAgent(client, view, id)),
    });
  });

  app.get('/:username/settings/agents/:id/delete', (request, reply) => on.show(request, reply, async (client, view) => {
    requireMember(view);
    return deleteAgentPage(view, await oneAgent(client, view, requireUuid(request.params.id)));
  }));

  app.post('/:username/settings/agents/:id/delete', async (request, reply) => {
    const id = requireUuid(request.params.id);
    return on.change(request, reply, {
      form: 'agent',
      rest: '/agents',
      done: (name) => ({ notice: name === undefined ? 'Deleted the agent.' : `Deleted “${name}”.` }),
      work: async (client, view) => {
        await readAgents(client, view);
        await client.query('SELECT tarx_keys.delete_agent($1, $2)', [view.project.id, id]);
        return view.agents.find((agent) => agent.id === id)?.name;
      },
      again: async (client, view) => deleteAgentPage(view, await oneAgent(client, view, id)),
    });
  });
}
