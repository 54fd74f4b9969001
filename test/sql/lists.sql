-- Lists: what they count, what they look at, and that they are the same however the
-- tables are read.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

\set QUIET on
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('acme', 'Acme Inc.', 'https://api.acme.example/v1', '/models');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
-- more of each than are read at once for one key
SELECT count(tarx_keys.add_llm_key(:'A', CASE WHEN i % 2 = 0 THEN 'openai' ELSE 'acme' END, 'key ' || i, 'sk-proj-' || md5(i::text)))
  FROM generate_series(1, 50) i;
SELECT count(tarx_keys.create_agent(:'A', 'agent ' || i, k.id))
  FROM generate_series(1, 40) i JOIN tarx_keys.llm_keys k ON k.name = 'key ' || i % 5 * 2;
SELECT count(tarx_keys.create_agent(:'A', 'none ' || i)) FROM generate_series(1, 3) i;
SELECT count(tarx_keys.set_secret(:'A', 'S' || i, 'value')) FROM generate_series(1, 25) i;
SELECT count(tarx_keys.create_platform_key('token ' || i)) FROM generate_series(1, 25) i;
SELECT (tarx_keys.create_platform_key('mine')).token \gset
COMMIT;
RESET ROLE;
-- as if the objects had been used an hour ago and more, each at another time, on two servers
INSERT INTO tarx_keys_internal.last_used
SELECT o.project_id, o.kind, o.id, i.server, timestamptz '2026-01-01' + o.n * interval '1 minute' - (i.n + o.n) % 2 * interval '1 hour'
  FROM (SELECT project_id, 'llm_key' AS kind, id, row_number() OVER (ORDER BY id) AS n FROM tarx_keys.project_llm_keys
        UNION ALL
        SELECT project_id, 'secret', id, row_number() OVER (ORDER BY id) FROM tarx_keys.project_secrets
        UNION ALL
        SELECT '00000000-0000-0000-0000-000000000000', 'platform_key', id, row_number() OVER (ORDER BY id) FROM tarx_keys.platform_api_keys
         WHERE name <> 'mine') o,
       (VALUES (0, gen_random_uuid()), (1, gen_random_uuid())) i (n, server);
CREATE TABLE used AS SELECT l.id, max(l.last_used_at) AS last_used_at FROM tarx_keys_internal.last_used l GROUP BY l.id;
GRANT SELECT ON used TO regress_backend;
-- which objects a list has, and how many of them are shown as they are
CREATE VIEW listed WITH (security_invoker = true) AS
SELECT 'keys' AS what, count(*),
       count(*) FILTER (WHERE k.last_used_at = (SELECT u.last_used_at FROM used u WHERE u.id = k.id)) AS last_used,
       count(*) FILTER (WHERE k.agent_count = (SELECT count(*) FROM tarx_keys.agents a WHERE a.user_api_key_id = k.id)) AS counted,
       sum(k.agent_count) AS agents, count(*) FILTER (WHERE k.status = 'ok') AS ok
  FROM tarx_keys.llm_keys k
UNION ALL
SELECT 'secrets', count(*), count(*) FILTER (WHERE s.last_used_at = (SELECT u.last_used_at FROM used u WHERE u.id = s.id)), NULL, NULL, NULL
  FROM tarx_keys.secrets s
UNION ALL
SELECT 'tokens', count(*), count(*) FILTER (WHERE p.last_used_at = (SELECT u.last_used_at FROM used u WHERE u.id = p.id)), NULL, NULL,
       count(*) FILTER (WHERE p.status = 'ok')
  FROM tarx_keys.platform_keys p;
GRANT SELECT ON listed TO regress_backend;
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); TABLE listed ORDER BY 1; COMMIT;
BEGIN; SELECT tarx_keys.act_as('alice'); TABLE listed ORDER BY 1; COMMIT;
BEGIN; SELECT tarx_keys.act_as('carol'); TABLE listed ORDER BY 1; COMMIT;
-- one key alone
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT k.name, k.provider_label, k.agent_count, k.last_used_at = u.last_used_at AS last_used, k.status
  FROM tarx_keys.llm_keys k JOIN used u USING (id) WHERE k.name IN ('key 7', 'key 8') ORDER BY k.name;
COMMIT;
RESET ROLE;

