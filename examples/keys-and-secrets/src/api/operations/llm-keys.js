// LLM keys: the values come sealed, and never go out.

import { about, bytes, call, created, rowOf } from '../calls.js';
import { page } from '../lists.js';
import { Problem } from '../problems.js';
import { probe } from '../../probe.js';

const LLM_KEYS = {
  select: `id, name, provider, masked_key, base_url, destination, state, priority, expires_at, rotate_after, allowed_models, header_names,
           added_by, created_at, agent_count::int AS agent_count, last_used_at, health, health_at, cooling_until, status`,
  from: 'tarx_keys.llm_keys', by: { created_at: 'timestamptz', id: 'uuid' }, descending: true,
};

const keyOf = (client, id) => rowOf(client, LLM_KEYS, 'id', id);
const added = async (client, id) => created(`/llm-keys/${id}`, await keyOf(client, id));

// as names are compared for being taken
const comparable = (name) => name?.normalize('NFC').replace(/[A-Z]/g, (letter) => letter.toLowerCase());

export const listLlmKeys = ({ act, query: { name, ...query } }) => act((client) => page(client,
  { ...LLM_KEYS, filters: { 'lower(name COLLATE "C")': { value: comparable(name), type: 'text' } } }, query));

export const getLlmKey = ({ act, params: { id } }) => act((client) => keyOf(client, id));

export const addLlmKey = ({ act, body: { sealed, ...body }, project }) => act(async (client) =>
  added(client, await call(client, 'add_sealed_llm_key', { project_id: project, ...body, sealed: bytes(sealed) })));

export const updateLlmKey = ({ act, params: { id }, body, project }) => act(async (client) => {
  await call(client, 'update_llm_key', { project_id: project, key_id: id, changes: body });
  return keyOf(client, id);
});

export const replaceLlmKey = ({ act, params: { id }, body: { sealed }, project }) => act(async (client) =>
  added(client, await call(client, 'replace_sealed_llm_key', { project_id: project, key_id: id, sealed: bytes(sealed) })));

async function repoint(client, project, from, to, field) {
  // before a deletion, the agents would stay with the key that goes
  if (from.toLowerCase() === to.toLowerCase()) throw new Problem(400, 'invalid_request', 'This is the key itself.', { field, hint: 'Name another one.' });
  return about(field, call(client, 'repoint_agents', { project_id: project, from_key_id: from, to_key_id: to }));
}

export const repointAgents = ({ act, params: { id }, body: { to }, project }) =>
  act(async (client) => ({ agents: await repoint(client, project, id, to, 'to') }));

// both in one transaction: no agent is without a key in between
export const deleteLlmKey = ({ act, params: { id }, query: { agents_to: to }, project }) => act(async (client) => {
  if (to !== undefined) await repoint(client, project, id, to, 'agents_to');
  await call(client, 'delete_llm_key', { project_id: project, key_id: id });
});

// As on the page: the person's transaction gives the right, and the other login asks.
export const testLlmKey = async ({ act, params: { id }, project }, { db, models }) => {
  const ticket = await act((client) => db.issueTicket(client, project, { keyId: id }));
  const { outcome, retryAfter = null, text } = await probe(await db.probeRequest(ticket, id), models);
  if (outcome) await db.reportKey(ticket, id, outcome, retryAfter);
  return { outcome: outcome ?? 'unknown', detail: text, retry_after: retryAfter };
};
