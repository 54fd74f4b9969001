-- Errors about an argument say which: its name is the error's column.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set boxes :include /sealed_boxes.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :boxes
\set ECHO all
\set QUIET on
CREATE TEMP TABLE named (function text, argument text);
GRANT INSERT ON named TO PUBLIC;
-- What comes of a call, with A as $1, a key as $2, an agent as $3 and a box as $4
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    argument text;
    outcome text := 'no error';
BEGIN
    BEGIN
        EXECUTE call USING 'aaaaaaaa-0000-4000-8000-000000000001'::uuid,
            current_setting('regress.key')::uuid, current_setting('regress.agent')::uuid,
            current_setting('regress.box')::bytea;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS argument = COLUMN_NAME;
        outcome := concat_ws(' ', SQLSTATE, nullif(argument, ''));
    END;
    INSERT INTO named VALUES (substring(call FROM 'tarx_keys\.(\w+)'), argument);
    RETURN outcome;
END $$;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SET regress.box = '';
SELECT set_config('regress.key', tarx_keys.add_llm_key(:'A', 'openai', 'taken', 'sk-proj-0123456789abcdef')::text, false) IS NOT NULL;
SELECT set_config('regress.agent', tarx_keys.create_agent(:'A', 'agent', current_setting('regress.key')::uuid)::text, false) IS NOT NULL;
SELECT tarx_keys.set_secret(:'A', 'LONG', repeat('x', 65536));
SELECT token FROM tarx_keys.create_platform_key('expires', now() + '1 day') \gset
COMMIT;

-- identities and projects
BEGIN;
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.act_as(NULL)$$),
    ($$SELECT tarx_keys.act_as('')$$),
    ($$SELECT tarx_keys.act_as(repeat('x', 1048577))$$),
    ($$SELECT tarx_keys.login(NULL)$$),
    ($$SELECT tarx_keys.login_jwt(NULL)$$)) AS v (call);
SELECT tarx_keys.act_as('alice');
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.create_project(NULL)$$),
    ($$SELECT tarx_keys.create_project(' x')$$),
    ($$SELECT tarx_keys.create_project('x', NULL)$$),
    ($$SELECT tarx_keys.create_project('x', $1)$$),
    ($$SELECT tarx_keys.rename_project(NULL, 'x')$$),
    ($$SELECT tarx_keys.rename_project($1, NULL)$$),
    ($$SELECT tarx_keys.delete_project(NULL)$$),
    ($$SELECT tarx_keys.add_member(NULL, 'dan')$$),
    ($$SELECT tarx_keys.add_member($1, NULL)$$),
    ($$SELECT tarx_keys.add_member($1, '')$$),
    ($$SELECT tarx_keys.add_member($1, 'dan', NULL)$$),
    ($$SELECT tarx_keys.add_member($1, 'dan', 'owner')$$),
    ($$SELECT tarx_keys.remove_member(NULL, 'bob')$$),
    ($$SELECT tarx_keys.remove_member($1, NULL)$$),
    ($$SELECT tarx_keys.remove_member($1, 'dan')$$)) AS v (call);

