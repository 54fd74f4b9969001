// Testing a key: the person's ticket, the provider's answer, and what it says of the key.

import { probe } from '../../probe.js';
import { keysPage } from '../../views/keys-page.js';
import { canTest } from '../../views/llm-keys.js';
import { readKeysPage } from '../../read/keys-page.js';
import { page, requireUuid, told } from '../common.js';

async function askProvider(on, ticket, keyId) {
  try {
    const tested = await probe(await on.db.probeRequest(ticket, keyId), on.models);
    if (tested.outcome) await on.db.reportKey(ticket, keyId, tested.outcome, tested.retryAfter);
    return tested;
  } catch (error) {
    return { text: told(error).problem };
  }
}

// { outcome, text, status }
export async function testKey(on, request, keyId) {
  const run = await on.act(request, (client, view) => on.issue(client, view, { keyId }));
  return run.refused ? { text: run.refused.problem, status: run.refused.status } : askProvider(on, run.ticket, keyId);
}

export function testingRoutes(app, on) {
  app.post('/:username/settings/llm-keys/:id/test', async (request, reply) => {
    const keyId = requireUuid(request.params.id);
    const { status, ...tested } = await testKey(on, request, keyId);
    const text = await on.act(request, async (client, view) => {
      await readKeysPage(client, view);
      view.tested = { keyId, ...tested };
      if (!view.keys.some((key) => key.id === keyId && canTest(view, key))) view.problem = tested.text;
      return keysPage(view);
    });
    return page(reply, text, status);
  });
}
