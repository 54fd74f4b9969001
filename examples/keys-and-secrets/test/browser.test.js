// The pages in a browser: what an admin and a member do, that values stay where
// they belong, and that everybody can use it.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { chromium } from 'playwright-core';
import { addKey, as, ids, inRun, KEYS, newPerson, newValue, PROJECTS, resolve, resolveAgent, serverLog, service, settings, signedIn, ticketFor, tokens } from './harness.js';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8');
const browser = await chromium.launch({ executablePath: process.env.TARX_KEYS_CHROMIUM });
after(() => browser.close());

// A page of somebody who is signed in, and all that goes over the wire: texts,
// and promises of texts
async function open(user, { rest = '', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options });
  const page = await context.newPage();
  const wire = [];
  page.setDefaultTimeout(10_000);
  page.on('pageerror', (error) => { throw error; });
  page.on('request', (request) => wire.push(`${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ''}`));
  page.on('response', (response) => {
    if (response.request().isNavigationRequest() || response.request().resourceType() === 'fetch') {
      wire.push(response.text().catch(() => ''));   // a redirect has none
    }
  });
  await page.goto(service.address);
  await page.getByLabel('Platform API key').fill(tokens[user]);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/settings/);
  await page.goto(service.address + settings(user, rest));
  wire.length = 0;
  return { page, context, wire };
}

// Everything that is in a page and its storage
async function contents(page, context) {
  const inside = await page.evaluate(() => JSON.stringify([
    document.documentElement.outerHTML,
    [...document.querySelectorAll('input, textarea, select')].map((control) => control.value),
    { ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state,
  ]));
  return inside + JSON.stringify(await context.cookies());
}

const form = (page, purpose) => page.locator(`form[data-seal="${purpose}"]`);
const row = (page, table, name) => page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: name });

async function shot(page, name, locator) {
  const directory = process.env.TARX_KEYS_SCREENSHOTS;
  if (!directory) return;
  mkdirSync(directory, { recursive: true });
  await (locator ?? page).screenshot({ path: `${directory}/${name}.png`, animations: 'disabled' });
}

async function fillKey(page, { provider, name, value, baseUrl }) {
  if (!await form(page, 'llm-key').isVisible()) await page.getByText('Add key', { exact: true }).first().click();
  const add = form(page, 'llm-key');
  await add.getByLabel('Provider').selectOption(provider);
  await add.getByLabel('Name').fill(name);
  await add.getByLabel('Key', { exact: true }).fill(value);
  if (baseUrl !== undefined) await add.getByLabel('Base URL').fill(baseUrl);
  return add.getByRole('button', { name: 'Add key' });
}

