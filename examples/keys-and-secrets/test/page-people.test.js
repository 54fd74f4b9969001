// Secrets, platform keys, members, the audit log, and signing in, over HTTP.

import assert from 'node:assert/strict';
import test from 'node:test';
import { createRequire } from 'node:module';
import { sealSecret } from '../../client/sealing.js';
import { MOST_EXPORTED, PAGE } from '../src/audit-log.js';
import { Once } from '../src/once.js';
import { pathWith, returnPath } from '../src/return-path.js';
import { as, asRoot, ids, newPerson, newValue, Person, PROJECTS, service, settings, signedIn, start, tokens } from './harness.js';

const sodium = createRequire(new URL('../package.json', import.meta.url))('libsodium-wrappers');
const [{ public_key: publicKey }] = await as('alice', 'SELECT public_key FROM tarx_keys.sealing_public_key()');

const [{ id: project }] = await as('pam', "SELECT tarx_keys.create_project('People') AS id");
const pam = await newPerson('pam');
await as('pam', "SELECT tarx_keys.add_member($1, 'kit', 'key_manager'), tarx_keys.add_member($1, 'max')", [project]);
const [kit, max] = [await newPerson('kit'), await newPerson('max')];

const at = (user, rest) => settings(user, rest, project);
const boxFor = async (name, value) => Buffer.from(await sealSecret(sodium, publicKey, { projectId: project, name, value })).toString('base64');
const setSecret = async (name, fields = {}, person = pam, user = 'pam') =>
  person.post(at(user, '/secrets/set'), { name, sealed: await boxFor(name, newValue('value-')), ...fields });
