-- Whether stored rows are what was written, and what was written last. No value is
-- shown.

CREATE FUNCTION tarx_keys_internal.status_of(state integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 0 THEN 'ok' WHEN 1 THEN 'missing master key' ELSE 'tampered' END;
COMMENT ON FUNCTION tarx_keys_internal.status_of IS 'Internal. What users are told of a state of row_states().';

CREATE FUNCTION tarx_keys_internal.row_states(table_name text, ids uuid[], percent real, max_rows bigint)
RETURNS TABLE (project_id uuid, id uuid, name text, revision integer, state integer)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100
AS 'MODULE_PATHNAME', 'tarx_keys_row_states';
COMMENT ON FUNCTION tarx_keys_internal.row_states IS
'Internal. The state of each row of a sealed table: 0 if it is what was written, 1 if its master key is missing, else 2; and its revision, where a row has one that the audit log tells as well. With ids, of the rows of these projects, or of these platform keys; else, with percent, of at most max_rows rows on so many per cent of the table''s pages; else of all rows. Error: 22023.';

-- The kind of an object is the first part of the actions that concern it. Ids are
-- random and never come back, so the order of the rows does not matter: what has
-- ended has ended, and the greatest revision is the last one.
CREATE FUNCTION tarx_keys_internal.logged_objects(chains uuid[])
RETURNS TABLE (chain uuid, personal boolean, kind text, id uuid, revision integer, has_ended boolean)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.project_id, a.personal, split_part(a.action, '.', 1), a.object_id,
           max(a.revision), bool_or(split_part(a.action, '.', 2) IN ('delete', 'remove', 'end', 'revoke'))
      FROM tarx_keys.audit_log a
     WHERE a.object_id IS NOT NULL AND (logged_objects.chains IS NULL OR a.project_id = ANY (logged_objects.chains))
     GROUP BY 1, 2, 3, 4
$$;
COMMENT ON FUNCTION tarx_keys_internal.logged_objects IS
'Internal. What each chain of the audit log, or only some of them, says last of each object: its revision, and whether it has ended.';

CREATE FUNCTION tarx_keys_internal.all_row_states(only_project uuid)
RETURNS TABLE (project_id uuid, kind text, id uuid, name text, state integer, is_older boolean)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    only_projects CONSTANT uuid[] := CASE WHEN only_project IS NOT NULL THEN ARRAY[only_project] END;
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    -- without a keyring this is an error, even if there is no row
    PERFORM tarx_keys_internal.keyring_fingerprints();
    -- a secret has the worst state of its versions, because each can be restored
    RETURN QUERY
        WITH tables AS (
            SELECT s.table_name, s.kind, count(*) OVER (PARTITION BY s.kind) > 1 AS is_part
              FROM tarx_keys_internal.sealed_tables() s
             WHERE s.kind IS NOT NULL AND (only_project IS NULL OR 'project_id' = ANY (s.key_columns))),
        states AS (
            SELECT r.project_id, t.kind, r.id, r.name, r.revision, r.state
              FROM tables t, tarx_keys_internal.row_states(t.table_name, only_projects, NULL, NULL) r
             WHERE NOT t.is_part
            UNION ALL
            SELECT r.project_id, t.kind, r.id, r.name, max(r.revision), max(r.state)
              FROM tables t, tarx_keys_internal.row_states(t.table_name, only_projects, NULL, NULL) r
             WHERE t.is_part
             GROUP BY t.kind, r.project_id, r.id, r.name),
        logged AS MATERIALIZED (
            SELECT * FROM tarx_keys_internal.logged_objects(only_projects)),
        -- its row alone says that a project has ended only where the log is gone
        ended_projects AS (
            SELECT l.chain FROM logged l WHERE NOT l.personal AND l.kind = 'project' AND l.id = l.chain AND l.has_ended
            UNION
            SELECT p.id FROM tarx_keys.projects p
             WHERE p.ended_at IS NOT NULL AND (only_project IS NULL OR p.id = only_project)
               AND NOT EXISTS (SELECT FROM logged l WHERE NOT l.personal AND l.chain = p.id))
        -- of an object, only its project's or its user's own chain says something
        SELECT s.project_id, s.kind, s.id, s.name, s.state,
               coalesce(l.has_ended OR l.revision > s.revision, false) OR e.chain IS NOT NULL
          FROM states s
          LEFT JOIN tarx_keys.platform_api_keys k ON s.kind = 'platform_key' AND k.id = s.id
          LEFT JOIN logged l ON (l.kind, l.id, l.personal) = (s.kind, s.id, s.kind = 'platform_key')
           AND l.chain = coalesce(s.project_id, tarx_keys_internal.personal_chain(tarx_keys_internal.shown(k.user_id)))
          LEFT JOIN ended_projects e ON e.chain = s.project_id;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.all_row_states IS
'Internal. The result of verify_keys(), with the states of row_states(), and whether the audit log says that the row is not the last one. Error: TK005.';

CREATE FUNCTION tarx_keys.verify_keys(project_id uuid DEFAULT NULL)
RETURNS TABLE (project_id uuid, kind text, id uuid, name text, status text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.project_id, r.kind, r.id, r.name,
           CASE WHEN r.state = 0 AND r.is_older THEN 'older' ELSE tarx_keys_internal.status_of(r.state) END
      FROM tarx_keys_internal.all_row_states($1) r
$$;
COMMENT ON FUNCTION tarx_keys.verify_keys IS
'For the DBA: whether each sealed row is what was written, except for the audit log, which has verify_audit(): its status is ok, tampered, missing master key, or older if it was written, but the audit log says that it was changed or has ended since. With project_id, those of one project, without platform keys, which belong to none. A secret has the worst status of its versions; revoked platform keys are left out. Error: TK005, with what is wrong with the keyring.';

-- These two run as their caller, who is a superuser: the owner sees one project at a
-- time.

CREATE FUNCTION tarx_keys_internal.require_superuser(what text, hint text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'must be superuser to ' || require_superuser.what,
            HINT = require_superuser.hint;
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.require_superuser IS 'Internal. Error 42501 unless the current user is a superuser.';

CREATE FUNCTION tarx_keys_internal.lock_rows() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_lock_rows';
COMMENT ON FUNCTION tarx_keys_internal.lock_rows IS
'Internal. Locks the tables of all sealed rows against changes, until the transaction ends; waits for transactions that have changed something.';

-- What ends by a function ends here as it does there: a key's row stays as that of a
-- deleted key, a platform key is revoked.
CREATE FUNCTION tarx_keys.delete_older_rows() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    older record;
    deleted bigint := 0;
    kept bigint := 0;
BEGIN
    PERFORM tarx_keys_internal.require_superuser('delete older rows', 'tarx_keys.verify_keys() lists them.');
    -- nobody changes a row between the look at it and its end
    PERFORM tarx_keys_internal.lock_rows();
    FOR older IN
        WITH found AS (
            SELECT s.*, k.user_id, coalesce('project ' || s.project_id, 'user ' || k.user_id) AS log
              FROM tarx_keys_internal.all_row_states(NULL) s
              LEFT JOIN tarx_keys.platform_api_keys k ON s.kind = 'platform_key' AND k.id = s.id
             WHERE s.is_older AND s.state = 0),
        logs AS (
            SELECT l.log,
                   CASE WHEN l.user_id IS NULL THEN (tarx_keys.verify_audit(l.project_id)).ok
                        ELSE (tarx_keys.verify_personal_audit(l.user_id)).ok END AS is_whole
              FROM (SELECT DISTINCT f.log, f.project_id, f.user_id FROM found f) l)
        SELECT f.*, l.is_whole
          FROM found f JOIN logs l USING (log)
         ORDER BY f.kind, f.project_id, f.name, f.id
    LOOP
        -- whoever has changed the log must not have rows deleted by it
        IF older.is_whole IS NOT TRUE THEN
            kept := kept + 1;
            CONTINUE;
        END IF;
        CASE older.kind
            WHEN 'llm_key' THEN
                PERFORM tarx_keys_internal.end_llm_keys(older.project_id, older.id, session_user);
            WHEN 'secret' THEN
                -- under another name it is perhaps the one there is now
                DELETE FROM tarx_keys.project_secrets s WHERE (s.project_id, s.id, s.name) = (older.project_id, older.id, older.name);
                DELETE FROM tarx_keys_internal.project_secret_versions v WHERE (v.project_id, v.id, v.name) = (older.project_id, older.id, older.name);
            WHEN 'member' THEN
                DELETE FROM tarx_keys.project_members m WHERE m.project_id = older.project_id AND m.id = older.id;
            WHEN 'agent' THEN
                DELETE FROM tarx_keys.agents a WHERE a.project_id = older.project_id AND a.id = older.id;
            WHEN 'platform_key' THEN
                UPDATE tarx_keys.platform_api_keys k SET token_hash = NULL, stamp = NULL, revoked_at = now() WHERE k.id = older.id;
        END CASE;
        -- its project's version rises, though the log says nothing of it
        IF older.project_id IS NOT NULL THEN
            INSERT INTO tarx_keys_internal.unlogged_removals (project_id, id) VALUES (older.project_id, gen_random_uuid());
        END IF;
        deleted := deleted + 1;
        RAISE NOTICE 'ended an older row: % %', older.kind, concat_ws(' of project ', coalesce(quote_literal(older.name), older.id::text), older.project_id);
        PERFORM tarx_keys_internal.log_operation(format('ends an older row: %s %s of project %s', older.kind, older.id, coalesce(older.project_id::text, '-')));
    END LOOP;
    IF kept > 0 THEN
        RAISE WARNING USING
            MESSAGE = format('older rows were left as they are, because their audit log is not whole: %s', kept),
            HINT = 'tarx_keys.verify_audit() and tarx_keys.verify_personal_audit() tell why.';
    END IF;
    RETURN deleted;
END
$$;
COMMENT ON FUNCTION tarx_keys.delete_older_rows IS
'For superusers: deletes the rows that verify_keys() finds older than the audit log says, and revokes such platform keys; returns how many. A secret ends with all its versions. A notice, and a line in the server log, names each. Rows whose audit log verify_audit() finds broken stay, with a warning. Errors: 42501, TK005.';

-- Only rows whose master key is missing: one that is there says which stamps are
-- false, and those are not made true.
CREATE FUNCTION tarx_keys_internal.needs_restamping(stamp bytea, text_bytes integer) RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$
    SELECT octet_length(needs_restamping.stamp) = 41 AND substr(needs_restamping.stamp, 1, 1) = '\x01'
       AND tarx_keys_internal.fingerprint_of(needs_restamping.stamp) <> ALL (tarx_keys_internal.keyring_fingerprints())
       AND needs_restamping.text_bytes < 8000
$$;
COMMENT ON FUNCTION tarx_keys_internal.needs_restamping IS
'Internal. Whether this is a stamp whose master key is missing, of a row that we can have written. Error: TK005.';

CREATE FUNCTION tarx_keys.restamp_members(project_id uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this record;
    restamped bigint := 0;
BEGIN
    PERFORM tarx_keys_internal.require_argument('project_id', restamp_members.project_id);
    PERFORM tarx_keys_internal.require_superuser('restamp members', 'Ask the database administrator.');
    PERFORM tarx_keys_internal.enter_restamping(restamp_members.project_id);
    FOR this IN
        UPDATE tarx_keys.project_members m
           SET stamp = tarx_keys_internal.member_stamp(m.project_id, m.user_id, m.id, m.role, m.service_account, m.revision, m.added_at)
         WHERE m.project_id = restamp_members.project_id AND m.role IN ('admin', 'key_manager', 'member', 'viewer')
           AND tarx_keys_internal.needs_restamping(m.stamp, octet_length(m.user_id) + coalesce(octet_length(m.service_account), 0))
        RETURNING m.id, m.user_id, m.role, m.revision
    LOOP
        RAISE NOTICE 'took over user % as %', quote_literal(tarx_keys_internal.shown(this.user_id)), this.role;
        PERFORM tarx_keys_internal.record_audit(restamp_members.project_id, 'member.restamp_' || this.role, this.id, this.user_id, this.revision);
        restamped := restamped + 1;
    END LOOP;
    FOR this IN
        UPDATE tarx_keys.agents a
           SET stamp = tarx_keys_internal.agent_stamp(a.project_id, a.id, a.name, a.user_api_key_id, a.provider, a.run_epoch, a.revision)
         WHERE a.project_id = restamp_members.project_id
           AND tarx_keys_internal.needs_restamping(a.stamp, octet_length(a.name) + coalesce(octet_length(a.provider), 0))
        RETURNING a.id, a.name, a.user_api_key_id, a.provider, a.revision
    LOOP
        RAISE NOTICE 'took over agent % (%), which refers to %', quote_literal(tarx_keys_internal.shown(this.name)), this.id,
            coalesce('LLM key ' || this.user_api_key_id, 'provider ' || tarx_keys_internal.shown(this.provider), 'nothing');
        PERFORM tarx_keys_internal.record_audit(restamp_members.project_id, 'agent.restamp', this.id, this.name, this.revision);
        restamped := restamped + 1;
    END LOOP;
    PERFORM tarx_keys_internal.log_operation(format('stamps members and agents of project %s anew: %s', restamp_members.project_id, restamped));
    RETURN restamped;
END
$$;
COMMENT ON FUNCTION tarx_keys.restamp_members IS
'For superusers, after a master key was lost for good: takes over the members and agents of a project whose stamps nobody can check any more, and stamps them with the active master key; returns how many. A notice names each, and the audit log has it: look at them, because somebody may have changed them since the key was lost. Rows whose stamp is false stay as they are. Errors: 22023, 42501, TK004 if the end of the audit log is not what was written, TK005.';
