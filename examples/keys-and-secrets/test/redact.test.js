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
  // too short for a run of 8, and no word
  assert.equal(redact('key ab3$ is bad', ['ab3$']), 'key [redacted] is bad');
  assert.equal(redact('key hunter2! is bad', ['hunter2!']), 'key [redacted] is bad');
});

// A key, a text and what is shown of it
const WORDS = [
  ['test', 'no model mistral-large-latest', 'no model mistral-large-latest'],
  ['test', 'Incorrect API key: test. Models: test/a, a-test, test:8b, test.b, latest', 'Incorrect API key: [redacted]. Models: test/a, a-test, test:8b, test.b, latest'],
  ['test', 'key=TEST&x, "test", key:test', 'key=[redacted]&x, "[redacted]", key:[redacted]'],
  ['ollama', 'ollama/llama3 of ollama', 'ollama/llama3 of [redacted]'],
  ['EMPTY', 'the list is not empty-handed', 'the list is not empty-handed'],
  ['large', 'mistral-large-latest', 'mistral-large-latest'],
  ['gpt-4o-mini', 'no model gpt-4o-mini-2024-07-18', 'no model gpt-4o-mini-2024-07-18'],
  ['mistral-large-latest', 'mistral-large-latest-v2 is not mistral-large-2411', 'mistral-large-latest-v2 is not mistral-large-2411'],
  ['2023-06-01', 'claude-2023-06-01', 'claude-2023-06-01'],
  // a real key that has words in it
  ['sk-mistral-large-latest-Jd83hsPq71mNzWc5Ty', 'no mistral-large-latest for sk-mistral-large-latest-Jd83hsPq71mNzWc5Ty', 'no mistral-large-latest for [redacted]'],
  ['sk-proj-Jd83hsPq71mNzWc5Ty', 'yours is sk-proj-Jd…NzWc5Ty', 'yours is [redacted]…NzWc5Ty'],
  ['sk-proj-Jd83hsPq71mNzWc5Ty', 'yours is …mNzWc5Ty', 'yours is …[redacted]'],
  // how a key begins, though it is all words
  ['sk-proj-echo-063aJd83hsPq71mNzWc5Ty', 'ft:sk-proj-echo-063', 'ft:[redacted]'],
];

test('only what could be a key is taken out', () => {
  for (const [key, text, shown] of WORDS) assert.equal(redact(text, [key]), shown, key);
});

test('a key is taken out of what escapes its characters', () => {
  const odd = 'k+7/Qx"9&Zr=4\\Lm<2';
  const code = (character, text) => text(character.codePointAt(0));
  const spellings = [odd, encodeURIComponent(odd), encodeURIComponent(encodeURIComponent(odd)), encodeURIComponent(odd).toLowerCase(),
    JSON.stringify(odd).slice(1, -1), JSON.stringify(JSON.stringify(odd).slice(1, -1)).slice(1, -1), JSON.stringify(odd).slice(1, -1).replaceAll('/', '\\/'),
    odd.replace(/\W/g, (character) => code(character, (number) => `\\u00${number.toString(16)}`)),
    odd.replace(/\W/g, (character) => code(character, (number) => `&#${number};`)),
    odd.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')];
  for (const spelling of spellings) assert.equal(redact(`(${spelling})`, [odd]), '([redacted])', spelling);
});

test('an answer keeps its lines and its length; an error does not', () => {
  const text = `One\n\n  two \u202e${KEY}\n${'x'.repeat(1000)}`;
  assert.equal(redactor([KEY])(text, { lines: true, most: 20_000 }), `One\n\n  two [redacted]\n${'x'.repeat(1000)}`);
  assert.equal(redact(text, [KEY]).length, 301);
  // megabytes are not looked through
  assert.ok(redact('x'.repeat(50_000_000), [KEY]).length === 301);
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
