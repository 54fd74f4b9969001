// What an agent runner does: node runner.js PROJECT_ID AGENT_ID prints the base
// URL and the auth header of the agent's key and the secrets of the project, which
// a real one would use instead. The connection is as PGHOST and so on have it.

import { createRequire } from 'node:module';
import pg from 'pg';
import { newKeyPair, openKey, openSecret } from './sealing.js';

// the ES module of libsodium-wrappers takes Node.js 19
const sodium = createRequire(import.meta.url)('libsodium-wrappers');

const [projectId, agentId] = process.argv.slice(2);
const keyPair = await newKeyPair(sodium);
const recipient = Buffer.from(keyPair.publicKey);
const client = new pg.Client();
await client.connect();

try {
  const { rows: [key] } = await client.query(
    'SELECT sealed FROM tarx_keys.resolve_agent_key_sealed($1, $2, $3)',
    [projectId, agentId, recipient]);
  // all that a request needs is from the box; the row's base_url is anybody's
  const { baseUrl, authHeader, authScheme, value } = openKey(sodium, key.sealed, keyPair, { projectId, id: agentId });
  console.log(`${baseUrl} ${authHeader}: ${authScheme === null ? value : `${authScheme} ${value}`}`);

  const { rows: secrets } = await client.query(
    'SELECT name, sealed FROM tarx_keys.resolve_secrets_sealed($1, recipient_public_key => $2)',
    [projectId, recipient]);
  for (const { name, sealed } of secrets) {
    console.log(`${name}=${openSecret(sodium, sealed, keyPair, { projectId, name })}`);
  }
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await client.end();
}
