// What the page of keys and secrets shows.

import { readLlmKeys, readProviders, readSealingKey } from './llm-keys.js';
import { readPlatformKeys } from './platform-keys.js';
import { readSecrets } from './secrets.js';

export async function readKeysPage(client, view) {
  if (view.project) {
    await readLlmKeys(client, view);
    await readProviders(client, view);
    await readSealingKey(client, view);
    await readSecrets(client, view);
  }
  await readPlatformKeys(client, view);
}