test('a key is tested where it is, and the result is said', async () => {
  const { page, context, wire } = await open('alice');
  const claude = row(page, 'Project LLM keys', 'Claude');
  const refused = row(page, 'Project LLM keys', 'Old GPT');
  let release;
  const held = new Promise((resolve_) => { release = resolve_; });
  await page.route('**/test?*', async (route) => { await held; await route.continue(); });
  const button = claude.getByRole('button', { name: 'Test this key (Claude)' });
  await button.focus();
  await page.keyboard.press('Enter');
  // the region was there before, so that a screen reader says what changes in it
  await claude.getByRole('status').filter({ hasText: 'Asking the provider…' }).waitFor();
  await button.click();   // does nothing meanwhile
  release();
  await claude.getByRole('status').filter({ hasText: 'The provider accepted this key.' }).waitFor();
  assert.match(await claude.textContent(), /works/);
  assert.ok(await button.evaluate((element) => element === document.activeElement));
  await refused.getByRole('button', { name: 'Test this key' }).click();
  await refused.getByRole('status').filter({ hasText: 'The provider rejected this key (401)' }).waitFor();
  assert.match(await refused.textContent(), /rejected by the provider/);
  // the other result is still there, and the page the same
  assert.match(await claude.getByRole('status').textContent(), /accepted/);
  await shot(page, 'llm-keys', page.locator('section').filter({ has: page.getByRole('heading', { name: 'Project LLM keys' }) }));
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

test('an admin adds a key: sealed here, masked there, and nowhere in clear', async () => {
  const { page, context, wire } = await open('alice');
  const value = newValue('sk-ant-api03-');
  const submit = await fillKey(page, { provider: 'anthropic', name: 'By browser', value });
  assert.equal(await form(page, 'llm-key').getByLabel('Key', { exact: true }).getAttribute('type'), 'password');
  await shot(page, 'add-key', form(page, 'llm-key'));
  // what the page has while the request is under way
  let during;
  await page.route('**/settings/llm-keys?*', async (route) => {
    during = route.request().postData();
    await route.continue();
  });
  await submit.click();
  await page.getByText('Added “By browser”.').waitFor();
  assert.match(during, /(^|&)sealed=[A-Za-z0-9%]{100,}/);
  const cells = row(page, 'Project LLM keys', 'By browser');
  assert.match(await cells.textContent(), new RegExp(`sk-ant-api03-.*…${value.slice(-4)}.*alice.*Anthropic.*never`, 's'));
  const part = value.slice(16, 40);
  const overTheWire = await Promise.all(wire);
  assert.ok(overTheWire.some((text) => text.includes('Added “By browser”.')));
  for (const seen of [...overTheWire, during, await contents(page, context), service.log, serverLog()]) assert.ok(!seen.includes(part));
  const [{ id }] = await as('alice', "SELECT id FROM tarx_keys.llm_keys WHERE name = 'By browser'");
  assert.equal((await resolve(id)).key_value, value);
  await context.close();
});

test('the fields with values are empty as soon as the form is sent', async () => {
  const { page, context } = await open('alice');
  const value = newValue();
  const submit = await fillKey(page, { provider: 'openai', name: 'Held back', value });
  const secret = newValue('gateway-');
  await form(page, 'llm-key').getByText('More options', { exact: true }).click();
  await fillHeader(page, 0, 'x-gateway', secret);
  // libsodium is loaded when it is needed: while it is not there, nothing is sealed yet
  let release;
  const held = new Promise((resolve_) => { release = resolve_; });
  await page.route('**/assets/libsodium.mjs', async (route) => { await held; await route.continue(); });
  await submit.click();
  await page.getByText('Sealing…').waitFor();
  assert.equal(await page.locator('[data-value]').first().inputValue(), '');
  assert.ok(await submit.isDisabled());
  for (const each of [value, secret]) assert.ok(!(await contents(page, context)).includes(each));
  release();
  await page.getByText('Added “Held back”.').waitFor();
  await context.close();
});

test('a base URL is asked for where it is needed, and what is wrong stands there', async () => {
  const { page, context } = await open('alice');
  const value = newValue();
  let submit = await fillKey(page, { provider: 'openai_compatible', name: 'Elsewhere', value, baseUrl: 'https://user@llm.example/v1' });
  await submit.click();
  const input = form(page, 'llm-key').getByLabel('Base URL');
  await page.locator('[aria-invalid]').waitFor();
  assert.equal(await input.getAttribute('aria-invalid'), 'true');
  const problem = await page.locator(`#${(await input.getAttribute('aria-describedby')).split(' ').at(-1)}`).textContent();
  assert.match(problem, /\w/);
  assert.equal(await form(page, 'llm-key').getByLabel('Name').inputValue(), 'Elsewhere');
  assert.equal(await form(page, 'llm-key').getByLabel('Key', { exact: true }).inputValue(), '');
  await shot(page, 'problem-at-the-field', form(page, 'llm-key'));
  submit = await fillKey(page, { provider: 'openai_compatible', name: 'Elsewhere', value, baseUrl: 'https://llm.example/v1' });
  await submit.click();
  await page.getByText('Added “Elsewhere”.').waitFor();
  await page.getByText('Add key', { exact: true }).first().click();
  await form(page, 'llm-key').getByLabel('Provider').selectOption('google_ai');
  assert.ok(!await form(page, 'llm-key').getByLabel('Base URL').isVisible());
  await context.close();
});

test('a base URL is asked for, but not required, where a vendor has regional endpoints', async () => {
  const { page, context } = await open('alice');
  let submit = await fillKey(page, { provider: 'openai', name: 'In Europe', value: newValue(), baseUrl: 'https://eu.api.openai.com/v1/chat/completions' });
  const input = form(page, 'llm-key').getByLabel('Base URL');
  assert.equal(await input.getAttribute('required'), null);
  assert.match(await form(page, 'llm-key').locator('[data-field="base_url"] .hint').textContent(), /Left empty, calls go to http.*\.api\.openai\.com/);
  await submit.click();
  await page.getByText('Added “In Europe”.').waitFor();
  assert.match(await row(page, 'Project LLM keys', 'In Europe').textContent(), /https:\/\/eu\.api\.openai\.com\/v1(?!\/)/);
  submit = await fillKey(page, { provider: 'openai', name: 'Anywhere', value: newValue() });
  await submit.click();
  await page.getByText('Added “Anywhere”.').waitFor();
  const keys = await as('alice', "SELECT name, base_url FROM tarx_keys.llm_keys WHERE name IN ('In Europe', 'Anywhere') ORDER BY name");
  assert.deepEqual(keys.map(({ base_url: url }) => url), [null, 'https://eu.api.openai.com/v1']);
  await context.close();
});

test('a key is deleted after a question that names its agents, which move on', async () => {
  const { page, context } = await open('alice');
  const id = await addKey('openai', 'Retiring', newValue());
  const [{ agent }] = await as('alice', 'SELECT tarx_keys.create_agent($1, $2, $3) AS agent', [PROJECTS.support, 'Night bot', id]);
  await page.reload();
  await row(page, 'Project LLM keys', 'Retiring').getByRole('link', { name: 'Delete' }).click();
  await page.getByRole('heading', { name: 'Delete “Retiring”?' }).waitFor();
  assert.match(await page.getByRole('main').textContent(), /will stop working.*Night bot/s);
  await page.getByLabel('Agents go on with').selectOption({ label: 'GPT (OpenAI)' });
  await shot(page, 'delete-key', page.locator('section'));
  await page.getByRole('button', { name: 'Delete key' }).click();
  await page.getByText('Deleted the key; its agents go on with another one.').waitFor();
  assert.equal(await row(page, 'Project LLM keys', 'Retiring').count(), 0);
  assert.equal((await resolveAgent(agent)).name, 'GPT');
  await context.close();
});

test('a key is replaced: its agents go on, and the old one rests', async () => {
  const { page, context, wire } = await open('alice');
  const old = await addKey('openai', 'Renewed', newValue());
  const [{ agent }] = await as('alice', 'SELECT tarx_keys.create_agent($1, $2, $3) AS agent', [PROJECTS.support, 'Day bot', old]);
  const value = newValue();
  await page.reload();
  await row(page, 'Project LLM keys', 'Renewed').getByRole('link', { name: 'Replace' }).click();
  await page.getByLabel('New key').fill(value);
  await page.getByRole('button', { name: 'Replace key' }).click();
  await page.getByText('Replaced the key; its agents go on with the new one.').waitFor();
  const resolved = await resolveAgent(agent);
  assert.equal(resolved.key_value, value);
  const resting = row(page, 'Project LLM keys', 'Renewed (until');
  assert.match(await resting.textContent(), /disabled/);
  await resting.getByRole('button', { name: 'Enable' }).click();
  await page.getByText('Enabled the key.').waitFor();
  await row(page, 'Project LLM keys', 'Renewed (until').getByRole('button', { name: 'Disable' }).click();
  await page.getByText('Disabled the key. You can enable it again.').waitFor();
  for (const seen of [...await Promise.all(wire), await contents(page, context), service.log, serverLog()]) assert.ok(!seen.includes(value));
  for (const id of [old, resolved.key_id]) await as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, id]);
  await context.close();
});

