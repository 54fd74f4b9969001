// What providers answer: errors that come with 200, bytes of all kinds, lists that have an end.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { isAdmitted, isPublic } from '../src/addresses.js';
import { ProviderError, readJson, redactorOf } from '../src/answers.js';
import { converse } from '../src/console.js';
import { listModels, remarksOn } from '../src/models.js';
import { probe } from '../src/probe.js';

const KEY = 'sk-proj-not-a-real-key-Jd83hsPq71mNzWc5Ty';
const LIMITS = { timeLimitMs: 1500, allowPrivate: true };

// What the server says to everybody, or a function of the request that gives it
let answer;
const seen = [];
const server = createServer((request, response) => {
  seen.push(request);
  const { status = 200, headers = { 'content-type': 'application/json' }, body, raw } = typeof answer === 'function' ? answer(request) : answer;
  if (raw) {
    request.socket.end(raw);
    return;
  }
  response.writeHead(status, headers);
  response.end(body);
});
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
after(() => { server.closeAllConnections(); server.close(); });
const url = `http://127.0.0.1:${server.address().port}/models`;
const REQUEST = { method: 'GET', url, headers: { authorization: `Bearer ${KEY}` } };

function read(given) {
  answer = given;
  return readJson(REQUEST, { allowPrivate: true, redact: redactorOf(REQUEST.headers), signal: AbortSignal.timeout(LIMITS.timeLimitMs) });
}

const json = (body, rest = {}) => ({ body: JSON.stringify(body), ...rest });

