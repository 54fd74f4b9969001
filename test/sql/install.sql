-- What CREATE EXTENSION refuses, and what DROP EXTENSION leaves.
\set VERBOSITY terse

-- the roles stay when the extension goes
CREATE EXTENSION tarx_keys;
DROP EXTENSION tarx_keys;
SELECT rolname FROM pg_roles WHERE rolname ~ '^tarx_keys' ORDER BY 1;

-- a role of ours that somebody has made, or made into one to log in with
ALTER ROLE tarx_keys_owner LOGIN;
CREATE EXTENSION tarx_keys;
ALTER ROLE tarx_keys_owner NOLOGIN;
ALTER ROLE tarx_keys_agent BYPASSRLS;
CREATE EXTENSION tarx_keys;
ALTER ROLE tarx_keys_agent NOBYPASSRLS;
ALTER ROLE tarx_keys_backend SUPERUSER;
CREATE EXTENSION tarx_keys;
ALTER ROLE tarx_keys_backend NOSUPERUSER;

ALTER ROLE tarx_keys_owner CREATEROLE;
CREATE EXTENSION tarx_keys;
ALTER ROLE tarx_keys_owner NOCREATEROLE;

-- somebody who is a member of the owner is worth a warning
CREATE ROLE regress_friend;
GRANT tarx_keys_owner TO regress_friend;
CREATE EXTENSION tarx_keys;
DROP EXTENSION tarx_keys;
DROP ROLE regress_friend;

-- a schema of our name that somebody else made
CREATE SCHEMA tarx_keys;
CREATE EXTENSION tarx_keys;
DROP SCHEMA tarx_keys;

-- patterns are parsed before the script runs; from PostgreSQL 19 on, strings are always standard
DO $$
BEGIN
    IF current_setting('server_version_num')::int < 190000 THEN
        SET LOCAL standard_conforming_strings = off;
        SET LOCAL escape_string_warning = off;
        CREATE EXTENSION tarx_keys;
        RAISE 'it was created';
    END IF;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    ASSERT SQLERRM = 'tarx_keys cannot be created while standard_conforming_strings is off', SQLERRM;
END
$$;

-- only superusers install it
CREATE ROLE regress_plain;
SET ROLE regress_plain;
CREATE EXTENSION tarx_keys;
RESET ROLE;
DROP ROLE regress_plain;

-- it hangs on no schema that somebody else could drop
SET search_path = '';
CREATE EXTENSION tarx_keys;
RESET search_path;
SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'tarx_keys';
DROP EXTENSION tarx_keys;

-- twice in one session, with plans saved in between
CREATE EXTENSION tarx_keys;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_project('Demo', '11111111-1111-1111-1111-111111111111');
SELECT tarx_keys.add_llm_key('11111111-1111-1111-1111-111111111111', 'mistral', 'first', 'abcdefghijklmnopqrstuvwxyz012345') IS NOT NULL AS added;
COMMIT;
DROP EXTENSION tarx_keys;
SELECT count(*) FROM pg_namespace WHERE nspname ~ '^tarx_keys';
CREATE EXTENSION tarx_keys;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_project('Demo', '11111111-1111-1111-1111-111111111111');
SELECT tarx_keys.add_llm_key('11111111-1111-1111-1111-111111111111', 'mistral', 'second', 'abcdefghijklmnopqrstuvwxyz012345') AS key \gset
SELECT name, key_value FROM tarx_keys.resolve_key('11111111-1111-1111-1111-111111111111', :'key');
COMMIT;
DROP EXTENSION tarx_keys;
