// Last: what all of the tests have left behind in logs

import assert from 'node:assert/strict';
import test from 'node:test';
import { KEYS, serverLog, service, tokens } from './harness.js';

test('the service’s log has requests, and neither values nor platform keys', () => {
  assert.match(service.log, /"url":"\/alice\/settings\/llm-keys/);
  assert.match(service.log, /"url":"\/api\/v1\/llm-keys\/\[redacted\]"/);
  for (const value of [...Object.values(KEYS).map(([, key]) => key), ...Object.values(tokens)]) assert.ok(!service.log.includes(value));
  assert.doesNotMatch(service.log.replace(/%[0-7][0-9a-f]/gi, decodeURIComponent), /sk-tarx-|tarx-run-|sk-proj-|not-?a-?real|csrf|session=/);
});

test('the database’s log has none either', () => {
  // though every statement is there, or that there was one
  assert.match(serverLog(), /SELECT tarx_keys\.act_as\(\$1\)/);
  assert.match(serverLog(), /execute: <redacted: tarx_keys\.add_sealed_llm_key>/);
  assert.match(serverLog(), /execute: <redacted: tarx_keys\.login>/);
  assert.match(serverLog(), /<redacted: tarx_keys\.enter_run>/);
  assert.doesNotMatch(serverLog(), /sk-tarx-|tarx-run-|sk-proj-|not-?a-?real/);
});

test('but each ticket has a line there, with who issued it', () => {
  assert.match(serverLog(), /event=issue_run_ticket outcome=allowed .*login=app_web role=\S+ user=bob .*run=[-0-9a-f]{36}/);
  assert.match(serverLog(), /event=issue_run_ticket outcome=refused .*sqlstate=42501/);
});
