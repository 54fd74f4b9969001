// All tests of the example, on one database: node --test test/all.js

import { after } from 'node:test';
import { end } from './harness.js';

await import('./redact.test.js');
await import('./answers.test.js');
await import('./sessions.test.js');
if (process.env.TARX_KEYS_CHROMIUM) {
  await import('./browser.test.js');
  await import('./browser-llm-keys.test.js');
  await import('./browser-agents.test.js');
  await import('./browser-secrets.test.js');
  await import('./browser-platform-keys.test.js');
  await import('./browser-members.test.js');
  await import('./browser-audit.test.js');
  await import('./browser-sign-in.test.js');
  await import('./browser-states.test.js');
}
await import('./service.test.js');
await import('./llm-keys.test.js');
await import('./agents.test.js');
await import('./console.test.js');
await import('./secrets.test.js');
await import('./platform-keys.test.js');
await import('./members.test.js');
await import('./audit.test.js');
await import('./sign-in.test.js');
await import('./tickets.test.js');
await import('./probe.test.js');
await import('./providers.test.js');
await import('./pooler.test.js');
await import('./api.test.js');
await import('./api-requests.test.js');
await import('./api-walk.test.js');
await import('./guide.test.js');
await import('./logs.test.js');
after(end);
