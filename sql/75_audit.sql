-- The audit log: who changed what, in chains for each project.
--
-- A function that changes something writes its row in the same transaction. So a
-- change that is rolled back is not in the log. Personal rows are about platform
-- keys; they have the id of the user's own chain in place of a project's id.

CREATE FUNCTION tarx_keys_internal.audited_project_id() RETURNS uuid
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_audited_project_id';
COMMENT ON FUNCTION tarx_keys_internal.audited_project_id IS
'Internal. The active project, for its admins. Used by row security. Errors: TK007, 42501 if there is none or the user is no admin of it.';

CREATE FUNCTION tarx_keys_internal.require_maintenance() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_require_maintenance';
COMMENT ON FUNCTION tarx_keys_internal.require_maintenance IS 'Internal. True, or error 42501 outside a function that has called enter_maintenance().';

CREATE FUNCTION tarx_keys_internal.personal_chain(user_id text) RETURNS uuid
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_personal_chain';
COMMENT ON FUNCTION tarx_keys_internal.personal_chain IS 'Internal. The id under which the audit log has the personal rows of a user; NULL for NULL.';

CREATE TABLE tarx_keys.audit_log (
    project_id uuid NOT NULL,
    personal boolean NOT NULL,
    generation integer NOT NULL CHECK (generation > 0),
    seq bigint NOT NULL CHECK (seq > 0),
    at timestamptz NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    proven boolean NOT NULL,
    login text COLLATE "C" NOT NULL,
    client text COLLATE "C",
    action text COLLATE "C" NOT NULL,
    object_id uuid,
    object_name text COLLATE "C",
    outcome text COLLATE "C" NOT NULL,
    revision integer,
    stamp bytea NOT NULL,
    PRIMARY KEY (project_id, personal, generation, seq)
);
-- The newest rows of a project, of all lanes. Most projects have no more than the first
-- rows of a log, which are read without it: so it takes no room of theirs.
CREATE INDEX audit_log_at ON tarx_keys.audit_log (project_id, at) WHERE NOT personal AND (generation = 1 AND seq <= 100) IS NOT TRUE;
ALTER TABLE tarx_keys.audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY admins_read ON tarx_keys.audit_log FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (NOT personal AND project_id = tarx_keys_internal.audited_project_id());
-- of all projects, and the personal rows too
CREATE POLICY auditors_read ON tarx_keys.audit_log FOR SELECT TO tarx_keys_auditor
    USING (true);
CREATE POLICY owner_reads ON tarx_keys.audit_log FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
CREATE POLICY owner_appends ON tarx_keys.audit_log FOR INSERT TO tarx_keys_owner
    WITH CHECK (project_id = CASE WHEN personal THEN tarx_keys_internal.personal_chain(tarx_keys.current_user_id())
                                  ELSE tarx_keys.current_project_id() END);
-- outside purge_audit() a DELETE is an error, instead of finding no rows
CREATE POLICY owner_purges ON tarx_keys.audit_log FOR DELETE TO tarx_keys_owner
    USING (tarx_keys_internal.require_maintenance());
COMMENT ON TABLE tarx_keys.audit_log IS 'What was changed, by whom; append-only. Use the view project_audit to read a project''s.';
COMMENT ON COLUMN tarx_keys.audit_log.project_id IS 'The project; in personal rows the id of the user''s own chain';
COMMENT ON COLUMN tarx_keys.audit_log.personal IS 'True if the row is about a user''s platform keys, which belong to no project';
COMMENT ON COLUMN tarx_keys.audit_log.generation IS 'From 1; another one begins where the master key of the one before is missing';
COMMENT ON COLUMN tarx_keys.audit_log.seq IS 'The row follows row seq - 4 in its chain, because a project has up to four chains';
COMMENT ON COLUMN tarx_keys.audit_log.proven IS 'True if login() or login_jwt() proved the user, false if act_as() named it';
COMMENT ON COLUMN tarx_keys.audit_log.login IS 'The database role that the session logged in as';
COMMENT ON COLUMN tarx_keys.audit_log.client IS 'The client''s address, [local] for a Unix socket';
COMMENT ON COLUMN tarx_keys.audit_log.revision IS 'The revision, or version, of the object''s row from then on; NULL where the row says nothing of it';
COMMENT ON COLUMN tarx_keys.audit_log.stamp IS 'MAC over the row and the stamp before it';

