// Secrets, platform keys, members, the audit log and signing in, in a browser: dialogs, the
// keyboard, what stays in the browser, and how every state looks.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { as, inRun, newPerson, newValue, Person, serverLog, service, settings, tokens } from './harness.js';
import { browser, checkLook, contents, dialog, hasFocus, open, rowOf, shot, signInAt } from './browsing.js';

const [{ id: project }] = await as('petra', "SELECT tarx_keys.create_project('Shop') AS id");
await newPerson('petra');
await as('petra', "SELECT tarx_keys.add_member($1, 'karl', 'key_manager'), tarx_keys.add_member($1, 'mia'), tarx_keys.add_member($1, 'item-2'), tarx_keys.add_member($1, 'item-10')", [project]);
await Promise.all(['karl', 'mia', 'quentin'].map(newPerson));
const [{ id: agentId }] = await as('petra', "SELECT tarx_keys.create_agent($1, 'Clerk') AS id", [project]);

const at = (user, rest = '') => settings(user, rest, project);
const go = (user, rest = '', options = {}) => open(user, { path: at(user, rest), ...options });
const secret = async (name) => (await as('petra', 'SELECT * FROM tarx_keys.secrets WHERE project_id = $1 AND name = $2', [project, name]))[0];
const set = (name, value = newValue(), description = null) => as('petra', 'SELECT tarx_keys.set_secret($1, $2, $3, $4)', [project, name, value, description]);

async function valueOf(name) {
  const [{ ticket }] = await as('petra', 'SELECT tarx_keys.issue_run_ticket($1, $2, secret_names => $3) AS ticket', [project, agentId, [name]]);
  return (await inRun(ticket, 'SELECT tarx_keys.resolve_secret($1, $2) AS value', [project, name]))[0].value;
}

// No value in what went over the wire, in the page, its storage, or a log
async function assertNowhere(values, { page, context, wire }) {
  const seen = [...await Promise.all(wire), await contents(page, context), service.log, serverLog()];
  for (const value of values) for (const text of seen) assert.ok(!text.includes(value.slice(4, 40)));
}

const menuOf = async (page, list, name, action) => {
  const row = rowOf(page, list, name);
  await row.locator('summary').click();
  await row.getByRole('link', { name: action }).click();
};

test('a secret is added, set again, restored and deleted, in dialogs', async () => {
  const opened = await go('petra');
  const { page, context } = opened;
  const values = [newValue('first-'), `${newValue('second-')}\nwith a line`];
  await page.getByRole('link', { name: 'Add secret' }).first().click();
  await dialog(page).getByLabel('Name').fill('CRM_TOKEN');
  assert.match(page.url(), /\/secrets\/set\?/);
  await dialog(page).getByLabel('Value', { exact: true }).fill(values[0]);
  await dialog(page).getByLabel('Description', { exact: true }).fill('Reads the CRM');
  await dialog(page).getByRole('button', { name: 'Add secret' }).click();
  await page.getByText('Added CRM_TOKEN.').waitFor();
  assert.equal(await valueOf('CRM_TOKEN'), values[0]);
  await rowOf(page, 'Project secrets', 'CRM_TOKEN').getByRole('link', { name: 'New value' }).click();
  await dialog(page).getByRole('heading', { name: 'New value for CRM_TOKEN' }).waitFor();
  assert.equal(await dialog(page).getByLabel('Description', { exact: true }).inputValue(), 'Reads the CRM');
  await dialog(page).getByLabel('Value', { exact: true }).fill(values[1]);
  await dialog(page).getByRole('button', { name: 'Set new value' }).click();
  await page.getByText('Set CRM_TOKEN: version 2 is in use.').waitFor();
  assert.equal(await valueOf('CRM_TOKEN'), values[1]);
  await page.getByRole('button', { name: 'Undo: back to version 1' }).click();
  await page.getByText('Restored version 1 of CRM_TOKEN, as version 3.').waitFor();
  assert.equal(await valueOf('CRM_TOKEN'), values[0]);
  await menuOf(page, 'Project secrets', 'CRM_TOKEN', 'Versions');
  await dialog(page).getByText('restored from an older one just now by petra').waitFor();
  await dialog(page).getByRole('link', { name: 'Restore version 2' }).click();
  await dialog(page).getByRole('heading', { name: 'Restore version 2 of CRM_TOKEN?' }).waitFor();
  await dialog(page).getByRole('button', { name: 'Restore version 2' }).click();
  await page.getByText('Restored version 2 of CRM_TOKEN, as version 4.').waitFor();
  assert.equal(await valueOf('CRM_TOKEN'), values[1]);
  await menuOf(page, 'Project secrets', 'CRM_TOKEN', 'Edit description');
  await dialog(page).getByLabel('Description', { exact: true }).fill('');
  await dialog(page).getByRole('button', { name: 'Save description' }).click();
  await page.getByText('Saved the description of CRM_TOKEN.').waitFor();
  await menuOf(page, 'Project secrets', 'CRM_TOKEN', 'Delete');
  await dialog(page).getByRole('button', { name: 'Delete CRM_TOKEN' }).click();
  await page.getByText('Deleted CRM_TOKEN.').waitFor();
  assert.equal(await secret('CRM_TOKEN'), undefined);
  await assertNowhere(values, opened);
  await context.close();
});

