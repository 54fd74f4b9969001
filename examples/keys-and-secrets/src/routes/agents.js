// Agents, and the test console.

import { converse } from '../console.js';
import { readAgents } from '../read/agents.js';
import { readLlmKeys } from '../read/llm-keys.js';
import { agentsPage, canConverse } from '../views/agents.js';
import { optionalUuid, page, requireUuid, take, told, WITHOUT_PROJECT } from './common.js';

async function readAgentsPage(client, view) {
  if (!view.project) return;
  await readLlmKeys(client, view);
  await readAgents(client, view);
}

async function agentsAgain(client, view) {
  await readAgentsPage(client, view);
  return agentsPage(view);
}

export function agentRoutes(app, on) {
  app.get('/:username/settings/agents', WITHOUT_PROJECT, async (request, reply) => {
    const text = await on.act(request, async (client, view) => {
      await readAgentsPage(client, view);
      view.notice = take(request.session, 'notice');
      return agentsPage(view);
    });
    return page(reply, text);
  });

  app.post('/:username/settings/agents', async (request, reply) => {
    const { name } = request.body;
    const key = optionalUuid(request.body.key) ?? null;
    return on.change(request, reply, {
      form: 'agent',
      values: { name, key },
      rest: '/agents',
      done: () => ({ notice: `Created “${name}”.` }),
      work: (client, view) => client.query('SELECT tarx_keys.create_agent($1, $2, $3)', [view.project.id, name, key]),
      again: agentsAgain,
    });
  });

  app.post('/:username/settings/agents/:id', async (request, reply) => {
    const id = requireUuid(request.params.id);
    const key = requireUuid(request.body.key);
    return on.change(request, reply, {
      form: id,
      values: { key },
      rest: '/agents',
      done: () => ({ notice: 'Saved the agent.' }),
      work: (client, view) => client.query('SELECT tarx_keys.set_agent_key($1, $2, $3)', [view.project.id, id, key]),
      again: agentsAgain,
    });
  });

  app.post('/:username/settings/agents/:id/delete', async (request, reply) => {
    const id = requireUuid(request.params.id);
    return on.change(request, reply, {
      form: id,
      rest: '/agents',
      done: () => ({ notice: 'Deleted the agent.' }),
      work: (client, view) => client.query('SELECT tarx_keys.delete_agent($1, $2)', [view.project.id, id]),
      again: agentsAgain,
    });
  });

  // The test console: any member may, as the agent's runner would.
  app.post('/:username/settings/agents/:id/console', async (request, reply) => {
    const agentId = requireUuid(request.params.id);
    const { model = '', message = '' } = request.body;
    const run = await on.act(request, (client, view) => on.issue(client, view, { agentId }));
    const result = run.refused ?? await askAgent(run.ticket, { model, message });
    const text = await on.act(request, async (client, view) => {
      await readAgentsPage(client, view);
      view.console = { agentId, values: { model, message }, ...result };
      if (!view.agents.some((agent) => agent.id === agentId && canConverse(view, agent))) view.problem = result.problem;
      return agentsPage(view);
    });
    return page(reply, text, result.status);
  });

  async function askAgent(ticket, { model, message }) {
    try {
      const chat = await on.db.chatRequest(ticket, model);
      const result = await converse(chat, { model, message }, on.models);
      if (result.outcome) await on.db.reportKey(ticket, chat.key_id, result.outcome);
      return { ...result, status: result.problem ? 502 : 200, keyName: chat.name };
    } catch (error) {
      return told(error);
    }
  }
}