test('a replacement has the options of the old key, unless the form says otherwise', async () => {
  const { page, context } = await open('alice');
  const [{ old }] = await as('alice', 'SELECT tarx_keys.add_llm_key($1, $2, $3, $4, NULL, $5) AS old',
    [PROJECTS.support, 'openai', 'Kept', newValue(), { priority: 7, expires_at: '2037-01-31T14:03Z', allowed_models: ['gpt-6'], headers: { 'x-gateway': 'kept' } }]);
  await page.reload();
  await row(page, 'Project LLM keys', 'Kept').getByRole('link', { name: 'Replace' }).click();
  await page.getByLabel('New key').fill(newValue());
  await page.getByText('More options', { exact: true }).click();
  await page.getByLabel('Expires (UTC)').fill('');
  await page.getByLabel('Only for these models').fill('gpt-6, o5');
  await page.getByRole('button', { name: 'Replace key' }).click();
  await page.getByText('Replaced the key; its agents go on with the new one.').waitFor();
  const [key] = await as('alice', "SELECT id, priority, expires_at, allowed_models FROM tarx_keys.llm_keys WHERE name = 'Kept'");
  assert.deepEqual([key.priority, key.expires_at, key.allowed_models], [7, null, ['gpt-6', 'o5']]);
  assert.deepEqual((await resolve(key.id)).headers, { 'x-gateway': 'kept' });
  for (const id of [old, key.id]) await as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, id]);
  await context.close();
});