test('what is refused is said at the field, which has the focus, and the value is still there', async () => {
  const { page, context } = await go('petra');
  await page.getByRole('link', { name: 'Add secret' }).first().click();
  const value = newValue('kept-');
  // the browser's own check is left out, to see the service's
  await dialog(page).locator('form').evaluate((form) => { form.noValidate = true; });
  await dialog(page).getByLabel('Name').fill('1ST');
  await dialog(page).getByLabel('Value', { exact: true }).fill(value);
  await dialog(page).getByLabel('Description', { exact: true }).fill('Kept');
  await dialog(page).getByRole('button', { name: 'Add secret' }).click();
  await dialog(page).locator('[aria-invalid]').waitFor();
  assert.ok(await hasFocus(dialog(page).getByLabel('Name')));
  assert.equal(await dialog(page).getByLabel('Value', { exact: true }).inputValue(), value);
  assert.equal(await dialog(page).getByLabel('Description', { exact: true }).inputValue(), 'Kept');
  await checkLook(page, 'secret with a problem');
  await dialog(page).getByLabel('Name').fill('FIRST');
  await dialog(page).getByRole('button', { name: 'Add secret' }).click();
  await page.getByText('Added FIRST.').waitFor();
  assert.equal(await valueOf('FIRST'), value);
  await context.close();
});

// Pasting a .env file

const ENV = `# of the shop
export PASTED_ONE="first value # no comment"
PASTED_TWO='single $quoted'  # a comment
PASTED_PEM="-----BEGIN-----
line two
-----END-----"
FIRST=a-newer-value
PASTED_EMPTY=
pasted-dash=refused-here
not a line
`;

test('a .env file is read and sealed in the browser, each name with its result', async () => {
  if (await secret('FIRST') === undefined) await set('FIRST');
  const opened = await go('petra');
  const { page, context, wire } = opened;
  await page.getByRole('link', { name: 'Paste .env' }).click();
  const pasted = dialog(page);
  await pasted.getByLabel('Contents of the file').fill(ENV);
  const names = pasted.getByRole('list', { name: 'What is in it' }).getByRole('listitem');
  const line = (name) => names.filter({ has: page.locator(`code:text-is("${name}")`) });
  await line('PASTED_ONE').waitFor();
  assert.equal(await names.count(), 6);
  assert.match(await line('PASTED_PEM').textContent(), /38 characters in 3 lines, new/);
  assert.match(await line('FIRST').textContent(), /becomes version 2 of the one there is/);
  assert.match(await line('PASTED_EMPTY').textContent(), /It has no value/);
  assert.match(await line('pasted-dash').textContent(), /Not a name of a secret/);
  assert.ok(await line('pasted-dash').getByRole('checkbox').isDisabled());
  // nothing was sent so far but what the page is made of
  assert.ok(!wire.some((text) => typeof text === 'string' && text.includes('/secrets/set')));
  assert.doesNotMatch(await line('PASTED_ONE').textContent(), /first value/);
  await checkLook(page, 'env file read');
  await line('PASTED_TWO').getByRole('checkbox').uncheck();
  await pasted.getByRole('button', { name: 'Set 3 secrets' }).click();
  await pasted.getByText('3 secrets set. Delete the file if nothing else needs it.').waitFor();
  assert.match(await line('PASTED_ONE').textContent(), /Set, version 1/);
  assert.match(await line('FIRST').textContent(), /Set, version 2/);
  assert.ok(await hasFocus(pasted.getByRole('link', { name: 'Done' })));
  assert.equal(await pasted.getByLabel('Contents of the file').inputValue(), '');
  await checkLook(page, 'env file set');
  await shot(page, 'env-file', dialog(page));
  assert.equal(await valueOf('PASTED_ONE'), 'first value # no comment');
  assert.equal(await valueOf('PASTED_PEM'), '-----BEGIN-----\nline two\n-----END-----');
  assert.equal(await secret('PASTED_TWO'), undefined);
  const sent = wire.filter((text) => typeof text === 'string' && text.includes('/secrets/set'));
  assert.equal(sent.length, 3);
  for (const text of [...sent, ...await Promise.all(wire), service.log, serverLog(), await contents(page, context)]) {
    assert.doesNotMatch(text, /first value|single \$quoted|line two|a-newer-value|refused-here/);
  }
  await pasted.getByRole('link', { name: 'Done' }).click();
  await rowOf(page, 'Project secrets', 'PASTED_PEM').waitFor();
  assert.equal(await dialog(page).count(), 0);
  await context.close();
});

