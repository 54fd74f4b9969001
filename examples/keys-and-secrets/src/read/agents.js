// The agents of the project, or those that refer to one key.

import { rows } from './rows.js';

export async function readAgents(client, view, keyId = null) {
  view.agents = await rows(client,
    `SELECT a.id, a.name, a.user_api_key_id, a.provider, coalesce(p.label, a.provider) AS provider_label, a.created_by, a.created_at
       FROM tarx_keys.agents a LEFT JOIN tarx_keys.providers p ON p.slug = a.provider
      WHERE a.project_id = $1 AND ($2::uuid IS NULL OR a.user_api_key_id = $2)
      ORDER BY a.name COLLATE tarx_keys.people, a.id`,
    [view.project.id, keyId]);
}

// Those that use any key of a provider
export const readAgentsOfProvider = (client, view, provider) =>
  rows(client, 'SELECT id FROM tarx_keys.agents WHERE project_id = $1 AND provider = $2 LIMIT 1', [view.project.id, provider]);
