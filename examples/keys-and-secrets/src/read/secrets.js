// What pages show of secrets, by the rights of the person.

import { rows } from './rows.js';

export async function readSecrets(client, view) {
  view.secrets = await rows(client,
    `SELECT name, id, description, version, updated_by, updated_at, last_used_at
       FROM tarx_keys.secrets WHERE project_id = $1 ORDER BY name COLLATE tarx_keys.people`, [view.project.id]);
  const [{ kept }] = await rows(client, "SELECT current_setting('tarx_keys.secret_versions_kept')::int AS kept");
  view.versionsKept = kept;
}

// The versions that are kept, newest first. They follow each other without gaps. Who wrote
// an older one, and when, is in the audit log, which the database shows to admins.
export async function readVersions(client, view, secret) {
  const oldest = Math.max(1, secret.version - view.versionsKept + 1);
  const logged = view.role !== 'admin' ? [] : await rows(client,
    `SELECT revision, user_id, at, action FROM tarx_keys.project_audit
      WHERE object_id = $1 AND action IN ('secret.set', 'secret.restore') AND revision >= $2`, [secret.id, oldest]);
  const entries = new Map(logged.map((entry) => [entry.revision, entry]));
  return Array.from({ length: secret.version - oldest + 1 }, (_, i) => {
    const version = secret.version - i;
    const { user_id: by, at: when, action } = entries.get(version)
      ?? (i === 0 ? { user_id: secret.updated_by, at: secret.updated_at } : {});
    return { version, by, when, action };
  });
}
