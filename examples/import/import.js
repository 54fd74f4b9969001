// Moves values into tarx_keys from another database, or from a .env file:
//
//   node import.js query FILE.sql
//   node import.js env FILE --project ID --user ID [--project-name NAME] [--llm-key VARIABLE=PROVIDER ...]
//
// Run "npm ci" here first. The environment has connection strings: SOURCE_URL for
// query; BACKEND_URL, a login with tarx_keys_backend; RUNNER_URL, one with tarx_keys_agent
// that needs no run ticket. FILE.sql is one SELECT with the columns that import.sql names.
//
// Each value is sealed here, to the server's public key, so no statement, log or pooler on
// the way has it. Then a runner resolves it, sealed to a key of this run, and it is compared
// with what was there. Prints names and outcomes, never a value. What has its name already
// is left as it is, and compared, so this can be run again. It ends with status 1 unless
// all values are in tarx_keys. README.md says how to wipe the old place.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { newKeyPair, openKey, openSecret, sealLlmKey, sealSecret } from '../client/sealing.js';

const require = createRequire(import.meta.url);
const dotenv = require('dotenv');
const pg = require('pg');
const sodium = require('libsodium-wrappers');

const digest = (value) => createHash('sha256').update(value).digest();

function rowsOfEnv(file, options) {
  const providers = new Map((options['llm-key'] ?? []).map((pair) => pair.split('=')));
  return Object.entries(dotenv.parse(readFileSync(file))).filter(([, value]) => value !== '').map(([name, value]) => ({
    project_id: options.project, project_name: options['project-name'] ?? 'Imported', user_id: options.user,
    kind: providers.has(name) ? 'llm_key' : 'secret', provider: providers.get(name) ?? null, base_url: null,
    name: providers.has(name) ? name : name.toUpperCase(), value,
  }));
}

async function rowsOfQuery(file) {
  const source = new pg.Client({ connectionString: process.env.SOURCE_URL });
  await source.connect();
  try {
    return (await source.query(readFileSync(file, 'utf8'))).rows;
  } finally {
    await source.end();
  }
}

// The first column of the first row
const one = async (client, text, values) => Object.values((await client.query(text, values)).rows[0] ?? {})[0];

async function enter(backend, row) {
  await backend.query('SELECT tarx_keys.act_as($1)', [row.user_id]);
  if (await one(backend, 'SELECT true FROM tarx_keys.projects WHERE id = $1', [row.project_id])) return;
  await backend.query('SELECT tarx_keys.create_project($1, $2)', [row.project_name, row.project_id]);
}

async function putKey(backend, row) {
  const found = await one(backend, 'SELECT id FROM tarx_keys.llm_keys WHERE project_id = $1 AND lower(name) = lower($2)', [row.project_id, row.name]);
  if (found) return { id: found, wasThere: true };
  const destination = row.base_url ?? await one(backend, 'SELECT default_base_url FROM tarx_keys.providers WHERE slug = $1', [row.provider]);
  const publicKey = await one(backend, 'SELECT public_key FROM tarx_keys.sealing_public_key()');
  const sealed = await sealLlmKey(sodium, publicKey, {
    projectId: row.project_id, provider: row.provider, name: row.name, baseUrl: row.base_url, destination, value: row.value.trim(),
  });
  const id = await one(backend, 'SELECT tarx_keys.add_sealed_llm_key($1, $2, $3, $4, $5)',
    [row.project_id, row.provider, row.name, Buffer.from(sealed), row.base_url]);
  return { id, wasThere: false };
}

async function putSecret(backend, row) {
  if (await one(backend, 'SELECT true FROM tarx_keys.secrets WHERE project_id = $1 AND name = $2', [row.project_id, row.name])) return { wasThere: true };
  const publicKey = await one(backend, 'SELECT public_key FROM tarx_keys.sealing_public_key()');
  const sealed = await sealSecret(sodium, publicKey, { projectId: row.project_id, name: row.name, value: row.value });
  await backend.query('SELECT tarx_keys.set_sealed_secret($1, $2, $3)', [row.project_id, row.name, Buffer.from(sealed)]);
  return { wasThere: false };
}

// Whether a runner gets what was there
async function isSame(runner, keyPair, row, id) {
  const recipient = Buffer.from(keyPair.publicKey);
  const projectId = row.project_id;
  if (row.kind === 'llm_key') {
    const sealed = await one(runner, 'SELECT sealed FROM tarx_keys.resolve_key_sealed($1, $2, $3)', [projectId, id, recipient]);
    return timingSafeEqual(digest(openKey(sodium, sealed, keyPair, { projectId, id }).value), digest(row.value.trim()));
  }
  const sealed = await one(runner, 'SELECT sealed FROM tarx_keys.resolve_secrets_sealed($1, $2, $3)', [projectId, [row.name], recipient]);
  return timingSafeEqual(digest(openSecret(sodium, sealed, keyPair, { projectId, name: row.name })), digest(row.value));
}

async function move(backend, runner, keyPair, row) {
  await backend.query('BEGIN');
  try {
    await enter(backend, row);
    const put = await (row.kind === 'llm_key' ? putKey : putSecret)(backend, row);
    await backend.query('COMMIT');
    if (!await isSame(runner, keyPair, row, put.id)) return 'differs';
    return put.wasThere ? 'there already' : 'imported';
  } catch (error) {
    await backend.query('ROLLBACK');
    // an error of tarx_keys has no value in it; what others say is left out
    return `refused: ${/^(TK|22023|23505|42501)/.test(error.code) ? `${error.code} ${error.message}` : error.code ?? error.name}`;
  }
}

async function main() {
  const { values: options, positionals: [source, file] } = parseArgs({
    allowPositionals: true,
    options: { project: { type: 'string' }, user: { type: 'string' }, 'project-name': { type: 'string' }, 'llm-key': { type: 'string', multiple: true } },
  });
  if (!file || !['env', 'query'].includes(source) || (source === 'env' && !(options.project && options.user))) {
    throw new Error('usage: see the beginning of import.js');
  }
  await sodium.ready;
  const rows = source === 'env' ? rowsOfEnv(file, options) : await rowsOfQuery(file);
  const backend = new pg.Client({ connectionString: process.env.BACKEND_URL });
  const runner = new pg.Client({ connectionString: process.env.RUNNER_URL });
  await Promise.all([backend.connect(), runner.connect()]);
  const keyPair = await newKeyPair(sodium);
  const counts = {};
  for (const row of rows) {
    const outcome = await move(backend, runner, keyPair, row);
    const [word] = outcome.split(':');
    counts[word] = (counts[word] ?? 0) + 1;
    console.log(`${row.project_id} ${row.kind} ${row.name}: ${outcome}`);
  }
  await Promise.all([backend.end(), runner.end()]);
  console.log(Object.entries(counts).map(([outcome, count]) => `${outcome}: ${count}`).join(', ') || 'there was nothing to import');
  if (counts.differs || counts.refused) {
    console.log('Not all values are in tarx_keys: do not wipe the old place yet.');
    process.exitCode = 1;
  } else {
    console.log('When your services read from tarx_keys, wipe the old place: see examples/import/README.md.');
  }
}

if (import.meta.filename === process.argv[1] || import.meta.url === `file://${process.argv[1]}`) {
  main().catch((error) => {
    // what a database says could have a value in it
    console.error(`import: ${error.severity ? `the database says ${error.code}` : error.message}`);
    process.exitCode = 2;
  });
}
