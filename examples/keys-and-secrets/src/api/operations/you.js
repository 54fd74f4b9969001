// Who the token is, what its user has, and what everybody may know

import { page } from '../lists.js';
import { rowOf, rowsOf } from '../calls.js';
import { notFound } from '../problems.js';

const PROJECTS = { select: 'id, name, created_by, created_at', from: 'tarx_keys.projects', by: { created_at: 'timestamptz', id: 'uuid' }, descending: true };

export const getMe = ({ act }) => act(async (client, { userId }) => {
  const { rows: [key] } = await client.query(
    `SELECT current_setting('tarx_keys.read_only')::bool AS read_only,
            nullif(current_setting('tarx_keys.allowed_projects'), '')::uuid[] AS project_ids,
            timestamptz '2000-01-01Z' + nullif(current_setting('tarx_keys.identity_expires_at'), '')::float8 * interval '1 microsecond' AS expires_at`);
  return { user_id: userId, ...key };
});

export const listProjects = ({ act, query }) => act((client) => page(client, PROJECTS, query));

// One that is not yours is like one that does not exist.
export const getProject = ({ act, params: { project_id: id } }) => act(async (client, { role }) =>
  ({ ...await rowOf(client, PROJECTS, 'id', id), role }), id).catch((error) => {
  throw error.code === '42501' ? notFound() : error;
});

export const listProviders = ({ act }) => act(async (client) => {
  const { rows: data } = await client.query(
    `SELECT slug, label, default_base_url, base_url_required, base_url_allowed, base_url_host_suffixes, key_prefixes
       FROM tarx_keys.providers ORDER BY position, label`);
  return { data };
});

export const getSealingKey = ({ act }) => act(async (client) => {
  const [{ key_id: keyId, public_key: publicKey }] = await rowsOf(client, 'sealing_public_key', {});
  return { key_id: keyId, public_key: publicKey.toString('hex') };
});
