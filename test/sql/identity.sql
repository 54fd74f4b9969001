-- Who acts: act_as(), how long it lasts, and who cannot pretend.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set internals :include /internals.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :internals
\set ECHO all

-- without an identity there is nothing
SET ROLE regress_backend;
SELECT tarx_keys.current_user_id() IS NULL, tarx_keys.current_project_id() IS NULL;
SELECT tarx_keys_internal.visible_project_ids();
SELECT * FROM tarx_keys.projects;
SELECT * FROM tarx_keys.llm_keys;
SELECT tarx_keys.create_project('x');

-- it lasts to the end of the transaction
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id() IS NULL;
SELECT name FROM tarx_keys.projects ORDER BY name;
SELECT cardinality(tarx_keys_internal.visible_project_ids());
COMMIT;
SELECT tarx_keys.current_user_id() IS NULL;
BEGIN;
SELECT tarx_keys.act_as('bob');
ROLLBACK;
SELECT tarx_keys.current_user_id() IS NULL;

-- an expression that PL/pgSQL keeps asks again after another identity, a change, and the end
RESET ROLE;
DO $$
BEGIN
    FOR turn IN 1 .. 4 LOOP
        CASE turn
            WHEN 1, 2 THEN PERFORM tarx_keys.act_as(CASE turn WHEN 1 THEN 'alice' ELSE 'bob' END);
            WHEN 3 THEN DELETE FROM tarx_keys.project_members WHERE user_id = 'bob' AND project_id = 'aaaaaaaa-0000-4000-8000-000000000001';
            WHEN 4 THEN ROLLBACK;
        END CASE;
        RAISE NOTICE '% sees % projects', tarx_keys_internal.acting_user_id(), cardinality(tarx_keys_internal.visible_project_ids());
    END LOOP;
END $$;
SET ROLE regress_backend;

-- or to ROLLBACK TO, which brings back who acted before
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SAVEPOINT s;
SELECT tarx_keys.act_as('bob', :'B');
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id();
ROLLBACK TO s;
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id();
-- RELEASE keeps it, and a call without project clears the active one
SAVEPOINT s;
SELECT tarx_keys.act_as('bob');
RELEASE s;
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id() IS NULL;
COMMIT;

-- with an active project only that one is seen, and others are refused
BEGIN;
SELECT tarx_keys.act_as('bob', :'B');
SELECT name FROM tarx_keys.projects;
SELECT project_id = :'B', user_id, role FROM tarx_keys.project_members ORDER BY user_id;
SELECT tarx_keys_internal.visible_project_ids() = ARRAY[:'B'::uuid];
SAVEPOINT s;
SELECT tarx_keys.create_agent(:'A', 'agent');
ROLLBACK TO s;
SELECT tarx_keys.create_project('another one', :'nowhere');
ROLLBACK;

-- a project that does not exist and one of others look the same
BEGIN;
SELECT tarx_keys.act_as('alice', :'B');
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('alice', :'nowhere');
ROLLBACK;
\set VERBOSITY sqlstate
BEGIN;
SELECT tarx_keys.act_as('alice', :'B');
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('alice', :'nowhere');
ROLLBACK;
\set VERBOSITY default
-- and the refusal leaves no identity behind
BEGIN;
SELECT tarx_keys.act_as('bob');
SAVEPOINT s;
SELECT tarx_keys.act_as('alice', :'B');
ROLLBACK TO s;
SELECT tarx_keys.current_user_id();
COMMIT;

-- outside a transaction block it warns
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.current_user_id() IS NULL;
PREPARE act AS SELECT tarx_keys.act_as('alice');
EXECUTE act;
DEALLOCATE act;
SELECT count(*) FROM tarx_keys.act_as('alice');
SELECT sum(length(tarx_keys.act_as('alice')::text)) FROM generate_series(1, 2);
-- also where another part of the statement might come later, and might not
WITH a AS MATERIALIZED (SELECT tarx_keys.act_as('alice')) SELECT count(*) FROM a;
-- but not in a function, a procedure or a block, where it serves what follows
DO $$
DECLARE
    nothing text;
BEGIN
    PERFORM tarx_keys.act_as('alice');
    nothing := tarx_keys.act_as('bob');
    RAISE NOTICE '% sees % projects', tarx_keys.current_user_id(), (SELECT count(*) FROM tarx_keys.projects);
