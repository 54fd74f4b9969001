-- Several keys, or secrets, in one call: their order, all or none, what is counted, and
-- how their rows are found.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    message text;
    hint text;
    argument text;
BEGIN
    EXECUTE 'SELECT string_agg(r.name || '' '' || right(r.key_value, 3), '', '') FROM tarx_keys.' || call || ' r' INTO result;
    RETURN coalesce(result, 'nothing');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, argument = COLUMN_NAME;
    IF hint = '' AND SQLSTATE <> '42501' THEN
        RAISE WARNING 'without a hint: %', message;
    END IF;
    RETURN concat_ws(' ', SQLSTATE, nullif(argument, '') || ':', regexp_replace(message, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'));
END $$;
GRANT EXECUTE ON FUNCTION pg_temp.outcome TO PUBLIC;
-- What comes of resolve_keys() for the keys with these names, each alone by
-- resolve_key(), and how they are refused must be the same.
CREATE TABLE keys (name text PRIMARY KEY, id uuid NOT NULL);
GRANT SELECT, INSERT ON keys TO PUBLIC;
CREATE FUNCTION pg_temp.resolve(project uuid, VARIADIC names text[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.outcome(format('resolve_keys(%L, %L)', project, (SELECT array_agg(k.id ORDER BY n.place)
        FROM unnest(names) WITH ORDINALITY n (name, place) JOIN keys k USING (name))))
$$;
CREATE FUNCTION pg_temp.resolve_one(project uuid, key_name text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.outcome(format('resolve_key(%L, %L)', project, (SELECT k.id FROM keys k WHERE k.name = key_name)))
$$;
GRANT EXECUTE ON FUNCTION pg_temp.resolve, pg_temp.resolve_one TO PUBLIC;
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
INSERT INTO keys SELECT n, tarx_keys.add_llm_key(:'A', 'openai', n, 'sk-proj-0123456789abcdef-of-' || n)
  FROM unnest(ARRAY['k01', 'k02', 'k03', 'k04', 'k05', 'k06', 'off', 'end', 'gone', 'torn']) n;
INSERT INTO keys SELECT 'hdr', tarx_keys.add_llm_key(:'A', 'mistral', 'hdr', 'abcdefghijklmnopqrstuvwxyz-hdr', options => '{"headers": {"X-Team": "a b"}}');
SELECT tarx_keys.update_llm_key(:'A', id, '{"enabled": false}') FROM keys WHERE name = 'off';
SELECT tarx_keys.update_llm_key(:'A', id, '{"expires_at": "2001-01-01T00:00:00Z"}') FROM keys WHERE name = 'end';
SELECT tarx_keys.delete_llm_key(:'A', id) FROM keys WHERE name = 'gone';
SELECT tarx_keys.act_as('carol');
INSERT INTO keys SELECT 'ofb', tarx_keys.add_llm_key(:'B', 'openai', 'ofb', 'sk-proj-0123456789abcdef-of-ofb');
COMMIT;
RESET ROLE;
INSERT INTO keys VALUES ('none', 'eeeeeeee-0000-4000-8000-00000000000e');
UPDATE tarx_keys.project_llm_keys SET destination = 'https://evil.example' WHERE name = 'torn';
SET ROLE regress_agent;

-- in the order of the array, each once; the same row as for one
SELECT pg_temp.resolve(:'A', 'k03', 'k01', 'k02');
SELECT pg_temp.resolve(:'A', 'k02', 'k01', 'k02', 'k02', 'k01');
SELECT pg_temp.resolve(:'A', 'k06', 'k05', 'k04', 'k03', 'k02', 'k01', 'hdr', 'k06');
SELECT pg_temp.resolve(:'A', 'k05');
SELECT pg_temp.outcome(format('resolve_keys(%L, %L)', :'A', '{}'::uuid[]));
SELECT r.name, r.provider, r.base_url, r.headers, r IS NOT DISTINCT FROM (SELECT o FROM tarx_keys.resolve_key(:'A', k.id) o), r.key_id = k.id
  FROM keys k, tarx_keys.resolve_keys(:'A', ARRAY[k.id]) r WHERE k.name IN ('k01', 'hdr') ORDER BY 1;
-- of two dimensions, numbered from elsewhere, in the select list, with ordinality
SELECT r.name FROM tarx_keys.resolve_keys(:'A', (SELECT ARRAY[ARRAY[k.id, l.id], ARRAY[k.id, k.id]] FROM keys k, keys l WHERE k.name = 'k02' AND l.name = 'k01')) r;
SELECT r.name FROM tarx_keys.resolve_keys(:'A', (SELECT format('[5:6]={%s,%s}', k.id, l.id)::uuid[] FROM keys k, keys l WHERE k.name = 'k02' AND l.name = 'k01')) r;
SELECT (tarx_keys.resolve_keys(:'A', array_agg(k.id ORDER BY name DESC))).name FROM keys k WHERE name ~ 'k0';
SELECT r.name, r.n FROM (SELECT array_agg(k.id ORDER BY name) AS ids FROM keys k WHERE name ~ 'k0[12]') k, tarx_keys.resolve_keys(:'A', k.ids) WITH ORDINALITY r (key_id, provider, name, base_url, key_value, headers, n);
-- by a snapshot of its own
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_temp.resolve(:'A', 'k03', 'k01', 'k02', 'k04');
COMMIT;

-- one that is refused refuses all, with the error of resolve_key(); the first one counts
SELECT n.name, pg_temp.resolve_one(:'A', n.name) = pg_temp.resolve(:'A', 'k01', 'k02', n.name, 'k03', 'gone', 'k04') AS as_for_one, pg_temp.resolve_one(:'A', n.name)
  FROM unnest(ARRAY['none', 'ofb', 'gone', 'off', 'end', 'torn']) n (name);
SELECT pg_temp.resolve(:'A', 'none', 'gone'), pg_temp.resolve(:'A', 'gone', 'none');
SELECT pg_temp.resolve(:'B', 'k01'), pg_temp.resolve(:'nowhere', 'k01');
-- arguments
SELECT pg_temp.outcome('resolve_keys(NULL, ''{}'')');
SELECT pg_temp.outcome(format('resolve_keys(%L, NULL)', :'A'));
SELECT pg_temp.outcome(format('resolve_keys(%L, %L)', :'A', (SELECT ARRAY[id, NULL] FROM keys WHERE name = 'k01')));
SELECT pg_temp.outcome(format('resolve_keys(%L, array_fill(%L::uuid, ARRAY[10000]))', :'A', (SELECT id FROM keys WHERE name = 'k01')));
SELECT pg_temp.outcome(format('resolve_keys(%L, array_fill(%L::uuid, ARRAY[10001]))', :'A', (SELECT id FROM keys WHERE name = 'k01')));
-- only runners; of another project, nobody
SET ROLE regress_backend;
SELECT pg_temp.resolve(:'A', 'k01');
SET ROLE regress_nobody;
SELECT pg_temp.resolve(:'A', 'k01');
RESET ROLE;
CREATE ROLE regress_both IN ROLE regress_agent, regress_backend;
SET ROLE regress_both;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT pg_temp.resolve(:'A', 'k01', 'k02'), pg_temp.resolve(:'B', 'ofb');
COMMIT;
RESET ROLE;
DROP ROLE regress_both;

-- in boxes, each for its own key
SET ROLE regress_agent;
SELECT r.name, length(r.sealed) = length(o.sealed), r.sealed <> o.sealed
  FROM (SELECT array_agg(k.id ORDER BY name DESC) AS ids FROM keys k WHERE name ~ 'k0[12]|hdr') k,
       tarx_keys.resolve_keys_sealed(:'A', k.ids, decode(repeat('09', 32), 'hex')) r,
       tarx_keys.resolve_key_sealed(:'A', r.key_id, decode(repeat('09', 32), 'hex')) o;
SELECT count(*) FROM tarx_keys.resolve_keys_sealed(:'A', '{}', decode(repeat('09', 32), 'hex'));
\set VERBOSITY terse
SELECT * FROM tarx_keys.resolve_keys_sealed(:'A', '{}', 'x');
SELECT * FROM tarx_keys.resolve_keys_sealed(:'A', ARRAY['eeeeeeee-0000-4000-8000-00000000000e']::uuid[], decode(repeat('09', 32), 'hex'));
\set VERBOSITY default

-- Uses are counted for each key, a refusal for the key that is refused.
RESET ROLE;
CREATE TEMP TABLE before AS SELECT k.name, u.* FROM keys k, tarx_keys_internal.usage_of('llm_key', :'A', k.id) u;
SET ROLE regress_agent;
SELECT pg_temp.resolve(:'A', 'k01', 'k02', 'k01');
SELECT pg_temp.resolve(:'A', 'k03', 'k04', 'off', 'k05');
SELECT pg_temp.resolve(:'A', 'none');
RESET ROLE;
SELECT k.name, u.uses - b.uses AS uses, u.refused - b.refused AS refused
  FROM keys k JOIN before b USING (name), tarx_keys_internal.usage_of('llm_key', :'A', k.id) u
 WHERE (u.uses, u.refused) <> (b.uses, b.refused) ORDER BY k.name;

-- in a run, the keys of its ticket
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_agent(:'A', 'of a key', (SELECT id FROM keys WHERE name = 'k01')) AS by_key \gset
SELECT tarx_keys.create_agent(:'A', 'of a provider', NULL) AS by_provider \gset
SELECT tarx_keys.set_agent_provider(:'A', :'by_provider', 'openai');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key') AS of_key \gset
SELECT tarx_keys.issue_run_ticket(:'A', :'by_provider') AS of_provider \gset
COMMIT;
SET ROLE regress_agent;
BEGIN;
SELECT count(*) FROM tarx_keys.enter_run(:'of_key');
SELECT pg_temp.resolve(:'A', 'k01', 'k01'), pg_temp.resolve(:'A', 'k01', 'k02'), pg_temp.resolve(:'A', 'none', 'k02'), pg_temp.resolve(:'B', 'ofb');
COMMIT;
BEGIN;
SELECT count(*) FROM tarx_keys.enter_run(:'of_provider');
SELECT pg_temp.resolve(:'A', 'k03', 'k01'), pg_temp.resolve(:'A', 'k01', 'hdr');
COMMIT;

-- Somebody who changes the type of the rows gets no row of other columns.
RESET ROLE;
BEGIN;
ALTER TYPE tarx_keys.resolved_key ALTER ATTRIBUTE name TYPE integer;
SET LOCAL ROLE regress_agent;
SELECT pg_temp.outcome(format('resolve_key(%L, %L)', :'A', (SELECT id FROM keys WHERE name = 'k01')));
SELECT pg_temp.resolve(:'A', 'k01');
ROLLBACK;

-- How many rows are found: by walking through all, by looking up those that are far from
-- each other, and by SPI.
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT count(tarx_keys.set_secret(:'A', 'S' || n, 'value of ' || n)) FROM generate_series(100, 399) n;
COMMIT;
RESET ROLE;
CREATE FUNCTION pg_temp.secrets(names text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    SELECT string_agg(ltrim(r.name, 'S') || CASE WHEN r.value <> 'value of ' || ltrim(r.name, 'S') THEN '!' ELSE '' END, ' ' ORDER BY n)
      INTO result FROM tarx_keys.resolve_secrets('aaaaaaaa-0000-4000-8000-000000000001', names) WITH ORDINALITY r (name, value, n);
    RETURN coalesce(result, 'nothing');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
GRANT EXECUTE ON FUNCTION pg_temp.secrets TO PUBLIC;
CREATE TABLE asked (n integer PRIMARY KEY, names text[], answer text);
GRANT SELECT ON asked TO PUBLIC;
INSERT INTO asked VALUES
    (1, '{S100,S101,S102,S103,S104}'), (2, '{S104,S100,S103,S103,S102}'),
    -- far from each other, from the start or after some steps
    (3, '{S100,S200,S300,S399}'), (4, '{S100,S101,S102,S150,S151,S398,S399}'),
    -- some are not there: before, between, behind
    (5, '{S1,S100,S101,S102}'), (6, '{S100,S1015,S102,S1025,S103}'), (7, '{S100,S101,S399,S9}'), (8, '{S100,S2,S300,S4,S5}'),
    (9, '{A,B,C,D}'), (10, '{T,U,V,W}'), (11, '{}'), (12, '{S250}'), (13, NULL);
INSERT INTO asked SELECT 14, array_agg('S' || n ORDER BY md5(n::text)) FROM generate_series(100, 399) n;
INSERT INTO asked SELECT 15, array_agg('S' || n ORDER BY md5(n::text)) FROM generate_series(100, 399, 7) n;
SET ROLE regress_agent;
SELECT n, left(pg_temp.secrets(names), 70) FROM asked ORDER BY n;
-- what was replaced, and what was taken away, is not found again on the way
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT count(tarx_keys.set_secret(:'A', 'S' || n, 'value of ' || n)) FROM generate_series(100, 399, 3) n;
SELECT tarx_keys.delete_secret(:'A', 'S101');
COMMIT;
SET ROLE regress_agent;
SELECT n, left(pg_temp.secrets(names), 70) FROM asked WHERE n IN (1, 2, 4) ORDER BY n;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.set_secret(:'A', 'S101', 'value of 101');
COMMIT;
-- the same without the index
RESET ROLE;
UPDATE asked SET answer = pg_temp.secrets(names);
CREATE FUNCTION pg_temp.differences() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM asked WHERE answer IS DISTINCT FROM pg_temp.secrets(names)';
GRANT EXECUTE ON FUNCTION pg_temp.differences TO PUBLIC;
BEGIN;
ALTER TABLE tarx_keys_internal.project_secret_versions DROP CONSTRAINT project_secret_versions_project_id_name_fkey;
ALTER TABLE tarx_keys.project_secrets DROP CONSTRAINT project_secrets_pkey;
SET LOCAL ROLE regress_agent;
SELECT pg_temp.differences();
-- two of a name are not for us to choose from
RESET ROLE;
INSERT INTO tarx_keys.project_secrets SELECT * FROM tarx_keys.project_secrets WHERE name = 'S100';
SELECT pg_temp.secrets('{S100}'), pg_temp.secrets('{S101}');
ROLLBACK;
-- an index of another order, where there is one: a1, B1, c1, D1
SELECT coalesce(max(collname), 'POSIX') AS another FROM pg_collation WHERE collname = 'und-x-icu' \gset
INSERT INTO asked (n, names) VALUES (16, '{a1,B1,c1,D1}'), (17, '{c1,D1}');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT count(tarx_keys.set_secret(:'A', n, 'value of ' || n)) FROM unnest('{a1,B1,c1,D1}'::text[]) n;
COMMIT;
RESET ROLE;
UPDATE asked SET answer = pg_temp.secrets(names);
SELECT n, answer FROM asked WHERE n > 15 ORDER BY n;
BEGIN;
ALTER TABLE tarx_keys_internal.project_secret_versions DROP CONSTRAINT project_secret_versions_project_id_name_fkey;
ALTER EXTENSION tarx_keys DROP VIEW tarx_keys.secrets;
DROP VIEW tarx_keys.secrets;
ALTER TABLE tarx_keys.project_secrets ALTER COLUMN name TYPE text COLLATE :"another";
SET LOCAL ROLE regress_agent;
SELECT pg_temp.differences();
ROLLBACK;
-- row security holds for SPI, and nothing of the identity is left behind
BEGIN;
CREATE TABLE child () INHERITS (tarx_keys.project_secrets);
SET LOCAL ROLE regress_agent;
SELECT pg_temp.differences(), pg_temp.resolve(:'A', 'k03', 'k01', 'k02', 'k04');
SELECT current_user, current_setting('tarx_keys.active_project') = '';
RESET ROLE;
DROP POLICY owner_in_project ON tarx_keys.project_secrets;
SET LOCAL ROLE regress_agent;
SELECT pg_temp.secrets('{S100,S101}');
ROLLBACK;
-- keys without the index of their table
BEGIN;
CREATE TABLE child () INHERITS (tarx_keys.project_llm_keys);
SET LOCAL ROLE regress_agent;
SELECT pg_temp.resolve(:'A', 'k03', 'k01', 'k02', 'k01'), pg_temp.resolve(:'A', 'k03', 'gone', 'none');
ROLLBACK;
SET ROLE regress_agent;
SELECT pg_temp.differences();

-- clean up
RESET ROLE;
\set ECHO none
DROP TABLE keys, asked;
\i :clean_up
