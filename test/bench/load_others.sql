-- What a database has besides keys: what is listed in clear, agents in clear, secrets, tokens, and what calls go through.
-- Secrets and tokens are made by the functions that applications call.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
INSERT INTO bench.listed_keys (project_id, id, name, provider, provider_label, masked_key, base_url, added_by, created_at,
                               state, destination, priority, agent_count, health, status)
SELECT project_id, id, name, provider, 'OpenAI', masked_key, base_url, added_by, created_at,
       'enabled', destination, 100, 1, 'unverified', 'ok' FROM bench.plain_keys;
ALTER TABLE bench.listed_keys ADD PRIMARY KEY (project_id, id);
INSERT INTO bench.plain_agents SELECT a.project_id, a.id, a.user_api_key_id FROM tarx_keys.agents a;

INSERT INTO bench.picks (project, project_id, id)
SELECT n / :per_project, bench.uuid_of(0, n / :per_project), bench.uuid_of(1, n)
  FROM (SELECT floor(random() * :keys)::bigint AS n FROM generate_series(1, least(:keys, 100000)) OFFSET 0) s;
INSERT INTO bench.agent_picks
SELECT n, n / :per_project, bench.uuid_of(0, n / :per_project), bench.uuid_of(2, n)
  FROM (SELECT floor(random() * least(:keys, 100000))::integer AS n FROM generate_series(1, least(:keys, 100000)) OFFSET 0) s;

SELECT count(tarx_keys.begin_audit(bench.uuid_of(0, n))) FROM generate_series(0, :some_projects - 1) n;
SET bench.some_projects = :some_projects;
SET ROLE bench_service;
DO $$
BEGIN
    FOR p IN 0 .. current_setting('bench.some_projects')::integer - 1 LOOP
        PERFORM tarx_keys.act_as('user-' || p, bench.uuid_of(0, p));
        INSERT INTO bench.secret_projects VALUES (bench.uuid_of(0, p));
        FOR s IN 1 .. 20 LOOP
            PERFORM tarx_keys.set_secret(bench.uuid_of(0, p), 'SECRET_' || s, bench.key_value(s));
            INSERT INTO bench.plain_secrets VALUES (bench.uuid_of(0, p), 'SECRET_' || s, bench.key_value(s));
        END LOOP;
        PERFORM tarx_keys.act_as('user-' || p);
        INSERT INTO bench.tokens SELECT bench.uuid_of(0, p), token FROM tarx_keys.create_platform_key('token');
    END LOOP;
END
$$;
RESET ROLE;
INSERT INTO bench.plain_tokens
SELECT sha256(t.token::bytea), 'user'
  FROM (SELECT token FROM bench.tokens UNION ALL SELECT bench.key_value(n) FROM generate_series(1, 10000) n) t;
