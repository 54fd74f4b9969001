-- How resolve calls find their rows: by the primary key's index, or by SPI
-- where that is not to be had; and what is known of a table is forgotten when
-- it changes. All in one session.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

\set QUIET on
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'one', 'the-value-of-one,-32-characters.') AS one \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'two', 'the-value-of-two,-32-characters.') AS two \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'long', repeat('the-longest-value-there-can-be-.', 256)) AS long \gset
SELECT tarx_keys.create_agent(:'A', 'bot', :'one') AS bot \gset
SELECT tarx_keys.delete_llm_key(:'A', :'two');
COMMIT;

-- the same answers in every situation below
\set ECHO none
CREATE FUNCTION answers(project uuid, one uuid, two uuid, long uuid, bot uuid, other uuid) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    call text;
    answer text;
BEGIN
    FOREACH call IN ARRAY ARRAY[
        format('resolve_key(%L, %L)', project, one),
        format('resolve_key(%L, %L)', project, two),
        format('resolve_key(%L, %L)', project, long),
        format('resolve_key(%L, %L)', other, one),
        format('resolve_key(%L, %L)', project, gen_random_uuid()),
        format('resolve_agent_key(%L, %L)', project, bot),
        format('resolve_agent_key(%L, %L)', other, bot)]
    LOOP
        BEGIN
            EXECUTE 'SELECT left(r.key_value, 16) || length(r.key_value) FROM tarx_keys.' || call || ' r' INTO answer;
        EXCEPTION WHEN OTHERS THEN
            answer := SQLSTATE;
        END;
        RETURN NEXT answer;
    END LOOP;
