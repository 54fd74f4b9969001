// What an agent runner does: node runner.js PROJECT_ID AGENT_ID prints the base
// URL and the value of the agent's key and the secrets of the project, which a
// real one would use instead. The connection is as PGHOST and so on have it.

import { createRequire } from 'node:module';
import pg from 'pg';
import { newKeyPair, openSealed } from './sealing.js';

// the ES module of libsodium-wrappers takes Node.js 19
const sodium = createRequire(import.meta.url)('libsodium-wrappers');

const [projectId, agentId] = process.argv.slice(2);
const keyPair = await newKeyPair(sodium);
const recipient = Buffer.from(keyPair.publicKey);
const client = new pg.Client();
await client.connect();

try {
  const { rows: [key] } = await client.query(
    'SELECT base_url, sealed FROM tarx_keys.resolve_agent_key_sealed($1, $2, $3)',
    [projectId, agentId, recipient]);
  console.log(`${key.base_url} ${openSealed(sodium, key.sealed, keyPair)}`);

  const { rows: secrets } = await client.query(
    'SELECT name, sealed FROM tarx_keys.resolve_secrets_sealed($1, recipient_public_key => $2)',
    [projectId, recipient]);
  for (const { name, sealed } of secrets) {
    console.log(`${name}=${openSealed(sodium, sealed, keyPair)}`);
  }
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await client.end();
}
