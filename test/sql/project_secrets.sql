-- Setting, listing, resolving, restoring and deleting project secrets.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set internals :include /internals.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :internals
\set ECHO all

-- admins set them; each call is the next version
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.set_secret(:'A', 'DB_URL', 'postgres://u:p1@host/db', 'of the shop');
SELECT tarx_keys.set_secret(project_id => :'A', name => 'DB_URL', value => 'postgres://u:p2@host/db');
SELECT tarx_keys.set_secret(:'A', '_token2', E'line 1\r\n\tline 2 – ключ 🔑 \u202e ');
SELECT tarx_keys.set_secret(:'A', 'CERT', repeat('c', 65536), E'a\nb');
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.set_secret(:'B', 'DB_URL', 'postgres://of-b');
COMMIT;

-- every member sees the list, without values
\pset tuples_only off
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT project_id = :'A' AS same_project, name, description, version, updated_by, updated_at <= now() AS dated FROM tarx_keys.secrets ORDER BY name;
SELECT * FROM tarx_keys.secrets WHERE false;
SELECT count(*) FROM tarx_keys.project_secrets;
COMMIT;
\pset tuples_only on
-- others do not
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT name, version FROM tarx_keys.secrets; COMMIT;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT count(*) FROM tarx_keys.secrets; COMMIT;
BEGIN; SELECT tarx_keys.act_as('dave'); SELECT count(*) FROM tarx_keys.secrets; COMMIT;
SELECT * FROM tarx_keys.secrets;

-- a description stays until there is another; an empty one is none
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.set_secret(:'A', 'DB_URL', 'x', description => NULL);
SELECT description FROM tarx_keys.secrets WHERE name = 'DB_URL';
SELECT tarx_keys.set_secret(:'A', 'DB_URL', 'x', 'new');
SELECT description FROM tarx_keys.secrets WHERE name = 'DB_URL';
SELECT tarx_keys.set_secret(:'A', 'DB_URL', 'x', '');
SELECT description IS NULL FROM tarx_keys.secrets WHERE name = 'DB_URL';
SELECT tarx_keys.set_secret(:'A', 'EMPTY', 'x', '');
SELECT description IS NULL FROM tarx_keys.secrets WHERE name = 'EMPTY';
ROLLBACK;

-- the runner gets the values
SET ROLE regress_agent;
SELECT tarx_keys.resolve_secret(:'A', 'DB_URL');
SELECT tarx_keys.resolve_secret(project_id => :'B', name => 'DB_URL');
SELECT tarx_keys.resolve_secret(:'A', '_token2') = E'line 1\r\n\tline 2 – ключ 🔑 \u202e ';
SELECT tarx_keys.resolve_secret(:'A', 'CERT') = repeat('c', 65536);
\pset tuples_only off
SELECT name, left(value, 12) AS value FROM tarx_keys.resolve_secrets(:'A');
SELECT * FROM tarx_keys.resolve_secrets(project_id => :'A', names => ARRAY['_token2', 'DB_URL']) WHERE name <> '_token2';
\pset tuples_only on
-- by name, each once, whatever the order
SELECT name FROM tarx_keys.resolve_secrets(:'A', ARRAY['_token2', 'CERT', 'DB_URL', 'CERT', '_token2']);
SELECT name FROM tarx_keys.resolve_secrets(:'A', ARRAY[['CERT', 'DB_URL'], ['DB_URL', 'CERT']]);
SELECT count(*) FROM tarx_keys.resolve_secrets(:'A', '{}');
SELECT count(*) FROM tarx_keys.resolve_secrets(:'A', NULL);
-- a project without secrets, and none, look the same
SELECT count(*) FROM tarx_keys.resolve_secrets(:'nowhere');
-- in the select list, twice in one query, with ordinality
SELECT (tarx_keys.resolve_secrets(:'A', '{DB_URL,CERT}')).name;
SELECT a.name, b.name FROM tarx_keys.resolve_secrets(:'A', '{DB_URL}') a, tarx_keys.resolve_secrets(:'B') b;
SELECT n, name FROM tarx_keys.resolve_secrets(:'A') WITH ORDINALITY AS s (name, value, n);
-- in a read-only transaction, too
BEGIN READ ONLY; SELECT tarx_keys.resolve_secret(:'A', 'DB_URL'); SELECT count(*) FROM tarx_keys.resolve_secrets(:'A'); COMMIT;

