// Secrets: setting, pasting, restoring, describing and deleting them.

import { NotFound } from '../database.js';
import { readSealingKey } from '../read/llm-keys.js';
import { readSecrets, readVersions } from '../read/secrets.js';
import { deleteSecretPage, describeSecretPage, pasteEnvPage, restoreSecretPage, setSecretPage, versionsPage } from '../views/secrets.js';
import { inProject } from '../views/paths.js';
import { attempt, boxIn, requireKeyManager, told } from './common.js';

const BASE = '/:username/settings/secrets';

async function readForSealing(client, view) {
  await readSecrets(client, view);
  await readSealingKey(client, view);
}

async function oneSecret(client, view, name) {
  await readSecrets(client, view);
  const secret = view.secrets.find((each) => each.name === name);
  if (secret === undefined) throw new NotFound();
  return secret;
}

async function oneVersion(client, view, secret, number) {
  const version = (await readVersions(client, view, secret)).find((each) => String(each.version) === number);
  if (version === undefined || version.version === secret.version) throw new NotFound();
  return version;
}

// The way back after a secret has a new version: the one before
const undoTo = (view, name, version) => (version > 0
  ? { undo: { action: inProject(view, `/secrets/${name}/restore`), fields: { version }, label: `Undo: back to version ${version}` } } : {});

export function secretRoutes(app, on) {
  const sealedSecret = { bodyLimit: 160 * 1024, config: { keeps: ['name', 'description', 'known'] } };   // 64 KiB in a box, in base64, percent-encoded

  // A page for who manages keys, about a secret
  const forManagers = (path, pageOf) => app.get(BASE + path, (request, reply) => on.show(request, reply, async (client, view) => {
    requireKeyManager(view);
    return pageOf(client, view, request);
  }));

  forManagers('/set', async (client, view, { query: { name, description } }) => {
    await readForSealing(client, view);
    return setSecretPage(view, { ...(name && { name }), ...(description && { description }) });
  });
  forManagers('/paste', async (client, view) => {
    await readForSealing(client, view);
    return pasteEnvPage(view);
  });
  forManagers('/:name/versions', async (client, view, { params }) => {
    const secret = await oneSecret(client, view, params.name);
    return versionsPage(view, secret, await readVersions(client, view, secret));
  });
  forManagers('/:name/restore', async (client, view, { params, query }) => {
    const secret = await oneSecret(client, view, params.name);
    return restoreSecretPage(view, secret, await oneVersion(client, view, secret, query.version));
  });
  forManagers('/:name/describe', async (client, view, { params, query: { description } }) => {
    const secret = await oneSecret(client, view, params.name);
    if (description !== undefined) view.forms.describe = { values: { description } };
    return describeSecretPage(view, secret);
  });
  forManagers('/:name/delete', async (client, view, { params }) => deleteSecretPage(view, await oneSecret(client, view, params.name)));

  // A description that was shown may be emptied; one that was not stays.
  async function set(client, view, { name, description, known, ...body }) {
    const { rows: [{ version }] } = await client.query('SELECT tarx_keys.set_sealed_secret($1, $2, $3, $4) AS version',
      [view.project.id, name, boxIn(body), known ? description ?? null : description || null]);
    return version;
  }

  app.post(`${BASE}/set`, sealedSecret, async (request, reply) => {
    if (request.headers.accept === 'application/json') return setOfMany(request, reply);
    const { name, description, known } = request.body;
    return on.change(request, reply, {
      form: 'secret',
      values: { name, description, known },
      rest: `#secret-${name}`,
      work: (client, view) => set(client, view, request.body),
      done: (version, view) => ({ notice: { text: version === 1 ? `Added ${name}.` : `Set ${name}: version ${version} is in use.`, ...undoTo(view, name, version - 1) } }),
      again: async (client, view) => {
        await readForSealing(client, view);
        return setSecretPage(view, known ? { name } : {});
      },
    });
  });

  // One of those in a .env file: what came of it, for public/env-file.js
  async function setOfMany(request, reply) {
    const answer = await on.act(request, async (client, view) => {
      let version;
      const error = await attempt(client, async () => { version = await set(client, view, request.body); });
      return error === null ? { status: 200, version } : told(error);
    });
    return reply.code(answer.status).send(answer);
  }

  app.post(`${BASE}/:name/restore`, async (request, reply) => {
    const { name } = request.params;
    const { version } = request.body;
    return on.change(request, reply, {
      form: 'restore',
      rest: `#secret-${name}`,
      work: async (client, view) => (await client.query('SELECT tarx_keys.restore_secret($1, $2, $3) AS version',
        [view.project.id, name, Number.parseInt(version, 10) || 0])).rows[0].version,
      done: (made, view) => ({ notice: { text: `Restored version ${version} of ${name}, as version ${made}.`, ...undoTo(view, name, made - 1) } }),
      again: async (client, view) => {
        const secret = await oneSecret(client, view, name);
        return versionsPage(view, secret, await readVersions(client, view, secret));
      },
    });
  });

  app.post(`${BASE}/:name/describe`, { config: { keeps: ['description'] } }, async (request, reply) => {
    const { name } = request.params;
    const { description = '' } = request.body;
    return on.change(request, reply, {
      form: 'describe',
      values: { description },
      rest: `#secret-${name}`,
      work: (client, view) => client.query('SELECT tarx_keys.describe_secret($1, $2, $3)', [view.project.id, name, description]),
      done: () => ({ notice: `Saved the description of ${name}.` }),
      again: async (client, view) => describeSecretPage(view, await oneSecret(client, view, name)),
    });
  });

  app.post(`${BASE}/:name/delete`, async (request, reply) => {
    const { name } = request.params;
    return on.change(request, reply, {
      form: 'delete',
      rest: '#secrets',
      work: (client, view) => client.query('SELECT tarx_keys.delete_secret($1, $2)', [view.project.id, name]),
      done: () => ({ notice: `Deleted ${name}.` }),
      again: async (client, view) => deleteSecretPage(view, await oneSecret(client, view, name)),
    });
  });
}
