// What the types of examples/client/index.js admit, for tsc; nobody runs it.

import { asUser, openPool, resolveAgentKey, withKey, withRun } from '../../../examples/client/index.js';

const pool = openPool({ user: 'app_runner' });
const project = '11111111-1111-4111-8111-111111111111';

/** @type {number} */
export const rows = await asUser(pool, { user: 'alice', project }, async (client, person) => {
  /** @type {string} */
  const value = (await resolveAgentKey(client, { project, agent: project })).value;
  return value.length + person.userId.length;
});
/** @type {string} */
export const answer = await withKey(pool, { project, provider: 'openai' }, async (key) => key.request.baseUrl);
export const agent = await withRun(pool, 'ticket', (run) => run.transaction(async () => run.agent));

// @ts-expect-error a project is needed
await resolveAgentKey(pool, { agent: project });
// @ts-expect-error a number is no user
await asUser(pool, { user: 7 }, () => {});
// @ts-expect-error it is not known whether the run has an agent
export const text = agent.length;
