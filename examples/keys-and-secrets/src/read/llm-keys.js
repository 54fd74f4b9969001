// What pages show of LLM keys, by the rights of the person.

import { rows } from './rows.js';

export async function readLlmKeys(client, view) {
  view.keys = await rows(client,
    `SELECT id, name, provider, provider_label, masked_key, base_url, destination, added_by, agent_count, last_used_at,
            state, priority, expires_at, rotate_after, allowed_models, header_names, health, cooling_until, status
       FROM tarx_keys.llm_keys WHERE project_id = $1 ORDER BY provider_label, priority, name`, [view.project.id]);
}

export async function readProviders(client, view) {
  view.providers = await rows(client,
    `SELECT slug, label, base_url_required, base_url_allowed, base_url_host_suffixes, default_base_url
       FROM tarx_keys.providers ORDER BY position, label`);
}

// What browsers seal for
export async function readSealingKey(client, view) {
  const [{ public_key: publicKey }] = await rows(client, 'SELECT public_key FROM tarx_keys.sealing_public_key()');
  view.publicKey = publicKey.toString('base64');
}
