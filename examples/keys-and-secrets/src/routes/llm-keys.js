// LLM keys: adding, testing, replacing, disabling and deleting them.

import { NotFound } from '../database.js';
import { probe } from '../probe.js';
import { readKeysPage } from '../read/keys-page.js';
import { keysPage } from '../views/keys-page.js';
import { canTest, deleteKeyPage, replaceKeyPage } from '../views/llm-keys.js';
import { optionalUuid, page, requireKeyManager, requireUuid, told } from './common.js';
import { keysAgain } from './keys-page.js';
import { keyAndAgents } from './one-key.js';

// What the form had of the options, to show it again. They went in the box: this
// is all that the service gets of them, and headers' values are not among it.
const optionsIn = (body) => Object.fromEntries(
  ['priority', 'expires_at', 'rotate_after', 'allowed_models', 'header_names'].map((name) => [name, body[name]]));

export function llmKeyRoutes(app, on) {
  app.post('/:username/settings/llm-keys', async (request, reply) => {
    const { provider, name, sealed, base_url: baseUrl } = request.body;
    return on.change(request, reply, {
      form: 'llm-key',
      values: { provider, name, base_url: baseUrl, ...optionsIn(request.body) },
      done: () => ({ notice: `Added “${name}”.` }),
      work: (client, view) => client.query('SELECT tarx_keys.add_sealed_llm_key($1, $2, $3, $4, $5)',
        [view.project.id, provider, name, Buffer.from(sealed ?? '', 'base64'), baseUrl || null]),
      again: keysAgain,
    });
  });

  app.get('/:username/settings/llm-keys/:id/delete', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const text = await on.act(request, async (client, view) => {
      requireKeyManager(view);
      return deleteKeyPage(view, await keyAndAgents(client, view, keyId));
    });
    return page(reply, text);
  });

  app.post('/:username/settings/llm-keys/:id/delete', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const to = optionalUuid(request.body.to);
    return on.change(request, reply, {
      form: 'delete',
      values: { to },
      done: () => ({ notice: to ? 'Deleted the key; its agents go on with another one.' : 'Deleted the key.' }),
      // both in one transaction: no agent is without a key in between
      work: async (client, view) => {
        if (to) await client.query('SELECT tarx_keys.repoint_agents($1, $2, $3)', [view.project.id, keyId, to]);
        await client.query('SELECT tarx_keys.delete_llm_key($1, $2)', [view.project.id, keyId]);
      },
      again: async (client, view) => {
        const key = await keyAndAgents(client, view, keyId);
        return deleteKeyPage(view, key, view.forms.delete);
      },
    });
  });

  // the way to end a key's use that can be taken back
  app.post('/:username/settings/llm-keys/:id/state', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const enabled = request.body.enabled === '1';
    return on.change(request, reply, {
      form: 'state',
      done: () => ({ notice: enabled ? 'Enabled the key.' : 'Disabled the key. You can enable it again.' }),
      work: (client, view) => client.query('SELECT tarx_keys.update_llm_key($1, $2, $3)', [view.project.id, keyId, { enabled }]),
      again: keysAgain,
    });
  });

  // A key that does not open has nothing to take over: what its row says may be somebody else's.
  async function keyToReplace(client, view, keyId) {
    await readKeysPage(client, view);
    const key = view.keys.find(({ id, status }) => id === keyId && status === 'ok');
    if (key === undefined) throw new NotFound();
    return key;
  }

  app.get('/:username/settings/llm-keys/:id/replace', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const text = await on.act(request, async (client, view) => {
      requireKeyManager(view);
      return replaceKeyPage(view, await keyToReplace(client, view, keyId));
    });
    return page(reply, text);
  });

  app.post('/:username/settings/llm-keys/:id/replace', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    return on.change(request, reply, {
      form: 'replace',
      values: optionsIn(request.body),
      done: () => ({ notice: 'Replaced the key; its agents go on with the new one. The old one is disabled.' }),
      work: (client, view) => client.query('SELECT tarx_keys.replace_sealed_llm_key($1, $2, $3)',
        [view.project.id, keyId, Buffer.from(request.body.sealed ?? '', 'base64')]),
      again: async (client, view) => replaceKeyPage(view, await keyToReplace(client, view, keyId)),
    });
  });

  app.post('/:username/settings/llm-keys/:id/test', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const run = await on.act(request, (client, view) => on.issue(client, view, { keyId }));
    const tested = run.refused ? { text: run.refused.problem } : await testKey(run.ticket, keyId);
    const text = await on.act(request, async (client, view) => {
      await readKeysPage(client, view);
      view.tested = { keyId, ...tested };
      if (!view.keys.some((key) => key.id === keyId && canTest(view, key))) view.problem = tested.text;
      return keysPage(view);
    });
    return page(reply, text, run.refused?.status);
  });

  async function testKey(ticket, keyId) {
    try {
      const tested = await probe(await on.db.probeRequest(ticket, keyId), on.models);
      if (tested.outcome) await on.db.reportKey(ticket, keyId, tested.outcome, tested.retryAfter);
      return tested;
    } catch (error) {
      return { text: told(error).problem };
    }
  }
}
