-- Service accounts: users that a project has for its programs.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set outcome :include /outcome.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :outcome
\set ECHO all
\set QUIET on
SET ROLE regress_backend;

-- an admin makes one, and a key of it; the list of members has its name
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_service_account(:'A', 'Nightly build') AS build \gset
SELECT tarx_keys.create_service_account(:'A', 'Watcher', 'viewer') AS watcher \gset
SELECT tarx_keys.create_service_account(:'A', 'Robot', 'admin') AS robot \gset
SELECT :'build' ~ '^sa:[0-9a-f-]{36}$', :'build' <> :'watcher';
SELECT user_id ~ '^sa:', role, service_account, revision FROM tarx_keys.project_members ORDER BY service_account, user_id;
SELECT id AS build_key, token AS build_token FROM tarx_keys.create_service_account_key(:'A', :'build', 'CI') \gset
SELECT id AS watcher_key, token AS watcher_token FROM tarx_keys.create_service_account_key(:'A', :'watcher', 'Dashboard', '2100-01-01') \gset
SELECT id AS robot_key, token AS robot_token FROM tarx_keys.create_service_account_key(:'A', :'robot', 'Robot', 'infinity') \gset
SELECT user_id, action, replace(object_name, :'build', 'BUILD'), revision FROM tarx_keys.project_audit
 WHERE object_id IN (SELECT id FROM tarx_keys.project_members WHERE user_id = :'build') OR object_id = :'build_key' ORDER BY action;
COMMIT;

-- the key logs in as the account, in this project alone
SELECT left(:'build_token', 8);
BEGIN;
SELECT user_id = :'build', role FROM tarx_keys.login(:'build_token', :'A');
SELECT tarx_keys.create_agent(:'A', 'by a program') IS NOT NULL;
SELECT outcome(format('tarx_keys.set_secret(%L, ''X'', ''x'')', :'A'));
SELECT name, expires_at, project_ids = ARRAY[:'A'::uuid], read_only, created_with, status FROM tarx_keys.platform_keys;
ROLLBACK;
BEGIN;
SELECT user_id = :'watcher', role FROM tarx_keys.login(:'watcher_token');
SELECT name FROM tarx_keys.projects;
SELECT outcome(format('tarx_keys.create_agent(%L, ''x'')', :'A'));
SELECT outcome(format('tarx_keys.create_project(''x'', %L)', :'nowhere'));
ROLLBACK;
SELECT outcome(format('tarx_keys.login(%L, %L)', :'build_token', :'B'));
-- also where it would be a member of another one
RESET ROLE;
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO tarx_keys.project_members SELECT :'B', user_id, id, role, service_account, revision, added_at,
       tarx_keys_internal.member_stamp(:'B', user_id, id, role, service_account, revision, added_at)
  FROM tarx_keys.project_members WHERE user_id = :'build';
SELECT outcome(format('tarx_keys.login(%L, %L)', :'build_token', :'B'));
ROLLBACK;
SET ROLE regress_backend;

-- it makes no platform keys, also as an admin, and no service accounts; admins have the rest
BEGIN;
SELECT role FROM tarx_keys.login(:'robot_token', :'A');
SELECT outcome('tarx_keys.create_platform_key(''x'')');
SELECT outcome(format('tarx_keys.revoke_platform_key(%L)', :'robot_key'));
SELECT outcome(format('tarx_keys.create_service_account(%L, ''x'')', :'A'));
SELECT outcome(format('tarx_keys.create_service_account_key(%L, %L, ''x'', NULL)', :'A', :'robot'));
SELECT outcome(format('tarx_keys.add_member(%L, ''erin'')', :'A'));
SELECT outcome(format('tarx_keys.delete_service_account(%L, %L)', :'A', :'watcher'));
ROLLBACK;

-- nobody else is it
SELECT outcome(c) FROM (VALUES
    (format('tarx_keys.act_as(%L)', :'build')), (format('tarx_keys.act_as(%L, %L)', :'build', :'A')), ('tarx_keys.act_as(''sa:'')'),
    ('tarx_keys.act_as(''sa'')'), ('tarx_keys.act_as(''SA:x'')')) AS c (c);
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT outcome(format('tarx_keys.add_member(%L, %L, ''admin'')', :'A', :'build'));
SELECT outcome(format('tarx_keys.add_member(%L, ''sa:mine'')', :'A'));
SELECT outcome(format('tarx_keys.remove_member(%L, %L)', :'A', :'build'));
ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(:'A', :'build'); ROLLBACK;

-- what is refused
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT call, outcome('tarx_keys.' || format(call, :'A', :'build')) FROM (VALUES
    ('create_service_account(%L, NULL)'), ('create_service_account(%L, '' x'')'), ('create_service_account(%L, ''x'', ''owner'')'),
    ('create_service_account(%L, ''x'', NULL)'), ('create_service_account(NULL, ''x'')'),
    ('create_service_account_key(%L, %L, NULL)'), ('create_service_account_key(%L, %L, ''x'', ''2001-01-01'')'),
    ('create_service_account_key(%L, ''bob'', ''x'')'), ('create_service_account_key(%L, ''sa:none'', ''x'')'), ('create_service_account_key(%L, NULL, ''x'')'),
    ('delete_service_account(%L, ''bob'')'), ('delete_service_account(%L, ''sa:none'')'), ('delete_service_account(%L, NULL)')) AS c (call);
