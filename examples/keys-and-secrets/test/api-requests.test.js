// The API, asked by who is not who they should be, and as nobody should ask

import assert from 'node:assert/strict';
import test from 'node:test';
import { as as asUser, logged, newPerson, newValue, PROJECTS, settings, signedIn, start, tokens } from './harness.js';
import { as, asJson, assertProblem, clientOf, document, operations, people, raw } from './api.js';
import { problemOf } from '../src/api/problems.js';
import { Turns } from '../src/api/turns.js';
import { isUnavailable } from '../src/errors.js';

const { alice } = people;
const wrong = `sk-tarx-${'a'.repeat(49)}`;

test('without a right platform key there is 401, and what to send', async () => {
  const { headers: { cookie } } = await signedIn('alice');
  const none = [undefined, 'Basic YWxpY2U6eA==', 'Bearer', 'Bearer ', tokens.alice, `Token ${tokens.alice}`];
  for (const authorization of none) {
    const headers = { 'x-project-id': PROJECTS.support, cookie, ...(authorization === undefined ? {} : { authorization }) };
    const refused = await raw('GET', '/llm-keys', { headers });
    assertProblem(refused, 401, 'unauthorized', authorization);
    assert.equal(refused.headers['www-authenticate'], 'Bearer realm="tarx_keys"');
    assert.equal(refused.headers['set-cookie'], undefined);
  }
  for (const token of [wrong, tokens.alice.slice(0, -1), `${tokens.alice}x`, 'x', 'x'.repeat(9000), `${tokens.alice},`, '../../x', '\xff\xfe']) {
    const refused = await raw('GET', '/llm-keys', { headers: { ...as('alice'), authorization: `Bearer ${token}` } });
    assertProblem(refused, 401, 'TK010', token);
    assert.equal(refused.headers['www-authenticate'], 'Bearer realm="tarx_keys", error="invalid_token"');
  }
  // the scheme is of any case; a cookie beside a token counts for nothing
  assert.equal((await raw('GET', '/llm-keys', { headers: { ...as('bob'), authorization: `bearer  ${tokens.bob}`, cookie } })).status, 200);
  const me = await raw('GET', '/me', { headers: { ...as('bob'), cookie } });
  assert.deepEqual([me.data.user_id, me.headers['set-cookie']], ['bob', undefined]);
});

test('of two tokens none counts, and of two projects none', async () => {
  const twice = (name, ...values) => ({ ...as('alice'), [name]: values });
  assertProblem(await raw('GET', '/me', { headers: twice('authorization', `Bearer ${tokens.alice}`, `Bearer ${tokens.bob}`) }), 401, 'unauthorized');
  const { support, research } = PROJECTS;
  assertProblem(await raw('GET', '/llm-keys', { headers: twice('x-project-id', support, research) }), 400, 'invalid_request');
  assertProblem(await raw('GET', '/llm-keys', { headers: twice('x-project-id', support, support) }), 400, 'invalid_request');
});

test('a token in an address is not read, and not logged', async () => {
  assert.equal((await raw('GET', `/me?access_token=${tokens.alice}`)).status, 401);
  assert.equal((await raw('GET', `/me#${tokens.alice}`)).status, 401);
  const escaped = Array.from(tokens.alice, (character) => `%${character.charCodeAt(0).toString(16)}`).join('');
  assert.equal((await raw('GET', `/llm-keys/${escaped}`, { headers: as('alice') })).status, 404);
  assert.equal((await raw('GET', `/llm-keys/sk%2Dtarx%2d${tokens.alice.slice(8)}`, { headers: as('alice') })).status, 404);
  assert.equal((await raw('GET', `/llm-keys/${tokens.alice}`, { headers: as('alice') })).status, 404);
});

test('the project is asked for, and must be one', async () => {
  const { 'x-project-id': project, ...headers } = as('alice');
  const missing = await raw('GET', '/llm-keys', { headers });
  assertProblem(missing, 400, 'invalid_request');
  assert.equal(missing.data.field, 'X-Project-ID');
  for (const odd of ['', 'x', `urn:uuid:${project}`, `{${project}}`, `${project}' OR 1=1`]) {
    assertProblem(await raw('GET', '/llm-keys', { headers: { ...headers, 'x-project-id': odd } }), 400, 'invalid_request', odd);
  }
  assert.equal((await raw('GET', '/llm-keys', { headers: { ...headers, 'x-project-id': project.toUpperCase() } })).status, 200);
  // who asks of themselves is in no project
  assert.equal((await raw('GET', '/projects', { headers: { ...headers, 'x-project-id': 'x' } })).status, 200);
});

