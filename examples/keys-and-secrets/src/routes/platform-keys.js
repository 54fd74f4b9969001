// One's own platform keys: creating, saving and revoking them.

import { LoginEnded, NotFound, savepoint } from '../database.js';
import { readPlatformKeys } from '../read/platform-keys.js';
import { rows } from '../read/rows.js';
import { signInPath } from '../return-path.js';
import { here } from '../views/paths.js';
import { createdTokenPage, createPlatformKeyPage, endOfOwn, noTokenPage, revokePlatformKeyPage } from '../views/platform-keys.js';
import { attempt, go, page, requireUuid, WITHOUT_PROJECT } from './common.js';
import { daysIn } from './lifetimes.js';

const BASE = '/:username/settings/platform-keys';

async function oneKey(client, view, id) {
  await readPlatformKeys(client, view);
  const key = view.platformKeys.find((each) => each.id === id);
  if (key === undefined) throw new NotFound();
  return key;
}

// The keys that end with one: those that were made with it, with one of these, and so on
function descendantsOf(keys, id) {
  const made = keys.filter((key) => key.created_with === id);
  return made.flatMap((key) => [key, ...descendantsOf(keys, key.id)]).filter((key) => key.revoked_at === null);
}

// A token that waits to be saved comes first: another one would take its place.
export async function savedFirst(on, request, reply, otherwise) {
  const waiting = on.once.read(request);
  if (waiting === undefined) return otherwise();
  const text = await on.act(request, (client, view) => createdTokenPage(view, waiting));
  return page(reply, text, request.method === 'POST' ? 409 : 200);
}

class TakenBack extends Error {}

// Whether a revocation ends the login of this session. Only the database knows which key
// that is with, so it is asked by revoking, and that is taken back.
async function endsLogin(client, id) {
  try {
    await savepoint(client, async () => {
      await client.query('SELECT tarx_keys.revoke_platform_key($1)', [id]);
      await client.query('SELECT FROM tarx_keys.platform_keys LIMIT 1');
      throw new TakenBack();
    });
  } catch (error) {
    return error instanceof LoginEnded;
  }
  return false;
}

export function platformKeyRoutes(app, on) {
  app.get(`${BASE}/create`, WITHOUT_PROJECT, (request, reply) => savedFirst(on, request, reply, () => on.show(request, reply, async (client, view) => {
    await readPlatformKeys(client, view);
    const { name, expires, narrow, read_only: readOnly } = request.query;
    return createPlatformKeyPage(view, { name, ...(expires && { expires }), narrow, read_only: readOnly });
  })));

  app.post(`${BASE}/create`, { config: { ...WITHOUT_PROJECT.config, keeps: ['name', 'expires', 'narrow', 'read_only'] } }, async (request, reply) => {
    const { name, expires, read_only: readOnly, narrow } = request.body;
    return savedFirst(on, request, reply, () => on.change(request, reply, {
      form: 'platform-key',
      values: { name, expires, narrow, read_only: readOnly },
      rest: '/platform-keys/created',
      stays: true,
      work: async (client, view) => {
        await readPlatformKeys(client, view);
        const until = expires === 'mine' ? endOfOwn(view) : null;
        const [{ token }] = await rows(client,
          'SELECT token FROM tarx_keys.create_platform_key($1, coalesce($2::timestamptz, now() + make_interval(days => $3)), $4, $5)',
          [name, until, until ? null : daysIn(expires), narrow && view.project ? [view.project.id] : null, readOnly === '1']);
        return token;
      },
      done: (token) => { on.once.keep(reply, request.session, token, { name, rest: '#platform-keys' }); },
      again: async (client, view) => {
        await readPlatformKeys(client, view);
        return createPlatformKeyPage(view);
      },
    }));
  });

  app.get(`${BASE}/created`, WITHOUT_PROJECT, (request, reply) => on.show(request, reply, (client, view) => {
    const waiting = on.once.read(request);
    return waiting ? createdTokenPage(view, waiting) : noTokenPage(view);
  }));

  app.post(`${BASE}/created`, WITHOUT_PROJECT, async (request, reply) => {
    const { name, rest } = request.session.once?.about ?? { rest: '#platform-keys' };
    const location = await on.act(request, (client, view) => here(view, rest));
    on.once.forget(reply, request.session);
    if (name !== undefined) request.session.notice = `The key “${name}” is yours to use. It is not shown again.`;
    return go(request, reply, location);
  });

  app.get(`${BASE}/:id/revoke`, WITHOUT_PROJECT, (request, reply) => on.show(request, reply, async (client, view) => {
    const key = await oneKey(client, view, requireUuid(request.params.id));
    if (key.revoked_at !== null) throw new NotFound();
    const descendants = descendantsOf(view.platformKeys, key.id);
    return revokePlatformKeyPage(view, key, { descendants, endsSession: await endsLogin(client, key.id) });
  }));

  app.post(`${BASE}/:id/revoke`, WITHOUT_PROJECT, async (request, reply) => {
    const id = requireUuid(request.params.id);
    return on.change(request, reply, {
      form: 'revoke',
      rest: '#platform-keys',
      work: async (client, view) => {
        const { name } = await oneKey(client, view, id);
        await client.query('SELECT tarx_keys.revoke_platform_key($1)', [id]);
        return { name, isOver: await attempt(client, () => client.query('SELECT FROM tarx_keys.platform_keys LIMIT 1')) instanceof LoginEnded };
      },
      done: ({ name, isOver }) => {
        if (isOver) on.sessions.end(reply, request.session);
        return { notice: `Revoked “${name}”. Programs that use it are refused from now on.` };
      },
      leads: ({ isOver }, view) => isOver && signInPath({ why: 'revoked', to: here(view, '#platform-keys') }),
      again: async (client, view) => {
        const key = await oneKey(client, view, id);
        return revokePlatformKeyPage(view, key, { descendants: descendantsOf(view.platformKeys, id), endsSession: false });
      },
    });
  });
}
