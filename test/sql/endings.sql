-- How lives end: of a project, and of a user.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set internals :include /internals.sql
\set clean_up :include /clean_up.sql
\set purge :include /purge.sql
\set ECHO none
\i :people
\i :internals
\i :purge
CREATE ROLE regress_platform LOGIN;
\set ECHO all
\set QUIET on
-- What comes of calls, with their errors but for the ids in these
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    argument text;
    result text;
BEGIN
    EXECUTE 'SELECT ' || call INTO result;
    RETURN 'done ' || coalesce(result, '');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS argument = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, nullif(argument, ''), regexp_replace(SQLERRM, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'));
END $$;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'key', 'sk-proj-0123456789abcdef') AS key \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'deleted before', 'sk-proj-0123456789abcdef') AS deleted \gset
SELECT tarx_keys.delete_llm_key(:'A', :'deleted');
SELECT tarx_keys.create_agent(:'A', 'agent', :'key') AS agent \gset
SELECT tarx_keys.set_secret(:'A', 'S', 'one');
SELECT tarx_keys.set_secret(:'A', 'S', 'two');
SELECT token AS narrow FROM tarx_keys.create_platform_key('narrow', NULL, ARRAY[:'A'::uuid]) \gset
SELECT token AS reader FROM tarx_keys.create_platform_key('reader', read_only => true) \gset
COMMIT;
RESET ROLE;
CREATE TEMP TABLE backup AS SELECT * FROM tarx_keys.project_llm_keys;
CREATE TEMP TABLE members_backup AS SELECT * FROM tarx_keys.project_members;
INSERT INTO tarx_keys_internal.last_used VALUES (:'A', 'llm_key', :'key', :'A', now()), (:'A', 'secret', (SELECT id FROM tarx_keys.project_secrets WHERE name = 'S'), :'A', now()), (:'B', 'llm_key', :'key', :'A', now());

-- Projects

-- its admins end a project, and nobody else
SET ROLE regress_backend;
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'A'));
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'A'));
SELECT tarx_keys.act_as('carol');
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'A'));
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'nowhere'));
SELECT pg_temp.outcome('tarx_keys.delete_project(NULL)');
SELECT tarx_keys.act_as('bob', :'B');
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'A'));
SELECT user_id FROM tarx_keys.login(:'reader');
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'A'));
ROLLBACK;
SET ROLE regress_agent;
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'A'));
SET ROLE regress_nobody;
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'A'));

-- for who sees it, it is gone at once
SET ROLE regress_login;
BEGIN;
SELECT user_id, role FROM tarx_keys.login(:'narrow', :'A');
SELECT tarx_keys.delete_project(:'A');
SELECT count(*) FROM tarx_keys.projects;
SELECT count(*) FROM tarx_keys.llm_keys;
SELECT pg_temp.outcome(format('tarx_keys.create_agent(%L, %L)', :'A', 'x'));
SELECT pg_temp.outcome('count(*) FROM tarx_keys.project_audit');
COMMIT;
-- and for all others: as a project that does not exist
SET ROLE regress_backend;
BEGIN;
SELECT pg_temp.outcome(format('tarx_keys.act_as(%L, %L)', u, :'A')) = pg_temp.outcome(format('tarx_keys.act_as(%L, %L)', u, :'nowhere')) AS same
  FROM unnest('{alice,bob,carol}'::text[]) u;
SELECT tarx_keys.act_as('alice');
SELECT name FROM tarx_keys.projects;
SELECT project_id FROM tarx_keys.project_members;
SELECT count(*) FROM tarx_keys.secrets;
SELECT pg_temp.outcome(c)
  FROM unnest(ARRAY[
      format('tarx_keys.delete_project(%L)', :'A'),
      format('tarx_keys.rename_project(%L, %L)', :'A', 'x'),
      format('tarx_keys.add_member(%L, %L)', :'A', 'dave'),
      format('tarx_keys.add_llm_key(%L, %L, %L, %L)', :'A', 'openai', 'x', 'sk-proj-0123456789abcdef')]) c;
