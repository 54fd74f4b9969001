-- Project secrets: named values with versions, the list, set, restore, delete,
-- resolve, and templates that refer to them.

CREATE TABLE tarx_keys.project_secrets (
    project_id uuid NOT NULL REFERENCES tarx_keys.projects (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    description text COLLATE "C",
    version integer NOT NULL CHECK (version > 0),
    updated_by text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    ciphertext bytea NOT NULL,
    PRIMARY KEY (project_id, name)
);
-- keeps ciphertexts out of pg_statistic, and does not try to compress them
ALTER TABLE tarx_keys.project_secrets
    ALTER COLUMN ciphertext SET STATISTICS 0,
    ALTER COLUMN ciphertext SET STORAGE EXTERNAL;
ALTER TABLE tarx_keys.project_secrets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY members_read ON tarx_keys.project_secrets FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (project_id = ANY (tarx_keys_internal.visible_project_ids()));
CREATE POLICY owner_in_project ON tarx_keys.project_secrets TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.project_secrets FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys.project_secrets IS 'Secrets of projects in their current version, sealed. Use the view secrets to list them.';
COMMENT ON COLUMN tarx_keys.project_secrets.id IS 'Of this secret, as long as it exists: a value of one that was deleted does not fit another one of the same name';
COMMENT ON COLUMN tarx_keys.project_secrets.version IS 'The number of the current version, from 1';
COMMENT ON COLUMN tarx_keys.project_secrets.ciphertext IS 'Format version, master-key fingerprint, nonce, ciphertext and tag; bound to project, name, version and id';

CREATE TABLE tarx_keys_internal.project_secret_versions (
    project_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    version integer NOT NULL,
    updated_by text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (project_id, name, version),
    FOREIGN KEY (project_id, name) REFERENCES tarx_keys.project_secrets (project_id, name) ON DELETE CASCADE
);
ALTER TABLE tarx_keys_internal.project_secret_versions
    ALTER COLUMN ciphertext SET STATISTICS 0,
    ALTER COLUMN ciphertext SET STORAGE EXTERNAL;
ALTER TABLE tarx_keys_internal.project_secret_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_in_project ON tarx_keys_internal.project_secret_versions TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
CREATE POLICY owner_in_maintenance ON tarx_keys_internal.project_secret_versions FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys_internal.project_secret_versions IS 'Older versions of secrets that are kept, sealed';
COMMENT ON COLUMN tarx_keys_internal.project_secret_versions.updated_by IS 'The user that wrote this version';
COMMENT ON COLUMN tarx_keys_internal.project_secret_versions.ciphertext IS 'As in project_secrets, bound to this version';

-- carries a value
CREATE FUNCTION tarx_keys.set_secret(project_id uuid, name text, value text, description text DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_set_secret';
COMMENT ON FUNCTION tarx_keys.set_secret IS
'For key managers: creates a secret of the project, or writes its next version; returns the version''s number. name has 1 to 128 of the characters A-Z, a-z, 0-9 and _, with no digit first; value has 1 to 65536 bytes; description has at most 1000 characters, NULL keeps the one there is and an empty one removes it. The newest versions are kept, as many as tarx_keys.secret_versions_kept says. Errors: TK007, 42501, 22023, TK005, 54000 if the project has as many secrets as tarx_keys.max_per_project allows, or the secret has no version numbers left.';

CREATE FUNCTION tarx_keys.set_sealed_secret(project_id uuid, name text, sealed bytea, description text DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_set_sealed_secret';
COMMENT ON FUNCTION tarx_keys.set_sealed_secret IS
'For key managers: set_secret() with the value in a box to sealing_public_key(), sealed for exactly this project and name. Errors: those of set_secret(); TK013 if the box does not open, is for something else, has expired or expires in more than 24 hours.';

CREATE FUNCTION tarx_keys.restore_secret(project_id uuid, name text, version integer) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_restore_secret';
COMMENT ON FUNCTION tarx_keys.restore_secret IS
'For key managers: takes the value of a version that is kept, and writes it as the secret''s next version; returns the new version''s number. Errors: TK007, 42501, 22023, TK011 if the project has no such secret or the version is not kept, TK004 if it was tampered with, TK005 or TK006 if the master key is missing, 54000 if the secret has no version numbers left.';

CREATE FUNCTION tarx_keys.rename_secret(project_id uuid, name text, new_name text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_rename_secret';
COMMENT ON FUNCTION tarx_keys.rename_secret IS
'For key managers: gives a secret another name, with all its versions, which keep their numbers. Templates that name it are the caller''s to change. Errors: TK007, 42501, 22023, TK011 if the project has no such secret, 23505 if the new name is taken, TK004 if a version was tampered with, TK005 or TK006 if a master key is missing.';

CREATE FUNCTION tarx_keys.describe_secret(project_id uuid, name text, description text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_describe_secret';
COMMENT ON FUNCTION tarx_keys.describe_secret IS
'For key managers: replaces the description of a secret, without a new version; an empty one removes it. Errors: TK007, 42501, 22023, TK011 if the project has no such secret.';

CREATE FUNCTION tarx_keys.delete_secret(project_id uuid, name text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_delete_secret';
COMMENT ON FUNCTION tarx_keys.delete_secret IS
'For key managers: deletes a secret with all its versions. Errors: TK007, 42501, 22023, TK011 if the project has no such secret.';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_secret(project_id uuid, name text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_secret';
COMMENT ON FUNCTION tarx_keys.resolve_secret IS
'For agent runners: the current value of a project''s secret. Writes nothing. Errors: TK011 if the project has no such secret, TK004 if the row was tampered with, TK005 or TK006 if the master key is missing, 22023, 42501 if another project is active.';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_secrets(project_id uuid, names text[] DEFAULT NULL) RETURNS TABLE (name text, value text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_secrets';
COMMENT ON FUNCTION tarx_keys.resolve_secrets IS
'For agent runners: the current values of several secrets of a project, each once, by name; of all its secrets if names is NULL. Errors: those of resolve_secret(), where TK011 names all that are missing.';

CREATE FUNCTION tarx_keys.resolve_secrets_sealed(project_id uuid, names text[] DEFAULT NULL, recipient_public_key bytea DEFAULT NULL) RETURNS TABLE (name text, sealed bytea)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_secrets_sealed';
COMMENT ON FUNCTION tarx_keys.resolve_secrets_sealed IS
'For agent runners: resolve_secrets() with a box in place of each value, which has project, name and value, sealed to the caller''s X25519 public key by libsodium''s crypto_box_seal(). Errors: those of resolve_secrets(); 22023 if recipient_public_key, which is required, is no public key.';

-- carries a value
CREATE FUNCTION tarx_keys.render_template(project_id uuid, template text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_render_template';
COMMENT ON FUNCTION tarx_keys.render_template IS
'For agent runners: the template with the value of the project''s secret in place of each ${secrets.NAME}, and ${ in place of each $${. References in values are not expanded. Errors: those of resolve_secret(), where TK011 names all that are missing; 22023, which names all malformed references; 54000 if the result exceeds 64 MiB.';

CREATE FUNCTION tarx_keys.template_references(template text) RETURNS SETOF text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_template_references';
COMMENT ON FUNCTION tarx_keys.template_references IS
'The names of the secrets that a template refers to, each once, in order of appearance; they are not looked up. Error: 22023, which names all malformed references.';

-- The list. security_invoker lets row security apply to the caller, and the
-- caller needs rights on the columns that the view reads: see 90_grants.sql.
CREATE VIEW tarx_keys.secrets WITH (security_invoker = true, security_barrier = true) AS
SELECT s.project_id,
       tarx_keys_internal.shown(s.name) AS name,
       s.id,
       tarx_keys_internal.shown(s.description) AS description,
       s.version,
       tarx_keys_internal.shown(s.updated_by) AS updated_by,
       s.updated_at,
       u.last_used_at
  FROM tarx_keys.project_secrets s
  LEFT JOIN tarx_keys_internal.visible_usage('secret') u
    ON u.project_id = s.project_id AND u.id = s.id;
COMMENT ON VIEW tarx_keys.secrets IS 'The secrets of the acting user''s projects, or of the active one, without values';
COMMENT ON COLUMN tarx_keys.secrets.id IS 'The id under which its uses are counted and logged';
COMMENT ON COLUMN tarx_keys.secrets.version IS 'The number of the current version';
COMMENT ON COLUMN tarx_keys.secrets.updated_by IS 'The user that wrote the current version';

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.project_secrets', '');
SELECT pg_catalog.pg_extension_config_dump('tarx_keys_internal.project_secret_versions', '');
