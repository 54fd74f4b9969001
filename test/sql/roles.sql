-- Roles in a project: what each may call, and what the others are told.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all
\set QUIET on
SET ROLE regress_backend;

-- add_member takes all four, and login and act_as know them
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_member(:'A', 'kim', 'key_manager');
SELECT tarx_keys.add_member(:'A', 'vera', 'viewer');
SELECT tarx_keys.add_member(:'A', 'x', 'owner');
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_member(:'A', 'kim', 'key_manager');
SELECT tarx_keys.add_member(:'A', 'vera', 'viewer');
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'key', 'a-key-of-twenty-chars') AS key \gset
SELECT tarx_keys.create_agent(:'A', 'agent', :'key') AS agent \gset
SELECT tarx_keys.set_secret(:'A', 'SECRET', 'a value');
SELECT user_id, role FROM tarx_keys.project_members ORDER BY user_id;
COMMIT;
BEGIN;
SELECT tarx_keys.act_as('vera');
SELECT token AS vera FROM tarx_keys.create_platform_key('x') \gset
SELECT tarx_keys.act_as('kim');
SELECT token AS kim FROM tarx_keys.create_platform_key('x') \gset
COMMIT;
BEGIN; SELECT * FROM tarx_keys.login(:'vera', :'A'); ROLLBACK;
BEGIN; SELECT * FROM tarx_keys.login(:'kim', :'A'); ROLLBACK;

-- all calls that change a project, by each role, and by somebody without one
CREATE FUNCTION pg_temp.calls(project uuid, agent uuid, key uuid) RETURNS TABLE (call text, least_role text, as_it_is text[])
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    who text;
BEGIN
    FOR call, least_role IN VALUES
        ('create_agent($1, ''new'')', 'member'),
        ('create_agent($1, ''new'', provider => ''openai'')', 'member'),
        ('set_agent_key($1, $2, $3)', 'member'),
        ('set_agent_provider($1, $2, ''openai'')', 'member'),
        ('rename_agent($1, $2, ''new'')', 'member'),
        ('repoint_agents($1, $3, $3)', 'member'),
        ('delete_agent($1, $2)', 'member'),
        ('issue_run_ticket($1, $2)', 'member'),
        ('issue_run_ticket($1, NULL, key_id => $3)', 'key_manager'),
        ('revoke_run_tickets($1)', 'admin'),
        ('revoke_run_tickets($1, $2)', 'admin'),
        ('create_service_account($1, ''new'')', 'admin'),
        ('add_llm_key($1, ''openai'', ''new'', ''a-key-of-twenty-chars'')', 'key_manager'),
        ('update_llm_key($1, $3, ''{"enabled": false}'')', 'key_manager'),
        ('replace_llm_key($1, $3, ''another-key-of-twenty'')', 'key_manager'),
        ('delete_llm_key($1, $3)', 'key_manager'),
        ('set_secret($1, ''NEW'', ''a value'')', 'key_manager'),
        ('restore_secret($1, ''SECRET'', 1)', 'key_manager'),
        ('rename_secret($1, ''SECRET'', ''NEW'')', 'key_manager'),
        ('describe_secret($1, ''SECRET'', ''x'')', 'key_manager'),
        ('delete_secret($1, ''SECRET'')', 'key_manager'),
        ('add_member($1, ''new'')', 'admin'),
        ('remove_member($1, ''bob'')', 'admin'),
        ('rename_project($1, ''new'')', 'admin'),
        ('delete_project($1)', 'admin')
    LOOP
        as_it_is := '{}';
        FOREACH who IN ARRAY ARRAY['alice', 'kim', 'bob', 'vera', 'carol'] LOOP
            BEGIN
                PERFORM tarx_keys.act_as(who);
                EXECUTE 'SELECT tarx_keys.' || call USING project, agent, key;
                RAISE SQLSTATE 'ZZ000';
            EXCEPTION
                WHEN SQLSTATE 'ZZ000' THEN as_it_is := as_it_is || 'done'::text;
                WHEN insufficient_privilege THEN as_it_is := as_it_is || replace(SQLERRM, format('project "%s"', project), '…');
            END;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END $$;
BEGIN;
SELECT c.call, c.least_role, r.* FROM pg_temp.calls(:'A', :'agent', :'key') c,
       LATERAL (SELECT as_it_is[1] AS admin, as_it_is[2] AS key_manager, as_it_is[3] AS member, as_it_is[4] AS viewer, as_it_is[5] AS nobody) r;
ROLLBACK;

-- lists show the same to each role but the audit log, which is for admins
CREATE FUNCTION pg_temp.sees(who text, project uuid) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    seen text;
BEGIN
    PERFORM tarx_keys.act_as(who, project);
    SELECT concat_ws(' ', (SELECT count(*) FROM tarx_keys.projects), (SELECT count(*) FROM tarx_keys.project_members),
                     (SELECT count(*) FROM tarx_keys.llm_keys), (SELECT count(*) FROM tarx_keys.secrets),
                     (SELECT count(*) FROM tarx_keys.agents), (SELECT count(*) FROM tarx_keys.key_usage)) INTO seen;
    BEGIN
        PERFORM FROM tarx_keys.project_audit;
        RETURN seen || ' audit';
    EXCEPTION WHEN insufficient_privilege THEN
        RETURN seen;
    END;
END $$;
BEGIN;
SELECT who, pg_temp.sees(who, :'A') FROM unnest(ARRAY['alice', 'kim', 'bob', 'vera']) who;
ROLLBACK;

-- whatever their role, users leave, and have platform keys; the last admin stays
BEGIN;
SELECT tarx_keys.act_as('vera');
SELECT tarx_keys.remove_member(:'A', 'vera');
SELECT count(*) FROM tarx_keys.project_members;
SELECT tarx_keys.act_as('alice');
SAVEPOINT s;
SELECT tarx_keys.add_member(:'A', 'alice', 'key_manager');
ROLLBACK TO s;
SELECT tarx_keys.add_member(:'A', 'alice', 'viewer');
ROLLBACK;
-- a change of the role is one, also between those that are no admin's
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_member(:'A', 'vera', 'member');
SELECT tarx_keys.add_member(:'A', 'vera', 'key_manager');
SELECT tarx_keys.add_member(:'A', 'vera', 'key_manager');
SELECT tarx_keys.add_member(:'A', 'vera', 'viewer');
SELECT action, revision FROM tarx_keys.project_audit WHERE object_name = 'vera' ORDER BY revision;
SELECT role, revision FROM tarx_keys.project_members WHERE user_id = 'vera';
ROLLBACK;

-- an edit makes nobody more than a viewer, and a role that is none nobody
RESET ROLE;
UPDATE tarx_keys.project_members SET role = 'key_manager' WHERE user_id = 'vera';
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('vera');
SELECT tarx_keys.delete_secret(:'A', 'SECRET');
ROLLBACK;
RESET ROLE;
\set VERBOSITY sqlstate
UPDATE tarx_keys.project_members SET role = 'owner' WHERE user_id = 'vera';
\set VERBOSITY default
DROP FUNCTION pg_temp.calls, pg_temp.sees;
\i :clean_up