const secret = async (name) => (await as('pam', 'SELECT * FROM tarx_keys.secrets WHERE project_id = $1 AND name = $2', [project, name]))[0];
const member = async (user) => (await as('pam', 'SELECT * FROM tarx_keys.project_members WHERE project_id = $1 AND user_id = $2', [project, user]))[0];
const words = ({ text }) => text.replace(/<[^>]*>/g, ' ').replace(/&#39;/g, "'").replace(/\s+/g, ' ');
const problems = ({ text }) => Array.from(text.matchAll(/<p class="problem"[^>]*>([^<]*)</g), ([, told]) => told);
const TOKEN = /sk-tarx-[0-9A-Za-z]{49}/;

async function assertRefused(response, status, told) {
  assert.equal(response.status, status);
  assert.match(problems(response).join(' '), told);
}

// Secrets

test('a secret is added, set again with its description kept, and taken back', async () => {
  const added = await setSecret('API_TOKEN', { description: 'For the shop' });
  assert.equal(added.status, 303);
  assert.equal(added.headers.get('location'), `${at('pam', '')}#secret-API_TOKEN`);
  assert.match(words(await pam.get(at('pam', ''))), /Added API_TOKEN\./);
  await setSecret('API_TOKEN');
  assert.deepEqual([(await secret('API_TOKEN')).version, (await secret('API_TOKEN')).description], [2, 'For the shop']);
  const { text } = await pam.get(at('pam', ''));
  assert.match(text, /Set API_TOKEN: version 2 is in use\./);
  assert.match(text, /Undo: back to version 1/);
  assert.equal((await pam.post(at('pam', '/secrets/API_TOKEN/restore'), { version: '1' })).status, 303);
  assert.equal((await secret('API_TOKEN')).version, 3);
  assert.match(words(await pam.get(at('pam', ''))), /Restored version 1 of API_TOKEN, as version 3\./);
});

test('a description that was shown may be emptied, and edited without a new version', async () => {
  await setSecret('DESCRIBED', { description: 'One' });
  assert.match((await pam.get(`${at('pam', '/secrets/set')}&name=DESCRIBED`)).text, /name="description" value="One"/);
  await setSecret('DESCRIBED', { description: '', known: '1' });
  assert.deepEqual([(await secret('DESCRIBED')).version, (await secret('DESCRIBED')).description], [2, null]);
  assert.equal((await pam.post(at('pam', '/secrets/DESCRIBED/describe'), { description: 'Two' })).status, 303);
  assert.deepEqual([(await secret('DESCRIBED')).version, (await secret('DESCRIBED')).description], [2, 'Two']);
  await assertRefused(await pam.post(at('pam', '/secrets/DESCRIBED/describe'), { description: 'x'.repeat(1001) }), 422, /description/i);
});

test('a secret that is refused stands in the same dialog, with what was typed', async () => {
  const response = await setSecret('1ST', { description: 'Kept' });
  assert.equal(response.status, 422);
  assert.match(response.text, /data-dialog-part/);
  assert.match(response.text, /id="secret-name" name="name" value="1ST"[^>]*aria-invalid="true"/);
  assert.match(response.text, /name="description" value="Kept"/);
});

test('one of many answers in JSON: the version, or why not', async () => {
  const asJson = { accept: 'application/json' };
  const post = async (name, value) => {
    const response = await pam.post(at('pam', '/secrets/set'), { name, sealed: await boxFor(name, value) }, asJson);
    return JSON.parse(response.text);
  };
  assert.deepEqual(await post('MANY', newValue()), { status: 200, version: 1 });
  assert.deepEqual(await post('MANY', newValue()), { status: 200, version: 2 });
  const refused = await post('NOT-ONE', newValue());
  assert.equal(refused.status, 422);
  assert.match(refused.problem, /name/);
  assert.equal(await secret('NOT-ONE'), undefined);
});

test('versions are a history: who and when, for admins; a restore asks first', async () => {
  await setSecret('HISTORY');
  await setSecret('HISTORY', {}, kit, 'kit');
  await setSecret('HISTORY');
  const history = await pam.get(at('pam', '/secrets/HISTORY/versions'));
  assert.match(words(history), /Version 3 in use set just now by pam .*Version 2 set just now by kit .*Version 1 set just now by pam/);
  assert.equal(history.text.match(/secrets\/HISTORY\/restore/g).length, 2);
  const ofKit = words(await kit.get(at('kit', '/secrets/HISTORY/versions')));
  assert.match(ofKit, /Version 3 in use set just now by pam .*Version 2 Restore .*Version 1 Restore .*in the audit log, which admins see/);
  assert.match(words(await pam.get(`${at('pam', '/secrets/HISTORY/restore')}&version=2`)), /The value of version 2, kit’s of .* becomes version 4/);
  for (const version of ['3', '4', '0', 'x']) {
    assert.equal((await pam.get(`${at('pam', '/secrets/HISTORY/restore')}&version=${version}`)).status, 404, version);
  }
  await assertRefused(await pam.post(at('pam', '/secrets/HISTORY/restore'), { version: '9' }), 404, /^Version 9 is not kept any more\.$/);
  for (let i = 0; i < 4; i += 1) await setSecret('HISTORY');
  const later = words(await pam.get(at('pam', '/secrets/HISTORY/versions')));
  assert.match(later, /Versions 1 to 2 are gone: the 5 newest are kept/);
  assert.doesNotMatch(later, /Version 2 /);
});

test('a deletion says what fails, and offers what mends', async () => {
  await setSecret('PASSING');
  const asked = await pam.get(at('pam', '/secrets/PASSING/delete'));
  assert.match(words(asked), /What refers to \$\{secrets\.PASSING\} fails from then on . It was never used|It was never used/);
  assert.match(asked.text, /<button class="danger">Delete PASSING<\/button>/);
  assert.equal((await pam.post(at('pam', '/secrets/PASSING/delete'), {})).status, 303);
  assert.equal(await secret('PASSING'), undefined);
});

test('secrets are for who manages keys: others are offered and allowed nothing', async () => {
  await setSecret('LOCKED');
  const list = await max.get(at('max', ''));
  assert.match(list.text, /LOCKED/);
  assert.doesNotMatch(list.text, /secrets\/(set|paste|LOCKED)/);
  for (const path of ['/secrets/set', '/secrets/paste', '/secrets/LOCKED/versions', '/secrets/LOCKED/describe', '/secrets/LOCKED/delete']) {
    assert.equal((await max.get(at('max', path))).status, 404, path);
  }
  assert.equal((await setSecret('LOCKED', {}, max, 'max')).status, 403);
  for (const [path, form] of [['describe', { description: 'x' }], ['restore', { version: '1' }], ['delete', {}]]) {
    assert.equal((await max.post(at('max', `/secrets/LOCKED/${path}`), form)).status, 403, path);
  }
  assert.deepEqual([(await secret('LOCKED')).version, (await secret('LOCKED')).description], [1, null]);
});

// Platform keys

const saveKey = (person, user) => person.post(settings(user, '/platform-keys/created', project), {});

// what was created before is saved
async function createKey(person, user, fields = {}) {
  await saveKey(person, user);
  return person.post(settings(user, '/platform-keys/create', project), { name: 'New', expires: '90', ...fields });
}
const keysOf = (user) => as(user, 'SELECT * FROM tarx_keys.platform_keys ORDER BY created_at');

test('a new platform key is shown until its owner has it, in this browser only', async () => {
  const created = await createKey(pam, 'pam', { name: 'Until saved' });
  assert.equal(created.status, 303);
  const shown = at('pam', '/platform-keys/created');
  assert.equal(created.headers.get('location'), shown);
  const [token] = TOKEN.exec((await pam.get(shown)).text);
  assert.ok((await pam.get(shown)).text.includes(token), 'after a reload');
  const list = await pam.get(at('pam', ''));
  assert.match(words(list), /Not saved yet The key “Until saved” is shown until/);
  assert.doesNotMatch(list.text, TOKEN);
  // another one does not take its place
  const another = await pam.post(at('pam', '/platform-keys/create'), { name: 'Another', expires: '30' });
  assert.equal(another.status, 409);
  assert.ok(another.text.includes(token));
  assert.ok((await pam.get(at('pam', '/platform-keys/create'))).text.includes(token));
  assert.ok(!(await keysOf('pam')).some(({ name }) => name === 'Another'));
  // the session without the other cookie
  const other = new Person();
  other.headers.cookie = pam.headers.cookie.split('; ').filter((cookie) => cookie.startsWith('session=')).join('; ');
  const nothing = await other.get(shown);
  assert.match(words(nothing), /No key to show/);
  assert.doesNotMatch(nothing.text, TOKEN);
  assert.equal((await pam.post(shown, {})).headers.get('location'), `${at('pam', '')}#platform-keys`);
  assert.match(words(await pam.get(at('pam', ''))), /The key “Until saved” is yours to use/);
  assert.match(words(await pam.get(shown)), /No key to show/);
  assert.ok(!service.log.includes(token));
});

test('a token that is kept cannot be read where it is kept', () => {
  const once = new Once({ secure: false });
  const cookies = [];
  const session = {};
  once.keep({ header: (name, value) => cookies.push(value) }, session, 'sk-tarx-kept', { name: 'Name' });
  assert.match(cookies[0], /^once=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  assert.ok(!JSON.stringify(session).includes('kept') && !Buffer.from(session.once.box).includes('kept'));
  const cookie = cookies[0].split(';')[0];
  const readWith = (value) => once.read({ session, headers: { cookie: value } });
  assert.deepEqual(readWith(cookie), { token: 'sk-tarx-kept', about: { name: 'Name' } });
  assert.equal(readWith(`once=${'A'.repeat(43)}`), undefined);
  assert.equal(readWith(''), undefined);
  assert.equal(readWith(cookie.slice(0, -1) + (cookie.endsWith('A') ? 'E' : 'A'))?.token === 'sk-tarx-kept', false);
});

test('90 days are preselected; no end is only what was chosen', async () => {
  assert.match((await pam.get(at('pam', '/platform-keys/create'))).text, /<option value="90" selected>/);
  const expiry = async (expires, name) => {
    await createKey(pam, 'pam', { name, expires });
    return (await keysOf('pam')).find((key) => key.name === name)?.expires_at;
  };
  const days = (await expiry('90', 'Ninety') - Date.now()) / 86_400_000;
  assert.ok(days > 89.9 && days < 90.1);
  assert.equal(await expiry('never', 'Endless'), null);
  for (const [i, wrong] of ['', 'null', '0', '-1', '1e9', undefined].entries()) {
    const response = await createKey(pam, 'pam', { name: `Wrong ${i}`, ...(wrong === undefined ? { expires: [] } : { expires: wrong }) });
    assert.equal(response.status, 422, wrong);
    assert.match(response.text, /id="platform-key-expires"[^>]*aria-invalid="true"/);
    assert.match(response.text, new RegExp(`name="name" value="Wrong ${i}"`));
  }
  assert.ok((await keysOf('pam')).every((key) => !key.name.startsWith('Wrong')));
  assert.equal((await createKey(pam, 'pam', { name: 'x', expires: '99999999999' })).status, 422);
});

test('a key may be narrowed to the project, and to lists', async () => {
  const { headers } = await createKey(pam, 'pam', { name: 'Narrow', narrow: '1', read_only: '1' });
  const [token] = TOKEN.exec((await pam.get(headers.get('location'))).text);
  const [key] = (await keysOf('pam')).filter(({ name }) => name === 'Narrow');
  assert.deepEqual([key.project_ids, key.read_only], [[project], true]);
  const reader = new Person();
  await reader.signIn(token);
  const { text } = await reader.get(at('pam', ''));
  assert.match(text, /You are signed in with a key that may only list/);
  assert.doesNotMatch(text, /platform-keys\/create/);
  assert.equal((await createKey(reader, 'pam')).status, 403);
});

test('a revocation says what ends with it; that of one’s own key signs out', async () => {
  const signIn = async (person) => {
    const { headers } = await createKey(person, 'pam', { name: 'Parent' });
    const [token] = TOKEN.exec((await person.get(headers.get('location'))).text);
    const signed = new Person();
    await signed.signIn(token);
    return signed;
  };
  const parent = await signIn(pam);
  const { headers } = await createKey(parent, 'pam', { name: 'Child', expires: 'mine' });
  const child = new Person();
  await child.signIn(TOKEN.exec((await parent.get(headers.get('location'))).text)[0]);
  const { id } = (await keysOf('pam')).findLast(({ name }) => name === 'Parent');
  const path = at('pam', `/platform-keys/${id}/revoke`);
  const ofOther = words(await pam.get(path));
  assert.match(ofOther, /Revoke “Parent”\?.*This key was made with it, and ends as well: Child/);
  assert.doesNotMatch(ofOther, /signs you out/);
  // of the key itself, and of one that was made with it
  assert.match(words(await parent.get(path)), /this signs you out/);
  assert.match(words(await child.get(path)), /this signs you out/);
  assert.equal((await keysOf('pam')).find((key) => key.id === id).revoked_at, null, 'the question revokes nothing');
  const revoked = await parent.post(path, {});
  assert.equal(revoked.status, 303);
  const location = revoked.headers.get('location');
  assert.match(location, /^\/\?why=revoked&to=%2Fpam%2Fsettings/);
  assert.match(words(await parent.get(location)), /You have revoked the key that you were signed in with/);
  assert.match((await child.get(at('pam', ''))).headers.get('location'), /^\/\?why=ended/);
  assert.equal((await pam.get(path)).status, 404);
  assert.equal((await pam.post(path, {})).status, 404);
});

test('a key makes none that outlives it: the page offers what fits, and marks the key', async () => {
  const { headers } = await createKey(pam, 'pam', { name: 'Short', expires: '30' });
  const short = new Person();
  await short.signIn(TOKEN.exec((await pam.get(headers.get('location'))).text)[0]);
  const asked = await short.get(at('pam', '/platform-keys/create'));
  assert.match(asked.text, /<option value="mine" selected>until \d{4}-\d\d-\d\d \d\d:\d\d UTC<\/option>/);
  assert.doesNotMatch(asked.text, /<option value="(90|365|never)"/);
  assert.equal((await createKey(short, 'pam', { name: 'Shorter', expires: 'mine' })).status, 303);
  const keys = await keysOf('pam');
  const [parent, child] = ['Short', 'Shorter'].map((name) => keys.find((key) => key.name === name));
  assert.ok(parent.expires_at - child.expires_at < 2 && child.expires_at <= parent.expires_at);
  const refused = await createKey(short, 'pam', { name: 'Longer', expires: '90' });
  assert.equal(refused.status, 403);
  assert.match(refused.text, /id="platform-key-expires"[^>]*aria-invalid="true"/);
  assert.match(words(await short.get(at('pam', ''))), /Short signed in with it/);
  assert.equal((await createKey(pam, 'pam', { name: 'x', expires: 'mine' })).status, 422);
  assert.match((await pam.get(at('pam', '/platform-keys/create'))).text, /<option value="never">/);
});

// Members

test('members are added, get other roles, and are removed; the notice takes it back', async () => {
  assert.equal((await pam.post(at('pam', '/members/add'), { user: ' nora ', role: 'viewer' })).status, 303);
  const { id } = await member('nora');
  assert.equal((await pam.post(at('pam', `/members/${id}/role`), { role: 'key_manager' })).headers.get('location'), `${at('pam', '/members')}#member-${id}`);
  assert.match(words(await pam.get(at('pam', '/members'))), /nora is key manager of this project now\. Undo: viewer again/);
  assert.equal((await member('nora')).role, 'key_manager');
  assert.match(words(await pam.get(at('pam', `/members/${id}/remove`))), /nora sees and changes nothing of People from then on.*Keys, secrets and agents that they have added stay/);
  assert.equal((await pam.post(at('pam', `/members/${id}/remove`), {})).status, 303);
  assert.equal(await member('nora'), undefined);
  assert.match((await pam.get(at('pam', '/members'))).text, /name="user" value="nora">\s*<input type="hidden" name="role" value="key_manager">/);
});

test('the last admin stays, and is told so in plain words; your own row says you', async () => {
  const { id } = await member('pam');
  const told = /^This is the only admin of the project, and it must keep one\. Make another member an admin first\.$/;
  await assertRefused(await pam.post(at('pam', `/members/${id}/remove`), {}), 409, told);
  await assertRefused(await pam.post(at('pam', `/members/${id}/role`), { role: 'viewer' }), 409, told);
  assert.match(words(await pam.get(at('pam', '/members'))), /pam you Admin/);
});

test('what is wrong with a member stands at the field', async () => {
  assert.equal(problems(await pam.post(at('pam', '/members/add'), { user: 'sa:x', role: 'viewer' })).join(), 'Ids that begin with “sa:” are those of service accounts, which are added below the members.');
  for (const user of ['', 'sa:x', 'x'.repeat(201)]) {
    const response = await pam.post(at('pam', '/members/add'), { user, role: 'viewer' });
    assert.equal(response.status, 422, user);
    assert.match(response.text, /id="member-user"[^>]*aria-invalid="true"/, user);
    assert.match(response.text, /value="viewer" required checked>/);
  }
  assert.match((await pam.post(at('pam', '/members/add'), { user: 'x', role: 'owner' })).text, /id="member-role"[^>]*aria-invalid="true"/);
});

test('who is no admin sees the members, changes none, and may leave', async () => {
  await as('pam', "SELECT tarx_keys.add_member($1, 'olga')", [project]);
  const olga = await newPerson('olga');
  const list = await olga.get(at('olga', '/members'));
  assert.match(words(list), /olga you Member/);
  assert.doesNotMatch(list.text, /members\/add|\/role/);
  const { id } = await member('olga');
  const other = await member('max');
  for (const path of ['/members/add', '/members/add-service-account', `/members/${other.id}/role`, `/members/${other.id}/remove`]) {
    assert.equal((await olga.get(at('olga', path))).status, 404, path);
  }
  await assertRefused(await olga.post(at('olga', '/members/add'), { user: 'zoe', role: 'admin' }), 403, /^For this you must be admin of the project\. Ask one of its admins\.$/);
  assert.equal((await olga.post(at('olga', `/members/${id}/role`), { role: 'admin' })).status, 403);
  assert.equal((await olga.post(at('olga', `/members/${other.id}/remove`), {})).status, 403);
  assert.match(words(await olga.get(at('olga', `/members/${id}/remove`))), /Leave People\?.*This is your only project: afterwards you have your platform keys here, and nothing else/);
  assert.equal((await olga.post(at('olga', `/members/${id}/remove`), {})).headers.get('location'), '/olga/settings');
  assert.match(words(await olga.get('/olga/settings')), /You have left People\. You are in no project now\./);
  assert.match(words(await olga.get('/olga/settings/members')), /You are in no project yet\. An admin of one can add you: your id is olga/);
});

test('who leaves one of several projects lands in another', async () => {
  await as('pam', "SELECT tarx_keys.add_member($1, 'bob')", [project]);
  const bob = await signedIn('bob');
  const { id } = await member('bob');
  assert.match(words(await bob.get(at('bob', `/members/${id}/remove`))), /Afterwards you are in Support bots/);
  assert.equal((await bob.post(at('bob', `/members/${id}/remove`), {})).headers.get('location'), settings('bob'));
  assert.match(words(await bob.get(settings('bob'))), /You have left People\. You are in Support bots now\./);
});

test('a service account is made, gets a key that is shown once, and is deleted', async () => {
  const made = await pam.post(at('pam', '/members/add-service-account'), { name: 'Nightly', role: 'viewer' });
  assert.equal(made.status, 303);
  const [account] = await as('pam', "SELECT * FROM tarx_keys.project_members WHERE project_id = $1 AND service_account = 'Nightly'", [project]);
  assert.match(words(await pam.get(at('pam', '/members'))), /Added Nightly\. It needs a key to sign in\. Create a key/);
  const { headers } = await pam.post(at('pam', `/members/${account.id}/create-key`), { name: 'CI', expires: '30' });
  const page = await pam.get(headers.get('location'));
  assert.match(words(page), /Save the key “CI of Nightly”/);
  const build = new Person();
  await build.signIn(TOKEN.exec(page.text)[0]);
  assert.match((await build.get(build.home)).text, /You see what this project has/);
  await saveKey(pam, 'pam');
  const inAudit = await audit({ what: 'Nightly' });
  for (const entry of ['You made Nightly a viewer', 'You created the service account Nightly', 'You created the key CI of a service account']) {
    assert.ok(entries(entry.includes('CI') ? await audit({ what: 'CI' }) : inAudit).includes(entry), entry);
  }
  assert.match(words(await pam.get(at('pam', `/members/${account.id}/remove`))), /Delete Nightly\?.*platform keys are revoked/);
  assert.equal((await pam.post(at('pam', `/members/${account.id}/remove`), {})).status, 303);
  assert.match((await build.get(build.home)).headers.get('location'), /^\/\?why=ended/);
  const { id } = await member('max');
  assert.equal((await pam.post(at('pam', `/members/${id}/create-key`), { name: 'CI', expires: '30' })).status, 404);
});

test('where the application has members of its own, the page says so and offers nothing', async () => {
  await asRoot(`CREATE TABLE public.roles AS SELECT project_id, user_id, role FROM tarx_keys.project_members`);
  await asRoot("ALTER DATABASE postgres SET tarx_keys.membership = 'public.roles'");
  const elsewhere = await start();
  try {
    const other = await signedIn('pam', elsewhere.address);
    const list = await other.get(at('pam', '/members'));
    assert.match(words(list), /Who is in this project is decided in your application/);
    assert.doesNotMatch(list.text, /members\/add"|members\/add\?/);
    await assertRefused(await other.post(at('pam', '/members/add'), { user: 'zoe', role: 'viewer' }), 409, /decided in your application/);
  } finally {
    await elsewhere.stop();
    await asRoot('ALTER DATABASE postgres RESET tarx_keys.membership');
    await asRoot('DROP TABLE public.roles');
  }
});

// The audit log

const entries = (page) => Array.from(page.text.matchAll(/<li class="row" id="entry-\d+">.*?<h3>(.*?)<\/h3>/gs),
  ([, title]) => words({ text: title }).trim().replaceAll(' ,', ','));
const audit = async (query = {}, person = pam, user = 'pam') => person.get(`${at(user, '/audit')}&${new URLSearchParams(query)}`);

test('the audit log says who did what, newest first, and takes a filter', async () => {
  const [key] = await as('pam', "SELECT tarx_keys.add_llm_key($1, 'openai', 'Logged key', $2) AS id", [project, newValue()]);
  const [agent] = await as('pam', "SELECT tarx_keys.create_agent($1, 'Logged bot') AS id", [project]);
  await as('pam', 'SELECT tarx_keys.set_agent_key($1, $2, $3)', [project, agent.id, key.id]);
  await as('pam', 'SELECT tarx_keys.delete_agent($1, $2)', [project, agent.id]);
  await setSecret('LOGGED', {}, kit, 'kit');
  const newest = entries(await audit());
  assert.deepEqual(newest.slice(0, 5), ['kit set the secret LOGGED, version 1', 'You deleted the agent Logged bot',
    'You gave the agent Logged bot the key Logged key', 'You created the agent Logged bot', 'You added the LLM key Logged key']);
  assert.deepEqual(entries(await audit({ who: 'kit', what: 'LOGGED' })), [newest[0]]);
  assert.ok(entries(await audit({ action: 'agent' })).every((entry) => /agent/.test(entry)));
  assert.deepEqual(entries(await audit({ action: 'agent.delete', what: 'logged BOT' })), [newest[1]]);
  // a key by its name is found where only its id stands, and by its id
  assert.deepEqual(entries(await audit({ what: 'Logged key' })), [newest[2], newest[4]]);
  assert.deepEqual(entries(await audit({ what: key.id })), [newest[2], newest[4]]);
  const day = new Date().toISOString().slice(0, 10);
  assert.ok(entries(await audit({ from: day, to: day })).length > 5);
  const none = await audit({ to: '2001-01-01' });
  assert.deepEqual(entries(none), []);
  assert.match(words(none), /Nothing in the log matches the filter/);
  // the form has what was asked for
  const { text } = await audit({ action: 'secret.set', who: '<kit>', from: day });
  assert.match(text, /<option value="secret.set" selected>/);
  assert.match(text, /name="who" value="&lt;kit&gt;"/);
  // what is no filter is none
  assert.equal(entries(await audit({ action: "x' OR 1", from: '2026-99-99', before: 'x_1' })).length, newest.length);
  assert.equal((await audit({ what: '\0', who: '\0' })).status, 200);
});

test('the log goes on from page to page without gaps, also at one moment', async () => {
  await as('pam', `SELECT tarx_keys.describe_secret($1, 'LOGGED', 'paged ' || i) FROM generate_series(1, ${PAGE + 20}) i`, [project]);
  const seen = [];
  let page = await audit({ action: 'secret.describe', what: 'LOGGED' });
  for (let pages = 1; ; pages += 1) {
    seen.push(...Array.from(page.text.matchAll(/id="entry-(\d+)"/g), ([, seq]) => seq));
    const [, next] = /href="([^"]*)" rel="next"/.exec(page.text) ?? [];
    if (next === undefined) {
      assert.equal(pages, 2);
      break;
    }
    assert.equal(seen.length, PAGE);
    page = await pam.get(next.replaceAll('&amp;', '&'));
    assert.match(page.text, />Newest</);
  }
  assert.equal(new Set(seen).size, PAGE + 20);
  assert.equal(seen.length, PAGE + 20);
});

test('an address that somebody has changed by hand is refused, and no failure', async () => {
  for (const before of ['2026-99-99T99:99:99.999999Z_1', '2026-01-01T.........Z_1', '0000-01-01T00:00:00.000000Z_1']) {
    assert.equal((await audit({ before })).status, 400, before);
  }
});

test('the export is CSV that no spreadsheet takes for formulas', async () => {
  for (const name of ['=1+1', '+cmd', '-2', '@SUM(A1)', 'x;=1+1', 'x; -2', 'a;b', 'a "quoted", name']) await addAgentAs(name);
  const response = await pam.get(`${at('pam', '/audit.csv')}&action=agent.create`);
  assert.match(response.headers.get('content-type'), /^text\/csv; charset=utf-8/);
  assert.match(response.headers.get('content-disposition'), /^attachment; filename="audit-\d{4}-\d\d-\d\d\.csv"$/);
  const lines = response.text.trimEnd().split('\r\n');
  assert.match(lines[0], /^\uFEFF?time_utc,user,action,object_name,object_id,/);
  for (const cell of [",'=1+1,", ",'+cmd,", ",'-2,", ",'@SUM(A1),", ",x;'=1+1,", ",x;' -2,", ',a;b,', ',"a ""quoted"", name",']) assert.ok(lines.some((line) => line.includes(cell)), cell);
  assert.ok(lines.slice(1).every((line) => line.includes(',agent.create,')));
  const { text } = await audit();
  assert.ok(text.includes(MOST_EXPORTED.toLocaleString('en')));
});
const addAgentAs = (name) => as('pam', 'SELECT tarx_keys.create_agent($1, $2)', [project, name]);

test('the log is for admins; others are told so, and get no file', async () => {
  const page = await audit({}, kit, 'kit');
  assert.equal(page.status, 200);
  assert.match(words(page), /The audit log is for the admins of the project/);
  assert.deepEqual(entries(page), []);
  assert.equal((await kit.get(at('kit', '/audit.csv'))).status, 404);
});

// Signing in, and the way back

test('the way back is a page of one’s own settings here, and nothing else', () => {
  assert.equal(returnPath('/alice/settings/secrets/set?project=x&name=y#z', 'alice'), '/alice/settings/secrets/set?project=x&name=y#z');
  for (const evil of ['//evil.example/alice/settings', '/\\evil.example/alice/settings', '\\\\evil.example', '/%2F%2Fevil.example', '/%5Cevil.example',
    'https://evil.example/alice/settings/agents', 'https:evil.example', 'javascript:alert(1)', '/alice/settings/../../evil', '/alice/settings/%2e%2e/%2e%2e//evil.example',
    '/alice/settingsx', '/bob/settings', '\t//evil.example', '/\t/evil.example', '/sign-out', '', 'x'.repeat(7000), undefined, ['/alice/settings/agents'], 'http://[', '/alice/settings\r\nx: y']) {
    assert.equal(returnPath(evil, 'alice'), '/alice/settings', String(evil).slice(0, 60));
  }
  assert.equal(returnPath('/a%2Fb/settings/agents', 'a/b'), '/a%2Fb/settings/agents');
  assert.equal(pathWith('/alice/settings/x?project=1', { name: 'n m', sealed: 's', csrf: 'c' }, ['name']), '/alice/settings/x?project=1&name=n+m');
});

test('a session that ended leads back to the same project and dialog', async () => {
  const path = `${at('pam', '/secrets/set')}&name=BACK`;
  const nobody = new Person();
  const first = (await nobody.get(path)).headers.get('location');
  assert.ok(first.startsWith('/?to=%2Fpam%2Fsettings%2Fsecrets%2Fset'), first);
  nobody.headers.cookie = `session=${'A'.repeat(43)}`;
  const ended = await nobody.get(path);
  const signIn = await nobody.get(ended.headers.get('location'));
  assert.match(words(signIn), /Your session has ended/);
  const [, to] = /name="to" value="([^"]*)"/.exec(signIn.text);
  const back = await nobody.post('/sign-in', { token: ` ${tokens.pam}\n`, to: to.replaceAll('&amp;', '&') });
  assert.equal(back.headers.get('location'), path);
  assert.equal((await nobody.get(path)).status, 200);
  // who is signed in goes there at once
  assert.equal((await nobody.get(`/?to=${encodeURIComponent(path)}`)).headers.get('location'), path);
  // as somebody else, to their own page
  const other = new Person();
  assert.equal((await other.post('/sign-in', { token: tokens.kit, to: path })).headers.get('location'), '/kit/settings');
  for (const evil of ['//evil.example', '/\\evil.example', 'https://evil.example/pam/settings', '/pam/settings/..//evil.example']) {
    const response = await new Person().post('/sign-in', { token: tokens.pam, to: evil });
    assert.equal(response.headers.get('location'), '/pam/settings', evil);
    assert.equal((await nobody.get(`/?to=${encodeURIComponent(evil)}`)).headers.get('location'), '/pam/settings', evil);
  }
});