-- another project's secret and none look the same
SELECT tarx_keys.resolve_secret(:'A', 'NO_SUCH');
SELECT tarx_keys.resolve_secret(:'B', 'CERT');
SELECT tarx_keys.resolve_secret(:'nowhere', 'CERT');
SELECT tarx_keys.resolve_secret(:'A', 'db_url');
SELECT * FROM tarx_keys.resolve_secrets(:'B', '{CERT}');
-- all that there are not are named, in the order in which they were asked for
SELECT * FROM tarx_keys.resolve_secrets(:'A', '{zz,CERT,b,DB_URL,zz,a,CERTS,CER}');
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.resolve_secrets(:'A', '{zz,b}');
SELECT tarx_keys.resolve_secret(:'A', 'NO_SUCH');
\set VERBOSITY default
-- NULL is an error, not a NULL
SELECT tarx_keys.resolve_secret(NULL, 'CERT');
SELECT tarx_keys.resolve_secret(:'A', NULL);
SELECT * FROM tarx_keys.resolve_secrets(NULL);
SELECT * FROM tarx_keys.resolve_secrets(:'A', ARRAY['CERT', NULL]);
-- what cannot be a name is bad input, and is not repeated
SELECT tarx_keys.resolve_secret(:'A', 'postgres://u:p1@host');
SELECT * FROM tarx_keys.resolve_secrets(:'A', ARRAY['CERT', 'NO_SUCH', 'postgres://u:p1@host']);
SELECT * FROM tarx_keys.resolve_secrets(:'A', ARRAY['']);
SELECT tarx_keys.resolve_secret(:'A', repeat('x', 129));

-- however many values there are, they go to no temporary file
SET work_mem = '64kB';
CREATE FUNCTION pg_temp.spills(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) ' || query LOOP
        IF line ~ 'temp (read|written)' THEN
            RETURN NEXT 'temporary file';
        END IF;
    END LOOP;
END $$;
SELECT DISTINCT pg_temp.spills(format('SELECT * FROM tarx_keys.resolve_secrets(%L)', :'A'));
SELECT DISTINCT pg_temp.spills(format('SELECT tarx_keys.resolve_secrets(%L)', :'A'));
SELECT DISTINCT pg_temp.spills(format('SELECT tarx_keys.resolve_secret(%L, ''CERT'')', :'A'));
-- which this would show
SELECT DISTINCT pg_temp.spills('SELECT * FROM generate_series(1, 100000)');
RESET work_mem;