test('a name that the database refuses says why, and the others are set', async () => {
  const { page, context } = await go('petra', '/secrets/paste');
  await page.route('**/secrets/set?*', async (route) => {
    // the name and the box are for different secrets: the database finds out
    const body = new URLSearchParams(route.request().postData());
    if (body.get('name') !== 'WRONG_BOX') return route.continue();
    body.set('name', 'OTHER_NAME');
    return route.continue({ postData: String(body) });
  });
  await page.getByLabel('Or choose the file').setInputFiles({ name: '.env', mimeType: 'text/plain', buffer: Buffer.from('WRONG_BOX=one\r\nRIGHT_BOX=two\r\n') });
  await page.getByRole('button', { name: 'Set 2 secrets' }).click();
  await page.getByText('1 secret set; 1 not, for the reasons beside them.').waitFor();
  const wrong = page.getByRole('listitem').filter({ hasText: 'WRONG_BOX' });
  assert.match(await wrong.locator('.problem').textContent(), /\w/);
  assert.ok(await hasFocus(page.getByRole('button', { name: 'Set 1 secret' })));
  await checkLook(page, 'env file refused in part');
  await page.unroute('**/secrets/set?*');
  await page.getByRole('button', { name: 'Set 1 secret' }).click();
  await page.getByText('2 secrets set.').waitFor();
  assert.equal(await valueOf('WRONG_BOX'), 'one');
  await context.close();
});

test('without scripts the page says why nothing can be pasted', async () => {
  const { page, context } = await go('petra', '/secrets/paste', { javaScriptEnabled: false });
  await page.getByText('This needs scripts').waitFor();
  await context.close();
});

// Platform keys

const createKey = async (page, name) => {
  await page.getByRole('link', { name: 'Create key' }).click();
  await dialog(page).getByLabel('Name').fill(name);
};