test('what a form had is there again, but for values', async () => {
  const nobody = new Person();
  nobody.headers.cookie = `session=${'A'.repeat(43)}`;
  const sealed = await boxFor('TYPED', newValue());
  const refused = await nobody.post(at('pam', '/secrets/set'), { name: 'TYPED', description: 'Typed & kept', sealed });
  assert.equal(refused.status, 401);
  assert.ok(!refused.text.includes(sealed.slice(0, 40)));
  const [, to] = /name="to" value="([^"]*)"/.exec(refused.text);
  // a wrong key loses nothing of it
  const wrong = await nobody.post('/sign-in', { token: 'sk-tarx-wrong', to: to.replaceAll('&amp;', '&') });
  assert.ok(wrong.text.includes(`name="to" value="${to}"`));
  const { headers } = await nobody.post('/sign-in', { token: tokens.pam, to: to.replaceAll('&amp;', '&') });
  const { text } = await nobody.get(headers.get('location'));
  assert.match(text, /name="name" value="TYPED"/);
  assert.match(text, /name="description" value="Typed &amp; kept"/);
  for (const [path, form, shown] of [
    ['/platform-keys/create', { name: 'Typed', expires: '30', narrow: '1' }, [/name="name" value="Typed"/, /<option value="30" selected>/, /name="narrow" value="1" checked/]],
    ['/members/add', { user: 'typed', role: 'viewer' }, [/name="user" value="typed"/, /value="viewer" required checked>/]],
  ]) {
    const nobodyElse = new Person();
    const [, back] = /name="to" value="([^"]*)"/.exec((await nobodyElse.post(at('pam', path), form)).text);
    const page = await pam.get(back.replaceAll('&amp;', '&'));
    for (const each of shown) assert.match(page.text, each);
  }
  // a form without fields leads back to the page that it was on
  const sent = await new Person().post(at('pam', '/members'), {}, { referer: `${service.address}${at('pam', '/members')}` });
  assert.equal(sent.status, 404);
  const state = await new Person().post(at('pam', `/llm-keys/${ids.openai}/delete`), {}, { referer: `${service.address}${at('pam', '/agents')}` });
  assert.ok(state.text.includes(`name="to" value="${at('pam', '/agents')}"`));
});

