// What the service does: each request is one transaction as the person of its
// session, and the database decides what that person may.

import { acting } from './acting.js';
import { agentRoutes } from './agents.js';
import { auditRoutes } from './audit.js';
import { consoleRoutes } from './console.js';
import { keysPageRoutes } from './keys-page.js';
import { llmKeyRoutes } from './llm-keys.js';
import { memberRoutes } from './members.js';
import { modelRoutes } from './models.js';
import { platformKeyRoutes } from './platform-keys.js';
import { secretRoutes } from './secrets.js';
import { signInRoutes } from './sign-in.js';

export function routes(app, services) {
  const on = acting(services);
  for (const register of [signInRoutes, keysPageRoutes, llmKeyRoutes, modelRoutes, secretRoutes, platformKeyRoutes,
    agentRoutes, consoleRoutes, memberRoutes, auditRoutes]) register(app, on);
}
