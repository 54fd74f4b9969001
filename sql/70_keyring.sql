-- What a DBA can learn about the master keyring.

CREATE FUNCTION tarx_keys_internal.keyring_fingerprints() RETURNS text[]
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_keyring_fingerprints';
COMMENT ON FUNCTION tarx_keys_internal.keyring_fingerprints IS
'Internal. The fingerprints of the keyring''s keys, the active one first. Error: TK005, with what is wrong.';

CREATE FUNCTION tarx_keys_internal.keyring_state(
    OUT loaded_at timestamptz, OUT loading_since timestamptz, OUT problem text, OUT advice text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_keyring_state';
COMMENT ON FUNCTION tarx_keys_internal.keyring_state IS
'Internal. When the keyring in use was loaded, since when a load is under way, and what was wrong with the last load that has ended.';

CREATE FUNCTION tarx_keys_internal.fingerprint_of(sealed bytea) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_fingerprint_of';
COMMENT ON FUNCTION tarx_keys_internal.fingerprint_of IS
'Internal. The fingerprint of the master key that a ciphertext or a stamp names.';

CREATE FUNCTION tarx_keys_internal.sealed_columns() RETURNS TABLE (
    table_position integer, schema_name text, table_name text, seal text, purpose text, kind text, counter text, live text,
    column_position integer, column_name text, column_type text, is_key boolean, use text, reason text)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 50
AS 'MODULE_PATHNAME', 'tarx_keys_sealed_columns';
COMMENT ON FUNCTION tarx_keys_internal.sealed_columns IS
'Internal. The descriptions in src/tables/descriptions.h: the columns of the tables whose rows are sealed; whether each is bound, and why if not.';

CREATE FUNCTION tarx_keys_internal.sealed_tables() RETURNS TABLE (
    table_position integer, schema_name text, table_name text, kind text, counter text, live text,
    key_columns text[], key_types text[], sealed_column text, column_names text[])
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT c.table_position, c.schema_name, c.table_name, c.kind, c.counter, c.live,
           array_agg(c.column_name ORDER BY c.column_position) FILTER (WHERE c.is_key),
           array_agg(c.column_type ORDER BY c.column_position) FILTER (WHERE c.is_key),
           min(c.column_name) FILTER (WHERE c.use = 'sealed'),
           array_agg(c.column_name ORDER BY c.column_position)
      FROM tarx_keys_internal.sealed_columns() c
     WHERE c.seal IN ('envelope', 'stamp')
     GROUP BY c.table_position, c.schema_name, c.table_name, c.kind, c.counter, c.live
$$;
COMMENT ON FUNCTION tarx_keys_internal.sealed_tables IS
'Internal. The tables whose rows need a master key; table_position is their place in a rotation.';

-- A table that is partitioned, or has children, has several parts.
CREATE FUNCTION tarx_keys_internal.sealed_parts() RETURNS TABLE (table_position integer, table_name text, counter text, part oid)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE parts AS (
        SELECT s.table_position, s.table_name, s.counter, c.oid AS part
          FROM tarx_keys_internal.sealed_tables() s
          JOIN pg_class c ON c.oid = format('%I.%I', s.schema_name, s.table_name)::regclass
        UNION
        SELECT p.table_position, p.table_name, p.counter, i.inhrelid FROM parts p JOIN pg_inherits i ON i.inhparent = p.part)
    SELECT p.* FROM parts p JOIN pg_class c ON c.oid = p.part WHERE c.relkind <> 'p' ORDER BY p.table_position, p.part
$$;
COMMENT ON FUNCTION tarx_keys_internal.sealed_parts IS 'Internal. The tables that the rows of sealed tables are in, in the order of a rotation.';

CREATE FUNCTION tarx_keys_internal.count_part(table_name text, part oid, max_pages integer)
RETURNS TABLE (fingerprint text, count bigint, pages bigint, all_pages bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_count_part';
COMMENT ON FUNCTION tarx_keys_internal.count_part IS
'Internal. How many rows of a part of a sealed table need which master key: of all rows, or of those on max_pages random pages; and how many pages were read, of how many. At least one row, without a fingerprint if no row needs a master key. Of a row it reads the fingerprint only. Error: 42501 unless the current user may read the table.';

CREATE FUNCTION tarx_keys_internal.count_sealed(max_pages integer DEFAULT NULL)
RETURNS TABLE (table_name text, counter text, fingerprint text, count bigint, pages bigint, all_pages bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.table_name, p.counter, c.*
      FROM tarx_keys_internal.sealed_parts() p, tarx_keys_internal.count_part(p.table_name, p.part, count_sealed.max_pages) c
     WHERE c.count > 0 OR count_sealed.max_pages IS NOT NULL
$$;
COMMENT ON FUNCTION tarx_keys_internal.count_sealed IS
'Internal. The result of count_part() for all parts of all sealed tables. Revoked platform keys and deleted LLM keys need no master key.';

CREATE FUNCTION tarx_keys.keyring_status() RETURNS TABLE (
    fingerprint text, is_active boolean,
    llm_keys bigint, secret_versions bigint, platform_keys bigint, members bigint, agents bigint, audit_chains bigint,
    loaded_at timestamptz, reload text, problem text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH needed AS (
        SELECT fingerprint, bool_and(l.position = 1) AS is_active, l.position,
               coalesce(sum(s.count) FILTER (WHERE s.counter = 'llm_keys'), 0)::bigint AS llm_keys,
               coalesce(sum(s.count) FILTER (WHERE s.counter = 'secret_versions'), 0)::bigint AS secret_versions,
               coalesce(sum(s.count) FILTER (WHERE s.counter = 'platform_keys'), 0)::bigint AS platform_keys,
               coalesce(sum(s.count) FILTER (WHERE s.counter = 'members'), 0)::bigint AS members,
               coalesce(sum(s.count) FILTER (WHERE s.counter = 'agents'), 0)::bigint AS agents,
               coalesce(sum(s.count) FILTER (WHERE s.counter = 'audit_chains'), 0)::bigint AS audit_chains
          FROM unnest(tarx_keys_internal.keyring_fingerprints()) WITH ORDINALITY AS l (fingerprint, position)
          FULL JOIN tarx_keys_internal.count_sealed() s USING (fingerprint)
         GROUP BY fingerprint, l.position)
    SELECT n.fingerprint, n.is_active, n.llm_keys, n.secret_versions, n.platform_keys, n.members, n.agents, n.audit_chains, k.loaded_at,
           CASE WHEN k.loading_since IS NOT NULL THEN 'waiting' WHEN k.problem IS NOT NULL THEN 'failed' ELSE 'done' END,
           k.problem
      FROM needed n, tarx_keys_internal.keyring_state() k
     ORDER BY n.position NULLS LAST, n.fingerprint
$$;
COMMENT ON FUNCTION tarx_keys.keyring_status IS
'For the DBA: one row for each master key, with its fingerprint and how many rows need it: LLM keys, versions of secrets, platform keys that are not revoked, memberships, agents, chains of the audit log. is_active is true for the key that encrypts, false for one that only decrypts, NULL for one that rows need and the keyring lacks. A retired key with 0 everywhere can be removed. In all rows: when the keyring in use was loaded; whether the last reload is done, is waiting for a file or command, or has failed; and what was wrong with the last one that has ended. Error: TK005, with what is wrong with the keyring.';
