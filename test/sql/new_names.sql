-- Other names for projects, agents and secrets, and other descriptions.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set internals :include /internals.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :internals
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
CREATE TEMP VIEW latest AS
SELECT a.user_id, a.action, a.object_id IS NOT NULL AS has_id, a.object_name FROM tarx_keys.audit_log a WHERE a.at >= now() ORDER BY a.at;
GRANT SELECT ON latest TO PUBLIC;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_agent(:'A', 'agent') AS agent \gset
SELECT tarx_keys.set_secret(:'A', 'OLD', 'one', 'of the shop');
SELECT tarx_keys.set_secret(:'A', 'OLD', 'two');
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.add_member(:'B', 'alice');
COMMIT;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.set_secret(:'A', 'OLD', 'three');
SELECT tarx_keys.set_secret(:'A', 'TAKEN', 'x');
SELECT user_id, token AS reader FROM tarx_keys.create_platform_key('reader', read_only => true) AS k, tarx_keys.current_user_id() AS user_id \gset
COMMIT;

-- who may: admins, of agents every member, of secrets key managers
SELECT c.call, pg_temp.outcome(format(c.call, :'A', :'agent')) FROM (VALUES
    ('tarx_keys.rename_project(%L, ''x'')'), ('tarx_keys.rename_agent(%L, %L, ''x'')'),
    ('tarx_keys.rename_secret(%L, ''OLD'', ''NEW'')'), ('tarx_keys.describe_secret(%L, ''OLD'', ''x'')')) AS c (call);
CREATE FUNCTION pg_temp.try(project uuid, agent uuid) RETURNS TABLE (call text, outcome text) LANGUAGE plpgsql AS $$
BEGIN
    FOR call IN VALUES ('rename_project(%L, ''x'')'), ('rename_agent(%L, %L, ''x'')'), ('rename_secret(%L, ''OLD'', ''NEW'')'), ('describe_secret(%L, ''OLD'', ''x'')') LOOP
        BEGIN
            outcome := pg_temp.outcome('tarx_keys.' || format(call, project, agent));
            RAISE SQLSTATE 'ZZ000';
        EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
            RETURN NEXT;
        END;
    END LOOP;
END $$;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT * FROM pg_temp.try(:'A', :'agent');
SELECT tarx_keys.act_as('bob');
SELECT * FROM pg_temp.try(:'A', :'agent');
SELECT tarx_keys.act_as('carol');
SELECT * FROM pg_temp.try(:'A', :'agent');
SELECT * FROM pg_temp.try(:'nowhere', :'agent');
SELECT tarx_keys.act_as('bob', :'B');
SELECT * FROM pg_temp.try(:'A', :'agent');
SELECT user_id FROM tarx_keys.login(:'reader');
SELECT * FROM pg_temp.try(:'A', :'agent');
ROLLBACK;
RESET ROLE;
GRANT EXECUTE ON FUNCTION pg_temp.outcome(text), pg_temp.try(uuid, uuid) TO PUBLIC;
SET ROLE regress_agent;
SELECT * FROM pg_temp.try(:'A', :'agent');
SET ROLE regress_nobody;
SELECT * FROM pg_temp.try(:'A', :'agent');

-- what is refused
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT c.call, pg_temp.outcome(format('tarx_keys.' || c.call, :'A', :'agent')) FROM (VALUES
    ('rename_project(NULL, ''x'')'), ('rename_project(%L, NULL)'), ('rename_project(%L, '' x'')'), ('rename_project(%L, repeat(''x'', 101))'),
    ('rename_agent(NULL, %2$L, ''x'')'), ('rename_agent(%L, NULL, ''x'')'), ('rename_agent(%L, %L, NULL)'), ('rename_agent(%L, %L, E''a\tb'')'),
    ('rename_agent(%L, %1$L, ''x'')'),
    ('rename_secret(NULL, ''OLD'', ''NEW'')'), ('rename_secret(%L, NULL, ''NEW'')'), ('rename_secret(%L, ''OLD'', NULL)'),
    ('rename_secret(%L, ''1'', ''NEW'')'), ('rename_secret(%L, ''OLD'', ''1'')'), ('rename_secret(%L, ''OLD'', ''TAKEN'')'),
    ('rename_secret(%L, ''TAKEN'', ''OLD'')'), ('rename_secret(%L, ''NONE'', ''TAKEN'')'), ('rename_secret(%L, ''NONE'', ''NEW'')'),
    ('rename_secret(%L, ''NONE'', ''NONE'')'),
    ('describe_secret(NULL, ''OLD'', ''x'')'), ('describe_secret(%L, NULL, ''x'')'), ('describe_secret(%L, ''OLD'', NULL)'),
    ('describe_secret(%L, ''OLD'', E''\x07'')'), ('describe_secret(%L, ''OLD'', repeat(''x'', 1001))'), ('describe_secret(%L, ''NONE'', ''x'')')) AS c (call);
