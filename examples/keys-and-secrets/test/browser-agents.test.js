// Agents and the test console in a browser: the dialogs, where the focus goes, what is said
// meanwhile, and how every state looks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLook, contents, dialog, forReadme, hasFocus, open, rowOf } from './browsing.js';
import { addAgent, addKey, as, asRoot, deleteAgent, ids, newPerson, newValue, PROJECTS, service, settings } from './harness.js';

const row = (page, name) => rowOf(page, 'Agents', name);

async function choose(page, name, action) {
  await row(page, name).locator('summary').click();
  await row(page, name).getByRole('link', { name: `${action} ${name}` }).click();
  await dialog(page).getByRole('heading', { level: 2 }).waitFor();
}

const discard = (id) => as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, id]);
const update = (id, changes) => as('alice', 'SELECT tarx_keys.update_llm_key($1, $2, $3)', [PROJECTS.support, id, changes]);

test('an agent is created, edited with the way back, and deleted after a question', async () => {
  const { page, context } = await open('bob', { rest: '/agents' });
  await page.getByRole('link', { name: 'Create agent' }).click();
  const name = dialog(page).getByLabel('Name');
  await name.waitFor();
  assert.ok(await hasFocus(name));
  await checkLook(page, 'agent new');
  // what is wrong stands at its field, and what was typed stays
  await name.fill('x\u202e');
  await dialog(page).getByLabel('Key').selectOption(ids.anthropic);
  await dialog(page).getByRole('button', { name: 'Create agent' }).click();
  await dialog(page).locator('[aria-invalid]').waitFor();
  assert.ok(await hasFocus(name));
  assert.equal(await dialog(page).getByLabel('Key').inputValue(), ids.anthropic);
  await checkLook(page, 'agent new with a problem');
  await name.fill('Passing');
  await page.keyboard.press('Enter');
  await page.getByText('Created “Passing”.').waitFor();
  assert.match(page.url(), /#agent-/);
  assert.equal(await page.getByRole('link', { name: 'Test it' }).count(), 1);
  await checkLook(page, 'agent created');

  await choose(page, 'Passing', 'Edit');
  const warning = dialog(page).getByText('The agent has used Anthropic until now.');
  assert.equal(await warning.count(), 0);
  await dialog(page).getByLabel('Key').selectOption(ids.openai);
  await warning.waitFor();
  await checkLook(page, 'agent edit with a warning');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await page.getByText('It uses “GPT” from now on.').waitFor();
  assert.match(await row(page, 'Passing').textContent(), /OpenAI/);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('It uses “Claude” from now on.').waitFor();
  assert.match(await row(page, 'Passing').textContent(), /Anthropic/);

  await choose(page, 'Passing', 'Delete');
  assert.match(await dialog(page).textContent(), /Its runs stop.*cannot be undone.*Its key “Claude” stays/s);
  await checkLook(page, 'agent delete');
  // the address is the dialog's, so a reload shows it by itself
  await page.reload();
  await page.getByRole('heading', { name: 'Delete “Passing”?' }).waitFor();
  await page.getByRole('button', { name: 'Delete Passing' }).click();
  await page.getByText('Deleted “Passing”.').waitFor();
  assert.equal(await row(page, 'Passing').count(), 0);
  await context.close();
});

test('Escape closes a dialog, and the focus is back at its menu', async () => {
  const { page, context } = await open('bob', { rest: '/agents' });
  await choose(page, 'Translator', 'Edit');
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  assert.ok(await hasFocus(row(page, 'Translator').locator('summary')));
  assert.match(page.url(), /\/agents\?project=/);
  await context.close();
});

test('models are listed when somebody looks; while the provider is asked, that is said', async () => {
  const { page, context, wire } = await open('bob', { rest: '/agents' });
  assert.ok(!wire.some((text) => typeof text === 'string' && text.includes('/models')));
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await page.route('**/models?*', async (route) => {
    if (route.request().headers()['x-in-page'] === 'models') await held;
    await route.continue();
  });
  await choose(page, 'Triage bot', 'Models');
  await dialog(page).getByText('Asking the provider…').waitFor();
  assert.equal(await dialog(page).locator('[aria-busy="true"]').count(), 1);
  await checkLook(page, 'models waiting');
  const outline = await dialog(page).boundingBox();
  release();
  await dialog(page).getByText('3 models').waitFor();
  // the list has come where its outline was
  assert.deepEqual(await dialog(page).boundingBox(), outline);
  assert.deepEqual(await dialog(page).locator('code').allTextContents(), ['claude-haiku-5', 'claude-opus-5', 'claude-sonnet-5']);
  assert.equal(await dialog(page).locator('[aria-busy]').count(), 0);
  await checkLook(page, 'models');
  await dialog(page).getByRole('link', { name: 'Test claude-opus-5' }).click();
  await page.getByLabel('Model').waitFor();
  assert.equal(await page.getByLabel('Model').inputValue(), 'claude-opus-5');
  await page.goto(service.address + settings('bob', '/agents'));
  await choose(page, 'Night shift', 'Models');
  await dialog(page).getByText(/The provider answered 401: .*\[redacted\]/).waitFor();
  await checkLook(page, 'models refused');
  for (const seen of [...await Promise.all(wire), await contents(page, context)]) assert.doesNotMatch(seen, /not-a-real|notareal|tarx-run-/);
  await context.close();
});

test('a list of models that was cut says so, and is looked through; a catalogue is called one', async () => {
  const keys = [await addKey('openai', 'Of many pages', newValue('sk-proj-paged-')), await addKey('azure_ai_foundry', 'Without deployments', newValue('undeployed-'), '/azure')];
  const agents = [await addAgent('Many models', keys[0]), await addAgent('Catalogue', keys[1])];
  const { page, context } = await open('bob', { rest: '/agents' });
  await choose(page, 'Many models', 'Models');
  await dialog(page).getByText('40 models').waitFor();
  await dialog(page).getByText('The provider has more: these are the first 40.').waitFor();
  await dialog(page).getByLabel('Find').fill('L-2');
  await dialog(page).getByText('11 models').waitFor();
  assert.ok(!await dialog(page).locator('code', { hasText: /^model-1$/ }).isVisible());
  await checkLook(page, 'models cut');
  await page.goto(service.address + settings('bob', '/agents'));
  await choose(page, 'Catalogue', 'Models');
  await dialog(page).getByText('This is its catalogue: a call names one of your deployments.').waitFor();
  await checkLook(page, 'models as a catalogue');
  await context.close();
  for (const agent of agents) await deleteAgent(agent);
  for (const key of keys) await discard(key);
});

test('the console answers in its place: what is said meanwhile, where the focus goes, what stays', async () => {
  const { page, context, wire } = await open('bob', { rest: '/console' });
  await checkLook(page, 'console empty');
  await page.getByLabel('Agent', { exact: true }).selectOption({ label: 'Triage bot (Anthropic)' });
  await page.getByLabel('Message').fill('ping');
  let letModels;
  const heldModels = new Promise((resolve) => { letModels = resolve; });
  await page.route('**/console?*', async (route) => { await heldModels; await route.continue(); });
  await page.getByRole('button', { name: 'Show models' }).click();
  await page.getByRole('status').filter({ hasText: 'Asking the provider for its models…' }).waitFor();
  await checkLook(page, 'console asking for models');
  letModels();
  await page.getByRole('status').filter({ hasText: '3 models.' }).waitFor();
  await page.unroute('**/console?*');
  assert.ok(await hasFocus(page.getByLabel('Model')));
  assert.deepEqual(await page.locator('datalist option').evaluateAll((options) => options.map(({ value }) => value)), ['claude-haiku-5', 'claude-opus-5', 'claude-sonnet-5']);
  await page.getByLabel('Model').fill('claude-haiku-5');
  await checkLook(page, 'console with models');
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await page.route('**/console?*', async (route) => { await held; await route.continue(); });
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('status').filter({ hasText: 'Asking the model…' }).waitFor();
  assert.equal(await page.locator('[data-console][aria-busy="true"]').count(), 1);
  assert.ok(await page.getByRole('button', { name: 'Send' }).isDisabled());
  await checkLook(page, 'console asking');
  release();
  await page.getByRole('heading', { name: 'Answer' }).waitFor();
  assert.ok(await hasFocus(page.getByRole('heading', { name: 'Answer' })));
  assert.equal(await page.locator('.answer').textContent(), 'pong');
  assert.match(await page.locator('#result').textContent(), /Triage bot, claude-haiku-5: with the key “Claude” in \d+ ms/);
  assert.equal(await page.getByLabel('Message').inputValue(), 'ping');
  await forReadme('test-console', page.getByRole('main'));
  await checkLook(page, 'console answer');
  // a reload has the agent and the model; the message is in no address
  assert.match(page.url(), /model=claude-haiku-5/);
  assert.doesNotMatch(page.url(), /ping/);
  await page.unroute('**/console?*');
  await page.reload();
  assert.equal(await page.getByLabel('Model').inputValue(), 'claude-haiku-5');
  for (const seen of [...await Promise.all(wire), await contents(page, context), service.log]) assert.doesNotMatch(seen, /not-a-real|notareal|tarx-run-/);
  await context.close();
});

test('the console says which keys were tried, and what is wrong at its field', async () => {
  const first = await addKey('xai', 'Used up', newValue('xai-unpaid-'));
  await update(first, { priority: 1 });
  const second = await addKey('xai', 'Backup', newValue('xai-'));
  const [{ id: agent }] = await as('alice', "SELECT tarx_keys.create_agent($1, 'In turn', NULL, 'xai') AS id", [PROJECTS.support]);
  const { page, context } = await open('bob', { rest: '/console' });
  await page.getByLabel('Agent', { exact: true }).selectOption(agent);
  await page.getByLabel('Model').fill('   ');
  await page.getByLabel('Message').fill('ping');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('[aria-invalid]').waitFor();
  assert.ok(await hasFocus(page.getByLabel('Model')));
  assert.equal(await page.getByLabel('Message').inputValue(), 'ping');
  await checkLook(page, 'console with a problem');
  await page.getByLabel('Model').fill('grok-5');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('heading', { name: 'Answer' }).waitFor();
  assert.deepEqual(await page.locator('.tries strong').allTextContents(), ['Used up', 'Backup']);
  assert.match(await page.locator('.tries').textContent(), /quota used up.*No credit is left for \[redacted\].*answered/s);
  await forReadme('keys-in-turn', page.locator('#result'));
  await checkLook(page, 'console keys in turn');
  await page.getByLabel('Agent', { exact: true }).selectOption({ label: 'Night shift (OpenAI)' });
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('heading', { name: 'No answer' }).waitFor();
  assert.match(await page.locator('#result').textContent(), /answered 401: .*\[redacted\].*Ask an admin to look at the key\./s);
  await checkLook(page, 'console no answer');
  // what was typed stays when nothing comes back
  await page.route('**/console?*', (route) => route.abort());
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('status').filter({ hasText: 'What you typed is still here' }).waitFor();
  await checkLook(page, 'console not sent');
  assert.equal(await page.getByLabel('Message').inputValue(), 'ping');
  assert.ok(!await page.getByRole('button', { name: 'Send' }).isDisabled());
  await context.close();
  await deleteAgent(agent);
  for (const id of [first, second]) await discard(id);
});

test('without scripts agents are created, edited and deleted, models are shown, and the console answers', async () => {
  const { page, context } = await open('bob', { rest: '/agents', javaScriptEnabled: false });
  await page.getByRole('link', { name: 'Create agent' }).click();
  await page.getByLabel('Name').fill('Plain');
  await page.getByLabel('Key').selectOption(ids.anthropic);
  await page.getByRole('button', { name: 'Create agent' }).click();
  await page.getByText('Created “Plain”.').waitFor();
  await row(page, 'Plain').locator('summary').click();
  await row(page, 'Plain').getByRole('link', { name: 'Models Plain' }).click();
  await page.getByText('claude-haiku-5', { exact: true }).first().waitFor();
  await page.getByRole('link', { name: 'Test claude-haiku-5' }).click();
  await page.getByLabel('Message').fill('ping');
  await page.getByRole('button', { name: 'Show models' }).click();
  await page.getByText('3 models.').waitFor();
  assert.equal(await page.getByLabel('Message').inputValue(), 'ping');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText('pong').waitFor();
  assert.match(page.url(), /#result$/);
  await page.goto(service.address + settings('bob', '/agents'));
  await row(page, 'Plain').locator('summary').click();
  await row(page, 'Plain').getByRole('link', { name: 'Edit Plain' }).click();
  assert.match(await page.getByRole('main').textContent(), /Another provider has other models/);
  await page.getByLabel('Key').selectOption('provider:anthropic');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved “Plain”.').waitFor();
  await row(page, 'Plain').locator('summary').click();
  await row(page, 'Plain').getByRole('link', { name: 'Delete Plain' }).click();
  await page.getByRole('button', { name: 'Delete Plain' }).click();
  await page.getByText('Deleted “Plain”.').waitFor();
  await context.close();
});

test('everything is reached and done by keyboard', async () => {
  const { page, context } = await open('bob', { rest: '/agents' });
  await row(page, 'Translator').getByRole('link', { name: 'Test' }).focus();
  await page.keyboard.press('Tab');
  assert.ok(await hasFocus(row(page, 'Translator').locator('summary')));
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Models Translator');
  await page.keyboard.press('Enter');
  await dialog(page).getByText('3 models').waitFor();
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  await row(page, 'Translator').getByRole('link', { name: 'Test' }).focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Model').focus();
  await page.keyboard.type('gpt-6');
  await page.keyboard.press('Tab');
  await page.keyboard.type('ping');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('pong').waitFor();
  await context.close();
});

// How the list looks, with all that can be wrong with a key

test('the list looks well with whatever is wrong, to an admin, a member and a viewer', async () => {
  const made = [];
  const sick = async (name, work) => {
    const key = await addKey('openai', `Of ${name}`, newValue());
    made.push([await addAgent(name, key), key]);
    await work(key);
  };
  await sick('Invoice reader', (key) => update(key, { enabled: false }));
  await sick('Old crawler', (key) => update(key, { expires_at: '2001-01-01T00:00Z' }));
  await sick('Mail sorter', (key) => asRoot("UPDATE tarx_keys.project_llm_keys SET destination = 'https://evil.example' WHERE id = $1", [key]));
  await sick('Newsletter', discard);
  const [{ id: any }] = await as('alice', "SELECT tarx_keys.create_agent($1, 'Any OpenAI', NULL, 'openai') AS id", [PROJECTS.support]);
  await as('alice', "SELECT tarx_keys.add_member($1, 'wanda', 'viewer')", [PROJECTS.support]);
  await newPerson('wanda');
  for (const user of ['alice', 'bob', 'wanda']) {
    const { page, context } = await open(user, { rest: '/agents' });
    if (user === 'alice') await forReadme('agents', page.getByRole('main'));
    await checkLook(page, `agents ${user}`);
    if (user === 'wanda') {
      await page.goto(service.address + settings('wanda', '/console'));
      await checkLook(page, 'console of a viewer');
    }
    await context.close();
  }
  const { page, context } = await open('bob', { rest: `/agents/${made[3][0]}/edit` });
  await checkLook(page, 'agent of a deleted key');
  const none = [await addAgent('W'.repeat(100), null), await addAgent('A name of many words that is quite long for the page on a phone', null)];
  await page.goto(service.address + settings('bob', '/agents'));
  await checkLook(page, 'agents with long names');
  await context.close();
  for (const agent of [...made.map(([id]) => id), any, ...none]) await deleteAgent(agent);
  for (const [, key] of made.slice(0, 3)) await discard(key);
});

test('no agents, a hundred, and no project look well', async () => {
  const [{ id: empty }] = await as('yara', "SELECT tarx_keys.create_project('Empty') AS id");
  await newPerson('yara');
  const [{ id: full }] = await as('yara', "SELECT tarx_keys.create_project('Full') AS id");
  await as('yara', "SELECT tarx_keys.create_agent($1, 'Bot ' || i) FROM generate_series(1, 100) i", [full]);
  await newPerson('zacharias');
  const { page, context } = await open('yara', { path: settings('yara', '/agents', empty) });
  await checkLook(page, 'agents none');
  await page.goto(service.address + settings('yara', '/agents/new', empty));
  await checkLook(page, 'agent new without keys');
  await page.goto(service.address + settings('yara', '/console', empty));
  await checkLook(page, 'console without agents');
  await page.goto(service.address + settings('yara', '/agents', full));
  await page.getByLabel('Find an agent by name').fill('bot 99');
  await page.keyboard.press('Enter');
  await row(page, 'Bot 99').waitFor();
  assert.equal(await page.getByRole('list', { name: 'Agents' }).getByRole('listitem').filter({ has: page.getByRole('heading') }).count(), 1);
  await checkLook(page, 'agents found');
  await page.goto(service.address + settings('yara', '/agents', full));
  await checkLook(page, 'agents a hundred');
  await context.close();
  const other = await open('zacharias', { path: '/zacharias/settings/agents' });
  await checkLook(other.page, 'agents without a project');
  await other.context.close();
});
