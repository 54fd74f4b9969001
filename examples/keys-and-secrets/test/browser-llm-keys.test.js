// LLM keys in a browser: dialogs, what is said while typing, that values stay where they
// belong, and how every state looks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLook, contents, dialog, forReadme, hasFocus, open } from './browsing.js';
import { addKey as addToSupport, as, asRoot, ids, inRun, newPerson, newValue, PROJECTS, resolve, resolveAgent, serverLog, service, settings } from './harness.js';

const LIST = 'Project LLM keys';
const row = (page, name) => page.getByRole('list', { name: LIST, exact: true }).locator(`.row[data-name="${name}"]`);
const section = (page) => page.getByRole('region', { name: LIST });
const call = (sql, values) => as('alice', sql, values);
const drop = async (...all) => { for (const id of all) await call('SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, id]); };
const update = (id, changes) => call('SELECT tarx_keys.update_llm_key($1, $2, $3)', [PROJECTS.support, id, changes]);
const idOf = async (name) => (await call("SELECT id FROM tarx_keys.llm_keys WHERE project_id = $1 AND name = $2 AND state <> 'deleted'", [PROJECTS.support, name]))[0]?.id;

// The action of a row that is in its menu
async function choose(page, name, action) {
  await row(page, name).getByText(`More for ${name}`).locator('..').click();
  await row(page, name).locator('details li').getByText(action, { exact: false }).first().click();
}

const provider = (page, label) => dialog(page).getByRole('link', { name: label, exact: true }).click();
const keyField = (page) => dialog(page).getByLabel('Key', { exact: true });
const submit = (page) => dialog(page).getByRole('button', { name: 'Add key' });

async function openAdding(page, label, { name, value }) {
  await section(page).getByRole('link', { name: 'Add key' }).click();
  await provider(page, label);
  await dialog(page).getByLabel('Name').fill(name);
  await keyField(page).fill(value);
}

const problem = (page) => dialog(page).locator('.problem').first();
// What a screen reader says of the field that has the focus
const described = (page) => page.evaluate(() => (document.activeElement.getAttribute('aria-describedby') ?? '').split(' ')
  .map((id) => document.getElementById(id)?.textContent ?? '').join(' '));

test('an admin adds a key: sealed here, masked there, and nowhere in clear', async () => {
  const { page, context, wire } = await open('alice');
  const value = newValue('sk-ant-api03-');
  await section(page).getByRole('link', { name: 'Add key' }).click();
  await dialog(page).getByText('Whose models is it for?').waitFor();
  assert.match(page.url(), /\/llm-keys\/new/);
  await forReadme('choose-provider', dialog(page));
  await checkLook(page, 'choose a provider');
  await provider(page, 'Anthropic');
  await dialog(page).getByLabel('Name').fill('By browser');
  await keyField(page).fill(`  ${value} `);
  assert.equal(await keyField(page).getAttribute('type'), 'password');
  let during;
  await page.route('**/settings/llm-keys?*', async (route) => {
    during = route.request().postData();
    await route.continue();
  });
  await submit(page).click();
  const notice = page.getByRole('status').filter({ hasText: 'Added “By browser”. The provider accepted this key.' });
  await notice.waitFor();
  assert.match(during, /(^|&)sealed=[A-Za-z0-9%]{100,}/);
  await page.locator('[data-notice]:focus').waitFor();   // as soon as the page has loaded
  await checkLook(page, 'a key added');
  const id = await idOf('By browser');
  assert.ok(page.url().endsWith(`#key-${id}`));
  await notice.getByRole('link', { name: 'Use it in an agent' }).click();
  await dialog(page).getByRole('heading', { name: 'Create agent' }).waitFor();
  assert.equal(await dialog(page).getByLabel('Key', { exact: true }).inputValue(), id);
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  assert.match(await row(page, 'By browser').textContent(), new RegExp(`sk-ant-api03-.*…${value.slice(-4)}.*Anthropic.*added by alice`, 's'));
  const part = value.slice(16, 40);
  const overTheWire = await Promise.all(wire);
  assert.ok(overTheWire.some((text) => text.includes('Added “By browser”.')));
  for (const seen of [...overTheWire, during, await contents(page, context), service.log, serverLog()]) assert.ok(!seen.includes(part));
  assert.equal((await resolve(id)).key_value, value);
  await drop(id);
  await context.close();
});

test('fields with values are empty while a form is sent, and full again if that fails', async () => {
  const { page, context } = await open('alice');
  const [value, secret] = [newValue(), newValue('gateway-')];
  await openAdding(page, 'OpenAI', { name: 'Held back', value });
  await dialog(page).getByText('More options', { exact: true }).click();
  await dialog(page).getByLabel('Header', { exact: true }).fill('x-gateway');
  await dialog(page).getByLabel('Its value').fill(secret);
  // libsodium is loaded when it is needed: while it is not there, nothing is sealed yet
  let release;
  const held = new Promise((resolve_) => { release = resolve_; });
  await page.route('**/assets/libsodium.mjs', async (route) => { await held; await route.continue(); });
  await page.route('**/settings/llm-keys?*', (route) => route.abort());
  await submit(page).click();
  await dialog(page).getByText('Sealing…').waitFor();
  for (const each of [value, secret]) assert.ok(!(await contents(page, context)).includes(each));
  await checkLook(page, 'add sealing');
  release();
  await dialog(page).getByText('This could not be sent. What you typed is still here').waitFor();
  assert.deepEqual([await keyField(page).inputValue(), await dialog(page).getByLabel('Its value').inputValue()], [value, secret]);
  await checkLook(page, 'add not sent');
  await page.unroute('**/settings/llm-keys?*');
  await submit(page).click();
  await page.getByText('Added “Held back”.').waitFor();
  const id = await idOf('Held back');
  assert.deepEqual((await resolve(id)).headers, { 'x-gateway': secret });
  await drop(id);
  await context.close();
});

test('another vendor’s key is noticed while typing, and one click changes the provider', async () => {
  const { page, context } = await open('alice');
  const value = newValue('sk-ant-api03-');
  await openAdding(page, 'OpenAI', { name: 'Whose', value });
  assert.equal(await keyField(page).getAttribute('aria-invalid'), 'true');
  await forReadme('another-vendor', dialog(page));
  await checkLook(page, 'add another vendor');
  await dialog(page).getByRole('button', { name: 'Change to Anthropic' }).click();
  await dialog(page).getByText('It begins with sk-ant-api03-').waitFor();
  assert.match(page.url(), /provider=anthropic/);
  assert.deepEqual([await dialog(page).getByLabel('Name').inputValue(), await keyField(page).inputValue()], ['Whose', value]);
  assert.equal(await dialog(page).locator('[aria-invalid]').count(), 0);
  // what was left is forgotten
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  await section(page).getByRole('link', { name: 'Add key' }).click();
  await provider(page, 'Anthropic');
  assert.equal(await keyField(page).inputValue(), '');
  assert.ok(!(await contents(page, context)).includes(value));
  await context.close();
});

test('what stands around a key is noticed, and one click leaves only the key', async () => {
  const { page, context } = await open('alice');
  const value = newValue();
  await openAdding(page, 'OpenAI', { name: 'Around', value: 'x' });
  for (const around of [`OPENAI_API_KEY=${value}`, `export KEY="${value}"`, `Bearer ${value}`, `Authorization: Bearer ${value}`, `"${value}",`, `${value};`]) {
    await keyField(page).fill(around);
    await dialog(page).getByRole('button', { name: 'Use only the key' }).click();
    assert.equal(await keyField(page).inputValue(), value, around);
    assert.equal(await dialog(page).locator('.problem').count(), 0);
  }
  await keyField(page).fill(`OPENAI_API_KEY=${value}`);
  await checkLook(page, 'add what stands around a key');
  for (const [none, told] of [['sk-proj-…abcd', /mask/], ['sk-tarx-abcdefgh', /this platform/], ['{"type":"service_account"}', /document/], ['a key', /no spaces/], ['schlüssel', /ASCII/]]) {
    await keyField(page).fill(none);
    assert.match(await problem(page).textContent(), told);
    await submit(page).click();
    assert.ok(await hasFocus(keyField(page)));
  }
  await keyField(page).fill(value);
  assert.equal(await dialog(page).locator('.problem').count(), 0);
  await context.close();
});

test('a call’s address is noticed as a base URL, and one click leaves the base', async () => {
  const { page, context } = await open('alice');
  await openAdding(page, 'OpenAI-compatible', { name: 'Base', value: newValue('gsk_') });
  const input = dialog(page).getByLabel('Base URL');
  await input.fill('https://api.groq.com/openai/v1/chat/completions?x=1');
  await input.blur();
  await dialog(page).getByText('This is the address of a call.').waitFor();
  await checkLook(page, 'add address of a call');
  await dialog(page).getByRole('button', { name: 'Use https://api.groq.com/openai/v1' }).click();
  assert.equal(await input.inputValue(), 'https://api.groq.com/openai/v1');
  // Google has none to give
  await dialog(page).getByRole('link', { name: 'Change the provider' }).click();
  await provider(page, 'Google AI');
  await dialog(page).getByText('It begins with AIza').waitFor();
  assert.equal(await dialog(page).getByLabel('Base URL').count(), 0);
  assert.equal(await dialog(page).getByLabel('Name').inputValue(), 'Base');
  await context.close();
});

test('what is wrong stands at its field, with the focus, and all that was typed stays', async () => {
  const { page, context, wire } = await open('alice');
  const value = newValue();
  await openAdding(page, 'OpenAI-compatible', { name: 'Elsewhere', value });
  await dialog(page).getByLabel('Base URL').fill('https://user@llm.example/v1');
  wire.length = 0;
  await submit(page).click();
  await dialog(page).locator('[aria-invalid]').waitFor();
  assert.ok(await hasFocus(dialog(page).getByLabel('Base URL')));
  assert.match(await described(page), /must not contain a user name/);
  assert.deepEqual([await dialog(page).getByLabel('Name').inputValue(), await keyField(page).inputValue()], ['Elsewhere', value]);
  await forReadme('problem-at-the-field', dialog(page));
  await checkLook(page, 'add with a problem');
  // checked without the value, and nothing was sent besides
  const sent = (await Promise.all(wire)).filter((text) => /^http\S+\/llm-keys/.test(text));
  assert.ok(sent.length === 1 && /\/check\?/.test(sent[0]) && !sent[0].includes(value));
  // folded away, it is opened to be seen
  await dialog(page).getByLabel('Base URL').fill('https://llm.example/v1');
  await dialog(page).getByText('More options', { exact: true }).click();
  await dialog(page).getByLabel('Only for these models').fill('ö');
  await dialog(page).getByText('More options', { exact: true }).click();
  await submit(page).click();
  await dialog(page).locator('[aria-invalid]').waitFor();
  assert.ok(await hasFocus(dialog(page).getByLabel('Only for these models')));
  await dialog(page).getByLabel('Only for these models').fill('');
  await dialog(page).getByLabel('Test it with the provider').uncheck();
  await submit(page).click();
  await page.getByText('Added “Elsewhere”.').waitFor();
  await drop(await idOf('Elsewhere'));
  await context.close();
});

test('what only the database can see of a value keeps the value as well', async () => {
  const { page, context } = await open('alice');
  const value = `YOUR_${'API'}_KEY`;
  await openAdding(page, 'OpenAI', { name: 'Placeholder', value });
  await submit(page).click();
  await problem(page).filter({ hasText: 'placeholder' }).waitFor();
  assert.ok(await hasFocus(keyField(page)));
  assert.equal(await keyField(page).inputValue(), value);
  await checkLook(page, 'add refused by the database');
  await context.close();
});

test('a key is added with options, which are sealed with it; times are the reader’s', async () => {
  const { page, context, wire } = await open('alice', { timezoneId: 'Asia/Kolkata' });
  const [value, secret] = [newValue(), newValue('gateway-')];
  await openAdding(page, 'OpenAI', { name: 'With options', value });
  const add = dialog(page);
  assert.ok(!await add.getByLabel(/^Expires/).isVisible());
  await add.getByText('More options', { exact: true }).click();
  await add.getByLabel('Order').fill('7');
  await add.getByLabel('Expires (your time)').fill('2037-01-31T19:33');
  await add.getByLabel('Remind me to replace it after').fill('2036-12-01T05:30');
  await add.getByLabel('Only for these models').fill('gpt-6, o5\ngpt-6-mini');
  const headers = add.locator('[data-header]');
  const fillHeader = async (i, name, content) => {
    await headers.nth(i).getByLabel('Header').fill(name);
    await headers.nth(i).getByLabel('Its value').fill(content);
  };
  await fillHeader(0, 'x-gateway', '');
  assert.equal(await add.locator('input:invalid').count(), 1);
  await fillHeader(0, 'x-gateway', secret);
  await add.getByRole('button', { name: 'Add another header' }).click();
  assert.ok(await hasFocus(headers.nth(1).getByLabel('Header')));
  await fillHeader(1, 'x-team', 'red');
  await page.setViewportSize({ width: 1280, height: 1500 });
  await forReadme('more-options', add);
  await page.setViewportSize({ width: 1280, height: 800 });
  await fillHeader(1, 'X-Gateway', 'two');
  assert.equal(await add.locator('input:invalid').count(), 1);
  await fillHeader(1, 'Authorization', 'red');
  await submit(page).click();
  await add.locator('[data-headers] .problem').filter({ hasText: 'Authorization' }).waitFor();
  assert.equal(await headers.nth(0).getByLabel('Its value').inputValue(), secret);
  await fillHeader(1, 'x-team', 'red');
  await checkLook(page, 'add more options');
  await submit(page).click();
  await page.getByText('Added “With options”.').waitFor();
  const [key] = await call("SELECT id, priority, expires_at, rotate_after, allowed_models FROM tarx_keys.llm_keys WHERE name = 'With options' AND state <> 'deleted'");
  assert.deepEqual([key.priority, key.expires_at.toISOString(), key.rotate_after.toISOString(), key.allowed_models],
    [7, '2037-01-31T14:03:00.000Z', '2036-12-01T00:00:00.000Z', ['gpt-6', 'o5', 'gpt-6-mini']]);
  await update(key.id, { allowed_models: null });
  assert.deepEqual((await resolve(key.id)).headers, { 'x-gateway': secret, 'x-team': 'red' });
  for (const seen of [...await Promise.all(wire), await contents(page, context), service.log, serverLog()]) {
    for (const each of [value, secret]) assert.ok(!seen.includes(each.slice(8)));
  }
  // shown and changed in the same zone
  await choose(page, 'With options', 'Edit');
  assert.equal(await dialog(page).getByLabel('Expires (your time)').inputValue(), '2037-01-31T19:33');
  await dialog(page).getByLabel('Expires (your time)').fill('2037-02-01T05:30');
  await checkLook(page, 'edit a key');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved “With options”.').waitFor();
  assert.equal((await call('SELECT expires_at FROM tarx_keys.llm_keys WHERE id = $1', [key.id]))[0].expires_at.toISOString(), '2037-02-01T00:00:00.000Z');
  await drop(key.id);
  await context.close();
});

test('a key that the provider rejects is deleted from the same dialog, or kept', async () => {
  const { page, context } = await open('alice');
  await openAdding(page, 'OpenAI', { name: 'Wrong', value: newValue('sk-proj-refused-') });
  await submit(page).click();
  await dialog(page).getByRole('heading', { name: 'The provider rejected “Wrong”' }).waitFor();
  assert.ok(await hasFocus(dialog(page).getByRole('alert')));
  assert.match(page.url(), /\/rejected\?/);
  await forReadme('rejected', dialog(page));
  await checkLook(page, 'rejected key');
  await dialog(page).getByRole('button', { name: 'Delete it and try another' }).click();
  await dialog(page).getByText('It begins with sk-proj-').waitFor();
  assert.equal(await idOf('Wrong'), undefined);
  assert.equal(await dialog(page).getByLabel('Name').inputValue(), 'Wrong');
  assert.equal(await keyField(page).inputValue(), '');
  await keyField(page).fill(newValue('sk-proj-refused-'));
  await submit(page).click();
  await dialog(page).getByRole('link', { name: 'Keep it' }).click();
  await row(page, 'Wrong').getByText('rejected', { exact: true }).waitFor();
  await drop(await idOf('Wrong'));
  await context.close();
});

test('a dialog has an address: a reload shows its page, Escape, Back and Cancel lead back', async () => {
  const { page, context } = await open('alice');
  const link = section(page).getByRole('link', { name: 'Add key' });
  for (const leave of [() => page.keyboard.press('Escape'), () => page.goBack(), () => dialog(page).getByRole('link', { name: 'Cancel' }).click(), () => dialog(page).getByRole('button', { name: 'Close' }).click()]) {
    await link.focus();
    await page.keyboard.press('Enter');
    await dialog(page).getByRole('heading', { name: 'Add an LLM key' }).waitFor();
    await leave();
    await dialog(page).waitFor({ state: 'detached' });
    assert.ok(await hasFocus(link));
    assert.ok(!/llm-keys/.test(page.url()));
  }
  await page.goForward();
  await dialog(page).getByRole('heading', { name: 'Add an LLM key' }).waitFor();
  await page.reload();
  await page.getByRole('main').getByRole('heading', { name: 'Add an LLM key' }).waitFor();
  assert.equal(await dialog(page).count(), 0);
  await page.getByRole('link', { name: 'OpenAI', exact: true }).click();
  const value = newValue();
  await page.getByLabel('Key', { exact: true }).fill(value);
  await page.getByLabel('Name').fill('GPT');
  await page.getByRole('button', { name: 'Add key' }).click();
  await page.locator('[aria-invalid]').waitFor();
  assert.equal(await page.getByLabel('Key', { exact: true }).inputValue(), value);
  await page.getByRole('link', { name: 'Cancel' }).click();
  await row(page, 'GPT').waitFor();
  await context.close();
});

test('a key is tested where it is, and the result is said', async () => {
  const { page, context, wire } = await open('alice');
  const [claude, refused] = [row(page, 'Claude'), row(page, 'Old GPT')];
  let release;
  const held = new Promise((resolve_) => { release = resolve_; });
  await page.route('**/test?*', async (route) => { await held; await route.continue(); });
  const button = claude.getByRole('button', { name: 'Test Claude' });
  await button.focus();
  await page.keyboard.press('Enter');
  // the region was there before, so that a screen reader says what changes in it
  await claude.getByRole('status').filter({ hasText: 'Asking the provider…' }).waitFor();
  await button.click();   // does nothing meanwhile
  await checkLook(page, 'a test that waits');
  release();
  await claude.getByRole('status').filter({ hasText: 'The provider accepted this key.' }).waitFor();
  assert.ok(await hasFocus(button));
  await refused.getByRole('button', { name: 'Test' }).first().click();
  await refused.getByRole('status').filter({ hasText: 'The provider rejected this key (401)' }).waitFor();
  await refused.getByText('rejected', { exact: true }).waitFor();
  // the other result is still there, and the page the same
  assert.match(await claude.getByRole('status').textContent(), /accepted/);
  await forReadme('llm-keys', section(page));
  await checkLook(page, 'results of tests');
  const overTheWire = await Promise.all(wire);
  assert.equal(overTheWire.filter((text) => /^http\S+\/test\?/.test(text)).length, 2);
  for (const seen of [...overTheWire, await contents(page, context), service.log]) assert.doesNotMatch(seen, /not-a-real|Incorrect API key|tarx-run-/);
  await page.unroute('**/test?*');
  await page.route('**/test?*', (route) => route.abort());
  await button.click();
  await claude.getByRole('status').filter({ hasText: 'The key could not be tested.' }).waitFor();
  await context.close();
});

test('a key is replaced in one dialog, and Undo takes it back', async () => {
  const { page, context, wire } = await open('alice');
  const old = await addToSupport('openai', 'Renewed', newValue());
  const [{ agent }] = await call('SELECT tarx_keys.create_agent($1, $2, $3) AS agent', [PROJECTS.support, 'Day bot', old]);
  const value = newValue();
  await page.reload();
  await choose(page, 'Renewed', 'Replace key');
  await dialog(page).getByLabel('New key').fill(value);
  assert.ok(await dialog(page).getByLabel('Day bot').isChecked());
  await forReadme('replace-key', dialog(page));
  await checkLook(page, 'replace a key');
  await dialog(page).getByRole('button', { name: 'Replace key' }).click();
  const notice = page.getByRole('status').filter({ hasText: 'Replaced “Renewed”: 1 agent goes on with the new key, and the old one is disabled. The provider accepted this key.' });
  await notice.waitFor();
  await checkLook(page, 'a key replaced');
  const resolved = await resolveAgent(agent);
  assert.equal(resolved.key_value, value);
  for (const seen of [...await Promise.all(wire), await contents(page, context), service.log, serverLog()]) assert.ok(!seen.includes(value));
  await notice.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Took the replacement back: “Renewed” is in use again.').waitFor();
  assert.equal((await resolveAgent(agent)).key_id, old);
  await drop(old, resolved.key_id);
  await context.close();
});

test('a key is deleted after a question that names its agents, which move on', async () => {
  const { page, context } = await open('alice');
  const id = await addToSupport('openai', 'Retiring', newValue());
  const [{ agent }] = await call('SELECT tarx_keys.create_agent($1, $2, $3) AS agent', [PROJECTS.support, 'Night bot', id]);
  await page.reload();
  await choose(page, 'Retiring', 'Delete');
  await dialog(page).getByRole('heading', { name: 'Delete “Retiring”?' }).waitFor();
  assert.match(await dialog(page).textContent(), /This agent uses it:.*Night bot/s);
  // one of the same provider is offered first
  await dialog(page).getByLabel('These agents go on with').selectOption({ label: 'GPT (OpenAI)' });
  await forReadme('delete-key', dialog(page));
  await checkLook(page, 'delete a key');
  // one of another comes with a warning
  const warning = dialog(page).getByText('Its agents have used OpenAI until now. With Anthropic, they have to ask for models of Anthropic');
  assert.equal(await warning.count(), 0);
  const choice = dialog(page).getByLabel('These agents go on with');
  await choice.selectOption({ label: 'Claude (Anthropic)' });
  await warning.waitFor();
  await checkLook(page, 'delete a key with agents of another provider');
  await choice.selectOption({ label: 'GPT (OpenAI)' });
  await dialog(page).getByRole('button', { name: 'Delete Retiring' }).click();
  await page.getByText('Deleted “Retiring”; its agents go on with another key.').waitFor();
  assert.equal(await row(page, 'Retiring').count(), 0);
  assert.equal((await resolveAgent(agent)).name, 'GPT');
  await context.close();
});

test('a key is disabled instead of deleted, and Undo enables it', async () => {
  const { page, context } = await open('alice');
  const id = await addToSupport('openai', 'Unsure', newValue());
  await page.reload();
  await choose(page, 'Unsure', 'Delete');
  await dialog(page).getByRole('button', { name: 'Disable instead' }).click();
  await page.getByText('Disabled “Unsure”.').waitFor();
  await checkLook(page, 'a key disabled');
  await row(page, 'Unsure').getByText('disabled', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Enabled “Unsure”.').waitFor();
  await drop(id);
  await context.close();
});

test('keys are put in order with a menu and by dragging, and the place is said', async () => {
  const { page, context } = await open('alice');
  const keys = [];
  for (const name of ['Order A', 'Order B', 'Order C']) keys.push(await addToSupport('deepseek', name, newValue('sk-')));
  await page.reload();
  const order = () => page.locator('.row[data-group="deepseek"]').evaluateAll((all) => all.map((each) => each.dataset.name));
  const said = page.locator('[data-said]');
  await choose(page, 'Order C', 'Try earlier');
  await said.filter({ hasText: 'Order C is now second of three.' }).waitFor({ state: 'attached' });
  assert.deepEqual(await order(), ['Order A', 'Order C', 'Order B']);
  assert.equal(await page.evaluate(() => document.activeElement.textContent.includes('More for Order C')), true);
  await row(page, 'Order B').locator('[data-handle]').dragTo(row(page, 'Order A'));
  await said.filter({ hasText: 'Order B is now first of three.' }).waitFor({ state: 'attached' });
  assert.deepEqual(await order(), ['Order B', 'Order A', 'Order C']);
  // not among those of another provider
  await row(page, 'Order C').locator('[data-handle]').dragTo(row(page, 'Claude'));
  assert.deepEqual(await order(), ['Order B', 'Order A', 'Order C']);
  await checkLook(page, 'keys in order');
  await drop(...keys);
  await context.close();
});

test('menus work with a keyboard', async () => {
  const { page, context } = await open('alice');
  const summary = row(page, 'GPT').locator('summary');
  await summary.focus();
  await page.keyboard.press('ArrowDown');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /^Replace key/);
  await page.keyboard.press('ArrowUp');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Delete GPT/);
  await checkLook(page, 'an open menu');
  await page.keyboard.press('Escape');
  assert.ok(await hasFocus(summary));
  assert.equal(await page.locator('details[data-menu][open]').count(), 0);
  // one at a time
  await summary.click();
  await row(page, 'Claude').locator('summary').click();
  assert.equal(await page.locator('details[data-menu][open]').count(), 1);
  await page.getByRole('heading', { level: 1 }).click();
  assert.equal(await page.locator('details[data-menu][open]').count(), 0);
  await context.close();
});

test('without scripts keys are tested, ordered, edited, disabled and deleted', async () => {
  const { page, context } = await open('alice', { javaScriptEnabled: false });
  const id = await addToSupport('openai', 'Plain', newValue());
  await page.reload();
  await row(page, 'Mistral').getByRole('button', { name: 'Test' }).click();
  await row(page, 'Mistral').getByText('The provider accepted this key.').waitFor();
  await page.goto(service.address + settings('alice'));
  await choose(page, 'Plain', 'Edit');
  await page.getByLabel('Name').fill('Plain and simple');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved “Plain and simple”.').waitFor();
  await choose(page, 'Plain and simple', 'Try earlier');
  await page.getByText(/“Plain and simple” is now \w+ of \w+\./).waitFor();
  await choose(page, 'Plain and simple', 'Disable');
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Enabled “Plain and simple”.').waitFor();
  await choose(page, 'Plain and simple', 'Delete');
  await page.getByRole('button', { name: 'Delete Plain and simple' }).click();
  await page.getByText('Deleted “Plain and simple”.').waitFor();
  await section(page).getByRole('link', { name: 'Add key' }).click();
  await page.getByRole('link', { name: 'OpenAI', exact: true }).click();
  await page.getByText('this form needs scripts').waitFor();
  assert.equal(await idOf('Plain and simple'), undefined, id);
  await context.close();
});

test('a key that does not open says so, and is entered again', async () => {
  const { page, context } = await open('alice');
  const id = await addToSupport('openai', 'Tampered', newValue());
  await asRoot("UPDATE tarx_keys.project_llm_keys SET destination = 'https://evil.example' WHERE id = $1", [id]);
  await page.reload();
  await row(page, 'Tampered').getByText('needs re-entry').waitFor();
  await checkLook(page, 'a tampered key');
  await row(page, 'Tampered').getByRole('link', { name: 'Tampered' }).first().click();
  await dialog(page).getByText('somebody changed its row').waitFor();
  await checkLook(page, 'details of a tampered key');
  await page.keyboard.press('Escape');
  await row(page, 'Tampered').getByRole('link', { name: 'Re-enter' }).click();
  await dialog(page).getByText('Whose key is it?').waitFor();
  await checkLook(page, 'enter a key again whose');
  await provider(page, 'OpenAI');
  const value = newValue();
  await keyField(page).fill(value);
  await checkLook(page, 'enter a key again');
  await dialog(page).getByRole('button', { name: 'Enter key' }).click();
  await page.getByText('Entered “Tampered” again; its agents go on with it. The provider accepted this key.').waitFor();
  const now = await idOf('Tampered');
  assert.equal((await resolve(now)).key_value, value);
  await drop(now);
  await context.close();
});

const hours = (count) => new Date(Date.now() + count * 3_600_000).toISOString();

test('keys in all states, with long names, look well; what is due stands on top', async () => {
  const long = 'A name that is as long as names may be, with which somebody wanted to say all there is to say of it';
  const [{ id: project }] = await as('lena', "SELECT tarx_keys.create_project('A project with a name that goes on for quite a while') AS id");
  const lena = (sql, values) => as('lena', sql, values);
  await newPerson('lena');
  const add = async (slug, name, options = null) => (await lena('SELECT tarx_keys.add_llm_key($1, $2, $3, $4, $5, $6) AS id',
    [project, slug, name, newValue(slug === 'openai' ? 'sk-proj-' : 'gsk_'), slug === 'openai' ? null : 'https://a-host-with-a-long-name.of-a-company.example.com/openai/v1', options]))[0].id;
  const report = async (id, outcome) => {
    const [{ ticket }] = await lena('SELECT tarx_keys.issue_run_ticket($1, NULL, key_id => $2) AS ticket', [project, id]);
    await inRun(ticket, 'SELECT tarx_keys.report_key($1, $2, $3)', [project, id, outcome]);
  };
  await add('openai', long);
  await add('openai_compatible', `${'W'.repeat(99)}w`, { allowed_models: ['one', 'two'], headers: { 'x-a': 'b' } });
  await add('openai', 'Disabled', { enabled: false });
  await add('openai', 'Soon over', { expires_at: hours(50) });
  await add('openai', 'Over', { expires_at: hours(-50) });
  await add('openai', 'Due', { rotate_after: hours(-50) });
  for (const [name, outcome] of [['Rejected', 'rejected'], ['No credit', 'quota'], ['Cooling', 'timeout']]) await report(await add('openai', name), outcome);
  const { page, context } = await open('lena', { project });
  assert.equal(await page.locator('.due li').count(), 4);
  await checkLook(page, 'keys in all states');
  // two lines for a row, three where a long badge or name needs one
  await page.setViewportSize({ width: 360, height: 800 });
  const heights = await page.locator('.row[data-key]').evaluateAll((all) => all.map((each) => [each.dataset.name, each.offsetHeight]));
  for (const [name, height] of heights) assert.ok(height <= 110, `${name}: ${height}`);
  // no badge is below a button
  await page.setViewportSize({ width: 320, height: 800 });
  const outside = await page.locator('.row[data-key] .row-title').evaluateAll((all) => all.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.textContent));
  assert.deepEqual(outside, []);
  await page.setViewportSize({ width: 360, height: 800 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await forReadme('narrow-and-dark', page);
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize({ width: 1280, height: 800 });
  await row(page, 'Soon over').getByRole('link', { name: /^Soon over/ }).first().click();
  await dialog(page).getByText('What happened to it lately').waitFor();
  await checkLook(page, 'details of a key');
  await context.close();
});

test('a hundred keys are found by name; an empty project and a member see what is theirs', async () => {
  const [{ id: project }] = await as('max', "SELECT tarx_keys.create_project('Many') AS id");
  await newPerson('max');
  const first = await open('max', { project });
  await first.page.getByText('No LLM keys yet. Agents need one').waitFor();
  await checkLook(first.page, 'an empty project');
  for (let i = 1; i <= 100; i++) await as('max', 'SELECT tarx_keys.add_llm_key($1, $2, $3, $4)', [project, ['openai', 'mistral'][i % 2], `Key ${i}`, newValue(i % 2 ? '' : 'sk-proj-')]);
  const { page } = first;
  await page.reload();
  await page.getByLabel('Find a key').fill('key 7');
  await page.getByText('11 of 100 shown').waitFor({ state: 'attached' });
  assert.equal(await page.locator('.row[data-key]:visible').count(), 11);
  await checkLook(page, 'keys found');
  await page.getByLabel('Find a key').fill('');
  await checkLook(page, 'a hundred keys');
  await as('max', "SELECT tarx_keys.add_member($1, 'mia')", [project]);
  await newPerson('mia');
  const member = await open('mia', { project });
  for (const name of ['Add key', 'Replace key', 'Delete']) assert.equal(await section(member.page).getByText(name).count(), 0, name);
  assert.equal(await member.page.locator('[data-seal], .row[data-key] button').count(), 0);
  await checkLook(member.page, 'what a member sees');
  await first.context.close();
  await member.context.close();
});

test('no mask breaks or leaves its row', async () => {
  const { page, context } = await open('alice');
  for (const width of [320, 400, 640, 641, 768, 1056, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    const wrong = await page.evaluate(() => [...document.querySelectorAll('.row[data-key] code.mask')].filter((mask) => {
      const place = mask.closest('.facts').getBoundingClientRect();
      return mask.getClientRects().length !== 1 || mask.getBoundingClientRect().right > place.right + 1;
    }).map((mask) => mask.textContent));
    assert.deepEqual(wrong, [], `at ${width}`);
  }
  assert.ok(await page.locator('.row[data-key] code.mask').count() > 5, ids.openai);
  await context.close();
});