test('what is no request of the document is refused', async () => {
  const bodies = ['', '{', 'null', '[]', '"x"', '1', '{}', '{"name":1}', '{"name":["x"]}', '{"name":"x","extra":1}', '{"name":"x","__proto__":{}}',
    '{"name":"\\u0000"}', '{"name":"a\\ud800"}', '{"name":"x","user_api_key_id":"x"}', '{"name":"x","user_api_key_id":null}', Buffer.from('{"name":"\xff"}', 'latin1'),
    `{"name":${'['.repeat(5000)}`, `{"name":"${'x'.repeat(101)}"}`];
  for (const body of bodies) {
    assertProblem(await raw('POST', '/agents', { headers: asJson('alice'), body }), 400, 'invalid_request', String(body).slice(0, 60));
  }
  // what is unknown is told by its name only if it looks like one
  const pasted = newValue();
  const refused = await raw('POST', '/agents', { headers: asJson('alice'), body: JSON.stringify({ name: 'x', [pasted]: 1 }) });
  assert.ok(!refused.text.includes(pasted));
  const unsealed = await raw('POST', '/llm-keys', { headers: asJson('alice'), body: JSON.stringify({ provider: 'openai', name: 'x', key_value: pasted, sealed: 'ab'.repeat(60) }) });
  assertProblem(unsealed, 400, 'invalid_request');
  assert.match(unsealed.data.hint, /sealed.*\/sealing-key/);
  assert.ok(!unsealed.text.includes(pasted));
});

test('only JSON is read, up to a size', async () => {
  const body = '{"name":"x"}';
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/problem+json', 'multipart/form-data; boundary=x', 'nonsense']) {
    assertProblem(await raw('POST', '/agents', { headers: { ...asJson('alice'), 'content-type': type }, body }), 415, 'unsupported_media_type', type);
  }
  assertProblem(await raw('POST', '/agents', { headers: as('alice'), body }), 415, 'unsupported_media_type');
  assertProblem(await raw('POST', '/agents', { headers: { ...asJson('alice'), 'content-encoding': 'gzip' }, body }), 415, 'unsupported_media_type');
  const large = JSON.stringify({ name: 'x'.repeat(170_000) });
  assertProblem(await raw('POST', '/agents', { headers: asJson('alice'), body: large }), 413, 'too_large');
  assertProblem(await raw('POST', '/agents', { headers: { ...asJson('alice'), 'transfer-encoding': 'chunked' }, body: large }), 413, 'too_large');
  // who sends none of a kind that is refused is told so before it is read
  assertProblem(await raw('POST', '/agents', { headers: { 'content-type': 'application/json' }, body: large }), 401, 'unauthorized');
  assertProblem(await raw('DELETE', '/agents/00000000-0000-4000-8000-000000000000', { headers: asJson('alice'), body }), 400, 'invalid_request');
});

test('every text of a request that cannot be stored is refused', async () => {
  const last = ({ $ref: ref = '' }) => ref.split('/').at(-1);
  let tried = 0;
  for (const { path, method, requestBody } of operations.filter((operation) => operation.requestBody)) {
    const schema = document.components.schemas[last(requestBody.content['application/json'].schema)];
    assert.equal(schema.additionalProperties, false, path);
    const url = path.replace('{name}', 'NOTHING').replace('{user_id}', 'nobody').replace(/\{\w+\}/, '00000000-0000-4000-8000-000000000000');
    for (const name of Object.keys(schema.properties)) {
      for (const odd of ['\\u0000', 'x\\ud800', '\\udc00x']) {
        const refused = await raw(method.toUpperCase(), url, { headers: asJson('alice'), body: `{"${name}":"${odd}"}` });
        assertProblem(refused, 400, 'invalid_request', `${path} ${name}`);
        tried += 1;
      }
    }
  }
  assert.ok(tried > 60);
});

