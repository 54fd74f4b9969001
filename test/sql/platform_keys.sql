-- Platform API keys: made, listed, revoked, and logging in with them.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT id AS key, token FROM tarx_keys.create_platform_key('laptop') \gset
SELECT id AS narrow_key, token AS narrow FROM tarx_keys.create_platform_key('A only', now() + '1 day', ARRAY[:'A'::uuid]) \gset
SELECT id AS expiring_key, token AS expiring FROM tarx_keys.create_platform_key('a day', now() + '1 day') \gset
SELECT id AS reader_key, token AS reader FROM tarx_keys.create_platform_key(name => 'dashboard', read_only => true) \gset
SELECT id AS short_key, token AS short FROM tarx_keys.create_platform_key('soon over', clock_timestamp() + '0.3 s') \gset
SELECT tarx_keys.act_as('alice');
SELECT id AS alice_key, token AS alice FROM tarx_keys.create_platform_key('mine') \gset
COMMIT;
-- what a token looks like, also to a secret scanner
SELECT :'token' ~ '^sk-tarx-[0-9A-Za-z]{49}$', length(:'token'), :'token' <> :'narrow';
-- one's own only
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT name, masked_key ~ '^sk-tarx-[0-9A-Za-z]{3}…[0-9A-Za-z]{4}$', project_ids, read_only, created_at <= now(), expires_at > created_at, revoked_at
  FROM tarx_keys.platform_keys ORDER BY name;
SELECT name FROM tarx_keys.platform_api_keys ORDER BY name;
SELECT tarx_keys.act_as('carol');
SELECT count(*) FROM tarx_keys.platform_keys;
COMMIT;
SELECT count(*) FROM tarx_keys.platform_keys;
-- the token is not stored
RESET ROLE;
SELECT count(*) FROM tarx_keys.platform_api_keys k WHERE k::text ~ substr(:'token', 9, 20);

-- logging in
SET ROLE regress_login;
BEGIN;
SELECT * FROM tarx_keys.login(:'token');
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id() IS NULL;
SELECT name FROM tarx_keys.projects ORDER BY name;
COMMIT;
SELECT tarx_keys.current_user_id() IS NULL;
BEGIN;
SELECT * FROM tarx_keys.login(:'token', :'A');
SELECT name FROM tarx_keys.projects;
SELECT * FROM tarx_keys.login(token => :'token', project_id => :'B');
SELECT name FROM tarx_keys.projects;
COMMIT;
SELECT * FROM tarx_keys.login(:'token');
-- in a block it serves what follows
SELECT set_config('regress.token', :'token', false) = :'token';
DO $$
DECLARE
    result record;
BEGIN
    result := tarx_keys.login(current_setting('regress.token'));
    PERFORM tarx_keys.login(current_setting('regress.token'));
    RAISE NOTICE '% sees % projects', result.user_id, (SELECT count(*) FROM tarx_keys.projects);
END $$;
RESET regress.token;
-- the role is the current one, not the token's
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.add_member(:'B', 'bob', 'member'); COMMIT;
SET ROLE regress_login;
BEGIN; SELECT * FROM tarx_keys.login(:'token', :'B'); COMMIT;
-- a project one is no member of, and one that does not exist
BEGIN; SELECT * FROM tarx_keys.login(:'alice', :'B'); ROLLBACK;
BEGIN; SELECT * FROM tarx_keys.login(:'alice', :'nowhere'); ROLLBACK;

-- whatever is wrong, the error is the same
\set ECHO none
CREATE FUNCTION pg_temp.outcome(token text, project uuid DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    RETURN (SELECT user_id FROM tarx_keys.login(token, project));
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, md5(hint));
END $$;
\set ECHO all
\set QUIET on
BEGIN;
SELECT pg_temp.outcome(:'token');
SELECT DISTINCT pg_temp.outcome(t) FROM (VALUES
    (''), ('x'), ('sk-tarx-'), (:'token' || 'x'), (' ' || :'token'), (substr(:'token', 1, 56)), (upper(:'token')),
    (overlay(:'token' PLACING CASE substr(:'token', 20, 1) WHEN 'a' THEN 'b' ELSE 'a' END FROM 20)),
    (overlay(:'token' PLACING CASE substr(:'token', 57, 1) WHEN 'a' THEN 'b' ELSE 'a' END FROM 57)),
    ('sk-tarx-' || repeat('0', 43) || '000000'), (repeat('x', 100000))) AS v (t);
