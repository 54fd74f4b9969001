// All tests of the example, or those that are named, as "browser-members", on one database; for
// pictures those in a browser. test/example runs this.

import { after } from 'node:test';
import { end } from './harness.js';

const IN_A_BROWSER = [
  'browser', 'browser-llm-keys', 'browser-agents', 'browser-secrets', 'browser-platform-keys',
  'browser-members', 'browser-audit', 'browser-sign-in', 'browser-states',
];
const ALL = [
  'redact', 'answers', 'sessions', ...(process.env.TARX_KEYS_CHROMIUM ? IN_A_BROWSER : []),
  'service', 'llm-keys', 'agents', 'console', 'secrets', 'platform-keys', 'members', 'audit',
  'sign-in', 'tickets', 'probe', 'providers', 'pooler', 'api', 'api-requests', 'api-walk',
  'guide', 'logs',
];

const [, , ...named] = process.argv;
const usual = process.env.TARX_KEYS_SCREENSHOTS ? IN_A_BROWSER : ALL;
for (const name of named.length > 0 ? named : usual) await import(`./${name}.test.js`);
after(end);