SELECT pg_temp.outcome(format('user_id FROM tarx_keys.login(%L, %L)', :'narrow', :'A'));
SELECT pg_temp.outcome(format('user_id FROM tarx_keys.login(%L)', :'narrow'));
SELECT name FROM tarx_keys.projects;
ROLLBACK;
-- its id is nobody's any more, whoever asks for it
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'A'));
SELECT tarx_keys.act_as('mallory');
SELECT pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'A'));
ROLLBACK;
-- runners get what they get for what was deleted
SET ROLE regress_agent;
SELECT pg_temp.outcome(c)
  FROM unnest(ARRAY[
      format('tarx_keys.resolve_key(%L, %L)', :'A', :'key'),
      format('tarx_keys.resolve_key(%L, %L)', :'A', :'deleted'),
      format('tarx_keys.models_request(%L, %L)', :'A', :'key'),
      format('tarx_keys.resolve_agent_key(%L, %L)', :'A', :'agent'),
      format('tarx_keys.resolve_secret(%L, %L)', :'A', 'S'),
      format('tarx_keys.render_template(%L, %L)', :'A', '${secrets.S}')]) c;
-- what is left of it: its row, those of its keys, and the audit log, for the DBA
RESET ROLE;
CREATE TEMP VIEW rest AS
SELECT 'keys' AS of, project_id FROM tarx_keys.project_llm_keys WHERE state <> 'deleted'
UNION ALL SELECT 'deleted keys', project_id FROM tarx_keys.project_llm_keys WHERE state = 'deleted'
UNION ALL SELECT 'secrets', project_id FROM tarx_keys.project_secrets
UNION ALL SELECT 'versions', project_id FROM tarx_keys_internal.project_secret_versions
UNION ALL SELECT 'agents', project_id FROM tarx_keys.agents
UNION ALL SELECT 'members', project_id FROM tarx_keys.project_members
UNION ALL SELECT 'last uses', project_id FROM tarx_keys_internal.last_used
UNION ALL SELECT 'audit', project_id FROM tarx_keys.audit_log
UNION ALL SELECT 'audit ends', project_id FROM tarx_keys_internal.audit_ends;
SELECT of, count(*) FROM rest WHERE project_id = :'A' GROUP BY of ORDER BY of;
SELECT name, created_by, ended_by, ended_at <= now() FROM tarx_keys.projects WHERE id = :'A';
SELECT user_id, proven, action, object_id = :'A', object_name FROM tarx_keys.project_audit WHERE project_id = :'A' ORDER BY at DESC LIMIT 1;
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'audit_log';
-- doctor() looks at it
BEGIN;
UPDATE tarx_keys.audit_log SET object_name = 'x' WHERE project_id = :'A' AND action = 'project.delete';
SELECT severity FROM tarx_keys.doctor() WHERE check_name = 'audit_log' AND finding ~ :'A';
ROLLBACK;
-- rows that come back, from a restore say, bring nothing back
BEGIN;
INSERT INTO tarx_keys.project_members SELECT * FROM members_backup WHERE project_id = :'A';
SELECT pg_temp.outcome(format('tarx_keys.resolve_key(%L, %L)', :'A', :'key'));
SET ROLE regress_backend;
SELECT pg_temp.outcome(format('tarx_keys.act_as(%L, %L)', 'alice', :'A'));
SELECT tarx_keys.act_as('alice');
SELECT name FROM tarx_keys.projects;
SELECT pg_temp.outcome(format('tarx_keys.delete_project(%L)', :'A'));
ROLLBACK;