-- a login with both roles, in another project
RESET ROLE;
GRANT tarx_keys_agent TO regress_backend;
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('bob', :'A'); SELECT tarx_keys.resolve_secret(:'A', 'DB_URL'); COMMIT;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT tarx_keys.resolve_secret(:'A', 'DB_URL'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT * FROM tarx_keys.resolve_secrets(:'A'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT tarx_keys.render_template(:'A', 'x'); ROLLBACK;
\set VERBOSITY default
RESET ROLE;
REVOKE tarx_keys_agent FROM regress_backend;

-- who may set, restore, delete: admins of that project
SET ROLE regress_backend;
\set VERBOSITY sqlstate
SELECT tarx_keys.set_secret(:'A', 'x', 'v');
SELECT tarx_keys.restore_secret(:'A', 'DB_URL', 1);
SELECT tarx_keys.delete_secret(:'A', 'DB_URL');
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.set_secret(:'A', 'x', 'v'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.restore_secret(:'A', 'DB_URL', 1); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.delete_secret(:'A', 'DB_URL'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.set_secret(:'A', 'x', 'v'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.restore_secret(:'A', 'DB_URL', 1); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.delete_secret(:'A', 'DB_URL'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.set_secret(:'nowhere', 'x', 'v'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT tarx_keys.set_secret(:'A', 'x', 'v'); ROLLBACK;
\set VERBOSITY default
-- roles
SELECT tarx_keys.resolve_secret(:'A', 'DB_URL');
SELECT * FROM tarx_keys.resolve_secrets(:'A');
SELECT tarx_keys.render_template(:'A', 'x');
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT ciphertext FROM tarx_keys.project_secrets; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT * FROM tarx_keys_internal.project_secret_versions; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); UPDATE tarx_keys.project_secrets SET version = 1; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); DELETE FROM tarx_keys.secrets; ROLLBACK;
SET ROLE regress_agent;
SELECT tarx_keys.set_secret(:'A', 'x', 'v');
SELECT tarx_keys.restore_secret(:'A', 'DB_URL', 1);
SELECT tarx_keys.delete_secret(:'A', 'DB_URL');
SELECT * FROM tarx_keys.secrets;
SELECT name FROM tarx_keys.project_secrets;
SELECT name FROM tarx_keys_internal.project_secret_versions;
SET ROLE regress_nobody;
SELECT tarx_keys.set_secret(:'A', 'x', 'v');
SELECT tarx_keys.resolve_secret(:'A', 'DB_URL');
SELECT * FROM tarx_keys.resolve_secrets(:'A');
SELECT * FROM tarx_keys.secrets;
-- services that act only with a proven identity do the same as backends
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT token AS alice FROM tarx_keys.create_platform_key('for secrets') \gset
SELECT tarx_keys.act_as('bob');
SELECT token AS bob FROM tarx_keys.create_platform_key('for secrets') \gset
COMMIT;
SET ROLE regress_login;
BEGIN;
SELECT * FROM tarx_keys.login(:'alice', :'A');
SELECT tarx_keys.set_secret(:'A', 'BY_LOGIN', 'v1', 'proven');
SELECT tarx_keys.set_secret(:'A', 'BY_LOGIN', 'v2');
SELECT tarx_keys.restore_secret(:'A', 'BY_LOGIN', 1);
SELECT name, description, version, updated_by FROM tarx_keys.secrets WHERE name = 'BY_LOGIN';
COMMIT;
\set VERBOSITY sqlstate
SELECT tarx_keys.set_secret(:'A', 'BY_LOGIN', 'v4');
SELECT * FROM tarx_keys.secrets;
BEGIN;
SELECT * FROM tarx_keys.login(:'bob', :'A');
SELECT name, version FROM tarx_keys.secrets WHERE name = 'BY_LOGIN';
SAVEPOINT s;
SELECT tarx_keys.set_secret(:'A', 'BY_LOGIN', 'v4');
ROLLBACK TO s;
SELECT tarx_keys.restore_secret(:'A', 'BY_LOGIN', 2);
ROLLBACK TO s;
SELECT tarx_keys.delete_secret(:'A', 'BY_LOGIN');
ROLLBACK TO s;
SELECT tarx_keys.resolve_secret(:'A', 'BY_LOGIN');
ROLLBACK TO s;
SELECT * FROM tarx_keys.resolve_secrets(:'A');
ROLLBACK TO s;
SELECT tarx_keys.render_template(:'A', 'x');
ROLLBACK TO s;
SELECT ciphertext FROM tarx_keys.project_secrets;
ROLLBACK;
\set VERBOSITY default
SET ROLE regress_agent;
SELECT tarx_keys.resolve_secret(:'A', 'BY_LOGIN');
SET ROLE regress_login;
BEGIN;
SELECT * FROM tarx_keys.login(:'alice', :'A');
SELECT tarx_keys.delete_secret(:'A', 'BY_LOGIN');
SELECT count(*) FROM tarx_keys.secrets WHERE name = 'BY_LOGIN';
COMMIT;
-- the owner itself reaches only what a function has entered, which is nothing here
SET ROLE tarx_keys_owner;
SELECT count(*) FROM tarx_keys.project_secrets;
SELECT count(*) FROM tarx_keys_internal.project_secret_versions;
SET ROLE regress_backend;
-- a cheap function in WHERE that tells what it sees
CREATE FUNCTION pg_temp.tell(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN RAISE NOTICE 'saw %', t; RETURN true; END $$;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT name FROM tarx_keys.secrets WHERE pg_temp.tell(name); ROLLBACK;

-- what is refused, without a word of the value
CREATE TEMP TABLE refusals (n serial, project_id uuid, name text, value text, description text);
INSERT INTO refusals (project_id, name, value, description) VALUES
    (NULL, 'x', 'abcdefgh', NULL),
    (:'A', NULL, 'abcdefgh', NULL),
    (:'A', 'x', NULL, NULL),
    (:'A', 'x', '', NULL),
    (:'A', 'x', repeat('a', 65537), NULL),
    (:'A', 'x', repeat('ñ', 32769), NULL),
    (:'A', 'x', repeat('a', 2000000), NULL),
    (:'A', '', 'abcdefgh', NULL),
    (:'A', repeat('a', 129), 'abcdefgh', NULL),
    (:'A', '1abcd', 'abcdefgh', NULL),
    (:'A', 'abcd-efgh', 'abcdefgh', NULL),
    (:'A', 'abcd efgh', 'abcdefgh', NULL),
    (:'A', 'abcd.efgh', 'abcdefgh', NULL),
    (:'A', E'abcd\n', 'abcdefgh', NULL),
    (:'A', 'abcdé', 'abcdefgh', NULL),
    (:'A', E'abcd\u0435', 'abcdefgh', NULL),
    (:'A', 'x', 'abcdefgh', repeat('é', 1001)),
    (:'A', 'x', 'abcdefgh', E'abcd\u0001'),
    (:'A', 'x', 'abcdefgh', E'abcd\u202e'),
    (:'A', 'x', 'abcdefgh', E'abcd\u0085');
DO $$
DECLARE
    r record;
    message text;
    detail text;
    hint text;
    before bigint;
BEGIN
    PERFORM tarx_keys.act_as('alice');
    SELECT count(*) INTO before FROM tarx_keys.secrets;
    FOR r IN SELECT * FROM refusals ORDER BY n LOOP
        BEGIN
            PERFORM tarx_keys.set_secret(r.project_id, r.name, r.value, r.description);
            RAISE NOTICE '%: accepted', r.n;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            RAISE NOTICE '%: % %', r.n, SQLSTATE, message;
            IF concat(message, detail, hint) ~ 'abcd|efgh|aaaa' THEN
                RAISE WARNING '%: says too much', r.n;
            END IF;
            IF hint = '' THEN
                RAISE WARNING '%: does not say what to do', r.n;
            END IF;
        END;
    END LOOP;
    IF before <> (SELECT count(*) FROM tarx_keys.secrets) THEN
        RAISE WARNING 'something was written';
    END IF;
END $$;
DROP TABLE refusals;
-- hints
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret(:'A', 'a-b', 'v'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret(:'A', 'x', ''); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret(:'A', 'x', 'v', E'\u202e'); ROLLBACK;
-- limits that are just kept
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.set_secret(:'A', repeat('x', 128), ' ', repeat('é', 1000));
SELECT tarx_keys.set_secret(:'A', '_', repeat('ñ', 32768));
SELECT tarx_keys.set_secret(:'A', 'Aa0_', 'v');
RESET ROLE;
SELECT tarx_keys.resolve_secret(:'A', repeat('x', 128)) = ' ', length(tarx_keys.resolve_secret(:'A', '_'));
ROLLBACK;

-- five versions are kept, with the current one
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.set_secret(:'A', 'V', 'value ' || i) FROM generate_series(1, 7) i;
COMMIT;
RESET ROLE;
SELECT version, updated_by, updated_at <= now() FROM tarx_keys_internal.project_secret_versions WHERE name = 'V' ORDER BY version;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT name, version FROM tarx_keys.secrets WHERE name = 'V';
COMMIT;
-- an old value becomes the newest version; the current one can, too
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'V', 3); COMMIT;
SET ROLE regress_agent;
SELECT tarx_keys.resolve_secret(:'A', 'V');
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(project_id => :'A', name => 'V', version => 8); COMMIT;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'V', 7); COMMIT;
SET ROLE regress_agent;
SELECT tarx_keys.resolve_secret(:'A', 'V');
SET ROLE regress_backend;
-- one that is not kept any more, or never was
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'V', 3); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'V', 11); ROLLBACK;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'V', 0); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'V', -2147483648); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.restore_secret(:'B', 'V', 7); ROLLBACK;
\set VERBOSITY terse
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'NO_SUCH', 1); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'no such', 1); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(NULL, 'V', 7); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', NULL, 7); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.restore_secret(:'A', 'V', NULL); ROLLBACK;
\set VERBOSITY default
-- how many is a matter of superusers
SET tarx_keys.secret_versions_kept = 1;
RESET ROLE;
SHOW tarx_keys.secret_versions_kept;
SET tarx_keys.secret_versions_kept = 0;
SET tarx_keys.secret_versions_kept = 1001;
ALTER ROLE regress_backend SET tarx_keys.secret_versions_kept = 7;
SET tarx_keys.secret_versions_kept = 7;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.set_secret(:'A', 'V', 'value ' || i) FROM generate_series(11, 12) i;
RESET ROLE;
SELECT string_agg(version::text, ' ' ORDER BY version) FROM tarx_keys_internal.project_secret_versions WHERE name = 'V';
SET tarx_keys.secret_versions_kept = 2;
SELECT tarx_keys.set_secret(:'A', 'V', 'value 13');
SELECT string_agg(version::text, ' ' ORDER BY version) FROM tarx_keys_internal.project_secret_versions WHERE name = 'V';
SET tarx_keys.secret_versions_kept = 1;
SELECT tarx_keys.set_secret(:'A', 'V', 'value 14');
SELECT count(*) FROM tarx_keys_internal.project_secret_versions WHERE name = 'V';
SELECT tarx_keys.restore_secret(:'A', 'V', 14), tarx_keys.resolve_secret(:'A', 'V');
COMMIT;
RESET tarx_keys.secret_versions_kept;
ALTER ROLE regress_backend RESET tarx_keys.secret_versions_kept;
-- version numbers end
BEGIN;
UPDATE tarx_keys.project_secrets SET version = 2147483647 WHERE name = 'V';
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.set_secret(:'A', 'V', 'v');
ROLLBACK;

