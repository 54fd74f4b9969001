-- What sqlsmith finds: three logins, a project with a key and a secret whose values are a
-- marker (the variable), and what makes it likely that calls get far: sqlsmith takes
-- arguments at random, of columns and functions that have the right type.

CREATE ROLE smith_backend LOGIN IN ROLE tarx_keys_backend;
CREATE ROLE smith_runner LOGIN IN ROLE tarx_keys_agent;
CREATE ROLE smith_auditor LOGIN IN ROLE tarx_keys_auditor;

BEGIN;
SET LOCAL ROLE smith_backend;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_project('Story') AS project \gset
SELECT tarx_keys.add_member(:'project', 'bob');
SELECT tarx_keys.add_llm_key(:'project', 'openai', 'Main', 'sk-proj-' || :'marker') AS key \gset
SELECT tarx_keys.add_llm_key(:'project', 'anthropic', 'Spare', 'sk-ant-api03-' || :'marker') AS spare \gset
SELECT tarx_keys.create_agent(:'project', 'Answer bot', :'key') AS agent \gset
SELECT tarx_keys.set_secret(:'project', 'SMTP_PASSWORD', :'marker');
COMMIT;

-- sqlsmith reads pg_proc without a schema, so it finds this view. It has all of our
-- functions that a login may call. Of the server's it has none with side effects or without
-- types of arguments; of the others those that take a text, which errors may repeat, and an
-- eighth of the rest: else one function in thirty would be one of ours. interval() reports a
-- second argument that is no typmod as an internal error.
CREATE SCHEMA lens;
CREATE VIEW lens.pg_proc AS
SELECT p.* FROM pg_catalog.pg_proc p
 WHERE p.pronamespace IN ('tarx_keys'::regnamespace, 'lens'::regnamespace) AND has_function_privilege(p.oid, 'EXECUTE')
    OR p.pronamespace = 'pg_catalog'::regnamespace AND p.provolatile <> 'v'
       AND ('text'::regtype = ANY (p.proargtypes) OR p.oid::bigint % 8 = 0)
       AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = ANY (p.proargtypes) AND t.typtype = 'p') AND p.prosrc <> 'interval_scale';
ALTER ROLE smith_backend SET search_path = lens, pg_catalog;
ALTER ROLE smith_runner SET search_path = lens, pg_catalog;
ALTER ROLE smith_auditor SET search_path = lens, pg_catalog;

CREATE TABLE lens.material (project_id uuid, key_id uuid, agent_id uuid, key_ids uuid[], user_id text, name text, provider text, template text);
INSERT INTO lens.material VALUES
    (:'project', :'key', :'agent', ARRAY[:'key', :'spare']::uuid[], 'alice', 'SMTP_PASSWORD', 'openai', 'Use ${secrets.SMTP_PASSWORD}.'),
    (:'project', :'spare', NULL, ARRAY[:'spare']::uuid[], 'bob', 'Main', 'anthropic', 'Nothing to fill in'),
    (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '{}', 'mallory', '', 'nobody', '${secrets.');

-- For backends: who acts, and the lists as that user sees them
CREATE FUNCTION lens.acting(user_id text, project_id uuid) RETURNS text LANGUAGE sql VOLATILE
AS 'SELECT tarx_keys.act_as($1, $2); SELECT $1';
CREATE VIEW lens.actors AS SELECT m.*, lens.acting('alice', :'project') AS acts FROM lens.material m;
SELECT format('CREATE VIEW lens.%I AS SELECT l.* FROM (SELECT lens.acting(%L, %L) AS acts) a, LATERAL (SELECT * FROM tarx_keys.%1$I WHERE a.acts IS NOT NULL) l;
               GRANT SELECT ON lens.%1$I TO smith_backend', list, 'alice', :'project')
  FROM unnest(ARRAY['projects', 'llm_keys', 'platform_keys', 'secrets', 'due_keys', 'key_usage', 'project_audit']) list
\gexec

-- For runners: values of the calls that return rows, and all of them as columns
CREATE FUNCTION lens.key_value(project_id uuid, key_id uuid) RETURNS text LANGUAGE sql VOLATILE
AS 'SELECT (tarx_keys.resolve_key($1, $2)).key_value';
CREATE FUNCTION lens.key_values(project_id uuid, key_ids uuid[]) RETURNS text LANGUAGE sql VOLATILE
AS 'SELECT string_agg(k.key_value, '','') FROM tarx_keys.resolve_keys($1, $2) k';
CREATE FUNCTION lens.agent_key_value(project_id uuid, agent_id uuid) RETURNS text LANGUAGE sql VOLATILE
AS 'SELECT (tarx_keys.resolve_agent_key($1, $2)).key_value';
CREATE VIEW lens.resolved AS
SELECT lens.key_value(:'project', :'key') AS key_value, lens.key_values(:'project', ARRAY[:'key', :'spare']::uuid[]) AS key_values,
       lens.agent_key_value(:'project', :'agent') AS agent_key_value,
       tarx_keys.resolve_secret(:'project', 'SMTP_PASSWORD') AS secret,
       tarx_keys.render_template(:'project', 'Use ${secrets.SMTP_PASSWORD}.') AS rendered;

GRANT USAGE ON SCHEMA lens TO smith_backend, smith_runner, smith_auditor;
GRANT SELECT ON lens.pg_proc, lens.material TO smith_backend, smith_runner, smith_auditor;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA lens FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lens.acting TO smith_backend;
GRANT SELECT ON lens.actors TO smith_backend;
GRANT EXECUTE ON FUNCTION lens.key_value, lens.key_values, lens.agent_key_value TO smith_runner;
GRANT SELECT ON lens.resolved TO smith_runner;
