-- A number that rises with every change of a project. It is read from the ends of the
-- audit log's chains, and from what is missing in the log.

-- Removals that are not in the audit log, because it could not be extended, or because the
-- DBA has ended older rows. They are in the server log. It only grows.
CREATE TABLE tarx_keys_internal.unlogged_removals (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    PRIMARY KEY (project_id, id)
);
ALTER TABLE tarx_keys_internal.unlogged_removals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_in_project ON tarx_keys_internal.unlogged_removals TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
CREATE POLICY owner_in_maintenance ON tarx_keys_internal.unlogged_removals TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys_internal.unlogged_removals IS 'One row for each removal that is not in the audit log of its project, so that project_version() rises with it all the same';
SELECT pg_catalog.pg_extension_config_dump('tarx_keys_internal.unlogged_removals', '');

CREATE FUNCTION tarx_keys.project_version(project_id uuid) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_project_version';
COMMENT ON FUNCTION tarx_keys.project_version IS
'For runners and members: a number that rises with every change of the project''s keys, secrets, agents and members, and never falls. It does not rise by the passing of time, such as an expires_at, by cooling, by edits of providers, or by members that the application keeps elsewhere. Read it, then resolve: what was resolved is current while the number stays the same. Errors: TK001 for a project that is not there or not the acting user''s, TK007, and in a run those of resolve_key().';
