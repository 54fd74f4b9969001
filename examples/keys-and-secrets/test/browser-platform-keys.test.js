// Platform keys in a browser: shown once, copied, revoked.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPerson, serverLog, service } from './harness.js';
import { checkLook, contents, dialog, forReadme, hasFocus, rowOf } from './browsing.js';
import { at, go } from './browser-team.js';

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
  // what makes it go, so that nobody finds out later
  await dialog(page).getByText('have not been here for an hour').waitFor();
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
  await forReadme('platform-keys', dialog(page));
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
  await dialog(page).getByRole('button', { name: 'Revoke For a script' }).waitFor();
  await checkLook(page, 'revoking a platform key');
  await dialog(page).getByRole('button', { name: 'Revoke For a script' }).click();
  await page.getByText('Revoked “For a script”.').waitFor();
  await page.getByText('1 revoked').click();
  await rowOf(page, 'Revoked platform API keys', 'For a script').waitFor();
  await checkLook(page, 'a platform key revoked');
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