test('addresses that nothing has', async () => {
  const headers = as('alice');
  for (const path of ['/nowhere', '/', '', '/llm-keys/', '/llm-keys/x', '/llm-keys/x/test', '/agents/..%2f..', '/secrets/%00', '/secrets/1X', '/llm-keys/00000000-0000-4000-8000-00000000000', '/platform-keys/x']) {
    assertProblem(await raw('GET', path, { headers }), path === '/llm-keys/x/test' ? 405 : 404, path === '/llm-keys/x/test' ? 'method_not_allowed' : 'not_found', path);
  }
  const unreadable = await raw('GET', '/secrets/%zz', { headers });
  assertProblem(unreadable, 400, 'invalid_request');
  assert.deepEqual([unreadable.headers['cache-control'], unreadable.headers['x-content-type-options']], ['no-store', 'nosniff']);
  assertProblem(await raw('GET', `/secrets/${'x'.repeat(3000)}`, { headers }), 414, 'too_large');
  assertProblem(await raw('PUT', '/secrets/1X', { headers: asJson('alice'), body: `{"sealed":"${'ab'.repeat(50)}"}` }), 400, 'invalid_request');
  for (const query of ['limit=0', 'limit=101', 'limit=Infinity', 'limit=-Infinity', 'limit=1e999', 'limit=x', 'limit=1.5', 'limit=', 'limit=1&limit=2', 'nonesuch=1', 'cursor=', 'cursor=x', 'cursor=%00', 'name=%00',
    ...['[]', '["x","y"]', '[1,2]', '["2026-01-01","x"]', '["9999999-01-01","00000000-0000-4000-8000-000000000000"]', '["\\u0000","x"]', '{}'].map((text) => `cursor=${Buffer.from(text).toString('base64url')}`)]) {
    assertProblem(await raw('GET', `/llm-keys?${query}`, { headers }), 400, 'invalid_request', query);
  }
  assertProblem(await raw('GET', '/audit?object_id=x', { headers }), 400, 'invalid_request');
});

