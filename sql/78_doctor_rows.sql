-- Checks of doctor() that read the rows of all projects: a sample of a large table, or
-- all of it. A finding says at how many rows of about how many it has looked, unless
-- that was all.

CREATE FUNCTION tarx_keys_internal.doctor_percent(relation regclass) RETURNS real
LANGUAGE sql STABLE PARALLEL RESTRICTED
AS $$
    SELECT least(100, 250 * 100.0 * current_setting('block_size')::integer / nullif(pg_relation_size(doctor_percent.relation), 0))::real
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_percent IS
'Internal. For checks of doctor(): how many per cent of the pages of a table are looked at, which is 250 pages, or all.';

CREATE FUNCTION tarx_keys_internal.doctor_looked_at(looked_at bigint, about double precision) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN about > looked_at THEN format(' (%s of about %s were looked at)', looked_at, round(about)) ELSE '' END;
COMMENT ON FUNCTION tarx_keys_internal.doctor_looked_at IS 'Internal. For checks of doctor(): what a finding says if not all was looked at.';

CREATE FUNCTION tarx_keys_internal.doctor_master_keys(full boolean DEFAULT false) RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH counted AS MATERIALIZED (
        SELECT s.fingerprint, s.count, CASE WHEN s.pages > 0 THEN s.count * (s.all_pages::double precision / s.pages) ELSE 0 END AS about, s.pages < s.all_pages AS is_sample
          FROM tarx_keys_internal.count_sealed(CASE WHEN NOT doctor_master_keys.full THEN 250 END) s),
    looked_at AS (
        SELECT bool_or(c.is_sample) AS is_sample,
               CASE WHEN bool_or(c.is_sample) THEN format(' (%s of about %s were looked at)', sum(c.count), round(sum(c.about))) ELSE '' END AS at
          FROM counted c),
    needed AS (
        SELECT c.fingerprint, CASE WHEN bool_or(c.is_sample) THEN format('about %s', round(sum(c.about))) ELSE sum(c.count)::text END AS rows
          FROM counted c WHERE c.count > 0 GROUP BY c.fingerprint),
    found (severity, finding, advice) AS (
        SELECT CASE WHEN l.fingerprint IS NULL THEN 'critical' ELSE 'info' END,
               CASE WHEN l.fingerprint IS NULL
                    THEN format('rows that need master key %s, which is not in the keyring: %s', n.fingerprint, n.rows)
                    WHEN n.rows IS NOT NULL THEN format('rows that need retired master key %s: %s', l.fingerprint, n.rows)
                    WHEN a.is_sample THEN format('no row that was looked at needs retired master key %s', l.fingerprint)
                    ELSE format('no row of this database needs retired master key %s', l.fingerprint) END || a.at,
               CASE WHEN l.fingerprint IS NULL THEN 'Add the key to the keyring, behind the active one, then SELECT pg_reload_conf(). If it is lost for good, see "A lost master key" in docs/operations.md.'
                    WHEN n.rows IS NOT NULL THEN 'CALL tarx_keys.rotate_master_key();'
                    WHEN a.is_sample THEN 'Before you drop it from the keyring: SELECT * FROM tarx_keys.keyring_status(); which counts all rows.'
                    ELSE 'If no other database of the cluster and no backup needs it, drop it from the keyring, then SELECT pg_reload_conf().' END
          FROM unnest(tarx_keys_internal.keyring_fingerprints()) WITH ORDINALITY AS l (fingerprint, position)
          FULL JOIN needed n ON n.fingerprint = l.fingerprint
         CROSS JOIN looked_at a
         WHERE l.position IS DISTINCT FROM 1
         ORDER BY l.position NULLS FIRST, n.fingerprint)
    TABLE found
    UNION ALL
    SELECT 'ok', 'no row that was looked at needs another master key than the active one' || a.at, NULL
      FROM looked_at a WHERE a.is_sample AND NOT EXISTS (SELECT FROM found)
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_master_keys IS 'Internal. A check of doctor(): retired master keys, in use or free to drop, and missing ones.';

