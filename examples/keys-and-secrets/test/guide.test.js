// What the guide promises: "make example" shows the service and leaves nothing
// behind, and the files that the guide refers to exist.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Person } from './harness.js';

const guide = new URL('../README.md', import.meta.url);
const script = fileURLToPath(new URL('../../../test/example', import.meta.url));

// As a terminal starts it: Ctrl+C goes to the whole process group.
function startExample(directory) {
  const child = spawn('bash', [script, '--inside'],
    { detached: true, env: { ...process.env, TMPDIR: directory, PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const example = { output: '', pressCtrlC: () => process.kill(-child.pid, 'SIGINT') };
  example.ended = new Promise((resolve) => { child.once('exit', (code) => resolve(code)); });
  example.ready = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        example.output += chunk;
        if (example.output.includes('Ctrl+C ends')) resolve('ready');
      });
    }
  });
  return example;
}

test('make example shows the service, and Ctrl+C removes everything', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tarx_guide.'));
  const example = startExample(directory);
  let code;
  try {
    assert.equal(await Promise.race([example.ready, example.ended]), 'ready', example.output);
    const { output } = example;
    const [, address] = /The settings page: +(http:\S+)/.exec(output);
    const tokens = output.match(/sk-tarx-[0-9A-Za-z]{49}/g);
    assert.equal(tokens.length, 2);
    for (const [i, role] of ['an admin', 'a member'].entries()) {
      const person = new Person(address);
      assert.equal((await person.signIn(tokens[i])).status, 303);
      assert.match((await person.get(person.home)).text, new RegExp(`You are ${role} of this project`));
    }
    assert.equal(readdirSync(directory).length, 1);
  } finally {
    example.pressCtrlC();
    // should it not end by itself, it is ended all the same
    const again = setTimeout(example.pressCtrlC, 20_000);
    code = await example.ended;
    clearTimeout(again);
  }
  assert.equal(code, 0, example.output);
  assert.deepEqual(readdirSync(directory), []);
  rmSync(directory, { recursive: true });
});

test('what the guide refers to exists', () => {
  const targets = Array.from(readFileSync(guide, 'utf8').matchAll(/\]\(([^)#]+)/g), ([, target]) => target).filter((target) => !target.startsWith('https://'));
  assert.ok(targets.length > 0);
  for (const target of targets) assert.ok(existsSync(new URL(target, guide)), target);
});
