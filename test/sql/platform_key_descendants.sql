-- Which platform key made which; revoking one with all that was made with it; and
-- lists that nobody can make misleading by editing the table.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
CREATE TABLE keys (name text PRIMARY KEY, id uuid, token text);
GRANT ALL ON keys TO PUBLIC;
-- who would be logged in; nobody is afterwards
CREATE FUNCTION outcome(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    who text;
BEGIN
    SELECT user_id INTO who FROM tarx_keys.login(token);
    RAISE SQLSTATE 'ZZ000' USING MESSAGE = who;
EXCEPTION
    WHEN SQLSTATE 'ZZ000' THEN
        RETURN SQLERRM;
    WHEN OTHERS THEN
        RETURN SQLSTATE;
END $$;
-- logs in with one key and makes another
CREATE FUNCTION make(name text, maker text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tarx_keys.login(k.token) FROM keys k WHERE k.name = maker;
    INSERT INTO keys SELECT make.name, c.* FROM tarx_keys.create_platform_key(make.name) c;
END $$;
CREATE FUNCTION revoke(name text, descendants boolean DEFAULT true) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tarx_keys.act_as('bob');
    PERFORM tarx_keys.revoke_platform_key(k.id, descendants) FROM keys k WHERE k.name = revoke.name;
END $$;
-- whether each key logs in
CREATE VIEW logins AS SELECT string_agg(name || ' ' || outcome(token), ', ' ORDER BY name) FROM keys;
CREATE VIEW listed AS
SELECT k.name, m.name AS made_with, k.status, k.revoked_at IS NOT NULL AS revoked
  FROM tarx_keys.platform_keys k LEFT JOIN keys m ON m.id = k.created_with;
GRANT SELECT ON logins, listed TO PUBLIC;
CREATE VIEW audited AS
SELECT a.action, a.object_name, count(*) FROM tarx_keys.audit_log a WHERE a.personal AND a.action = 'platform_key.revoke' GROUP BY 1, 2;
\set ECHO all

-- root made a and b, a made aa, aa made aaa. Another has nothing to do with them.
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
INSERT INTO keys SELECT 'root', * FROM tarx_keys.create_platform_key('root');
INSERT INTO keys SELECT 'other', * FROM tarx_keys.create_platform_key('other');
COMMIT;
SELECT make('a', 'root');
SELECT make('b', 'root');
SELECT make('aa', 'a');
SELECT make('aaa', 'aa');
SELECT make('of other', 'other');
SELECT * FROM logins;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT * FROM listed ORDER BY name; COMMIT;
RESET ROLE;

-- revoked with what was made with it, also by a key that is revoked already; each has its row
BEGIN;
SELECT revoke('a', false);
SELECT * FROM logins;
SELECT revoke('root');
SELECT * FROM logins;
SELECT * FROM audited ORDER BY object_name COLLATE "C";
SELECT name FROM tarx_keys.platform_api_keys WHERE token_hash IS NOT NULL OR stamp IS NOT NULL ORDER BY name;
ROLLBACK;
-- only a part of them, or only itself
BEGIN;
SELECT revoke('aa');
SELECT * FROM logins;
ROLLBACK;
BEGIN;
SELECT revoke('root', false);
SELECT * FROM logins;
-- which is taken back by nobody, but what it made can still be ended, once
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.revoke_platform_key(id) FROM keys WHERE name = 'root';
SELECT * FROM logins;
SELECT object_name FROM audited ORDER BY object_name COLLATE "C";
SELECT tarx_keys.act_as('bob');
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT tarx_keys.revoke_platform_key(id) FROM keys WHERE name = 'root';
ROLLBACK TO s;
-- without descendants there is nothing left either
SELECT tarx_keys.revoke_platform_key(id, false) FROM keys WHERE name = 'root';
ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.revoke_platform_key(id, NULL) FROM keys WHERE name = 'root'; ROLLBACK;
-- others' keys look like none, with and without
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.revoke_platform_key(id) FROM keys WHERE name = 'root'; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.revoke_platform_key(id, false) FROM keys WHERE name = 'root'; ROLLBACK;
\set VERBOSITY default
-- somebody who has logged in with a key revokes it and what it made, and is out
BEGIN;
SELECT user_id FROM keys, tarx_keys.login(token) WHERE name = 'a';
SELECT tarx_keys.revoke_platform_key(id) FROM keys WHERE name = 'root';
SELECT left(outcome(token), 5) FROM keys WHERE name = 'a';
\set VERBOSITY sqlstate
SELECT count(*) FROM tarx_keys.platform_keys;
ROLLBACK;
\set VERBOSITY default

-- rows between that are gone: a DBA deletes revoked ones. What was made with a key that
-- has no row any more is found by its id.
BEGIN;
SELECT revoke('root', false);
DELETE FROM tarx_keys.platform_api_keys WHERE revoked_at IS NOT NULL;
SELECT * FROM logins;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.revoke_platform_key(id) FROM keys WHERE name = 'root';
SELECT * FROM logins;
ROLLBACK;

-- a circle, which only somebody who edits the table can make: nothing goes round in it
BEGIN;
SET LOCAL statement_timeout = '60s';
UPDATE tarx_keys.platform_api_keys k SET created_with = m.id FROM keys m WHERE k.name = 'root' AND m.name = 'aaa';
SELECT * FROM logins;
SELECT tarx_keys.act_as('bob');
SELECT * FROM listed ORDER BY name;
SELECT revoke('aa');
SELECT * FROM logins;
SELECT object_name, count FROM audited ORDER BY object_name COLLATE "C";
ROLLBACK;
-- of one, too
BEGIN;
UPDATE tarx_keys.platform_api_keys k SET created_with = k.id;
SELECT tarx_keys.act_as('bob');
SELECT DISTINCT status FROM listed;
SELECT revoke('root');
SELECT name FROM tarx_keys.platform_api_keys WHERE revoked_at IS NOT NULL;
ROLLBACK;

-- Names and masks of two keys are swapped, so that their user revokes the wrong one:
-- the list says so, neither logs in, and each can be revoked
BEGIN;
UPDATE tarx_keys.platform_api_keys k SET name = o.name, masked_key = o.masked_key
  FROM tarx_keys.platform_api_keys o WHERE (k.name, o.name) IN (('root', 'other'), ('other', 'root'));
SELECT * FROM logins;
SELECT tarx_keys.act_as('bob');
SELECT name, status FROM tarx_keys.platform_keys ORDER BY name;
SELECT kind, name, status FROM tarx_keys.verify_keys() WHERE status <> 'ok' ORDER BY name;
SELECT tarx_keys.revoke_platform_key(id, false) FROM tarx_keys.platform_keys WHERE status = 'tampered';
SELECT name, status, revoked_at IS NOT NULL AS revoked FROM tarx_keys.platform_keys ORDER BY name;
ROLLBACK;
-- each of what people know a key by, alone
CREATE FUNCTION attack(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE 'UPDATE tarx_keys.platform_api_keys k SET ' || statement || ' WHERE name = ''aa''';
    SELECT outcome(token) || ' ' || (SELECT status FROM tarx_keys.platform_keys p WHERE p.id = k.id) || ' '
           || (SELECT count(*) FROM tarx_keys.verify_keys() v WHERE v.id = k.id AND v.status = 'tampered')
      INTO result FROM keys k WHERE k.name = 'aa';
    RAISE SQLSTATE 'ZZ000' USING MESSAGE = coalesce(result, '-');
EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
    RETURN SQLERRM;
END $$;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT attack(a), a FROM unnest(ARRAY[
    'name = name',
    'name = ''other''', 'name = name || '' ''', 'name = ''''',
    'masked_key = ''sk-tarx-abc...wxyz''', 'masked_key = ''''',
    'created_at = created_at - interval ''1 us''', 'created_at = ''infinity''',
    'created_with = NULL', 'created_with = (SELECT id FROM keys WHERE name = ''b'')', 'created_with = id',
    'name = masked_key, masked_key = name',
    'expires_at = ''infinity''', 'project_ids = ''{}''', 'read_only = true']) a;
ROLLBACK;
-- a key that the list calls revoked logs nobody in, even where somebody has dropped the constraint
BEGIN;
DO $$ BEGIN
    EXECUTE (SELECT format('ALTER TABLE tarx_keys.platform_api_keys DROP CONSTRAINT %I', conname)
               FROM pg_constraint WHERE conrelid = 'tarx_keys.platform_api_keys'::regclass AND contype = 'c');
END $$;
UPDATE tarx_keys.platform_api_keys SET revoked_at = now() WHERE name IN ('aa', 'other');
SELECT * FROM logins;
ROLLBACK;

-- What was made in a transaction that had not committed when its maker was revoked is
-- there afterwards, and has ended nevertheless; so has what it has made before
BEGIN;
CREATE TABLE late AS SELECT * FROM tarx_keys.platform_api_keys WHERE name IN ('aa', 'aaa');
SELECT revoke('root');
DELETE FROM tarx_keys.platform_api_keys k USING late l WHERE k.id = l.id;
INSERT INTO tarx_keys.platform_api_keys TABLE late;
SELECT * FROM logins;
SELECT tarx_keys.act_as('bob');
SELECT * FROM listed ORDER BY name;
SELECT tarx_keys.revoke_platform_key(id) FROM keys WHERE name = 'root';
SELECT * FROM listed WHERE name ~ 'aa' ORDER BY name;
ROLLBACK;

-- end_user() ends them, too
BEGIN;
CREATE TABLE late AS SELECT * FROM tarx_keys.platform_api_keys WHERE name = 'aaa';
SELECT * FROM tarx_keys.end_user('bob');
DELETE FROM tarx_keys.platform_api_keys k USING late l WHERE k.id = l.id;
INSERT INTO tarx_keys.platform_api_keys TABLE late;
SELECT * FROM logins;
ROLLBACK;

-- ten generations at most: nobody makes the way from a key to its first one long
BEGIN;
SELECT make('2', 'other');
SELECT make(g::text, (g - 1)::text) FROM generate_series(3, 10) g;
SELECT outcome(token) FROM keys WHERE name = '10';
SAVEPOINT s;
SELECT make('11', '10');
ROLLBACK TO s;
SELECT make('of 9', '9');
-- also where some are revoked; not where the first ones are gone
SELECT tarx_keys.revoke_platform_key(id, false) FROM keys WHERE name = '3';
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT make('11', '10');
ROLLBACK TO s;
\set VERBOSITY default
DELETE FROM tarx_keys.platform_api_keys WHERE name = '3';
SELECT make('11', '10');
ROLLBACK;

-- each generation is looked up by an index, however many keys there are
BEGIN;
INSERT INTO tarx_keys.platform_api_keys (id, user_id, name, masked_key, read_only, created_with, revoked_at)
SELECT ('00000000-0000-4000-8000-' || lpad(g::text, 12, '0'))::uuid, 'bob', 'many', 'x', false,
       ('00000000-0000-4000-8000-' || lpad((g - 1)::text, 12, '0'))::uuid, now()
  FROM generate_series(1, 2000) g;
SELECT tarx_keys.act_as('bob');
CREATE FUNCTION scans() RETURNS bigint LANGUAGE sql AS $$
    SELECT pg_stat_get_xact_numscans('tarx_keys.platform_api_keys'::regclass) $$;
SELECT scans() AS before \gset
SELECT count(*) FROM tarx_keys_internal.platform_key_ancestors('00000000-0000-4000-8000-000000002000');
SELECT cardinality(tarx_keys_internal.platform_key_descendants('00000000-0000-4000-8000-000000000001'));
SELECT scans() - :before AS whole_table;
UPDATE tarx_keys.platform_api_keys SET ends_descendants = true WHERE id = '00000000-0000-4000-8000-000000000001';
SELECT scans() AS before \gset
SELECT count(status) FROM tarx_keys.platform_keys;
-- for its own keys, not for each generation
SELECT scans() - :before < 5 AS few;
ROLLBACK;

-- clean up
\set ECHO none
DROP VIEW logins, listed, audited;
DROP FUNCTION outcome(text), make(text, text), revoke(text, boolean), attack(text);
DROP TABLE keys;
\i :clean_up