const headers = (page) => form(page, 'llm-key').locator('[data-header]');

async function fillHeader(page, i, name, value) {
  await headers(page).nth(i).getByLabel('Header').fill(name);
  await headers(page).nth(i).getByLabel('Its value').fill(value);
}

test('a key is added with options, which are sealed with it', async () => {
  const { page, context, wire } = await open('alice');
  const value = newValue();
  const secret = newValue('gateway-');
  const submit = await fillKey(page, { provider: 'openai', name: 'With options', value });
  const add = form(page, 'llm-key');
  assert.ok(!await add.getByLabel('Expires (UTC)').isVisible());
  await add.getByText('More options', { exact: true }).click();
  await add.getByLabel('Order').fill('7');
  await add.getByLabel('Expires (UTC)').fill('2037-01-31T14:03');
  await add.getByLabel('Replace after (UTC)').fill('2036-12-01T00:00');
  await add.getByLabel('Only for these models').fill('gpt-6, o5\ngpt-6-mini');
  await fillHeader(page, 0, 'x-gateway', secret);
  await add.getByRole('button', { name: 'Add another header' }).click();
  assert.equal(await page.evaluate(() => document.activeElement.closest('[data-header]').previousElementSibling.matches('[data-header]')), true);
  await fillHeader(page, 1, 'x-team', 'red');
  await shot(page, 'more-options', add);
  await submit.click();
  await page.getByText('Added “With options”.').waitFor();
  const [key] = await as('alice', `SELECT id, priority, expires_at, rotate_after, allowed_models, header_names
    FROM tarx_keys.llm_keys WHERE name = 'With options'`);
  assert.deepEqual([key.priority, key.expires_at.toISOString(), key.rotate_after.toISOString(), key.allowed_models, key.header_names.sort()],
    [7, '2037-01-31T14:03:00.000Z', '2036-12-01T00:00:00.000Z', ['gpt-6', 'o5', 'gpt-6-mini'], ['x-gateway', 'x-team']]);
  const resolved = await resolve(key.id);
  assert.deepEqual([resolved.key_value, resolved.headers], [value, { 'x-gateway': secret, 'x-team': 'red' }]);
  for (const seen of [...await Promise.all(wire), await contents(page, context), service.log, serverLog()]) {
    for (const each of [value, secret]) assert.ok(!seen.includes(each.slice(8)));
  }
  await as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, key.id]);
  await context.close();
});