COMMIT;
BEGIN; SELECT * FROM tarx_keys.login(NULL); ROLLBACK;
SELECT pg_sleep(0.4);
BEGIN; SELECT pg_temp.outcome(:'short') ~ '^TK010'; COMMIT;
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.revoke_platform_key(:'alice_key'); COMMIT;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT name, revoked_at IS NOT NULL FROM tarx_keys.platform_keys; COMMIT;
SET ROLE regress_login;
BEGIN; SELECT pg_temp.outcome(:'alice') ~ '^TK010'; COMMIT;

-- when a key was last used
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT name, last_used_at > created_at FROM tarx_keys.platform_keys ORDER BY name;
COMMIT;
SET ROLE regress_login;

-- a key that is narrowed to projects
BEGIN;
SELECT * FROM tarx_keys.login(:'narrow');
SELECT name FROM tarx_keys.projects;
SELECT tarx_keys.create_agent(:'A', 'of the narrow key') IS NOT NULL;
SAVEPOINT s;
SELECT tarx_keys.create_agent(:'B', 'x');
ROLLBACK TO s;
SELECT tarx_keys.create_project('x', :'nowhere');
ROLLBACK TO s;
SELECT * FROM tarx_keys.create_platform_key('wider');
ROLLBACK TO s;
SELECT tarx_keys.revoke_platform_key(:'key');
ROLLBACK TO s;
SELECT * FROM tarx_keys.login(:'narrow', :'B');
ROLLBACK;
-- one that expires makes none that outlives it
BEGIN;
SELECT * FROM tarx_keys.login(:'expiring');
SAVEPOINT s;
SELECT * FROM tarx_keys.create_platform_key('for ever');
ROLLBACK TO s;
SELECT * FROM tarx_keys.create_platform_key('longer', now() + '2 days');
ROLLBACK TO s;
SELECT count(id) FROM tarx_keys.create_platform_key('shorter', now() + '1 hour');
ROLLBACK;
-- one that may only list
BEGIN;
SELECT * FROM tarx_keys.login(:'reader');
SELECT name FROM tarx_keys.projects ORDER BY name;
SELECT count(*) FROM tarx_keys.agents;
SAVEPOINT s;
SELECT tarx_keys.create_agent(:'A', 'x');
ROLLBACK TO s;
SELECT tarx_keys.create_project('x');
ROLLBACK TO s;
SELECT tarx_keys.remove_member(:'A', 'bob');
ROLLBACK TO s;
SELECT * FROM tarx_keys.create_platform_key('x');
ROLLBACK TO s;
SELECT tarx_keys.revoke_platform_key(:'key');
ROLLBACK;

-- a proven identity is not replaced by an asserted one, an asserted one by a proven one
SELECT tarx_keys.act_as('alice');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT * FROM tarx_keys.login(:'reader');
SELECT tarx_keys.act_as('alice');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT * FROM tarx_keys.login(:'reader');
ROLLBACK TO s;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'x') IS NOT NULL;
ROLLBACK;
-- nor at all, where a superuser says so
RESET ROLE;
SET tarx_keys.require_login = on;
SET ROLE regress_backend;
SET tarx_keys.require_login = off;
BEGIN; SELECT tarx_keys.act_as('alice'); ROLLBACK;
BEGIN; SELECT * FROM tarx_keys.login(:'token'); COMMIT;
RESET ROLE;
RESET tarx_keys.require_login;

