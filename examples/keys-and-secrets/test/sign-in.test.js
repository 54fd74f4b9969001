// Signing in, and the way back, over HTTP.

import assert from 'node:assert/strict';
import test from 'node:test';
import { pathWith, returnPath } from '../src/return-path.js';
import { ids, newPerson, newValue, Person, service, signedIn, tokens } from './harness.js';
import { at, boxFor, pam, TOKEN, words } from './team.js';

test('the way back is a page of one’s own settings here, and nothing else', () => {
  assert.equal(returnPath('/alice/settings/secrets/set?project=x&name=y#z', 'alice'), '/alice/settings/secrets/set?project=x&name=y#z');
  for (const evil of ['//evil.example/alice/settings', '/\\evil.example/alice/settings', '\\\\evil.example', '/%2F%2Fevil.example', '/%5Cevil.example',
    'https://evil.example/alice/settings/agents', 'https:evil.example', 'javascript:alert(1)', '/alice/settings/../../evil', '/alice/settings/%2e%2e/%2e%2e//evil.example',
    '/alice/settingsx', '/bob/settings', '\t//evil.example', '/\t/evil.example', '/sign-out', '', 'x'.repeat(7000), undefined, ['/alice/settings/agents'], 'http://[', '/alice/settings\r\nx: y']) {
    assert.equal(returnPath(evil, 'alice'), '/alice/settings', String(evil).slice(0, 60));
  }
  assert.equal(returnPath('/a%2Fb/settings/agents', 'a/b'), '/a%2Fb/settings/agents');
  assert.equal(pathWith('/alice/settings/x?project=1', { name: 'n m', sealed: 's', csrf: 'c' }, ['name']), '/alice/settings/x?project=1&name=n+m');
});

test('a session that ended leads back to the same project and dialog', async () => {
  const path = `${at('pam', '/secrets/set')}&name=BACK`;
  const nobody = new Person();
  const first = (await nobody.get(path)).headers.get('location');
  assert.ok(first.startsWith('/?to=%2Fpam%2Fsettings%2Fsecrets%2Fset'), first);
  nobody.headers.cookie = `session=${'A'.repeat(43)}`;
  const ended = await nobody.get(path);
  const signIn = await nobody.get(ended.headers.get('location'));
  assert.match(words(signIn), /Your session has ended/);
  const [, to] = /name="to" value="([^"]*)"/.exec(signIn.text);
  const back = await nobody.post('/sign-in', { token: ` ${tokens.pam}\n`, to: to.replaceAll('&amp;', '&') });
  assert.equal(back.headers.get('location'), path);
  assert.equal((await nobody.get(path)).status, 200);
  // who is signed in goes there at once
  assert.equal((await nobody.get(`/?to=${encodeURIComponent(path)}`)).headers.get('location'), path);
  // as somebody else, to their own page
  const other = new Person();
  assert.equal((await other.post('/sign-in', { token: tokens.kit, to: path })).headers.get('location'), '/kit/settings');
  for (const evil of ['//evil.example', '/\\evil.example', 'https://evil.example/pam/settings', '/pam/settings/..//evil.example']) {
    const response = await new Person().post('/sign-in', { token: tokens.pam, to: evil });
    assert.equal(response.headers.get('location'), '/pam/settings', evil);
    assert.equal((await nobody.get(`/?to=${encodeURIComponent(evil)}`)).headers.get('location'), '/pam/settings', evil);
  }
});

test('what a form had is there again, but for values', async () => {
  const nobody = new Person();
  nobody.headers.cookie = `session=${'A'.repeat(43)}`;
  const sealed = await boxFor('TYPED', newValue());
  const refused = await nobody.post(at('pam', '/secrets/set'), { name: 'TYPED', description: 'Typed & kept', sealed });
  assert.equal(refused.status, 401);
  assert.ok(!refused.text.includes(sealed.slice(0, 40)));
  const [, to] = /name="to" value="([^"]*)"/.exec(refused.text);
  // a wrong key loses nothing of it
  const wrong = await nobody.post('/sign-in', { token: 'sk-tarx-wrong', to: to.replaceAll('&amp;', '&') });
  assert.ok(wrong.text.includes(`name="to" value="${to}"`));
  const { headers } = await nobody.post('/sign-in', { token: tokens.pam, to: to.replaceAll('&amp;', '&') });
  const { text } = await nobody.get(headers.get('location'));
  assert.match(text, /name="name" value="TYPED"/);
  assert.match(text, /name="description" value="Typed &amp; kept"/);
  for (const [path, form, shown] of [
    ['/platform-keys/create', { name: 'Typed', expires: '30', narrow: '1' }, [/name="name" value="Typed"/, /<option value="30" selected>/, /name="narrow" value="1" checked/]],
    ['/members/add', { user: 'typed', role: 'viewer' }, [/name="user" value="typed"/, /value="viewer" required checked>/]],
  ]) {
    const nobodyElse = new Person();
    const [, back] = /name="to" value="([^"]*)"/.exec((await nobodyElse.post(at('pam', path), form)).text);
    const page = await pam.get(back.replaceAll('&amp;', '&'));
    for (const each of shown) assert.match(page.text, each);
  }
  // a form without fields leads back to the page that it was on
  const sent = await new Person().post(at('pam', '/members'), {}, { referer: `${service.address}${at('pam', '/members')}` });
  assert.equal(sent.status, 404);
  const state = await new Person().post(at('pam', `/llm-keys/${ids.openai}/delete`), {}, { referer: `${service.address}${at('pam', '/agents')}` });
  assert.ok(state.text.includes(`name="to" value="${at('pam', '/agents')}"`));
});

test('what forms keep in the address is not in the log', async () => {
  await pam.get(`${at('pam', '/secrets/set')}&description=only-in-the-address`);
  assert.ok(!service.log.includes('only-in-the-address'));
});

test('a script is told where to sign in, and gets no page', async () => {
  const nobody = new Person();
  const response = await nobody.post(at('pam', '/members/add'), { user: 'x', role: 'viewer' }, { 'x-in-page': '1' });
  assert.equal(response.status, 401);
  assert.match(JSON.parse(response.text).signIn, /^\/\?to=%2Fpam%2Fsettings%2Fmembers%2Fadd/);
  assert.equal((await nobody.get(at('pam', '/audit'), { accept: 'application/json' })).status, 401);
});

test('who signs out is told so', async () => {
  const person = await signedIn('pam');
  const { headers } = await person.post('/sign-out', {});
  assert.match(words(await person.get(headers.get('location'))), /You are signed out/);
});

test('in no project there are one’s platform keys, and a word on what to do', async () => {
  const ned = await newPerson('ned');
  for (const [path, told] of [['', /You are in no project/], ['/members', /your id is ned/], ['/audit', /You are in no project/]]) {
    const page = await ned.get(`/ned/settings${path}`);
    assert.equal(page.status, 200, path);
    assert.match(words(page), told);
  }
  for (const path of ['/secrets/set', '/secrets/paste', '/members/add', '/audit.csv']) assert.equal((await ned.get(`/ned/settings${path}`)).status, 404, path);
  const { headers } = await ned.post('/ned/settings/platform-keys/create', { name: 'Mine', expires: '30' });
  assert.equal(headers.get('location'), '/ned/settings/platform-keys/created');
  assert.match((await ned.get(headers.get('location'))).text, TOKEN);
});