END $$;
SELECT string_agg(a, ' | ') AS right_answers FROM answers(:'A', :'one', :'two', :'long', :'bot', :'B') a \gset
PREPARE same AS SELECT string_agg(a, ' | ') = $7 FROM answers($1, $2, $3, $4, $5, $6) a;
\set same 'EXECUTE same(':'A'', ':'one'', ':'two'', ':'long'', ':'bot'', ':'B'', ':'right_answers'')'
\set ECHO all
SELECT :'right_answers';
GRANT EXECUTE ON FUNCTION answers TO regress_agent;
SET ROLE regress_agent;
:same;
RESET ROLE;
-- a child, whose rows count
BEGIN;
CREATE TABLE child () INHERITS (tarx_keys.project_llm_keys);
:same;
WITH moved AS (DELETE FROM ONLY tarx_keys.project_llm_keys WHERE id = :'one' RETURNING *) INSERT INTO child SELECT * FROM moved;
SET LOCAL ROLE regress_agent;
:same;
RESET ROLE;
ROLLBACK;
:same;
-- no primary key, another one, a new one
BEGIN;
ALTER TABLE tarx_keys.project_llm_keys DROP CONSTRAINT project_llm_keys_pkey;
:same;
ALTER TABLE tarx_keys.project_llm_keys ADD CONSTRAINT project_llm_keys_pkey PRIMARY KEY (id, project_id);
SET LOCAL ROLE regress_agent;
:same;
RESET ROLE;
ALTER TABLE tarx_keys.project_llm_keys DROP CONSTRAINT project_llm_keys_pkey;
ALTER TABLE tarx_keys.project_llm_keys ADD CONSTRAINT project_llm_keys_pkey PRIMARY KEY (project_id, id);
:same;
ROLLBACK;
-- a partitioned table in its place, with the rows in a partition
BEGIN;
ALTER TABLE tarx_keys.agents RENAME TO part;
CREATE TABLE tarx_keys.agents (LIKE tarx_keys.part) PARTITION BY HASH (project_id);
ALTER TABLE tarx_keys.agents ATTACH PARTITION tarx_keys.part FOR VALUES WITH (MODULUS 1, REMAINDER 0);
ALTER TABLE tarx_keys.agents OWNER TO tarx_keys_owner;
SET LOCAL ROLE regress_agent;
:same;
RESET ROLE;
ROLLBACK;
:same;
-- or without any
BEGIN;
ALTER TABLE tarx_keys.agents RENAME TO part;
CREATE TABLE tarx_keys.agents (LIKE tarx_keys.part INCLUDING INDEXES) PARTITION BY HASH (project_id);
ALTER TABLE tarx_keys.agents OWNER TO tarx_keys_owner;
SET LOCAL ROLE regress_agent;
\set VERBOSITY sqlstate
SELECT key_value FROM tarx_keys.resolve_agent_key(:'A', :'bot');
\set VERBOSITY default
ROLLBACK;
-- columns that moved
BEGIN;
ALTER TABLE tarx_keys.agents ADD COLUMN moved uuid;
UPDATE tarx_keys.agents SET moved = user_api_key_id;
ALTER TABLE tarx_keys.agents RENAME COLUMN user_api_key_id TO old;
ALTER TABLE tarx_keys.agents RENAME COLUMN moved TO user_api_key_id;
:same;
ROLLBACK;
-- a column of another type
BEGIN;
ALTER TABLE tarx_keys.agents ADD COLUMN moved text;
UPDATE tarx_keys.agents SET moved = user_api_key_id;
ALTER TABLE tarx_keys.agents RENAME COLUMN user_api_key_id TO old;
ALTER TABLE tarx_keys.agents RENAME COLUMN moved TO user_api_key_id;
SELECT string_agg(a, ' | ') FROM answers(:'A', :'one', :'two', :'long', :'bot', :'B') a;
ROLLBACK;
-- rewritten, and its index made anew while others use it
VACUUM FULL tarx_keys.project_llm_keys;
:same;
REINDEX TABLE CONCURRENTLY tarx_keys.project_llm_keys;
:same;
-- An index that was left behind invalid lacks rows, so nobody looks into it.
BEGIN;
ALTER TABLE tarx_keys.platform_api_keys DROP CONSTRAINT platform_api_keys_token_hash_key;
CREATE UNIQUE INDEX left_behind ON tarx_keys.platform_api_keys (token_hash);
UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'tarx_keys.left_behind'::regclass;
SELECT tarx_keys.act_as('alice');
SELECT token FROM tarx_keys.create_platform_key('not in the index') \gset
UPDATE pg_index SET indisready = true WHERE indexrelid = 'tarx_keys.left_behind'::regclass;
SELECT user_id FROM tarx_keys.login(:'token');
ROLLBACK;
-- nor into one of another kind, for other rows, or of another order
BEGIN;
ALTER TABLE tarx_keys.platform_api_keys DROP CONSTRAINT platform_api_keys_token_hash_key;
CREATE INDEX ON tarx_keys.platform_api_keys USING hash (token_hash);
SELECT tarx_keys.act_as('alice');
SELECT token FROM tarx_keys.create_platform_key('by hash') \gset
SELECT user_id FROM tarx_keys.login(:'token');
ROLLBACK;
BEGIN;
ALTER TABLE tarx_keys.platform_api_keys DROP CONSTRAINT platform_api_keys_token_hash_key;
CREATE UNIQUE INDEX ON tarx_keys.platform_api_keys (token_hash) WHERE user_id <> 'alice';
SELECT tarx_keys.act_as('alice');
SELECT token FROM tarx_keys.create_platform_key('of no such row') \gset
SELECT user_id FROM tarx_keys.login(:'token');
ROLLBACK;
BEGIN;
ALTER TABLE tarx_keys.project_secrets DROP CONSTRAINT project_secrets_pkey CASCADE;
CREATE UNIQUE INDEX by_language ON tarx_keys.project_secrets (project_id, name COLLATE "und-x-icu");
UPDATE pg_index SET indisprimary = true WHERE indexrelid = 'tarx_keys.by_language'::regclass;
SELECT tarx_keys.act_as('alice');
SELECT count(tarx_keys.set_secret(:'A', name, lower(name))) FROM unnest('{a,B,c,D,e,F,g,H}'::text[]) name;
SELECT string_agg(tarx_keys.resolve_secret(:'A', name), '') FROM unnest('{a,B,c,D,e,F,g,H}'::text[]) name;
ROLLBACK;
-- Row security holds for SPI: whoever takes the owner's policy away, takes the rows away.
BEGIN;
CREATE TABLE child () INHERITS (tarx_keys.project_llm_keys);
DROP POLICY owner_in_project ON tarx_keys.project_llm_keys;
\set VERBOSITY sqlstate
SELECT key_value FROM tarx_keys.resolve_key(:'A', :'one');
\set VERBOSITY default
ROLLBACK;
-- and nothing that it runs takes another role
BEGIN;
CREATE TABLE child () INHERITS (tarx_keys.project_llm_keys);
CREATE FUNCTION takes_role() RETURNS boolean LANGUAGE sql AS $$SELECT pg_catalog.set_config('role', 'none', true) IS NOT NULL$$;
CREATE POLICY taking_role ON tarx_keys.project_llm_keys AS RESTRICTIVE TO tarx_keys_owner USING (takes_role());
SET LOCAL ROLE regress_agent;
SELECT key_value FROM tarx_keys.resolve_key(:'A', :'one');
ROLLBACK;
-- nothing of the identity or the user id is left behind
BEGIN;
CREATE TABLE child () INHERITS (tarx_keys.project_llm_keys);
SET LOCAL ROLE regress_agent;
:same;
SELECT current_user, current_setting('tarx_keys.active_project') = '', current_setting('tarx_keys.acting_user') = '';
ROLLBACK;

-- clean up
\set ECHO none
DROP FUNCTION answers;
\i :clean_up
