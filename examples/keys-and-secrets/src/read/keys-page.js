// What the page of keys and secrets shows.

import { readDueKeys, readLlmKeys, readSealingKey } from './llm-keys.js';
import { readPlatformKeys } from './platform-keys.js';
import { readSecrets } from './secrets.js';
import { mayChangeKeys } from '../views/llm-keys/rights.js';

export async function readKeysPage(client, view) {
  view.mayChangeKeys = mayChangeKeys(view);
  if (view.project) {
    await readLlmKeys(client, view);
    await readDueKeys(client, view);
    await readSealingKey(client, view);
    await readSecrets(client, view);
  }
  await readPlatformKeys(client, view);
}
