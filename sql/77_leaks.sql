-- The hour after a leak: platform keys that were found somewhere are revoked by
-- whoever has them, and a value that was found is looked for.

CREATE FUNCTION tarx_keys_internal.revoke_leaked_platform_key(id uuid, user_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = 0
AS $$
DECLARE
    deadline CONSTANT timestamptz := clock_timestamp() + interval '2 s';
    held integer;
BEGIN
    PERFORM tarx_keys_internal.wait_for_locks_until(deadline);
    -- nobody makes more with the key until this is committed
    PERFORM tarx_keys_internal.enter_end_of_user(revoke_leaked_platform_key.user_id);
    SELECT r.held INTO held
      FROM tarx_keys_internal.revoke_platform_keys(
               revoke_leaked_platform_key.id || tarx_keys_internal.platform_key_descendants(revoke_leaked_platform_key.id), deadline) r;
    RETURN held = 0;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.revoke_leaked_platform_key IS
'Internal. Revokes a platform key of this user, with all that was made with it; returns whether nobody else holds any of them.';

-- carries a value
CREATE FUNCTION tarx_keys.revoke_leaked_platform_keys(tokens text[])
RETURNS TABLE (place integer, outcome text, id uuid, user_id text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_revoke_leaked_platform_keys';
COMMENT ON FUNCTION tarx_keys.revoke_leaked_platform_keys IS
'For the DBA, without an acting user: revokes the platform keys with these tokens, for good, with all that was made with them. Tells of each token, by its place in the list, what was done: revoked, held (other transactions hold some of it), already (a key that was revoked before has this mask), unknown, or no token. Error: 22023. Warning 55P03 if something is held: commit, and call it again.';

-- These two run as their caller, who is a superuser: row security shows the owner one
-- project at a time.

-- carries a value
CREATE FUNCTION tarx_keys.find_key(value text)
RETURNS TABLE (project_id uuid, kind text, id uuid, name text, state text, version integer)
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_find_key';
COMMENT ON FUNCTION tarx_keys.find_key IS
'For superusers: the LLM keys, their headers, and the versions of secrets that have this value, blanks around it aside. It opens every row. Errors: 42501, 22023, TK005. Warning TK004 with the number of rows that do not open, which could have it as well.';

CREATE FUNCTION tarx_keys.find_sealed_key(sealed bytea)
RETURNS TABLE (project_id uuid, kind text, id uuid, name text, state text, version integer)
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_find_sealed_key';
COMMENT ON FUNCTION tarx_keys.find_sealed_key IS
'For superusers: find_key() with the value in a box to the key of sealing_public_key(). Errors: 42501, 22023, TK005, TK013.';
