// Members and service accounts over HTTP.

import assert from 'node:assert/strict';
import test from 'node:test';
import { as, asRoot, newPerson, Person, settings, signedIn, start } from './harness.js';
import { assertRefused, at, audit, entries, member, pam, problems, project, saveKey, TOKEN, words } from './team.js';

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
