// LLM keys. Each dialog of a key, and what it sends, is in llm-keys/.

import { addingRoutes } from './llm-keys/adding.js';
import { changingRoutes } from './llm-keys/changing.js';
import { deletingRoutes } from './llm-keys/deleting.js';
import { orderingRoutes } from './llm-keys/ordering.js';
import { replacingRoutes } from './llm-keys/replacing.js';
import { testingRoutes } from './llm-keys/testing.js';

export function llmKeyRoutes(app, on) {
  for (const register of [addingRoutes, changingRoutes, deletingRoutes, orderingRoutes, replacingRoutes, testingRoutes]) register(app, on);
}
