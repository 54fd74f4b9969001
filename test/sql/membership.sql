-- Members from a relation of the application: tarx_keys.membership.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set elsewhere :include /members_elsewhere.sql
\set outcome :include /outcome.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :outcome
\i :elsewhere
\set ECHO all
\set QUIET on
-- The role that somebody acts with in a project, and how many projects they see
CREATE FUNCTION role_of(who text, project uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM tarx_keys.act_as(who);
    SET LOCAL ROLE regress_backend;
    SELECT 'sees ' || count(*) INTO result FROM tarx_keys.projects;
    result := (SELECT l.role FROM tarx_keys.create_platform_key('x') k, tarx_keys.login(k.token, project) l) || ', ' || result;
    RAISE SQLSTATE 'ZZ000';
EXCEPTION
    WHEN SQLSTATE 'ZZ000' THEN
        RETURN result;
    WHEN OTHERS THEN
        RETURN concat_ws(' ', SQLSTATE, regexp_replace(SQLERRM, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g') || ', ' || result);
END $$;

-- the setting is a superuser's, and names a relation with its schema
SET ROLE regress_backend;
SET tarx_keys.membership = '';
RESET ROLE;
SET tarx_keys.membership = 'project_roles';
SET tarx_keys.membership = 'a.b.c';
SET tarx_keys.membership = 'app.';
SHOW tarx_keys.membership;

-- roles are the application's, and our table counts for nothing, whatever it has
SELECT role_of(who, :'A') FROM unnest(ARRAY['ann', 'kim', 'max', 'vera', 'alice', 'bob', 'ANN', 'ann ']) who;
SELECT role_of(who, :'B') FROM unnest(ARRAY['ann', 'max', 'carol']) who;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('ann', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'key', 'a-key-of-twenty-chars') AS key \gset
SELECT tarx_keys.act_as('kim');
SELECT tarx_keys.set_secret(:'A', 'SECRET', 'x');
SELECT outcome(format('tarx_keys.rename_project(%L, ''x'')', :'A'));
SELECT tarx_keys.act_as('max');
SELECT tarx_keys.create_agent(:'A', 'agent') IS NOT NULL;
SELECT outcome(format('tarx_keys.delete_secret(%L, ''SECRET'')', :'A'));
SELECT tarx_keys.act_as('vera');
SELECT outcome(format('tarx_keys.create_agent(%L, ''x'')', :'A'));
SELECT tarx_keys.act_as('alice');
SELECT outcome(format('tarx_keys.add_llm_key(%L, ''openai'', ''x'', ''a-key-of-twenty-chars'')', :'A'));
COMMIT;

-- lists: the user's projects, or the active one, or those of the platform key
BEGIN;
SELECT tarx_keys.act_as('max');
SELECT name FROM tarx_keys.projects ORDER BY name;
SELECT name, tarx_keys.current_user_id() FROM tarx_keys.llm_keys;
SELECT count(*) FROM tarx_keys.project_members;
SELECT token FROM tarx_keys.create_platform_key('x', project_ids => ARRAY[:'B'::uuid]) \gset
-- a key may be narrowed to a project that is on another server; it is looked up with each use
SELECT outcome(format('tarx_keys.create_platform_key(''x'', project_ids => ARRAY[%L, %L]::uuid[])', :'B', :'nowhere'));
SELECT tarx_keys.act_as('max', :'A');
SELECT name FROM tarx_keys.projects;
SELECT tarx_keys.act_as('vera');
SELECT name FROM tarx_keys.projects;
SELECT name FROM tarx_keys.llm_keys;
SELECT tarx_keys.act_as('alice');
SELECT count(*) FROM tarx_keys.projects;
SELECT user_id FROM tarx_keys.login(:'token');
SELECT name FROM tarx_keys.projects;
ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('ann', :'A'); SELECT count(*) > 0 FROM tarx_keys.project_audit; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('kim', :'A'); SELECT count(*) > 0 FROM tarx_keys.project_audit; ROLLBACK;

-- members are changed there
BEGIN;
SELECT tarx_keys.act_as('ann');
SELECT outcome(format('tarx_keys.add_member(%L, ''x'')', :'A'));
SELECT outcome(format('tarx_keys.remove_member(%L, ''vera'')', :'A'));
SELECT tarx_keys.add_member(:'A', 'x');
ROLLBACK;

-- a project is created by who is its admin there, and gets no member
SELECT outcome(format('tarx_keys.act_as(%L, %L)', 'ann', :'nowhere'));
BEGIN;
SELECT tarx_keys.act_as('ann', :'nowhere');
SELECT count(*) FROM tarx_keys.projects;
SELECT outcome(format('tarx_keys.create_agent(%L, ''x'')', :'nowhere'));
SELECT tarx_keys.create_project('C', :'nowhere') = :'nowhere';
SELECT name FROM tarx_keys.projects;
SELECT count(*) FROM tarx_keys.project_members;
SELECT tarx_keys.create_agent(:'nowhere', 'x') IS NOT NULL;
RESET ROLE;
SELECT count(*) FROM tarx_keys.project_members WHERE project_id = :'nowhere';
ROLLBACK;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('ann');
SELECT outcome('tarx_keys.create_project(''x'')');
SELECT outcome(format('tarx_keys.create_project(''x'', %L)', :'A'));
SELECT outcome(format('tarx_keys.create_project(''x'', %L)', :'B'));
SELECT tarx_keys.act_as('max');
SELECT outcome(format('tarx_keys.create_project(''x'', %L)', :'nowhere'));
RESET ROLE;
INSERT INTO app.members VALUES (:'nowhere', 'max', 'key_manager');
SET ROLE regress_backend;
SELECT outcome(format('tarx_keys.create_project(''x'', %L)', :'nowhere'));
ROLLBACK;

-- one that has ended here has no members, whatever is there
BEGIN;
SELECT tarx_keys.act_as('ann');
SELECT tarx_keys.delete_project(:'A');
SELECT outcome(format('tarx_keys.act_as(%L, %L)', 'ann', :'A'));
SELECT outcome(format('tarx_keys.create_project(''x'', %L)', :'A'));
SELECT outcome(format('tarx_keys.create_agent(%L, ''x'')', :'A'));
SELECT count(*) FROM tarx_keys.projects;
SELECT count(*) FROM tarx_keys.llm_keys;
RESET ROLE;
SELECT tarx_keys_internal.visible_project_ids() = ARRAY[:'nowhere'::uuid];
ROLLBACK;

-- what changes there counts from the next call on
BEGIN;
SELECT tarx_keys.act_as('max', :'A');
SELECT name FROM tarx_keys.projects;
RESET ROLE;
DELETE FROM app.members WHERE person = 'max' AND project = :'A';
SET ROLE regress_backend;
SELECT count(*) FROM tarx_keys.projects;
SELECT outcome(format('tarx_keys.create_agent(%L, ''x'')', :'A'));
RESET ROLE;
INSERT INTO app.members VALUES (:'A', 'max', 'viewer');
SET ROLE regress_backend;
SELECT name FROM tarx_keys.projects;
SELECT outcome(format('tarx_keys.create_agent(%L, ''x'')', :'A'));
ROLLBACK;

-- of several rows the lowest role counts; one that is none, or NULL, is no member
RESET ROLE;
CREATE FUNCTION with_rows(VARIADIC ranks text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM app.members WHERE person = 'ann';
    INSERT INTO app.members SELECT 'aaaaaaaa-0000-4000-8000-000000000001', 'ann', r FROM unnest(ranks) r;
    RETURN role_of('ann', 'aaaaaaaa-0000-4000-8000-000000000001');
END $$;
BEGIN;
SELECT ranks, with_rows(VARIADIC ranks) FROM (VALUES (1, ARRAY['admin', 'member']), (2, ARRAY['viewer', 'admin', 'key_manager']), (3, ARRAY['admin', NULL]),
    (4, ARRAY['owner']), (5, ARRAY['admin', 'owner']), (6, ARRAY[NULL]::text[]), (7, ARRAY['Admin']), (8, ARRAY['']), (9, ARRAY['admin', 'admin']), (10, ARRAY['admin '])) AS r (n, ranks) ORDER BY n;
ROLLBACK;

-- what takes different ids for equal does not make ALICE alice
BEGIN;
CREATE COLLATION app.whatever_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SET LOCAL ROLE regress_app;
CREATE TABLE app.loose (project_id uuid, user_id text COLLATE app.whatever_case, role text);
INSERT INTO app.loose VALUES (:'A', 'alice', 'admin'), (:'A', 'Bob', 'viewer'), (:'A', 'bob', 'member'), (:'B', 'BOB', 'admin');
SELECT count(*) FROM app.loose WHERE user_id = 'ALICE';
RESET ROLE;
SET LOCAL tarx_keys.membership = 'app.loose';
SELECT who, role_of(who, :'A') FROM unnest(ARRAY['alice', 'ALICE', 'bob', 'Bob', 'BOB']) who;
SELECT role_of('bob', :'B');
ROLLBACK;

-- columns of other types
CREATE FUNCTION with_type(type text, id text, VARIADIC asked text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('CREATE TABLE app.typed (project_id uuid, user_id %s, role varchar(20))', type);
    EXECUTE format('ALTER TABLE app.typed OWNER TO regress_app; INSERT INTO app.typed VALUES (%L, %L, ''member'')', 'aaaaaaaa-0000-4000-8000-000000000001', id);
    PERFORM set_config('tarx_keys.membership', 'app.typed', true);
    result := (SELECT string_agg(role_of(who, 'aaaaaaaa-0000-4000-8000-000000000001'), '; ') FROM unnest(asked) who);
    DROP TABLE app.typed;
    RETURN result;
END $$;
BEGIN;
CREATE DOMAIN app.person AS varchar(50) CHECK (value <> '');
GRANT USAGE ON TYPE app.person TO regress_app;
SELECT t, with_type(t, id, VARIADIC asked) FROM (VALUES
    (1, 'uuid', '0b5f8a3e-0000-4000-8000-000000000001', ARRAY['0b5f8a3e-0000-4000-8000-000000000001', '0B5F8A3E-0000-4000-8000-000000000001', '{0b5f8a3e-0000-4000-8000-000000000001}', '0b5f8a3e0000-4000-8000-0000-00000001', 'xb5f8a3e-0000-4000-8000-000000000001', 'ann']),
    (2, 'varchar(50)', 'ann', ARRAY['ann', 'ann ', 'Ann']), (3, 'app.person', 'ann', ARRAY['ann', 'Ann']), (4, 'bigint', '42', ARRAY['42', '042', '4', 'x']),
    (5, 'char(10)', 'ann', ARRAY['ann', 'ann       '])) AS t (n, t, id, asked) ORDER BY n;
ROLLBACK;

-- a relation that does not serve: an error, and never our own table
CREATE FUNCTION with_relation(setting text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    listed text := 'lists!';
BEGIN
    PERFORM set_config('tarx_keys.membership', setting, true);
    PERFORM tarx_keys.act_as('alice');
    BEGIN
        SET LOCAL ROLE regress_backend;
        PERFORM FROM tarx_keys.projects;
        RESET ROLE;
    EXCEPTION WHEN OTHERS THEN listed := 'lists: ' || SQLSTATE;
    END;
    RETURN listed || ', ' || outcome('tarx_keys.act_as(''alice'', ''aaaaaaaa-0000-4000-8000-000000000001'')');
END $$;
BEGIN;
CREATE TABLE app.a (project_id text, user_id text, role text);
CREATE TABLE app.b (project_id uuid, "user" text, role text);
CREATE TABLE app.c (project_id uuid, user_id text);
CREATE MATERIALIZED VIEW app.d AS SELECT * FROM app.project_roles;
CREATE SEQUENCE app.e;
CREATE VIEW app.f AS SELECT * FROM app.project_roles;
CREATE VIEW app.g AS SELECT * FROM app.project_roles;
CREATE VIEW app.h AS SELECT * FROM app.project_roles;
CREATE VIEW app.i AS SELECT * FROM app.project_roles;
CREATE VIEW app."I i" AS SELECT project_id, user_id, role FROM app.project_roles;
CREATE ROLE regress_between IN ROLE regress_backend;
CREATE ROLE regress_siem IN ROLE tarx_keys_auditor;
DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY '{a,b,c,d,e,"I i"}'::text[] LOOP EXECUTE format('ALTER TABLE app.%I OWNER TO regress_app', r); END LOOP; END $$;
GRANT CREATE ON SCHEMA app TO tarx_keys_owner, regress_between, regress_siem;
ALTER VIEW app.g OWNER TO tarx_keys_owner;
ALTER VIEW app.h OWNER TO regress_between;
ALTER VIEW app.i OWNER TO regress_siem;
SELECT r, with_relation(r) FROM unnest(ARRAY['app.nothing', 'nowhere.members', 'app.a', 'app.b', 'app.c', 'app.d', 'app.e', 'app.f', 'app.g', 'app.h', 'app.i', 'app."I i"', 'APP.Project_Roles']) r;
SELECT set_config('tarx_keys.membership', 'app.nothing', true);
SET LOCAL ROLE regress_backend;
SELECT tarx_keys.act_as('alice');
SELECT count(*) FROM tarx_keys.projects;
ROLLBACK;

-- plans that are saved follow the relation: it is altered, dropped and made again
BEGIN;
SELECT role_of('ann', :'A');
ALTER TABLE app.members RENAME COLUMN rank TO level;
SELECT role_of('ann', :'A');
ALTER VIEW app.project_roles RENAME COLUMN role TO level;
SELECT role_of('ann', :'A');
ALTER VIEW app.project_roles RENAME COLUMN level TO role;
SELECT role_of('ann', :'A');
CREATE OR REPLACE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, 'viewer'::text AS role FROM app.members m;
SELECT role_of('ann', :'A');
ALTER VIEW app.project_roles RENAME TO former_roles;
SELECT role_of('ann', :'A');
CREATE VIEW app.project_roles AS SELECT m.project AS project_id, m.person::varchar AS user_id, 'member'::varchar AS role FROM app.members m;
SELECT role_of('ann', :'A');
ALTER VIEW app.project_roles OWNER TO regress_app;
SELECT role_of('ann', :'A');
DROP VIEW app.project_roles;
SELECT role_of('ann', :'A');
SET LOCAL ROLE regress_app;
CREATE TABLE app.project_roles (role text, user_id uuid, x int, project_id uuid);
INSERT INTO app.project_roles VALUES ('admin', :'B', 1, :'A');
RESET ROLE;
SELECT role_of(:'B', :'A'), role_of('ann', :'A');
ALTER TABLE app.project_roles ALTER user_id TYPE text;
SELECT role_of(:'B', :'A'), role_of('ann', :'A');
ALTER TABLE app.project_roles DROP role;
SELECT role_of(:'B', :'A');
ROLLBACK;
SELECT role_of('ann', :'A');

-- as the relation's own owner, whatever the search_path, the role and the settings are:
-- with what the owner may, and not with what we may
CREATE TABLE noted (what text);
GRANT INSERT, SELECT ON noted TO regress_app;
SET ROLE regress_app;
CREATE FUNCTION app.try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN command || ': done';
EXCEPTION WHEN OTHERS THEN
    RETURN command || ': ' || SQLERRM;
END $$;
CREATE FUNCTION app.evil() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.noted VALUES (format('%s, search_path %s, row_security %s', current_user, current_setting('search_path'), current_setting('row_security')));
    INSERT INTO public.noted SELECT app.try(c) FROM unnest(ARRAY[
        'SET ROLE tarx_keys_owner', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT', 'SELECT set_config(''role'', ''none'', false)',
        'CREATE TEMP TABLE projects ()', 'ALTER TABLE tarx_keys.projects NO FORCE ROW LEVEL SECURITY',
        'SELECT FROM tarx_keys.project_members', 'INSERT INTO tarx_keys.project_members DEFAULT VALUES', 'SELECT tarx_keys.act_as(''alice'')',
        'SELECT set_config(''tarx_keys.membership'', '''', false)', 'SELECT set_config(''tarx_keys.acting_user'', ''alice'', false)',
        'SELECT set_config(''row_security'', ''off'', false)', 'SELECT set_config(''search_path'', ''app'', false)', 'SELECT set_config(''work_mem'', ''77kB'', false)']) c;
    RETURN true;
END $$;
CREATE VIEW app.evil_roles AS SELECT m.project AS project_id, m.person AS user_id, m.rank AS role FROM app.members m WHERE m.person = 'ann' AND app.evil();
RESET ROLE;
BEGIN;
SET LOCAL tarx_keys.membership = 'app.evil_roles';
SET LOCAL ROLE regress_backend;
SET LOCAL search_path = app, public;
SET LOCAL row_security = off;
SELECT tarx_keys.act_as('ann', :'A');
SHOW search_path;
SHOW row_security;
SHOW work_mem;
SELECT current_user, tarx_keys.current_user_id();
RESET ROLE;
SELECT DISTINCT what FROM noted ORDER BY what;
TRUNCATE noted;
SET LOCAL ROLE regress_backend;
SET LOCAL row_security = on;
SELECT name FROM tarx_keys.projects;
RESET ROLE;
SELECT count(*) FROM noted WHERE what = 'regress_app, search_path pg_catalog, pg_temp, row_security on';
ROLLBACK;
-- nothing of the caller's takes the place of what the relation names
BEGIN;
CREATE SCHEMA shadow;
GRANT ALL ON SCHEMA shadow TO regress_backend;
SET LOCAL ROLE regress_backend;
CREATE FUNCTION shadow.always(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR shadow.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = shadow.always);
CREATE TEMP TABLE members AS SELECT 'aaaaaaaa-0000-4000-8000-000000000001'::uuid AS project, 'eve' AS person, 'admin' AS rank;
SET LOCAL search_path = shadow, pg_temp, pg_catalog;
SELECT public.outcome(format('tarx_keys.act_as(%L, %L)', 'eve', :'A'));
SELECT public.outcome(format('tarx_keys.act_as(%L, %L)', 'ann', :'B'));
SELECT public.outcome(format('tarx_keys.act_as(%L, %L)', 'ann', :'A'));
ROLLBACK;
-- an error in a view is one
BEGIN;
SET LOCAL ROLE regress_app;
CREATE OR REPLACE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, (m.rank || (1 / (CASE WHEN m.person = 'ann' THEN 0 ELSE 1 END)))::text AS role FROM app.members m;
RESET ROLE;
SELECT role_of('ann', :'A');
ROLLBACK;
-- one that asks us again is refused, whoever it runs as: it would free the plan that runs
BEGIN;
CREATE TABLE app.depth AS SELECT 0 AS n;
CREATE FUNCTION app.ask() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE app.depth SET n = n + 1;
    SET LOCAL quote_all_identifiers = on;
    IF (SELECT n FROM app.depth) = 1 THEN
        PERFORM tarx_keys.act_as('max', 'aaaaaaaa-0000-4000-8000-000000000001');
    END IF;
    RETURN true;
END $$;
CREATE OR REPLACE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, m.rank AS role FROM app.members m WHERE app.ask();
SELECT outcome(format('tarx_keys.act_as(%L, %L)', 'ann', :'A'));
DROP VIEW app.project_roles;
CREATE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, m.rank AS role FROM app.members m;
SELECT role_of('ann', :'A');
ROLLBACK;
-- one that acts for another user, in another project, changes neither
BEGIN;
CREATE FUNCTION app.act() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM tarx_keys.act_as('carol');
    PERFORM tarx_keys.resolve_agent_key('bbbbbbbb-0000-4000-8000-000000000002', 'bbbbbbbb-0000-4000-8000-000000000002');
EXCEPTION WHEN SQLSTATE 'TK003' THEN
    RETURN true;
END $$;
CREATE OR REPLACE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, m.rank AS role FROM app.members m WHERE app.act();
SET LOCAL ROLE regress_backend;
SELECT tarx_keys.act_as('ann', :'A');
SELECT name, tarx_keys.current_user_id(), tarx_keys.current_project_id() FROM tarx_keys.projects;
SELECT count(*) > 0 FROM tarx_keys.project_audit;
ROLLBACK;
-- the owner's row security counts
BEGIN;
ALTER TABLE app.members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT role_of('ann', :'A');
ROLLBACK;

-- service accounts are members in our table all the same
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('ann', :'A');
SELECT tarx_keys.create_service_account(:'A', 'Nightly build', 'key_manager') AS build \gset
SELECT token AS build_token FROM tarx_keys.create_service_account_key(:'A', :'build', 'CI') \gset
SELECT service_account, role FROM tarx_keys.project_members WHERE service_account IS NOT NULL;
COMMIT;
BEGIN;
SELECT role FROM tarx_keys.login(:'build_token', :'A');
SELECT tarx_keys.set_secret(:'A', 'BY_PROGRAM', 'x');
SELECT name FROM tarx_keys.projects;
SELECT outcome(format('tarx_keys.rename_project(%L, ''x'')', :'A'));
ROLLBACK;
BEGIN; SELECT user_id = :'build' FROM tarx_keys.login(:'build_token'); SELECT name FROM tarx_keys.projects; ROLLBACK;
-- and no row of the application makes one
RESET ROLE;
BEGIN;
INSERT INTO app.members VALUES (:'A', :'build', 'admin'), (:'B', :'build', 'admin'), (:'A', 'sa:mine', 'admin');
SELECT outcome(format('tarx_keys.act_as(''sa:mine'', %L)', :'A'));
SELECT role FROM tarx_keys.login(:'build_token', :'A');
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('ann');
SELECT tarx_keys.delete_service_account(:'A', :'build');
SELECT outcome(format('tarx_keys.login(%L)', :'build_token'));
ROLLBACK;

-- the end of a user ends no membership
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT token AS alice FROM tarx_keys.create_platform_key('x') \gset
SELECT * FROM tarx_keys.end_user('alice');
SELECT outcome(format('tarx_keys.login(%L)', :'alice'));
SELECT count(*) FROM tarx_keys.project_members WHERE user_id = 'alice';
SELECT left_projects FROM tarx_keys.end_user('ann');
SELECT role_of('ann', :'A');
SELECT outcome('tarx_keys.end_user(''alice'', ''bob'')');
SELECT * FROM tarx_keys.end_user(:'build');
ROLLBACK;
-- but the run tickets that the user has issued before, and no others
BEGIN;
SELECT tarx_keys.act_as('ann');
SELECT tarx_keys.create_agent(:'A', 'runs') AS agent \gset
SELECT tarx_keys.issue_run_ticket(:'A', :'agent') AS before \gset
SELECT tarx_keys.act_as('max');
SELECT tarx_keys.issue_run_ticket(:'A', :'agent') AS of_max \gset
SELECT outcome(format('tarx_keys.renew_run_ticket(%L)', :'before'));
SELECT * FROM tarx_keys.end_user('ann');
SELECT outcome(format('tarx_keys.renew_run_ticket(%L)', :'before')), outcome(format('tarx_keys.renew_run_ticket(%L)', :'of_max'));
SELECT tarx_keys.act_as('ann');
SELECT tarx_keys.issue_run_ticket(:'A', :'agent') AS afterwards \gset
SELECT outcome(format('tarx_keys.renew_run_ticket(%L)', :'afterwards'));
ROLLBACK;
-- that of a service account ends its membership: it is the last admin of nothing, though our table has no other
BEGIN;
SELECT tarx_keys.act_as('ann');
SELECT tarx_keys.create_project('C', :'nowhere') = :'nowhere';
SELECT tarx_keys.create_service_account(:'nowhere', 'Robot', 'admin') AS robot \gset
SELECT tarx_keys.create_service_account_key(:'nowhere', :'robot', 'x') IS NOT NULL;
SELECT * FROM tarx_keys.end_user(:'robot');
ROLLBACK;

-- without the setting our table counts again
RESET tarx_keys.membership;
SELECT role_of(who, :'A') FROM unnest(ARRAY['ann', 'alice', 'bob']) who;
DROP TABLE noted CASCADE;
DROP FUNCTION outcome, role_of, with_rows, with_type, with_relation;
SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP ROLE regress_app;
\i :clean_up
