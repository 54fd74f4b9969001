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
-- the newest rows of a project, of all lanes
CREATE INDEX audit_log_at ON tarx_keys.audit_log (project_id, at) WHERE NOT personal;
ALTER TABLE tarx_keys.audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY admins_read ON tarx_keys.audit_log FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (NOT personal AND project_id = tarx_keys_internal.audited_project_id());
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
COMMENT ON COLUMN tarx_keys.audit_log.seq IS 'The row follows row seq - 4 in its chain, because a project has four chains';
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
    first_seq bigint NOT NULL,
    first_stamp bytea NOT NULL,
    last_seq bigint NOT NULL,
    last_stamp bytea NOT NULL,
    sealed_key bytea NOT NULL,
    PRIMARY KEY (project_id, personal, generation, lane)
) WITH (fillfactor = 50);
ALTER TABLE tarx_keys_internal.audit_ends ALTER COLUMN sealed_key SET STATISTICS 0;
ALTER TABLE tarx_keys_internal.audit_ends ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_in_project ON tarx_keys_internal.audit_ends TO tarx_keys_owner
    USING (project_id = CASE WHEN personal THEN tarx_keys_internal.personal_chain(tarx_keys.current_user_id())
                             ELSE tarx_keys.current_project_id() END);
CREATE POLICY owner_in_maintenance ON tarx_keys_internal.audit_ends TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys_internal.audit_ends IS 'Where each chain of the audit log begins and ends; a project has several chains, so that its writers need not wait for each other';
COMMENT ON COLUMN tarx_keys_internal.audit_ends.sealed_key IS 'The key of the chain''s stamps, sealed with a master key and bound to the other columns';

CREATE FUNCTION tarx_keys.begin_audit(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_begin_audit';
COMMENT ON FUNCTION tarx_keys.begin_audit IS
'For the DBA: begins the audit log of a project anew, after all its rows in audit_log and audit_ends were removed on purpose. Does nothing while there are rows. create_project() calls it. Errors: 22023, TK005.';

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

CREATE FUNCTION tarx_keys.purge_audit(before timestamptz) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_purge_audit';
COMMENT ON FUNCTION tarx_keys.purge_audit IS
'For the owner: deletes the rows of the audit log from before a time; returns how many. What remains can still be verified. It verifies rows before it deletes them; where that fails, it keeps the rows and warns. Changes wait while it runs. Errors: 22023, TK005, 55P03 if other transactions hold the log for more than a second.';

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

CREATE VIEW tarx_keys.project_audit WITH (security_invoker = true, security_barrier = true) AS
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
  FROM tarx_keys.audit_log a
 WHERE NOT a.personal
 -- who asks for the newest rows gets them by index: the order does not come in from outside a security_barrier
 ORDER BY a.at DESC;
COMMENT ON VIEW tarx_keys.project_audit IS 'The audit log of the active project, for its admins';

SELECT pg_extension_config_dump('tarx_keys.audit_log', '');
SELECT pg_extension_config_dump('tarx_keys_internal.audit_ends', '');
