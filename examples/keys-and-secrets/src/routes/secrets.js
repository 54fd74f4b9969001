// Secrets: setting, restoring and deleting them.

import { NotFound } from '../database.js';
import { readSecrets } from '../read/secrets.js';
import { deleteSecretPage } from '../views/secrets.js';
import { page, requireKeyManager } from './common.js';
import { keysAgain } from './keys-page.js';

export function secretRoutes(app, on) {
  const sealedSecret = { bodyLimit: 160 * 1024 };   // 64 KiB in a box, in base64, percent-encoded

  app.post('/:username/settings/secrets', sealedSecret, async (request, reply) => {
    const { name, sealed, description } = request.body;
    return on.change(request, reply, {
      form: 'secret',
      values: { name, description },
      done: () => ({ notice: `Set ${name}.` }),
      work: (client, view) => client.query('SELECT tarx_keys.set_sealed_secret($1, $2, $3, $4)',
        [view.project.id, name, Buffer.from(sealed ?? '', 'base64'), description || null]),
      again: keysAgain,
    });
  });

  app.post('/:username/settings/secrets/restore', async (request, reply) => {
    const { name, version } = request.body;
    return on.change(request, reply, {
      form: 'restore',
      done: () => ({ notice: `Restored version ${version} of ${name}.` }),
      work: (client, view) => client.query('SELECT tarx_keys.restore_secret($1, $2, $3)',
        [view.project.id, name, Number.parseInt(version, 10) || 0]),
      again: keysAgain,
    });
  });

  app.get('/:username/settings/secrets/:name/delete', async (request, reply) => {
    const text = await on.act(request, async (client, view) => {
      requireKeyManager(view);
      await readSecrets(client, view);
      if (!view.secrets.some(({ name }) => name === request.params.name)) throw new NotFound();
      return deleteSecretPage(view, request.params.name);
    });
    return page(reply, text);
  });

  app.post('/:username/settings/secrets/:name/delete', async (request, reply) => {
    const { name } = request.params;
    return on.change(request, reply, {
      form: 'delete',
      done: () => ({ notice: `Deleted ${name}.` }),
      work: (client, view) => client.query('SELECT tarx_keys.delete_secret($1, $2)', [view.project.id, name]),
      again: async (client, view) => deleteSecretPage(view, name),
    });
  });
}
