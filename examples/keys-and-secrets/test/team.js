// What the tests of secrets, platform keys, members, the audit log and signing in share: a
// project, its admin pam, its key manager kit, its member max, and what they do over HTTP.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { sealSecret } from '../../client/sealing.js';
import { as, newPerson, newValue, settings } from './harness.js';

const sodium = createRequire(new URL('../package.json', import.meta.url))('libsodium-wrappers');
const [{ public_key: publicKey }] = await as('alice', 'SELECT public_key FROM tarx_keys.sealing_public_key()');

export const [{ id: project }] = await as('pam', "SELECT tarx_keys.create_project('People') AS id");
export const pam = await newPerson('pam');
await as('pam', "SELECT tarx_keys.add_member($1, 'kit', 'key_manager'), tarx_keys.add_member($1, 'max')", [project]);
export const [kit, max] = [await newPerson('kit'), await newPerson('max')];

export const at = (user, rest) => settings(user, rest, project);
export const boxFor = async (name, value) => Buffer.from(await sealSecret(sodium, publicKey, { projectId: project, name, value })).toString('base64');
export const setSecret = async (name, fields = {}, person = pam, user = 'pam') =>
  person.post(at(user, '/secrets/set'), { name, sealed: await boxFor(name, newValue('value-')), ...fields });
export const secret = async (name) => (await as('pam', 'SELECT * FROM tarx_keys.secrets WHERE project_id = $1 AND name = $2', [project, name]))[0];
export const member = async (user) => (await as('pam', 'SELECT * FROM tarx_keys.project_members WHERE project_id = $1 AND user_id = $2', [project, user]))[0];

export const TOKEN = /sk-tarx-[0-9A-Za-z]{49}/;

// What a page says, without its tags
export const words = ({ text }) => text.replace(/<[^>]*>/g, ' ').replace(/&#39;/g, "'").replace(/\s+/g, ' ');
export const problems = ({ text }) => Array.from(text.matchAll(/<p class="problem"[^>]*>([^<]*)</g), ([, told]) => told);

export async function assertRefused(response, status, told) {
  assert.equal(response.status, status);
  assert.match(problems(response).join(' '), told);
}

export const saveKey = (person, user) => person.post(settings(user, '/platform-keys/created', project), {});

// what was created before is saved
export async function createKey(person, user, fields = {}) {
  await saveKey(person, user);
  return person.post(settings(user, '/platform-keys/create', project), { name: 'New', expires: '90', ...fields });
}
export const keysOf = (user) => as(user, 'SELECT * FROM tarx_keys.platform_keys ORDER BY created_at');

// What the audit log says
export const entries = (page) => Array.from(page.text.matchAll(/<li class="row" id="entry-\d+">.*?<h3>(.*?)<\/h3>/gs),
  ([, title]) => words({ text: title }).trim().replaceAll(' ,', ','));
export const audit = async (query = {}, person = pam, user = 'pam') => person.get(`${at(user, '/audit')}&${new URLSearchParams(query)}`);
