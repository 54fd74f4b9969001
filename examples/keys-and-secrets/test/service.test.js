// The service over HTTP: who may what, what it answers, what it refuses before
// the database has to.

import assert from 'node:assert/strict';
import test from 'node:test';
import { createRequire } from 'node:module';
import { sealLlmKey, sealReplacement, sealSecret } from '../../client/sealing.js';
import { as, asRunner, ids, logged, newPerson, newValue, Person, PROJECTS, service, settings, signedIn, start, tokens } from './harness.js';

const sodium = createRequire(new URL('../package.json', import.meta.url))('libsodium-wrappers');
const [{ public_key: publicKey }] = await as('alice', 'SELECT public_key FROM tarx_keys.sealing_public_key()');
const base64 = (bytes) => Buffer.from(bytes).toString('base64');

const usual = new Map((await as('alice', 'SELECT slug, default_base_url FROM tarx_keys.providers'))
  .map((provider) => [provider.slug, provider.default_base_url]));
const boxFor = async (fields) => base64(await sealLlmKey(sodium, publicKey, {
  projectId: PROJECTS.support, destination: fields.baseUrl ?? usual.get(fields.provider) ?? 'https://none.example', ...fields,
}));

const replacementFor = async (oldKeyId, provider, value, options = {}) =>
  base64(await sealReplacement(sodium, publicKey, { projectId: PROJECTS.support, oldKeyId, provider, destination: usual.get(provider), options, value }));

// The text of the problem at a field
function problemAt(page, form, name) {
  return new RegExp(`id="${form}-${name}-problem">([^<]*)<`).exec(page.text)?.[1];
}

// The page has a problem, at this field only. What it says is the database's matter.
function assertProblemAt(page, form, name) {
  assert.match(problemAt(page, form, name) ?? '', /\w/, `${form}, ${name}`);
  assert.match(page.text, new RegExp(`id="${form}-${name}"[^>]*aria-invalid="true"`));
  assert.equal(page.text.match(/class="problem"/g).length, 1, `${form}, ${name}`);
}

// The page has a problem that is at no field
function assertProblem(page, context) {
  assert.match(page.text, /class="problem" role="alert">\w/, context);
  assert.doesNotMatch(page.text, /aria-invalid/, context);
}

test('every answer has the headers of a page that nobody frames', async () => {
  const alice = await signedIn('alice');
  for (const path of ['/', alice.home, '/nowhere', '/assets/app.js']) {
    const { headers } = await alice.get(path);
    const policy = headers.get('content-security-policy');
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'same-origin');
  }
  assert.equal((await alice.get(alice.home)).headers.get('cache-control'), 'no-store');
});