ROLLBACK;

-- what changes nothing is not recorded
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.rename_project(:'A', 'Project A'), tarx_keys.rename_agent(:'A', :'agent', 'agent');
SELECT tarx_keys.rename_secret(:'A', 'OLD', 'OLD'), tarx_keys.describe_secret(:'A', 'OLD', 'of the shop'), tarx_keys.describe_secret(:'A', 'TAKEN', '');
RESET ROLE;
SELECT * FROM latest;
ROLLBACK;

-- a project, an agent, a description; names may be the same for several
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.rename_project(project_id => :'A', name => 'Project B'), tarx_keys.rename_agent(project_id => :'A', agent_id => :'agent', name => 'other');
SELECT name FROM tarx_keys.projects;
SELECT name, updated_at = now() FROM tarx_keys.agents;
SELECT tarx_keys.describe_secret(project_id => :'A', name => 'OLD', description => E'of the\nother shop');
SELECT name, description, version FROM tarx_keys.secrets ORDER BY name;
SELECT tarx_keys.describe_secret(:'A', 'OLD', '');
SELECT name, description IS NULL, version, updated_by FROM tarx_keys.secrets ORDER BY name;
RESET ROLE;
SELECT * FROM latest;
ROLLBACK;

-- a secret takes its versions along, with their numbers and writers
RESET ROLE;
UPDATE tarx_keys.project_secrets SET updated_by = 'bob', updated_at = '2001-01-03 UTC' WHERE name = 'OLD';
UPDATE tarx_keys_internal.project_secret_versions SET updated_by = 'v' || version, updated_at = '2001-01-01 UTC' WHERE name = 'OLD';
SET ROLE regress_agent;
SELECT tarx_keys.resolve_secret(:'A', 'OLD');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.rename_secret(project_id => :'A', name => 'OLD', new_name => 'NEW');
SELECT name, description, version, updated_by, last_used_at IS NOT NULL AS used FROM tarx_keys.secrets WHERE name <> 'TAKEN';
RESET ROLE;
SELECT name, version, updated_by, extract(year FROM updated_at AT TIME ZONE 'UTC') FROM tarx_keys_internal.project_secret_versions ORDER BY version;
SELECT * FROM latest;
SELECT kind, name, status FROM tarx_keys.verify_keys(:'A') ORDER BY name;
SELECT ok FROM tarx_keys.verify_audit(:'A');
-- who resolves finds it there, and used from now on
SET ROLE regress_agent;
SELECT pg_temp.outcome(format('tarx_keys.resolve_secret(%L, %L)', :'A', 'OLD'));
SELECT pg_temp.outcome(format('tarx_keys.render_template(%L, %L)', :'A', 'x ${secrets.OLD}'));
SELECT tarx_keys.render_template(:'A', 'x ${secrets.NEW}');
SET ROLE regress_backend;
SELECT name, last_used_at IS NOT NULL AS used FROM tarx_keys.secrets WHERE name = 'NEW';
-- older versions can be restored; the old name is free
SELECT tarx_keys.restore_secret(:'A', 'NEW', 1);
SELECT tarx_keys.set_secret(:'A', 'OLD', 'another one');
SELECT name, version, last_used_at IS NOT NULL AS used FROM tarx_keys.secrets ORDER BY name;
SELECT tarx_keys.rename_secret(:'A', 'OLD', 'OLDER'), tarx_keys.rename_secret(:'A', 'NEW', 'OLD'), tarx_keys.rename_secret(:'A', 'OLDER', 'NEW');
SET ROLE regress_agent;
SELECT * FROM tarx_keys.resolve_secrets(:'A', '{NEW,OLD}');
ROLLBACK;

-- a version that does not open stays where it is, with all others
RESET ROLE;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SAVEPOINT s;
UPDATE tarx_keys_internal.project_secret_versions SET ciphertext = set_byte(ciphertext, 50, get_byte(ciphertext, 50) # 1) WHERE version = 1;
SELECT pg_temp.outcome(format('tarx_keys.rename_secret(%L, ''OLD'', ''NEW'')', :'A'));
SELECT name, version FROM tarx_keys_internal.project_secret_versions ORDER BY version;
ROLLBACK TO s;
UPDATE tarx_keys.project_secrets SET ciphertext = set_byte(ciphertext, 1, get_byte(ciphertext, 1) # 1) WHERE name = 'OLD';
SELECT left(pg_temp.outcome(format('tarx_keys.rename_secret(%L, ''OLD'', ''NEW'')', :'A')), 5);
-- it can be described even so
SELECT tarx_keys.describe_secret(:'A', 'OLD', 'broken');
SELECT name, description FROM tarx_keys.secrets ORDER BY name;
ROLLBACK;
DROP VIEW latest;
DISCARD TEMP;

-- clean up
\set ECHO none
\i :clean_up
