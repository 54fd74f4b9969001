// The members of a project, and whether the application has a table of its own for them.

import { rows } from './rows.js';

export async function readMembers(client, view) {
  view.members = await rows(client,
    `SELECT id, user_id, role, service_account, added_at FROM tarx_keys.project_members WHERE project_id = $1
      ORDER BY coalesce(service_account, user_id) COLLATE tarx_keys.people, id`, [view.project.id]);
  const [{ elsewhere }] = await rows(client, "SELECT coalesce(current_setting('tarx_keys.membership', true), '') <> '' AS elsewhere");
  view.membersElsewhere = elsewhere;
}
