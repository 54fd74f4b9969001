// The agents of the project, or those that use one key.

import { rows } from './rows.js';

export async function readAgents(client, view, keyId = null) {
  view.agents = await rows(client,
    `SELECT id, name, user_api_key_id FROM tarx_keys.agents
      WHERE project_id = $1 AND ($2::uuid IS NULL OR user_api_key_id = $2) ORDER BY name, id`,
    [view.project.id, keyId]);
}
