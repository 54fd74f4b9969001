-- Project LLM keys: the table, the masked list, add, delete, resolve.

CREATE TABLE tarx_keys.project_llm_keys (
    project_id uuid NOT NULL REFERENCES tarx_keys.projects (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    base_url text COLLATE "C",
    destination text COLLATE "C" NOT NULL,
    masked_key text COLLATE "C" NOT NULL,
    added_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    ciphertext bytea NOT NULL,
    PRIMARY KEY (project_id, id)
);
-- No collation of the operating system matters, which could change.
CREATE UNIQUE INDEX project_llm_keys_name ON tarx_keys.project_llm_keys
    (project_id, pg_catalog.lower(name COLLATE pg_catalog."C"));
-- keeps ciphertexts and masks out of pg_statistic, and does not try to compress
-- ciphertexts
ALTER TABLE tarx_keys.project_llm_keys
    ALTER COLUMN ciphertext SET STATISTICS 0,
    ALTER COLUMN masked_key SET STATISTICS 0,
    ALTER COLUMN ciphertext SET STORAGE EXTERNAL;
ALTER TABLE tarx_keys.project_llm_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY members_read ON tarx_keys.project_llm_keys FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (project_id = ANY (tarx_keys_internal.visible_project_ids()));
CREATE POLICY owner_in_project ON tarx_keys.project_llm_keys TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.project_llm_keys FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
CREATE POLICY owner_in_rotation ON tarx_keys.project_llm_keys FOR UPDATE TO tarx_keys_owner
    USING (tarx_keys_internal.in_rotation());
COMMENT ON TABLE tarx_keys.project_llm_keys IS 'LLM keys of projects, sealed. Use the view llm_keys to list them.';
COMMENT ON COLUMN tarx_keys.project_llm_keys.base_url IS 'The key''s own base URL; NULL for the provider''s default';
COMMENT ON COLUMN tarx_keys.project_llm_keys.destination IS 'The base URL that the key is bound to and resolves with';
COMMENT ON COLUMN tarx_keys.project_llm_keys.masked_key IS 'The mask in ASCII; display_mask() shows it as people see it';
COMMENT ON COLUMN tarx_keys.project_llm_keys.ciphertext IS 'Format version, master-key fingerprint, nonce, ciphertext and tag; bound to every other column but created_at';

-- What remains of a deleted key. If its row comes back, from a restore or
-- otherwise, the tombstone keeps it from resolving. Tombstones outlive their
-- project, because a project may come back as well.
CREATE TABLE tarx_keys_internal.llm_key_tombstones (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    deleted_by text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (project_id, id)
);
ALTER TABLE tarx_keys_internal.llm_key_tombstones ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_in_project ON tarx_keys_internal.llm_key_tombstones TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
COMMENT ON TABLE tarx_keys_internal.llm_key_tombstones IS 'Ids of deleted LLM keys, without key material';

CREATE FUNCTION tarx_keys_internal.display_mask(masked_key text) RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_display_mask';
COMMENT ON FUNCTION tarx_keys_internal.display_mask IS
'Internal. A stored mask as people see it: with an ellipsis or bullets, if the encodings of database and client have them. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.require_key(project_id uuid, key_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_require_key';
COMMENT ON FUNCTION tarx_keys_internal.require_key IS
'Internal. Raises error TK001 or TK002 unless the project has this key.';

CREATE FUNCTION tarx_keys_internal.fail_key(project_id uuid, key_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_fail_key';
COMMENT ON FUNCTION tarx_keys_internal.fail_key IS
'Internal. Raises error TK002 if the key was deleted, else TK001.';

-- carries a value
CREATE FUNCTION tarx_keys.add_llm_key(project_id uuid, provider text, name text, key_value text, base_url text DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_add_llm_key';
COMMENT ON FUNCTION tarx_keys.add_llm_key IS
'For admins: adds an LLM key to the project, sealed, and returns its id. provider is a slug of providers; name has 1 to 100 characters, is stored in normal form C and is unique in the project, in upper or lower case of A to Z; key_value has 4 to 8192 characters of printable ASCII without spaces; base_url is an https URL, for providers that require or allow one. Errors: TK007, 42501, 22023, 23505 if the name is taken, TK005.';

CREATE FUNCTION tarx_keys.add_sealed_llm_key(project_id uuid, provider text, name text, sealed bytea, base_url text DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_add_sealed_llm_key';
COMMENT ON FUNCTION tarx_keys.add_sealed_llm_key IS
'For admins: add_llm_key() with the value in a box to sealing_public_key(), sealed for exactly this project, provider, name and base URL. Errors: those of add_llm_key(); TK013 if the box does not open, is for something else or has expired.';

CREATE FUNCTION tarx_keys.delete_llm_key(project_id uuid, key_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key_name text;
BEGIN
    PERFORM tarx_keys_internal.enter_to_remove(delete_llm_key.project_id, 'admin');
    PERFORM tarx_keys_internal.require_argument('key_id', delete_llm_key.key_id);
    DELETE FROM tarx_keys.project_llm_keys k
        WHERE k.project_id = delete_llm_key.project_id AND k.id = delete_llm_key.key_id
        RETURNING k.name INTO key_name;
    IF NOT FOUND THEN
        PERFORM tarx_keys_internal.fail_key(delete_llm_key.project_id, delete_llm_key.key_id);
    END IF;
    INSERT INTO tarx_keys_internal.llm_key_tombstones (project_id, id, deleted_by)
        VALUES (delete_llm_key.project_id, delete_llm_key.key_id, tarx_keys.current_user_id())
        ON CONFLICT ON CONSTRAINT llm_key_tombstones_pkey DO NOTHING;
    PERFORM tarx_keys_internal.record_removal(delete_llm_key.project_id, 'llm_key.delete', delete_llm_key.key_id, key_name);
END
$$;
COMMENT ON FUNCTION tarx_keys.delete_llm_key IS
'For admins: deletes an LLM key. Agents that refer to it keep the reference and fail with TK002 until repointed. Errors: TK007, 42501, 22023, TK001, TK002 if it was deleted before.';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_key(
    project_id uuid, key_id uuid,
    OUT key_id uuid, OUT provider text, OUT name text, OUT base_url text, OUT key_value text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_key';
COMMENT ON FUNCTION tarx_keys.resolve_key IS
'For agent runners: the value of a project''s LLM key, with its provider, name and base URL (the provider''s default where the key has none), which has no slash at its end. Call it in FROM. Writes nothing. Errors: TK001 if the project has no such key, TK002 if it was deleted, TK004 if the row was tampered with, TK005 or TK006 if the master key is missing, 22023, 42501 if another project is active.';

CREATE FUNCTION tarx_keys.resolve_key_sealed(
    project_id uuid, key_id uuid, recipient_public_key bytea,
    OUT key_id uuid, OUT provider text, OUT name text, OUT base_url text, OUT sealed bytea)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_key_sealed';
COMMENT ON FUNCTION tarx_keys.resolve_key_sealed IS
'For agent runners: resolve_key() with the value, in UTF-8, sealed to the caller''s X25519 public key by libsodium''s crypto_box_seal(). Errors: those of resolve_key(); 22023 if recipient_public_key is no public key.';

CREATE FUNCTION tarx_keys.resolve_agent_key_sealed(
    project_id uuid, agent_id uuid, recipient_public_key bytea,
    OUT key_id uuid, OUT provider text, OUT name text, OUT base_url text, OUT sealed bytea)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_agent_key_sealed';
COMMENT ON FUNCTION tarx_keys.resolve_agent_key_sealed IS
'For agent runners: resolve_key_sealed() by the key that an agent refers to. Errors: those of resolve_agent_key(); 22023 if recipient_public_key is no public key.';

CREATE FUNCTION tarx_keys_internal.visible_llm_key_status() RETURNS TABLE (project_id uuid, id uuid, status text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    visible CONSTANT uuid[] := tarx_keys_internal.visible_project_ids();
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    RETURN QUERY
        SELECT r.project_id, r.id, CASE r.state WHEN 0 THEN 'ok' ELSE 'needs_reentry' END
          FROM tarx_keys_internal.row_states('project_llm_keys', visible, NULL, NULL) r;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.visible_llm_key_status IS
'Internal. Which LLM keys of the acting user''s projects, or of the active one, can be opened. Used by a view. Error: TK007 without an acting user.';

-- The list. security_invoker lets row security apply to the caller, and the
-- caller needs rights on the columns that the view reads: see 90_grants.sql.
CREATE VIEW tarx_keys.llm_keys WITH (security_invoker = true, security_barrier = true) AS
SELECT k.id,
       k.project_id,
       tarx_keys_internal.shown(k.name) AS name,
       tarx_keys_internal.shown(k.provider) AS provider,
       tarx_keys_internal.shown(coalesce(p.label, k.provider)) AS provider_label,
       tarx_keys_internal.display_mask(tarx_keys_internal.shown(k.masked_key)) AS masked_key,
       tarx_keys_internal.shown(k.base_url) AS base_url,
       tarx_keys_internal.shown(k.added_by) AS added_by,
       k.created_at,
       (SELECT pg_catalog.count(*) FROM tarx_keys.agents a
         WHERE a.project_id = k.project_id AND a.user_api_key_id = k.id) AS agent_count,
       u.last_used_at,
       coalesce(s.status, 'needs_reentry') AS status
  FROM tarx_keys.project_llm_keys k
  LEFT JOIN tarx_keys.providers p ON p.slug = tarx_keys_internal.shown(k.provider)
  LEFT JOIN tarx_keys_internal.visible_usage('llm_key') u ON u.project_id = k.project_id AND u.id = k.id
  LEFT JOIN tarx_keys_internal.visible_llm_key_status() s ON s.project_id = k.project_id AND s.id = k.id;
COMMENT ON VIEW tarx_keys.llm_keys IS 'The masked list of LLM keys of the acting user''s projects, or of the active one';
COMMENT ON COLUMN tarx_keys.llm_keys.masked_key IS 'Enough to tell keys apart';
COMMENT ON COLUMN tarx_keys.llm_keys.base_url IS 'The key''s own base URL; NULL for the provider''s default';
COMMENT ON COLUMN tarx_keys.llm_keys.agent_count IS 'How many agents refer to the key';
COMMENT ON COLUMN tarx_keys.llm_keys.last_used_at IS 'When the key last resolved';
COMMENT ON COLUMN tarx_keys.llm_keys.status IS 'ok, or needs_reentry if the stored key cannot be opened';

CREATE VIEW tarx_keys.key_usage WITH (security_invoker = true, security_barrier = true) AS
SELECT k.project_id,
       k.id AS key_id,
       coalesce(u.uses, 0) AS uses,
       u.last_used_at,
       coalesce(u.refused, 0) AS refused
  FROM tarx_keys.project_llm_keys k
  LEFT JOIN tarx_keys_internal.visible_usage('llm_key') u ON u.project_id = k.project_id AND u.id = k.id;
COMMENT ON VIEW tarx_keys.key_usage IS 'How often, and when last, the LLM keys of the acting user''s projects, or of the active one, were resolved';
COMMENT ON COLUMN tarx_keys.key_usage.uses IS 'Successful resolve calls on this server since it started';
COMMENT ON COLUMN tarx_keys.key_usage.last_used_at IS 'When the key last resolved';
COMMENT ON COLUMN tarx_keys.key_usage.refused IS 'Refused resolve calls on this server since it started';

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.project_llm_keys', '');
SELECT pg_catalog.pg_extension_config_dump('tarx_keys_internal.llm_key_tombstones', '');
