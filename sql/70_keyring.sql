-- What a DBA can learn about the master keyring.

CREATE FUNCTION tarx_keys_internal.keyring_fingerprints() RETURNS text[]
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_keyring_fingerprints';
COMMENT ON FUNCTION tarx_keys_internal.keyring_fingerprints IS
'Internal. The fingerprints of the keyring''s keys, the active one first. Error: TK005, with what is wrong.';

CREATE FUNCTION tarx_keys_internal.fingerprint_of(sealed bytea) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_fingerprint_of';
COMMENT ON FUNCTION tarx_keys_internal.fingerprint_of IS
'Internal. The fingerprint of the master key that a ciphertext or a stamp names.';

CREATE FUNCTION tarx_keys_internal.count_sealed() RETURNS TABLE (table_name text, fingerprint text, count bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    RETURN QUERY
        SELECT 'project_llm_keys', tarx_keys_internal.fingerprint_of(t.ciphertext), count(*) FROM tarx_keys.project_llm_keys t GROUP BY 2
        UNION ALL
        SELECT 'project_secrets', tarx_keys_internal.fingerprint_of(t.ciphertext), count(*) FROM tarx_keys.project_secrets t GROUP BY 2
        UNION ALL
        SELECT 'project_secret_versions', tarx_keys_internal.fingerprint_of(t.ciphertext), count(*) FROM tarx_keys_internal.project_secret_versions t GROUP BY 2
        UNION ALL
        SELECT 'platform_api_keys', tarx_keys_internal.fingerprint_of(t.stamp), count(*) FROM tarx_keys.platform_api_keys t WHERE t.stamp IS NOT NULL GROUP BY 2
        UNION ALL
        SELECT 'audit_ends', tarx_keys_internal.fingerprint_of(t.sealed_key), count(*) FROM tarx_keys_internal.audit_ends t GROUP BY 2;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.count_sealed IS
'Internal. How many rows of each table hang on which master key. Revoked platform keys hang on none.';

CREATE FUNCTION tarx_keys.keyring_status() RETURNS TABLE (
    fingerprint text, is_active boolean,
    llm_keys bigint, secret_versions bigint, platform_keys bigint, audit_chains bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT fingerprint, bool_and(l.position = 1),
           coalesce(sum(s.count) FILTER (WHERE s.table_name = 'project_llm_keys'), 0)::bigint,
           coalesce(sum(s.count) FILTER (WHERE s.table_name IN ('project_secrets', 'project_secret_versions')), 0)::bigint,
           coalesce(sum(s.count) FILTER (WHERE s.table_name = 'platform_api_keys'), 0)::bigint,
           coalesce(sum(s.count) FILTER (WHERE s.table_name = 'audit_ends'), 0)::bigint
      FROM unnest(tarx_keys_internal.keyring_fingerprints()) WITH ORDINALITY AS l (fingerprint, position)
      FULL JOIN tarx_keys_internal.count_sealed() s USING (fingerprint)
     GROUP BY fingerprint, l.position
     ORDER BY l.position NULLS LAST, fingerprint
$$;
COMMENT ON FUNCTION tarx_keys.keyring_status IS
'For the DBA: one row for each master key, with its fingerprint and what hangs on it: LLM keys, versions of secrets, platform keys that are not revoked, chains of the audit log. is_active is true for the key that encrypts, false for one that only decrypts, NULL for one that rows need and the keyring lacks. A retired key with 0 everywhere can go. Error: TK005, with what is wrong with the keyring.';
