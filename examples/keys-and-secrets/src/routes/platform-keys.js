// One's own platform keys: creating and revoking them.

import { rows } from '../read/rows.js';
import { requireUuid, WITHOUT_PROJECT } from './common.js';
import { keysAgain } from './keys-page.js';

export function platformKeyRoutes(app, on) {
  app.post('/:username/settings/platform-keys', WITHOUT_PROJECT, async (request, reply) => {
    const { name, days, read_only: readOnly, narrow } = request.body;
    return on.change(request, reply, {
      form: 'platform-key',
      values: { name, expires: days },
      done: ([{ token }]) => ({ createdToken: token }),
      work: (client, view) => rows(client,
        'SELECT token FROM tarx_keys.create_platform_key($1, now() + make_interval(days => $2), $3, $4)',
        [name, Number.parseInt(days, 10) || null, narrow && view.project ? [view.project.id] : null, readOnly === '1']),
      again: keysAgain,
    });
  });

  app.post('/:username/settings/platform-keys/:id/revoke', WITHOUT_PROJECT, async (request, reply) => {
    const id = requireUuid(request.params.id);
    return on.change(request, reply, {
      form: 'revoke',
      done: () => ({ notice: 'Revoked the platform key.' }),
      work: (client) => client.query('SELECT tarx_keys.revoke_platform_key($1)', [id]),
      again: keysAgain,
    });
  });
}
