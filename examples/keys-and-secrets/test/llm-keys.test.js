// LLM keys over HTTP: what the list and the dialogs have, and what the service does with what they send.

import assert from 'node:assert/strict';
import test from 'node:test';
import { createRequire } from 'node:module';
import { sealLlmKey, sealReplacement } from '../../client/sealing.js';
import { changesToMove } from '../src/routes/llm-keys/ordering.js';
import { inWords } from '../src/words.js';
import { as, asRoot, inRun, newPerson, newValue, provider as standIn, settings } from './harness.js';

const sodium = createRequire(new URL('../package.json', import.meta.url))('libsodium-wrappers');
const [{ public_key: publicKey }] = await as('ann', 'SELECT public_key FROM tarx_keys.sealing_public_key()');
const [{ id: project }] = await as('ann', "SELECT tarx_keys.create_project('LLM keys') AS id");
const ann = await newPerson('ann');
await as('ann', "SELECT tarx_keys.add_member($1, 'ben')", [project]);
await as('ann', "SELECT tarx_keys.add_member($1, 'kim', 'key_manager')", [project]);
const [ben, kim] = [await newPerson('ben'), await newPerson('kim')];

const at = (user, rest = '', more = {}) => `${settings(user, rest, project)}${Object.entries(more).map(([name, value]) => `&${name}=${encodeURIComponent(value)}`).join('')}`;
const usual = new Map((await as('ann', 'SELECT slug, default_base_url FROM tarx_keys.providers')).map((each) => [each.slug, each.default_base_url]));
const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const boxFor = async (fields) => base64(await sealLlmKey(sodium, publicKey, {
  projectId: project, destination: fields.baseUrl ?? usual.get(fields.provider) ?? 'https://none.example', ...fields,
}));
const replacement = async (oldKeyId, slug, value, options = {}) =>
  base64(await sealReplacement(sodium, publicKey, { projectId: project, oldKeyId, provider: slug, destination: usual.get(slug), options, value }));

const call = (sql, values) => as('ann', sql, values);
const addKey = async (name, { provider = 'openai', value = newValue(), options = null } = {}) =>
  (await call('SELECT tarx_keys.add_llm_key($1, $2, $3, $4, NULL, $5) AS id', [project, provider, name, value, options]))[0].id;
const addAgent = async (name, key) => (await call('SELECT tarx_keys.create_agent($1, $2, $3) AS id', [project, name, key]))[0].id;
const update = (id, changes) => call('SELECT tarx_keys.update_llm_key($1, $2, $3)', [project, id, changes]);
const drop = async (...ids) => { for (const id of ids) await call('SELECT tarx_keys.delete_llm_key($1, $2)', [project, id]); };
const keyNamed = async (name) => (await call("SELECT * FROM tarx_keys.llm_keys WHERE project_id = $1 AND name = $2 AND state <> 'deleted'", [project, name]))[0];
const keyOf = async (agent) => (await call('SELECT user_api_key_id AS id FROM tarx_keys.agents WHERE project_id = $1 AND id = $2', [project, agent]))[0].id;

async function report(id, outcome) {
  const [{ ticket }] = await call('SELECT tarx_keys.issue_run_ticket($1, NULL, key_id => $2) AS ticket', [project, id]);
  await inRun(ticket, 'SELECT tarx_keys.report_key($1, $2, $3)', [project, id, outcome]);
}
async function resolve(id) {
  const [{ ticket }] = await call('SELECT tarx_keys.issue_run_ticket($1, $2) AS ticket', [project, await addAgent(`Resolves ${id}`, id)]);
  return (await inRun(ticket, 'SELECT * FROM tarx_keys.resolve_key($1, $2)', [project, id]))[0];
}

