-- How often, and when last, keys are used.
--
-- Uses are counted in shared memory. A background worker writes the time of the
-- last use to this table now and then, so it survives a restart. A kind is llm_key,
-- secret or platform_key. Platform keys belong to no project; here their project is
-- the uuid of zeros. Each server has rows of its own, so that logical replication brings
-- those of another one without a conflict; the greatest time of a key counts.

CREATE TABLE tarx_keys_internal.last_used (
    project_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('llm_key', 'secret', 'platform_key')),
    id uuid NOT NULL,
    server uuid NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, kind, id, server)
);
ALTER TABLE tarx_keys_internal.last_used ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_in_maintenance ON tarx_keys_internal.last_used TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys_internal.last_used IS 'When each key was last used, as of the last flush of each server. Use the views to see it.';
COMMENT ON COLUMN tarx_keys_internal.last_used.server IS 'Which server wrote the row: a hash of the system identifier, the database and the timeline';

CREATE FUNCTION tarx_keys_internal.usage_in_memory(kind text, project_ids uuid[])
RETURNS TABLE (project_id uuid, id uuid, uses bigint, refused bigint, last_used_at timestamptz)
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_usage_in_memory';
COMMENT ON FUNCTION tarx_keys_internal.usage_in_memory IS
'For the DBA: the counters of one kind in these projects, also those of keys and secrets that were deleted since. Searches all counters. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.usage_of(
    kind text, project_id uuid, id uuid, OUT uses bigint, OUT refused bigint, OUT last_used_at timestamptz)
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_usage_of';
COMMENT ON FUNCTION tarx_keys_internal.usage_of IS 'Internal. The counters of one key or secret. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.usage_losses(OUT uncounted bigint, OUT dropped bigint)
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_usage_losses';
COMMENT ON FUNCTION tarx_keys_internal.usage_losses IS
'Internal. Of the whole server, since it started: calls that were counted nowhere for want of room, and calls in counters that were dropped to make room, of which only the last use is left.';

-- This looks up the counters of the keys or secrets that exist. A search of all
-- counters would take longer the more other projects use theirs.
CREATE FUNCTION tarx_keys.known_usage(kind text, project_ids uuid[])
RETURNS TABLE (project_id uuid, id uuid, uses bigint, refused bigint, last_used_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.require_argument('kind', known_usage.kind);
    IF known_usage.kind NOT IN ('llm_key', 'secret') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'kind',
            MESSAGE = 'unknown kind of usage',
            HINT = 'A kind is llm_key or secret.';
    END IF;
    PERFORM tarx_keys_internal.enter_maintenance();
    RETURN QUERY
        SELECT o.project_id, o.id, m.uses, m.refused, greatest(m.last_used_at, l.last_used_at)
          FROM (SELECT k.project_id, k.id FROM tarx_keys.project_llm_keys k
                 WHERE known_usage.kind = 'llm_key' AND k.project_id = ANY (known_usage.project_ids) AND k.id IS NOT NULL
                UNION ALL
                SELECT s.project_id, s.id FROM tarx_keys.project_secrets s
                 WHERE known_usage.kind = 'secret' AND s.project_id = ANY (known_usage.project_ids) AND s.id IS NOT NULL) o
         CROSS JOIN LATERAL tarx_keys_internal.usage_of(known_usage.kind, o.project_id, o.id) m
          LEFT JOIN (SELECT w.project_id, w.id, max(w.last_used_at) AS last_used_at FROM tarx_keys_internal.last_used w
                      WHERE w.kind = known_usage.kind AND w.project_id = ANY (known_usage.project_ids)
                      GROUP BY w.project_id, w.id) l
            ON l.project_id = o.project_id AND l.id = o.id;
END
$$;
COMMENT ON FUNCTION tarx_keys.known_usage IS
'For the DBA, and for functions that have checked who may know: how often, and when last, the objects of one kind (llm_key, secret) in these projects were used. Error: 22023 for another kind.';

CREATE FUNCTION tarx_keys_internal.visible_usage(kind text)
RETURNS TABLE (project_id uuid, id uuid, uses bigint, refused bigint, last_used_at timestamptz)
LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.project_id, u.id, u.uses, u.refused, u.last_used_at
      FROM tarx_keys.known_usage(visible_usage.kind, tarx_keys_internal.visible_project_ids()) u
$$;
COMMENT ON FUNCTION tarx_keys_internal.visible_usage IS
'Internal. known_usage() for the acting user''s projects, or for the active one. Used by views. Errors: TK007 without an acting user, 22023 for another kind.';

-- Where no subscription brings rows of other servers, those that are there are of a time
-- that is over: before a promotion, an upgrade, a restore. They become this server's.
CREATE FUNCTION tarx_keys_internal.flush_last_used(server uuid, project_ids uuid[], kinds text[], ids uuid[], times timestamptz[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    WITH former AS (
        DELETE FROM tarx_keys_internal.last_used l
         WHERE l.project_id = ANY (flush_last_used.project_ids) AND l.server <> flush_last_used.server
           AND NOT EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = 'tarx_keys_internal.last_used'::regclass)
        RETURNING l.project_id, l.kind, l.id, l.last_used_at)
    INSERT INTO tarx_keys_internal.last_used AS l (project_id, kind, id, server, last_used_at)
        SELECT u.project_id, u.kind, u.id, flush_last_used.server, max(u.used_at)
          FROM (SELECT n.project_id, n.kind COLLATE "C", n.id, n.used_at
                  FROM unnest(flush_last_used.project_ids, flush_last_used.kinds, flush_last_used.ids, flush_last_used.times)
                       AS n (project_id, kind, id, used_at)
                UNION ALL
                TABLE former) u
         GROUP BY u.project_id, u.kind, u.id
         ORDER BY u.project_id, u.kind, u.id
        ON CONFLICT ON CONSTRAINT last_used_pkey DO UPDATE SET last_used_at = EXCLUDED.last_used_at
         WHERE l.last_used_at < EXCLUDED.last_used_at;
    -- its own rows of keys and secrets that are gone, in the projects of this call; who wrote
    -- the others deletes them, and may be ahead of what has come here
    DELETE FROM tarx_keys_internal.last_used l
     WHERE l.project_id = ANY (flush_last_used.project_ids) AND l.server = flush_last_used.server
       AND CASE l.kind
           WHEN 'llm_key' THEN NOT EXISTS (
               SELECT FROM tarx_keys.project_llm_keys k WHERE k.project_id = l.project_id AND k.id = l.id AND k.state IS DISTINCT FROM 'deleted')
           WHEN 'secret' THEN NOT EXISTS (
               SELECT FROM tarx_keys.project_secrets s WHERE s.project_id = l.project_id AND s.id = l.id)
           ELSE NOT EXISTS (
               SELECT FROM tarx_keys.platform_api_keys p WHERE p.id = l.id) END;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.flush_last_used IS
'Internal. For the background worker: writes down when keys and secrets were last used on this server, takes over rows of former servers, and deletes rows of keys and secrets that are gone.';

SELECT pg_catalog.pg_extension_config_dump('tarx_keys_internal.last_used', '');
