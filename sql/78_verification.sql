-- Whether what is stored opens, without opening it to anybody.

CREATE FUNCTION tarx_keys_internal.secret_state(ciphertext bytea, project_id uuid, name text, version integer) RETURNS integer
LANGUAGE c STABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'tarx_keys_secret_state';
COMMENT ON FUNCTION tarx_keys_internal.secret_state IS
'Internal. As llm_key_state(), for a version of a secret.';

CREATE FUNCTION tarx_keys_internal.platform_key_state(
    stamp bytea, id uuid, user_id text, token_hash bytea, expires_at timestamptz, project_ids uuid[],
    read_only boolean) RETURNS integer
LANGUAGE c STABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'tarx_keys_platform_key_state';
COMMENT ON FUNCTION tarx_keys_internal.platform_key_state IS
'Internal. As llm_key_state(), for a platform key that is not revoked.';

CREATE FUNCTION tarx_keys_internal.row_states(only_project uuid)
RETURNS TABLE (project_id uuid, kind text, id uuid, name text, state integer)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    -- an error without a keyring, also if there is no row
    PERFORM tarx_keys_internal.keyring_fingerprints();
    -- a secret is as good as the worst of its versions, for any can be restored
    RETURN QUERY
        SELECT k.project_id, 'llm_key', k.id, k.name,
               tarx_keys_internal.llm_key_state(k.ciphertext, k.project_id, k.id, k.provider, k.name,
                                       k.base_url, k.destination, k.masked_key, k.added_by)
          FROM tarx_keys.project_llm_keys k
         WHERE only_project IS NULL OR k.project_id = only_project
        UNION ALL
        SELECT s.project_id, 'secret', NULL, s.name, max(s.state)
          FROM (SELECT c.project_id, c.name, tarx_keys_internal.secret_state(c.ciphertext, c.project_id, c.name, c.version) AS state
                  FROM tarx_keys.project_secrets c
                 WHERE only_project IS NULL OR c.project_id = only_project
                UNION ALL
                SELECT v.project_id, v.name, tarx_keys_internal.secret_state(v.ciphertext, v.project_id, v.name, v.version)
                  FROM tarx_keys_internal.project_secret_versions v
                 WHERE only_project IS NULL OR v.project_id = only_project) s
         GROUP BY s.project_id, s.name
        UNION ALL
        SELECT NULL, 'platform_key', p.id, p.name,
               tarx_keys_internal.platform_key_state(p.stamp, p.id, p.user_id, p.token_hash, p.expires_at, p.project_ids, p.read_only)
          FROM tarx_keys.platform_api_keys p
         WHERE only_project IS NULL AND p.revoked_at IS NULL;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.row_states IS
'Internal. What verify_keys() tells, with states as numbers.';

CREATE FUNCTION tarx_keys.verify_keys(project_id uuid DEFAULT NULL)
RETURNS TABLE (project_id uuid, kind text, id uuid, name text, status text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.project_id, r.kind, r.id, r.name,
           CASE r.state WHEN 0 THEN 'ok' WHEN 1 THEN 'missing master key' ELSE 'tampered' END
      FROM tarx_keys_internal.row_states($1) r
$$;
COMMENT ON FUNCTION tarx_keys.verify_keys IS
'For the DBA: whether each LLM key, secret and platform key is what was written: ok, tampered or missing master key; of one project, or of all and then with platform keys, which belong to none. A secret has the worst status of its versions; revoked platform keys are left out. Error: TK005, with what is wrong with the keyring.';