-- keys and agents
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.add_llm_key(NULL, 'openai', 'x', 'sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, NULL, 'x', 'sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'nonesuch', 'x', 'sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', NULL, 'sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', '', 'sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'taken', 'sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'x', NULL)$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'x', 'abc')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'x', 'sk-proj-…6789')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'TAKEN', 'sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'x', 'Bearer sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'x', 'sk-ant-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'x', 'sk-x', 'https://llm.example')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai', 'x', 'sk-x', 'https://eu.api.openai.com/v2')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'google_ai', 'x', 'AIza', 'https://llm.example')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai_compatible', 'x', 'sk-x')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'openai_compatible', 'x', 'sk-x', 'https://127.0.0.1/')$$),
    ($$SELECT tarx_keys.add_llm_key($1, 'azure_ai_foundry', 'x', 'sk-x', 'https://llm.example')$$),
    ($$SELECT tarx_keys.delete_llm_key(NULL, $2)$$),
    ($$SELECT tarx_keys.delete_llm_key($1, NULL)$$),
    ($$SELECT tarx_keys.create_agent(NULL, 'x')$$),
    ($$SELECT tarx_keys.create_agent($1, NULL)$$),
    ($$SELECT tarx_keys.create_agent($1, 'x' || chr(10))$$),
    ($$SELECT tarx_keys.create_agent($1, 'x', $2, 'openai')$$),
    ($$SELECT tarx_keys.create_agent($1, 'x', NULL, 'nobody')$$),
    ($$SELECT tarx_keys.set_agent_provider(NULL, $3, 'openai')$$),
    ($$SELECT tarx_keys.set_agent_provider($1, NULL, 'openai')$$),
    ($$SELECT tarx_keys.set_agent_provider($1, $3, NULL)$$),
    ($$SELECT tarx_keys.set_agent_provider($1, $3, 'nobody')$$),
    ($$SELECT tarx_keys.set_agent_key(NULL, $3, $2)$$),
    ($$SELECT tarx_keys.set_agent_key($1, NULL, $2)$$),
    ($$SELECT tarx_keys.set_agent_key($1, $3, NULL)$$),
    ($$SELECT tarx_keys.rename_agent(NULL, $3, 'x')$$),
    ($$SELECT tarx_keys.rename_agent($1, NULL, 'x')$$),
    ($$SELECT tarx_keys.rename_agent($1, $3, ' x')$$),
    ($$SELECT tarx_keys.delete_agent(NULL, $3)$$),
    ($$SELECT tarx_keys.delete_agent($1, NULL)$$),
    ($$SELECT tarx_keys.repoint_agents(NULL, $2, $2)$$),
    ($$SELECT tarx_keys.repoint_agents($1, NULL, $2)$$),
    ($$SELECT tarx_keys.repoint_agents($1, $2, NULL)$$)) AS v (call);

-- secrets
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.set_secret(NULL, 'X', 'x')$$),
    ($$SELECT tarx_keys.set_secret($1, NULL, 'x')$$),
    ($$SELECT tarx_keys.set_secret($1, '1', 'x')$$),
    ($$SELECT tarx_keys.set_secret($1, 'X', NULL)$$),
    ($$SELECT tarx_keys.set_secret($1, 'X', '')$$),
    ($$SELECT tarx_keys.set_secret($1, 'X', 'x', repeat('x', 1001))$$),
    ($$SELECT tarx_keys.restore_secret(NULL, 'LONG', 1)$$),
    ($$SELECT tarx_keys.restore_secret($1, '1', 1)$$),
    ($$SELECT tarx_keys.restore_secret($1, 'LONG', NULL)$$),
    ($$SELECT tarx_keys.restore_secret($1, 'LONG', 7)$$),
    ($$SELECT tarx_keys.rename_secret(NULL, 'LONG', 'X')$$),
    ($$SELECT tarx_keys.rename_secret($1, NULL, 'X')$$),
    ($$SELECT tarx_keys.rename_secret($1, 'LONG', NULL)$$),
    ($$SELECT tarx_keys.rename_secret($1, 'LONG', '1')$$),
    ($$SELECT tarx_keys.describe_secret(NULL, 'LONG', 'x')$$),
    ($$SELECT tarx_keys.describe_secret($1, NULL, 'x')$$),
    ($$SELECT tarx_keys.describe_secret($1, 'LONG', NULL)$$),
    ($$SELECT tarx_keys.delete_secret(NULL, 'X')$$),
    ($$SELECT tarx_keys.delete_secret($1, NULL)$$),
    ($$SELECT tarx_keys.template_references(NULL)$$),
    ($$SELECT tarx_keys.template_references('${secrets.')$$),
    ($$SELECT tarx_keys.template_references(repeat('x', 1048577))$$)) AS v (call);

-- values that come sealed
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.add_sealed_llm_key(NULL, 'openai', 'x', '')$$),
    ($$SELECT tarx_keys.add_sealed_llm_key($1, NULL, 'x', '')$$),
    ($$SELECT tarx_keys.add_sealed_llm_key($1, 'openai', NULL, '')$$),
    ($$SELECT tarx_keys.add_sealed_llm_key($1, 'openai', 'x', NULL)$$),
    ($$SELECT tarx_keys.add_sealed_llm_key($1, 'openai', 'x', '')$$),
    ($$SELECT tarx_keys.add_sealed_llm_key($1, 'openai', 'x', '', repeat('x', 1048577))$$),
    ($$SELECT tarx_keys.add_sealed_llm_key($1, 'openai', 'x', '', NULL, '{}')$$),
    ($$SELECT tarx_keys.set_sealed_secret(NULL, 'X', '')$$),
    ($$SELECT tarx_keys.set_sealed_secret($1, NULL, '')$$),
    ($$SELECT tarx_keys.set_sealed_secret($1, 'X', NULL)$$),
    ($$SELECT tarx_keys.set_sealed_secret($1, 'X', '')$$)) AS v (call);