-- purging: for superusers, and only what has ended
SET ROLE regress_backend;
SELECT pg_temp.outcome(format('tarx_keys.purge_project(%L)', :'A'));
SET ROLE regress_agent;
SELECT pg_temp.outcome(format('tarx_keys.purge_project(%L)', :'A'));
SET ROLE tarx_keys_owner;
SELECT pg_temp.outcome(format('tarx_keys.purge_project(%L)', :'A'));
RESET ROLE;
SELECT pg_temp.outcome(c) FROM unnest(ARRAY[format('tarx_keys.purge_project(%L)', :'B'), format('tarx_keys.purge_project(%L)', :'nowhere'), 'tarx_keys.purge_project(NULL)']) c;
SELECT tarx_keys.purge_project(:'A');
SELECT of, count(*) FROM rest WHERE project_id = :'A' GROUP BY of ORDER BY of;
SELECT of, count(*) > 0 FROM rest WHERE project_id = :'B' GROUP BY of ORDER BY of;
SELECT name, created_by, created_at, ended_by, run_epoch, ended_at IS NOT NULL FROM tarx_keys.projects WHERE id = :'A';
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'audit_log';
-- again, which changes nothing
SELECT tarx_keys.purge_project(:'A');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('mallory');
SELECT pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'A'));
ROLLBACK;

-- a project that was deleted as a row leaves its audit log behind: its id is not given
-- to a stranger, who would read that
RESET ROLE;
BEGIN;
DELETE FROM tarx_keys.projects WHERE id = :'B';
SELECT of, count(*) > 0 FROM rest WHERE project_id = :'B' GROUP BY of ORDER BY of;
SELECT tarx_keys.act_as('mallory');
SELECT pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'B'));
SAVEPOINT s;
DELETE FROM tarx_keys.audit_log WHERE project_id = :'B';
SELECT left(pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'B')), 16);
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'B';
SELECT left(pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'B')), 16);
ROLLBACK TO s;
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'B';
SELECT left(pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'B')), 16);
DELETE FROM tarx_keys.audit_log WHERE project_id = :'B';
SELECT left(pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'B')), 16);
ROLLBACK TO s;
-- the DBA purges it as well
SELECT tarx_keys.purge_project(:'B');
SELECT of, count(*) FROM rest WHERE project_id = :'B' GROUP BY of ORDER BY of;
SELECT name, run_epoch, ended_at = now() FROM tarx_keys.projects WHERE id = :'B';
SELECT left(pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'B')), 16);
ROLLBACK;
-- somebody's own chain is no project's past
SELECT tarx_keys_internal.personal_chain('alice') AS chain \gset
BEGIN;
SELECT count(*) > 0 FROM tarx_keys.audit_log WHERE project_id = :'chain';
SELECT tarx_keys.act_as('mallory');
SELECT pg_temp.outcome(format('tarx_keys.create_project(%L, %L)', 'x', :'chain')) = 'done ' || :'chain';
SELECT tarx_keys.delete_project(:'chain');
SELECT tarx_keys.purge_project(:'chain');
SELECT count(*) > 0 FROM tarx_keys.audit_log WHERE project_id = :'chain';
SELECT ok FROM tarx_keys.verify_personal_audit('alice');
ROLLBACK;

-- Users

-- A, anew: alice is admin, bob is a member; in B both bob and carol are admins
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_project('Project A') AS "A" \gset
SELECT tarx_keys.add_member(:'A', 'bob');
SELECT token AS alice FROM tarx_keys.create_platform_key('alice''s') \gset
SELECT tarx_keys.create_project('Alone') AS alone \gset
SELECT tarx_keys.act_as('bob');
SELECT id AS revoked FROM tarx_keys.create_platform_key('revoked before') \gset
SELECT tarx_keys.revoke_platform_key(:'revoked');
SELECT token AS first FROM tarx_keys.create_platform_key('first') \gset
SELECT token AS second FROM tarx_keys.create_platform_key('second', now() + '1 day', ARRAY[:'A'::uuid], true) \gset
COMMIT;
RESET ROLE;
CREATE TEMP VIEW members AS
SELECT p.name AS project, string_agg(m.user_id || ' ' || m.role, ', ' ORDER BY m.user_id) AS members
  FROM tarx_keys.projects p JOIN tarx_keys.project_members m ON m.project_id = p.id GROUP BY p.id;