CREATE FUNCTION tarx_keys_internal.doctor_providers() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH replaced AS (
        SELECT c.slug, tarx_keys_internal.changed_builtin(c) AS changed
          FROM tarx_keys.custom_providers c JOIN tarx_keys_internal.builtin_providers b ON b.slug = c.slug)
    SELECT 'warning', format('custom_providers has a row %s that was there before this provider was built in or changed; %s counts as the built-in one has it', r.slug, r.changed),
           format('UPDATE tarx_keys.custom_providers SET slug = %L WHERE slug = %L; if it is another provider, else take %s from tarx_keys.providers.',
                  'custom_' || r.slug, r.slug, r.changed)
      FROM replaced r WHERE r.changed IS NOT NULL
    UNION ALL
    SELECT 'info', format('custom_providers has a row in place of the built-in provider %s, which updates of the extension do not change', r.slug),
           format('To have the built-in one again: DELETE FROM tarx_keys.custom_providers WHERE slug = %L;', r.slug)
      FROM replaced r WHERE r.changed IS NULL
     ORDER BY 1 DESC, 2
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_providers IS 'Internal. A check of doctor(): rows of custom_providers that take the place of built-in ones.';

CREATE FUNCTION tarx_keys_internal.doctor_agents(full boolean DEFAULT false) RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH percent (percent) AS (
        SELECT CASE WHEN doctor_agents.full THEN 100 ELSE tarx_keys_internal.doctor_percent('tarx_keys.agents') END),
    sampled AS MATERIALIZED (
        SELECT a.project_id, a.user_api_key_id FROM tarx_keys.agents a TABLESAMPLE system ((SELECT percent FROM percent))),
    looked_at AS (
        SELECT tarx_keys_internal.doctor_looked_at(count(*), count(*) * 100 / (SELECT percent FROM percent)::double precision) AS at FROM sampled),
    found (severity, finding, advice) AS (
        SELECT 'warning', format('agents of project %s that refer to LLM key %s, which it does not have: %s%s', a.project_id, a.user_api_key_id, count(*),
                                 CASE WHEN count(*) OVER () > 20 THEN format(' (20 of %s such keys are shown)', count(*) OVER ()) END)
               || (SELECT l.at FROM looked_at l),
               format('As a member: SELECT tarx_keys.repoint_agents(%L, %L, another key of the project);', a.project_id, a.user_api_key_id)
          FROM sampled a
         WHERE a.user_api_key_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM tarx_keys.project_llm_keys k WHERE k.project_id = a.project_id AND k.id = a.user_api_key_id
                             AND k.state <> 'deleted')
         GROUP BY a.project_id, a.user_api_key_id
         ORDER BY a.project_id, a.user_api_key_id LIMIT 20)
    TABLE found
    UNION ALL
    SELECT 'ok', 'all agents that were looked at refer to LLM keys that exist, or to none' || l.at, NULL
      FROM looked_at l WHERE l.at <> '' AND NOT EXISTS (SELECT FROM found)
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_agents IS 'Internal. A check of doctor(): agents whose LLM key is gone.';

CREATE FUNCTION tarx_keys_internal.doctor_rows(full boolean DEFAULT false) RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH about AS (
        SELECT c.table_name, sum(c.count * (c.all_pages::double precision / greatest(c.pages, 1))) AS rows
          FROM tarx_keys_internal.count_sealed(CASE WHEN doctor_rows.full THEN 0 ELSE 250 END) c
         GROUP BY c.table_name),
    sampled AS (
        SELECT t.table_name, t.kind, a.rows AS about,
               CASE WHEN NOT doctor_rows.full THEN tarx_keys_internal.doctor_percent(format('%I.%I', t.schema_name, t.table_name)::regclass) END AS percent
          FROM tarx_keys_internal.sealed_tables() t JOIN about a USING (table_name)
         WHERE t.kind IS NOT NULL),
    looked_at AS MATERIALIZED (
        SELECT s.table_name, s.kind, count(*) AS rows, CASE WHEN s.percent < 100 OR count(*) = 3000 THEN s.about ELSE count(*) END AS about,
               array_agg(DISTINCT concat_ws('/', r.project_id, r.id, r.name)) FILTER (WHERE r.state > 1) AS tampered
          FROM sampled s, tarx_keys_internal.row_states(s.table_name, NULL, s.percent, 3000) r
         GROUP BY s.table_name, s.kind, s.about, s.percent),
    found (severity, finding, advice) AS (
        SELECT 'critical', format('rows of kind %s that were tampered with: %s', l.kind,
                                  (SELECT count(DISTINCT t) FROM looked_at o, unnest(o.tampered) t WHERE o.kind = l.kind))
               || tarx_keys_internal.doctor_looked_at(sum(l.rows)::bigint, sum(l.about)),
               'SELECT * FROM tarx_keys.verify_keys() WHERE status <> ''ok''; then delete these and add them again, and find out who changed the rows.'
          FROM looked_at l
         GROUP BY l.kind HAVING count(l.tampered) > 0 ORDER BY l.kind)
    TABLE found
    UNION ALL
    SELECT 'ok', 'all rows that were looked at authenticate' || l.at, NULL
      FROM (SELECT tarx_keys_internal.doctor_looked_at(sum(l.rows)::bigint, sum(l.about)) AS at FROM looked_at l) l
     WHERE l.at <> '' AND NOT EXISTS (SELECT FROM found)
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_rows IS 'Internal. A check of doctor(): rows that were tampered with, among all, or among at most 3000 rows of each table. doctor_master_keys() looks for missing master keys.';