test('HEAD, OPTIONS and other methods', async () => {
  const headers = as('alice');
  const head = await raw('HEAD', '/llm-keys', { headers });
  assert.deepEqual([head.status, head.text], [200, '']);
  assert.equal((await raw('HEAD', '/llm-keys')).status, 401);
  const options = await raw('OPTIONS', '/llm-keys', { headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' } });
  assert.deepEqual([options.status, options.headers.allow], [204, 'GET, POST, HEAD, OPTIONS']);
  assert.ok(!Object.keys({ ...options.headers, ...(await raw('GET', '/me', { headers: { ...headers, origin: 'https://elsewhere.example' } })).headers })
    .some((name) => name.startsWith('access-control-')));
  for (const [method, path] of [['PUT', '/llm-keys'], ['DELETE', '/audit'], ['POST', '/me'], ['GET', '/runs'], ['TRACE', '/me'], ['POST', '/openapi.json']]) {
    const refused = await raw(method, path, { headers });
    assertProblem(refused, 405, 'method_not_allowed', `${method} ${path}`);
    assert.match(refused.headers.allow, /OPTIONS/);
  }
});

test('the page is as it was: no API there, and no page here', async () => {
  const page = await fetch(`${(await signedIn('alice')).address}/api/v2/me`);
  assert.match(page.headers.get('content-type'), /html/);
  const person = await signedIn('alice');
  assert.equal((await person.get(settings('alice'), { authorization: `Bearer ${tokens.bob}` })).status, 200);
  const withToken = await fetch(person.address + settings('alice'), { headers: { authorization: `Bearer ${tokens.alice}` }, redirect: 'manual' });
  assert.equal(withToken.status, 303);
});

test('a token has so many requests a minute; others are not held up', async () => {
  const { address } = await start({ API_REQUESTS_PER_MINUTE: '5' });
  const [of, other] = await Promise.all([tokens.alice, tokens.bob].map((token) => clientOf(token, { address })));
  const statuses = [];
  for (let i = 0; i < 7; i++) statuses.push((await of.listLlmKeys()).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429]);
  const refused = await of.getMe();
  assertProblem(refused, 429, 'too_many_requests');
  assert.ok(Number(refused.headers['retry-after']) <= 60);
  assert.equal((await other.getMe()).headers['x-ratelimit-remaining'], '4');
});

test('an address may ask for the document so many times a minute', async () => {
  const { address } = await start({ REQUESTS_PER_MINUTE: '2' });
  const ask = () => raw('GET', '/openapi.json', { address });
  assert.deepEqual([(await ask()).status, (await ask()).status], [200, 200]);
  const refused = await ask();
  assertProblem(refused, 429, 'too_many_requests');
  assert.ok(Number(refused.headers['retry-after']) <= 60);
});

test('who tries wrong tokens is held up, and not who uses a right one at the same address', async () => {
  const { address } = await start({ SIGN_INS_PER_MINUTE: '3' });
  const [right, late] = await Promise.all([tokens.alice, tokens.bob].map((token) => clientOf(token, { address })));
  assert.equal((await right.getMe()).status, 200);
  const attempts = [];
  for (let i = 0; i < 5; i++) attempts.push(await (await clientOf(`sk-tarx-${String(i).repeat(49)}`, { address })).getMe());
  assert.deepEqual(attempts.map(({ status }) => status), [401, 401, 401, 429, 429]);
  assert.ok(Number(attempts[4].headers['retry-after']) <= 60);
  assert.equal((await right.getMe()).status, 200);
  // as at the sign-in
  assert.equal((await late.getMe()).status, 429);
});

test('nor does it help to try many at once, while a right one waits its turn', async () => {
  const started = await start({ SIGN_INS_PER_MINUTE: '3', POOL_SIZE: '10' });
  const { address } = started;
  const ask = (token) => raw('GET', '/me', { headers: { authorization: `Bearer ${token}` }, address });
  const many = (count, token) => Promise.all(Array.from({ length: count }, (_, i) => ask(token(i))));
  const right = await many(30, () => tokens.alice);
  assert.deepEqual(right.filter(({ status }) => status !== 200), []);
  const answers = await many(60, (i) => `sk-tarx-${String(100 + i).repeat(17).slice(0, 49)}`);
  assert.deepEqual([401, 429].map((status) => answers.filter((answer) => answer.status === status).length), [3, 57]);
  assert.equal((await ask(tokens.alice)).status, 200);
  assert.doesNotMatch(started.log, /"level":50/);
});

test('a key that is revoked meanwhile ends at the next request', async () => {
  await newPerson('dora');
  const dora = await clientOf(tokens.dora);
  assert.equal((await dora.getMe()).status, 200);
  const { data: { data: [{ id }] } } = await dora.listPlatformKeys();
  await asUser('dora', 'SELECT tarx_keys.revoke_platform_key($1)', [id]);
  assertProblem(await dora.getMe(), 401, 'TK010');
});

test('what PostgreSQL cannot read is 422, in words of ours', async () => {
  for (const odd of ['2027-01-01T00:00:00+23:59', '0000-01-01T00:00:00Z', `2027-01-01T00:00:00.${'1'.repeat(500)}Z`]) {
    const refused = await alice.createPlatformKey({}, { name: 'Odd', expires_at: odd });
    assert.equal(refused.status, 422, odd);
    assert.match(refused.data.detail, /^A (value|date) is /);
  }
});

test('a connection that is lost is 503', () => {
  for (const message of ['Connection terminated unexpectedly', 'Connection terminated due to connection timeout', 'Client has encountered a connection error and is not queryable', 'timeout exceeded when trying to connect']) {
    assert.deepEqual([problemOf(new Error(message), {}).status, isUnavailable(new Error(message))], [503, true], message);
  }
  assert.equal(problemOf(new TypeError('x is not a function'), {}).status, 500);
});

test('turns are taken one after the other, but not for ever', async () => {
  const turns = new Turns(50);
  const [first, other] = await Promise.all([turns.enter('a'), turns.enter('b')]);
  const second = turns.enter('a');
  first();
  const leave = await second;
  assert.equal(await turns.enter('a'), undefined);
  const last = turns.enter('a');
  [leave, leave, other].forEach((each) => each());
  (await last)();
  await new Promise(setImmediate);
  assert.equal(turns.size, 0);
});

test('a database that fails is 503, without its words', async () => {
  const broken = await start({ PGHOST: '/nonexistent' });
  const refused = await (await clientOf(tokens.alice, { address: broken.address })).getMe();
  assertProblem(refused, 503, 'unavailable');
  assert.equal(refused.headers['retry-after'], '1');
  await logged(broken, /"code":"ENOENT".*"msg":"request failed"/);
  assert.ok(!broken.log.includes(tokens.alice));
});
