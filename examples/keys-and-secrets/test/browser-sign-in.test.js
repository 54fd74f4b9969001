// Signing in, and sessions that end, in a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newValue, service, tokens } from './harness.js';
import { checkLook, dialog, hasFocus, newContext, signInAt } from './browsing.js';
import { at, go, valueOf } from './browser-team.js';

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
  const context = await newContext();
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