-- A look-up of one object in the log would read all of it. So without full this reads the
-- chains of ten projects, and those of the users of ten platform keys.
CREATE FUNCTION tarx_keys_internal.doctor_older_rows(full boolean DEFAULT false) RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH percents AS (
        SELECT tarx_keys_internal.doctor_percent('tarx_keys.projects') AS projects, tarx_keys_internal.doctor_percent('tarx_keys.platform_api_keys') AS platform_keys),
    projects AS MATERIALIZED (
        SELECT p.id, count(*) OVER () AS rows FROM tarx_keys.projects p TABLESAMPLE system ((SELECT projects FROM percents))
         ORDER BY random() LIMIT CASE WHEN doctor_older_rows.full THEN 0 ELSE 10 END),
    platform_keys AS MATERIALIZED (
        SELECT k.id, tarx_keys_internal.personal_chain(tarx_keys_internal.shown(k.user_id)) AS chain, count(*) OVER () AS rows
          FROM tarx_keys.platform_api_keys k TABLESAMPLE system ((SELECT platform_keys FROM percents))
         WHERE k.revoked_at IS NULL ORDER BY random() LIMIT CASE WHEN doctor_older_rows.full THEN 0 ELSE 10 END),
    looked_at AS (
        SELECT format(' (%s of about %s projects and %s of about %s platform keys were looked at)', p.looked_at, p.about, k.looked_at, k.about) AS at
          FROM percents, LATERAL (SELECT count(*) AS looked_at, coalesce(round(max(s.rows) * 100 / projects), 0) AS about FROM projects s) p,
               LATERAL (SELECT count(*) AS looked_at, coalesce(round(max(s.rows) * 100 / platform_keys), 0) AS about FROM platform_keys s) k
         WHERE p.looked_at < p.about OR k.looked_at < k.about),
    older AS (
        SELECT s.kind FROM tarx_keys_internal.all_row_states(NULL) s WHERE doctor_older_rows.full AND s.is_older AND s.state = 0
        UNION ALL
        SELECT s.kind FROM projects p, tarx_keys_internal.all_row_states(p.id) s WHERE s.is_older AND s.state = 0
        UNION ALL
        SELECT l.kind FROM tarx_keys_internal.logged_objects((SELECT coalesce(array_agg(k.chain), '{}') FROM platform_keys k)) l
          JOIN platform_keys k ON (k.id, k.chain) = (l.id, l.chain)
         WHERE l.personal AND l.kind = 'platform_key' AND l.has_ended),
    found (severity, finding, advice) AS (
        SELECT 'critical', format('rows of kind %s that are older than the audit log says: %s', o.kind, count(*)) || coalesce((SELECT l.at FROM looked_at l), ''),
               'SELECT * FROM tarx_keys.verify_keys() WHERE status = ''older''; and find out who has put them there. SELECT tarx_keys.delete_older_rows(); ends those whose audit log is whole.'
          FROM older o GROUP BY o.kind ORDER BY o.kind)
    TABLE found
    UNION ALL
    SELECT 'ok', 'no row that was looked at is older than the audit log says' || l.at, NULL
      FROM looked_at l WHERE NOT EXISTS (SELECT FROM found)
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_older_rows IS 'Internal. A check of doctor(): rows that are behind what the audit log says, of all projects, or of ten projects and ten platform keys.';