test('what forms keep in the address is not in the log', async () => {
  await pam.get(`${at('pam', '/secrets/set')}&description=only-in-the-address`);
  assert.ok(!service.log.includes('only-in-the-address'));
});

test('a script is told where to sign in, and gets no page', async () => {
  const nobody = new Person();
  const response = await nobody.post(at('pam', '/members/add'), { user: 'x', role: 'viewer' }, { 'x-in-page': '1' });
  assert.equal(response.status, 401);
  assert.match(JSON.parse(response.text).signIn, /^\/\?to=%2Fpam%2Fsettings%2Fmembers%2Fadd/);
  assert.equal((await nobody.get(at('pam', '/audit'), { accept: 'application/json' })).status, 401);
});

test('who signs out is told so', async () => {
  const person = await signedIn('pam');
  const { headers } = await person.post('/sign-out', {});
  assert.match(words(await person.get(headers.get('location'))), /You are signed out/);
});

test('in no project there are one’s platform keys, and a word on what to do', async () => {
  const ned = await newPerson('ned');
  for (const [path, told] of [['', /You are in no project/], ['/members', /your id is ned/], ['/audit', /You are in no project/]]) {
    const page = await ned.get(`/ned/settings${path}`);
    assert.equal(page.status, 200, path);
    assert.match(words(page), told);
  }
  for (const path of ['/secrets/set', '/secrets/paste', '/members/add', '/audit.csv']) assert.equal((await ned.get(`/ned/settings${path}`)).status, 404, path);
  const { headers } = await ned.post('/ned/settings/platform-keys/create', { name: 'Mine', expires: '30' });
  assert.equal(headers.get('location'), '/ned/settings/platform-keys/created');
  assert.match((await ned.get(headers.get('location'))).text, TOKEN);
});