// The body, what is told, and the status that the error names
const ERRORS = [
  [{ error: { message: 'No such model', type: 'invalid_request_error', code: null } }, ': No such model'],
  [{ error: 'No such model' }, ': No such model'],
  [{ error: { code: 401, message: `Bad key ${KEY}`, status: 'UNAUTHENTICATED' } }, ': Bad key [redacted]', 401],
  [{ error: { error: { message: 'deeper' }, status: 429 } }, ': deeper', 429],
  [{ error: { message: JSON.stringify({ error: { code: 402, message: 'in a text' } }) } }, ': in a text', 402],
  [{ error: { message: 'not { JSON' } }, ': not { JSON'],
  [[{ error: { code: 403, message: 'in a list' } }], ': in a list', 403],
  [{ success: false, errors: [{ code: 10000, message: 'Authentication error' }, 'another'], result: null }, ': Authentication error; another'],
  [{ success: false, message: 'no' }, ': no'],
  [{ ok: false, description: 'no' }, ': no'],
  [{ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, ': Overloaded'],
  [{ object: 'error', message: 'no', code: 400 }, ': no', 400],
  [{ status: 'error', detail: [{ loc: ['body'], msg: 'field required' }] }, ': field required'],
  [{ choices: [{ error: { code: 502, message: 'Upstream failed' }, message: { content: '' } }] }, ': Upstream failed', 502],
  [{ error: true }, ''],
  [{ data: [], error: { message: '', type: 'server_error' } }, ': server_error'],
];

for (const [body, told, status] of ERRORS) {
  test(`an error that comes with 200 is one: ${JSON.stringify(body)}`, async () => {
    await assert.rejects(read(json(body)), (error) => {
      assert.equal(error.message, `The provider answered 200 with an error${told === '' ? '.' : told}`);
      assert.equal(error.status, status);
      return true;
    });
  });
}

test('what is no error is none', async () => {
  for (const body of [{ data: [], error: null }, { error: {} }, { error: '', errors: [], success: true }, { error: { message: '', code: null } },
    [], [{ id: 'a' }], ['a'], { choices: [{ message: { content: 'error' } }], status: 'completed' }, 'text', 5, null]) {
    assert.deepEqual(await read(json(body)), body);
  }
});

test('what has another status is told by it', async () => {
  const cases = [
    [json({ detail: [{ msg: 'field required' }] }, { status: 422 }), '422: field required'],
    [json([{ error: { message: 'no' } }], { status: 400 }), '400: no'],
    [{ status: 401, body: `no: ${KEY}` }, '401: no: [redacted]'],
    [{ status: 500, headers: { 'content-type': 'text/html; charset=utf-8' }, body: `<h1>${KEY}</h1>` }, '500 with a web page.'],
    [{ status: 502, body: '<html><head><title>Bad gateway</title>' }, '502 with a web page.'],
    [{ status: 500, body: '<Error><Code>No</Code></Error>' }, '500.'],
    [{ status: 503, body: '' }, '503.'],
    [{ status: 302, headers: { location: '/' }, body: '' }, '302, a redirect, which is not followed.'],
  ];
  for (const [given, told] of cases) await assert.rejects(read(given), { message: `The provider answered ${told}`, status: given.status });
});

test('pages, nothing, and what is no JSON are told as such', async () => {
  const page = { message: 'The provider answered 200 with a web page. Look at the base URL of the key.' };
  await assert.rejects(read({ headers: { 'content-type': 'text/html' }, body: '<p>Sign in' }), page);
  await assert.rejects(read({ body: '\n<!DOCTYPE html><title>Sign in' }), page);
  await assert.rejects(read({ body: ' \n' }), { message: 'The provider answered 200 with nothing.' });
  await assert.rejects(read({ body: 'ok' }), { message: 'The provider’s answer is no JSON.' });
});

const LIST = { data: [{ id: 'modèle-1' }] };
const TEXT = JSON.stringify(LIST);
const encoded = (encoding, body) => ({ headers: { 'content-type': 'application/json', 'content-encoding': encoding }, body });
const typed = (type, body) => ({ headers: { 'content-type': type }, body });

const BYTES = {
  'a mark of UTF-8': { body: `\ufeff${TEXT}` },
  'a mark of UTF-16, little end first': { body: Buffer.from(`\ufeff${TEXT}`, 'utf16le') },
  'a mark of UTF-16, big end first': { body: Buffer.from(`\ufeff${TEXT}`, 'utf16le').swap16() },
  'a mark that says otherwise than the header': typed('application/json; charset=latin1', `\ufeff${TEXT}`),
  'latin1': typed('application/json; charset=ISO-8859-1', Buffer.from(TEXT, 'latin1')),
  'a charset in quotes': typed('application/json;charset="utf-16le"', Buffer.from(TEXT, 'utf16le')),
  'a charset that nobody knows': typed('application/json; charset=klingon', TEXT),
  'no type': { headers: {}, body: TEXT },
  'a type that is wrong': typed('text/plain', TEXT),
  gzip: encoded('gzip', gzipSync(TEXT)),
  'x-gzip': encoded('X-GZIP', gzipSync(TEXT)),
  deflate: encoded('deflate', deflateSync(TEXT)),
  'deflate without what should be in front': encoded('deflate', deflateRawSync(TEXT)),
  br: encoded('br', brotliCompressSync(TEXT)),
  'one in another': encoded('deflate, gzip', gzipSync(deflateSync(TEXT))),
  identity: encoded('identity', TEXT),
};

for (const [what, given] of Object.entries(BYTES)) {
  test(`bytes are read: ${what}`, async () => {
    assert.deepEqual(await read(given), LIST);
    assert.equal(seen.at(-1).headers['accept-encoding'], 'gzip, deflate, br');
  });
}

test('an error is read in such bytes, too', async () => {
  await assert.rejects(read({ ...encoded('br', brotliCompressSync(`\ufeff{"error": "Wrong key ${KEY}"}`)), status: 401 }),
    { message: 'The provider answered 401: Wrong key [redacted]' });
});

test('what is compressed otherwise, wrongly or too well is refused', async () => {
  await assert.rejects(read(encoded('zstd', 'x')), { message: 'The provider’s answer is compressed in a way that is not read here.' });
  const wrong = { message: 'The provider’s answer is compressed, and not as it says.' };
  await assert.rejects(read(encoded('gzip', TEXT)), wrong);
  await assert.rejects(read(encoded('gzip', gzipSync(TEXT).subarray(0, 30))), wrong);
  const bomb = gzipSync(`["${'a'.repeat(5_000_000)}"]`);
  assert.ok(bomb.length < 10_000);
  await assert.rejects(read(encoded('gzip', bomb)), { message: 'The provider’s answer is too long.' });
  await assert.rejects(read({ body: 'a'.repeat(5_000_000) }), { message: 'The provider’s answer is too long.' });
});

test('no answer is told by its name, for who tries the next key', async () => {
  await assert.rejects(readJson({ ...REQUEST, url: 'http://127.0.0.1:9/' }, { allowPrivate: true, signal: AbortSignal.timeout(500) }),
    { name: 'TimeoutError', message: 'The provider could not be reached.' });
});

// Lists of models

const models = (given, requests = [REQUEST]) => {
  answer = given;
  return listModels(requests, LIMITS);
};

test('models have their names where providers put them, and sort as people sort', async () => {
  const names = ['gpt-10', 'GPT-9', 'claude', 'gpt-9'];
  const bodies = [{ data: names.map((id) => ({ id })) }, names.map((id) => ({ id })), { models: names.map((name) => ({ name: `models/${name}` })) },
    { models: names.map((model) => ({ model })) }, { data: names }, { data: [...names.map((id) => ({ id })), null, 5, {}, { id: '' }] }];
  for (const body of bodies) {
    assert.deepEqual(await models(json(body)), { models: ['claude', 'gpt-9', 'GPT-9', 'gpt-10'], isCut: false, isCatalogue: false });
  }
  await assert.rejects(models(json({ hello: 'world' })), { message: 'The provider’s answer has no list of models.' });
  await assert.rejects(models(json(null)), { message: 'The provider’s answer has no list of models.' });
  await assert.rejects(models(json({ error: { message: 'no' } })), { message: 'The provider answered 200 with an error: no' });
});

test('a list that goes on behind its last page that is read says so', async () => {
  let pages = 0;
  const endless = ({ url: path }) => {
    pages += 1;
    return json({ data: [{ id: `model-${pages}` }], has_more: true, last_id: `model-${pages}`, path });
  };
  const list = await models(endless);
  assert.equal(pages, 20);
  assert.equal(list.models.length, 20);
  assert.ok(list.isCut);
  assert.deepEqual(remarksOn(list), ['The provider has more: these are the first 20.']);
});

test('a list whose next page cannot be found, or is the same, is cut and not asked for again', async () => {
  for (const body of [{ data: [{ id: 'a' }], has_more: true }, { models: [{ name: 'a' }], nextPageToken: 'again' }]) {
    seen.length = 0;
    const list = await models(json(body));
    assert.deepEqual([list.models, list.isCut], [['a'], true]);
    assert.ok(seen.length <= 2);
  }
});

test('where deployments are not listed, what is listed is called a catalogue', async () => {
  const requests = [{ ...REQUEST, url: `${url}/deployments` }, REQUEST];
  const list = await models(({ url: path }) => (path.endsWith('deployments') ? json({ error: { message: 'gone' } }, { status: 404 }) : json(LIST)), requests);
  assert.ok(list.isCatalogue);
  assert.match(remarksOn(list).join(), /does not list your deployments here.*catalogue.*a call names one of your deployments/);
  assert.ok(!(await models(json(LIST), requests)).isCatalogue);
  assert.deepEqual(remarksOn(await models(json({ data: [] }))), ['The provider lists no models for this key.']);
});

test('a word in place of a key leaves names as they are', async () => {
  const request = { ...REQUEST, headers: { authorization: 'Bearer test', 'anthropic-version': '2023-06-01' } };
  const names = ['claude-2023-06-01', 'mistral-large-latest', 'test-8b'];
  assert.deepEqual((await models(json({ data: names }), [request])).models, names);
});

test('of a list of many models the first ones are kept', async () => {
  const ids = Array.from({ length: 400_000 }, (_, i) => i.toString(36));
  const list = await models(encoded('gzip', gzipSync(JSON.stringify({ data: ids, has_more: true, last_id: 'more' }), { level: 1 })));
  assert.equal(list.models.length, 5000);
  assert.ok(list.isCut);
  assert.deepEqual(remarksOn(list), ['The provider has more: these are the first 5000.']);
  // no more than that over several pages
  let pages = 0;
  const paged = () => json({ data: ids.slice(3000 * pages, 3000 * (pages += 1)), has_more: true, last_id: String(pages) });
  assert.equal((await models(paged)).models.length, 5000);
  assert.equal(pages, 2);
});

// Answers of those who mean harm

const nested = (before, after, depth) => before.repeat(depth) + '""' + after.repeat(depth);

test('an answer of any form is read, or is the provider’s error', async () => {
  const bodies = ['null', '5', '"text"', '[]', '{"type":{"toString":1}}', '{"error":{"status":{"toString":1,"valueOf":1}}}',
    `{"error":${nested('[', ']', 200_000)}}`, `{"error":${nested('{"message":', '}', 100_000)}}`, nested('[', ']', 500_000), '{"choices":[null]}', '{"choices":null}'];
  for (const body of bodies) {
    answer = { body };
    const key = { provider: 'openai', request: { baseUrl: url, headers: REQUEST.headers } };
    await assert.rejects(converse(key, { model: 'm', message: 'Hello' }, LIMITS), { constructor: ProviderError }, body.slice(0, 40));
    await models({ body }).catch((error) => assert.equal(error.constructor, ProviderError, body.slice(0, 40)));
  }
});

test('an answer that changes the protocol is none, and is waited for as long as any', async () => {
  const raw = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n';
  await assert.rejects(read({ raw }), { name: 'TimeoutError', message: 'The provider did not answer in time.' });
  assert.equal((await tried({ raw })).outcome, 'timeout');
});

test('what is compressed many times is not read', async () => {
  const compressed = (times) => {
    let bytes = Buffer.from(JSON.stringify(LIST));
    for (let i = 0; i < times; i++) bytes = gzipSync(bytes);
    return encoded(Array(times).fill('gzip').join(', '), bytes);
  };
  assert.deepEqual(await read(compressed(3)), LIST);
  await assert.rejects(read(compressed(4)), { message: 'The provider’s answer is compressed in a way that is not read here.' });
});

// Addresses

test('metadata services are admitted by no setting, whichever way their address is written', () => {
  for (const address of ['169.254.169.254', '168.63.129.16', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254', 'fd00:42::42',
    '::ffff:169.254.169.254', '::a9fe:a9fe', '::ffff:0:a9fe:a9fe', '64:ff9b::a9fe:a9fe', '64:ff9b:1::c000:c0', '64:ff9b:1:5::a9fe:a9fe', '64:ff9b:1:2:3:4:169.254.1.1',
    '64:ff9b:1:a9fe:a9:fe00::', '2002:a9fe:a9fe::1', 'fd00:1:2::a9fe:a9fe', 'fd00::a9:fea9:fe00', 'a83f:8110::', '2001:0:1:2:3:4:5601:5601', 'fe80::1%eth0', 'name.example']) {
    assert.ok(!isAdmitted(address), address);
    assert.ok(!isPublic(address), address);
  }
  for (const address of ['10.0.0.1', '127.0.0.1', '100.100.100.201', '::1', '::ffff:10.0.0.1', 'fd20:ce::255', '64:ff9b::808:808', '64:ff9b:1:5::a9fd:a9fe', '1:2:3:4:5:6:7:a9fe', 'a9fe::a9fe', 'fd00::a9fe:1']) {
    assert.ok(isAdmitted(address), address);
    assert.ok(!isPublic(address), address);
  }
});

// Tests of keys

const tried = (given, method = 'GET') => {
  answer = given;
  return probe({ ...REQUEST, method }, LIMITS);
};

test('a key is not accepted by an answer that is an error', async () => {
  const unclear = (what) => ({ text: `The provider answered ${what}, which does not tell whether this key works.` });
  assert.deepEqual(await tried(json({ error: 'no such thing' })), unclear('200 with an error'));
  assert.deepEqual(await tried({ headers: { 'content-type': 'text/html' }, body: '<p>Sign in' }), unclear('200 with a web page'));
  assert.equal((await tried(json({ error: { code: 401, message: KEY } }))).outcome, 'rejected');
  assert.equal((await tried(json({ error: { code: 429 } }))).outcome, 'rate_limited');
  assert.equal((await tried(json({ error: { code: 422 } }), 'POST')).outcome, 'ok');
  for (const given of [json(LIST), { body: '' }, { body: 'OK' }, encoded('zstd', 'x'), { body: 'a'.repeat(5_000_000) }, { status: 204 }]) {
    assert.equal((await tried(given)).outcome, 'ok');
  }
});
