-- What a project can have of each: tarx_keys.max_per_project.
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
SHOW tarx_keys.max_per_project;
SET tarx_keys.max_per_project = 0;
SET tarx_keys.max_per_project = 1000001;
SET tarx_keys.max_per_project = 2;
SET ROLE regress_backend;
-- no client's to set
SET tarx_keys.max_per_project = 3;

BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
-- keys: one that is disabled counts, one that was deleted does not
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'one', 'sk-proj-room-0000000001') AS one \gset
SELECT outcome(format('tarx_keys.add_llm_key(%L, ''openai'', ''two'', ''sk-proj-room-0000000002'', NULL, ''{"enabled": false}'')', :'A'));
SELECT outcome(format('tarx_keys.add_llm_key(%L, ''openai'', ''three'', ''sk-proj-room-0000000003'')', :'A'));
SELECT outcome(format('tarx_keys.replace_llm_key(%L, %L, ''sk-proj-room-0000000003'')', :'A', :'one'));
-- a name that is taken is said first
SELECT outcome(format('tarx_keys.add_llm_key(%L, ''openai'', ''two'', ''sk-proj-room-0000000003'')', :'A'));
SELECT outcome(format('tarx_keys.update_llm_key(%L, %L, ''{"priority": 7}'')', :'A', :'one'));
SELECT tarx_keys.delete_llm_key(:'A', :'one');
SELECT outcome(format('tarx_keys.add_llm_key(%L, ''openai'', ''three'', ''sk-proj-room-0000000003'')', :'A'));
SELECT name FROM tarx_keys.llm_keys ORDER BY name;

-- secrets: versions do not count, and a new name is no new secret
SELECT outcome(format('tarx_keys.set_secret(%L, ''ONE'', ''room-value-1'')', :'A'));
SELECT outcome(format('tarx_keys.set_secret(%L, ''TWO'', ''room-value-2'')', :'A'));
SELECT outcome(format('tarx_keys.set_secret(%L, ''THREE'', ''room-value-3'')', :'A'));
SELECT outcome(format('tarx_keys.set_secret(%L, ''TWO'', ''room-value-4'')', :'A'));
SELECT outcome(format('tarx_keys.restore_secret(%L, ''TWO'', 1)', :'A'));
SELECT outcome(format('tarx_keys.rename_secret(%L, ''TWO'', ''DEUX'')', :'A'));
SELECT outcome(format('tarx_keys.delete_secret(%L, ''ONE'')', :'A'));
SELECT outcome(format('tarx_keys.set_secret(%L, ''THREE'', ''room-value-3'')', :'A'));

-- agents
SELECT outcome(format('tarx_keys.create_agent(%L, ''one'')', :'A')) FROM generate_series(1, 3);
SELECT outcome(format('tarx_keys.rename_agent(%L, %L, ''uno'')', :'A', id)) FROM tarx_keys.agents LIMIT 1;

-- members, service accounts among them; who is there can get another role
SELECT outcome(format('tarx_keys.add_member(%L, ''erin'')', :'A'));
SELECT outcome(format('tarx_keys.create_service_account(%L, ''robot'')', :'A'));
SELECT outcome(format('tarx_keys.add_member(%L, ''bob'', ''admin'')', :'A'));
SELECT outcome(format('tarx_keys.remove_member(%L, ''bob'')', :'A'));
SELECT outcome(format('tarx_keys.create_service_account(%L, ''robot'')', :'A'));
SELECT outcome(format('tarx_keys.add_member(%L, ''bob'')', :'A'));

-- another project has room of its own
SELECT tarx_keys.act_as('carol', :'B');
SELECT outcome(format('tarx_keys.create_agent(%L, ''one'')', :'B'));

-- a limit that comes later takes nothing away
RESET ROLE;
SET tarx_keys.max_per_project = 1;
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT count(*) FROM tarx_keys.llm_keys;
SELECT outcome(format('tarx_keys.set_secret(%L, ''THREE'', ''room-value-5'')', :'A'));
SAVEPOINT s;
SELECT tarx_keys.create_agent(:'A', 'four');
ROLLBACK TO s;
-- nor keeps it anybody who leaves: a successor has the place of the last admin
RESET ROLE;
SELECT * FROM tarx_keys.end_user('alice', 'zoe');
SELECT user_id, role FROM tarx_keys.project_members WHERE project_id = :'A' AND service_account IS NULL ORDER BY user_id;
ROLLBACK;

-- clean up
\set ECHO none
RESET ROLE;
DROP FUNCTION outcome;
\i :clean_up
