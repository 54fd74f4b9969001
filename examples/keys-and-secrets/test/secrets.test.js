// Secrets over HTTP.

import assert from 'node:assert/strict';
import test from 'node:test';
import { newValue } from './harness.js';
import { assertRefused, at, boxFor, kit, max, pam, secret, setSecret, words } from './team.js';

test('a secret is added, set again with its description kept, and taken back', async () => {
  const added = await setSecret('API_TOKEN', { description: 'For the shop' });
  assert.equal(added.status, 303);
  assert.equal(added.headers.get('location'), `${at('pam', '')}#secret-API_TOKEN`);
  assert.match(words(await pam.get(at('pam', ''))), /Added API_TOKEN\./);
  await setSecret('API_TOKEN');
  assert.deepEqual([(await secret('API_TOKEN')).version, (await secret('API_TOKEN')).description], [2, 'For the shop']);
  const { text } = await pam.get(at('pam', ''));
  assert.match(text, /Set API_TOKEN: version 2 is in use\./);
  assert.match(text, /Undo: back to version 1/);
  assert.equal((await pam.post(at('pam', '/secrets/API_TOKEN/restore'), { version: '1' })).status, 303);
  assert.equal((await secret('API_TOKEN')).version, 3);
  assert.match(words(await pam.get(at('pam', ''))), /Restored version 1 of API_TOKEN, as version 3\./);
});

test('a description that was shown may be emptied, and edited without a new version', async () => {
  await setSecret('DESCRIBED', { description: 'One' });
  assert.match((await pam.get(`${at('pam', '/secrets/set')}&name=DESCRIBED`)).text, /name="description" value="One"/);
  await setSecret('DESCRIBED', { description: '', known: '1' });
  assert.deepEqual([(await secret('DESCRIBED')).version, (await secret('DESCRIBED')).description], [2, null]);
  assert.equal((await pam.post(at('pam', '/secrets/DESCRIBED/describe'), { description: 'Two' })).status, 303);
  assert.deepEqual([(await secret('DESCRIBED')).version, (await secret('DESCRIBED')).description], [2, 'Two']);
  await assertRefused(await pam.post(at('pam', '/secrets/DESCRIBED/describe'), { description: 'x'.repeat(1001) }), 422, /description/i);
});

test('a secret that is refused stands in the same dialog, with what was typed', async () => {
  const response = await setSecret('1ST', { description: 'Kept' });
  assert.equal(response.status, 422);
  assert.match(response.text, /data-dialog-part/);
  assert.match(response.text, /id="secret-name" name="name" value="1ST"[^>]*aria-invalid="true"/);
  assert.match(response.text, /name="description" value="Kept"/);
});

test('one of many answers in JSON: the version, or why not', async () => {
  const asJson = { accept: 'application/json' };
  const post = async (name, value) => {
    const response = await pam.post(at('pam', '/secrets/set'), { name, sealed: await boxFor(name, value) }, asJson);
    return JSON.parse(response.text);
  };
  assert.deepEqual(await post('MANY', newValue()), { status: 200, version: 1 });
  assert.deepEqual(await post('MANY', newValue()), { status: 200, version: 2 });
  const refused = await post('NOT-ONE', newValue());
  assert.equal(refused.status, 422);
  assert.match(refused.problem, /name/);
  assert.equal(await secret('NOT-ONE'), undefined);
});

test('versions are a history: who and when, for admins; a restore asks first', async () => {
  await setSecret('HISTORY');
  await setSecret('HISTORY', {}, kit, 'kit');
  await setSecret('HISTORY');
  const history = await pam.get(at('pam', '/secrets/HISTORY/versions'));
  assert.match(words(history), /Version 3 in use set just now by pam .*Version 2 set just now by kit .*Version 1 set just now by pam/);
  assert.equal(history.text.match(/secrets\/HISTORY\/restore/g).length, 2);
  const ofKit = words(await kit.get(at('kit', '/secrets/HISTORY/versions')));
  assert.match(ofKit, /Version 3 in use set just now by pam .*Version 2 Restore .*Version 1 Restore .*in the audit log, which admins see/);
  assert.match(words(await pam.get(`${at('pam', '/secrets/HISTORY/restore')}&version=2`)), /The value of version 2, kit’s of .* becomes version 4/);
  for (const version of ['3', '4', '0', 'x']) {
    assert.equal((await pam.get(`${at('pam', '/secrets/HISTORY/restore')}&version=${version}`)).status, 404, version);
  }
  await assertRefused(await pam.post(at('pam', '/secrets/HISTORY/restore'), { version: '9' }), 404, /^Version 9 is not kept any more\.$/);
  for (let i = 0; i < 4; i += 1) await setSecret('HISTORY');
  const later = words(await pam.get(at('pam', '/secrets/HISTORY/versions')));
  assert.match(later, /Versions 1 to 2 are gone: the 5 newest are kept/);
  assert.doesNotMatch(later, /Version 2 /);
});

test('a deletion says what fails, and offers what mends', async () => {
  await setSecret('PASSING');
  const asked = await pam.get(at('pam', '/secrets/PASSING/delete'));
  assert.match(words(asked), /What refers to \$\{secrets\.PASSING\} fails from then on . It was never used|It was never used/);
  assert.match(asked.text, /<button class="danger">Delete PASSING<\/button>/);
  assert.equal((await pam.post(at('pam', '/secrets/PASSING/delete'), {})).status, 303);
  assert.equal(await secret('PASSING'), undefined);
});

test('secrets are for who manages keys: others are offered and allowed nothing', async () => {
  await setSecret('LOCKED');
  const list = await max.get(at('max', ''));
  assert.match(list.text, /LOCKED/);
  assert.doesNotMatch(list.text, /secrets\/(set|paste|LOCKED)/);
  for (const path of ['/secrets/set', '/secrets/paste', '/secrets/LOCKED/versions', '/secrets/LOCKED/describe', '/secrets/LOCKED/delete']) {
    assert.equal((await max.get(at('max', path))).status, 404, path);
  }
  assert.equal((await setSecret('LOCKED', {}, max, 'max')).status, 403);
  for (const [path, form] of [['describe', { description: 'x' }], ['restore', { version: '1' }], ['delete', {}]]) {
    assert.equal((await max.post(at('max', `/secrets/LOCKED/${path}`), form)).status, 403, path);
  }
  assert.deepEqual([(await secret('LOCKED')).version, (await secret('LOCKED')).description], [1, null]);
});
