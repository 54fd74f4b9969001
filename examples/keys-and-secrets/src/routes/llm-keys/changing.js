// What is kept with a key: looking at it, editing it, disabling and enabling it.

import { readKeyHistory } from '../../read/llm-keys.js';
import { inProject } from '../../views/paths.js';
import { keyDetailsPage } from '../../views/llm-keys/details.js';
import { editKeyPage } from '../../views/llm-keys/edit.js';
import { requireUuid } from '../common.js';
import { keysAgain } from '../keys-page.js';
import { againOrList, keyAndAgents, requireKeyChanges } from '../one-key.js';
import { changesIn, optionsIn } from './options.js';

const PATH = '/:username/settings/llm-keys/:id';

const withoutKey = (count) => (count === 0 ? '' : ` ${count} ${count === 1 ? 'agent cannot' : 'agents cannot'} use it meanwhile.`);

export function changingRoutes(app, on) {
  app.get(PATH, (request, reply) => on.show(request, reply, async (client, view) => {
    const keyId = requireUuid(request.params.id);
    const key = await keyAndAgents(client, view, keyId);
    await readKeyHistory(client, view, keyId);
    return keyDetailsPage(view, key);
  }));

  const editing = async (client, view, keyId) => {
    requireKeyChanges(view);
    return editKeyPage(view, await keyAndAgents(client, view, keyId));
  };

  app.get(`${PATH}/edit`, (request, reply) => on.show(request, reply, (client, view) => editing(client, view, requireUuid(request.params.id))));

  app.post(`${PATH}/edit`, async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const { name } = request.body;
    return on.change(request, reply, {
      form: 'edit',
      values: { name, ...optionsIn(request.body) },
      rest: `#key-${keyId}`,
      done: () => ({ notice: `Saved “${name}”.` }),
      work: (client, view) => client.query('SELECT tarx_keys.update_llm_key($1, $2, $3)', [view.project.id, keyId, { name, ...changesIn(request.body) }]),
      again: againOrList((client, view) => editing(client, view, keyId)),
    });
  });

  // the way to end a key's use that can be taken back
  app.post(`${PATH}/state`, async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const enabled = request.body.enabled === '1';
    return on.change(request, reply, {
      form: 'state',
      rest: `#key-${keyId}`,
      done: ({ name, agent_count: agents }, view) => ({
        notice: {
          text: enabled ? `Enabled “${name}”.` : `Disabled “${name}”.${withoutKey(Number(agents))}`,
          undo: { action: inProject(view, `/llm-keys/${keyId}/state`), fields: { enabled: enabled ? '0' : '1' } },
        },
      }),
      work: async (client, view) => {
        const key = await keyAndAgents(client, view, keyId);
        await client.query('SELECT tarx_keys.update_llm_key($1, $2, $3)', [view.project.id, keyId, { enabled }]);
        return key;
      },
      again: keysAgain,
    });
  });
}
