// One's own platform keys

import { call, created, rowOf, rowsOf } from '../calls.js';
import { page } from '../lists.js';

const PLATFORM_KEYS = {
  select: 'id, name, masked_key, project_ids, read_only, created_at, created_with, expires_at, last_used_at, revoked_at, status',
  from: 'tarx_keys.platform_keys', by: { created_at: 'timestamptz', id: 'uuid' }, descending: true,
};

export const listPlatformKeys = ({ act, query }) => act((client) => page(client, PLATFORM_KEYS, query));

export const getPlatformKey = ({ act, params: { id } }) => act((client) => rowOf(client, PLATFORM_KEYS, 'id', id));

export const createPlatformKey = ({ act, body }) => act(async (client) => {
  const [{ id, token }] = await rowsOf(client, 'create_platform_key', body);
  return created(`/platform-keys/${id}`, { platform_key: await rowOf(client, PLATFORM_KEYS, 'id', id), token });
});

export const revokePlatformKey = ({ act, params: { id }, query: { descendants } }) =>
  act((client) => call(client, 'revoke_platform_key', { id, descendants })).then(() => undefined);
