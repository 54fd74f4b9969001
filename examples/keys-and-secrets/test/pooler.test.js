// Behind PgBouncer in transaction mode, with one server connection for each
// login: people who take turns on it see their own.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ids, PROJECTS, settings, signedIn, start } from './harness.js';

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
const skip = spawnSync('pgbouncer', ['--version'], { env }).status !== 0 && 'needs PgBouncer';

async function startPooler(directory) {
  const path = (name) => join(directory, name);
  writeFileSync(path('users'), ['app_web', 'app_models'].map((login) => `"${login}" ""\n`).join(''));
  writeFileSync(path('pgbouncer.ini'), `
[databases]
postgres = host=${process.env.PGHOST} port=${process.env.PGPORT ?? 5432}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = ${directory}
auth_type = trust
auth_file = ${path('users')}
pool_mode = transaction
default_pool_size = 1
`);
  const child = spawn('pgbouncer', [path('pgbouncer.ini')], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  const up = new Promise((resolve) => {
    child.stderr.on('data', (chunk) => { if (String(chunk).includes('process up')) resolve('up'); });
  });
  assert.equal(await Promise.race([up, ended]), 'up');
  return async () => {
    child.kill('SIGINT');
    await ended;
  };
}

test('behind a pooler in transaction mode', { skip }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tarx_pooler.'));
  const stop = await startPooler(directory);
  try {
    const { address } = await start({ PGHOST: directory, PGPORT: '6432' });
    const [alice, carol] = await Promise.all([signedIn('alice', address), signedIn('carol', address)]);
    for (let i = 0; i < 10; i++) {
      const [ofAlice, ofCarol] = await Promise.all([alice.get(settings('alice')), carol.get(settings('carol', '', PROJECTS.research))]);
      assert.match(ofAlice.text, /data-name="Claude"/);
      assert.match(ofCarol.text, /data-name="Lab"/);
      assert.doesNotMatch(ofCarol.text, /Claude/);
    }
    assert.equal((await alice.get(settings('alice', `/llm-keys/${ids.openai}/models`))).status, 200);
  } finally {
    await stop();
    rmSync(directory, { recursive: true });
  }
});
