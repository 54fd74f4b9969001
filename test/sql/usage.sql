-- What is counted of LLM keys, and who sees it.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set internals :include /internals.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :internals
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'used', 'abcdefghijklmnopqrstuvwxyz012345') AS used \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'idle', 'abcdefghijklmnopqrstuvwxyz012345') AS idle \gset
SELECT tarx_keys.create_agent(:'A', 'agent', :'used') AS agent \gset
SELECT tarx_keys.create_agent(:'A', 'agent without a key') AS keyless \gset
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.add_llm_key(:'B', 'mistral', 'of B', 'abcdefghijklmnopqrstuvwxyz012345') AS other \gset
COMMIT;

-- what was never used says so
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT uses, last_used_at, refused FROM tarx_keys.key_usage;
SELECT name, last_used_at FROM tarx_keys.llm_keys ORDER BY name;
COMMIT;

-- resolve calls are counted, by key and by agent, also where a ROLLBACK follows
-- and in a read-only transaction
SET ROLE regress_agent;
SELECT name FROM tarx_keys.resolve_key(:'A', :'used');
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'agent');
BEGIN; SELECT name FROM tarx_keys.resolve_key(:'A', :'used'); ROLLBACK;
BEGIN; SAVEPOINT s; SELECT name FROM tarx_keys.resolve_key(:'A', :'used'); ROLLBACK TO s; COMMIT;
BEGIN READ ONLY; SELECT name FROM tarx_keys.resolve_key(:'A', :'used'); COMMIT;
SELECT name FROM tarx_keys.resolve_key(:'B', :'other');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT k.name, u.uses, u.last_used_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS lately,
       u.refused, u.last_used_at = k.last_used_at AS same
  FROM tarx_keys.key_usage u JOIN tarx_keys.llm_keys k ON k.project_id = u.project_id AND k.id = u.key_id ORDER BY k.name;
COMMIT;

