// The models of a key, or of an agent, asked of the provider now.

import { ProviderError } from '../answers.js';
import { listModels, remarksOn } from '../models.js';
import { readAgentsOfProvider } from '../read/agents.js';
import { consolePath } from '../views/agents.js';
import { modelsPage } from '../views/models.js';
import { here } from '../views/paths.js';
import { oneAgent } from './agents.js';
import { page, requireUuid, told } from './common.js';
import { keyAndAgents } from './one-key.js';

// { status, models, remarks }, or { status, problem }
async function listed(on, requests) {
  try {
    const list = await listModels((await requests()).filter(({ url }) => url !== null), on.models);
    return { status: 200, models: list.models, remarks: remarksOn(list) };
  } catch (error) {
    return error instanceof ProviderError ? { status: 502, problem: error.message } : told(error);
  }
}

// Of the key that the agent would get first, in a run of it
export const modelsOfAgent = (on, run) => run.refused ?? listed(on, () => on.db.agentModelsRequest(run.ticket));

export function modelRoutes(app, on) {
  // As JSON for scripts, or as a page. A page that a script fetches for a dialog is shown
  // at once, and gets the models by itself.
  async function answer(request, reply, prepare) {
    const isWaiting = request.headers['x-in-page'] === '1';
    const { view, run, ask, tab, ...shown } = await on.act(request, (client, seen) => prepare(client, seen, isWaiting));
    const path = request.url;
    if (isWaiting) return page(reply, modelsPage(view, tab, { ...shown, path }));
    const given = run.refused ?? await ask(run);
    if (request.headers.accept === 'application/json') return reply.code(given.status).send(given);
    return page(reply, modelsPage(view, tab, { ...shown, path, answer: given }), given.status);
  }

  // What an agent of the project has, any member may have listed, in a run of that agent;
  // other keys are the admins'.
  app.get('/:username/settings/llm-keys/:id/models', (request, reply) => {
    const keyId = requireUuid(request.params.id);
    return answer(request, reply, async (client, view, isWaiting) => {
      const key = await keyAndAgents(client, view, keyId);
      const [agent] = view.agents.length > 0 ? view.agents : await readAgentsOfProvider(client, view, key.provider);
      return {
        view, tab: 'Keys & Secrets', title: key.name, back: here(view),
        run: isWaiting ? undefined : await on.issue(client, view, agent ? { agentId: agent.id } : { keyId }),
        ask: ({ ticket }) => listed(on, () => on.db.modelsRequest(ticket, keyId)),
      };
    });
  });

  app.get('/:username/settings/agents/:id/models', (request, reply) => {
    const agentId = requireUuid(request.params.id);
    return answer(request, reply, async (client, view, isWaiting) => {
      const agent = await oneAgent(client, view, agentId);
      return {
        view, tab: 'Agents', title: agent.name, back: here(view, '/agents'),
        testPath: (model) => consolePath(view, agent, model),
        run: isWaiting ? undefined : await on.issue(client, view, { agentId }),
        ask: (run) => modelsOfAgent(on, run),
      };
    });
  });
}
