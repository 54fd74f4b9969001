// The test console: a message to a model of an agent, from any member.

import { askAgent } from '../console.js';
import { consolePage } from '../views/console.js';
import { readKeysAndAgents } from './agents.js';
import { optionalUuid, page, told } from './common.js';
import { modelsOfAgent } from './models.js';

const MOST_MODEL = 200;
const MOST_MESSAGE = 4000;

function wrongIn({ agent, model, message }, isSent) {
  const fields = {};
  if (agent === '') fields.agent = 'Choose an agent.';
  if (!isSent) return fields;
  if (model === '') fields.model = 'Choose a model, or write its name.';
  else if (model.length > MOST_MODEL) fields.model = `Names of models have at most ${MOST_MODEL} characters.`;
  if (message.trim() === '') fields.message = 'Write a message.';
  else if (message.length > MOST_MESSAGE) fields.message = `Messages have at most ${MOST_MESSAGE} characters here.`;
  return fields;
}

export function consoleRoutes(app, on) {
  app.get('/:username/settings/console', (request, reply) => {
    const { agent = '', model = '' } = request.query;
    optionalUuid(agent);
    return on.show(request, reply, async (client, view) => {
      await readKeysAndAgents(client, view);
      return consolePage(view, { values: { agent, model: model.slice(0, MOST_MODEL), message: '' } });
    });
  });

  // The database says who may: it issues the ticket.
  const run = (request, agentId) => on.act(request, (client, view) => on.issue(client, view, { agentId }));

  async function ask(request, { agent, model, message }) {
    const { ticket, refused } = await run(request, agent);
    if (refused) return { ...refused, tries: [] };
    try {
      const result = await on.db.inRunOf(ticket, (inRun) => askAgent(inRun, { model, message }, on.models));
      return { ...result, status: result.problem === undefined ? 200 : 502 };
    } catch (error) {
      return { ...told(error), tries: error.tries ?? [] };
    }
  }

  app.post('/:username/settings/console', async (request, reply) => {
    const { agent = '', message = '', do: what } = request.body;
    const values = { agent, model: (request.body.model ?? '').trim(), message };
    optionalUuid(agent);
    const fields = wrongIn(values, what !== 'models');
    const given = { values, fields };
    if (Object.keys(fields).length > 0) given.status = 422;
    else if (what === 'models') given.listed = await modelsOfAgent(on, await run(request, agent));
    else given.result = await ask(request, values);
    const text = await on.act(request, async (client, view) => {
      await readKeysAndAgents(client, view);
      return consolePage(view, given);
    });
    return page(reply, text, given.status ?? (given.listed ?? given.result).status);
  });
}