-- what is wrong with the value in a box
SET regress.box = :'key_short';
SELECT pg_temp.outcome($$SELECT tarx_keys.add_sealed_llm_key($1, 'openai', 'Boxed', $4)$$);
SET regress.box = :'key_masked';
SELECT pg_temp.outcome($$SELECT tarx_keys.add_sealed_llm_key($1, 'openai', 'Boxed', $4)$$);
SET regress.box = :'secret_empty';
SELECT pg_temp.outcome($$SELECT tarx_keys.set_sealed_secret($1, 'BOXED', $4)$$);
-- and with what stands beside it
SET regress.box = :'secret';
SELECT pg_temp.outcome($$SELECT tarx_keys.set_sealed_secret($1, 'BOXED', $4, chr(7))$$);

-- platform keys
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.create_platform_key(NULL)$$),
    ($$SELECT tarx_keys.create_platform_key('')$$),
    ($$SELECT tarx_keys.create_platform_key('x', now())$$),
    ($$SELECT tarx_keys.create_platform_key('x', NULL, '{}')$$),
    ($$SELECT tarx_keys.create_platform_key('x', NULL, NULL, NULL)$$),
    ($$SELECT tarx_keys.revoke_platform_key(NULL)$$),
    ($$SELECT tarx_keys.revoke_platform_key($1, NULL)$$),
    ($$SELECT tarx_keys.revoke_platform_key($1)$$)) AS v (call);
COMMIT;
SET ROLE regress_login;
BEGIN;
SELECT user_id FROM tarx_keys.login(:'token');
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.create_platform_key('x', now() + '2 days')$$)) AS v (call);
COMMIT;

-- runners
SET ROLE regress_agent;
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.resolve_key(NULL, $2)$$),
    ($$SELECT tarx_keys.resolve_key($1, NULL)$$),
    ($$SELECT tarx_keys.resolve_keys(NULL, ARRAY[$2])$$),
    ($$SELECT tarx_keys.resolve_keys($1, NULL)$$),
    ($$SELECT tarx_keys.resolve_keys($1, ARRAY[$2, NULL])$$),
    ($$SELECT tarx_keys.resolve_keys($1, array_fill($2, ARRAY[10001]))$$),
    ($$SELECT tarx_keys.resolve_keys_sealed(NULL, ARRAY[$2], repeat('x', 32)::bytea)$$),
    ($$SELECT tarx_keys.resolve_keys_sealed($1, NULL, repeat('x', 32)::bytea)$$),
    ($$SELECT tarx_keys.resolve_keys_sealed($1, ARRAY[$2], NULL)$$),
    ($$SELECT tarx_keys.resolve_agent_key(NULL, $3)$$),
    ($$SELECT tarx_keys.resolve_agent_key($1, NULL)$$),
    ($$SELECT tarx_keys.resolve_key_sealed(NULL, $2, '')$$),
    ($$SELECT tarx_keys.resolve_key_sealed($1, NULL, repeat('x', 32)::bytea)$$),
    ($$SELECT tarx_keys.resolve_key_sealed($1, $2, NULL)$$),
    ($$SELECT tarx_keys.resolve_key_sealed($1, $2, 'x')$$),
    ($$SELECT tarx_keys.resolve_agent_key_sealed(NULL, $3, '')$$),
    ($$SELECT tarx_keys.resolve_agent_key_sealed($1, NULL, repeat('x', 32)::bytea)$$),
    ($$SELECT tarx_keys.resolve_agent_key_sealed($1, $3, 'x')$$),
    ($$SELECT tarx_keys.models_request(NULL, $2)$$),
    ($$SELECT tarx_keys.models_request($1, NULL)$$),
    ($$SELECT tarx_keys.probe_request(NULL, $2)$$),
    ($$SELECT tarx_keys.probe_request($1, NULL)$$),
    ($$SELECT tarx_keys.chat_request_base(NULL, $2)$$),
    ($$SELECT tarx_keys.chat_request_base($1, NULL)$$),
    ($$SELECT tarx_keys.resolve_secret(NULL, 'LONG')$$),
    ($$SELECT tarx_keys.resolve_secret($1, NULL)$$),
    ($$SELECT tarx_keys.resolve_secret($1, '1')$$),
    ($$SELECT tarx_keys.resolve_secrets(NULL)$$),
    ($$SELECT tarx_keys.resolve_secrets($1, '{LONG,NULL}')$$),
    ($$SELECT tarx_keys.resolve_secrets($1, '{LONG,1}')$$),
    ($$SELECT tarx_keys.resolve_secrets_sealed(NULL, '{LONG}', repeat('x', 32)::bytea)$$),
    ($$SELECT tarx_keys.resolve_secrets_sealed($1, '{1}', repeat('x', 32)::bytea)$$),
    ($$SELECT tarx_keys.resolve_secrets_sealed($1, '{LONG}')$$),
    ($$SELECT tarx_keys.resolve_secrets_sealed($1, '{LONG}', 'x')$$),
    ($$SELECT tarx_keys.render_template(NULL, 'x')$$),
    ($$SELECT tarx_keys.render_template($1, NULL)$$),
    ($$SELECT tarx_keys.render_template($1, '${secrets.')$$),
    ($$SELECT tarx_keys.render_template($1, repeat('${secrets.LONG}', 1025))$$)) AS v (call);