test('a platform key is shown until it is saved, copied, and revoked', async () => {
  const { page, context } = await go('petra', '', { permissions: ['clipboard-read', 'clipboard-write'] });
  await createKey(page, 'For a script');
  assert.equal(await dialog(page).getByLabel('Valid for').inputValue(), '90');
  const warning = dialog(page).getByText('Without an end it works until');
  assert.ok(!await warning.isVisible());
  await dialog(page).getByLabel('Valid for').selectOption('never');
  assert.ok(await warning.isVisible());
  await checkLook(page, 'platform key without an end');
  await dialog(page).getByLabel('Valid for').selectOption('30');
  await dialog(page).getByRole('button', { name: 'Create key' }).click();
  const input = page.getByLabel('Your new platform key');
  await input.waitFor();
  const token = await input.inputValue();
  assert.match(token, /^sk-tarx-[0-9A-Za-z]{49}$/);
  assert.match(page.url(), /\/platform-keys\/created\?/);
  assert.ok(await hasFocus(input));
  await dialog(page).getByRole('button', { name: 'Copy' }).click();
  await dialog(page).getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
  // leaving by mistake asks, and no is no
  const asked = [];
  page.on('dialog', (question) => {
    asked.push(question.type() === 'beforeunload' ? 'unload' : question.message());
    return question.type() === 'beforeunload' ? question.accept() : question.dismiss();
  });
  await page.keyboard.press('Escape');
  await dialog(page).getByRole('button', { name: 'Close' }).click();
  assert.equal(asked.length, 2);
  assert.match(asked[0], /Have you saved it\?/);
  assert.ok(await input.isVisible());
  await checkLook(page, 'platform key created');
  await shot(page, 'platform-keys', dialog(page));
  // a reload, and another page, lose nothing
  await page.reload();
  assert.equal(asked.at(-1), 'unload');
  assert.equal(await input.inputValue(), token);
  await checkLook(page, 'platform key created without the dialog');
  await page.goto(service.address + at('petra'));
  await page.getByText('Not saved yet').waitFor();
  await checkLook(page, 'platform key not saved yet');
  await page.getByRole('link', { name: 'Show it' }).click();
  assert.equal(await input.inputValue(), token);
  asked.length = 0;
  await dialog(page).getByRole('button', { name: 'I have saved it' }).click();
  await page.getByText('The key “For a script” is yours to use.').waitFor();
  assert.deepEqual(asked, [], 'saying so asks nothing');
  assert.ok(!(await contents(page, context)).includes(token));
  await page.goto(service.address + at('petra', '/platform-keys/created'));
  await page.getByRole('heading', { name: 'No key to show' }).waitFor();
  await checkLook(page, 'no platform key to show');
  await page.goto(service.address + at('petra'));
  await rowOf(page, 'Platform API keys', 'For a script').getByRole('link', { name: 'Revoke' }).click();
  await dialog(page).getByRole('button', { name: 'Revoke For a script' }).click();
  await page.getByText('Revoked “For a script”.').waitFor();
  await page.getByText('1 revoked').click();
  await rowOf(page, 'Revoked platform API keys', 'For a script').waitFor();
  assert.ok(!service.log.includes(token) && !serverLog().includes(token));
  await context.close();
});

test('revoking the key that one is signed in with says so, and signs out', async () => {
  const { page, context } = await go('quentin', '', { path: '/quentin/settings' });
  await rowOf(page, 'Platform API keys', 'sample').getByText('signed in with it').waitFor();
  await rowOf(page, 'Platform API keys', 'sample').getByRole('link', { name: 'Revoke' }).click();
  await dialog(page).getByText('this signs you out').waitFor();
  await checkLook(page, 'revoking one s own key');
  await dialog(page).getByRole('button', { name: 'Revoke and sign out' }).click();
  await page.getByText('You have revoked the key that you were signed in with').waitFor();
  await checkLook(page, 'signed out by a revocation');
  await context.close();
  await newPerson('quentin');
});

// Members

test('members are added, changed and removed; names sort as people sort', async () => {
  const { page, context } = await go('petra', '/members');
  assert.deepEqual(await page.getByRole('list', { name: 'Members', exact: true }).getByRole('heading').allTextContents(), ['item-2', 'item-10', 'karl', 'mia', 'petra']);
  await page.getByRole('link', { name: 'Add member' }).click();
  assert.ok(await hasFocus(dialog(page).getByLabel('User id')));
  await checkLook(page, 'adding a member');
  await dialog(page).getByLabel('User id').fill('sa:nobody');
  await dialog(page).getByRole('button', { name: 'Add member' }).click();
  await dialog(page).locator('[aria-invalid]').waitFor();
  assert.ok(await hasFocus(dialog(page).getByLabel('User id')));
  await checkLook(page, 'adding a member with a problem');
  await dialog(page).getByLabel('User id').fill('newcomer');
  await dialog(page).getByRole('radio', { name: /^Viewer/ }).check();
  await dialog(page).getByRole('button', { name: 'Add member' }).click();
  await page.getByText('newcomer is viewer of this project now.').waitFor();
  await rowOf(page, 'Members', 'newcomer').getByRole('link', { name: 'Change role' }).click();
  await dialog(page).getByRole('radio', { name: /^Member/ }).check();
  await checkLook(page, 'changing a role');
  await dialog(page).getByRole('button', { name: 'Change role' }).click();
  await page.getByText('newcomer is member of this project now.').waitFor();
  await menuOf(page, 'Members', 'newcomer', 'Remove');
  await checkLook(page, 'removing a member');
  await dialog(page).getByRole('button', { name: 'Remove newcomer' }).click();
  await page.getByText('Removed newcomer.').waitFor();
  assert.equal(await rowOf(page, 'Members', 'newcomer').count(), 0);
  await checkLook(page, 'a member removed');
  await page.getByRole('button', { name: 'Undo: add them again as member' }).click();
  await rowOf(page, 'Members', 'newcomer').waitFor();
  await context.close();
});

