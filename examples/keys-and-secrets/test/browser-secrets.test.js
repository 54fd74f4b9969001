// Secrets in a browser: dialogs, a .env file, and what stays in the browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newValue, serverLog, service } from './harness.js';
import { checkLook, contents, dialog, forReadme, hasFocus, rowOf } from './browsing.js';
import { go, menuOf, secret, set, valueOf } from './browser-team.js';

// No value in what went over the wire, in the page, its storage, or a log
async function assertNowhere(values, { page, context, wire }) {
  const seen = [...await Promise.all(wire), await contents(page, context), service.log, serverLog()];
  for (const value of values) for (const text of seen) assert.ok(!text.includes(value.slice(4, 40)));
}

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
  await checkLook(page, 'a new version of a secret');
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
  await forReadme('env-file', dialog(page));
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
  // a name that every object has is new all the same
  await page.getByLabel('Contents of the file').fill('toString=x');
  await page.getByText('1 character, new', { exact: true }).waitFor();
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