-- database administrators
RESET ROLE;
SELECT pg_temp.outcome(call), call FROM (VALUES
    ($$SELECT tarx_keys.known_usage(NULL, '{}')$$),
    ($$SELECT tarx_keys.known_usage('agent', '{}')$$),
    ($$SELECT tarx_keys.begin_audit(NULL)$$),
    ($$SELECT tarx_keys.verify_audit(NULL)$$),
    ($$SELECT tarx_keys.verify_personal_audit(NULL)$$),
    ($$SELECT tarx_keys.restamp_members(NULL)$$),
    ($$SELECT tarx_keys.purge_project(NULL)$$),
    ($$SELECT tarx_keys.purge_project($1)$$),
    ($$SELECT tarx_keys.end_user(NULL)$$),
    ($$SELECT tarx_keys.end_user('')$$),
    ($$SELECT tarx_keys.end_user('dan', '')$$),
    ($$SELECT tarx_keys.end_user('dan', 'dan')$$),
    ($$SELECT tarx_keys.revoke_leaked_platform_keys(NULL)$$),
    ($$SELECT tarx_keys.find_key('')$$),
    ($$SELECT tarx_keys.find_sealed_key('')$$),
    ($$SELECT tarx_keys.router_sql('{x,y,z}')$$),
    ($$SELECT tarx_keys.purge_unverifiable_audit(NULL)$$),
    ($$SELECT tarx_keys.purge_unverifiable_personal_audit(NULL)$$),
    -- these two commit, which is not possible here; this checks their arguments
    ($$SELECT tarx_keys_internal.begin_purge(NULL, 1)$$),
    ($$SELECT tarx_keys_internal.begin_purge(now(), NULL)$$),
    ($$SELECT tarx_keys_internal.begin_purge(now(), 0)$$),
    ($$SELECT tarx_keys_internal.begin_rotation(NULL)$$),
    ($$SELECT tarx_keys_internal.begin_rotation(0)$$)) AS v (call);

-- The arguments that no error above has named: that of rotate_master_key(), and
-- those that may be NULL and for the rest are a matter of rights and of what
-- there is, for which the error's code is enough.
SELECT p.proname, a.name
  FROM pg_proc p, unnest(p.proargnames[1:p.pronargs]) AS a (name)
 WHERE p.pronamespace = 'tarx_keys'::regnamespace
   AND NOT EXISTS (SELECT FROM named n WHERE n.function = p.proname AND n.argument = a.name)
 ORDER BY p.proname, a.name;

-- clean up
DROP FUNCTION pg_temp.outcome(text);
DROP TABLE named;
\set ECHO none
\i :clean_up
