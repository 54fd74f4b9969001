// The README's walk through the API runs as it stands there, and prints what it says.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serverLog, service, tokens } from './harness.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const [section] = readme.split('### From the command line\n')[1].split(/^## /m);
const blocks = (language) => Array.from(section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')), ([, text]) => text);

test('the walk from the command line', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tarx_walk.'));
  symlinkSync(fileURLToPath(new URL('../../', import.meta.url)), join(directory, 'examples'));
  const value = `notarealkey${Math.random().toString(36).slice(2)}efgh`;
  try {
    const { stdout, stderr } = await promisify(execFile)('bash', ['--norc', '-euo', 'pipefail', '-c', blocks('sh').join('\n')], {
      cwd: directory,
      env: { PATH: process.env.PATH, TMPDIR: directory, API: `${service.address}/api/v1`, TOKEN: tokens.alice, VALUE: value },
    });
    assert.equal(stderr, '');
    assert.deepEqual([stdout], blocks('text'));
    assert.ok(![service.log, serverLog()].some((log) => log.includes(value)));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