const plain = (text) => text.replace(/<[^>]*>/g, ' ').replace(/&#39;/g, "'").replace(/&quot;/g, '"').replace(/\s+/g, ' ').trim();
const words = ({ text }) => plain(text);
// The row of a key on a page
function rowHtml({ text }, name) {
  return text.split('<li class="row"').find((each) => each.includes(` data-name="${name}"`))?.split('</li>\n<li class="row"')[0] ?? '';
}
const row = (page, name) => plain(rowHtml(page, name).split('<div class="row-actions">')[0]);
const badges = (page, name) => Array.from(rowHtml(page, name).matchAll(/<span class="badge (\w+)">(.*?)<\/span>(?=<|\n)/gs), ([, kind, label]) => `${kind}: ${plain(label)}`);
const list = () => ann.get(at('ann'));

// The page has a problem, at this field only
function assertProblemAt(page, form, name) {
  const [, told] = new RegExp(`id="${form}-${name}-problem">([^<]*)<`).exec(page.text) ?? [];
  assert.match(told ?? '', /\w/, `${form}, ${name}`);
  assert.match(page.text, new RegExp(`id="${form}-${name}"[^>]*aria-invalid="true"`));
  assert.equal(page.text.match(/class="problem"/g).length, 1, `${form}, ${name}`);
  return told;
}

// Each test begins with no keys, also after one that failed.
const inEmptyProject = (name, work) => test(name, async () => {
  await drop(...(await call("SELECT id FROM tarx_keys.llm_keys WHERE project_id = $1 AND state <> 'deleted'", [project])).map(({ id }) => id));
  await work();
});

inEmptyProject('a member sees the list, masked, and is offered nothing', async () => {
  const value = newValue('sk-ant-api03-');
  const id = await addKey('Claude', { provider: 'anthropic', value });
  await addAgent('Uses it', id);
  const page = await ben.get(at('ben'));
  assert.match(row(page, 'Claude'), new RegExp(`Claude.*sk-ant-api03-.*…${value.slice(-4)} never used Anthropic 1 agent added by ann`));
  assert.ok(!page.text.includes(value));
  assert.doesNotMatch(page.text, /llm-keys\/new|\/test|\/replace|\/edit|\/move|\/state|data-handle/);
  const details = await ben.get(at('ben', `/llm-keys/${id}`));
  assert.match(words(details), /Agents Uses it/);
  assert.doesNotMatch(details.text, /happened/);
  for (const path of ['new', `${id}/edit`, `${id}/replace`, `${id}/delete`, `${id}/rejected`]) {
    assert.equal((await ben.get(at('ben', `/llm-keys/${path}`))).status, 404, path);
  }
});

inEmptyProject('who manages keys is no admin, and still sees and does all but a key’s history', async () => {
  const id = await addKey('Kim’s');
  assert.match((await kim.get(at('kim'))).text, />Add key</);
  assert.doesNotMatch((await kim.get(at('kim', `/llm-keys/${id}`))).text, /happened/);
  assert.match(words(await ann.get(at('ann', `/llm-keys/${id}`))), /What happened to it lately ann added it just now/);
});

inEmptyProject('a platform key that may only list is offered no change', async () => {
  const id = await addKey('Seen');
  const [{ token }] = await call("SELECT token FROM tarx_keys.create_platform_key('lists', NULL, NULL, true)");
  const reader = await newPerson('ann');
  await reader.signIn(token);
  const page = await reader.get(at('ann'));
  assert.match(row(page, 'Seen'), /Seen/);
  assert.doesNotMatch(page.text, /llm-keys\/new|\/test\?|\/replace/);
  assert.equal((await reader.get(at('ann', '/llm-keys/new'))).status, 404);
  assert.equal((await reader.post(at('ann', `/llm-keys/${id}/state`), { enabled: '0' })).status, 403);
});

inEmptyProject('an empty section says what belongs there, and whom to ask', async () => {
  assert.match(words(await list()), /No LLM keys yet\. Agents need one/);
  assert.match((await list()).text, /class="empty".*>Add key</s);
  assert.match(words(await ben.get(at('ben'))), /Ask an admin or key manager/);
});

inEmptyProject('adding begins with the provider, and has only its fields', async () => {
  const choice = await ann.get(at('ann', '/llm-keys/new'));
  const slugs = Array.from(choice.text.matchAll(/provider=(\w+)" data-dialog/g), ([, slug]) => slug);
  assert.deepEqual(slugs.slice(0, 7), ['anthropic', 'openai', 'google_ai', 'mistral', 'huggingface', 'azure_ai_foundry', 'openai_compatible']);
  assert.ok(slugs.length > 15 && choice.text.indexOf('More providers') < choice.text.indexOf('provider=xai'));
  const form = async (provider) => (await ann.get(at('ann', '/llm-keys/new', { provider }))).text;
  assert.match(await form('openai'), /It begins with sk-proj-/);
  assert.doesNotMatch(await form('google_ai'), /name="base_url"/);
  assert.match(await form('azure_ai_foundry'), /name="base_url"[^>]*required[^>]*>\s*<p[^>]*>[^<]*https:\/\/name\.openai\.azure\.com/);
  assert.doesNotMatch(await form('openai'), /name="base_url"[^>]*required/);
  assert.equal((await ann.get(at('ann', '/llm-keys/new', { provider: 'none' }))).status, 200);
  const id = await addKey('openai');
  assert.match(await form('openai'), /name="name" value="OpenAI 2"/);
});

inEmptyProject('a key is added sealed, tested at once, and the notice leads on', async () => {
  const value = newValue();
  const fields = { provider: 'openai', name: 'Added' };
  const response = await ann.post(at('ann', '/llm-keys'), { ...fields, test: '1', sealed: await boxFor({ ...fields, value }) });
  const { id } = await keyNamed('Added');
  assert.equal(response.headers.get('location'), `${at('ann')}#key-${id}`);
  assert.equal((await resolve(id)).key_value, value);
  const page = await list();
  assert.match(words(page), /Added “Added”\. The provider accepted this key\. Use it in an agent/);
  assert.deepEqual(badges(page, 'Added'), []);
  assert.doesNotMatch(words(await list()), /Added “Added”/);
});

inEmptyProject('a test is left out if nobody asks for it', async () => {
  const before = standIn.requests.length;
  const fields = { provider: 'openai', name: 'Untested' };
  await ann.post(at('ann', '/llm-keys'), { ...fields, sealed: await boxFor({ ...fields, value: newValue() }) });
  assert.equal(standIn.requests.length, before);
  assert.match(words(await list()), /Added “Untested”\. Use it/);
});

inEmptyProject('a key that the provider rejects is kept or deleted, as one likes', async () => {
  const fields = { provider: 'openai', name: 'Rejected' };
  const response = await ann.post(at('ann', '/llm-keys'), { ...fields, test: '1', sealed: await boxFor({ ...fields, value: newValue('sk-proj-refused-') }) });
  const { id } = await keyNamed('Rejected');
  assert.equal(response.headers.get('location'), at('ann', `/llm-keys/${id}/rejected`));
  const page = await ann.get(response.headers.get('location'));
  assert.match(words(page), /The provider rejected this key \(401\)\./);
  assert.match(page.text, />Delete it and try another</);
  assert.match(page.text, />Keep it</);
  // a script shows it in the dialog
  const inPage = await ann.post(at('ann', `/llm-keys/${id}/discard`), { provider: 'openai', name: 'Rejected' }, { 'x-in-page': '1' });
  assert.deepEqual(JSON.parse(inPage.text), { location: at('ann', '/llm-keys/new', { provider: 'openai', name: 'Rejected' }), stays: true });
  assert.equal(await keyNamed('Rejected'), undefined);
  assert.match((await ann.get(JSON.parse(inPage.text).location)).text, /name="name" value="Rejected"/);
});

inEmptyProject('a provider that only has a problem keeps nobody from adding', async () => {
  const fields = { provider: 'openai', name: 'Busy' };
  await ann.post(at('ann', '/llm-keys'), { ...fields, test: '1', sealed: await boxFor({ ...fields, value: newValue('sk-proj-limited-') }) });
  assert.match(words(await list()), /Added “Busy”\. The provider takes no more requests with this key for now \(429\)/);
});

const WRONG = [
  [{ provider: 'openai', name: 'Taken' }, 409, 'name', /already/],
  [{ provider: 'openai', name: 'tAKEN' }, 409, 'name', /already/],
  [{ provider: 'openai', name: '' }, 422, 'name', /empty/],
  [{ provider: 'openai_compatible', name: 'New' }, 422, 'base_url', /needs a base URL/],
  [{ provider: 'openai_compatible', name: 'New', baseUrl: 'https://u:p@llm.example' }, 422, 'base_url', /user name/],
  [{ provider: 'openai_compatible', name: 'New', baseUrl: 'http://llm.example' }, 422, 'base_url', /https:\/\//],
  [{ provider: 'openai_compatible', name: 'New', baseUrl: 'https://10.0.0.1' }, 422, 'base_url', /public/],
  [{ provider: 'openai_compatible', name: 'New', baseUrl: 'http://169.254.169.254/v1' }, 422, 'base_url', /credentials/],
  [{ provider: 'openai', name: 'New', baseUrl: 'https://llm.example/v1' }, 422, 'base_url', /OpenAI-compatible/],
  [{ provider: 'azure_ai_foundry', name: 'New', baseUrl: 'https://llm.example/v1' }, 422, 'base_url', /\.openai\.azure\.com/],
];
const WRONG_VALUES = [
  ['abc', /too short/], [`Bearer ${newValue()}`, /Bearer/], [newValue('sk-ant-api03-'), /another provider/], ['sk-proj-…abcd', /mask/],
  ['sk-tarx-0000000000000000000000000000000000000000000000000', /this platform/], ['{"type": "service_account"}', /secret/], ['OPENAI_API_KEY', /variable/],
  ['"sk-proj-abcdefghijklmnop"', /quotation/], ['https://llm.example/?key=abcdefgh', /address/], ['<key>', /brackets/],
];
const PROGRAMMERS = /tarx_keys|superuser|setting|argument|base_url|key_value|\bnull\b|\w\(\)|Pass /;

inEmptyProject('what the database refuses stands at its field, in people’s words', async () => {
  const id = await addKey('Taken');
  const add = async (fields) => ann.post(at('ann', '/llm-keys'), { ...fields, base_url: fields.baseUrl ?? '', sealed: await boxFor({ value: newValue(), ...fields }) });
  for (const [fields, status, field, told] of WRONG) {
    const page = await add(fields);
    assert.equal(page.status, status, field);
    const text = assertProblemAt(page, 'llm-key', field);
    assert.match(text, told);
    assert.doesNotMatch(text, PROGRAMMERS);
    assert.match(page.text, /data-dialog-part/);
  }
  for (const [value, told] of WRONG_VALUES) {
    const page = await add({ provider: 'openai', name: 'New', value });
    assert.equal(page.status, 422);
    const text = assertProblemAt(page, 'llm-key', 'value');
    assert.match(text, told);
    assert.doesNotMatch(text, PROGRAMMERS);
    assert.ok(!page.text.includes(value));
  }
  // a box for something else, an old one, and none
  const other = await boxFor({ provider: 'mistral', name: 'New', value: newValue() });
  for (const sealed of [other, await boxFor({ provider: 'openai', name: 'New', value: newValue(), expiresAt: 1 }), '']) {
    assert.match(assertProblemAt(await ann.post(at('ann', '/llm-keys'), { provider: 'openai', name: 'New', sealed }), 'llm-key', 'value'), /Send it once more/);
  }
  // a provider that there is not: another is chosen
  assert.match(words(await add({ provider: 'none', name: 'New' })), /Unknown provider.*Whose models is it for\?/i);
});

inEmptyProject('a form is checked without its value, and nothing is left of that', async () => {
  const id = await addKey('Here');
  const check = async (fields, rest = '/llm-keys/check') => (await ann.post(at('ann', rest), fields, { accept: 'application/json' })).text;
  const count = async () => (await call('SELECT count(*) FROM tarx_keys.llm_keys WHERE project_id = $1', [project]))[0].count;
  const before = await count();
  for (const [{ baseUrl, ...fields }, , field, told] of WRONG) {
    if (fields.name === 'Taken' || fields.name === 'tAKEN') continue;
    const answer = JSON.parse(await check({ ...fields, base_url: baseUrl ?? '' }));
    assert.deepEqual(Object.keys(answer.fields), [field]);
    assert.match(answer.fields[field], told);
  }
  assert.deepEqual(Object.keys(JSON.parse(await check({ provider: 'openai', name: 'here' })).fields), ['name']);
  for (const [fields, field] of [[{ priority: '9999999999' }, 'priority'], [{ expires_at: 'soon' }, 'expires_at'], [{ allowed_models: 'ö' }, 'allowed_models'],
    [{ header_names: 'Authorization' }, 'headers']]) {
    assert.deepEqual(Object.keys(JSON.parse(await check({ provider: 'openai', name: 'Fine', ...fields })).fields), [field]);
  }
  // every provider has keys of the form of the placeholder
  for (const [slug, url] of usual) {
    const baseUrl = { azure_ai_foundry: 'https://name.openai.azure.com', bedrock: 'https://bedrock-runtime.us-east-1.amazonaws.com' }[slug] ?? 'https://llm.example';
    assert.equal(await check({ provider: slug, name: 'Fine', base_url: url === null ? baseUrl : '' }), '{"fields":{}}', slug);
  }
  assert.equal(await check({ priority: '7' }, `/llm-keys/${id}/replace/check`), '{"fields":{}}');
  assert.deepEqual(Object.keys(JSON.parse(await check({ priority: 'high' }, `/llm-keys/${id}/replace/check`)).fields), ['priority']);
  assert.equal(await count(), before);
  assert.equal((await keyNamed('Here')).state, 'enabled');
  assert.equal((await ben.post(at('ben', '/llm-keys/check'), { provider: 'openai', name: 'x' })).status, 404);
});

const OPTIONS = {
  priority: 7, expires_at: '2037-01-31T14:03Z', rotate_after: '2036-12-01T00:00Z', allowed_models: ['gpt-6', 'o5', 'a', 'b', 'c'],
  headers: { 'x-gateway': 'gateway-secret', 'x-team': 'red' },
};
// As the form has them; values of headers have no names there
const OPTION_FIELDS = { priority: '7', expires_at: '2037-01-31T14:03', rotate_after: '2036-12-01T00:00', allowed_models: 'gpt-6, o5', header_names: 'x-gateway x-team' };

inEmptyProject('the options of a key come in its box, and are shown but for values', async () => {
  const fields = { provider: 'openai', name: 'With options' };
  await ann.post(at('ann', '/llm-keys'), { ...fields, sealed: await boxFor({ ...fields, options: OPTIONS, value: newValue() }) });
  const { id } = await keyNamed('With options');
  assert.match(row(await list(), 'With options'), /only for gpt-6, o5, a and 2 more/);
  const details = await ann.get(at('ann', `/llm-keys/${id}`));
  for (const shown of [/Order 7/, /Expires 2037-01-31 14:03 UTC/, /To be replaced after 2036-12-01 00:00 UTC/, /Only for gpt-6 , o5 , a , b , c/, /Sent with x-(team|gateway) , x-(team|gateway)/]) assert.match(words(details), shown);
  assert.ok(!details.text.includes('gateway-secret'));
  assert.deepEqual((await resolve(id)).headers, OPTIONS.headers);
  await drop(id);
  // beside the box they do nothing
  await ann.post(at('ann', '/llm-keys'), { ...fields, ...OPTION_FIELDS, sealed: await boxFor({ ...fields, value: newValue() }) });
  const key = await keyNamed('With options');
  assert.deepEqual([key.priority, key.expires_at, key.header_names ?? []], [100, null, []]);
});

inEmptyProject('what is wrong with options stands at them, and the form keeps what it may', async () => {
  const fields = { provider: 'openai', name: 'Wrong options' };
  for (const [options, field] of [[{ headers: { Authorization: 'gateway-secret' } }], [{ headers: { 'x-gateway': '' } }], [{ allowed_models: ['ö'] }, 'allowed_models'], [{ expires_at: 'soon' }, 'expires_at']]) {
    const page = await ann.post(at('ann', '/llm-keys'), { ...fields, ...OPTION_FIELDS, sealed: await boxFor({ ...fields, options, value: newValue() }) });
    assert.equal(page.status, 422);
    assert.match(page.text, /<details class="more" open>/);
    if (field) assertProblemAt(page, 'llm-key', field);
    else assert.match(page.text, /data-headers.*class="problem" role="alert">\w/s);
    assert.ok(!page.text.includes('gateway-secret'));
    for (const [name, value] of Object.entries(OPTION_FIELDS).slice(0, 3)) assert.ok(page.text.includes(`name="${name}" value="${value}"`), name);
    assert.match(page.text, />gpt-6, o5<\/textarea>/);
    assert.deepEqual(Array.from(page.text.matchAll(/data-header-name value="([^"]*)"/g), ([, name]) => name), ['x-gateway', 'x-team']);
  }
  assert.equal(await keyNamed('Wrong options'), undefined);
});

inEmptyProject('a badge says what is not well, and what is due stands on top', async () => {
  const id = await addKey('In all states');
  const seen = async () => badges(await list(), 'In all states').join(', ');
  const due = async () => /<div class="due">(.*?)<\/div>/s.exec((await list()).text)?.[1] ?? '';
  assert.equal(await seen(), '');
  assert.equal(await due(), '');
  for (const [outcome, shown] of [['ok', /^$/], ['timeout', /^warn: cooling until \d\d:\d\d UTC$/], ['quota', /^warn: quota used up until \d\d:\d\d UTC$/], ['rejected', /^bad: rejected$/]]) {
    await report(id, outcome);
    assert.match(await seen(), shown);
  }
  assert.match(plain(await due()), /“In all states” was rejected by its provider just now ?\. Replace/);
  const hours = (count) => new Date(Date.now() + count * 3_600_000).toISOString();
  await update(id, { expires_at: hours(73), priority: 7 });
  assert.equal(await seen(), 'warn: expires in 3 days');
  assert.match(plain(await due()), /“In all states” expires in 3 days ?\. Replace/);
  await update(id, { expires_at: hours(-25) });
  assert.equal(await seen(), 'bad: expired');
  assert.match(plain(await due()), /“In all states” expired 1 day ago ?\./);
  await update(id, { expires_at: null, rotate_after: hours(-50) });
  assert.equal(await seen(), 'warn: to be replaced');
  assert.match(plain(await due()), /was to be replaced 2 days ago/);
  // then replacing is the one action that is seen, and the details say what to do
  assert.match(rowHtml(await list(), 'In all states'), /<div class="row-actions"><a href="[^"]*\/replace\?/);
  assert.match(words(await ann.get(at('ann', `/llm-keys/${id}`))), /to be replaced : It was to be replaced 2 days ago/);
  await update(id, { enabled: false });
  assert.equal(await seen(), 'calm: disabled');
  assert.equal(await due(), '');
});

inEmptyProject('a key is disabled and enabled, and the notice takes that back', async () => {
  const id = await addKey('Rests');
  await addAgent('Waits', id);
  const set = (enabled) => ann.post(at('ann', `/llm-keys/${id}/state`), { enabled });
  assert.equal((await set('0')).headers.get('location'), `${at('ann')}#key-${id}`);
  const page = await list();
  assert.match(words(page), /Disabled “Rests”\. 1 agent cannot use it meanwhile\. Undo/);
  assert.match(page.text, new RegExp(`action="[^"]*/llm-keys/${id}/state[^"]*"><[^>]*><input type="hidden" name="enabled" value="1"><button class="quiet">Undo<`));
  assert.equal((await keyNamed('Rests')).state, 'disabled');
  await set('1');
  assert.match(words(await list()), /Enabled “Rests”\. Undo/);
  assert.equal((await keyNamed('Rests')).state, 'enabled');
  await drop(id);
  assert.equal((await set('1')).status, 404);
});

inEmptyProject('what is kept with a key is edited, and what is wrong stands at its field', async () => {
  const id = await addKey('Edited', { options: { ...OPTIONS, rotate_after: null } });
  const other = await addKey('Other');
  const path = at('ann', `/llm-keys/${id}/edit`);
  const form = (await ann.get(path)).text;
  for (const shown of ['name="name" value="Edited"', 'name="priority" value="7"', 'name="expires_at" value="2037-01-31T14:03"', 'name="rotate_after" value=""', '>gpt-6, o5, a, b, c</textarea>']) assert.ok(form.includes(shown), shown);
  const fields = { name: 'Edited well', priority: '8', expires_at: '', rotate_after: '2036-01-01T00:00', allowed_models: 'gpt-6' };
  assertProblemAt(await ann.post(path, { ...fields, name: 'other' }), 'edit', 'name');
  assertProblemAt(await ann.post(path, { ...fields, priority: '1e99' }), 'edit', 'priority');
  assertProblemAt(await ann.post(path, { ...fields, expires_at: 'soon' }), 'edit', 'expires_at');
  assertProblemAt(await ann.post(path, { ...fields, allowed_models: 'ö' }), 'edit', 'allowed_models');
  assert.equal((await ann.post(path, fields)).status, 303);
  assert.match(words(await list()), /Saved “Edited well”\./);
  const key = await keyNamed('Edited well');
  assert.deepEqual([key.priority, key.expires_at, key.rotate_after.toISOString(), key.allowed_models, key.header_names.sort()],
    [8, null, '2036-01-01T00:00:00.000Z', ['gpt-6'], ['x-gateway', 'x-team']]);
});

const replaced = async (id, form, slug = 'openai', value = newValue(), options = {}) =>
  ann.post(at('ann', `/llm-keys/${id}/replace`), { sealed: await replacement(id, slug, value, options), ...form });

inEmptyProject('a key is replaced: its agents go on, the old one rests, and the notice takes it back', async () => {
  const id = await addKey('Replaced', { options: OPTIONS });
  const agents = [await addAgent('One', id), await addAgent('Two', id)];
  const form = (await ann.get(at('ann', `/llm-keys/${id}/replace`))).text;
  assert.match(form, new RegExp(`data-old-key="${id}" data-destination="http`));
  for (const shown of [`name="moves_${agents[0]}" value="1" checked`, 'name="priority" value="7"', 'name="expires_at" value="2037-01-31T14:03"', 'those of the old one, x-']) assert.ok(form.includes(shown), shown);
  const value = newValue();
  const moves = Object.fromEntries(agents.map((agent) => [`moves_${agent}`, '1']));
  const response = await replaced(id, { ...moves, test: '1' }, 'openai', value, { priority: 9 });
  const { id: newId, priority } = await keyNamed('Replaced');
  assert.equal(response.headers.get('location'), `${at('ann')}#key-${newId}`);
  assert.equal(priority, 9);
  for (const agent of agents) assert.equal(await keyOf(agent), newId);
  assert.equal((await resolve(newId)).key_value, value);
  const page = await list();
  assert.match(words(page), /Replaced “Replaced”: 2 agents go on with the new key, and the old one is disabled\. The provider accepted this key\. Undo/);
  await ann.post(at('ann', `/llm-keys/${newId}/take-back`), { old: id });
  assert.match(words(await list()), /Took the replacement back: “Replaced” is in use again/);
  const back = await keyNamed('Replaced');
  assert.deepEqual([back.id, back.state], [id, 'enabled']);
  for (const agent of agents) assert.equal(await keyOf(agent), id);
  const [other] = await call("SELECT id, state FROM tarx_keys.llm_keys WHERE name LIKE 'Replaced (taken back %'");
  assert.deepEqual(other, { id: newId, state: 'disabled' });
});

inEmptyProject('agents that stay keep the old key, which stays enabled for them', async () => {
  const id = await addKey('Kept for some');
  const [goes, stays] = [await addAgent('Goes', id), await addAgent('Stays', id)];
  await replaced(id, { [`moves_${goes}`]: '1' });
  const { id: newId } = await keyNamed('Kept for some');
  assert.deepEqual([await keyOf(goes), await keyOf(stays)], [newId, id]);
  assert.match(words(await list()), /1 agent goes on with the new key, 1 with the old one\./);
  assert.equal((await call('SELECT state FROM tarx_keys.llm_keys WHERE id = $1', [id]))[0].state, 'enabled');
});

inEmptyProject('a replacement that is refused stands in its dialog; one that the provider rejects is taken back', async () => {
  const id = await addKey('Hard to replace');
  const other = await addKey('Another');
  const agent = await addAgent('Holds on', id);
  const wrong = await ann.post(at('ann', `/llm-keys/${id}/replace`), { sealed: await replacement(other, 'openai', newValue()) });
  assert.equal(wrong.status, 422);
  assertProblemAt(wrong, 'replace', 'value');
  // whom one has left out is still left out
  assert.match(wrong.text, new RegExp(`name="moves_${agent}" value="1">`));
  assertProblemAt(await replaced(id, { priority: '8' }, 'openai', newValue(), { priority: 'high' }), 'replace', 'priority');
  const rejected = await replaced(id, { test: '1', [`moves_${agent}`]: '1' }, 'openai', newValue('sk-proj-refused-'));
  const { id: newId } = await keyNamed('Hard to replace');
  assert.equal(rejected.headers.get('location'), at('ann', `/llm-keys/${newId}/rejected`, { old: id }));
  const page = await ann.get(rejected.headers.get('location'));
  assert.match(page.text, new RegExp(`/llm-keys/${newId}/take-back.*name="old" value="${id}".*Take the replacement back`, 's'));
  await ann.post(at('ann', `/llm-keys/${newId}/take-back`), { old: id });
  assert.equal(await keyOf(agent), id);
});

inEmptyProject('a deletion says what breaks, offers keys of the provider first, and disabling instead', async () => {
  const [id, same, other] = [await addKey('Goes away'), await addKey('GPT too'), await addKey('Le Chat', { provider: 'mistral', value: newValue('') })];
  const resting = await addKey('Resting', { options: { enabled: false } });
  const agents = [await addAgent('Answer bot', id), await addAgent('Night bot', id)];
  const ask = await ann.get(at('ann', `/llm-keys/${id}/delete`));
  assert.match(words(ask), /erased here at once.*The provider goes on accepting it until you revoke it there.*These 2 agents use it: Answer bot Night bot.*Disable instead/);
  const choice = /<select id="repoint-to".*?<\/select>/s.exec(ask.text)[0];
  assert.match(plain(choice), /^GPT too \(OpenAI\) Leave them without a key: they stop working Le Chat \(Mistral\)$/);
  assert.match(choice, new RegExp(`<option value="${same}" selected`));
  assert.match(choice, /<optgroup label="Other providers: [^"]*">/);
  assert.match(ask.text, /<button class="danger">Delete Goes away</);
  assert.equal((await ben.post(at('ben', `/llm-keys/${id}/delete`), { to: same })).status, 403);
  assert.equal(await keyOf(agents[0]), id);
  await ann.post(at('ann', `/llm-keys/${id}/delete`), { to: same });
  assert.match(words(await list()), /Deleted “Goes away”; its agents go on with another key\./);
  for (const agent of agents) assert.equal(await keyOf(agent), same);
  assert.equal((await ann.get(at('ann', `/llm-keys/${id}/delete`))).status, 404);
});

inEmptyProject('keys of a provider are moved, by little change, and the place is said', async () => {
  const ids = [await addKey('Order 1'), await addKey('Order 2'), await addKey('Order 10')];
  const names = async () => Array.from((await list()).text.matchAll(/ data-name="(Order \d+)"/g), ([, name]) => name);
  assert.deepEqual(await names(), ['Order 1', 'Order 2', 'Order 10']);
  assert.match(row(await list(), 'Order 1'), /same order as 2 others/);
  await ann.post(at('ann', `/llm-keys/${ids[2]}/move`), { place: '1' });
  assert.match(words(await list()), /“Order 10” is now first of three\./);
  assert.deepEqual(await names(), ['Order 10', 'Order 1', 'Order 2']);
  assert.match(row(await list(), 'Order 1'), /tried second of three/);
  assert.match(rowHtml(await list(), 'Order 10'), /Try later/);
  assert.doesNotMatch(rowHtml(await list(), 'Order 10'), /Try earlier/);
  await ann.post(at('ann', `/llm-keys/${ids[2]}/move`), { place: '2' });
  assert.deepEqual(await names(), ['Order 1', 'Order 10', 'Order 2']);
  assert.equal((await ben.post(at('ben', `/llm-keys/${ids[2]}/move`), { place: '1' })).status, 403);
});

inEmptyProject('a move changes one key where there is room, and all of them where there is none', () => {
  const group = (...priorities) => priorities.map((priority, i) => ({ id: `${i}`, priority }));
  const moved = (keys, from, place) => changesToMove(keys, keys[from], place);
  assert.deepEqual(moved(group(10, 20, 30), 0, 2), [{ id: '0', priority: 25 }]);
  assert.deepEqual(moved(group(10, 20, 30), 0, 3), [{ id: '0', priority: 40 }]);
  assert.deepEqual(moved(group(10, 20, 30), 2, 1), [{ id: '2', priority: 0 }]);
  assert.deepEqual(moved(group(10, 11, 30), 2, 2), [{ id: '2', priority: 20 }, { id: '1', priority: 30 }]);
  assert.deepEqual(moved(group(100, 100, 100), 1, 1), [{ id: '1', priority: 10 }, { id: '0', priority: 20 }, { id: '2', priority: 30 }]);
  assert.deepEqual(moved(group(10, 2_147_483_647), 0, 2), [{ id: '1', priority: 10 }, { id: '0', priority: 20 }]);
  assert.deepEqual(moved(group(10, 20), 0, 99), [{ id: '0', priority: 30 }]);
});

inEmptyProject('a key that does not open says so, and is entered again with its agents', async () => {
  const id = await addKey('Tampered');
  const agent = await addAgent('Waits for it', id);
  await asRoot("UPDATE tarx_keys.project_llm_keys SET destination = 'https://evil.example' WHERE id = $1", [id]);
  const page = await list();
  assert.deepEqual(badges(page, 'Tampered'), ['bad: needs re-entry']);
  assert.match(row(page, 'Tampered'), /not shown 1 agent cannot work/);
  assert.ok(!page.text.includes('evil.example'));
  for (const action of ['replace', 'state', 'test', 'edit', 'move']) assert.ok(!page.text.includes(`/llm-keys/${id}/${action}`), action);
  assert.equal((await ann.get(at('ann', `/llm-keys/${id}/replace`))).status, 404);
  assert.match(words(await ann.get(at('ann', `/llm-keys/${id}`))), /somebody changed its row, or its master key is missing/);
  const path = at('ann', `/llm-keys/${id}/enter`);
  assert.match((await ann.get(path)).text, /enter\?project=[^"]*provider=openai"/);
  assert.match((await ann.get(`${path}&provider=openai`)).text, new RegExp(`data-seal="entered".*data-old-key="${id}".*name="name" value="Tampered"`, 's'));
  assert.equal((await ann.post(at('ann', '/llm-keys/check', { instead: id }), { provider: 'openai', name: 'Tampered', base_url: '' })).text, '{"fields":{}}');
  const value = newValue();
  const sealed = await replacement(id, 'openai', value, { name: 'Tampered', provider: 'openai', base_url: null });
  assertProblemAt(await ann.post(path, { provider: 'openai', name: 'Tampered', sealed: '' }), 'enter', 'value');
  assert.equal((await ann.post(path, { provider: 'openai', name: 'Tampered', sealed })).status, 303);
  const key = await keyNamed('Tampered');
  assert.equal(await keyOf(agent), key.id);
  assert.equal((await resolve(key.id)).key_value, value);
  assert.equal((await ann.get(path)).status, 404);
});

inEmptyProject('without a script, a test brings back the page with its result in the row', async () => {
  const id = await addKey('Tried', { value: newValue('sk-proj-refused-') });
  const page = await ann.post(at('ann', `/llm-keys/${id}/test`), {});
  assert.match(rowHtml(page, 'Tried'), /class="status problem">The provider rejected this key \(401\)\.</);
  assert.deepEqual(badges(page, 'Tried'), ['bad: rejected']);
});

inEmptyProject('a hundred keys sort as people sort, and can be looked for', async () => {
  const ids = [];
  for (let i = 100; i > 0; i--) ids.push(await addKey(`Key ${i}`));
  const page = await list();
  const names = Array.from(page.text.matchAll(/ data-name="(Key \d+)"/g), ([, name]) => name);
  assert.deepEqual(names, Array.from({ length: 100 }, (_, i) => `Key ${i + 1}`));
  assert.match(page.text, /data-filter="llm-key-list"/);
});

inEmptyProject('words for people keep what is of use to them', () => {
  assert.equal(inWords({ code: '22023', message: 'key_value has a space at position 3', hint: 'A key is printable ASCII without spaces. Leave out white space and whatever stands around the key: pass only the key.' }),
    'The key has a space at position 3. A key is printable ASCII without spaces. Leave out white space and whatever stands around the key: paste only the key.');
  assert.equal(inWords({ code: '22023', message: 'header "host" in options decides where a request goes, and so is not allowed', hint: "Headers are for what a gateway in front of the provider needs; the key itself is passed as the key's value." }),
    'The header “host” decides where a request goes, and so is not allowed. Headers are for what a gateway in front of the provider needs.');
  assert.match(inWords({ code: '54000', message: 'project has 1000 LLM keys' }), /as many of these as it may have/);
  for (const code of ['TK001', 'TK002', 'TK003', 'TK004', 'TK005', 'TK006', 'TK015', '55P03']) {
    assert.doesNotMatch(inWords({ code, message: 'x', hint: 'Call tarx_keys.x().' }), PROGRAMMERS);
  }
});
