// What is taken out of providers' errors

import assert from 'node:assert/strict';
import test from 'node:test';
import { redact } from '../src/redact.js';

const KEY = 'sk-proj-abcDEF123+/=ghiJKL456';

test('a key is taken out of a text, however it is spelled', () => {
  const spellings = [KEY, KEY.toUpperCase(), encodeURIComponent(KEY), Buffer.from(KEY).toString('base64'),
    Buffer.from(KEY).toString('hex'), KEY.slice(0, 12), KEY.slice(5, 13), KEY.slice(-8)];
  for (const spelling of spellings) {
    assert.equal(redact(`key ${spelling} is bad`, [KEY]).replace(/=* is/, ' is'), 'key [redacted] is bad', spelling);
  }
  assert.equal(redact(`${KEY}${KEY} and ${KEY}`, [KEY]), '[redacted] and [redacted]');
  assert.equal(redact('key abcd is bad', ['abcd']), 'key [redacted] is bad');
});

test('the rest stays, on one line and not too long', () => {
  assert.equal(redact('Rate limit reached, try again in 2 s', [KEY]), 'Rate limit reached, try again in 2 s');
  assert.equal(redact('one\r\ntwo\u202ethree', [KEY]), 'one two three');
  assert.equal(redact('', [KEY]), '');
  const long = redact('x'.repeat(1000), [KEY]);
  assert.equal(long.length, 301);
  // what would be cut off is taken out before
  assert.ok(!redact(`${'x'.repeat(290)}${KEY}`, [KEY]).includes('sk-proj'));
});

test('characters that change their length with their case move nothing', () => {
  assert.equal(redact(`İİİİ ${KEY} İ`, [KEY]), 'İİİİ [redacted] İ');
});