CREATE TEMP VIEW keys AS
SELECT user_id, name, revoked_at IS NOT NULL AS revoked FROM tarx_keys.platform_api_keys;
CREATE TEMP VIEW latest AS
SELECT a.personal, p.name AS project, a.user_id, a.proven, a.login, a.action,
       CASE WHEN a.action <> 'audit.new_generation' THEN a.object_name END AS object_name
  FROM tarx_keys.audit_log a LEFT JOIN tarx_keys.projects p ON p.id = a.project_id WHERE a.at >= now();

-- nobody may end users, until the DBA says so
SET ROLE regress_backend;
SELECT pg_temp.outcome('tarx_keys.end_user(''bob'')');
SET ROLE regress_login;
SELECT pg_temp.outcome('tarx_keys.end_user(''bob'')');
SET ROLE regress_agent;
SELECT pg_temp.outcome('tarx_keys.end_user(''bob'')');
RESET ROLE;
GRANT USAGE ON SCHEMA tarx_keys TO regress_platform;
GRANT EXECUTE ON FUNCTION tarx_keys.end_user TO regress_platform;
SELECT check_name, severity, finding, advice FROM tarx_keys.doctor() WHERE finding ~ 'end_user|end any user';
BEGIN;
CREATE ROLE regress_group;
CREATE ROLE regress_collector LOGIN IN ROLE tarx_keys_auditor;
CREATE ROLE regress_owning LOGIN IN ROLE tarx_keys_owner;
GRANT regress_group TO regress_backend, regress_collector;
GRANT EXECUTE ON FUNCTION tarx_keys.end_user TO regress_group WITH GRANT OPTION;
SELECT check_name, severity, finding, advice FROM tarx_keys.doctor() WHERE finding ~ 'end_user|end any user';
ROLLBACK;

-- without an acting user, and where act_as() is refused
SET tarx_keys.require_login = on;
BEGIN;
SET SESSION AUTHORIZATION regress_platform;
SELECT pg_temp.outcome(c) FROM unnest('{"NULL, ''dave''","''''","E''\\n''","repeat(''x'', 201)","''bob'', ''''","''bob'', ''bob''"}'::text[]) a, format('tarx_keys.end_user(%s)', a) c;
-- somebody unknown, or who has nothing
SELECT * FROM tarx_keys.end_user('nobody');
SELECT * FROM tarx_keys.end_user('bob');
-- again, which finds nothing to do
SELECT * FROM tarx_keys.end_user('bob');
RESET SESSION AUTHORIZATION;
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id();
SELECT pg_temp.outcome(format('user_id FROM tarx_keys.login(%L)', t)) FROM (VALUES (:'first'), (:'second')) AS v (t);
SELECT * FROM members ORDER BY project;
SELECT * FROM keys ORDER BY user_id, name;
SELECT * FROM latest ORDER BY personal, project, action, object_name;
SELECT (tarx_keys.verify_audit(p.id)).* FROM tarx_keys.projects p;
SELECT * FROM tarx_keys.verify_personal_audit('bob');
ROLLBACK;

