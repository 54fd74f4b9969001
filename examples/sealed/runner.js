// What an agent runner does: node runner.js PROJECT_ID AGENT_ID prints the base
// URL and the auth header of the agent's key and the secrets of the project, which
// a real one would use instead. The connection is as PGHOST and so on have it.

import { newKeyPair, openPool, resolveAgentKey, resolveSecrets, sodium } from '../client/index.js';

const [project, agent] = process.argv.slice(2);
const keyPair = await newKeyPair(sodium); // for this run only
const pool = openPool({ max: 1 });

try {
  // all that a request needs is from the box; the row's base_url is anybody's
  const { request } = await resolveAgentKey(pool, { project, agent, keyPair });
  for (const [name, value] of Object.entries(request.headers)) console.log(`${request.baseUrl} ${name}: ${value}`);
  for (const [name, value] of Object.entries(await resolveSecrets(pool, { project, keyPair }))) console.log(`${name}=${value}`);
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await pool.end();
}