-- refused calls are counted where the key exists, or did
RESET ROLE;
CREATE FUNCTION pg_temp.attempt(project_id uuid, id uuid, by_agent boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF by_agent THEN
        PERFORM FROM tarx_keys.resolve_agent_key(project_id, id);
    ELSE
        PERFORM FROM tarx_keys.resolve_key(project_id, id);
    END IF;
    RETURN 'resolved';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT gen_random_uuid() AS guess, gen_random_uuid() AS here, gen_random_uuid() AS there \gset
-- other tests have counted keys of these projects, too: only what is ours
CREATE TEMP VIEW counted AS
SELECT left(u.project_id::text, 1) AS project, kind, o.name, u.uses, u.refused
  FROM unnest(ARRAY['llm_key', 'secret', 'platform_key']) kind,
       tarx_keys_internal.usage_in_memory(kind, ARRAY['aaaaaaaa-0000-4000-8000-000000000001',
                                             'bbbbbbbb-0000-4000-8000-000000000002',
                                             'cccccccc-0000-4000-8000-000000000003',
                                             '00000000-0000-0000-0000-000000000000']::uuid[]) u
  JOIN (SELECT id, name FROM tarx_keys.project_llm_keys UNION ALL
        SELECT id, name FROM tarx_keys.agents UNION ALL
        VALUES (:'guess'::uuid, 'guess')) o ON o.id = u.id;
SELECT pg_temp.attempt(:'A', :'guess');
SELECT pg_temp.attempt(:'nowhere', :'guess');
SELECT pg_temp.attempt(:'B', :'used');
SELECT pg_temp.attempt(:'A', NULL);
SELECT pg_temp.attempt(:'A', :'guess', true);
SELECT pg_temp.attempt(:'A', :'keyless', true);
SELECT * FROM counted ORDER BY 1, 2, 3;
-- an edited row, a master key that is not there, a deleted key; each also by the agent
BEGIN;
UPDATE tarx_keys.project_llm_keys SET name = 'edited' WHERE id = :'used';
SELECT pg_temp.attempt(:'A', :'used');
SELECT pg_temp.attempt(:'A', :'agent', true);
ROLLBACK;
BEGIN;
UPDATE tarx_keys.project_llm_keys SET ciphertext = set_byte(ciphertext, 1, get_byte(ciphertext, 1) # 1) WHERE id = :'used';
SELECT pg_temp.attempt(:'A', :'used');
ROLLBACK;
SELECT * FROM counted ORDER BY 1, 2, 3;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.delete_llm_key(:'A', :'idle');
SELECT pg_temp.attempt(:'A', :'idle');
ROLLBACK;
SELECT * FROM counted ORDER BY 1, 2, 3;
-- another project is active
GRANT tarx_keys_agent TO regress_backend;
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT pg_temp.attempt(:'A', :'used'); COMMIT;
RESET ROLE;
REVOKE tarx_keys_agent FROM regress_backend;
SELECT * FROM counted ORDER BY 1, 2, 3;

-- who sees what: members their projects, or the active one
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT project_id, uses, refused FROM tarx_keys.key_usage ORDER BY 1, 2; COMMIT;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT project_id, uses, refused FROM tarx_keys.key_usage; COMMIT;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT project_id, uses, refused FROM tarx_keys.key_usage; COMMIT;
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT project_id, uses, refused FROM tarx_keys.key_usage; COMMIT;
-- the function behind it tells no more, whatever it is asked
BEGIN;
SELECT tarx_keys.act_as('carol', :'B');
SELECT project_id, id = :'other', uses, refused FROM tarx_keys_internal.visible_usage('llm_key') WHERE id IN (:'other', :'used');
SELECT count(*) FROM tarx_keys_internal.visible_usage('llm_key') WHERE project_id <> :'B';
SELECT count(*) FROM tarx_keys_internal.visible_usage('secret') WHERE project_id <> :'B';
SAVEPOINT s;
SELECT count(*) FROM tarx_keys_internal.visible_usage('x');
ROLLBACK TO s;
SELECT count(*) FROM tarx_keys_internal.visible_usage(NULL);
ROLLBACK;
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.key_usage;
SELECT * FROM tarx_keys_internal.visible_usage('llm_key');
SELECT * FROM tarx_keys.known_usage('llm_key', ARRAY[:'A'::uuid]);
SELECT * FROM tarx_keys_internal.usage_in_memory('llm_key', ARRAY[:'A'::uuid]);
SELECT * FROM tarx_keys_internal.last_used;
SELECT tarx_keys_internal.flush_last_used(NULL, '{}', '{}', '{}', '{}');
SET ROLE regress_agent;
SELECT * FROM tarx_keys.key_usage;
SELECT * FROM tarx_keys_internal.visible_usage('llm_key');
SELECT * FROM tarx_keys_internal.last_used;
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.key_usage;
SELECT * FROM tarx_keys_internal.visible_usage('llm_key');
RESET ROLE;
-- the owner reaches the table only by its functions
SET ROLE tarx_keys_owner;
INSERT INTO tarx_keys_internal.last_used VALUES (:'A', 'llm_key', :'idle', :'here', now());
RESET ROLE;
\set VERBOSITY default

-- the later of table and memory is shown
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret(:'A', 'KEPT', 'x'); COMMIT;
RESET ROLE;
SELECT id AS kept FROM tarx_keys.project_secrets WHERE name = 'KEPT' \gset
INSERT INTO tarx_keys_internal.last_used VALUES
    (:'A', 'llm_key', :'idle', :'here', '2001-01-01 UTC'),
    (:'A', 'llm_key', :'used', :'here', '2001-01-01 UTC'),
    (:'A', 'secret', :'kept', :'here', '2201-01-01 UTC'),
    (:'B', 'llm_key', :'other', :'here', '2101-01-01 UTC');
SET ROLE regress_backend;
SET timezone = 'UTC';
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT name, CASE WHEN last_used_at BETWEEN now() - interval '1 minute' AND now() THEN 'lately' ELSE last_used_at::text END
  FROM tarx_keys.llm_keys ORDER BY name;
COMMIT;
RESET timezone;
RESET ROLE;
-- nobody has been let into maintenance by it
SELECT tarx_keys_internal.in_maintenance();
SET ROLE tarx_keys_owner;
-- flushing writes no earlier time over a later one
SELECT tarx_keys_internal.flush_last_used(:'here', ARRAY[:'A', :'A']::uuid[], '{llm_key,secret}', ARRAY[:'idle', :'kept']::uuid[], '{2002-01-01 UTC,2002-01-01 UTC}');
SELECT count(*) FROM tarx_keys_internal.last_used;
DELETE FROM tarx_keys_internal.last_used RETURNING kind;
RESET ROLE;
SELECT kind, extract(year FROM last_used_at AT TIME ZONE 'UTC') FROM tarx_keys_internal.last_used WHERE id IN (:'idle', :'used', :'kept') ORDER BY 1, 2;
-- of two servers the later time is shown, and one that has no subscription takes over
-- the rows of others, in the projects that are flushed
INSERT INTO tarx_keys_internal.last_used VALUES
    (:'A', 'llm_key', :'idle', :'there', '2003-01-01 UTC'),
    (:'A', 'llm_key', :'used', :'there', '2000-06-01 UTC'),
    (:'B', 'llm_key', :'other', :'there', '2102-01-01 UTC');
CREATE TEMP VIEW per_server AS
SELECT l.project_id = :'A' AS a, l.kind, l.id = :'idle' AS idle, l.server = :'here' AS here, extract(year FROM l.last_used_at AT TIME ZONE 'UTC') AS year
  FROM tarx_keys_internal.last_used l;
SELECT * FROM per_server ORDER BY 1, 2, 3, 4;
SELECT id = :'idle' AS idle, extract(year FROM last_used_at AT TIME ZONE 'UTC') AS year
  FROM tarx_keys.known_usage('llm_key', ARRAY[:'A', :'B']::uuid[]) WHERE id IN (:'idle', :'other') ORDER BY 1;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT last_used_at AT TIME ZONE 'UTC' FROM tarx_keys.llm_keys WHERE id = :'idle';
COMMIT;
RESET ROLE;
SELECT tarx_keys_internal.flush_last_used(:'here', ARRAY[:'A']::uuid[], '{llm_key}', ARRAY[:'idle']::uuid[], '{2002-01-01 UTC}');
SELECT * FROM per_server ORDER BY 1, 2, 3, 4;
DROP VIEW per_server;
-- in the projects that are flushed nothing stays of what was deleted, nor is it
-- written down; of a revoked platform key, which is still listed, it is kept
\set no_project '00000000-0000-0000-0000-000000000000'
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT id AS revoked FROM tarx_keys.create_platform_key('used and revoked') \gset
SELECT tarx_keys.revoke_platform_key(:'revoked');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'gone', 'abcdefghijklmnopqrstuvwxyz012345') AS gone \gset
SELECT tarx_keys.delete_llm_key(:'A', :'gone');
SELECT tarx_keys.set_secret(:'A', 'GONE', 'x');
SELECT id AS gone_secret FROM tarx_keys.secrets WHERE name = 'GONE' \gset
SELECT tarx_keys.delete_secret(:'A', 'GONE');
COMMIT;
RESET ROLE;
INSERT INTO tarx_keys_internal.last_used VALUES
    (:'A', 'llm_key', :'gone', :'here', now()),
    (:'A', 'secret', :'gone_secret', :'here', now()),
    (:'B', 'secret', :'kept', :'here', now()),
    (:'no_project', 'platform_key', :'revoked', :'here', now()),
    (:'no_project', 'platform_key', :'guess', :'here', now());
CREATE TEMP VIEW written_down AS
SELECT left(l.project_id::text, 1) AS project, l.kind, o.name
  FROM tarx_keys_internal.last_used l
  LEFT JOIN (SELECT id, name FROM tarx_keys.project_llm_keys UNION ALL
             VALUES (:'kept'::uuid, 'KEPT'), (:'revoked', 'revoked'), (:'guess', 'guess'),
                    (:'gone_secret', 'GONE')) o ON o.id = l.id;
SELECT * FROM written_down ORDER BY 1, 2, 3;
SELECT tarx_keys_internal.flush_last_used(:'here', ARRAY[:'A', :'A']::uuid[], '{llm_key,llm_key}', ARRAY[:'gone', :'guess']::uuid[], '{2002-01-01 UTC,2002-01-01 UTC}');
SELECT * FROM written_down ORDER BY 1, 2, 3;
SELECT tarx_keys_internal.flush_last_used(:'here', ARRAY[:'B', :'no_project']::uuid[], '{llm_key,platform_key}', ARRAY[:'other', :'revoked']::uuid[], '{2002-01-01 UTC,2002-01-01 UTC}');
SELECT * FROM written_down ORDER BY 1, 2, 3;
DROP VIEW written_down;
DELETE FROM tarx_keys_internal.last_used;
-- a secret that is set again was never used, whatever its name was used for
PREPARE was_used AS SELECT last_used_at IS NOT NULL AS was_used FROM tarx_keys.secrets WHERE name = 'AGAIN';
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.set_secret(:'A', 'AGAIN', 'x');
EXECUTE was_used;
SELECT tarx_keys.resolve_secret(:'A', 'AGAIN');
EXECUTE was_used;
SELECT tarx_keys.delete_secret(:'A', 'AGAIN');
SELECT tarx_keys.set_secret(:'A', 'AGAIN', 'x');
EXECUTE was_used;
SELECT tarx_keys.resolve_secret(:'A', 'AGAIN');
EXECUTE was_used;
ROLLBACK;
DEALLOCATE was_used;

-- secrets and platform keys are counted likewise: a secret that does not open,
-- not one that there is not, and a platform key whose token has a row
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.set_secret(:'A', 'COUNTED_1', 'x');
SELECT tarx_keys.set_secret(:'A', 'COUNTED_2', 'x');
SELECT id AS laptop, token FROM tarx_keys.create_platform_key('laptop') \gset
SELECT id AS revoked, token AS revoked_token FROM tarx_keys.create_platform_key('revoked') \gset
SELECT tarx_keys.revoke_platform_key(:'revoked');
SELECT id AS expired, token AS expired_token FROM tarx_keys.create_platform_key('expired', clock_timestamp() + '0.3 s') \gset
COMMIT;
RESET ROLE;
CREATE TEMP VIEW counted_by_name AS
SELECT o.name, u.uses, u.refused
  FROM (SELECT 'secret' AS kind, project_id, id, name FROM tarx_keys.project_secrets
        UNION ALL SELECT 'platform_key', '00000000-0000-0000-0000-000000000000', id, name FROM tarx_keys.platform_api_keys) o
  CROSS JOIN LATERAL tarx_keys_internal.usage_of(o.kind, o.project_id, o.id) u;
CREATE FUNCTION pg_temp.attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
BEGIN;
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_secrets(%L)', :'A'));
UPDATE tarx_keys.project_secrets SET version = 7 WHERE name = 'COUNTED_2';
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_secrets(%L)', :'A'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.render_template(%L, %L)', :'A', '${secrets.COUNTED_2}'));
UPDATE tarx_keys.project_secrets SET ciphertext = set_byte(ciphertext, 1, get_byte(ciphertext, 1) # 1) WHERE name = 'COUNTED_2';
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_secret(%L, %L)', :'A', 'COUNTED_2'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_secrets(%L, %L)', :'A', '{COUNTED_1,NONE}'));
ROLLBACK;
SELECT pg_sleep(extract(epoch FROM expires_at - clock_timestamp()) + 0.01) IS NULL FROM tarx_keys.platform_api_keys WHERE name = 'expired';
BEGIN;
SELECT pg_temp.attempt(format('SELECT tarx_keys.login(%L)', :'token'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.login(%L, %L)', :'token', :'B'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.login(%L)', :'expired_token'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.login(%L)', :'revoked_token'));
UPDATE tarx_keys.platform_api_keys SET stamp = set_byte(stamp, 40, get_byte(stamp, 40) # 1) WHERE name = 'laptop';
SELECT pg_temp.attempt(format('SELECT tarx_keys.login(%L)', :'token'));
ROLLBACK;
SELECT * FROM counted_by_name ORDER BY name;
-- who has logged in sees the usage of the projects of that user
SET ROLE regress_login;
BEGIN;
SELECT user_id, role FROM tarx_keys.login(:'token');
SELECT k.name, u.uses, u.refused FROM tarx_keys.key_usage u JOIN tarx_keys.llm_keys k ON k.id = u.key_id ORDER BY k.name;
COMMIT;
RESET ROLE;
DROP VIEW counted_by_name;

-- which resolves are logged is for superusers to say
SHOW tarx_keys.log_resolves;
SET tarx_keys.log_resolves = 'some';
SET tarx_keys.log_resolves = off;
SELECT pg_temp.attempt(:'A', :'used'), pg_temp.attempt(:'A', :'guess');
RESET tarx_keys.log_resolves;
-- clients see nothing of the log lines
SET client_min_messages = debug1;
SET tarx_keys.log_resolves = 'all';
SELECT pg_temp.attempt(:'A', :'used'), pg_temp.attempt(:'A', :'guess');
RESET tarx_keys.log_resolves;
RESET client_min_messages;
SET ROLE regress_agent;
\set VERBOSITY sqlstate
SET tarx_keys.log_resolves = off;
SET tarx_keys.usage_flush_interval = 1;
SET tarx_keys.usage_entries = 1000;
RESET ROLE;
DROP VIEW counted;

-- clean up
\set ECHO none
\i :clean_up
