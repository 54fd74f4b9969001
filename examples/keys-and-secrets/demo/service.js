// Starts the service as a process of its own, as it is in production.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const server = fileURLToPath(new URL('../src/server.js', import.meta.url));

// Its address, the log so far, and how to stop it
export async function startService(env = {}) {
  const child = spawn(process.execPath, [server], {
    env: { ...process.env, INSECURE_COOKIE: '1', ALLOW_PRIVATE_ADDRESSES: '1', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const service = { log: '', address: undefined, stop: () => stop(child) };
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  const address = new Promise((resolve) => {
    const read = (chunk) => {
      service.log += chunk;
      const [, found] = /Server listening at (http:[^"]+)/.exec(service.log) ?? [];
      if (found) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
  });
  service.address = await Promise.race([address, ended]);
  if (typeof service.address !== 'string') throw new Error(`the service did not start: ${service.log}`);
  return service;
}

async function stop(child) {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  child.kill('SIGTERM');
  await ended;
}
