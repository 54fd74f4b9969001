-- A platform key that ends in the middle of a transaction: whoever logged in with
-- it changes nothing and sees nothing from the next call on.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
SET ROLE regress_backend;
BEGIN;
DO $$
DECLARE
    a CONSTANT uuid := 'aaaaaaaa-0000-4000-8000-000000000001';
    key uuid;
BEGIN
    PERFORM tarx_keys.act_as('alice');
    key := tarx_keys.add_llm_key(a, 'openai', 'key', 'sk-proj-0123456789abcdef');
    PERFORM set_config('regress.key', key::text, false);
    PERFORM set_config('regress.agent', tarx_keys.create_agent(a, 'agent', key)::text, false);
    PERFORM tarx_keys.set_secret(a, 'S', 'x');
END $$;
SELECT id AS key, token FROM tarx_keys.create_platform_key('key') \gset
SELECT id AS other_key, token AS other FROM tarx_keys.create_platform_key('other') \gset
SELECT id AS third_key, token AS third FROM tarx_keys.create_platform_key('third') \gset
SELECT set_config('regress.third', :'third_key', false) \gset
COMMIT;
RESET ROLE;
\set ECHO all
\set QUIET on
-- All that somebody can do who has logged in, with A as $1, a key as $2, an agent as
-- $3 and a platform key as $4
CREATE TEMP TABLE calls (name text, call text);
GRANT SELECT ON calls TO PUBLIC;
INSERT INTO calls VALUES
    ('create_project', 'SELECT tarx_keys.create_project(''x'')'),
    ('rename_project', 'SELECT tarx_keys.rename_project($1, ''x'')'),
    ('delete_project', 'SELECT tarx_keys.delete_project($1)'),
    ('project_version', 'SELECT tarx_keys.project_version($1)'),
    ('add_member', 'SELECT tarx_keys.add_member($1, ''dave'')'),
    ('remove_member', 'SELECT tarx_keys.remove_member($1, ''bob'')'),
    ('add_llm_key', 'SELECT tarx_keys.add_llm_key($1, ''openai'', ''x'', ''sk-proj-0123456789abcdef'')'),
    -- with an empty box they get as far as anybody who may
    ('add_sealed_llm_key', 'SELECT tarx_keys.add_sealed_llm_key($1, ''openai'', ''x'', '''')'),
    ('set_sealed_secret', 'SELECT tarx_keys.set_sealed_secret($1, ''S'', '''')'),
    ('delete_llm_key', 'SELECT tarx_keys.delete_llm_key($1, $2)'),
    ('create_agent', 'SELECT tarx_keys.create_agent($1, ''x'')'),
    ('set_agent_provider', 'SELECT tarx_keys.set_agent_provider($1, $3, ''openai'')'),
    ('set_agent_key', 'SELECT tarx_keys.set_agent_key($1, $3, $2)'),
    ('rename_agent', 'SELECT tarx_keys.rename_agent($1, $3, ''x'')'),
    ('delete_agent', 'SELECT tarx_keys.delete_agent($1, $3)'),
    ('repoint_agents', 'SELECT tarx_keys.repoint_agents($1, $2, $2)'),
    ('issue_run_ticket', 'SELECT tarx_keys.issue_run_ticket($1, $3) <> '''''),
    ('revoke_run_tickets', 'SELECT tarx_keys.revoke_run_tickets($1, $3)'),
    ('set_secret', 'SELECT tarx_keys.set_secret($1, ''S'', ''y'')'),
    ('restore_secret', 'SELECT tarx_keys.restore_secret($1, ''S'', 1)'),
    ('rename_secret', 'SELECT tarx_keys.rename_secret($1, ''S'', ''T'')'),
    ('describe_secret', 'SELECT tarx_keys.describe_secret($1, ''S'', ''x'')'),
    ('delete_secret', 'SELECT tarx_keys.delete_secret($1, ''S'')'),
    ('create_platform_key', 'SELECT tarx_keys.create_platform_key(''forever'')'),
    ('revoke_platform_key', 'SELECT tarx_keys.revoke_platform_key($4)');
INSERT INTO calls
SELECT c.relname, format('SELECT count(*) FROM tarx_keys.%I', c.relname)
  FROM pg_class c
 WHERE c.relnamespace = 'tarx_keys'::regnamespace AND c.relkind IN ('r', 'v')
   AND has_any_column_privilege('tarx_keys_login', c.oid, 'SELECT') AND c.relname <> 'providers';
-- What comes of each, undone
CREATE FUNCTION pg_temp.outcomes() RETURNS TABLE (name text, outcome text) LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT * FROM calls LOOP
        name := c.name;
        BEGIN
            EXECUTE c.call USING 'aaaaaaaa-0000-4000-8000-000000000001'::uuid, current_setting('regress.key')::uuid,
                current_setting('regress.agent')::uuid, current_setting('regress.third')::uuid;
            RAISE SQLSTATE 'ZZ000';
        EXCEPTION WHEN OTHERS THEN
            outcome := CASE SQLSTATE WHEN 'ZZ000' THEN 'works' ELSE concat_ws(' ', SQLSTATE, regexp_replace(SQLERRM, '".*"', '"…"')) END;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
PREPARE summary AS
SELECT outcome, count(*) > 1 AS many FROM pg_temp.outcomes() GROUP BY outcome ORDER BY outcome COLLATE "C";
-- and the functions among what a login may execute that are not among them: they
-- tell nothing of projects, or prove anew
SELECT p.proname FROM pg_proc p
 WHERE p.pronamespace = 'tarx_keys'::regnamespace AND has_function_privilege('tarx_keys_login', p.oid, 'EXECUTE')
   AND p.proname NOT IN (SELECT name FROM calls)
 ORDER BY p.proname;

SET ROLE regress_login;
BEGIN;
SELECT user_id, role FROM tarx_keys.login(:'token', :'A');
SELECT name, outcome FROM pg_temp.outcomes() ORDER BY name;
-- revoked: by oneself, in the same transaction
SAVEPOINT s;
SELECT tarx_keys.revoke_platform_key(:'key');
SELECT name, outcome FROM pg_temp.outcomes() ORDER BY name;
SELECT tarx_keys.create_platform_key('forever');
-- what is taken back has not happened
ROLLBACK TO s;
EXECUTE summary;
-- another login in its place, whose key ends; then the first one counts again
SAVEPOINT s;
SELECT user_id FROM tarx_keys.login(:'other', :'A');
EXECUTE summary;
SELECT tarx_keys.revoke_platform_key(:'other_key');
EXECUTE summary;
SAVEPOINT t;
SELECT user_id FROM tarx_keys.login(:'other', :'A');
ROLLBACK TO t;
-- the first one's token is still good
SELECT user_id FROM tarx_keys.login(:'token', :'A');
EXECUTE summary;
ROLLBACK TO s;
EXECUTE summary;
ROLLBACK;

-- by whoever can write the table, whatever they do to the row
\set ECHO none
CREATE FUNCTION pg_temp.attack(key uuid) RETURNS TABLE (statement text, outcome text) LANGUAGE plpgsql AS $$
BEGIN
    FOREACH statement IN ARRAY ARRAY[
        'UPDATE tarx_keys.platform_api_keys SET masked_key = ''x'', name = ''x'' WHERE id = $1',
        'UPDATE tarx_keys.platform_api_keys SET expires_at = ''infinity'' WHERE id = $1',
        'UPDATE tarx_keys.platform_api_keys SET read_only = true WHERE id = $1',
        'UPDATE tarx_keys.platform_api_keys SET user_id = ''bob'' WHERE id = $1',
        'UPDATE tarx_keys.platform_api_keys SET id = gen_random_uuid() WHERE id = $1',
        'UPDATE tarx_keys.platform_api_keys SET token_hash = sha256(token_hash) WHERE id = $1',
        'UPDATE tarx_keys.platform_api_keys SET stamp = '''' WHERE id = $1',
        'UPDATE tarx_keys.platform_api_keys SET stamp = set_byte(stamp, 1, get_byte(stamp, 1) # 1) WHERE id = $1',
        'UPDATE tarx_keys.platform_api_keys SET token_hash = NULL, stamp = NULL, revoked_at = now() WHERE id = $1',
        'DELETE FROM tarx_keys.platform_api_keys WHERE id = $1'] LOOP
        BEGIN
            SET LOCAL ROLE none;
            EXECUTE statement USING key;
            SET LOCAL ROLE regress_login;
            SELECT string_agg(DISTINCT left(o.outcome, 5), ' ') INTO outcome FROM pg_temp.outcomes() o;
            RAISE SQLSTATE 'ZZ001';
        EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
            RETURN NEXT;
        END;
    END LOOP;