test('the last admin cannot leave, and reads why', async () => {
  const { page, context } = await go('petra', '/members');
  await menuOf(page, 'Members', 'petra', 'Leave the project');
  await dialog(page).getByRole('button', { name: 'Leave the project' }).click();
  await dialog(page).getByRole('alert').filter({ hasText: 'This is the only admin of the project' }).waitFor();
  assert.ok(await hasFocus(dialog(page).getByRole('alert')));
  await checkLook(page, 'the last admin leaving');
  await context.close();
});

test('a service account gets a key, and is deleted', async () => {
  const { page, context } = await go('petra', '/members');
  await page.getByRole('link', { name: 'Add service account' }).click();
  await dialog(page).getByLabel('Name').fill('Nightly');
  await checkLook(page, 'adding a service account');
  await dialog(page).getByRole('button', { name: 'Add service account' }).click();
  await page.getByText('Added Nightly. It needs a key to sign in.').waitFor();
  await page.getByRole('link', { name: 'Create a key' }).click();
  await dialog(page).getByLabel('Name').fill('CI');
  await checkLook(page, 'key of a service account');
  await dialog(page).getByRole('button', { name: 'Create key' }).click();
  await page.getByLabel('Your new platform key').waitFor();
  await dialog(page).getByRole('button', { name: 'I have saved it' }).click();
  await page.getByText('The key “CI of Nightly” is yours to use.').waitFor();
  assert.match(page.url(), /\/members\?/);
  await checkLook(page, 'members and service accounts');
  await menuOf(page, 'Service accounts', 'Nightly', 'Delete');
  await checkLook(page, 'deleting a service account');
  await dialog(page).getByRole('button', { name: 'Delete Nightly' }).click();
  await page.getByText('Deleted Nightly. Its keys are revoked.').waitFor();
  await context.close();
});

// The audit log

test('the audit log is filtered, paged, and exported', async () => {
  await as('petra', `SELECT tarx_keys.describe_secret($1, 'FIRST', 'number ' || i) FROM generate_series(1, 60) i`, [project]);
  const { page, context } = await go('petra', '/audit');
  const items = page.getByRole('list', { name: 'Audit log' }).getByRole('listitem');
  assert.equal(await items.count(), 50);
  await checkLook(page, 'audit log');
  const first = await items.first().getAttribute('id');
  await page.getByRole('link', { name: 'Older' }).click();
  await page.getByRole('link', { name: 'Newest' }).waitFor();
  assert.notEqual(await items.first().getAttribute('id'), first);
  await page.getByRole('link', { name: 'Newest' }).click();
  await page.getByLabel('Action').selectOption({ label: 'Member removed or left' });
  await page.getByLabel('By whom').fill('petra');
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.getByText('You removed newcomer').waitFor();
  assert.equal(await page.getByLabel('Action').inputValue(), 'member.remove');
  assert.match(page.url(), new RegExp(`project=${project}.*action=member.remove`));
  await checkLook(page, 'audit log filtered');
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export CSV' }).click();
  const csv = await readFile(await (await download).path(), 'utf8');
  assert.match(csv, /member\.remove,newcomer/);
  assert.doesNotMatch(csv, /secret\.describe/);
  await page.getByLabel('By whom').fill('nobody');
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.getByText('Nothing in the log matches the filter.').waitFor();
  await checkLook(page, 'audit log without a match');
  await context.close();
});

// Sessions

async function endSession(context) {
  const cookies = await context.cookies();
  await context.addCookies(cookies.filter(({ name }) => name === 'session').map((cookie) => ({ ...cookie, value: 'A'.repeat(43) })));
}

