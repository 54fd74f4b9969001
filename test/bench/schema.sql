-- A database for the benchmark: the extension, its two logins, a key that
-- add_llm_key() has made as the pattern of all others, and the tables without
-- encryption that everything is compared with.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION tarx_keys;
CREATE EXTENSION pg_prewarm;
GRANT tarx_keys_agent TO bench_runner;
GRANT tarx_keys_backend TO bench_service;

CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO PUBLIC;

CREATE FUNCTION bench.uuid_of(kind integer, n bigint) RETURNS uuid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS :'helper', 'bench_uuid';
CREATE FUNCTION bench.key_value(n bigint) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS :'helper', 'bench_key_value';
CREATE FUNCTION bench.seal(master_key bytea, purpose text, value text, project_id uuid, VARIADIC bound "any") RETURNS bytea
LANGUAGE c VOLATILE PARALLEL SAFE AS :'helper', 'bench_seal';

-- Kinds of ids: 0 projects, 1 keys, 2 agents, 3 the project of the pattern.
-- Key n is of project n / 10, whose admin is "user-N" and member "member-N".
SET ROLE bench_service;
BEGIN;
SELECT tarx_keys.act_as('user-0');
SELECT tarx_keys.create_project('Pattern', bench.uuid_of(3, 0));
SELECT tarx_keys.add_llm_key(bench.uuid_of(3, 0), 'openai', 'Pattern', bench.key_value(0));
COMMIT;
RESET ROLE;
CREATE TABLE bench.pattern AS
    SELECT k.* FROM tarx_keys.project_llm_keys k WHERE k.project_id = bench.uuid_of(3, 0);

-- as many columns and indexes as the sealed keys have
CREATE TABLE bench.plain_keys (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    base_url text COLLATE "C",
    destination text COLLATE "C" NOT NULL,
    masked_key text COLLATE "C" NOT NULL,
    added_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    key_value text NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name)
);
CREATE TABLE bench.plain_agents (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    user_api_key_id uuid NOT NULL,
    PRIMARY KEY (project_id, id)
);
CREATE TABLE bench.plain_secrets (
    project_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (project_id, name)
);
CREATE TABLE bench.plain_tokens (token_hash bytea PRIMARY KEY, user_id text NOT NULL);
CREATE TABLE bench.pgcrypto_keys (project_id uuid, id uuid, provider text, name text, destination text,
                                  key_value bytea, PRIMARY KEY (project_id, id));
CREATE TABLE bench.vault_keys (n serial PRIMARY KEY, id uuid NOT NULL);
CREATE TABLE bench.tokens (token text);
-- what calls inside the server go through
CREATE TABLE bench.picks (n serial PRIMARY KEY, project_id uuid NOT NULL, id uuid NOT NULL, vault_id uuid);
CREATE TABLE bench.hot_picks (LIKE bench.picks);
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO PUBLIC;
GRANT INSERT, UPDATE, DELETE ON bench.plain_keys TO bench_service;

CREATE FUNCTION bench.cpu_clock() RETURNS double precision
LANGUAGE c VOLATILE AS :'helper', 'bench_cpu_clock';
-- How long this process works at a statement, in seconds
CREATE FUNCTION bench.cpu_seconds(statement text) RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
    started double precision := bench.cpu_clock();
BEGIN
    EXECUTE statement;
    RETURN bench.cpu_clock() - started;
END
$$;

-- The loop nodes of a plan whose loops are not as many as the rows of the list
CREATE FUNCTION bench.is_called_per_row(statement text, rows integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    line text;
    inside boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF) ' || statement LOOP
        IF line ~ 'SubPlan' THEN
            inside := true;
        ELSIF inside THEN
            RETURN line ~ format('loops=%s\)', rows);
        END IF;
    END LOOP;
    RETURN false;
END
$$;

CREATE FUNCTION bench.memory() RETURNS TABLE (contexts bigint, rss_kb bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER AS $$
    SELECT (SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts),
           substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')::bigint
$$;
-- by how much a loop of calls makes the memory of its own session grow
CREATE FUNCTION bench.memory_growth(calls integer) RETURNS TABLE (contexts bigint, rss_kb bigint)
LANGUAGE plpgsql AS $$
DECLARE
    pick record;
    value text;
    first bigint[];
    now bigint[];
    round integer := 0;
BEGIN
    WHILE round < calls + 10000 LOOP
        FOR pick IN SELECT p.project_id, p.id FROM bench.picks p LIMIT 1000 LOOP
            SELECT r.key_value INTO value FROM tarx_keys.resolve_key(pick.project_id, pick.id) r;
        END LOOP;
        round := round + 1000;
        now := (SELECT ARRAY[m.contexts, m.rss_kb] FROM bench.memory() m);
        IF round <= 10000 THEN
            first := now;
        END IF;
    END LOOP;
    RETURN QUERY SELECT now[1] - first[1], now[2] - first[2];
END
$$;
