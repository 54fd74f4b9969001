-- Names sort as people sort, where a list says so.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT count(tarx_keys.create_agent(:'A', n))
  FROM unnest('{GPT,Gemini,gpt,"Key 10","Key 9",Ärger,eb,Éa,azure,Zoo,äpfel,GPT,"Key 9a",Ω,я}'::text[]) n;
SELECT name FROM tarx_keys.agents ORDER BY name COLLATE tarx_keys.people, id;
-- what the table itself is sorted by is the same on every server
SELECT name FROM tarx_keys.agents WHERE name ~ '^[A-Za-z]' ORDER BY name;
-- also in views
SELECT count(tarx_keys.add_llm_key(:'A', 'openai', n, 'sk-proj-' || md5(n))) FROM unnest('{GPT 10,Gemini,GPT 9}'::text[]) n;
SELECT name FROM tarx_keys.llm_keys ORDER BY name COLLATE tarx_keys.people, id;
-- Pages that go on behind a row have each once, also of those that have the same name
WITH RECURSIVE pages AS (
    SELECT ''::text AS name, '00000000-0000-0000-0000-000000000000'::uuid AS id, 0 AS n
    UNION ALL
    SELECT a.name, a.id, p.n + 1
      FROM pages p CROSS JOIN LATERAL (
           SELECT a.name::text COLLATE "default" AS name, a.id FROM tarx_keys.agents a
            WHERE (a.name COLLATE tarx_keys.people, a.id) > (p.name, p.id)
            ORDER BY a.name COLLATE tarx_keys.people, a.id LIMIT 1) a)
SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM tarx_keys.agents) FROM pages WHERE n > 0;
-- other names are other names
SELECT 'gpt' = 'GPT' COLLATE tarx_keys.people, 'Café' = E'Cafe\u0301' COLLATE tarx_keys.people;
ROLLBACK;
RESET ROLE;

-- An encoding that ICU does not have: by their bytes, and nothing fails
\set QUIET on
CREATE DATABASE regress_bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C';
SELECT current_database() AS before \gset
\connect regress_bytes
CREATE EXTENSION tarx_keys;
SELECT collprovider, collowner::regrole FROM pg_collation WHERE oid = 'tarx_keys.people'::regcollation;
SELECT n FROM unnest('{GPT,Gemini,gpt}'::text[]) n ORDER BY n COLLATE tarx_keys.people;
\connect :before
DROP DATABASE regress_bytes;

-- clean up
\set ECHO none
\i :clean_up