-- another project's is none of ours, and members are no admins
SELECT tarx_keys.act_as('carol');
SELECT outcome(format('tarx_keys.create_service_account_key(%L, %L, ''x'')', :'B', :'build'));
SELECT outcome(format('tarx_keys.delete_service_account(%L, %L)', :'B', :'build'));
SELECT outcome(format('tarx_keys.delete_service_account(%L, %L)', :'A', :'build'));
SELECT tarx_keys.act_as('bob');
SELECT outcome(format('tarx_keys.create_service_account(%L, ''x'')', :'A'));
SELECT outcome(format('tarx_keys.create_service_account_key(%L, %L, ''x'')', :'A', :'build'));
SELECT outcome(format('tarx_keys.delete_service_account(%L, %L)', :'A', :'build'));
ROLLBACK;

-- a service account is no admin who answers for the project
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT outcome(format('tarx_keys.remove_member(%L, ''alice'')', :'A'));
ROLLBACK;

-- its name and role are bound
RESET ROLE;
BEGIN;
UPDATE tarx_keys.project_members SET service_account = 'Robot' WHERE user_id = :'build';
SELECT name = :'build', status FROM tarx_keys.verify_keys(:'A') WHERE kind = 'member' AND status <> 'ok';
SELECT outcome(format('tarx_keys.login(%L, %L)', :'build_token', :'A'));
ROLLBACK;

-- it goes on when the admin's platform key ends, which has made it
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT token AS alice, id AS alice_key FROM tarx_keys.create_platform_key('x', now() + interval '1 day') \gset
SELECT user_id FROM tarx_keys.login(:'alice', :'A');
SELECT token FROM tarx_keys.create_service_account_key(:'A', :'build', 'later', 'infinity') \gset
COMMIT;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.revoke_platform_key(:'alice_key');
COMMIT;
BEGIN; SELECT role FROM tarx_keys.login(:'token', :'A'); ROLLBACK;
-- a read-only key makes none
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT token AS reader FROM tarx_keys.create_platform_key('x', read_only => true) \gset
SELECT user_id FROM tarx_keys.login(:'reader');
SELECT outcome(format('tarx_keys.create_service_account(%L, ''x'')', :'A'));
ROLLBACK;

-- its end: membership and keys, for good, also in transactions that are open
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.delete_service_account(:'A', :'build');
SELECT outcome(format('tarx_keys.delete_service_account(%L, %L)', :'A', :'build'));
SELECT action, replace(object_name, :'build', 'BUILD') FROM tarx_keys.project_audit WHERE action ~ '(delete|remove)$' ORDER BY action DESC;
SELECT service_account FROM tarx_keys.project_members WHERE service_account IS NOT NULL ORDER BY 1;
COMMIT;
SELECT outcome(format('tarx_keys.login(%L)', t)) FROM unnest(ARRAY[:'build_token', :'token']) t;
RESET ROLE;
SELECT name, revoked_at IS NOT NULL, token_hash, stamp FROM tarx_keys.platform_api_keys WHERE user_id = :'build' ORDER BY name;
SELECT ok, reason FROM tarx_keys.verify_audit(:'A');
SELECT ok, reason FROM tarx_keys.verify_personal_audit(:'build');
SELECT ok, reason FROM tarx_keys.verify_personal_audit(:'watcher');
SELECT user_id = :'build', action, object_name FROM tarx_keys.audit_log
 WHERE personal AND project_id = tarx_keys_internal.personal_chain(:'build') ORDER BY action, object_name;

-- one that is put back is older
BEGIN;
INSERT INTO tarx_keys.project_members SELECT :'A', :'build', a.object_id, 'member', 'Nightly build', 1, now(),
       tarx_keys_internal.member_stamp(:'A', :'build', a.object_id, 'member', 'Nightly build', 1, now())
  FROM tarx_keys.audit_log a WHERE a.action = 'member.remove';
SELECT kind, status FROM tarx_keys.verify_keys(:'A') WHERE status <> 'ok';
ROLLBACK;

-- the platform ends one as any user
BEGIN;
SELECT * FROM tarx_keys.end_user(:'watcher');
SELECT outcome(format('tarx_keys.login(%L)', :'watcher_token'));
SELECT outcome(format('tarx_keys.end_user(''alice'', %L)', :'robot'));
ROLLBACK;

-- so many, because the end of a project ends them all
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT count(tarx_keys.create_service_account(:'A', 'n ' || n)) FROM generate_series(1, 98) n;
SELECT tarx_keys.create_service_account(:'A', 'too many');
ROLLBACK;

-- the end of a project ends them, and a purge removes the rest
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.delete_project(:'A');
SELECT outcome(format('tarx_keys.login(%L)', t)) FROM unnest(ARRAY[:'robot_token', :'watcher_token']) t;
SELECT count(*), count(token_hash) FROM tarx_keys.platform_api_keys WHERE user_id ~ '^sa:';
SELECT tarx_keys.purge_project(:'A');
SELECT count(*) FROM tarx_keys.platform_api_keys WHERE user_id ~ '^sa:';
SELECT count(*) FROM tarx_keys.audit_log WHERE personal AND project_id IN (SELECT tarx_keys_internal.personal_chain(u) FROM unnest(ARRAY[:'build', :'robot']) u);
SELECT count(*) FROM tarx_keys.platform_api_keys WHERE user_id = 'alice';
ROLLBACK;
DROP FUNCTION outcome;
\i :clean_up
