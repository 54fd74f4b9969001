-- What a DBA can learn about the master keyring.

CREATE FUNCTION tarx_keys.keyring_fingerprints() RETURNS text[]
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_keyring_fingerprints';
REVOKE ALL ON FUNCTION tarx_keys.keyring_fingerprints FROM PUBLIC;
COMMENT ON FUNCTION tarx_keys.keyring_fingerprints IS
'Internal. The fingerprints of the keyring''s keys, the active one first. Error: TK005, with what is wrong.';

CREATE FUNCTION tarx_keys.keyring_status() RETURNS TABLE (fingerprint text, is_active boolean, llm_keys bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    loaded text[] := tarx_keys.keyring_fingerprints();
BEGIN
    PERFORM tarx_keys.enter_maintenance();
    RETURN QUERY
        WITH stored AS (
            SELECT encode(substring(k.ciphertext FROM 2 FOR 8), 'hex') AS fingerprint, count(*) AS llm_keys
              FROM tarx_keys.project_llm_keys k
             GROUP BY 1)
        SELECT coalesce(l.fingerprint, s.fingerprint), l.position = 1, coalesce(s.llm_keys, 0)
          FROM unnest(loaded) WITH ORDINALITY AS l (fingerprint, position)
          FULL JOIN stored s ON s.fingerprint = l.fingerprint
         ORDER BY l.position NULLS LAST, 1;
END
$$;
REVOKE ALL ON FUNCTION tarx_keys.keyring_status FROM PUBLIC;
COMMENT ON FUNCTION tarx_keys.keyring_status IS
'For the DBA: one row for each master key, with its fingerprint and how many LLM keys are sealed with it. is_active is true for the key that encrypts, false for one that only decrypts, NULL for one that rows need and the keyring lacks. Error: TK005, with what is wrong with the keyring.';