test('the cookie has a session, not the key, and is out of reach for scripts', async () => {
  const person = new Person();
  const response = await person.signIn(tokens.alice);
  const cookie = response.headers.get('set-cookie');
  assert.match(cookie, /^session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  const https = await start({ INSECURE_COOKIE: '' });
  const secure = await new Person(https.address).signIn(tokens.alice);
  assert.match(secure.headers.get('set-cookie'), /^__Host-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/);
  assert.match(secure.headers.get('strict-transport-security'), /max-age/);
});

test('a wrong key does not sign in', async () => {
  for (const token of ['', 'sk-tarx-wrong', `${tokens.alice.slice(0, -1)}_`]) {
    const response = await new Person().signIn(token);
    assert.equal(response.status, 401);
    assert.match(problemAt(response, 'sign-in', 'token'), /wrong, expired or revoked/);
    assert.equal(response.headers.get('set-cookie'), null);
  }
});

// The sign-in page, with the way back
const SIGN_IN = /^\/\?(why=\w+&)?to=%2Falice%2Fsettings/;

test('without a session there is only the sign-in page', async () => {
  const nobody = new Person();
  assert.match((await nobody.get(settings('alice'))).headers.get('location'), SIGN_IN);
  assert.equal((await nobody.post(settings('alice', '/llm-keys'), {})).status, 401);
  nobody.headers.cookie = `session=${'A'.repeat(43)}`;
  assert.match((await nobody.get(settings('alice'))).headers.get('location'), SIGN_IN);
});

test('signing out ends the session', async () => {
  const alice = await signedIn('alice');
  assert.equal((await alice.post('/sign-out', {})).status, 303);
  assert.match((await alice.get(settings('alice'))).headers.get('location'), SIGN_IN);
});

test('a page of somebody else, or of a project that one is not in, is not there', async () => {
  const bob = await signedIn('bob');
  for (const path of [settings('alice'), settings('bob', '', PROJECTS.research), settings('bob', '', 'x'),
    settings('bob', '/agents', PROJECTS.research), settings('bob', `/llm-keys/${ids.openai}/models`, PROJECTS.research),
    settings('bob', `/llm-keys/${PROJECTS.support}/models`), settings('bob', '/llm-keys/x/delete'), settings('bob', '/secrets/NONE/delete')]) {
    assert.equal((await bob.get(path)).status, 404, path);
  }
});

test('what the page hides from members, the service refuses', async () => {
  const bob = await signedIn('bob');
  for (const path of [`/llm-keys/${ids.mistral}/delete`, `/llm-keys/${ids.mistral}/replace`]) {
    assert.equal((await bob.get(settings('bob', path))).status, 404, path);
  }
  const value = newValue();
  const fields = { provider: 'openai', name: 'By Bob' };
  const calls = {
    '/llm-keys': { ...fields, sealed: await boxFor({ ...fields, value }) },
    [`/llm-keys/${ids.mistral}/delete`]: {},
    [`/llm-keys/${ids.mistral}/state`]: { enabled: '0' },
    [`/llm-keys/${ids.mistral}/replace`]: { sealed: await replacementFor(ids.mistral, 'mistral', value) },
  };
  for (const [path, form] of Object.entries(calls)) {
    const response = await bob.post(settings('bob', path), form);
    assert.equal(response.status, 403, path);
    assertProblem(response, path);
  }
  const keys = await as('alice', 'SELECT name, state FROM tarx_keys.llm_keys WHERE project_id = $1', [PROJECTS.support]);
  assert.ok(keys.some(({ name, state }) => name === 'Mistral' && state === 'enabled') && keys.every(({ name }) => name !== 'By Bob'));
});

test('a form of another site, or of another session, does nothing', async () => {
  const alice = await signedIn('alice');
  const path = settings('alice', '/agents');
  const form = { name: 'Forged' };
  const other = await signedIn('alice');
  assert.equal((await alice.post(path, form, { 'sec-fetch-site': 'cross-site' })).status, 403);
  assert.equal((await alice.post(path, form, { 'sec-fetch-site': 'same-site' })).status, 403);
  assert.equal((await alice.post(path, { ...form, csrf: '' })).status, 403);
  assert.equal((await alice.post(path, { ...form, csrf: other.csrf })).status, 403);
  delete alice.headers['sec-fetch-site'];
  assert.equal((await alice.post(path, form)).status, 403);
  assert.equal((await alice.post(path, form, { origin: 'https://evil.example' })).status, 403);
  assert.equal((await alice.post(path, form, { origin: 'null' })).status, 403);
  assert.equal((await new Person().post('/sign-in', { token: tokens.alice }, { 'sec-fetch-site': 'cross-site' })).status, 403);
  const agents = await as('alice', "SELECT FROM tarx_keys.agents WHERE name = 'Forged'");
  assert.equal(agents.length, 0);
  assert.equal((await alice.post(path, { name: 'Own' }, { origin: service.address })).status, 303);
});

test('requests have a size and a form', async () => {
  const alice = await signedIn('alice');
  assert.equal((await alice.post(settings('alice', '/llm-keys'), { name: 'x'.repeat(40_000) })).status, 413);
  assert.equal((await alice.post(settings('alice', '/secrets/set'), { name: 'x'.repeat(200_000) })).status, 413);
  const json = await alice.request(settings('alice', '/agents'), { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } });
  assert.equal(json.status, 415);
  assert.equal((await alice.request(settings('alice', '/agents'), { method: 'POST' })).status, 415);
});

