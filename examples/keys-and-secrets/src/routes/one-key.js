// One LLM key, and the agents that use it.

import { NotFound } from '../database.js';
import { readAgents } from '../read/agents.js';
import { readLlmKeys, readProviders, readSealingKey } from '../read/llm-keys.js';
import { mayChangeKeys } from '../views/llm-keys/rights.js';
import { keysAgain } from './keys-page.js';

export async function keyAndAgents(client, view, keyId) {
  await readLlmKeys(client, view);
  await readAgents(client, view, keyId);
  const key = view.keys.find(({ id }) => id === keyId);
  if (key === undefined) throw new NotFound();
  return key;
}

// For dialogs that change keys
export function requireKeyChanges(view) {
  view.mayChangeKeys = mayChangeKeys(view);
  if (!view.mayChangeKeys) throw new NotFound();
}

// What a form has that seals
export async function readForSealing(client, view) {
  await readProviders(client, view);
  await readSealingKey(client, view);
}

export function providerOf(view, slug) {
  const provider = view.providers.find((each) => each.slug === slug);
  if (provider === undefined) throw new NotFound();
  return provider;
}

// After a refusal, the form again; who may not have it gets the list, with what was said.
export const againOrList = (form) => (client, view) => (mayChangeKeys(view) ? form(client, view) : keysAgain(client, view));
