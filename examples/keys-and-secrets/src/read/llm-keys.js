// What pages show of LLM keys, by the rights of the person.

import { rows } from './rows.js';

// What stands beside each other is of one provider, in the order in which it is tried.
export async function readLlmKeys(client, view) {
  view.keys = await rows(client,
    `SELECT id, name, provider, provider_label, masked_key, base_url, destination, added_by, created_at, agent_count, last_used_at,
            state, priority, expires_at, rotate_after, allowed_models, header_names, health, health_at, cooling_until, status
       FROM tarx_keys.llm_keys WHERE project_id = $1
      ORDER BY status <> 'needs_reentry', provider_label COLLATE tarx_keys.people, priority, name COLLATE tarx_keys.people, id`, [view.project.id]);
}

// Those that somebody should look at
export async function readDueKeys(client, view) {
  view.dueKeys = await rows(client,
    'SELECT key_id, name, reason, since FROM tarx_keys.due_keys WHERE project_id = $1 ORDER BY since', [view.project.id]);
}

export async function readProviders(client, view) {
  view.providers = await rows(client,
    `SELECT slug, label, base_url_required, base_url_allowed, base_url_host_suffixes, base_url_tails, default_base_url, key_prefixes
       FROM tarx_keys.providers ORDER BY position, label COLLATE tarx_keys.people`);
}

// What browsers seal for
export async function readSealingKey(client, view) {
  const [{ public_key: publicKey }] = await rows(client, 'SELECT public_key FROM tarx_keys.sealing_public_key()');
  view.publicKey = publicKey.toString('base64');
}

const MOST_EVENTS = 20;

// What happened to a key lately; the database shows it to admins only.
export async function readKeyHistory(client, view, keyId) {
  view.history = view.role !== 'admin' ? null : await rows(client,
    `SELECT at, user_id, action, object_name FROM tarx_keys.project_audit
      WHERE project_id = $1 AND object_id = $2 ORDER BY at DESC, seq DESC LIMIT ${MOST_EVENTS}`, [view.project.id, keyId]);
}
