// What a browser and a backend do together: node backend.js USER PROJECT_ID
// PROVIDER NAME [BASE_URL], with the value on standard input, adds an LLM key;
// node backend.js USER PROJECT_ID secret NAME sets a secret. Says what the
// server answers. The connection is as PGHOST, PGUSER and so on have it.

import { text } from 'node:stream/consumers';
import { asUser, openPool, sealLlmKey, sealSecret, sodium } from '../client/index.js';

const [user, projectId, what, name, baseUrl = null] = process.argv.slice(2);
const pool = openPool({ max: 1 });

// The backend hands out the public key, and where keys of the provider go ...
const { rows: [{ public_key: publicKey, default_base_url: usual }] } = await pool.query(
  `SELECT public_key, (SELECT default_base_url FROM tarx_keys.providers WHERE slug = $1)
     FROM tarx_keys.sealing_public_key()`, [what]);

// ... the browser shows that, and seals to the public key, by ../client/sealing.js ...
const value = await text(process.stdin);
const sealed = what === 'secret'
  ? await sealSecret(sodium, publicKey, { projectId, name, value })
  : await sealLlmKey(sodium, publicKey, { projectId, provider: what, name, baseUrl, destination: baseUrl ?? usual, value });

// ... and the backend passes on what it cannot open.
try {
  console.log(await asUser(pool, { user, project: projectId }, async (client) => {
    const { rows: [{ answer }] } = what === 'secret'
      ? await client.query('SELECT tarx_keys.set_sealed_secret($1, $2, $3) AS answer',
        [projectId, name, Buffer.from(sealed)])
      : await client.query('SELECT tarx_keys.add_sealed_llm_key($1, $2, $3, $4, $5) AS answer',
        [projectId, what, name, Buffer.from(sealed), baseUrl]);
    return answer;
  }));
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await pool.end();
}