test('sign-ins and requests have a rate', async () => {
  const strict = await start({ SIGN_INS_PER_MINUTE: '2', REQUESTS_PER_MINUTE: '5' });
  const nobody = new Person(strict.address);
  const states = [];
  for (let i = 0; i < 3; i++) states.push((await nobody.post('/sign-in', { token: 'x' })).status);
  assert.deepEqual(states, [401, 401, 429]);
  const pages = [];
  for (let i = 0; i < 6; i++) pages.push((await nobody.get('/')).status);
  assert.equal(pages.at(-1), 429);
});

test('behind a proxy the rate is of the address that the proxy has seen, whatever clients say of themselves', async () => {
  const behind = await start({ TRUST_PROXY: '127.0.0.1', SIGN_INS_PER_MINUTE: '1' });
  const nobody = new Person(behind.address);
  const signIn = (from) => nobody.post('/sign-in', { token: 'x' }, { 'x-forwarded-for': from });
  const states = [];
  for (const from of ['10.9.9.1, 192.0.2.7', '10.9.9.2, 192.0.2.7', '192.0.2.7', '192.0.2.8']) states.push((await signIn(from)).status);
  assert.deepEqual(states, [401, 429, 429, 401]);
});

test('a service that is told how many proxies there are does not start', async () => {
  for (const proxies of ['1', 'true', '127.0.0.1, 1', '10.0.0.0/8,']) {
    await assert.rejects(start({ TRUST_PROXY: proxies }), /TRUST_PROXY has something else than the addresses of proxies/);
  }
  await start({ TRUST_PROXY: 'loopback, 10.0.0.0/8, fd00::/8' });
});

test('of several values of one name in an address the last one counts', async () => {
  const alice = await signedIn('alice');
  const page = await alice.get(`${settings('alice', '/agents')}&q=other&q=Answer`);
  assert.equal(page.status, 200);
  assert.match(page.text, /name="q" type="search" value="Answer"/);
});

test('who guesses keys at sign-in disturbs nobody, and a right key signs in at once', async () => {
  const alice = await signedIn('alice');
  const guesses = Array.from({ length: 200 }, (_, i) => new Person().signIn(i % 2 ? 'sk-tarx-wrong' : `sk-tarx-${'0'.repeat(49)}`));
  const bob = new Person().signIn(tokens.bob);
  assert.equal((await alice.get(settings('alice'))).status, 200);
  assert.equal((await alice.post(settings('alice', '/agents'), { name: 'Undisturbed' })).status, 303);
  assert.equal((await bob).status, 303);
  for (const guess of guesses) assert.equal((await guess).status, 401);
  assert.equal((await new Person().signIn(tokens.bob)).status, 303);
});

test('a key that is revoked ends its session', async () => {
  const [{ id, token }] = await as('alice', "SELECT id, token FROM tarx_keys.create_platform_key('ends')");
  const ended = new Person();
  await ended.signIn(token);
  assert.equal((await ended.get(settings('alice'))).status, 200);
  await as('alice', 'SELECT tarx_keys.revoke_platform_key($1)', [id]);
  assert.match((await ended.get(settings('alice'))).headers.get('location'), SIGN_IN);
});

test('so they do in the other forms', async () => {
  const alice = await signedIn('alice');
  const sealed = base64(await sealSecret(sodium, publicKey, { projectId: PROJECTS.support, name: 'NEW', value: newValue() }));
  const cases = [
    ['/secrets/set', { name: '1', sealed }, 'secret', 'name'],
    ['/secrets/set', { name: 'NEW', sealed: '' }, 'secret', 'value'],
    ['/secrets/set', { name: 'NEW', sealed, description: 'x'.repeat(1001) }, 'secret', 'description'],
    ['/platform-keys/create', { name: '', expires: '30' }, 'platform-key', 'name'],
    ['/platform-keys/create', { name: 'New', expires: '-1' }, 'platform-key', 'expires'],
    ['/agents', { name: ' x' }, 'agent', 'name'],
  ];
  for (const [path, fields, form, field] of cases) {
    const response = await alice.post(settings('alice', path), fields);
    assert.equal(response.status, 422, `${form}, ${field}`);
    assertProblemAt(response, form, field);
  }
  // what is wrong with no field of a form
  const response = await alice.post(settings('alice', '/secrets/SHOP_TOKEN/restore'), { version: '77' });
  assert.equal(response.status, 404);
  assertProblem(response);
});