test('a header has a value and is there once; one that is refused stands there without its value', async () => {
  const { page, context } = await open('alice');
  const submit = await fillKey(page, { provider: 'openai', name: 'Odd headers', value: newValue() });
  const add = form(page, 'llm-key');
  const invalid = () => add.locator('input:invalid').count();
  await add.getByText('More options', { exact: true }).click();
  await fillHeader(page, 0, 'x-gateway', '');
  assert.equal(await invalid(), 1);
  // folded, it is opened to be seen
  await add.getByText('More options', { exact: true }).click();
  await submit.click();
  assert.ok(await headers(page).first().isVisible());
  await fillHeader(page, 0, 'x-gateway', 'one');
  assert.equal(await invalid(), 0);
  await add.getByRole('button', { name: 'Add another header' }).click();
  await fillHeader(page, 1, 'X-Gateway', 'two');
  assert.equal(await invalid(), 1);
  const secret = newValue('gateway-');
  await fillHeader(page, 1, 'Authorization', secret);
  await submit.click();
  await add.getByRole('alert').waitFor();
  assert.match(await add.getByRole('alert').textContent(), /Authorization/);
  assert.deepEqual(await headers(page).getByLabel('Header').evaluateAll((all) => all.map((input) => input.value)), ['x-gateway', 'Authorization']);
  assert.deepEqual(await headers(page).getByLabel('Its value').evaluateAll((all) => all.map((input) => input.value)), ['', '']);
  assert.ok(!(await contents(page, context)).includes(secret.slice(8)));
  await context.close();
});

test('without scripts a key is tested too, and the page is at the result', async () => {
  const { page, context } = await open('alice', { javaScriptEnabled: false });
  await row(page, 'Project LLM keys', 'Mistral').getByRole('button', { name: 'Test this key' }).click();
  await row(page, 'Project LLM keys', 'Mistral').getByText('The provider accepted this key.').waitFor();
  assert.match(page.url(), new RegExp(`/test\\?project=.*#health-${ids.mistral}$`));
  assert.equal(await page.getByText('The provider accepted this key.').count(), 1);
  await context.close();
});

