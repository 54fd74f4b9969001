\echo Use "CREATE EXTENSION tarx_keys" to load this file. \quit

-- The two schemas that hold everything, and the five roles.

SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;

-- Without IF NOT EXISTS, because a schema that somebody else has made must not be
-- taken over.
CREATE SCHEMA tarx_keys;
COMMENT ON SCHEMA tarx_keys IS 'Project-scoped LLM keys, encrypted at rest and resolved only for agents';

-- What callers never name. Policies, defaults and views use it on their behalf.
-- They are parsed when they are created, so callers need no USAGE.
CREATE SCHEMA tarx_keys_internal;
COMMENT ON SCHEMA tarx_keys_internal IS 'Internals of tarx_keys; for its own functions, policies and views only';

CREATE FUNCTION tarx_keys_internal.our_roles() RETURNS text[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_our_roles';
COMMENT ON FUNCTION tarx_keys_internal.our_roles IS 'Internal. The names of the extension''s roles.';

-- Roles belong to the cluster, not to the database. So they are created if they
-- are absent. An existing role is refused if somebody could log in as it, or
-- bypass row security with it.
DO $$
DECLARE
    role_name text;
    role_row pg_roles;
    members text;
BEGIN
    -- This script has been parsed by now, and its patterns would mean something else.
    IF current_setting('standard_conforming_strings') = 'off' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'tarx_keys cannot be created while standard_conforming_strings is off',
            HINT = 'Run SET standard_conforming_strings = on, and try again.';
    END IF;
    FOREACH role_name IN ARRAY tarx_keys_internal.our_roles() LOOP
        SELECT * INTO role_row FROM pg_roles r WHERE r.rolname = role_name;
        IF NOT FOUND THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        ELSIF role_row.rolcanlogin OR role_row.rolsuper OR role_row.rolbypassrls
              OR role_row.rolcreaterole OR role_row.rolreplication THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('role "%s" exists and can log in, is superuser, bypasses row security, creates roles or replicates', role_name),
                HINT = format('Run ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION, or rename the role, and try again.', role_name);
        END IF;
    END LOOP;

    -- A warning and no error, because a restore brings memberships back.
    SELECT string_agg(quote_ident(m.rolname), ', ' ORDER BY m.rolname) INTO members
      FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member
     WHERE a.roleid = 'tarx_keys_owner'::regrole;
    IF members IS NOT NULL THEN
        RAISE WARNING USING
            MESSAGE = format('role "tarx_keys_owner" has members that can change everything in the extension: %s', members),
            HINT = 'Revoke the role from them if they should not.';
    END IF;
END
$$;

COMMENT ON ROLE tarx_keys_owner IS 'tarx_keys: owns the extension''s objects; grant it to nobody';
COMMENT ON ROLE tarx_keys_backend IS 'tarx_keys: may act for users; for backend services';
COMMENT ON ROLE tarx_keys_login IS 'tarx_keys: may act for users who have logged in; for backend services';
COMMENT ON ROLE tarx_keys_agent IS 'tarx_keys: may resolve keys; for agent runners';
COMMENT ON ROLE tarx_keys_auditor IS 'tarx_keys: may read the audit log; for who collects it';
