-- The version of a project: what raises it, what does not, and who may ask.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
-- the SQLSTATE and text of a call's error, or its result; an error takes back what the call has done
CREATE FUNCTION pg_temp.attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    message text;
    hint text;
BEGIN
    EXECUTE call INTO result;
    RETURN coalesce(result, 'nothing');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    IF hint = '' AND SQLSTATE <> '42501' THEN
        RAISE WARNING 'without a hint: %', message;
    END IF;
    RETURN SQLSTATE || ' ' || message;
END $$;
CREATE TABLE seen (project uuid PRIMARY KEY, version bigint NOT NULL);
-- whether a call raises the version of project A, and leaves that of B
CREATE FUNCTION pg_temp.version(project uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    RETURN tarx_keys.project_version(project);
END $$;
CREATE FUNCTION pg_temp.rises(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a CONSTANT uuid := 'aaaaaaaa-0000-4000-8000-000000000001';
    b CONSTANT uuid := 'bbbbbbbb-0000-4000-8000-000000000002';
    a_before bigint := pg_temp.version(a);
    b_before bigint := pg_temp.version(b);
BEGIN
    EXECUTE call;
    RETURN CASE sign(pg_temp.version(a) - a_before) WHEN 1 THEN 'rises' WHEN 0 THEN 'stays' ELSE 'falls' END
        || CASE WHEN pg_temp.version(b) = b_before THEN '' ELSE ', and so does the other project''s' END;
END $$;
GRANT EXECUTE ON FUNCTION pg_temp.attempt, pg_temp.rises, pg_temp.version TO PUBLIC;
\set ECHO all

-- every change of keys, secrets, agents and members raises it
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT pg_temp.rises($$SELECT tarx_keys.add_llm_key('aaaaaaaa-0000-4000-8000-000000000001', 'mistral', 'key', 'abcdefghijklmnopqrstuvwxyz012345')$$);
SELECT id AS key FROM tarx_keys.llm_keys WHERE name = 'key' \gset
SELECT pg_temp.rises(format('SELECT tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'key', '{"priority": 5}'));
SELECT pg_temp.rises(format('SELECT tarx_keys.replace_llm_key(%L, %L, %L)', :'A', :'key', 'abcdefghijklmnopqrstuvwxyz543210'));
SELECT pg_temp.rises(format('SELECT tarx_keys.delete_llm_key(%L, %L)', :'A', :'key'));
SELECT pg_temp.rises(format('SELECT tarx_keys.set_secret(%L, %L, %L)', :'A', 'TOKEN', 'a value'));
SELECT pg_temp.rises(format('SELECT tarx_keys.set_secret(%L, %L, %L)', :'A', 'TOKEN', 'another value'));
SELECT pg_temp.rises(format('SELECT tarx_keys.restore_secret(%L, %L, 1)', :'A', 'TOKEN'));
SELECT pg_temp.rises(format('SELECT tarx_keys.rename_secret(%L, %L, %L)', :'A', 'TOKEN', 'TOKEN_2'));
SELECT pg_temp.rises(format('SELECT tarx_keys.describe_secret(%L, %L, %L)', :'A', 'TOKEN_2', 'of the crawler'));
SELECT pg_temp.rises(format('SELECT tarx_keys.delete_secret(%L, %L)', :'A', 'TOKEN_2'));
SELECT pg_temp.rises(format('SELECT tarx_keys.create_agent(%L, %L)', :'A', 'agent'));
SELECT id AS agent FROM tarx_keys.agents WHERE name = 'agent' \gset
SELECT id AS key FROM tarx_keys.llm_keys WHERE name = 'key' \gset
SELECT pg_temp.rises(format('SELECT tarx_keys.set_agent_key(%L, %L, %L)', :'A', :'agent', :'key'));
SELECT pg_temp.rises(format('SELECT tarx_keys.set_agent_provider(%L, %L, %L)', :'A', :'agent', 'mistral'));
SELECT pg_temp.rises(format('SELECT tarx_keys.rename_agent(%L, %L, %L)', :'A', :'agent', 'crawler'));
SELECT pg_temp.rises(format('SELECT tarx_keys.delete_agent(%L, %L)', :'A', :'agent'));
SELECT pg_temp.rises(format('SELECT tarx_keys.add_member(%L, %L)', :'A', 'dave'));
SELECT pg_temp.rises(format('SELECT tarx_keys.add_member(%L, %L, %L)', :'A', 'dave', 'key_manager'));
SELECT pg_temp.rises(format('SELECT tarx_keys.remove_member(%L, %L)', :'A', 'dave'));
COMMIT;

-- what changes nothing leaves it
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT pg_temp.rises('SELECT count(*) FROM tarx_keys.llm_keys');
SELECT pg_temp.rises($$SELECT tarx_keys.create_platform_key('laptop')$$);
COMMIT;
RESET ROLE;
SELECT pg_temp.rises(format('SELECT r.name FROM tarx_keys.resolve_key(%L, %L) r', :'A', :'key'));
SELECT pg_temp.rises(format('SELECT tarx_keys.report_key(%L, %L, %L)', :'A', :'key', 'rate_limited'));

-- a removal that the log cannot record raises it all the same
SELECT tarx_keys.project_version(:'A') AS before \gset
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET last_stamp = sha256('') WHERE project_id = :'A' AND NOT personal;
SET LOCAL ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT pg_temp.rises(format('SELECT tarx_keys.delete_llm_key(%L, %L)', :'A', :'key'));
SELECT pg_temp.rises(format('SELECT tarx_keys.remove_member(%L, %L)', :'A', 'bob'));
RESET ROLE;
SELECT count(*), count(DISTINCT project_id) FROM tarx_keys_internal.unlogged_removals;
-- one of a personal log belongs to no project
UPDATE tarx_keys_internal.audit_ends SET last_stamp = sha256('') WHERE personal;
SET LOCAL ROLE regress_backend;
SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE name = 'laptop';
RESET ROLE;
SELECT count(*) FROM tarx_keys_internal.unlogged_removals;
ROLLBACK;
SELECT tarx_keys.project_version(:'A') = :before;

-- lanes are added up, those of the newest generation; what somebody has written does not stop it
BEGIN;
INSERT INTO tarx_keys_internal.audit_ends
SELECT project_id, personal, generation, 2, lanes_seen, first_seq, first_at, 1000, first_stamp, last_stamp, sealed_key
  FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND NOT personal;
SELECT tarx_keys.project_version(:'A') - :before;
INSERT INTO tarx_keys_internal.audit_ends
SELECT project_id, personal, 7, lane, lanes_seen, first_seq, first_at, 77 + lane, first_stamp, last_stamp, sealed_key
  FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND NOT personal;
SELECT tarx_keys.project_version(:'A');
UPDATE tarx_keys_internal.audit_ends SET last_seq = CASE lane WHEN 0 THEN -5 ELSE 9223372036854775807 END WHERE project_id = :'A' AND generation = 7;
SELECT tarx_keys.project_version(:'A');
UPDATE tarx_keys_internal.audit_ends SET last_seq = 9223372036854775807 WHERE project_id = :'A' AND generation = 7;
SELECT tarx_keys.project_version(:'A');
ROLLBACK;
-- and it is found without the index as well
BEGIN;
ALTER TABLE tarx_keys_internal.audit_ends DROP CONSTRAINT audit_ends_pkey;
SELECT tarx_keys.project_version(:'A') = :before;
-- also where rows of an older generation come last
INSERT INTO tarx_keys_internal.audit_ends
SELECT project_id, personal, 7, lane, lanes_seen, first_seq, first_at, 77, first_stamp, last_stamp, sealed_key
  FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND NOT personal;
INSERT INTO tarx_keys_internal.audit_ends
SELECT project_id, personal, 1, 2, lanes_seen, first_seq, first_at, 1000, first_stamp, last_stamp, sealed_key
  FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND NOT personal AND generation = 7;
SELECT tarx_keys.project_version(:'A');
ROLLBACK;

-- who may ask: runners, any project that there is
SET ROLE regress_agent;
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L) > 0', :'A'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L) > 0', :'B'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'nowhere'));
SELECT pg_temp.attempt('SELECT tarx_keys.project_version(NULL)');
-- only in a run, where tickets are required
RESET ROLE;
SET tarx_keys.require_run_ticket = on;
SET ROLE regress_agent;
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'A'));
RESET ROLE;
RESET tarx_keys.require_run_ticket;
-- members, their own projects; another one looks as one that is not there
SET ROLE regress_backend;
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'A'));
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L) > 0', :'A'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'B'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'nowhere'));
SELECT tarx_keys.act_as('bob', :'A');
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L) > 0', :'A'));
-- a member of both has made one the active project
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'B'));
COMMIT;
SET ROLE regress_nobody;
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'A'));

-- a project that has ended is not there any more
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.delete_project(:'B');
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'B'));
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.attempt(format('SELECT tarx_keys.project_version(%L)', :'B'));
RESET ROLE;

-- an auditor reads the log of all projects, and nothing else
CREATE ROLE regress_auditor LOGIN IN ROLE tarx_keys_auditor;
SET ROLE regress_auditor;
SELECT count(DISTINCT project_id) FILTER (WHERE NOT personal) AS projects, bool_or(personal) AS personal_too FROM tarx_keys.audit_log;
SELECT pg_temp.attempt('SELECT count(*) FROM tarx_keys.' || name)
  FROM unnest(ARRAY['llm_keys', 'secrets', 'projects', 'project_members', 'agents', 'platform_keys', 'project_audit', 'project_llm_keys']) name;
SELECT pg_temp.attempt(call) FROM unnest(ARRAY['DELETE FROM tarx_keys.audit_log', 'UPDATE tarx_keys.audit_log SET at = now()',
    'INSERT INTO tarx_keys.audit_log SELECT * FROM tarx_keys.audit_log', 'SELECT tarx_keys.project_version(gen_random_uuid())']) call;
RESET ROLE;
DROP ROLE regress_auditor;
\set ECHO none
\i :clean_up
