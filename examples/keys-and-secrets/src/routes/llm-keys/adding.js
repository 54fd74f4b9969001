// Adding a key, and testing it at once.

import { readLlmKeys } from '../../read/llm-keys.js';
import { inProject } from '../../views/paths.js';
import { addKeyPage, chooseProviderPage, rejectedPage } from '../../views/llm-keys/add.js';
import { boxIn, go, optionalUuid, page, requireUuid, take } from '../common.js';
import { againOrList, keyAndAgents, providerOf, readForSealing, requireKeyChanges } from '../one-key.js';
import { placeholder, problemsOf } from './checking.js';
import { optionsIn, optionsToCheck } from './options.js';
import { testKey } from './testing.js';

const PATH = '/:username/settings/llm-keys';

async function formFor(client, view, slug, values) {
  requireKeyChanges(view);
  await readLlmKeys(client, view);
  await readForSealing(client, view);
  const provider = view.providers.find((each) => each.slug === slug);
  // of one that there is not, another is to be chosen
  view.problem ??= view.forms['llm-key']?.fields.provider;
  return provider === undefined ? chooseProviderPage(view, values) : addKeyPage(view, provider, values);
}

// What is said when the key is there; a test that ran says what it brought.
export function addedNotice(view, keyId, text, tested, undo) {
  return { text: tested ? `${text} ${tested.text}` : text, undo, next: { href: inProject(view, '/agents/new', { key: keyId }), label: 'Use it in an agent', dialog: true } };
}

// After a key has come: test it if that was asked for, and go where its result is shown
export async function testAndGo(on, request, reply, { keyId, text, rejected, undo }) {
  const tested = request.body.test === '1' ? await testKey(on, request, keyId) : null;
  const { session } = request;
  if (tested?.outcome === 'rejected') {
    session.tested = { keyId, text: tested.text };
    return go(request, reply, await on.act(request, (client, view) => inProject(view, `/llm-keys/${keyId}/rejected`, rejected)), { stays: true });
  }
  const location = await on.act(request, (client, view) => {
    session.notice = addedNotice(view, keyId, text, tested, undo);
    return inProject(view, `#key-${keyId}`);
  });
  return go(request, reply, location);
}

export function addingRoutes(app, on) {
  app.get(`${PATH}/new`, (request, reply) => on.show(request, reply, (client, view) => {
    const { provider, name } = request.query;
    return formFor(client, view, provider, name ? { name } : undefined);
  }));

  // With instead, of a form that enters a key again in the place of one that does not open
  app.post(`${PATH}/check`, async (request, reply) => {
    const { provider: slug, name, base_url: baseUrl } = request.body;
    const instead = optionalUuid(request.query.instead);
    const fields = await on.act(request, async (client, view) => {
      requireKeyChanges(view);
      await readForSealing(client, view);
      const provider = providerOf(view, slug);
      const options = optionsToCheck(request.body);
      return problemsOf(client, () => (instead
        ? client.query('SELECT tarx_keys.replace_llm_key($1, $2, $3, $4)', [view.project.id, instead, placeholder(provider), { ...options, name, provider: slug, base_url: baseUrl || null }])
        : client.query('SELECT tarx_keys.add_llm_key($1, $2, $3, $4, $5, $6)', [view.project.id, slug, name, placeholder(provider), baseUrl || null, options])));
    });
    return reply.send({ fields });
  });

  app.post(PATH, async (request, reply) => {
    const { provider, name, base_url: baseUrl, test } = request.body;
    const outcome = await on.tryChange(request, {
      form: 'llm-key',
      values: { name, base_url: baseUrl, test: test ?? '', ...optionsIn(request.body) },
      work: async (client, view) => {
        const { rows: [{ id }] } = await client.query('SELECT tarx_keys.add_sealed_llm_key($1, $2, $3, $4, $5) AS id',
          [view.project.id, provider, name, boxIn(request.body), baseUrl || null]);
        return id;
      },
      again: againOrList((client, view) => formFor(client, view, provider)),
    });
    if (outcome.text !== undefined) return page(reply, outcome.text, outcome.status);
    return testAndGo(on, request, reply, { keyId: outcome.result, text: `Added “${name}”.` });
  });

  // After a test that the provider has answered with 401 or 403; of a replacement, with the old key
  app.get(`${PATH}/:id/rejected`, (request, reply) => on.show(request, reply, async (client, view) => {
    const key = await keyAndAgents(client, view, requireUuid(request.params.id));
    requireKeyChanges(view);
    const tested = take(request.session, 'tested');
    return rejectedPage(view, key, tested?.keyId === key.id ? tested : undefined, { old: optionalUuid(request.query.old) });
  }));

  // Delete the key that was rejected, and ask for it again
  app.post(`${PATH}/:id/discard`, async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const { provider, name } = request.body;
    const location = await on.act(request, async (client, view) => {
      await client.query('SELECT tarx_keys.delete_llm_key($1, $2)', [view.project.id, keyId]);
      return inProject(view, '/llm-keys/new', { provider, name });
    });
    return go(request, reply, location, { stays: true });
  });
}