-- the last admin stays, and with all else that is theirs
BEGIN;
SET SESSION AUTHORIZATION regress_platform;
SELECT pg_temp.outcome('tarx_keys.end_user(''alice'')') ~ '^23514 the user is the last admin of projects: ("Alone" \(…\), "Project A" \(…\)|"Project A" \(…\), "Alone" \(…\))$';
-- under require_login only superusers say who comes after them
SELECT pg_temp.outcome('tarx_keys.end_user(''alice'', ''dave'')');
SELECT pg_temp.outcome('tarx_keys.end_user(''bob'', ''dave'')');
RESET SESSION AUTHORIZATION;
SELECT * FROM members ORDER BY project;
SELECT * FROM keys ORDER BY user_id, name;
SELECT count(*) FROM latest;
-- whoever they are at present
SET ROLE regress_platform;
SELECT * FROM tarx_keys.end_user('alice', 'bob');
RESET ROLE;
SELECT * FROM members ORDER BY project;
SELECT * FROM keys WHERE user_id = 'alice' ORDER BY name;
SELECT * FROM latest ORDER BY personal, project, action, object_name;
SELECT (tarx_keys.verify_audit(p.id)).ok FROM tarx_keys.projects p;
ROLLBACK;
-- a successor comes only where the user was the last admin
BEGIN;
SELECT * FROM tarx_keys.end_user('bob', 'dave');
SELECT * FROM members ORDER BY project;
ROLLBACK;
-- without require_login, whoever may end users
RESET tarx_keys.require_login;
BEGIN;
SET SESSION AUTHORIZATION regress_platform;
SELECT * FROM tarx_keys.end_user('alice', 'dave');
RESET SESSION AUTHORIZATION;
SELECT * FROM members ORDER BY project;
ROLLBACK;

-- who acts in the transaction, acts on afterwards
BEGIN;
SELECT tarx_keys.act_as('carol', :'B');
SELECT * FROM tarx_keys.end_user('bob');
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id() = :'B';
SELECT tarx_keys.create_agent(:'B', 'x') IS NOT NULL;
SELECT pg_temp.outcome(format('tarx_keys.create_agent(%L, %L)', :'A', 'x'));
SELECT pg_temp.outcome('tarx_keys.end_user(''carol'')') ~ '^23514';
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id() = :'B';
ROLLBACK;