END $$;
CREATE FUNCTION pg_temp.seen_by(who text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    nothing text := tarx_keys.act_as(who);
BEGIN
    RETURN (SELECT count(*) FROM tarx_keys.projects);
END $$;
SELECT pg_temp.seen_by('bob');
SELECT sum(pg_temp.seen_by(u)) FROM unnest('{alice,bob}'::text[]) u;
CREATE FUNCTION pg_temp.create_as(who text) RETURNS text LANGUAGE sql AS $$
    SELECT tarx_keys.act_as(who);
    SELECT tarx_keys.create_project('made in SQL');
    SELECT tarx_keys.current_user_id();
$$;
SELECT pg_temp.create_as('bob');
SELECT * FROM pg_temp.create_as('bob');
DO $$
BEGIN
    PERFORM tarx_keys.act_as('bob');
    PERFORM tarx_keys.delete_project(id) FROM tarx_keys.projects WHERE name = 'made in SQL';
END $$;
CREATE PROCEDURE pg_temp.tell_of(who text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tarx_keys.act_as(who);
    RAISE NOTICE '% sees % projects', who, (SELECT count(*) FROM tarx_keys.projects);
    COMMIT;
    RAISE NOTICE 'then it is %', coalesce(tarx_keys.current_user_id(), 'nobody');
    PERFORM tarx_keys.act_as(who);
    RAISE NOTICE 'and % again', tarx_keys.current_user_id();
END $$;
CALL pg_temp.tell_of('bob');
-- also where they call it by a cursor
DO $$
DECLARE
    c refcursor;
    named CURSOR (who text) FOR SELECT tarx_keys.act_as(who);
    nothing text;
BEGIN
    FOR nothing IN SELECT tarx_keys.act_as('alice') LOOP
        RAISE NOTICE 'in the loop: %', tarx_keys.current_user_id();
    END LOOP;
    FOR nothing IN EXECUTE 'SELECT tarx_keys.act_as(''bob'')' LOOP
        RAISE NOTICE 'in the loop: %', tarx_keys.current_user_id();
    END LOOP;
    OPEN c FOR SELECT tarx_keys.act_as('carol');
    FETCH c INTO nothing;
    OPEN named('alice');
    FETCH named INTO nothing;
    RAISE NOTICE 'after FETCH: %', tarx_keys.current_user_id();
END $$;
-- nor in an argument of a procedure or a prepared statement, which runs afterwards
CREATE PROCEDURE pg_temp.tell(nothing text) LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'it is %', tarx_keys.current_user_id();
END $$;
CALL pg_temp.tell(tarx_keys.act_as('bob')::text);
PREPARE who (text) AS SELECT tarx_keys.current_user_id();
EXECUTE who (tarx_keys.act_as('alice')::text);
DEALLOCATE who;
DROP PROCEDURE pg_temp.tell;
-- nor in a string of several statements, which is one transaction
SELECT tarx_keys.act_as('alice') \; SELECT count(*) FROM tarx_keys.projects;
DROP PROCEDURE pg_temp.tell_of;
DROP FUNCTION pg_temp.seen_by, pg_temp.create_as;

-- user ids
BEGIN;
SELECT tarx_keys.act_as(NULL);
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('');
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as(E'al\tice');
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as(E'al\u0085ice');
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as(repeat('ü', 201));
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as(repeat('ü', 200));
SELECT length(tarx_keys.current_user_id());
-- nothing else is special: this is a user id like any other
SELECT tarx_keys.act_as('''; DROP TABLE x; --');
SELECT tarx_keys.current_user_id();
COMMIT;

-- nobody can set it in another way
SET tarx_keys.acting_user = 'alice';
SET LOCAL tarx_keys.active_project = 'aaaaaaaa-0000-4000-8000-000000000001';
SET tarx_keys.maintenance = on;
SELECT set_config('tarx_keys.acting_user', 'alice', false);
SELECT set_config('tarx_keys.anything', 'alice', false);
RESET ROLE;
SET tarx_keys.acting_user = 'alice';
ALTER ROLE regress_backend SET tarx_keys.acting_user = 'alice';
ALTER SYSTEM SET tarx_keys.acting_user = 'alice';
CREATE FUNCTION pretend() RETURNS text LANGUAGE sql SET tarx_keys.acting_user = 'alice' AS 'SELECT tarx_keys.current_user_id()';
SET ROLE regress_backend;
-- RESET ALL does not end it either
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
RESET ALL;
SET ROLE regress_backend;
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id();
COMMIT;

-- a wrapper with settings of its own passes it on
RESET ROLE;
CREATE FUNCTION regress_act(u text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog SET work_mem = '1MB'
AS 'BEGIN PERFORM tarx_keys.act_as(u); END';
SET ROLE regress_backend;
BEGIN;
SELECT regress_act('bob');
SELECT tarx_keys.current_user_id();
COMMIT;
SELECT tarx_keys.current_user_id() IS NULL;
RESET ROLE;
DROP FUNCTION regress_act;

-- inside our functions the project is the active one, and after them it is not
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_agent(:'A', 'agent') IS NOT NULL;
SELECT tarx_keys.current_project_id() IS NULL;
SAVEPOINT s;
SELECT tarx_keys.set_agent_key(:'A', :'nowhere', :'nowhere');
ROLLBACK TO s;
SELECT tarx_keys.current_project_id() IS NULL;
DO $$ BEGIN
    BEGIN
        PERFORM tarx_keys.add_llm_key('aaaaaaaa-0000-4000-8000-000000000001', 'x', 'x', 'x');
    EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE '% %', SQLSTATE, tarx_keys.current_project_id();
    END;
END $$;
ROLLBACK;

-- a cursor answers for who acts when it is fetched from, not when it was opened
BEGIN;
SELECT tarx_keys.act_as('alice');
DECLARE c CURSOR FOR SELECT name FROM tarx_keys.projects;
SELECT tarx_keys.act_as('carol');
FETCH ALL FROM c;
ROLLBACK;

-- the internal functions are not for the roles
SELECT tarx_keys_internal.enter_as_admin(:'A');
SELECT tarx_keys_internal.enter_new_project(:'A');
SELECT tarx_keys_internal.enter_maintenance();
SELECT tarx_keys_internal.other_admin_exists(:'A', 'x');
SET ROLE regress_agent;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.current_user_id();
SELECT tarx_keys_internal.visible_project_ids();
SET ROLE regress_nobody;
SELECT tarx_keys.act_as('alice');

-- clean up
\set ECHO none
\i :clean_up
