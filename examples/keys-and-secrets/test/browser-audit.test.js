// The audit log in a browser: filter, pages, export.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { as } from './harness.js';
import { checkLook } from './browsing.js';
import { go, project, secret, set } from './browser-team.js';

test('the audit log is filtered, paged, and exported', async () => {
  if (await secret('FIRST') === undefined) await set('FIRST');
  await as('petra', "SELECT tarx_keys.add_member($1, 'passer-by')", [project]);
  await as('petra', "SELECT tarx_keys.remove_member($1, 'passer-by')", [project]);
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
  await page.getByText('You removed passer-by').waitFor();
  assert.equal(await page.getByLabel('Action').inputValue(), 'member.remove');
  assert.match(page.url(), new RegExp(`project=${project}.*action=member.remove`));
  await checkLook(page, 'audit log filtered');
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export CSV' }).click();
  const csv = await readFile(await (await download).path(), 'utf8');
  assert.match(csv, /member\.remove,passer-by/);
  assert.doesNotMatch(csv, /secret\.describe/);
  await page.getByLabel('By whom').fill('nobody');
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.getByText('Nothing in the log matches the filter.').waitFor();
  await checkLook(page, 'audit log without a match');
  await context.close();
});
