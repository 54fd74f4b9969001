// Platform keys over HTTP.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Once } from '../src/once.js';
import { Person, service } from './harness.js';
import { at, createKey, keysOf, pam, project, TOKEN, words } from './team.js';

test('a new platform key is shown until its owner has it, in this browser only', async () => {
  const created = await createKey(pam, 'pam', { name: 'Until saved' });
  assert.equal(created.status, 303);
  const shown = at('pam', '/platform-keys/created');
  assert.equal(created.headers.get('location'), shown);
  const [token] = TOKEN.exec((await pam.get(shown)).text);
  assert.ok((await pam.get(shown)).text.includes(token), 'after a reload');
  const list = await pam.get(at('pam', ''));
  assert.match(words(list), /Not saved yet The key “Until saved” is shown until/);
  assert.doesNotMatch(list.text, TOKEN);
  // another one does not take its place
  const another = await pam.post(at('pam', '/platform-keys/create'), { name: 'Another', expires: '30' });
  assert.equal(another.status, 409);
  assert.ok(another.text.includes(token));
  assert.ok((await pam.get(at('pam', '/platform-keys/create'))).text.includes(token));
  assert.ok(!(await keysOf('pam')).some(({ name }) => name === 'Another'));
  // the session without the other cookie
  const other = new Person();
  other.headers.cookie = pam.headers.cookie.split('; ').filter((cookie) => cookie.startsWith('session=')).join('; ');
  const nothing = await other.get(shown);
  assert.match(words(nothing), /No key to show/);
  assert.doesNotMatch(nothing.text, TOKEN);
  assert.equal((await pam.post(shown, {})).headers.get('location'), `${at('pam', '')}#platform-keys`);
  assert.match(words(await pam.get(at('pam', ''))), /The key “Until saved” is yours to use/);
  assert.match(words(await pam.get(shown)), /No key to show/);
  assert.ok(!service.log.includes(token));
});

