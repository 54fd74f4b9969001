-- Project LLM keys: the table, the masked list, add, delete, resolve.

-- One row for each key that ever was. A deleted key keeps its row, without its
-- value and mask, so that its id is known as that of a deleted key.
CREATE TABLE tarx_keys.project_llm_keys (
    project_id uuid NOT NULL REFERENCES tarx_keys.projects (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    base_url text COLLATE "C",
    destination text COLLATE "C" NOT NULL,
    masked_key text COLLATE "C",
    added_by text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled', 'deleted')),
    priority integer NOT NULL DEFAULT 100,
    expires_at timestamptz,
    rotate_after timestamptz,
    allowed_models text[] COLLATE "C",
    header_names text[] COLLATE "C",
    revision integer NOT NULL DEFAULT 1,
    deleted_by text COLLATE "C",
    ciphertext bytea,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    CHECK ((state = 'deleted') = (ciphertext IS NULL)),
    CHECK ((state = 'deleted') = (masked_key IS NULL)),
    CHECK ((state = 'deleted') = (deleted_at IS NOT NULL))
);
-- No collation of the operating system matters, which could change.
CREATE UNIQUE INDEX project_llm_keys_name ON tarx_keys.project_llm_keys
    (project_id, pg_catalog.lower(name COLLATE pg_catalog."C")) WHERE state <> 'deleted';
-- keeps ciphertexts and masks out of pg_statistic, and does not try to compress
-- ciphertexts
ALTER TABLE tarx_keys.project_llm_keys
    ALTER COLUMN ciphertext SET STATISTICS 0,
    ALTER COLUMN masked_key SET STATISTICS 0,
    ALTER COLUMN ciphertext SET STORAGE EXTERNAL;
ALTER TABLE tarx_keys.project_llm_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY members_read ON tarx_keys.project_llm_keys FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (state IS DISTINCT FROM 'deleted' AND project_id = ANY (tarx_keys_internal.visible_project_ids()));
CREATE POLICY owner_in_project ON tarx_keys.project_llm_keys TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.project_llm_keys FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys.project_llm_keys IS 'LLM keys of projects, sealed; one row for each key that ever was. Use the view llm_keys to list them.';
COMMENT ON COLUMN tarx_keys.project_llm_keys.base_url IS 'The key''s own base URL; NULL for the provider''s default';
COMMENT ON COLUMN tarx_keys.project_llm_keys.destination IS 'The base URL that the key is bound to and resolves with';
COMMENT ON COLUMN tarx_keys.project_llm_keys.masked_key IS 'The mask in ASCII; display_mask() shows it as people see it';
COMMENT ON COLUMN tarx_keys.project_llm_keys.state IS 'enabled, disabled or deleted';
COMMENT ON COLUMN tarx_keys.project_llm_keys.priority IS 'Keys of a provider are tried in this order, lower first';
COMMENT ON COLUMN tarx_keys.project_llm_keys.expires_at IS 'The key does not resolve from then on; NULL for no end';
COMMENT ON COLUMN tarx_keys.project_llm_keys.rotate_after IS 'When people want to be reminded to replace the key';
COMMENT ON COLUMN tarx_keys.project_llm_keys.allowed_models IS 'The models that the key is for; NULL for all';
COMMENT ON COLUMN tarx_keys.project_llm_keys.header_names IS 'The names of its own headers; their values are sealed with its value';
COMMENT ON COLUMN tarx_keys.project_llm_keys.revision IS 'Raised by every change, but not by a new master key';
COMMENT ON COLUMN tarx_keys.project_llm_keys.ciphertext IS 'Format version, master-key fingerprint, nonce, ciphertext and tag; bound to every other column but created_at and deleted_at';

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

CREATE FUNCTION tarx_keys_internal.next_revision(revision integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN revision < 2147483647 THEN revision + 1 ELSE revision END;
COMMENT ON FUNCTION tarx_keys_internal.next_revision IS
'Internal. The revision after this one; who writes the tables must not keep anybody from a change by a number that has none after it.';

CREATE FUNCTION tarx_keys_internal.fail_key(project_id uuid, key_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_fail_key';
COMMENT ON FUNCTION tarx_keys_internal.fail_key IS
'Internal. Raises error TK002 if the key was deleted, else TK001.';

-- carries a value
CREATE FUNCTION tarx_keys.add_llm_key(project_id uuid, provider text, name text, key_value text, base_url text DEFAULT NULL, options jsonb DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_add_llm_key';
COMMENT ON FUNCTION tarx_keys.add_llm_key IS
'For key managers: adds an LLM key to the project, sealed, and returns its id. provider is a slug of providers; name has 1 to 100 characters, is stored in normal form C and is unique in the project, in upper or lower case of A to Z; key_value has 4 to 8192 characters of printable ASCII without spaces; base_url is an https URL, for providers that require or allow one. options may have enabled (boolean), priority (integer, lower first, 100 by default), expires_at and rotate_after (texts that timestamptz reads), allowed_models (up to 50 names) and headers (an object of up to 16 texts). Errors: TK007, 42501, 22023, 23505 if the name is taken, 54000 if the project has as many keys as tarx_keys.max_per_project allows, TK005.';

CREATE FUNCTION tarx_keys.add_sealed_llm_key(project_id uuid, provider text, name text, sealed bytea, base_url text DEFAULT NULL, options jsonb DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_add_sealed_llm_key';
COMMENT ON FUNCTION tarx_keys.add_sealed_llm_key IS
'For key managers: add_llm_key() with the value in a box to sealing_public_key(), sealed for exactly this project, provider, name and base URL. A box of format 2 has the destination and the options inside; options beside a box are refused. Errors: those of add_llm_key(); TK013 if the box does not open, is for something else, has expired or expires in more than 24 hours.';

CREATE FUNCTION tarx_keys.update_llm_key(project_id uuid, key_id uuid, changes jsonb) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_update_llm_key';
COMMENT ON FUNCTION tarx_keys.update_llm_key IS
'For key managers: changes what is kept with an LLM key, but neither its value nor where it goes. changes may have name, enabled, priority, expires_at, rotate_after, allowed_models and refresh_requests (true seals the headers and paths that the provider''s row has now); what is absent stays, and null means none. A past expires_at ends the key at once. Errors: TK007, 42501, 22023 for an unknown or wrong member of changes, 23505 if the name is taken, TK001, TK002, TK004 or TK006 if the row does not open, TK005.';

-- carries a value
CREATE FUNCTION tarx_keys.replace_llm_key(project_id uuid, key_id uuid, key_value text, options jsonb DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_replace_llm_key';
COMMENT ON FUNCTION tarx_keys.replace_llm_key IS
'For key managers: adds a key with the name, provider, base URL, headers, order and models of another one, and those of its times that are to come, points all agents of that one to it, and returns its id. The old one is disabled, and renamed to "NAME (until 2027-01-31 14:03)" in UTC. options are those of add_llm_key(), and name, provider and base_url; they override, and must have headers where the old key has some and the new one goes to another base URL. If the old key does not open, options must have provider, name and, where the provider takes one, base_url; the old key is deleted. Errors: those of add_llm_key(); TK001, TK002.';

CREATE FUNCTION tarx_keys.replace_sealed_llm_key(project_id uuid, key_id uuid, sealed bytea) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_replace_sealed_llm_key';
COMMENT ON FUNCTION tarx_keys.replace_sealed_llm_key IS
'For key managers: replace_llm_key() with the value and the options in a box to sealing_public_key(), sealed for exactly this project, this old key, and the provider and destination of the new one. Errors: those of replace_llm_key(); TK013 as in add_sealed_llm_key().';

-- Nothing is opened, so that what cannot be opened can be deleted.
CREATE FUNCTION tarx_keys_internal.end_llm_keys(project_id uuid, key_id uuid, ended_by text) RETURNS SETOF tarx_keys.project_llm_keys
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    UPDATE tarx_keys.project_llm_keys k
       SET state = 'deleted', ciphertext = NULL, masked_key = NULL, deleted_at = now(),
           deleted_by = end_llm_keys.ended_by, revision = tarx_keys_internal.next_revision(k.revision)
     WHERE k.project_id = end_llm_keys.project_id AND k.state IS DISTINCT FROM 'deleted'
       AND (end_llm_keys.key_id IS NULL OR k.id = end_llm_keys.key_id)
    RETURNING k.*
$$;
COMMENT ON FUNCTION tarx_keys_internal.end_llm_keys IS
'Internal. Deletes an LLM key of the project, or all if key_id is NULL; returns their rows, without value and mask.';

CREATE FUNCTION tarx_keys.delete_llm_key(project_id uuid, key_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    deleted tarx_keys.project_llm_keys;
BEGIN
    PERFORM tarx_keys_internal.enter_to_remove(delete_llm_key.project_id, 'key_manager');
    PERFORM tarx_keys_internal.require_argument('key_id', delete_llm_key.key_id);
    SELECT d.* INTO deleted FROM tarx_keys_internal.end_llm_keys(delete_llm_key.project_id, delete_llm_key.key_id, tarx_keys.current_user_id()) d;
    IF NOT FOUND THEN
        PERFORM tarx_keys_internal.fail_key(delete_llm_key.project_id, delete_llm_key.key_id);
    END IF;
    PERFORM tarx_keys_internal.record_removal(delete_llm_key.project_id, 'llm_key.delete', delete_llm_key.key_id, deleted.name);
END
$$;
COMMENT ON FUNCTION tarx_keys.delete_llm_key IS
'For key managers: deletes an LLM key at once and for good; update_llm_key() disables one in a way that can be taken back. Agents that refer to it keep the reference and fail with TK002 until repointed. Errors: TK007, 42501, 22023, TK001, TK002 if it was deleted before.';

-- The rows of resolve calls have types with names: PostgreSQL keeps their descriptions,
-- and makes those of OUT parameters anew for each call.
CREATE TYPE tarx_keys.resolved_key AS (key_id uuid, provider text, name text, base_url text, key_value text, headers jsonb);
COMMENT ON TYPE tarx_keys.resolved_key IS 'An LLM key with its value, as resolve_key() returns it';
CREATE TYPE tarx_keys.sealed_key AS (key_id uuid, provider text, name text, base_url text, sealed bytea);
COMMENT ON TYPE tarx_keys.sealed_key IS 'An LLM key with its value in a box, as resolve_key_sealed() returns it';
CREATE TYPE tarx_keys.chosen_key AS (key_id uuid, provider text, name text, base_url text, key_value text, headers jsonb, attempt integer, remaining integer);
COMMENT ON TYPE tarx_keys.chosen_key IS 'A key of a provider with its value, as resolve_provider_key() returns it';
CREATE TYPE tarx_keys.chosen_sealed_key AS (key_id uuid, provider text, name text, base_url text, sealed bytea, attempt integer, remaining integer);
COMMENT ON TYPE tarx_keys.chosen_sealed_key IS 'A key of a provider with its value in a box, as resolve_provider_key_sealed() returns it';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_key(project_id uuid, key_id uuid) RETURNS tarx_keys.resolved_key
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_key';
COMMENT ON FUNCTION tarx_keys.resolve_key IS
'For agent runners: the value of a project''s LLM key, with its provider, name and base URL (the provider''s default where the key has none), which has no slash at its end. Call it in FROM. Writes nothing. Errors: TK001 if the project has no such key, TK002 if it was deleted, TK004 if the row was tampered with, TK005 or TK006 if the master key is missing, 22023, 42501 if another project is active.';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_keys(project_id uuid, key_ids uuid[]) RETURNS SETOF tarx_keys.resolved_key
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_keys';
COMMENT ON FUNCTION tarx_keys.resolve_keys IS
'For agent runners: the rows of resolve_key() for several keys of a project, in the order of key_ids, each once. All or none: if one is refused, the error is that of resolve_key() for it. Call it in FROM. Writes nothing. Errors: those of resolve_key(); 22023 for a null element, 54000 for more than 10000 elements.';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_agent_key(project_id uuid, agent_id uuid, model text DEFAULT NULL, tried uuid[] DEFAULT '{}')
RETURNS tarx_keys.resolved_key
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_agent_key';
COMMENT ON FUNCTION tarx_keys.resolve_agent_key IS
'For agent runners: the row of resolve_key() for the key that an agent of the project refers to, or for the one that resolve_provider_key() chooses of the agent''s provider. model NULL stands for any; tried are the keys that this run has tried. Errors: TK003 if the project has no such agent or the agent refers to nothing, TK014 if no key is usable or its only one was tried, and those of resolve_key().';

CREATE FUNCTION tarx_keys.resolve_key_sealed(project_id uuid, key_id uuid, recipient_public_key bytea) RETURNS tarx_keys.sealed_key
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_key_sealed';
COMMENT ON FUNCTION tarx_keys.resolve_key_sealed IS
'For agent runners: resolve_key() with a box in place of the value and headers, sealed to the caller''s X25519 public key by libsodium''s crypto_box_seal(). The box has all that a request needs, and what was asked for; the other columns are for routing only, because whoever passes the row on can change them. Errors: those of resolve_key(); 22023 if recipient_public_key is no public key.';

CREATE FUNCTION tarx_keys.resolve_keys_sealed(project_id uuid, key_ids uuid[], recipient_public_key bytea) RETURNS SETOF tarx_keys.sealed_key
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_keys_sealed';
COMMENT ON FUNCTION tarx_keys.resolve_keys_sealed IS
'For agent runners: resolve_keys() with a box in place of each value and its headers, as by resolve_key_sealed(). Errors: those of resolve_keys(); 22023 if recipient_public_key is no public key.';

CREATE FUNCTION tarx_keys.resolve_agent_key_sealed(project_id uuid, agent_id uuid, recipient_public_key bytea, model text DEFAULT NULL, tried uuid[] DEFAULT '{}')
RETURNS tarx_keys.sealed_key
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_agent_key_sealed';
COMMENT ON FUNCTION tarx_keys.resolve_agent_key_sealed IS
'For agent runners: resolve_key_sealed() by the key, or the provider, that an agent refers to. Errors: those of resolve_agent_key(); 22023 if recipient_public_key is no public key.';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_provider_key(project_id uuid, provider text, model text DEFAULT NULL, tried uuid[] DEFAULT '{}')
RETURNS tarx_keys.chosen_key
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_provider_key';
COMMENT ON FUNCTION tarx_keys.resolve_provider_key IS
'For agent runners: the row of resolve_key() for the first usable key of a provider, by priority and id. Usable are those that are enabled, not expired, for the model (NULL: any), not cooling after report_key(), and not in tried; if all others are cooling, the one whose cooling ends first. attempt is the number of keys tried and this one; remaining is how many usable ones are left after it. Rows that do not open are skipped. Errors: TK014 if no key is usable, with why; TK005, 22023, 42501 if another project is active.';

CREATE FUNCTION tarx_keys.resolve_provider_key_sealed(project_id uuid, provider text, recipient_public_key bytea, model text DEFAULT NULL, tried uuid[] DEFAULT '{}')
RETURNS tarx_keys.chosen_sealed_key
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_provider_key_sealed';
COMMENT ON FUNCTION tarx_keys.resolve_provider_key_sealed IS
'For agent runners: resolve_provider_key() with the value sealed as by resolve_key_sealed(). Errors: those of resolve_provider_key(); 22023 if recipient_public_key is no public key.';

CREATE FUNCTION tarx_keys.report_key(project_id uuid, key_id uuid, outcome text, retry_after interval DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_report_key';
COMMENT ON FUNCTION tarx_keys.report_key IS
'For agent runners: how a call with a key went: ok, rejected (401, 403), quota (402), rate_limited (429), server or timeout. A rejected key cools until it is ok again or a key manager changes it; quota 5 minutes to 1 hour; rate_limited for retry_after, at most 1 hour, else 30 seconds to 10 minutes; server and timeout 10 seconds. Cooling keys are tried last. It is kept in this server''s memory, and resolve_key() does not look at it. Errors: TK001, TK002, 22023, 42501 if another project is active.';

-- It keeps what it has read for as long as the query sees the same.
CREATE FUNCTION tarx_keys_internal.llm_key_details(
    project_id uuid, id uuid, place tid,
    OUT agent_count bigint, OUT status text, OUT provider text, OUT provider_label text, OUT state text, OUT masked_key text,
    OUT added_by text, OUT destination text, OUT health text, OUT health_at timestamptz, OUT cooling_until timestamptz,
    OUT last_used_at timestamptz, OUT base_url text, OUT allowed_models text[], OUT header_names text[])
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_llm_key_details';
COMMENT ON FUNCTION tarx_keys_internal.llm_key_details IS
'Internal. What the list has of the LLM key whose row is at this place; NULL if the acting user, or the active project, does not show it. Error: TK007 without an acting user.';

-- The list. security_invoker lets row security apply to the caller, and the
-- caller needs rights on the columns that the view reads: see 90_grants.sql. Deleted
-- keys are not in it, whoever asks: row security does not apply to superusers. The
-- subquery is not part of the query around it, because its function is VOLATILE: so
-- that is called once for each row, but only for those that a condition on columns
-- of the table has left.
CREATE VIEW tarx_keys.llm_keys WITH (security_invoker = true, security_barrier = true) AS
SELECT k.id,
       k.project_id,
       k.name,
       (k.details).provider,
       (k.details).provider_label,
       (k.details).masked_key,
       (k.details).base_url,
       (k.details).added_by,
       k.created_at,
       (k.details).state,
       (k.details).destination,
       k.priority,
       k.expires_at,
       k.rotate_after,
       (k.details).allowed_models,
       (k.details).header_names,
       (k.details).agent_count,
       (k.details).last_used_at,
       (k.details).health,
       (k.details).health_at,
       (k.details).cooling_until,
       coalesce((k.details).status, 'needs_reentry') AS status
  FROM (SELECT k.id, k.project_id, tarx_keys_internal.shown(k.name) AS name, k.created_at, k.priority, k.expires_at, k.rotate_after,
               tarx_keys_internal.llm_key_details(k.project_id, k.id, k.ctid) AS details
          FROM tarx_keys.project_llm_keys k
         WHERE k.state IS DISTINCT FROM 'deleted') k;
COMMENT ON VIEW tarx_keys.llm_keys IS 'The masked list of LLM keys of the acting user''s projects, or of the active one';
COMMENT ON COLUMN tarx_keys.llm_keys.masked_key IS 'Enough to tell keys apart';
COMMENT ON COLUMN tarx_keys.llm_keys.base_url IS 'The key''s own base URL; NULL for the provider''s default, and if the stored key cannot be opened';
COMMENT ON COLUMN tarx_keys.llm_keys.state IS 'enabled, disabled or expired';
COMMENT ON COLUMN tarx_keys.llm_keys.destination IS 'The base URL that the key resolves with; NULL if the stored key cannot be opened';
COMMENT ON COLUMN tarx_keys.llm_keys.priority IS 'Keys of a provider are tried in this order, lower first';
COMMENT ON COLUMN tarx_keys.llm_keys.expires_at IS 'The key does not resolve from then on; NULL for no end';
COMMENT ON COLUMN tarx_keys.llm_keys.rotate_after IS 'When people want to be reminded to replace the key';
COMMENT ON COLUMN tarx_keys.llm_keys.allowed_models IS 'The models that the key is for; NULL for all. Whoever has the value can call any model.';
COMMENT ON COLUMN tarx_keys.llm_keys.header_names IS 'The names of the headers that calls with the key have; their values are sealed';
COMMENT ON COLUMN tarx_keys.llm_keys.agent_count IS 'How many agents refer to the key';
COMMENT ON COLUMN tarx_keys.llm_keys.last_used_at IS 'When the key last resolved';
COMMENT ON COLUMN tarx_keys.llm_keys.health IS 'What runners last reported of the key, as it is now: unverified, ok, rejected, quota or cooling';
COMMENT ON COLUMN tarx_keys.llm_keys.health_at IS 'When they did, on this server';
COMMENT ON COLUMN tarx_keys.llm_keys.cooling_until IS 'Until when other keys are tried first; NULL if the key is not cooling, or is rejected';
COMMENT ON COLUMN tarx_keys.llm_keys.status IS 'ok, or needs_reentry if the stored key cannot be opened';

-- No time that a row may have is out of range here.
CREATE VIEW tarx_keys.due_keys WITH (security_invoker = true, security_barrier = true) AS
SELECT k.project_id, k.id AS key_id, k.name, d.reason, d.since
  FROM tarx_keys.llm_keys k
 CROSS JOIN LATERAL (VALUES
       ('expiring', CASE WHEN k.expires_at IS NOT NULL THEN greatest(k.expires_at, timestamptz 'epoch') - interval '14 days' END),
       ('rotation due', k.rotate_after),
       ('unused', least(coalesce(k.last_used_at, k.created_at), pg_catalog.now()) + interval '90 days'),
       ('rejected', CASE WHEN k.health = 'rejected' THEN k.health_at END)) d (reason, since)
 WHERE d.since <= pg_catalog.now() AND k.state <> 'disabled';
COMMENT ON VIEW tarx_keys.due_keys IS 'LLM keys of the acting user''s projects, or of the active one, that somebody should look at; one row for each reason. Disabled ones are left out.';
COMMENT ON COLUMN tarx_keys.due_keys.reason IS 'expiring within 14 days, or expired; rotation due; unused for 90 days; rejected by the provider';
COMMENT ON COLUMN tarx_keys.due_keys.since IS 'Since when it is so';

CREATE VIEW tarx_keys.key_usage WITH (security_invoker = true, security_barrier = true) AS
SELECT k.project_id,
       k.id AS key_id,
       coalesce(u.uses, 0) AS uses,
       u.last_used_at,
       coalesce(u.refused, 0) AS refused
  FROM tarx_keys.project_llm_keys k
  LEFT JOIN tarx_keys_internal.visible_usage('llm_key') u ON u.project_id = k.project_id AND u.id = k.id
 WHERE k.state IS DISTINCT FROM 'deleted';
COMMENT ON VIEW tarx_keys.key_usage IS 'How often, and when last, the LLM keys of the acting user''s projects, or of the active one, were resolved';
COMMENT ON COLUMN tarx_keys.key_usage.uses IS 'Successful resolve calls on this server since it started';
COMMENT ON COLUMN tarx_keys.key_usage.last_used_at IS 'When the key last resolved';
COMMENT ON COLUMN tarx_keys.key_usage.refused IS 'Refused resolve calls on this server since it started';

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.project_llm_keys', '');
