-- Platform API keys. They are personal: a service that logs in with one acts for
-- the key's user.
--
-- They belong to no project, so no primary key or index here has a project_id.
-- Revoking a key takes its hash and stamp away. Without these, no edit of the row
-- brings the key back; only somebody who has a copy of them can do that.

CREATE TABLE tarx_keys.platform_api_keys (
    id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    masked_key text COLLATE "C" NOT NULL,
    token_hash bytea UNIQUE,
    expires_at timestamptz,
    project_ids uuid[],
    read_only boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    stamp bytea,
    CHECK ((revoked_at IS NULL) = (token_hash IS NOT NULL) AND (revoked_at IS NULL) = (stamp IS NOT NULL))
);
CREATE INDEX platform_api_keys_user_id ON tarx_keys.platform_api_keys (user_id);
ALTER TABLE tarx_keys.platform_api_keys
    ALTER COLUMN token_hash SET STATISTICS 0,
    ALTER COLUMN masked_key SET STATISTICS 0,
    ALTER COLUMN stamp SET STATISTICS 0;
ALTER TABLE tarx_keys.platform_api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY users_read ON tarx_keys.platform_api_keys FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (user_id = tarx_keys_internal.acting_user_id());
CREATE POLICY owner_of_user ON tarx_keys.platform_api_keys TO tarx_keys_owner
    USING (user_id = tarx_keys.current_user_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.platform_api_keys FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
CREATE POLICY owner_in_rotation ON tarx_keys.platform_api_keys FOR UPDATE TO tarx_keys_owner
    USING (tarx_keys_internal.in_rotation());
COMMENT ON TABLE tarx_keys.platform_api_keys IS 'Personal platform API keys, as hashes. Users list their own with the view platform_keys.';
COMMENT ON COLUMN tarx_keys.platform_api_keys.token_hash IS 'BLAKE2b-256 of the token; NULL once revoked';
COMMENT ON COLUMN tarx_keys.platform_api_keys.project_ids IS 'The projects it is narrowed to; NULL for all of the user''s';
COMMENT ON COLUMN tarx_keys.platform_api_keys.stamp IS 'MAC over id, user, hash, expiry and scopes; NULL once revoked';

-- carries a value
CREATE FUNCTION tarx_keys.create_platform_key(
    name text, expires_at timestamptz DEFAULT NULL, project_ids uuid[] DEFAULT NULL, read_only boolean DEFAULT false,
    OUT id uuid, OUT token text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_create_platform_key';
COMMENT ON FUNCTION tarx_keys.create_platform_key IS
'Creates a platform key for the acting user; the token is shown this once. project_ids (1 to 100 of the user''s) narrows it to some projects, read_only to lists. Errors: TK007, 22023, 42501 for others'' projects, or if the acting user logged in with a key that is narrowed or expires earlier, TK005.';

CREATE FUNCTION tarx_keys.revoke_platform_key(id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_revoke_platform_key';
COMMENT ON FUNCTION tarx_keys.revoke_platform_key IS
'Revokes a platform key of the acting user, for good. Errors: TK007, 22023, 42501 if the acting user logged in with a narrowed key, 42704 if the user has no such key that is not revoked.';

-- carries a value
CREATE FUNCTION tarx_keys.login(token text, project_id uuid DEFAULT NULL, OUT user_id text, OUT role text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_login';
COMMENT ON FUNCTION tarx_keys.login IS
'Makes the user of a platform key the acting user, proven, until the transaction or savepoint ends, and project_id, if given, the active project; returns the user and the role in that project. Errors: TK010 whatever is wrong with the token, 42501 if the user is no member of the project or the key is not for it, TK005 without a keyring, 22023 if token is NULL.';

CREATE FUNCTION tarx_keys_internal.own_platform_key_usage() RETURNS TABLE (id uuid, last_used_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    no_project CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    acting_user CONSTANT text := tarx_keys_internal.acting_user_id();
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    RETURN QUERY
        SELECT k.id, greatest(m.last_used_at, l.last_used_at)
          FROM tarx_keys.platform_api_keys k
         CROSS JOIN LATERAL tarx_keys_internal.usage_of('platform_key', no_project, k.id) m
          LEFT JOIN tarx_keys_internal.last_used l
            ON l.project_id = no_project AND l.kind = 'platform_key' AND l.id = k.id
         WHERE k.user_id = acting_user AND k.id IS NOT NULL;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.own_platform_key_usage IS
'Internal. When the acting user''s platform keys were last used. Used by a view. Error: TK007 without an acting user.';

CREATE VIEW tarx_keys.platform_keys WITH (security_invoker = true, security_barrier = true) AS
SELECT k.id,
       tarx_keys_internal.shown(k.name) AS name,
       tarx_keys_internal.display_mask(tarx_keys_internal.shown(k.masked_key)) AS masked_key,
       -- of 100 ids, or none where there are more bytes than they can have
       CASE WHEN pg_column_size(k.project_ids) > 2000 THEN '{}' ELSE k.project_ids[:100] END AS project_ids,
       k.read_only,
       k.created_at,
       k.expires_at,
       u.last_used_at,
       k.revoked_at
  FROM tarx_keys.platform_api_keys k
  LEFT JOIN tarx_keys_internal.own_platform_key_usage() u ON u.id = k.id;
COMMENT ON VIEW tarx_keys.platform_keys IS 'The acting user''s own platform keys';

SELECT pg_extension_config_dump('tarx_keys.platform_api_keys', '');
