// One LLM key, and the agents that use it.

import { NotFound } from '../database.js';
import { readAgents } from '../read/agents.js';
import { readLlmKeys } from '../read/llm-keys.js';

export async function keyAndAgents(client, view, keyId) {
  await readLlmKeys(client, view);
  await readAgents(client, view, keyId);
  const key = view.keys.find(({ id }) => id === keyId);
  if (key === undefined) throw new NotFound();
  return key;
}