test('no mask breaks or leaves its cell', async () => {
  const { page, context } = await open('alice');
  for (const width of [320, 400, 768, 960, 961, 1056, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    const wrong = await page.evaluate(() => [...document.querySelectorAll('td code.mask')].filter((mask) => {
      const cell = mask.closest('td').getBoundingClientRect();
      return mask.getClientRects().length !== 1 || mask.getBoundingClientRect().right > cell.right + 1;
    }).map((mask) => mask.textContent));
    assert.deepEqual(wrong, [], `at ${width}`);
    assert.ok(await page.locator('td code.mask').count() > 0);
  }
  await context.close();
});

test('a member sees the list and no controls', async () => {
  const { page, context } = await open('bob');
  assert.ok(await row(page, 'Project LLM keys', 'Claude').isVisible());
  assert.ok(await row(page, 'Project secrets', 'SHOP_TOKEN').isVisible());
  for (const name of ['Add key', 'Set secret', 'Restore', 'Delete key', 'Test this key']) assert.equal(await page.getByText(name, { exact: true }).count(), 0, name);
  assert.equal(await page.locator('[data-seal]').count(), 0);
  await context.close();
});

test('a secret is set, set again, restored and deleted', async () => {
  const { page, context, wire } = await open('alice');
  const values = [newValue('first-'), `${newValue('second-')}\nwith a line`];
  await shot(page, 'secrets', page.locator('section').filter({ has: page.getByRole('heading', { name: 'Project secrets' }) }));
  const version = row(page, 'Project secrets', 'CRM_TOKEN').getByRole('cell').nth(1);
  for (const [i, value] of values.entries()) {
    await page.getByText('Set secret', { exact: true }).first().click();
    const set = form(page, 'secret');
    await set.getByLabel('Name').fill('CRM_TOKEN');
    await set.getByLabel('Value').fill(value);
    await set.getByRole('button', { name: 'Set secret' }).click();
    await page.getByText('Set CRM_TOKEN.').waitFor();
    await version.filter({ hasText: String(i + 1) }).waitFor();
  }
  const [{ id: agentId }] = await as('alice', "SELECT id FROM tarx_keys.agents WHERE name = 'Answer bot'");
  const ticket = await ticketFor({ agentId, secrets: ['CRM_TOKEN'] });
  const current = async () => (await inRun(ticket, "SELECT tarx_keys.resolve_secret($1, 'CRM_TOKEN') AS value", [PROJECTS.support]))[0].value;
  assert.equal(await current(), values[1]);
  await row(page, 'Project secrets', 'CRM_TOKEN').getByRole('button', { name: 'Restore' }).click();
  await page.getByText('Restored version 1 of CRM_TOKEN.').waitFor();
  assert.equal(await current(), values[0]);
  for (const seen of [...await Promise.all(wire), await contents(page, context), service.log, serverLog()]) {
    for (const value of values) assert.ok(!seen.includes(value.slice(8, 40)));
  }
  await row(page, 'Project secrets', 'CRM_TOKEN').getByRole('link', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete secret' }).click();
  await page.getByText('Deleted CRM_TOKEN.').waitFor();
  await assert.rejects(current(), { code: 'TK011' });
  await context.close();
});

test('a platform key is shown once, copied, and revoked', async () => {
  const { page, context } = await open('alice', { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.getByText('Create platform key', { exact: true }).first().click();
  const create = page.locator('form').filter({ has: page.getByLabel('Lists only') });
  await create.getByLabel('Name').fill('For a script');
  await create.getByRole('button').click();
  const input = page.getByLabel('Your new platform key. It is not shown again.');
  const token = await input.inputValue();
  assert.match(token, /^sk-tarx-[0-9A-Za-z]{49}$/);
  await page.getByRole('button', { name: 'Copy' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
  // the screenshot is of a key that is revoked a moment later
  await shot(page, 'platform-keys', page.locator('section').filter({ has: page.getByRole('heading', { name: 'Platform API keys' }) }));
  await page.reload();
  assert.ok(!(await contents(page, context)).includes(token));
  await row(page, 'Platform API keys', 'For a script').getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('Revoked the platform key.').waitFor();
  assert.match(await row(page, 'Platform API keys', 'For a script').textContent(), /revoked 20/);
  assert.ok(!service.log.includes(token) && !serverLog().includes(token));
  await context.close();
});

test('the project is switched', async () => {
  const { page, context } = await open('alice');
  await page.getByLabel('Project', { exact: true }).selectOption('Tool research');
  await row(page, 'Project LLM keys', 'Lab').waitFor();
  assert.match(await page.getByRole('main').textContent(), /You are a member of this project/);
  assert.equal(await row(page, 'Project LLM keys', 'Claude').count(), 0);
  await context.close();
});

test('empty projects, and no project, say so', async () => {
  const [{ id }] = await as('dora', "SELECT tarx_keys.create_project('New') AS id");
  const dora = await newPerson('dora');
  const keys = await dora.get(settings('dora', '', id));
  assert.match(keys.text, /no LLM keys yet/);
  assert.match(keys.text, /no secrets yet/);
  assert.match((await dora.get(settings('dora', '/agents', id))).text, /no agents yet/);
  const erik = await newPerson('erik');
  assert.match((await erik.get('/erik/settings')).text, /in no project yet/);
  assert.match((await erik.get('/erik/settings/agents')).text, /in no project yet/);
});

test('without scripts the page still lists, deletes and switches', async () => {
  const { page, context } = await open('alice', { javaScriptEnabled: false });
  await page.getByRole('button', { name: 'Switch' }).waitFor();
  await page.goto(service.address + settings('alice', '/agents'));
  await page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'Triage bot' }) })
    .getByRole('link', { name: 'Show the models of this key' }).click();
  await page.getByText('claude-haiku-5').waitFor();
  await context.close();
});

test('the keyboard gets everywhere, visibly', async () => {
  const { page, context } = await open('alice');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
  const seen = new Set();
  for (let i = 0; i < 100; i++) {
    const [name, outline] = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return [document.activeElement.textContent.trim().slice(0, 20), `${style.outlineStyle} ${style.outlineWidth}`];
    });
    assert.equal(outline, 'solid 3px', name);
    seen.add(name);
    if (name === 'Add key') break;
    await page.keyboard.press('Tab');
  }
  for (const name of ['Sign out', 'Keys & Secrets', 'Agents', 'Add key']) assert.ok(seen.has(name), name);
  await page.keyboard.press('Enter');
  await form(page, 'llm-key').waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'llm-key-provider');
  await context.close();
});

// Serious accessibility problems on a page, with everything open
async function problemsOf(page) {
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => { details.open = true; }));
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => axe.run());
  return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