test('a token that is kept cannot be read where it is kept', () => {
  const once = new Once({ secure: false });
  const cookies = [];
  const session = {};
  once.keep({ header: (name, value) => cookies.push(value) }, session, 'sk-tarx-kept', { name: 'Name' });
  assert.match(cookies[0], /^once=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  assert.ok(!JSON.stringify(session).includes('kept') && !Buffer.from(session.once.box).includes('kept'));
  const cookie = cookies[0].split(';')[0];
  const readWith = (value) => once.read({ session, headers: { cookie: value } });
  assert.deepEqual(readWith(cookie), { token: 'sk-tarx-kept', about: { name: 'Name' } });
  assert.equal(readWith(`once=${'A'.repeat(43)}`), undefined);
  assert.equal(readWith(''), undefined);
  assert.equal(readWith(cookie.slice(0, -1) + (cookie.endsWith('A') ? 'E' : 'A'))?.token === 'sk-tarx-kept', false);
});

test('90 days are preselected; no end is only what was chosen', async () => {
  assert.match((await pam.get(at('pam', '/platform-keys/create'))).text, /<option value="90" selected>/);
  const expiry = async (expires, name) => {
    await createKey(pam, 'pam', { name, expires });
    return (await keysOf('pam')).find((key) => key.name === name)?.expires_at;
  };
  const days = (await expiry('90', 'Ninety') - Date.now()) / 86_400_000;
  assert.ok(days > 89.9 && days < 90.1);
  assert.equal(await expiry('never', 'Endless'), null);
  for (const [i, wrong] of ['', 'null', '0', '-1', '1e9', undefined].entries()) {
    const response = await createKey(pam, 'pam', { name: `Wrong ${i}`, ...(wrong === undefined ? { expires: [] } : { expires: wrong }) });
    assert.equal(response.status, 422, wrong);
    assert.match(response.text, /id="platform-key-expires"[^>]*aria-invalid="true"/);
    assert.match(response.text, new RegExp(`name="name" value="Wrong ${i}"`));
  }
  assert.ok((await keysOf('pam')).every((key) => !key.name.startsWith('Wrong')));
  assert.equal((await createKey(pam, 'pam', { name: 'x', expires: '99999999999' })).status, 422);
});

test('a key may be narrowed to the project, and to lists', async () => {
  const { headers } = await createKey(pam, 'pam', { name: 'Narrow', narrow: '1', read_only: '1' });
  const [token] = TOKEN.exec((await pam.get(headers.get('location'))).text);
  const [key] = (await keysOf('pam')).filter(({ name }) => name === 'Narrow');
  assert.deepEqual([key.project_ids, key.read_only], [[project], true]);
  const reader = new Person();
  await reader.signIn(token);
  const { text } = await reader.get(at('pam', ''));
  assert.match(text, /You are signed in with a key that may only list/);
  assert.doesNotMatch(text, /platform-keys\/create/);
  assert.equal((await createKey(reader, 'pam')).status, 403);
});

test('a revocation says what ends with it; that of one’s own key signs out', async () => {
  const signIn = async (person) => {
    const { headers } = await createKey(person, 'pam', { name: 'Parent' });
    const [token] = TOKEN.exec((await person.get(headers.get('location'))).text);
    const signed = new Person();
    await signed.signIn(token);
    return signed;
  };
  const parent = await signIn(pam);
  const { headers } = await createKey(parent, 'pam', { name: 'Child', expires: 'mine' });
  const child = new Person();
  await child.signIn(TOKEN.exec((await parent.get(headers.get('location'))).text)[0]);
  const { id } = (await keysOf('pam')).findLast(({ name }) => name === 'Parent');
  const path = at('pam', `/platform-keys/${id}/revoke`);
  const ofOther = words(await pam.get(path));
  assert.match(ofOther, /Revoke “Parent”\?.*This key was made with it, and ends as well: Child/);
  assert.doesNotMatch(ofOther, /signs you out/);
  // of the key itself, and of one that was made with it
  assert.match(words(await parent.get(path)), /this signs you out/);
  assert.match(words(await child.get(path)), /this signs you out/);
  assert.equal((await keysOf('pam')).find((key) => key.id === id).revoked_at, null, 'the question revokes nothing');
  const revoked = await parent.post(path, {});
  assert.equal(revoked.status, 303);
  const location = revoked.headers.get('location');
  assert.match(location, /^\/\?why=revoked&to=%2Fpam%2Fsettings/);
  assert.match(words(await parent.get(location)), /You have revoked the key that you were signed in with/);
  assert.match((await child.get(at('pam', ''))).headers.get('location'), /^\/\?why=ended/);
  assert.equal((await pam.get(path)).status, 404);
  assert.equal((await pam.post(path, {})).status, 404);
});

test('a key makes none that outlives it: the page offers what fits, and marks the key', async () => {
  const { headers } = await createKey(pam, 'pam', { name: 'Short', expires: '30' });
  const short = new Person();
  await short.signIn(TOKEN.exec((await pam.get(headers.get('location'))).text)[0]);
  const asked = await short.get(at('pam', '/platform-keys/create'));
  assert.match(asked.text, /<option value="mine" selected>until \d{4}-\d\d-\d\d \d\d:\d\d UTC<\/option>/);
  assert.doesNotMatch(asked.text, /<option value="(90|365|never)"/);
  assert.equal((await createKey(short, 'pam', { name: 'Shorter', expires: 'mine' })).status, 303);
  const keys = await keysOf('pam');
  const [parent, child] = ['Short', 'Shorter'].map((name) => keys.find((key) => key.name === name));
  assert.ok(parent.expires_at - child.expires_at < 2 && child.expires_at <= parent.expires_at);
  const refused = await createKey(short, 'pam', { name: 'Longer', expires: '90' });
  assert.equal(refused.status, 403);
  assert.match(refused.text, /id="platform-key-expires"[^>]*aria-invalid="true"/);
  assert.match(words(await short.get(at('pam', ''))), /Short signed in with it/);
  assert.equal((await createKey(pam, 'pam', { name: 'x', expires: 'mine' })).status, 422);
  assert.match((await pam.get(at('pam', '/platform-keys/create'))).text, /<option value="never">/);
});
