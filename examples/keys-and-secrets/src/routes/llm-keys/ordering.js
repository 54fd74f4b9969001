// The order in which keys of a provider are tried.

import { NotFound } from '../../database.js';
import { readLlmKeys } from '../../read/llm-keys.js';
import { siblings, spokenPlace } from '../../views/llm-keys/place.js';
import { requireUuid } from '../common.js';
import { keysAgain } from '../keys-page.js';

const STEP = 10;
const [LOWEST, HIGHEST] = [-2_147_483_648, 2_147_483_647];

// An order between two others, or nothing if there is no room
function between(before, after) {
  if (before === undefined && after === undefined) return undefined;
  if (before === undefined) return after.priority - STEP >= LOWEST ? after.priority - STEP : undefined;
  if (after === undefined) return before.priority + STEP <= HIGHEST ? before.priority + STEP : undefined;
  return after.priority - before.priority > 1 ? Math.floor((before.priority + after.priority) / 2) : undefined;
}

// What has to change so that key stands at that place, from 1: only itself, if there is
// room, because a change makes a key as good as new in the eyes of who chooses.
export function changesToMove(group, key, place) {
  const others = group.filter(({ id }) => id !== key.id);
  const at = Math.min(Math.max(place, 1), group.length) - 1;
  const isOrdered = others.every(({ priority }, i) => i === 0 || priority > others[i - 1].priority);
  const priority = isOrdered ? between(others[at - 1], others[at]) : undefined;
  if (priority !== undefined) return [{ id: key.id, priority }];
  const all = [...others.slice(0, at), key, ...others.slice(at)];
  return all.map(({ id }, i) => ({ id, priority: (i + 1) * STEP })).filter((change) =>
    group.find(({ id }) => id === change.id).priority !== change.priority);
}

export function orderingRoutes(app, on) {
  app.post('/:username/settings/llm-keys/:id/move', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const place = Number.parseInt(request.body.place, 10) || 1;
    return on.change(request, reply, {
      form: 'move',
      rest: `#key-${keyId}`,
      done: ({ name, spoken }) => ({ notice: `“${name}” is now ${spoken}.` }),
      work: async (client, view) => {
        await readLlmKeys(client, view);
        const key = view.keys.find(({ id, status }) => id === keyId && status === 'ok');
        if (key === undefined) throw new NotFound();
        for (const { id, priority } of changesToMove(siblings(view.keys, key), key, place)) {
          await client.query('SELECT tarx_keys.update_llm_key($1, $2, $3)', [view.project.id, id, { priority }]);
        }
        await readLlmKeys(client, view);
        return { name: key.name, spoken: spokenPlace(view.keys, key) };
      },
      again: keysAgain,
    });
  });
}