END $$;
\set ECHO all
BEGIN;
SELECT user_id FROM tarx_keys.login(:'token', :'A');
SELECT outcome, statement FROM pg_temp.attack(:'key');
ROLLBACK;

-- expired in the meantime, which lets nothing through that was prepared or kept before
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT token AS short FROM tarx_keys.create_platform_key('short', clock_timestamp() + '3 s') \gset
COMMIT;
SET ROLE regress_login;
PREPARE listed AS SELECT name, status FROM tarx_keys.llm_keys;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT user_id FROM tarx_keys.login(:'short', :'A');
EXECUTE listed;
EXECUTE listed;
SELECT name FROM tarx_keys.platform_keys WHERE name = 'key';
EXECUTE summary;
RESET ROLE;
SELECT pg_sleep(extract(epoch FROM expires_at - clock_timestamp()) + 0.01) IS NULL FROM tarx_keys.platform_api_keys WHERE name = 'short';
SET ROLE regress_login;
EXECUTE summary;
SAVEPOINT s;
EXECUTE listed;
ROLLBACK TO s;
SELECT name FROM tarx_keys.platform_keys WHERE name = 'key';
ROLLBACK;

-- the hash of a token is shown to nobody but superusers, and the setting is nobody's
BEGIN;
SELECT user_id FROM tarx_keys.login(:'token');
SAVEPOINT s;
\set VERBOSITY sqlstate
SHOW tarx_keys.platform_key;
ROLLBACK TO s;
SELECT count(*) FROM pg_settings WHERE name = 'tarx_keys.platform_key';
SET LOCAL tarx_keys.platform_key = '';
\set VERBOSITY default
ROLLBACK TO s;
RESET ROLE;
SELECT length(current_setting('tarx_keys.platform_key')), substr(current_setting('tarx_keys.platform_key'), 1, 32)::uuid = :'key';
COMMIT;
SHOW tarx_keys.platform_key;

-- who acts because a backend says so has no key that could end
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.revoke_platform_key(:'key');
EXECUTE summary;
ROLLBACK;
RESET ROLE;

-- clean up
DEALLOCATE ALL;
DROP FUNCTION pg_temp.attack(uuid);
DROP FUNCTION pg_temp.outcomes();
DROP TABLE calls;
\set ECHO none
\i :clean_up