-- admins delete, all versions; the name is free again
SET ROLE regress_backend;
\set VERBOSITY terse
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_secret(:'A', 'NO_SUCH'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.delete_secret(:'B', 'CERT'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_secret(:'A', 'no such'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_secret(NULL, 'DB_URL'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_secret(:'A', NULL); ROLLBACK;
\set VERBOSITY default
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_secret(project_id => :'A', name => 'DB_URL'); COMMIT;
SET ROLE regress_agent;
\set VERBOSITY sqlstate
SELECT tarx_keys.resolve_secret(:'A', 'DB_URL');
\set VERBOSITY default
SELECT tarx_keys.resolve_secret(:'B', 'DB_URL');
SELECT name FROM tarx_keys.resolve_secrets(:'A');
RESET ROLE;
SELECT project_id = :'B' FROM tarx_keys.project_secrets WHERE name = 'DB_URL';
SELECT count(*) FROM tarx_keys_internal.project_secret_versions WHERE name = 'DB_URL';
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.set_secret(:'A', 'DB_URL', 'again');
SELECT description IS NULL, version FROM tarx_keys.secrets WHERE name = 'DB_URL';
\set VERBOSITY sqlstate
SELECT tarx_keys.restore_secret(:'A', 'DB_URL', 2);
\set VERBOSITY default
ROLLBACK;
RESET ROLE;
-- the values are not in the tables; nor are two ciphertexts alike
SELECT count(*) FROM tarx_keys.project_secrets s, unnest(ARRAY['cccccc', 'value', 'postgres']) part WHERE position(convert_to(part, 'UTF8') IN s.ciphertext) > 0;
SELECT count(*) FROM tarx_keys_internal.project_secret_versions s, unnest(ARRAY['cccccc', 'value', 'postgres']) part WHERE position(convert_to(part, 'UTF8') IN s.ciphertext) > 0;
SELECT count(DISTINCT substring(ciphertext FROM 10 FOR 24)) = count(*) FROM (
    SELECT ciphertext FROM tarx_keys.project_secrets UNION ALL SELECT ciphertext FROM tarx_keys_internal.project_secret_versions) AS stored;
-- they go with their project
DELETE FROM tarx_keys.projects WHERE id = :'A';
SELECT count(*) FROM tarx_keys.project_secrets WHERE project_id = :'A';
SELECT count(*) FROM tarx_keys_internal.project_secret_versions;
DISCARD TEMP;

-- when a secret was last used
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.set_secret(:'B', 'NEVER_USED', 'x'); SELECT tarx_keys.set_secret(:'B', 'USED', 'x'); COMMIT;
SET ROLE regress_agent;
SELECT name FROM tarx_keys.resolve_secrets(:'B', ARRAY['USED']);
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT name, last_used_at IS NOT NULL FROM tarx_keys.secrets WHERE name ~ 'USED' ORDER BY name; ROLLBACK;

-- clean up
\set ECHO none
\i :clean_up