test('what people write is text, not markup', async () => {
  const alice = await signedIn('alice');
  const name = '<img src=x onerror=alert(1)>"\'&';
  await alice.post(settings('alice', '/agents'), { name });
  const { text } = await alice.get(settings('alice', '/agents'));
  assert.ok(text.includes('&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;'));
  assert.ok(!text.includes('<img'));
  const bad = await alice.post(settings('alice', '/llm-keys'), { provider: 'openai', name: '"><script>', sealed: '' });
  assert.ok(!bad.text.includes('"><script>'));
});

test('a platform key that is revoked, or may only list, does what it may', async () => {
  const [{ id, token }] = await as('alice', "SELECT id, token FROM tarx_keys.create_platform_key('reads', read_only => true)");
  const reader = new Person();
  await reader.signIn(token);
  assert.equal((await reader.get(settings('alice'))).status, 200);
  const refused = await reader.post(settings('alice', '/agents'), { name: 'No' });
  assert.equal(refused.status, 403);
  assertProblem(refused);
  const alice = await signedIn('alice');
  assert.equal((await alice.post(settings('alice', `/platform-keys/${id}/revoke`), {})).status, 303);
  assert.match((await reader.get(settings('alice'))).headers.get('location'), SIGN_IN);
  assert.equal((await alice.post(settings('alice', `/platform-keys/${id}/revoke`), {})).status, 404);
});

