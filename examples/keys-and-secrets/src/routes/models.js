// The models of a key, asked of its provider now.

import { ProviderError } from '../answers.js';
import { listModels } from '../models.js';
import { modelsPage } from '../views/agents.js';
import { page, requireUuid, told } from './common.js';
import { keyAndAgents } from './one-key.js';

export function modelRoutes(app, on) {
  // As JSON for public/models.js, or as a page. What an agent of the project has, any member may
  // have listed, in a run of that agent; other keys are the admins'.
  app.get('/:username/settings/llm-keys/:id/models', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const { view, key, run } = await on.act(request, async (client, shown) => {
      const found = await keyAndAgents(client, shown, keyId);
      const [agent] = shown.agents;
      return { view: shown, key: found, run: await on.issue(client, shown, agent ? { agentId: agent.id } : { keyId }) };
    });
    const answer = run.refused ?? await modelsOf(run.ticket, keyId);
    if (request.headers.accept === 'application/json') return reply.code(answer.status).send(answer);
    return page(reply, modelsPage(view, key, answer), answer.status);
  });

  async function modelsOf(ticket, keyId) {
    try {
      return { status: 200, models: await listModels(await on.db.modelsRequest(ticket, keyId), on.models) };
    } catch (error) {
      return error instanceof ProviderError ? { status: 502, problem: error.message } : told(error);
    }
  }
}
