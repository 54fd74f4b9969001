// One's own platform keys.

import { rows } from './rows.js';

export async function readPlatformKeys(client, view) {
  view.platformKeys = await rows(client,
    `SELECT id, name, masked_key, project_ids, read_only, created_at, created_with, expires_at, last_used_at, revoked_at, status
       FROM tarx_keys.platform_keys ORDER BY created_at DESC, id`);
}
