// Deleting a key, after a question.

import { optionalUuid, requireUuid } from '../common.js';
import { deleteKeyPage } from '../../views/llm-keys/delete.js';
import { againOrList, keyAndAgents, requireKeyChanges } from '../one-key.js';

const PATH = '/:username/settings/llm-keys/:id/delete';

export function deletingRoutes(app, on) {
  const ask = async (client, view, keyId) => {
    requireKeyChanges(view);
    return deleteKeyPage(view, await keyAndAgents(client, view, keyId));
  };

  app.get(PATH, (request, reply) => on.show(request, reply, (client, view) => ask(client, view, requireUuid(request.params.id))));

  app.post(PATH, async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const to = optionalUuid(request.body.to);
    return on.change(request, reply, {
      form: 'delete',
      values: { to },
      rest: '#llm-keys',
      done: (name) => ({ notice: to ? `Deleted “${name}”; its agents go on with another key.` : `Deleted “${name}”.` }),
      // both in one transaction: no agent is without a key in between
      work: async (client, view) => {
        const { name } = await keyAndAgents(client, view, keyId);
        await client.query('SELECT tarx_keys.delete_llm_key($1, $2)', [view.project.id, keyId]);
        // afterwards, so that it refuses to point them to the same key
        if (to) await client.query('SELECT tarx_keys.repoint_agents($1, $2, $3)', [view.project.id, keyId, to]);
        return name;
      },
      again: againOrList((client, view) => ask(client, view, keyId)),
    });
  });
}
