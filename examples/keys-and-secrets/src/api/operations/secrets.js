// Project secrets: the values come sealed, and never go out.

import { bytes, call, created, rowOf } from '../calls.js';
import { page } from '../lists.js';
import { readVersions } from '../../read/secrets.js';

const SECRETS = {
  select: 'name, id, description, version, updated_by, updated_at, last_used_at', from: 'tarx_keys.secrets', by: { 'name COLLATE "C"': 'text' },
};

const secretOf = (client, name) => rowOf(client, SECRETS, 'name', name);

export const listSecrets = ({ act, query }) => act((client) => page(client, SECRETS, query));

export const getSecret = ({ act, params: { name } }) => act((client) => secretOf(client, name));

export const setSecret = ({ act, params: { name }, body: { sealed, description }, project }) => act(async (client) => {
  const version = await call(client, 'set_sealed_secret', { project_id: project, name, sealed: bytes(sealed), description });
  const secret = await secretOf(client, name);
  return version === 1 ? created(`/secrets/${name}`, secret) : secret;
});

// the new name is the field "name" of the request
const renameSecret = (client, names) => call(client, 'rename_secret', names).catch((error) => {
  throw error.column === 'new_name' ? Object.assign(error, { column: 'name' }) : error;
});

export const updateSecret = ({ act, params: { name }, body: { name: newName = name, description }, project }) => act(async (client) => {
  if (description !== undefined) await call(client, 'describe_secret', { project_id: project, name, description });
  if (newName !== name) await renameSecret(client, { project_id: project, name, new_name: newName });
  return secretOf(client, newName);
});

export const listSecretVersions = ({ act, params: { name } }) => act(async (client, { role }) => {
  const secret = await secretOf(client, name);
  const { rows: [{ kept }] } = await client.query("SELECT current_setting('tarx_keys.secret_versions_kept')::int AS kept");
  const versions = await readVersions(client, { role, versionsKept: kept }, secret);
  return { data: versions.map(({ version, by = null, when = null }) => ({ version, set_by: by, set_at: when })) };
});

export const restoreSecret = ({ act, params: { name }, body: { version }, project }) => act(async (client) => {
  await call(client, 'restore_secret', { project_id: project, name, version });
  return secretOf(client, name);
});

export const deleteSecret = ({ act, params: { name }, project }) =>
  act((client) => call(client, 'delete_secret', { project_id: project, name })).then(() => undefined);
