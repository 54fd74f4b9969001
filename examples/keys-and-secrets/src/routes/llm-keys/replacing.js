// Replacing a key: the new value, which agents move, the test, and the way back.

import { NotFound } from '../../database.js';
import { boxIn, page, requireUuid } from '../common.js';
import { inProject } from '../../views/paths.js';
import { chooseProviderAgainPage, enterKeyPage, replaceKeyPage } from '../../views/llm-keys/replace.js';
import { keysAgain } from '../keys-page.js';
import { againOrList, keyAndAgents, providerOf, readForSealing, requireKeyChanges } from '../one-key.js';
import { testAndGo } from './adding.js';
import { placeholder, problemsOf } from './checking.js';
import { optionsIn, optionsToCheck } from './options.js';

const PATH = '/:username/settings/llm-keys/:id';

// A key that does not open has nothing to take over: what its row says may be somebody else's.
async function keyWhose(status, client, view, keyId) {
  requireKeyChanges(view);
  const key = await keyAndAgents(client, view, keyId);
  if (key.status !== status) throw new NotFound();
  await readForSealing(client, view);
  return key;
}

const moves = (body) => Object.fromEntries(Object.entries(body).filter(([name]) => name.startsWith('moves_')));

// The agents that stay go back to the old key, which is enabled for them.
async function keepAgents(client, view, oldId, body) {
  const staying = view.agents.filter(({ id }) => body[`moves_${id}`] !== '1');
  if (staying.length === 0) return 0;
  await client.query('SELECT tarx_keys.update_llm_key($1, $2, $3)', [view.project.id, oldId, { enabled: true }]);
  for (const { id } of staying) await client.query('SELECT tarx_keys.set_agent_key($1, $2, $3)', [view.project.id, id, oldId]);
  return staying.length;
}

function textOf(name, count, staying) {
  const moved = count - staying;
  const agents = `${moved} ${moved === 1 ? 'agent goes' : 'agents go'} on with the new key`;
  return `Replaced “${name}”: ${agents}${staying > 0 ? `, ${staying} with the old one.` : ', and the old one is disabled.'}`;
}

const cut = (name) => Array.from(name).slice(0, 70).join('');

export function replacingRoutes(app, on) {
  app.get(`${PATH}/replace`, (request, reply) => on.show(request, reply, async (client, view) =>
    replaceKeyPage(view, await keyWhose('ok', client, view, requireUuid(request.params.id)))));

  app.post(`${PATH}/replace/check`, async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const fields = await on.act(request, async (client, view) => {
      const key = await keyWhose('ok', client, view, keyId);
      const options = optionsToCheck(request.body);
      return problemsOf(client, () => client.query('SELECT tarx_keys.replace_llm_key($1, $2, $3, $4)',
        [view.project.id, keyId, placeholder(providerOf(view, key.provider)), options]));
    });
    return reply.send({ fields });
  });

  app.post(`${PATH}/replace`, async (request, reply) => {
    const oldId = requireUuid(request.params.id);
    const { body } = request;
    const outcome = await on.tryChange(request, {
      form: 'replace',
      values: { ...optionsIn(body), ...moves(body), test: body.test ?? '' },
      work: async (client, view) => {
        const key = await keyAndAgents(client, view, oldId);
        const { rows: [{ id }] } = await client.query('SELECT tarx_keys.replace_sealed_llm_key($1, $2, $3) AS id', [view.project.id, oldId, boxIn(body)]);
        const staying = await keepAgents(client, view, oldId, body);
        return { id, text: textOf(key.name, view.agents.length, staying), undo: { action: inProject(view, `/llm-keys/${id}/take-back`), fields: { old: oldId } } };
      },
      again: againOrList(async (client, view) => replaceKeyPage(view, await keyWhose('ok', client, view, oldId))),
    });
    if (outcome.text !== undefined) return page(reply, outcome.text, outcome.status);
    const { id, text, undo } = outcome.result;
    return testAndGo(on, request, reply, { keyId: id, text, undo, rejected: { old: oldId } });
  });

  // Undo of a replacement: the old key has its agents and its name again, and the new one rests.
  app.post(`${PATH}/take-back`, async (request, reply) => {
    const newId = requireUuid(request.params.id);
    const oldId = requireUuid(request.body.old);
    return on.change(request, reply, {
      form: 'take-back',
      rest: `#key-${oldId}`,
      done: (name) => ({ notice: { text: `Took the replacement back: “${name}” is in use again. The other key is disabled; delete it if it is of no use.` } }),
      work: async (client, view) => {
        const { name } = await keyAndAgents(client, view, newId);
        const update = (id, changes) => client.query('SELECT tarx_keys.update_llm_key($1, $2, $3)', [view.project.id, id, changes]);
        await update(newId, { enabled: false, name: `${cut(name)} (taken back ${new Date().toISOString().slice(0, 16).replace('T', ' ')})` });
        await update(oldId, { enabled: true, name });
        await client.query('SELECT tarx_keys.repoint_agents($1, $2, $3)', [view.project.id, newId, oldId]);
        return name;
      },
      again: keysAgain,
    });
  });

  // A key that does not open
  app.get(`${PATH}/enter`, (request, reply) => on.show(request, reply, async (client, view) => {
    const key = await keyWhose('needs_reentry', client, view, requireUuid(request.params.id));
    const { provider } = request.query;
    return provider === undefined ? chooseProviderAgainPage(view, key) : enterKeyPage(view, key, providerOf(view, provider));
  }));

  app.post(`${PATH}/enter`, async (request, reply) => {
    const oldId = requireUuid(request.params.id);
    const { body } = request;
    const { provider, name, base_url: baseUrl } = body;
    const outcome = await on.tryChange(request, {
      form: 'enter',
      values: { name, base_url: baseUrl, test: body.test ?? '', ...optionsIn(body) },
      work: async (client, view) => (await client.query('SELECT tarx_keys.replace_sealed_llm_key($1, $2, $3) AS id', [view.project.id, oldId, boxIn(body)])).rows[0].id,
      again: againOrList(async (client, view) => enterKeyPage(view, await keyWhose('needs_reentry', client, view, oldId), providerOf(view, provider))),
    });
    if (outcome.text !== undefined) return page(reply, outcome.text, outcome.status);
    return testAndGo(on, request, reply, { keyId: outcome.result, text: `Entered “${name}” again; its agents go on with it.` });
  });
}