-- audit logs that cannot be extended keep nobody in: a project's, and the user's own;
-- one whose master key is missing goes on in a new generation. But nobody becomes admin
-- without a row: that project is left alone
BEGIN;
\set VERBOSITY sqlstate
UPDATE tarx_keys_internal.audit_ends SET last_stamp = set_byte(last_stamp, 0, get_byte(last_stamp, 0) # 1) WHERE project_id = :'A';
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = tarx_keys_internal.personal_chain('alice') AND personal;
UPDATE tarx_keys_internal.audit_ends SET sealed_key = set_byte(sealed_key, 1, get_byte(sealed_key, 1) # 1) WHERE project_id = :'alone';
SELECT * FROM tarx_keys.end_user('alice', 'dave');
SELECT * FROM tarx_keys.end_user('bob');
SELECT * FROM members ORDER BY project;
SELECT * FROM keys WHERE NOT revoked;
SELECT * FROM latest ORDER BY personal, project, action, object_name;
\set VERBOSITY default
ROLLBACK;

-- a membership in a project that has ended, put back by somebody, ends as well
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.delete_project(:'alone');
INSERT INTO tarx_keys.project_members VALUES (:'alone', 'bob', gen_random_uuid(), 'admin', NULL, 1, now(), '');
SELECT * FROM tarx_keys.end_user('bob');
SELECT count(*) FROM tarx_keys.project_members WHERE user_id = 'bob';
ROLLBACK;

-- many projects are named as far as people read
BEGIN;
SELECT tarx_keys.act_as('erin');
SELECT count(tarx_keys.create_project('Project ' || n)) FROM generate_series(1, 105) n;
SELECT substring(pg_temp.outcome('tarx_keys.end_user(''erin'')') FROM '.{11}$');
ROLLBACK;

-- many keys are logged at once: the end of their chain is written once
BEGIN;
SELECT tarx_keys.act_as('erin');
SELECT count((tarx_keys.create_platform_key('key ' || n)).id) FROM generate_series(1, 50) n;
COMMIT;
BEGIN;
SELECT n_tup_upd AS before FROM pg_stat_xact_all_tables WHERE relid = 'tarx_keys_internal.audit_ends'::regclass \gset
SELECT * FROM tarx_keys.end_user('erin');
SELECT n_tup_upd - :before FROM pg_stat_xact_all_tables WHERE relid = 'tarx_keys_internal.audit_ends'::regclass;
SELECT count(DISTINCT object_name) FROM tarx_keys.audit_log WHERE at >= now() AND personal AND action = 'platform_key.revoke';
SELECT * FROM tarx_keys.verify_personal_audit('erin');
COMMIT;
DELETE FROM tarx_keys.platform_api_keys WHERE user_id = 'erin';

-- many projects are left call by call, and the warning names the rest
BEGIN;
SELECT tarx_keys.act_as('erin');
SELECT count(tarx_keys.create_project('Project ' || n)) FROM generate_series(1, 503) n;
\set VERBOSITY sqlstate
-- not before all have another admin
SELECT substring(pg_temp.outcome('tarx_keys.end_user(''erin'')') FROM '.{11}$');
SELECT * FROM tarx_keys.end_user('erin', 'frank');
SELECT * FROM tarx_keys.end_user('erin', 'frank');
SELECT * FROM tarx_keys.end_user('erin', 'frank');
\set VERBOSITY default
ROLLBACK;

-- what is left of a user who has ended, and how a DBA removes it
BEGIN;
SELECT * FROM tarx_keys.end_user('bob');
CREATE FUNCTION pg_temp.places(id text) RETURNS TABLE (place text, rows bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR place IN
        SELECT format('%s.%I', c.oid::regclass, a.attname)
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND c.relkind = 'r' AND a.atttypid = 'text'::regtype
         ORDER BY 1
    LOOP
        EXECUTE format('SELECT count(*) FROM %s WHERE %s = $1', regexp_replace(place, '\.[^.]+$', ''), regexp_replace(place, '^.*\.', '')) INTO rows USING id;
        IF rows > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
SELECT * FROM pg_temp.places('bob');
-- of one who has done everything
SELECT tarx_keys.act_as('frank');
SELECT tarx_keys.create_project('Frank''s') AS franks \gset
SELECT tarx_keys.create_project('Deleted') AS gone \gset
SELECT tarx_keys.delete_project(:'gone');
SELECT tarx_keys.delete_llm_key(:'franks', tarx_keys.add_llm_key(:'franks', 'openai', 'key', 'sk-proj-0123456789abcdef'));
SELECT count(tarx_keys.add_llm_key(:'franks', 'openai', 'key', 'sk-proj-0123456789abcdef'));
SELECT count(tarx_keys.create_agent(:'franks', 'agent'));
SELECT tarx_keys.set_secret(:'franks', 'S', 'one') + tarx_keys.set_secret(:'franks', 'S', 'two');
SELECT count(*) FROM tarx_keys.create_platform_key('key');
SELECT * FROM tarx_keys.end_user('frank', 'erin');
SELECT place FROM pg_temp.places('frank');
DELETE FROM tarx_keys.platform_api_keys WHERE revoked_at IS NOT NULL;
DELETE FROM tarx_keys_internal.ended_users;
SELECT pg_temp.purge_audit('infinity') > 0;
SELECT * FROM pg_temp.places('bob');
SELECT ok FROM tarx_keys.verify_personal_audit('bob');
-- somebody with this id can come again
SELECT tarx_keys.act_as('bob');
SELECT count(*) FROM tarx_keys.create_platform_key('again');
SELECT ok FROM tarx_keys.verify_personal_audit('bob');
ROLLBACK;

-- clean up
\set ECHO none
DROP VIEW rest, members, keys, latest;
DROP TABLE backup;
DROP FUNCTION pg_temp.outcome(text);
DROP OWNED BY regress_platform;
DROP ROLE regress_platform;
\i :clean_up
