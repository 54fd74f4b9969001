// What pages show of secrets, by the rights of the person.

import { rows } from './rows.js';

export async function readSecrets(client, view) {
  view.secrets = await rows(client,
    `SELECT name, description, version, updated_by, updated_at, last_used_at
       FROM tarx_keys.secrets WHERE project_id = $1 ORDER BY name COLLATE tarx_keys.people`, [view.project.id]);
  const [{ kept }] = await rows(client, "SELECT current_setting('tarx_keys.secret_versions_kept')::int AS kept");
  view.versionsKept = kept;
}