// As the page is now, wide and narrow
async function checkLook(page, what) {
  for (const width of [1100, 768, 320]) {
    await page.setViewportSize({ width, height: 800 });
    if (width !== 768) assert.deepEqual(await problemsOf(page), [], `${what} at ${width}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= width, `${what} at ${width}`);
  }
}

const [{ id: emptyProject }] = await as('hana', "SELECT tarx_keys.create_project('Empty') AS id");
await Promise.all(['hana', 'ivan'].map(newPerson));

const LOOKS = {
  alice: [settings('alice'), settings('alice', '/agents'), settings('alice', `/llm-keys/${ids.anthropic}/delete`), settings('alice', `/llm-keys/${ids.anthropic}/replace`),
    settings('alice', '/secrets/SHOP_TOKEN/delete'), settings('alice', `/llm-keys/${ids.anthropic}/models`), '/nowhere'],
  hana: [settings('hana', '', emptyProject), settings('hana', '/agents', emptyProject)],
  ivan: ['/ivan/settings', '/ivan/settings/agents'],
};

for (const colorScheme of ['light', 'dark']) {
  for (const [user, paths] of Object.entries(LOOKS)) {
    test(`no serious accessibility problem, and nothing too wide for 320 px: ${user}, ${colorScheme}`, async () => {
      const { page, context } = await open(user, { colorScheme });
      for (const path of paths) {
        await page.goto(service.address + path);
        await checkLook(page, path);
      }
      if (user === 'alice' && colorScheme === 'dark') {
        await page.goto(service.address + settings('alice'));
        await shot(page, 'narrow-and-dark');
      }
      await context.close();
    });
  }

  test(`the same with a problem, a new platform key, and at sign-in: ${colorScheme}`, async () => {
    const { page, context } = await open('alice', { colorScheme });
    const submit = await fillKey(page, { provider: 'openai_compatible', name: 'x', value: newValue(), baseUrl: 'https://u@llm.example' });
    await submit.click();
    await page.locator('[aria-invalid]').waitFor();
    await checkLook(page, 'a problem at a field');
    const create = page.locator('form').filter({ has: page.getByLabel('Lists only') });
    await create.getByLabel('Name').fill('Looked at');
    await create.getByRole('button').click();
    await page.getByLabel('Your new platform key. It is not shown again.').waitFor();
    await checkLook(page, 'a new platform key');
    await context.clearCookies();
    await page.goto(service.address);
    await shot(page, `sign-in-${colorScheme}`);
    await checkLook(page, 'sign-in');
    await page.getByLabel('Platform API key').fill('sk-tarx-wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('[aria-invalid]').waitFor();
    await checkLook(page, 'a wrong key at sign-in');
    await context.close();
  });
}

test('nothing but our own scripts runs, and they are small', async () => {
  const { page, context } = await open('alice');
  const refused = page.waitForEvent('console', (message) => /Content Security Policy/.test(message.text()));
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'document.title = "taken"';
    document.body.append(script);
  });
  await refused;
  assert.notEqual(await page.title(), 'taken');
  const scripts = new Set();    // their URLs
  page.on('request', (request) => { if (request.resourceType() === 'script') scripts.add(request.url()); });
  await page.goto(service.address + settings('alice', '/agents'));
  await page.goto(service.address + settings('alice'));
  const submit = await fillKey(page, { provider: 'openai', name: 'Weighed', value: newValue() });
  await submit.click();
  await page.getByText('Added “Weighed”.').waitFor();
  const paths = Array.from(scripts, (url) => new URL(url).pathname);
  for (const name of ['app.js', 'sealing.js', 'libsodium.mjs']) assert.ok(paths.includes(`/assets/${name}`), name);
  const own = await Promise.all(Array.from(scripts).filter((url) => !/\/libsodium[-\w]*\.mjs$/.test(url))
    .map(async (url) => (await (await fetch(url)).arrayBuffer()).byteLength));
  assert.ok(own.reduce((sum, size) => sum + size) < 100_000);
  await context.close();
});

test('the sample keys are nowhere on the pages', async () => {
  const alice = await signedIn('alice');
  for (const path of [settings('alice'), settings('alice', '/agents')]) {
    const { text } = await alice.get(path);
    for (const [, value] of Object.values(KEYS)) assert.ok(!text.includes(value));
  }
});
