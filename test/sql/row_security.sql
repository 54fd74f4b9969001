-- Row security on every path a backend has to the tables.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'of A', 'abcdefghijklmnopqrstuvwxyz111111') AS a \gset
SELECT tarx_keys.create_agent(:'A', 'agent of A', :'a') AS agent \gset
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.add_llm_key(:'B', 'mistral', 'of B', 'abcdefghijklmnopqrstuvwxyz222222') AS b \gset
SELECT tarx_keys.create_agent(:'B', 'agent of B', :'b') IS NOT NULL;
COMMIT;

-- a cheap function in WHERE that tells what it sees
CREATE FUNCTION pg_temp.tell(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN RAISE NOTICE 'saw %', t; RETURN true; END $$;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT name FROM tarx_keys.llm_keys WHERE pg_temp.tell(name);
SELECT name FROM tarx_keys.llm_keys WHERE pg_temp.tell(masked_key);
SELECT name FROM tarx_keys.project_llm_keys WHERE pg_temp.tell(name);
SELECT name FROM tarx_keys.agents WHERE pg_temp.tell(name);
SELECT name FROM tarx_keys.projects WHERE pg_temp.tell(name);
SELECT user_id FROM tarx_keys.project_members WHERE pg_temp.tell(user_id) ORDER BY 1;
-- errors that tell
SELECT name FROM tarx_keys.llm_keys WHERE CASE WHEN name = 'of B' THEN 1 / (length(name) - 4) ELSE 1 END = 1;
-- joins, aggregates, EXISTS
SELECT count(*) FROM tarx_keys.project_llm_keys k JOIN tarx_keys.agents a ON a.user_api_key_id = k.id;
SELECT EXISTS (SELECT FROM tarx_keys.project_llm_keys WHERE project_id = :'B');
SELECT max(name) FROM tarx_keys.project_llm_keys;
COMMIT;

-- parallel plans, forced; the name of the setting depends on the version
SELECT set_config(name, CASE vartype WHEN 'enum' THEN 'on' ELSE '0' END, false) FROM pg_settings
 WHERE name IN ('force_parallel_mode', 'debug_parallel_query', 'parallel_setup_cost', 'parallel_tuple_cost', 'min_parallel_table_scan_size')
 ORDER BY name DESC;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT name FROM tarx_keys.llm_keys;
SELECT name, agent_count FROM tarx_keys.llm_keys WHERE pg_temp.tell(name);
SELECT name FROM tarx_keys.agents;
SELECT tarx_keys.current_user_id();
SELECT count(*) FROM tarx_keys.providers;
COMMIT;
SELECT name FROM tarx_keys.llm_keys;
SET ROLE regress_agent;
SELECT name FROM tarx_keys.resolve_key(:'A', :'a');
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'agent');
SET ROLE regress_backend;
SELECT set_config(name, reset_val, false) IS NOT NULL FROM pg_settings
 WHERE name IN ('force_parallel_mode', 'debug_parallel_query', 'parallel_setup_cost', 'parallel_tuple_cost', 'min_parallel_table_scan_size');

-- row_security = off is an error, not a way around
SET row_security = off;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT name FROM tarx_keys.llm_keys; ROLLBACK;
-- functions are the owner's, for whom it stays on
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); SELECT tarx_keys.create_agent(:'A', 'one') IS NOT NULL; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent(:'B', 'one') IS NOT NULL; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret(:'A', 'SECRET', 'value'); SELECT token FROM tarx_keys.create_platform_key('k') \gset
COMMIT;
BEGIN; SELECT user_id, role FROM tarx_keys.login(:'token', :'A'); ROLLBACK;
SET ROLE regress_agent;
SELECT tarx_keys.resolve_secret(:'A', 'SECRET');
SET ROLE regress_backend;
SET row_security = on;

-- a prepared statement answers for who acts when it runs
PREPARE list AS SELECT name FROM tarx_keys.llm_keys ORDER BY name;
SET plan_cache_mode = force_generic_plan;
BEGIN; SELECT tarx_keys.act_as('alice'); EXECUTE list; COMMIT;
BEGIN; SELECT tarx_keys.act_as('carol'); EXECUTE list; COMMIT;
BEGIN; SELECT tarx_keys.act_as('bob'); EXECUTE list; COMMIT;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); EXECUTE list; COMMIT;
BEGIN; SELECT tarx_keys.act_as('dave'); EXECUTE list; COMMIT;
EXECUTE list;
RESET plan_cache_mode;
DEALLOCATE list;

-- another backend login sees just as much; its own objects do not stand in for ours
CREATE TEMP TABLE project_members (project_id uuid, user_id text, role text);
CREATE TEMP TABLE project_llm_keys AS SELECT 1 AS id;
CREATE FUNCTION pg_temp.yes(uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION pg_temp.yes(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR pg_temp.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = pg_temp.yes);
CREATE OPERATOR pg_temp.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.yes);
INSERT INTO pg_temp.project_members VALUES (:'B', 'alice', 'admin');
SET search_path = pg_temp, tarx_keys, pg_catalog;
DISCARD PLANS;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT name FROM tarx_keys.llm_keys;
SAVEPOINT s;
SELECT tarx_keys.add_llm_key(:'B', 'mistral', 'x', 'abcdefgh');
ROLLBACK TO s;
SELECT tarx_keys.act_as('alice', :'B');
ROLLBACK;
RESET search_path;
RESET ROLE;

-- the owner itself reaches only what a function has entered, which is nothing here
SET ROLE tarx_keys_owner;
SELECT count(*) FROM tarx_keys.project_llm_keys;
SELECT count(*) FROM tarx_keys.projects;
SELECT count(*) FROM tarx_keys.agents;
INSERT INTO tarx_keys.agents (project_id, id, name, created_by) VALUES (:'A', :'a', 'x', 'x');
RESET ROLE;
-- row security is on, and forced, on every table with a project
SELECT relname FROM pg_class WHERE relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND relkind = 'r'
   AND NOT (relrowsecurity AND relforcerowsecurity);
-- the list goes by the project's index, also for many keys
INSERT INTO tarx_keys.projects (id, name, created_by) SELECT gen_random_uuid(), 'p', 'x' FROM generate_series(1, 2000);
INSERT INTO tarx_keys.project_llm_keys (project_id, id, provider, name, destination, masked_key, added_by, ciphertext)
SELECT p.id, gen_random_uuid(), 'mistral', 'n' || i, 'd', 'm', 'x', '' FROM tarx_keys.projects p, generate_series(1, 5) i WHERE p.name = 'p';
ANALYZE tarx_keys.projects, tarx_keys.project_llm_keys, tarx_keys.agents;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        IF line ~ 'Scan.*project_llm_keys' THEN
            RETURN NEXT CASE WHEN line ~ 'Seq Scan' THEN 'full scan' ELSE 'index' END;
        END IF;
    END LOOP;
END $$;
SELECT DISTINCT pg_temp.plan('SELECT * FROM tarx_keys.llm_keys');
SELECT DISTINCT pg_temp.plan('SELECT * FROM tarx_keys.llm_keys WHERE project_id = ''aaaaaaaa-0000-4000-8000-000000000001''');
ROLLBACK;
RESET ROLE;
DISCARD TEMP;

-- clean up
\set ECHO none
\i :clean_up