test('a session that ended while a dialog was open loses nothing that was typed', async () => {
  const { page, context } = await go('petra');
  await page.getByRole('link', { name: 'Add secret' }).first().click();
  const value = newValue('typed-');
  await dialog(page).getByLabel('Name').fill('TYPED_BEFORE');
  await dialog(page).getByLabel('Value', { exact: true }).fill(value);
  await endSession(context);
  await dialog(page).getByRole('button', { name: 'Add secret' }).click();
  const link = dialog(page).getByRole('link', { name: 'Sign in again' });
  await link.waitFor();
  assert.ok(await hasFocus(link));
  assert.equal(await dialog(page).getByLabel('Value', { exact: true }).inputValue(), value);
  await checkLook(page, 'a session that ended in a dialog');
  const [other] = await Promise.all([context.waitForEvent('page'), link.click()]);
  await other.getByText('Your session has ended').waitFor();
  await checkLook(other, 'sign in after a session ended');
  await signInAt(other, tokens.petra);
  await other.getByRole('heading', { name: 'Add secret' }).waitFor();
  assert.equal(await other.getByLabel('Name').inputValue(), 'TYPED_BEFORE');
  assert.equal(await other.getByLabel('Value', { exact: true }).inputValue(), '');
  await other.close();
  await dialog(page).getByRole('button', { name: 'Add secret' }).click();
  await page.getByText('Added TYPED_BEFORE.').waitFor();
  assert.equal(await valueOf('TYPED_BEFORE'), value);
  await context.close();
});

test('the same for a .env file: what is not set yet is set by the next session', async () => {
  const { page, context } = await go('petra', '/secrets/paste');
  await page.getByLabel('Contents of the file').fill('LATER_ONE=1\nLATER_TWO=2');
  await page.getByRole('button', { name: 'Set 2 secrets' }).waitFor();
  await endSession(context);
  await page.getByRole('button', { name: 'Set 2 secrets' }).click();
  await page.getByRole('link', { name: 'Sign in again' }).waitFor();
  const [other] = await Promise.all([context.waitForEvent('page'), page.getByRole('link', { name: 'Sign in again' }).click()]);
  await signInAt(other, tokens.petra);
  await other.waitForURL(/\/secrets\//);
  await other.close();
  await page.getByRole('button', { name: 'Set 2 secrets' }).click();
  await page.getByText('2 secrets set.').waitFor();
  await context.close();
});

test('without scripts a form whose session ended is there again after signing in', async () => {
  const { page, context } = await go('petra', '/platform-keys/create', { javaScriptEnabled: false });
  await page.getByLabel('Name').fill('Typed before');
  await page.getByLabel('Valid for').selectOption('365');
  await endSession(context);
  await page.getByRole('button', { name: 'Create key' }).click();
  await page.getByText('Your session has ended').waitFor();
  await signInAt(page, tokens.petra);
  assert.equal(await page.getByLabel('Name').inputValue(), 'Typed before');
  assert.equal(await page.getByLabel('Valid for').inputValue(), '365');
  await page.getByRole('button', { name: 'Create key' }).click();
  assert.match(await page.getByLabel('Your new platform key').inputValue(), /^sk-tarx-/);
  await page.getByRole('button', { name: 'I have saved it' }).click();
  await page.getByText('The key “Typed before” is yours to use.').waitFor();
  await context.close();
});

test('a page that was asked for before signing in is there afterwards, in its project', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(service.address + at('petra', '/members/add'));
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await checkLook(page, 'sign in');
  await signInAt(page, 'sk-tarx-wrong');
  await page.locator('[aria-invalid]').waitFor();
  await checkLook(page, 'sign in with a wrong key');
  await signInAt(page, tokens.petra);
  await page.getByRole('heading', { name: 'Add a member to Shop' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  await checkLook(page, 'signed out');
  await context.close();
});

// How the rest looks

const section = (page, name) => page.locator('section').filter({ has: page.getByRole('heading', { name, level: 2 }) });

test('the pictures of the README', { skip: !process.env.TARX_KEYS_SCREENSHOTS }, async () => {
  const { page, context } = await open('alice');
  await shot(page, 'secrets', section(page, 'Project secrets'));
  await page.goto(service.address + settings('alice', '/members'));
  await shot(page, 'members', page.getByRole('main'));
  await page.goto(service.address + settings('alice', '/audit'));
  await shot(page, 'audit');
  await context.close();
});

test('every other state is accessible, and has room at 320 px', async () => {
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