-- a list by id or name looks at no other key
CREATE FUNCTION looked_at(relation text, query text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        IF line ~ ('Scan.* on ' || relation) THEN
            RETURN substring(line FROM 'rows=(\d+)');
        END IF;
    END LOOP;
END $$;
SELECT id AS key, name FROM tarx_keys.project_llm_keys WHERE name = 'key 8' \gset
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT looked_at('project_llm_keys', 'SELECT * FROM tarx_keys.llm_keys') AS all_of_them,
       looked_at('project_llm_keys', format('SELECT * FROM tarx_keys.llm_keys WHERE id = %L', :'key')) AS by_id,
       looked_at('project_llm_keys', format('SELECT * FROM tarx_keys.llm_keys WHERE name = %L', :'name')) AS by_name,
       looked_at('platform_api_keys', 'SELECT * FROM tarx_keys.platform_keys WHERE name = ''mine''') AS tokens_by_name;
COMMIT;
RESET ROLE;

-- a deleted key is in no list, also of those to whom row security shows it
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.delete_llm_key(:'A', :'key');
SELECT (SELECT count(*) FROM tarx_keys.llm_keys) AS keys, (SELECT count(*) FROM tarx_keys.key_usage) AS used, (SELECT count(*) FROM tarx_keys.due_keys WHERE key_id = :'key') AS due;
SET ROLE tarx_keys_owner;
SELECT (SELECT count(*) FROM tarx_keys.llm_keys) AS keys, (SELECT count(*) FROM tarx_keys.key_usage) AS used;
ROLLBACK;

-- a list of tokens looks at no other user's last uses; one's own have those of two servers
INSERT INTO tarx_keys_internal.last_used
SELECT '00000000-0000-0000-0000-000000000000', 'platform_key', gen_random_uuid(), gen_random_uuid(), now() FROM generate_series(1, 1000);
SELECT 'tarx_keys_internal.last_used_pkey'::regclass::oid AS last_used_pkey \gset
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT pg_stat_get_xact_tuples_fetched(:last_used_pkey) AS before \gset
SELECT count(*) AS tokens FROM tarx_keys.platform_keys \gset
SELECT pg_stat_get_xact_tuples_fetched(:last_used_pkey) - :before <= 2 * :tokens AS only_ones_own;
COMMIT;
RESET ROLE;

-- the newest page of an audit log, however long it is
INSERT INTO tarx_keys.audit_log (project_id, personal, generation, seq, at, user_id, proven, login, action, outcome, stamp)
SELECT :'A', false, 1, 1000000 + i, timestamptz '2020-01-01' + i * interval '1 second', 'alice', false, 'x', 'x', 'allowed', ''
  FROM generate_series(1, 5000) i;
ANALYZE tarx_keys.audit_log;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
-- the table is so small that it might be read as a whole
SET LOCAL enable_seqscan = off;
SELECT looked_at('audit_log l', 'SELECT * FROM tarx_keys.project_audit ORDER BY at DESC LIMIT 20') <= 20 AS few_of_the_newest,
       looked_at('audit_log l_1', 'SELECT * FROM tarx_keys.project_audit ORDER BY at DESC LIMIT 20') <= 100 AS few_of_the_first;
SELECT count(*) FROM (SELECT seq FROM tarx_keys.project_audit ORDER BY at DESC LIMIT 20) a WHERE seq < 1000000;
COMMIT;
RESET ROLE;

-- tables with children are read by SPI, and say the same
BEGIN;
CREATE TABLE child_of_keys () INHERITS (tarx_keys.project_llm_keys);
CREATE TABLE child_of_agents () INHERITS (tarx_keys.agents);
CREATE TABLE child_of_last_used () INHERITS (tarx_keys_internal.last_used);
CREATE TABLE child_of_members () INHERITS (tarx_keys.project_members);
CREATE TABLE child_of_projects () INHERITS (tarx_keys.projects);
CREATE TABLE child_of_platform_keys () INHERITS (tarx_keys.platform_api_keys);
CREATE TABLE child_of_providers () INHERITS (tarx_keys.custom_providers);
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
TABLE listed ORDER BY 1;
SELECT * FROM tarx_keys.login(:'token', :'A');
TABLE listed ORDER BY 1;
SELECT name, provider_label, agent_count FROM tarx_keys.llm_keys WHERE name IN ('key 7', 'key 8') ORDER BY name;
SAVEPOINT s;
SELECT tarx_keys.act_as('carol', :'A');
ROLLBACK TO s;
SELECT * FROM tarx_keys.login(:'token', :'B');
ROLLBACK;

-- clean up
\set ECHO none
DROP VIEW listed;
DROP TABLE used;
DROP FUNCTION looked_at(text, text);
\i :clean_up