test('what the database refuses where nothing was to be refused is in the log', async () => {
  const alice = await signedIn('alice');
  await as('alice', 'REVOKE SELECT ON tarx_keys.agents FROM tarx_keys_login');
  const response = await alice.get(settings('alice', '/agents'));
  await as('alice', 'GRANT SELECT ON tarx_keys.agents TO tarx_keys_login');
  assert.equal(response.status, 404);
  await logged(service, /"code":"42501","stack":" .*readAgents.*"msg":"refused by the database"/);
});

test('who is in no project has platform keys, and nothing of projects', async () => {
  const fred = await newPerson('fred');
  const of = (rest) => `/fred/settings${rest}`;
  for (const path of [`/llm-keys/${ids.openai}/delete`, `/llm-keys/${ids.openai}/models`]) {
    assert.equal((await fred.get(of(path))).status, 404, path);
  }
  const forms = {
    '/llm-keys': { provider: 'openai', name: 'x' }, [`/llm-keys/${ids.openai}/delete`]: {}, '/secrets/set': { name: 'X' },
    '/secrets/X/restore': { version: '1' }, '/secrets/X/delete': {}, '/agents': { name: 'x' },
    [`/agents/${ids.openai}`]: { key: ids.openai }, [`/agents/${ids.openai}/delete`]: {},
  };
  for (const [path, form] of Object.entries(forms)) assert.equal((await fred.post(of(path), form)).status, 404, path);
  const { headers } = await fred.post(of('/platform-keys/create'), { name: 'mine', expires: '30' });
  assert.match((await fred.get(headers.get('location'))).text, /sk-tarx-[0-9A-Za-z]{49}/);
  const [{ id }] = await as('fred', "SELECT id FROM tarx_keys.platform_keys WHERE name = 'mine'");
  assert.equal((await fred.post(of(`/platform-keys/${id}/revoke`), {})).status, 303);
});

test('numbers and texts that PostgreSQL has no room for are refused, not repeated', async () => {
  const alice = await signedIn('alice');
  const cases = [
    ['/platform-keys/create', { name: 'x', expires: '99999999999' }, /A number is out of range/],
    ['/platform-keys/create', { name: 'x', expires: '2000000000' }, /A date is out of range/],
    ['/secrets/SHOP_TOKEN/restore', { version: '99999999999' }, /A number is out of range/],
    ['/agents', { name: 'a\0b' }, /cannot be stored/],
    ['/secrets/set', { name: 'a\0b' }, /cannot be stored/],
  ];
  for (const [path, form, message] of cases) {
    const response = await alice.post(settings('alice', path), form);
    assert.equal(response.status, 422, path);
    assert.match(response.text, message);
    assert.doesNotMatch(response.text, /99999999999/);
  }
  assert.equal((await new Person().signIn('sk-tarx-\0')).status, 422);
});

test('names may be as long as the database takes them', async () => {
  const name = '🔑'.repeat(200);
  const gina = await newPerson(name);
  assert.equal((await gina.get(gina.home)).status, 200);
  const secret = 'S'.repeat(128);
  await as('alice', 'SELECT tarx_keys.set_secret($1, $2, $3)', [PROJECTS.support, secret, 'not-a-real-secret']);
  const alice = await signedIn('alice');
  assert.equal((await alice.get(settings('alice', `/secrets/${secret}/delete`))).status, 200);
  assert.equal((await alice.post(settings('alice', `/secrets/${secret}/delete`), {})).status, 303);
});

test('two people in two projects through two connections: nothing crosses', async () => {
  const [alice, carol] = await Promise.all([signedIn('alice'), signedIn('carol')]);
  const path = { alice: settings('alice'), carol: settings('carol', '', PROJECTS.research) };
  const both = Array.from({ length: 30 }, () => [alice.get(path.alice), carol.get(path.carol), alice.get(settings('alice', '/agents')),
    carol.get(settings('carol', '', PROJECTS.support)), carol.post(settings('carol', '/agents', PROJECTS.research), { name: '' })]);
  for (const requests of both) {
    const [ofAlice, ofCarol, agents, foreign, refused] = await Promise.all(requests);
    assert.match(ofAlice.text, /<strong>alice<\/strong>/);
    assert.match(ofAlice.text, /data-name="Claude"/);
    assert.doesNotMatch(ofAlice.text, /data-name="Lab"/);
    assert.match(ofCarol.text, /<strong>carol<\/strong>/);
    assert.match(ofCarol.text, /data-name="Lab"/);
    assert.doesNotMatch(ofCarol.text, /Claude|Support bots|SHOP_TOKEN/);
    assert.match(agents.text, /Answer bot/);
    assert.equal(foreign.status, 404);
    assert.equal(refused.status, 422);
  }
});

test('nobody’s name is in the way of their settings', async () => {
  for (const name of ['assets', 'api', 'sign-in', 'sign-out']) {
    const person = await newPerson(name);
    assert.equal((await person.get(`/${name}/settings`)).status, 200, name);
    assert.equal((await person.get(`/${name}/settings/platform-keys/create`)).status, 200, name);
  }
  assert.equal((await new Person().get('/assets/nothing.js')).status, 404);
});

test('a database that fails is a logged error without its words', async () => {
  const broken = await start({ PGHOST: '/nonexistent' });
  const response = await new Person(broken.address).signIn(tokens.alice);
  assert.equal(response.status, 503);
  assert.match(response.text, /The database cannot be asked now/);
  await logged(broken, /"code":"ENOENT".*"msg":"request failed"/);
  assert.ok(!broken.log.includes(tokens.alice));
});

test('a connection that the server ends costs one request, not the service', async () => {
  const alice = await signedIn('alice');
  const terminated = as('alice', `DO $$ BEGIN
    LOCK TABLE tarx_keys.projects;
    LOOP
      PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
      PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app_web' AND wait_event_type = 'Lock';
      EXIT WHEN FOUND;
    END LOOP; END $$`);
  const locked = `SELECT FROM pg_locks WHERE relation = 'tarx_keys.projects'::regclass AND mode = 'AccessExclusiveLock'`;
  while ((await asRunner(locked)).length === 0);
  assert.equal((await alice.get(settings('alice'))).status, 503);
  await terminated;
  assert.equal((await alice.get(settings('alice'))).status, 200);
});