-- every change updates a row; the free space keeps that on the same page
CREATE TABLE tarx_keys_internal.audit_ends (
    project_id uuid NOT NULL,
    personal boolean NOT NULL,
    generation integer NOT NULL CHECK (generation > 0),
    lane integer NOT NULL,
    lanes_seen integer NOT NULL,
    first_seq bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_seq bigint NOT NULL,
    first_stamp bytea NOT NULL,
    last_stamp bytea NOT NULL,
    sealed_key bytea NOT NULL,
    PRIMARY KEY (project_id, personal, generation, lane)
) WITH (fillfactor = 80);
-- for purges
CREATE INDEX audit_ends_first_at ON tarx_keys_internal.audit_ends (first_at);
ALTER TABLE tarx_keys_internal.audit_ends ALTER COLUMN sealed_key SET STATISTICS 0;
ALTER TABLE tarx_keys_internal.audit_ends ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_in_project ON tarx_keys_internal.audit_ends TO tarx_keys_owner
    USING (project_id = CASE WHEN personal THEN tarx_keys_internal.personal_chain(tarx_keys.current_user_id())
                             ELSE tarx_keys.current_project_id() END);
CREATE POLICY owner_in_maintenance ON tarx_keys_internal.audit_ends TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys_internal.audit_ends IS 'Where each chain of the audit log begins and ends; a project has one chain, and more where writers have met, so that they need not wait for each other';
COMMENT ON COLUMN tarx_keys_internal.audit_ends.lanes_seen IS 'The lanes of the generation that the writer of this row saw, as bits';
COMMENT ON COLUMN tarx_keys_internal.audit_ends.first_at IS 'The time of the first row; infinity if there is none';
COMMENT ON COLUMN tarx_keys_internal.audit_ends.sealed_key IS 'The key of the chain''s stamps, sealed with a master key and bound to the other columns';

