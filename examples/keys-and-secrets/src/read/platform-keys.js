// One's own platform keys.

import { rows } from './rows.js';

export async function readPlatformKeys(client, view) {
  view.platformKeys = await rows(client,
    `SELECT id, name, masked_key, project_ids, read_only, created_at, created_with, expires_at, last_used_at, revoked_at, status
       FROM tarx_keys.platform_keys ORDER BY created_at DESC, id`);
}

// Which of one's keys a token is, by their masks; undefined if that does not tell. For what
// pages say, and for nothing that counts.
export async function keyOf(client, token) {
  const keys = await rows(client, "SELECT id, masked_key FROM tarx_keys.platform_keys WHERE status = 'ok'");
  const found = keys.filter(({ masked_key: mask }) => {
    const [head, tail = ''] = mask.split('…');
    return tail !== '' && token.startsWith(head) && token.endsWith(tail);
  });
  return found.length === 1 ? found[0].id : undefined;
}
