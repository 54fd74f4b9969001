// What the browser tests of secrets, platform keys, members, the audit log and signing in share:
// a project, its admin petra, its key manager karl, its member mia, and quentin, who is in none.

import { as, inRun, newPerson, newValue, settings } from './harness.js';
import { open, rowOf } from './browsing.js';

export const [{ id: project }] = await as('petra', "SELECT tarx_keys.create_project('Shop') AS id");
await newPerson('petra');
await as('petra', "SELECT tarx_keys.add_member($1, 'karl', 'key_manager'), tarx_keys.add_member($1, 'mia'), tarx_keys.add_member($1, 'item-2'), tarx_keys.add_member($1, 'item-10')", [project]);
await Promise.all(['karl', 'mia', 'quentin'].map(newPerson));
const [{ id: agentId }] = await as('petra', "SELECT tarx_keys.create_agent($1, 'Clerk') AS id", [project]);

export const at = (user, rest = '') => settings(user, rest, project);
export const go = (user, rest = '', options = {}) => open(user, { path: at(user, rest), ...options });
export const secret = async (name) => (await as('petra', 'SELECT * FROM tarx_keys.secrets WHERE project_id = $1 AND name = $2', [project, name]))[0];
export const set = (name, value = newValue(), description = null) => as('petra', 'SELECT tarx_keys.set_secret($1, $2, $3, $4)', [project, name, value, description]);

export async function valueOf(name) {
  const [{ ticket }] = await as('petra', 'SELECT tarx_keys.issue_run_ticket($1, $2, secret_names => $3) AS ticket', [project, agentId, [name]]);
  return (await inRun(ticket, 'SELECT tarx_keys.resolve_secret($1, $2) AS value', [project, name]))[0].value;
}

export const menuOf = async (page, list, name, action) => {
  const row = rowOf(page, list, name);
  await row.locator('summary').click();
  await row.getByRole('link', { name: action }).click();
};

export const section = (page, name) => page.locator('section').filter({ has: page.getByRole('heading', { name, level: 2 }) });
