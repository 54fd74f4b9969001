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

-- Kinds of ids: 0 projects, 1 keys, 2 agents, 3 what the pattern and agents need, 4 members.
-- Key n is of project n / 10 (or what else the number of keys per project is), whose admin is "user-N" and member "member-N".
CREATE FUNCTION bench.uuid_of(kind integer, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT md5(kind || ':' || n)::uuid $$;
-- a value of the form and length of a provider's key
CREATE FUNCTION bench.key_value(n bigint) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT 'sk-proj-' || md5('a' || n) || left(md5('b' || n), 16) $$;
CREATE FUNCTION bench.seal(master_key bytea, purpose text, value text, project_id uuid, VARIADIC bound "any") RETURNS bytea
LANGUAGE c VOLATILE PARALLEL SAFE AS :'seal', 'bench_seal';

SET ROLE bench_service;
BEGIN;
SELECT tarx_keys.act_as('user-0');
SELECT tarx_keys.create_project('Pattern', bench.uuid_of(3, 0));
SELECT tarx_keys.add_llm_key(bench.uuid_of(3, 0), 'openai', 'Pattern', bench.key_value(0));
COMMIT;
RESET ROLE;
CREATE TABLE bench.pattern AS
    SELECT k.* FROM tarx_keys.project_llm_keys k WHERE k.project_id = bench.uuid_of(3, 0);

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
CREATE TABLE bench.plain_members (
    project_id uuid NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, user_id)
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

-- Who lists keys sees those of the project at hand, if the acting user is a member. The
-- columns are those of tarx_keys.llm_keys, so that as many travel.
CREATE TABLE bench.listed_keys AS SELECT k.* FROM tarx_keys.llm_keys k WITH NO DATA;
ALTER TABLE bench.listed_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY members ON bench.listed_keys
    USING (project_id = current_setting('bench.project')::uuid
           AND EXISTS (SELECT FROM bench.plain_members m
                        WHERE m.project_id = current_setting('bench.project')::uuid
                          AND m.user_id = current_setting('bench.user')));

-- the parameters of calls
CREATE TABLE bench.picks (n serial PRIMARY KEY, project bigint NOT NULL, project_id uuid NOT NULL, id uuid NOT NULL);
CREATE TABLE bench.agent_picks (LIKE bench.picks);
CREATE TABLE bench.secret_projects (project_id uuid PRIMARY KEY);
CREATE TABLE bench.tokens (project_id uuid PRIMARY KEY, token text NOT NULL);
CREATE TABLE bench.vault_picks (n serial PRIMARY KEY, id uuid NOT NULL);
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO PUBLIC;
GRANT INSERT ON bench.plain_secrets, bench.secret_projects, bench.tokens TO bench_service;
