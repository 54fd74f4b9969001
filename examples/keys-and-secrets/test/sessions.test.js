// How long platform keys stay in memory

import assert from 'node:assert/strict';
import test from 'node:test';
import { Sessions } from '../src/sessions.js';

const MINUTE = 60 * 1000;

test('a session that nobody uses is forgotten after an hour', ({ mock }) => {
  // the clock and the timer, by hand
  let now = Date.now();
  let sweep;
  mock.method(Date, 'now', () => now);
  mock.method(globalThis, 'setInterval', (work) => {
    sweep = work;
    return { unref() {} };
  });
  const sessions = new Sessions({ secure: false });
  let cookie;
  const reply = { header: (name, value) => { [cookie] = value.split(';'); } };
  sessions.start(reply, 'sk-tarx-1', 'alice');
  sessions.start(reply, 'sk-tarx-2', 'bob');
  now += 40 * MINUTE;
  const request = { headers: { cookie } };
  assert.equal(sessions.of(request).userId, 'bob');
  now += 21 * MINUTE;
  sweep();
  assert.equal(sessions.size, 1);
  now += 40 * MINUTE;
  assert.equal(sessions.of(request), undefined);
  sweep();
  assert.equal(sessions.size, 0);
});

test('the oldest session makes room', () => {
  const sessions = new Sessions({ secure: false, most: 2 });
  const cookies = [];
  for (const user of ['alice', 'bob', 'carol']) {
    sessions.start({ header: (name, value) => cookies.push(value.split(';')[0]) }, 'sk-tarx-1', user);
  }
  assert.deepEqual(cookies.map((cookie) => sessions.of({ headers: { cookie } })?.userId), [undefined, 'bob', 'carol']);
});
