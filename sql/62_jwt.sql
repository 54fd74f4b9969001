-- Tokens of others (JWT) that say who a user is. Who is trusted stands in a file, which
-- tarx_keys.jwt_issuers_file names, and in no table: whoever could write it could be
-- anyone.

-- When users ended. A token or a run ticket cannot be taken back, so this is how
-- end_user() ends those that were issued before. Who deletes a row gives them the rest of
-- their short life.
CREATE TABLE tarx_keys_internal.ended_users (
    user_id text COLLATE "C" NOT NULL,
    ended_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, ended_at)
);
CREATE INDEX ended_users_ended_at ON tarx_keys_internal.ended_users (ended_at);
ALTER TABLE tarx_keys_internal.ended_users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_of_user ON tarx_keys_internal.ended_users TO tarx_keys_owner
    USING (user_id = tarx_keys.current_user_id());
CREATE POLICY owner_in_maintenance ON tarx_keys_internal.ended_users TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys_internal.ended_users IS 'When end_user() ended a user, for as long as a token or a run ticket that was issued before could last.';

-- carries a value
CREATE FUNCTION tarx_keys.login_jwt(token text, project_id uuid DEFAULT NULL, OUT user_id text, OUT role text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_login_jwt';
COMMENT ON FUNCTION tarx_keys.login_jwt IS
'Makes the user of a JSON Web Token the acting user, proven, until the transaction or savepoint ends or the token expires, and project_id, if given, the active project; returns the user and the role in that project. Only tokens of the issuers in tarx_keys.jwt_issuers_file count. Errors: TK010 whatever is wrong with the token, 42501 if the user is no member of the project, TK005 without a keyring, 22023 if token is NULL.';

CREATE FUNCTION tarx_keys_internal.jwt_issuers() RETURNS TABLE (issuer text, keys integer, ignored_keys integer)
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_jwt_issuers';
COMMENT ON FUNCTION tarx_keys_internal.jwt_issuers IS
'Internal. The issuers whose tokens log in, with the number of their keys that tokens are checked with, and of those that are left out.';

CREATE FUNCTION tarx_keys_internal.jwt_issuers_state(OUT loaded_at timestamptz, OUT problem text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_jwt_issuers_state';
COMMENT ON FUNCTION tarx_keys_internal.jwt_issuers_state IS
'Internal. When the issuers in use were loaded, and what is wrong with their file.';

-- No issuers' file may have a max_lifetime and clock_skew of more, and no server a
-- tarx_keys.run_ticket_max_renewal. Which file is loaded does not matter: it may be missing
-- for a while, and a standby has another one.
-- It has a SET clause, so that maintenance ends with it. Rows that somebody else is
-- deleting are left alone.
CREATE FUNCTION tarx_keys_internal.forget_ended_users() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    DELETE FROM tarx_keys_internal.ended_users e
     WHERE (e.user_id, e.ended_at) IN (
           SELECT o.user_id, o.ended_at FROM tarx_keys_internal.ended_users o
            WHERE o.ended_at < clock_timestamp() - interval '366 days'
            ORDER BY o.ended_at LIMIT 1000 FOR UPDATE SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.forget_ended_users IS
'Internal. Deletes ends of users from before any token or run ticket of now was issued, 1000 at most.';

-- A new row each time, because that waits for nobody.
CREATE FUNCTION tarx_keys_internal.record_end_of_user() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO tarx_keys_internal.ended_users (user_id, ended_at)
        VALUES (tarx_keys.current_user_id(), clock_timestamp()) ON CONFLICT DO NOTHING;
    PERFORM tarx_keys_internal.forget_ended_users();
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.record_end_of_user IS
'Internal. Ends the tokens and run tickets of the acting user that were issued before now.';

SELECT pg_catalog.pg_extension_config_dump('tarx_keys_internal.ended_users', '');