CREATE FUNCTION tarx_keys_internal.doctor_realm() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH states AS (
        SELECT r.state FROM tarx_keys_internal.sealed_tables() t, tarx_keys_internal.row_states(t.table_name, NULL, tarx_keys_internal.doctor_percent(format('%I.%I', t.schema_name, t.table_name)::regclass), 100) r
         WHERE t.kind IS NOT NULL)
    SELECT 'warning', format('no row authenticates in the realm "%s", though their master key is in the keyring: another realm?', current_setting('tarx_keys.realm')),
           format('If they were written in another realm: ALTER DATABASE %I SET tarx_keys.realm = ''that realm''; and connect again.', current_database())
     WHERE EXISTS (SELECT FROM states WHERE state > 1) AND NOT EXISTS (SELECT FROM states WHERE state = 0)
       AND EXISTS (SELECT FROM tarx_keys_internal.count_sealed(250) s WHERE s.fingerprint = ANY (tarx_keys_internal.keyring_fingerprints()))
    UNION ALL
    SELECT 'info', 'tarx_keys.realm is empty, and the cluster has other databases: what is sealed in one of them with this keyring is as good here',
           format('Before the first row is written: ALTER DATABASE %I SET tarx_keys.realm = ''a name of its own''; later no row can be read any more.', current_database())
     WHERE current_setting('tarx_keys.realm') = ''
       AND EXISTS (SELECT FROM pg_database d WHERE d.datallowconn AND NOT d.datistemplate AND d.datname NOT IN (current_database(), 'postgres'))
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_realm IS 'Internal. A check of doctor(): rows of another realm, among 100 of each table, and databases that share the realm.';

CREATE FUNCTION tarx_keys_internal.doctor_audit_log(full boolean DEFAULT false) RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    percent_of_projects CONSTANT real := CASE WHEN doctor_audit_log.full THEN 100 ELSE tarx_keys_internal.doctor_percent('tarx_keys.projects') END;
    percent_of_ends CONSTANT real := CASE WHEN doctor_audit_log.full THEN 100 ELSE tarx_keys_internal.doctor_percent('tarx_keys_internal.audit_ends') END;
    projects uuid[];
    about double precision;
    project uuid;
    verdict record;
    is_whole boolean := true;
BEGIN
    RETURN QUERY
    WITH ends AS MATERIALIZED (
        SELECT tarx_keys_internal.fingerprint_of(e.sealed_key) AS fingerprint,
               -- other bytes are no envelope of a chain's key: verify_audit() finds them
               octet_length(e.sealed_key) = 81 AND substr(e.sealed_key, 1, 1) = '\x01' AS is_envelope
          FROM tarx_keys_internal.audit_ends e TABLESAMPLE system (percent_of_ends))
    SELECT 'critical', format('chains of the audit log that nobody can verify, because master key %s is not in the keyring: %s%s', e.fingerprint, count(*),
                              (SELECT tarx_keys_internal.doctor_looked_at(count(*), count(*) * 100 / percent_of_ends) FROM ends)),
           'Add the key to the keyring, behind the active one, then SELECT pg_reload_conf(). If it is lost for good, call purge_unverifiable_audit() and purge_unverifiable_personal_audit(); see "A lost master key" in docs/operations.md.'
      FROM ends e
     WHERE e.is_envelope AND e.fingerprint <> ALL (tarx_keys_internal.keyring_fingerprints())
     GROUP BY e.fingerprint;
    is_whole := NOT FOUND;
    -- also of projects that have ended, or were deleted as rows
    WITH found AS MATERIALIZED (
        SELECT p.id FROM tarx_keys.projects p TABLESAMPLE system (percent_of_projects) WHERE p.name IS NOT NULL
        UNION
        SELECT e.project_id FROM tarx_keys_internal.audit_ends e TABLESAMPLE system (percent_of_ends) WHERE NOT e.personal AND e.project_id IS NOT NULL),
    chosen AS (
        SELECT f.id FROM found f ORDER BY random() LIMIT CASE WHEN NOT doctor_audit_log.full THEN 10 END)
    SELECT (SELECT array_agg(c.id ORDER BY c.id) FROM chosen c),
           greatest((SELECT count(*) FROM found),
                    (SELECT count(*) * 100 / percent_of_projects FROM tarx_keys.projects p TABLESAMPLE system (percent_of_projects) WHERE p.name IS NOT NULL))
      INTO projects, about;
    FOREACH project IN ARRAY coalesce(projects, '{}') LOOP
        SELECT v.* INTO verdict FROM tarx_keys.verify_audit(project) v;
        CONTINUE WHEN verdict.ok OR verdict.reason = 'master key missing';
        severity := 'critical';
        finding := format('the audit log of project %s is broken at %s: %s', project, verdict.broken_at, verdict.reason);
        advice := format('SELECT * FROM tarx_keys.verify_audit(%L); compare with a copy of the log, and find out who changed it.', project);
        is_whole := false;
        RETURN NEXT;
    END LOOP;
    IF is_whole AND cardinality(projects) < about THEN
        severity := 'ok';
        finding := format('the audit logs that were looked at are whole (those of %s of about %s projects)', cardinality(projects), round(about));
        advice := NULL;
        RETURN NEXT;
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_audit_log IS 'Internal. A check of doctor(): the audit logs of all projects, or of ten; and missing master keys of audit logs.';
