// Secrets, platform keys, members and the audit log in every other state, and as others see them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { as, asRoot, newPerson, newValue, Person, service, settings, tokens } from './harness.js';
import { checkLook, dialog, forReadme, hasFocus, open, rowOf } from './browsing.js';
import { at, go, project, section, set } from './browser-team.js';

test('the pictures of the README', { skip: !process.env.TARX_KEYS_SCREENSHOTS }, async () => {
  const { page, context } = await open('alice');
  await forReadme('secrets', section(page, 'Project secrets'));
  await page.goto(service.address + settings('alice', '/members'));
  await forReadme('members', page.getByRole('main'));
  await page.goto(service.address + settings('alice', '/audit'));
  await forReadme('audit', page);
  await context.close();
});

test('every other state is accessible, and has room at 320 px', async () => {
  for (let i = 0; i < 2; i++) await set('FIRST');
  await set('A_VERY_LONG_NAME_OF_A_SECRET_THAT_SOMEBODY_MADE_UP_FOR_A_SERVICE_WITH_A_LONG_NAME_AND_SO_ON_AND_ON_AND_ON_UNTIL_128_CHARACTERS', newValue(), 'A description that goes on for longer than a line of the list has room for, to see that it does not push anything away');
  const { page, context } = await go('petra');
  await checkLook(page, 'secrets and platform keys');
  for (const [path, what] of [['/secrets/set', 'add secret'], ['/secrets/set?name=FIRST', 'new value'], ['/secrets/paste', 'paste env'], ['/secrets/FIRST/versions', 'versions'],
    ['/secrets/FIRST/restore?version=1', 'restore'], ['/secrets/FIRST/describe', 'describe'], ['/secrets/FIRST/delete', 'delete secret'], ['/platform-keys/create', 'create platform key']]) {
    const [rest, query] = path.split('?');
    await page.goto(`${service.address}${at('petra', rest)}${query ? `&${query}` : ''}`);
    await checkLook(page, what);
  }
  await context.close();
  for (const [user, paths] of [['karl', ['', '/secrets/FIRST/versions', '/members', '/audit']], ['mia', ['', '/members', '/audit']]]) {
    const other = await go(user);
    for (const path of paths) {
      await other.page.goto(service.address + at(user, path));
      await checkLook(other.page, `${user} ${path}`);
    }
    await other.context.close();
  }
  const nobody = await open('quentin', { path: '/quentin/settings' });
  for (const path of ['', '/members', '/audit', '/platform-keys/create']) {
    await nobody.page.goto(`${service.address}/quentin/settings${path}`);
    await checkLook(nobody.page, `no project ${path}`);
  }
  await nobody.context.close();
  const [{ id: empty }] = await as('quentin', "SELECT tarx_keys.create_project('Empty') AS id");
  const alone = await open('quentin', { path: settings('quentin', '', empty) });
  await checkLook(alone.page, 'empty sections');
  await alone.page.goto(service.address + settings('quentin', '/members', empty));
  await checkLook(alone.page, 'empty members');
  await alone.context.close();
});

test('the longest names have room, also where nothing in them breaks', async () => {
  const user = 'W'.repeat(200);
  const [{ id }] = await as(user, 'SELECT tarx_keys.create_project($1) AS id', ['W'.repeat(100)]);
  const name = 'W'.repeat(128);
  await as(user, "SELECT tarx_keys.set_secret($1, $2, 'not-a-real-value')", [id, name]);
  const [{ id: member }] = await as(user, 'SELECT id FROM tarx_keys.project_members');
  await newPerson(user);
  const { page, context } = await open(user, { path: settings(user, '', id) });
  await checkLook(page, 'long names');
  for (const [path, what] of [[`/secrets/${name}/versions`, 'versions'], [`/secrets/${name}/delete`, 'delete secret'],
    ['/platform-keys/create', 'create platform key'], [`/members/${member}/remove`, 'leave']]) {
    await page.goto(service.address + settings(user, path, id));
    await checkLook(page, `long names ${what}`);
  }
  await context.close();
});

// What is behind the first byte of a sealed value or a stamp is its master key's fingerprint.
const asOfALostMasterKey = (column) => `overlay(${column} PLACING '\\x0102030405060708' FROM 2)`;

