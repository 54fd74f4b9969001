\echo Use "CREATE EXTENSION tarx_keys" to load this file. \quit

-- The three roles, and the schema that holds everything.
--
-- Roles belong to the cluster, not to the database: they are made if absent,
-- and what stands there already is refused if somebody could log in as it or
-- pass by row security with it.

SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;

DO $$
DECLARE
    role_name text;
    role_row pg_catalog.pg_roles;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['tarx_keys_owner', 'tarx_keys_backend', 'tarx_keys_agent'] LOOP
        SELECT * INTO role_row FROM pg_catalog.pg_roles r WHERE r.rolname = role_name;
        IF NOT FOUND THEN
            EXECUTE pg_catalog.format(
                'CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION',
                role_name);
        ELSIF role_row.rolcanlogin OR role_row.rolsuper OR role_row.rolbypassrls THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = pg_catalog.format('role "%s" exists and can log in, is superuser or bypasses row security', role_name),
                HINT = pg_catalog.format('Run ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS, or rename the role, and try again.', role_name);
        END IF;
    END LOOP;
END
$$;

COMMENT ON ROLE tarx_keys_owner IS 'tarx_keys: owns the extension''s objects; grant it to nobody';
COMMENT ON ROLE tarx_keys_backend IS 'tarx_keys: may act for users; for backend services';
COMMENT ON ROLE tarx_keys_agent IS 'tarx_keys: may resolve keys; for agent runners';

-- Without IF NOT EXISTS: a schema of this name that somebody else has made is
-- not taken over.
CREATE SCHEMA tarx_keys;
REVOKE ALL ON SCHEMA tarx_keys FROM PUBLIC;
GRANT USAGE ON SCHEMA tarx_keys TO tarx_keys_backend, tarx_keys_agent;
COMMENT ON SCHEMA tarx_keys IS 'Project-scoped LLM keys, encrypted at rest and resolved only for agents';
