// The audit log over HTTP.

import assert from 'node:assert/strict';
import test from 'node:test';
import { MOST_EXPORTED, PAGE } from '../src/audit-log.js';
import { as, newValue } from './harness.js';
import { at, audit, entries, kit, pam, project, setSecret, words } from './team.js';

test('the audit log says who did what, newest first, and takes a filter', async () => {
  const [key] = await as('pam', "SELECT tarx_keys.add_llm_key($1, 'openai', 'Logged key', $2) AS id", [project, newValue()]);
  const [agent] = await as('pam', "SELECT tarx_keys.create_agent($1, 'Logged bot') AS id", [project]);
  await as('pam', 'SELECT tarx_keys.set_agent_key($1, $2, $3)', [project, agent.id, key.id]);
  await as('pam', 'SELECT tarx_keys.delete_agent($1, $2)', [project, agent.id]);
  await setSecret('LOGGED', {}, kit, 'kit');
  const newest = entries(await audit());
  assert.deepEqual(newest.slice(0, 5), ['kit set the secret LOGGED, version 1', 'You deleted the agent Logged bot',
    'You gave the agent Logged bot the key Logged key', 'You created the agent Logged bot', 'You added the LLM key Logged key']);
  assert.deepEqual(entries(await audit({ who: 'kit', what: 'LOGGED' })), [newest[0]]);
  assert.ok(entries(await audit({ action: 'agent' })).every((entry) => /agent/.test(entry)));
  assert.deepEqual(entries(await audit({ action: 'agent.delete', what: 'logged BOT' })), [newest[1]]);
  // a key by its name is found where only its id stands, and by its id
  assert.deepEqual(entries(await audit({ what: 'Logged key' })), [newest[2], newest[4]]);
  assert.deepEqual(entries(await audit({ what: key.id })), [newest[2], newest[4]]);
  const day = new Date().toISOString().slice(0, 10);
  assert.ok(entries(await audit({ from: day, to: day })).length > 5);
  const none = await audit({ to: '2001-01-01' });
  assert.deepEqual(entries(none), []);
  assert.match(words(none), /Nothing in the log matches the filter/);
  // the form has what was asked for
  const { text } = await audit({ action: 'secret.set', who: '<kit>', from: day });
  assert.match(text, /<option value="secret.set" selected>/);
  assert.match(text, /name="who" value="&lt;kit&gt;"/);
  // what is no filter is none
  assert.equal(entries(await audit({ action: "x' OR 1", from: '2026-99-99', before: 'x_1' })).length, newest.length);
  assert.equal((await audit({ what: '\0', who: '\0' })).status, 200);
});

test('the log goes on from page to page without gaps, also at one moment', async () => {
  await as('pam', `SELECT tarx_keys.describe_secret($1, 'LOGGED', 'paged ' || i) FROM generate_series(1, ${PAGE + 20}) i`, [project]);
  const seen = [];
  let page = await audit({ action: 'secret.describe', what: 'LOGGED' });
  for (let pages = 1; ; pages += 1) {
    seen.push(...Array.from(page.text.matchAll(/id="entry-(\d+)"/g), ([, seq]) => seq));
    const [, next] = /href="([^"]*)" rel="next"/.exec(page.text) ?? [];
    if (next === undefined) {
      assert.equal(pages, 2);
      break;
    }
    assert.equal(seen.length, PAGE);
    page = await pam.get(next.replaceAll('&amp;', '&'));
    assert.match(page.text, />Newest</);
  }
  assert.equal(new Set(seen).size, PAGE + 20);
  assert.equal(seen.length, PAGE + 20);
});

test('an address that somebody has changed by hand is refused, and no failure', async () => {
  for (const before of ['2026-99-99T99:99:99.999999Z_1', '2026-01-01T.........Z_1', '0000-01-01T00:00:00.000000Z_1']) {
    assert.equal((await audit({ before })).status, 400, before);
  }
});

const addAgentAs = (name) => as('pam', 'SELECT tarx_keys.create_agent($1, $2)', [project, name]);

test('the export is CSV that no spreadsheet takes for formulas', async () => {
  for (const name of ['=1+1', '+cmd', '-2', '@SUM(A1)', 'x;=1+1', 'x; -2', 'a;b', 'a "quoted", name']) await addAgentAs(name);
  const response = await pam.get(`${at('pam', '/audit.csv')}&action=agent.create`);
  assert.match(response.headers.get('content-type'), /^text\/csv; charset=utf-8/);
  assert.match(response.headers.get('content-disposition'), /^attachment; filename="audit-\d{4}-\d\d-\d\d\.csv"$/);
  const lines = response.text.trimEnd().split('\r\n');
  assert.match(lines[0], /^\uFEFF?time_utc,user,action,object_name,object_id,/);
  for (const cell of [",'=1+1,", ",'+cmd,", ",'-2,", ",'@SUM(A1),", ",x;'=1+1,", ",x;' -2,", ',a;b,', ',"a ""quoted"", name",']) assert.ok(lines.some((line) => line.includes(cell)), cell);
  assert.ok(lines.slice(1).every((line) => line.includes(',agent.create,')));
  const { text } = await audit();
  assert.ok(text.includes(MOST_EXPORTED.toLocaleString('en')));
});

test('the log is for admins; others are told so, and get no file', async () => {
  const page = await audit({}, kit, 'kit');
  assert.equal(page.status, 200);
  assert.match(words(page), /The audit log is for the admins of the project/);
  assert.deepEqual(entries(page), []);
  assert.equal((await kit.get(at('kit', '/audit.csv'))).status, 404);
});
