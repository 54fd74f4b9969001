-- Projects and their members.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
-- the creator is the first admin, and only members see the project
BEGIN;
SELECT tarx_keys.act_as('dave');
SELECT count(*) FROM tarx_keys.projects;
SELECT tarx_keys.create_project('Dave''s') AS d \gset
SELECT name, created_by, created_at = now() FROM tarx_keys.projects;
SELECT user_id, role, added_at = now() FROM tarx_keys.project_members;
SELECT tarx_keys.create_project('zwölf 十二', 'dddddddd-0000-4000-8000-000000000004');
SELECT name FROM tarx_keys.projects ORDER BY name;
SELECT tarx_keys.act_as('alice');
SELECT name FROM tarx_keys.projects;
ROLLBACK;

-- what it refuses
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT tarx_keys.create_project('x', :'A'); ROLLBACK;
\set VERBOSITY default
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT tarx_keys.create_project(NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT tarx_keys.create_project('x', NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT tarx_keys.create_project(''); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT tarx_keys.create_project(' x'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT tarx_keys.create_project(E'a\nb'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT tarx_keys.create_project(E'a\u202Eb'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT tarx_keys.create_project(repeat('x', 101)); ROLLBACK;

-- admins add, promote and demote members
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_member(:'A', 'dave');
SELECT tarx_keys.add_member(project_id => :'A', user_id => 'erin', role => 'admin');
SELECT user_id, role FROM tarx_keys.project_members ORDER BY user_id;
SELECT tarx_keys.add_member(:'A', 'dave', 'admin');
SELECT tarx_keys.add_member(:'A', 'erin', 'member');
SELECT tarx_keys.add_member(:'A', 'erin', 'member');
SELECT user_id, role FROM tarx_keys.project_members ORDER BY user_id;
-- the teammate sees the project at once
SELECT tarx_keys.act_as('erin', :'A');
SELECT name FROM tarx_keys.projects;
-- members leave, but do not remove others
SAVEPOINT s;
SELECT tarx_keys.remove_member(:'A', 'bob');
ROLLBACK TO s;
SELECT tarx_keys.remove_member(:'A', 'erin');
SAVEPOINT s;
SELECT tarx_keys.remove_member(:'A', 'erin');
ROLLBACK TO s;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.remove_member(:'A', 'bob');
SELECT user_id, role FROM tarx_keys.project_members ORDER BY user_id;
ROLLBACK;

-- members and strangers do not
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.add_member(:'A', 'dave'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.add_member(:'A', 'bob', 'admin'); ROLLBACK;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(:'B', 'alice', 'admin'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(:'nowhere', 'alice', 'admin'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.remove_member(:'B', 'bob'); ROLLBACK;
\set VERBOSITY default
SELECT tarx_keys.add_member(:'A', 'dave');
SELECT tarx_keys.remove_member(:'A', 'dave');

-- the last admin stays
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.remove_member(:'A', 'alice'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(:'A', 'alice', 'member'); ROLLBACK;
\set VERBOSITY default
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.remove_member(:'A', 'alice'); ROLLBACK;
-- not if there is another one
BEGIN;
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.remove_member(:'B', 'carol');
SELECT count(*) FROM tarx_keys.projects;
SELECT tarx_keys.act_as('bob', :'B');
SELECT user_id, role FROM tarx_keys.project_members;
SELECT tarx_keys.add_member(:'B', 'bob', 'member');
ROLLBACK;

-- arguments
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(NULL, 'dave'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(:'A', NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(:'A', ''); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(:'A', 'dave', NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_member(:'A', 'dave', 'Admin'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.remove_member(NULL, 'dave'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.remove_member(:'A', NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.remove_member(:'A', 'nobody'); ROLLBACK;

-- the tables are read only, and only for backends
BEGIN; SELECT tarx_keys.act_as('alice'); INSERT INTO tarx_keys.project_members VALUES (:'B', 'alice', gen_random_uuid(), 'admin', NULL, 1, now(), ''); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); UPDATE tarx_keys.project_members SET role = 'admin'; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); DELETE FROM tarx_keys.projects; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); TRUNCATE tarx_keys.project_members; ROLLBACK;
SET ROLE regress_agent;
SELECT * FROM tarx_keys.projects;
SELECT * FROM tarx_keys.project_members;
SELECT tarx_keys.create_project('x');
SELECT tarx_keys.add_member(:'A', 'x');
SELECT tarx_keys.remove_member(:'A', 'x');
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.projects;
SELECT tarx_keys.create_project('x');

-- clean up
\set ECHO none
\i :clean_up