test('keys whose master key is missing say so, with what to do, and so do others that no longer work', async () => {
  const rosa = (sql, values) => as('rosa', sql, values);
  const [{ id: ofRosa }] = await rosa("SELECT tarx_keys.create_project('Vault') AS id");
  await newPerson('rosa');
  const addKey = async (name) => (await rosa("SELECT tarx_keys.add_llm_key($1, 'mistral', $2, $3) AS id", [ofRosa, name, newValue('')]))[0].id;
  const create = async (name, expires = null) => (await rosa('SELECT id FROM tarx_keys.create_platform_key($1, $2)', [name, expires]))[0].id;
  await addKey('Well');
  const lost = await addKey('Without its master key');
  await rosa("SELECT tarx_keys.create_agent($1, 'Stopped bot', $2)", [ofRosa, lost]);
  await asRoot(`UPDATE tarx_keys.project_llm_keys SET ciphertext = ${asOfALostMasterKey('ciphertext')} WHERE id = $1`, [lost]);
  await asRoot(`UPDATE tarx_keys.platform_api_keys SET stamp = ${asOfALostMasterKey('stamp')} WHERE id = $1`, [await create('Of a lost master key')]);
  await asRoot("UPDATE tarx_keys.platform_api_keys SET read_only = true WHERE id = $1", [await create('Tampered')]);
  const [{ id: over }] = await rosa("SELECT id FROM tarx_keys.create_platform_key('Over', clock_timestamp() + interval '1 second')");
  await asRoot('SELECT pg_sleep_until(expires_at) FROM tarx_keys.platform_api_keys WHERE id = $1', [over]);
  await create('Soon over', new Date(Date.now() + 86_400_000));
  const { rows: found } = await asRoot("SELECT name, status FROM tarx_keys.verify_keys() WHERE status = 'missing master key'");
  assert.deepEqual(found.map(({ name }) => name).sort(), ['Of a lost master key', 'Without its master key']);
  const { page, context } = await open('rosa', { path: settings('rosa', '', ofRosa) });
  await rowOf(page, 'Project LLM keys', 'Without its master key').getByText('needs re-entry').waitFor();
  await rowOf(page, 'Platform API keys', 'Of a lost master key').getByText('Its master key is missing, so it signs nobody in.').waitFor();
  await rowOf(page, 'Platform API keys', 'Over').getByText('expired', { exact: true }).waitFor();
  await rowOf(page, 'Platform API keys', 'Tampered').getByText('Its row is not what was written. Revoke it.').waitFor();
  await checkLook(page, 'keys without their master key');
  await rowOf(page, 'Project LLM keys', 'Without its master key').getByRole('link', { name: 'Without its master key' }).first().click();
  await dialog(page).getByText('its master key is missing on the server').waitFor();
  await checkLook(page, 'details of a key without its master key');
  await context.close();
});

test('a key that may only list is offered nothing that it may not', async () => {
  const [{ token }] = await as('petra', "SELECT token FROM tarx_keys.create_platform_key('reads', read_only => true)");
  const { page, context } = await go('petra', '', { token });
  assert.equal(await section(page, 'Platform API keys').getByRole('link', { name: 'Create key' }).count(), 0);
  await page.getByText('You are signed in with a key that may only list').waitFor();
  assert.equal(await section(page, 'Project secrets').getByRole('link').count(), 0);
  await checkLook(page, 'a key that only lists');
  await page.goto(service.address + at('petra', '/members'));
  assert.equal(await page.getByRole('link', { name: /Add member|Change role|Leave/ }).count(), 0);
  await context.close();
});

test('a dialog works by keyboard: Enter opens, Escape closes, the focus comes back', async () => {
  const { page, context } = await go('petra', '/members');
  const link = page.getByRole('link', { name: 'Add member' });
  await link.focus();
  await page.keyboard.press('Enter');
  await dialog(page).getByLabel('User id').waitFor();
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  assert.ok(await hasFocus(link));
  assert.match(page.url(), /\/members\?/);
  await context.close();
});

test('over HTTP alone the pages of dialogs are whole pages', async () => {
  const person = new Person();
  await person.signIn(tokens.petra);
  for (const path of ['/secrets/set', '/members/add', '/platform-keys/create']) {
    const { text } = await person.get(at('petra', path));
    assert.match(text, /^<!doctype html>/);
    assert.match(text, /<nav class="breadcrumb"/);
  }
});
