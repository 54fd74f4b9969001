// The frame of the pages in a browser: the way through them, times, and that nothing but our
// own scripts runs. Sections have files of their own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLook, dialog, hasFocus, open, rowOf } from './browsing.js';
import { as, KEYS, newValue, PROJECTS, service, settings, signedIn } from './harness.js';

const LIST = 'Project LLM keys';

test('the project is switched, and the tab stays', async () => {
  const { page, context } = await open('alice', { rest: '/agents' });
  await page.getByLabel('Project', { exact: true }).selectOption('Tool research');
  await page.waitForURL(new RegExp(`/agents\\?project=${PROJECTS.research}`));
  await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name: 'Keys & Secrets' }).click();
  await rowOf(page, LIST, /^Lab/).waitFor();
  assert.match(await page.getByRole('main').textContent(), /You are a member of this project/);
  assert.equal(await rowOf(page, LIST, /^Claude/).count(), 0);
  await context.close();
});

test('without scripts the project is switched by a button', async () => {
  const { page, context } = await open('alice', { javaScriptEnabled: false });
  await page.getByLabel('Project', { exact: true }).selectOption('Tool research');
  await page.getByRole('button', { name: 'Switch' }).click();
  await rowOf(page, LIST, /^Lab/).waitFor();
  await context.close();
});

test('the breadcrumb says where one is, and leads back', async () => {
  const { page, context } = await open('alice', { rest: '/llm-keys/new' });
  const crumbs = page.getByRole('navigation', { name: 'Breadcrumb' });
  assert.equal(await crumbs.locator('[aria-current="page"]').textContent(), 'Add an LLM key');
  assert.match(await page.title(), /^Add an LLM key · Keys & Secrets · Support bots$/);
  await checkLook(page, 'a dialog as a page of its own');
  await crumbs.getByRole('link', { name: 'Keys & Secrets' }).click();
  await rowOf(page, LIST, /^Claude/).waitFor();
  for (const section of ['llm-keys', 'secrets', 'platform-keys']) assert.equal(await page.locator(`h2#${section}`).count(), 1);
  await context.close();
});

test('a page that is not there looks well', async () => {
  const { page, context } = await open('alice', { path: '/nowhere' });
  await checkLook(page, 'nowhere');
  await context.close();
});

test('the keyboard gets everywhere, visibly, and comes back from a dialog', async () => {
  const { page, context } = await open('alice');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
  const seen = new Set();
  for (let i = 0; i < 40; i++) {
    const [name, outline] = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return [document.activeElement.textContent.trim().slice(0, 20), `${style.outlineStyle} ${style.outlineWidth}`];
    });
    assert.equal(outline, 'solid 3px', name);
    seen.add(name);
    if (name === 'Add key') break;
    await page.keyboard.press('Tab');
  }
  for (const name of ['Sign out', 'Keys & Secrets', 'Agents', 'Members', 'Audit', 'Add key']) assert.ok(seen.has(name), name);
  await page.keyboard.press('Enter');
  await dialog(page).getByRole('heading', { name: 'Add an LLM key' }).waitFor();
  // the rest of the page is out of reach
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null));
  }
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  assert.ok(await hasFocus(page.getByRole('region', { name: LIST }).getByRole('link', { name: 'Add key' })));
  await context.close();
});

test('times are said as they pass, with the exact one in the reader’s zone', async () => {
  const { page, context } = await open('alice', { rest: '', timezoneId: 'Asia/Kolkata' });
  const used = page.locator('time[data-spoken]').first();
  const date = new Date(await used.getAttribute('datetime'));
  const inKolkata = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'Asia/Kolkata' }).format(date);
  assert.equal(await used.getAttribute('title'), `${inKolkata} GMT+5:30`);
  assert.match(await used.textContent(), /^(just now|\d+ (min|hours?) ago)$/);
  await page.clock.install({ time: new Date(date.getTime() + 3 * 3_600_000 + 60_000) });
  await page.reload();
  assert.equal(await page.locator(`time[datetime="${date.toISOString()}"]`).first().textContent(), '3 hours ago');
  await page.clock.runFor(3_600_000);
  assert.equal(await page.locator(`time[datetime="${date.toISOString()}"]`).first().textContent(), '4 hours ago');
  await context.close();
});

test('nothing moves for who asks for that', async () => {
  const { page, context } = await open('alice', { reducedMotion: 'reduce' });
  assert.equal(await page.evaluate(() => [...document.querySelectorAll('*')].every((element) => {
    const style = getComputedStyle(element);
    return style.animationName === 'none' && style.transitionDuration === '0s';
  })), true);
  await context.close();
});

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
  await page.getByRole('link', { name: 'Add key' }).click();
  await dialog(page).getByRole('link', { name: 'OpenAI', exact: true }).click();
  await dialog(page).getByLabel('Name').fill('Weighed');
  await dialog(page).getByLabel('Key', { exact: true }).fill(newValue());
  await dialog(page).getByRole('button', { name: 'Add key' }).click();
  await page.getByText('Added “Weighed”.').waitFor();
  const paths = Array.from(scripts, (url) => new URL(url).pathname);
  for (const name of ['app.js', 'sealing.js', 'libsodium.mjs']) assert.ok(paths.includes(`/assets/${name}`), name);
  const own = await Promise.all(Array.from(scripts).filter((url) => !/\/libsodium[-\w]*\.mjs$/.test(url))
    .map(async (url) => (await (await fetch(url)).arrayBuffer()).byteLength));
  assert.ok(own.reduce((sum, size) => sum + size) < 100_000);
  const [{ id }] = await as('alice', "SELECT id FROM tarx_keys.llm_keys WHERE name = 'Weighed' AND state <> 'deleted'");
  await as('alice', 'SELECT tarx_keys.delete_llm_key($1, $2)', [PROJECTS.support, id]);
  await context.close();
});

test('the sample keys are nowhere on the pages', async () => {
  const alice = await signedIn('alice');
  for (const path of [settings('alice'), settings('alice', '/agents')]) {
    const { text } = await alice.get(path);
    for (const [, value] of Object.values(KEYS)) assert.ok(!text.includes(value));
  }
});