CREATE FUNCTION tarx_keys.begin_audit(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_begin_audit';
COMMENT ON FUNCTION tarx_keys.begin_audit IS
'For the DBA: begins the audit log of a project anew, after all its rows in audit_log and audit_ends were removed on purpose. Does nothing while there are rows. create_project() calls it. Errors: 22023, TK005.';

CREATE FUNCTION tarx_keys_internal.hold_audit(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_hold_audit';
COMMENT ON FUNCTION tarx_keys_internal.hold_audit IS
'Internal. Waits for who changes something of the project, and lets nobody begin to until the transaction ends; who only takes away may go on without the log. For a project that moves to another server. Errors: 22023, 25006.';

CREATE FUNCTION tarx_keys_internal.record_audit(project_id uuid, action text, object_id uuid, object_name text, revision integer DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_record_audit';
COMMENT ON FUNCTION tarx_keys_internal.record_audit IS 'Internal. Appends a row for the acting user to the audit log of the project. Errors: TK007, 22023 for an action that is not in src/records/audit_actions.c, TK004 if the end of the log is not what was written, TK005, TK006 if the master key went missing while the transaction was under way.';

CREATE FUNCTION tarx_keys_internal.record_removal(project_id uuid, action text, object_id uuid, object_name text, revision integer DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_record_removal';
COMMENT ON FUNCTION tarx_keys_internal.record_removal IS 'Internal. record_audit() for what was taken away: if the row cannot be appended, a line in the server log takes its place. Errors: TK007, 22023, those of class 40 but 40P01, 53 and 54.';

CREATE FUNCTION tarx_keys.verify_audit(project_id uuid, OUT ok boolean, OUT broken_at bigint, OUT reason text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_verify_audit';
COMMENT ON FUNCTION tarx_keys.verify_audit IS
'For the DBA: whether the audit log of a project is whole and unchanged; if not, the seq at which it breaks (0 for the record of its ends), and why. Of generations whose master key is missing it says so, until purge_unverifiable_audit(). Errors: 22023, TK005.';

CREATE FUNCTION tarx_keys.verify_personal_audit(user_id text, OUT ok boolean, OUT broken_at bigint, OUT reason text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_verify_personal_audit';
COMMENT ON FUNCTION tarx_keys.verify_personal_audit IS
'For the DBA: verify_audit() for the personal rows of a user, which are about platform keys. Errors: 22023, TK005.';

-- Purging: a batch is the first rows of one lane, which it locks like a writer, and
-- is committed. So others go on meanwhile, in other lanes. Where nothing is left to be
-- purged, the index on first_at says so.
CREATE FUNCTION tarx_keys_internal.purge_audit_lane(
    project_id uuid, personal boolean, generation integer, lane integer, before timestamptz, batch_size integer, is_last_try boolean)
RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_purge_audit_lane';
COMMENT ON FUNCTION tarx_keys_internal.purge_audit_lane IS
'Internal. Deletes the first rows of one lane of the audit log that are from before a time, batch_size at most; returns how many. Leaves a lane alone that others hold, or that does not verify; the last try waits for a second, and warns. Errors: TK005, 25006.';

-- The settings make it go through the index, whatever the statistics say. Another batch
-- of the same lane is done again, because the time of its first row may be earlier by now.
CREATE FUNCTION tarx_keys_internal.purge_audit_batch(
    before timestamptz, batch_size integer, after tarx_keys_internal.audit_ends, again boolean, is_last_try boolean,
    OUT reached tarx_keys_internal.audit_ends, OUT purged bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    reached := purge_audit_batch.after;
    IF again IS NOT TRUE THEN
        SELECT e.* INTO reached FROM tarx_keys_internal.audit_ends e
         WHERE e.first_at < purge_audit_batch.before AND (e.project_id, e.personal, e.generation, e.lane) IS NOT NULL
           AND (e.first_at, e.project_id, e.personal, e.generation, e.lane)
             > (coalesce(after.first_at, '-infinity'), coalesce(after.project_id, '00000000-0000-0000-0000-000000000000'),
                coalesce(after.personal, false), coalesce(after.generation, 0), coalesce(after.lane, -1))
         ORDER BY e.first_at, e.project_id, e.personal, e.generation, e.lane LIMIT 1;
    END IF;
    purged := tarx_keys_internal.purge_audit_lane(reached.project_id, reached.personal, reached.generation, reached.lane,
                                                  purge_audit_batch.before, purge_audit_batch.batch_size, purge_audit_batch.is_last_try);
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.purge_audit_batch IS
'Internal. One batch of a purge: of the same lane again, or of the first one behind it that has rows to be purged; returns which, NULL at the end, and how many rows it deleted. Errors: TK005, 25006.';

CREATE FUNCTION tarx_keys_internal.begin_purge(before timestamptz, batch_size integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.require_argument('before', begin_purge.before),
            tarx_keys_internal.require_argument('batch_size', begin_purge.batch_size);
    IF begin_purge.batch_size < 1 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'batch_size',
            MESSAGE = 'batch_size must be at least 1',
            HINT = 'A batch is committed at once; leave batch_size out for 10000 rows.';
    END IF;
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION USING
            ERRCODE = 'read_only_sql_transaction',
            MESSAGE = 'cannot purge the audit log in a read-only transaction',
            HINT = 'Call tarx_keys.purge_audit() on the primary server.';
    END IF;
    PERFORM tarx_keys_internal.log_operation(format('begins to purge the audit log, of rows from before %s', begin_purge.before));
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.begin_purge IS 'Internal. Checks the arguments of purge_audit(), and logs the call. Errors: 22023, 25006.';

-- At most once a second, and at the end. Returns when it last reported. Batches are not
-- flushed when they commit; the last transaction flushes all of them.
CREATE FUNCTION tarx_keys_internal.report_purge(
    purged bigint, row_time timestamptz, started timestamptz, reported timestamptz, at_end boolean)
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    seconds float8 := greatest(extract(epoch FROM clock_timestamp() - report_purge.started), 0.001);
BEGIN
    IF report_purge.at_end THEN
        IF report_purge.purged > 0 THEN
            PERFORM pg_current_xact_id();
        END IF;
        PERFORM tarx_keys_internal.log_operation(format('has purged %s rows of the audit log', report_purge.purged));
        RAISE NOTICE 'purge: % rows', report_purge.purged;
    ELSIF clock_timestamp() < report_purge.reported + interval '1 s' THEN
        RETURN report_purge.reported;
    ELSE
        RAISE NOTICE 'purge: % rows, % rows per second, has come to logs that begin at %',
            report_purge.purged, round(report_purge.purged / seconds), report_purge.row_time;
    END IF;
    RETURN clock_timestamp();
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.report_purge IS 'Internal. Says how far a purge is.';

-- It commits, so it can have neither SECURITY DEFINER nor SET. Therefore it leaves
-- all work to other functions, and names everything with its schema. It goes through
-- the lanes twice: first through those that are free, and then through what is left.
CREATE PROCEDURE tarx_keys.purge_audit(before timestamptz, batch_size integer DEFAULT 10000)
LANGUAGE plpgsql
AS $$
DECLARE
    batch pg_catalog.record;
    reached tarx_keys_internal.audit_ends;
    again pg_catalog.bool;
    last_try pg_catalog.bool;
    purged pg_catalog.int8 := 0;
    started pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    reported pg_catalog.timestamptz := started;
BEGIN
    COMMIT;                     -- fails in a transaction block, before anything is done
    PERFORM tarx_keys_internal.begin_purge(purge_audit.before, purge_audit.batch_size);
    FOREACH last_try IN ARRAY ARRAY[false, true] LOOP
        reached := NULL;
        again := false;
        LOOP
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            SET LOCAL synchronous_commit = off;
            SELECT b.reached, b.purged INTO batch
              FROM tarx_keys_internal.purge_audit_batch(purge_audit.before, purge_audit.batch_size, reached, again, last_try) b;
            EXIT WHEN batch.purged IS NULL;
            reached := batch.reached;
            again := batch.purged OPERATOR(pg_catalog.=) purge_audit.batch_size;
            purged := purged OPERATOR(pg_catalog.+) batch.purged;
            reported := tarx_keys_internal.report_purge(purged, reached.first_at, started, reported, false);
        END LOOP;
    END LOOP;
    COMMIT;
    PERFORM tarx_keys_internal.report_purge(purged, NULL, started, reported, true);
END
$$;
COMMENT ON PROCEDURE tarx_keys.purge_audit IS
'For the DBA: deletes the rows of the audit log from before a time, batch_size rows of one chain in a transaction. What remains can still be verified. It verifies rows before it deletes them; where that fails, it keeps them and warns. It can be cancelled and called again, also by several sessions at once. Errors: 2D000 in a transaction block, 22023, TK005, 25006.';

CREATE FUNCTION tarx_keys.purge_unverifiable_audit(project_id uuid) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_purge_unverifiable_audit';
COMMENT ON FUNCTION tarx_keys.purge_unverifiable_audit IS
'For the DBA: deletes the rows of a project''s audit log that nobody can verify any more, because their master key is lost for good; returns how many. What is missing or was changed stays as it is. Changes wait while it runs. Errors: 22023, TK005, 55P03.';

CREATE FUNCTION tarx_keys.purge_unverifiable_personal_audit(user_id text) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_purge_unverifiable_personal_audit';
COMMENT ON FUNCTION tarx_keys.purge_unverifiable_personal_audit IS
'For the DBA: purge_unverifiable_audit() for the personal rows of a user, which are about platform keys. Errors: 22023, TK005, 55P03.';

-- Who asks for the newest rows gets them by index: audit_log_at, and for the first rows
-- the primary key. The order stands here, because none comes in from outside a
-- security_barrier.
CREATE VIEW tarx_keys.project_audit WITH (security_invoker = true, security_barrier = true) AS
WITH log AS NOT MATERIALIZED (
    SELECT l.at, l.user_id, l.proven, l.login, l.client, l.action, l.project_id, l.object_id, l.object_name, l.revision, l.outcome, l.generation, l.seq
      FROM tarx_keys.audit_log l WHERE NOT l.personal)
SELECT a.at,
       tarx_keys_internal.shown(a.user_id) AS user_id,
       a.proven,
       tarx_keys_internal.shown(a.login) AS login,
       tarx_keys_internal.shown(a.client) AS client,
       tarx_keys_internal.shown(a.action) AS action,
       a.project_id,
       a.object_id,
       tarx_keys_internal.shown(a.object_name) AS object_name,
       a.revision,
       tarx_keys_internal.shown(a.outcome) AS outcome,
       a.seq
  FROM ((SELECT * FROM log WHERE (generation = 1 AND seq <= 100) IS NOT TRUE ORDER BY at DESC)
        UNION ALL
        (SELECT * FROM log WHERE generation = 1 AND seq <= 100 ORDER BY at DESC)) a
 ORDER BY a.at DESC;
COMMENT ON VIEW tarx_keys.project_audit IS 'The audit log of the active project, for its admins';

SELECT pg_extension_config_dump('tarx_keys.audit_log', '');
SELECT pg_extension_config_dump('tarx_keys_internal.audit_ends', '');
