// What is taken out of providers' errors

import assert from 'node:assert/strict';
import test from 'node:test';
import { redactor } from '../src/redact.js';

const redact = (text, secrets) => redactor(secrets)(text);
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
  assert.equal(redact('\0one\r\n\ttwo\u202e three', [KEY]), 'one two three');
  assert.equal(redact('', [KEY]), '');
  const long = redact('x'.repeat(1000), [KEY]);
  assert.equal(long.length, 301);
  // what would be cut off is taken out before
  assert.ok(!redact(`${'x'.repeat(290)}${KEY}`, [KEY]).includes('sk-proj'));
});

test('a key is taken out of base64 with something before it', () => {
  for (const alphabet of ['base64', 'base64url']) {
    for (const before of ['', 'B', 'ab', 'Bearer ', 'user:']) {
      const shown = redact(Buffer.from(`${before}${KEY}`).toString(alphabet), [KEY]);
      assert.match(shown, /\[redacted\]/, `${alphabet} ${before}`);
      // what is left has none of the key
      const left = Buffer.from(shown.replace(/\[redacted\].*/, ''), 'base64').toString('latin1');
      assert.ok(`${before}s`.startsWith(left.slice(0, before.length)) && left.length <= before.length + 1, left);
    }
  }
});

test('what nobody sees does not part a key', () => {
  for (const between of ['\u200b', '\u00ad', '\u2060', '\ufe0f', '\ufeff', '\0', '\u0085', '\u{e0020}']) {
    assert.equal(redact(`key ${Array.from(KEY).join(between)} is bad`, [KEY]), 'key [redacted] is bad', between.codePointAt(0).toString(16));
  }
});

test('characters that change their length with their case move nothing', () => {
  assert.equal(redact(`İİİİ ${KEY} İ`, [KEY]), 'İİİİ [redacted] İ');
});
