// Members and service accounts in a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLook, dialog, hasFocus, rowOf } from './browsing.js';
import { go, menuOf } from './browser-team.js';

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
