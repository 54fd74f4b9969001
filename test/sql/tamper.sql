-- Whoever can write the tables can break a key, but not use it otherwise.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'openai_compatible', 'one', 'gsk_abcdefghijklmnopqrstuvwxyz111111', 'https://one.example/v1') AS one \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai_compatible', 'two', 'gsk_abcdefghijklmnopqrstuvwxyz222222', 'https://two.example/v1') AS two \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'three', 'abcdefghijklmnopqrstuvwxyz333333') AS three \gset
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.add_llm_key(:'B', 'openai_compatible', 'one', 'gsk_abcdefghijklmnopqrstuvwxyz444444', 'https://one.example/v1') AS other \gset
COMMIT;
RESET ROLE;

-- each statement alone makes the key useless
CREATE TABLE attacks (n int, statement text);
INSERT INTO attacks VALUES
    (0, 'SELECT'),
    (1, 'UPDATE tarx_keys.project_llm_keys SET provider = ''openai'' WHERE id = $1'),
    (2, 'UPDATE tarx_keys.project_llm_keys SET name = ''onE'' WHERE id = $1'),
    (3, 'UPDATE tarx_keys.project_llm_keys SET base_url = ''https://evil.example/v1'' WHERE id = $1'),
    (4, 'UPDATE tarx_keys.project_llm_keys SET base_url = NULL WHERE id = $1'),
    (5, 'UPDATE tarx_keys.project_llm_keys SET destination = ''https://evil.example/v1'' WHERE id = $1'),
    (6, 'UPDATE tarx_keys.project_llm_keys SET base_url = ''https://evil.example/v1'', destination = ''https://evil.example/v1'' WHERE id = $1'),
    (7, 'UPDATE tarx_keys.project_llm_keys SET masked_key = ''gsk_abc...333333'' WHERE id = $1'),
    (8, 'UPDATE tarx_keys.project_llm_keys SET added_by = ''bob'' WHERE id = $1'),
    (9, 'UPDATE tarx_keys.project_llm_keys SET provider = '''', name = provider || name WHERE id = $1'),
    (10, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = set_byte(ciphertext, 0, 2) WHERE id = $1'),
    (11, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = set_byte(ciphertext, 9, get_byte(ciphertext, 9) # 1) WHERE id = $1'),
    (12, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = set_byte(ciphertext, 33, get_byte(ciphertext, 33) # 1) WHERE id = $1'),
    (13, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = set_byte(ciphertext, length(ciphertext) - 1, get_byte(ciphertext, length(ciphertext) - 1) # 1) WHERE id = $1'),
    (14, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = substring(ciphertext FOR 48) WHERE id = $1'),
    (15, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = '''' WHERE id = $1'),
    (16, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = ciphertext || ''\x00'' WHERE id = $1'),
    (17, 'UPDATE tarx_keys.project_llm_keys SET provider = repeat(provider, 100000) WHERE id = $1'),
    (18, 'UPDATE tarx_keys.project_llm_keys k SET ciphertext = o.ciphertext FROM tarx_keys.project_llm_keys o WHERE k.id = $1 AND o.name = ''two'''),
    (19, 'UPDATE tarx_keys.project_llm_keys k SET ciphertext = o.ciphertext FROM tarx_keys.project_llm_keys o WHERE k.id = $1 AND o.name = ''one'' AND o.project_id <> k.project_id'),
    (20, 'UPDATE tarx_keys.project_llm_keys k SET provider = o.provider, base_url = o.base_url, destination = o.destination, masked_key = o.masked_key, added_by = o.added_by, ciphertext = o.ciphertext FROM tarx_keys.project_llm_keys o WHERE k.id = $1 AND o.name = ''one'' AND o.project_id <> k.project_id'),
    (21, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = set_byte(ciphertext, 1, get_byte(ciphertext, 1) # 1) WHERE id = $1');
CREATE FUNCTION attack(project uuid, key uuid) RETURNS TABLE (n int, outcome text) LANGUAGE plpgsql AS $$
DECLARE
    a record;
BEGIN
    FOR a IN SELECT * FROM attacks ORDER BY attacks.n LOOP
        n := a.n;
        BEGIN
            IF a.n > 0 THEN
                EXECUTE a.statement USING key;
            END IF;
            SELECT 'resolved ' || key_value INTO outcome FROM tarx_keys.resolve_key(project, key);
            RAISE SQLSTATE 'ZZ000' USING MESSAGE = outcome;
        EXCEPTION WHEN OTHERS THEN
            outcome := CASE WHEN SQLSTATE = 'ZZ000' THEN SQLERRM ELSE SQLSTATE END;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM attack(:'A', :'one');

-- a key without a base URL: the default it was bound to
BEGIN; UPDATE tarx_keys.project_llm_keys SET base_url = destination WHERE id = :'three';
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.resolve_key(:'A', :'three'); ROLLBACK;
BEGIN; UPDATE tarx_keys.project_llm_keys SET base_url = '' WHERE id = :'three'; SELECT * FROM tarx_keys.resolve_key(:'A', :'three'); ROLLBACK;
BEGIN; UPDATE tarx_keys.project_llm_keys SET destination = 'https://evil.example' WHERE id = :'three'; SELECT * FROM tarx_keys.resolve_key(:'A', :'three'); ROLLBACK;
-- moved to another project, with all its columns
BEGIN; UPDATE tarx_keys.project_llm_keys SET project_id = :'B' WHERE id = :'two'; SELECT * FROM tarx_keys.resolve_key(:'B', :'two'); ROLLBACK;
BEGIN; UPDATE tarx_keys.project_llm_keys SET project_id = :'B' WHERE id = :'two'; SELECT * FROM tarx_keys.resolve_key(:'A', :'two'); ROLLBACK;
-- given another id
BEGIN; UPDATE tarx_keys.project_llm_keys SET id = :'nowhere' WHERE id = :'two'; SELECT * FROM tarx_keys.resolve_key(:'A', :'nowhere'); ROLLBACK;
-- given the id of another key, which had to go
BEGIN;
UPDATE tarx_keys.project_llm_keys SET id = :'nowhere' WHERE id = :'one';
UPDATE tarx_keys.project_llm_keys SET id = :'one' WHERE id = :'two';
SELECT * FROM tarx_keys.resolve_key(:'A', :'one'); ROLLBACK;
\set VERBOSITY default
-- what it says
BEGIN; UPDATE tarx_keys.project_llm_keys SET id = :'nowhere' WHERE id = :'two'; SELECT * FROM tarx_keys.resolve_key(:'A', :'nowhere'); ROLLBACK;
-- a list never breaks because of it
BEGIN;
UPDATE tarx_keys.project_llm_keys SET ciphertext = '', masked_key = 'odd' WHERE id = :'two';
SET ROLE regress_backend;
SELECT tarx_keys.act_as('bob', :'A');
SELECT name, masked_key FROM tarx_keys.llm_keys ORDER BY name;
ROLLBACK;

-- a deleted key whose row comes back does not resolve, and can be deleted again
CREATE TABLE backup AS SELECT * FROM tarx_keys.project_llm_keys;
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key(:'A', :'two'); COMMIT;
RESET ROLE;
INSERT INTO tarx_keys.project_llm_keys SELECT * FROM backup WHERE id = :'two';
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.resolve_key(:'A', :'two');
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent(:'A', 'x', :'two'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key(:'A', :'two'); COMMIT;
RESET ROLE;
SELECT count(*) FROM tarx_keys.project_llm_keys WHERE id = :'two';
-- not even if its project goes and comes back in between
BEGIN;
DELETE FROM tarx_keys.projects WHERE id = :'A';
INSERT INTO tarx_keys.projects (id, name, created_by) VALUES (:'A', 'again', 'alice');
INSERT INTO tarx_keys.project_llm_keys SELECT * FROM backup WHERE project_id = :'A';
SELECT name FROM tarx_keys.resolve_key(:'A', :'one');
SELECT name FROM tarx_keys.resolve_key(:'A', :'two');
ROLLBACK;
\set VERBOSITY default

-- a key sealed with a master key that is not in the keyring
BEGIN;
UPDATE tarx_keys.project_llm_keys SET ciphertext = overlay(ciphertext PLACING '\x0123456789abcdef' FROM 2) WHERE id = :'one';
SELECT fingerprint, is_active, llm_keys, secret_versions, platform_keys, audit_chains FROM tarx_keys.keyring_status();
SELECT * FROM tarx_keys.resolve_key(:'A', :'one');
ROLLBACK;

DROP TABLE attacks, backup;
DROP FUNCTION attack;

-- clean up
\set ECHO none
\i :clean_up