-- arguments
SET ROLE regress_backend;
\set VERBOSITY terse
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM tarx_keys.create_platform_key(NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM tarx_keys.create_platform_key(' x'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM tarx_keys.create_platform_key('x', now()); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM tarx_keys.create_platform_key('x', project_ids => '{}'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM tarx_keys.create_platform_key('x', project_ids => ARRAY[NULL::uuid]); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM tarx_keys.create_platform_key('x', project_ids => ARRAY[ARRAY[:'A'::uuid]]); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM tarx_keys.create_platform_key('x', project_ids => array_fill(:'B'::uuid, ARRAY[101])); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT count(*) FROM tarx_keys.create_platform_key('x', project_ids => array_fill(:'B'::uuid, ARRAY[100])); ROLLBACK;
-- projects may be on another server, so membership counts when the key is used
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT token AS elsewhere FROM tarx_keys.create_platform_key('x', project_ids => ARRAY[:'B', :'nowhere']::uuid[]) \gset
SELECT * FROM tarx_keys.login(:'elsewhere');
SELECT count(*) FROM tarx_keys.projects;
SAVEPOINT s;
SELECT * FROM tarx_keys.login(:'elsewhere', :'A');
ROLLBACK TO s;
SELECT * FROM tarx_keys.login(:'elsewhere', :'B');
ROLLBACK TO s;
SELECT * FROM tarx_keys.login(:'elsewhere', :'nowhere');
ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM tarx_keys.create_platform_key('x', read_only => NULL); ROLLBACK;
SELECT * FROM tarx_keys.create_platform_key('x');
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.revoke_platform_key(NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.revoke_platform_key(:'nowhere'); ROLLBACK;
SELECT tarx_keys.revoke_platform_key(:'key');
\set VERBOSITY sqlstate
-- others' keys and revoked ones look like none
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.revoke_platform_key(:'key'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.revoke_platform_key(:'alice_key'); ROLLBACK;

-- roles
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT token_hash FROM tarx_keys.platform_api_keys; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); UPDATE tarx_keys.platform_api_keys SET read_only = false; ROLLBACK;
SET ROLE regress_agent;
SELECT * FROM tarx_keys.login(:'token');
SELECT * FROM tarx_keys.create_platform_key('x');
SELECT tarx_keys.revoke_platform_key(:'key');
SELECT * FROM tarx_keys.platform_keys;
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.login(:'token');
SET ROLE regress_login;
SELECT * FROM tarx_keys.resolve_key(:'A', :'key');
\set VERBOSITY default

-- whoever can write the table cannot mint, move, widen or prolong
RESET ROLE;
\set ECHO none
CREATE TABLE attacks (n int, statement text);
INSERT INTO attacks VALUES
    (0, 'SELECT'),
    (1, 'UPDATE tarx_keys.platform_api_keys SET user_id = ''alice'' WHERE id = $1'),
    (2, 'UPDATE tarx_keys.platform_api_keys SET expires_at = NULL WHERE id = $1'),
    (3, 'UPDATE tarx_keys.platform_api_keys SET expires_at = expires_at + ''1 year'' WHERE id = $1'),
    (4, 'UPDATE tarx_keys.platform_api_keys SET project_ids = NULL WHERE id = $1'),
    (5, 'UPDATE tarx_keys.platform_api_keys SET project_ids = project_ids || project_ids WHERE id = $1'),
    (6, 'UPDATE tarx_keys.platform_api_keys SET read_only = NOT read_only WHERE id = $1'),
    (7, 'UPDATE tarx_keys.platform_api_keys SET id = gen_random_uuid() WHERE id = $1'),
    (8, 'UPDATE tarx_keys.platform_api_keys SET stamp = '''' WHERE id = $1'),
    (9, 'UPDATE tarx_keys.platform_api_keys SET stamp = set_byte(stamp, 40, get_byte(stamp, 40) # 1) WHERE id = $1'),
    (10, 'UPDATE tarx_keys.platform_api_keys SET stamp = set_byte(stamp, 0, 2) WHERE id = $1'),
    (11, 'UPDATE tarx_keys.platform_api_keys k SET stamp = o.stamp FROM tarx_keys.platform_api_keys o WHERE k.id = $1 AND o.name = ''laptop'''),
    (12, 'WITH gone AS (UPDATE tarx_keys.platform_api_keys SET token_hash = ''\x00'' WHERE id = $1 RETURNING *) SELECT * FROM gone'),
    (14, 'UPDATE tarx_keys.platform_api_keys SET stamp = set_byte(stamp, 1, get_byte(stamp, 1) # 1) WHERE id = $1'),
    (15, 'UPDATE tarx_keys.platform_api_keys SET project_ids = array_fill(NULL::uuid, ARRAY[400]) WHERE id = $1'),
    (16, 'UPDATE tarx_keys.platform_api_keys SET project_ids = ARRAY[project_ids] WHERE id = $1'),
    (17, 'UPDATE tarx_keys.platform_api_keys SET revoked_at = now() WHERE id = $1'),
    (18, 'UPDATE tarx_keys.platform_api_keys SET token_hash = NULL WHERE id = $1'),
    (13, 'UPDATE tarx_keys.platform_api_keys SET revoked_at = now(), token_hash = NULL, stamp = NULL WHERE id = $1');
CREATE FUNCTION attack(key uuid, token text) RETURNS TABLE (n int, outcome text) LANGUAGE plpgsql AS $$
DECLARE
    a record;
BEGIN
    FOR a IN SELECT * FROM attacks ORDER BY attacks.n LOOP
        n := a.n;
        BEGIN
            IF a.n > 0 THEN
                EXECUTE a.statement USING key;
            END IF;
            SELECT 'logged in ' || user_id INTO outcome FROM tarx_keys.login(token);
            RAISE SQLSTATE 'ZZ000' USING MESSAGE = outcome;
        EXCEPTION WHEN OTHERS THEN
            outcome := CASE WHEN SQLSTATE = 'ZZ000' THEN SQLERRM ELSE SQLSTATE END;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
\set ECHO all
BEGIN;
SELECT * FROM attack(:'narrow_key', :'narrow');
-- one that is revoked and has its hash all the same
SAVEPOINT s;
DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE tarx_keys.platform_api_keys DROP CONSTRAINT %I', conname) FROM pg_constraint WHERE conrelid = 'tarx_keys.platform_api_keys'::regclass AND pg_get_constraintdef(oid) ~ 'revoked_at'); END $$;
UPDATE tarx_keys.platform_api_keys SET revoked_at = now() WHERE id = :'narrow_key';
SELECT pg_temp.outcome(:'narrow') ~ '^TK010';
ROLLBACK TO s;
SELECT pg_temp.outcome(:'narrow') ~ '^TK010';
-- a hash of one's own token under another's key, or in a new row
CREATE TABLE mint AS SELECT * FROM tarx_keys.platform_api_keys WHERE id = :'key';
DELETE FROM tarx_keys.platform_api_keys WHERE id = :'key';
UPDATE tarx_keys.platform_api_keys SET token_hash = (SELECT token_hash FROM mint) WHERE id = :'narrow_key';
SELECT pg_temp.outcome(:'token') ~ '^TK010';
UPDATE mint SET user_id = 'alice', id = gen_random_uuid();
DELETE FROM tarx_keys.platform_api_keys WHERE id = :'narrow_key';
INSERT INTO tarx_keys.platform_api_keys SELECT * FROM mint;
SELECT pg_temp.outcome(:'token') ~ '^TK010';
ROLLBACK;
DROP TABLE attacks;
DROP FUNCTION attack;

-- however many logins fail, of whatever kind, the next one fails at once, and a
-- right token logs in
SET client_min_messages = warning;
SET ROLE regress_login;
\set unknown 'sk-tarx-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq13R1ia'
SET statement_timeout = '20s';
SELECT count(*), count(*) FILTER (WHERE left(pg_temp.outcome(t), 5) = 'TK010') AS refused
  FROM (VALUES ('x'), ('sk-tarx-'), ('sk-tarx-' || repeat('0', 49)), (:'unknown'), (:'short')) AS v (t), generate_series(1, 200);
RESET statement_timeout;
BEGIN; SELECT left(pg_temp.outcome(:'token'), 5); COMMIT;
RESET ROLE;
\set VERBOSITY sqlstate
SET tarx_keys.login_failures_per_minute = 1;
\set VERBOSITY default
DISCARD TEMP;

-- clean up
\set ECHO none
\i :clean_up
