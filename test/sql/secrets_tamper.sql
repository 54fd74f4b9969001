-- Whoever can write the tables can break a secret, but not use it otherwise.
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
SELECT tarx_keys.set_secret(:'A', 'ONE', 'one v' || i) FROM generate_series(1, 4) i;
SELECT tarx_keys.set_secret(:'A', 'TWO', 'two v' || i) FROM generate_series(1, 4) i;
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'key', 'abcdefghijklmnopqrstuvwxyz333333') AS key \gset
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.set_secret(:'B', 'ONE', 'of b v' || i) FROM generate_series(1, 4) i;
COMMIT;
RESET ROLE;

-- each statement alone makes the secret ONE, in version 4, useless
CREATE TABLE attacks (n int, statement text);
INSERT INTO attacks VALUES
    (0, 'SELECT'),
    -- other numbers
    (1, 'UPDATE tarx_keys.project_secrets SET version = 5 WHERE project_id = $1 AND name = ''ONE'''),
    (2, 'UPDATE tarx_keys.project_secrets SET version = 3 WHERE project_id = $1 AND name = ''ONE'''),
    (3, 'UPDATE tarx_keys.project_secrets SET version = 4 + 16777216 WHERE project_id = $1 AND name = ''ONE'''),
    -- bytes
    (4, 'UPDATE tarx_keys.project_secrets SET ciphertext = set_byte(ciphertext, 0, 2) WHERE project_id = $1 AND name = ''ONE'''),
    (5, 'UPDATE tarx_keys.project_secrets SET ciphertext = set_byte(ciphertext, 9, get_byte(ciphertext, 9) # 1) WHERE project_id = $1 AND name = ''ONE'''),
    (6, 'UPDATE tarx_keys.project_secrets SET ciphertext = set_byte(ciphertext, 33, get_byte(ciphertext, 33) # 1) WHERE project_id = $1 AND name = ''ONE'''),
    (7, 'UPDATE tarx_keys.project_secrets SET ciphertext = set_byte(ciphertext, length(ciphertext) - 1, get_byte(ciphertext, length(ciphertext) - 1) # 1) WHERE project_id = $1 AND name = ''ONE'''),
    (8, 'UPDATE tarx_keys.project_secrets SET ciphertext = substring(ciphertext FOR 48) WHERE project_id = $1 AND name = ''ONE'''),
    (9, 'UPDATE tarx_keys.project_secrets SET ciphertext = '''' WHERE project_id = $1 AND name = ''ONE'''),
    (10, 'UPDATE tarx_keys.project_secrets SET ciphertext = ciphertext || ''\x00'' WHERE project_id = $1 AND name = ''ONE'''),
    (11, 'UPDATE tarx_keys.project_secrets SET ciphertext = set_byte(ciphertext, 1, get_byte(ciphertext, 1) # 1) WHERE project_id = $1 AND name = ''ONE'''),
    -- another secret's, in the same version
    (12, 'UPDATE tarx_keys.project_secrets s SET ciphertext = o.ciphertext FROM tarx_keys.project_secrets o WHERE s.project_id = $1 AND s.name = ''ONE'' AND o.project_id = $1 AND o.name = ''TWO'''),
    -- that of another project's secret with the same name and version
    (13, 'UPDATE tarx_keys.project_secrets s SET ciphertext = o.ciphertext FROM tarx_keys.project_secrets o WHERE s.project_id = $1 AND s.name = ''ONE'' AND o.project_id <> $1 AND o.name = ''ONE'''),
    -- an older version's
    (14, 'UPDATE tarx_keys.project_secrets s SET ciphertext = v.ciphertext FROM tarx_keys_internal.project_secret_versions v WHERE s.project_id = $1 AND s.name = ''ONE'' AND v.project_id = $1 AND v.name = ''ONE'' AND v.version = 3'),
    -- an LLM key's
    (15, 'UPDATE tarx_keys.project_secrets s SET ciphertext = k.ciphertext FROM tarx_keys.project_llm_keys k WHERE s.project_id = $1 AND s.name = ''ONE'' AND k.project_id = $1'),
    -- another secret under the name of this one, and moved from another project
    (16, 'DO $do$ BEGIN DELETE FROM tarx_keys_internal.project_secret_versions; UPDATE tarx_keys.project_secrets SET name = ''GONE'' WHERE name = ''ONE''; END $do$'),
    (17, 'DO $do$ BEGIN DELETE FROM tarx_keys_internal.project_secret_versions; UPDATE tarx_keys.project_secrets SET name = ''GONE'' WHERE name = ''ONE''; UPDATE tarx_keys.project_secrets SET name = ''ONE'' WHERE name = ''TWO''; END $do$'),
    (18, 'DO $do$ BEGIN DELETE FROM tarx_keys_internal.project_secret_versions; DELETE FROM tarx_keys.project_secrets WHERE project_id = ''aaaaaaaa-0000-4000-8000-000000000001'' AND name = ''ONE''; UPDATE tarx_keys.project_secrets SET project_id = ''aaaaaaaa-0000-4000-8000-000000000001'' WHERE name = ''ONE''; END $do$'),
    -- what is not bound to it: who, when, what for
    (19, 'UPDATE tarx_keys.project_secrets SET description = ''x'', updated_by = ''x'', updated_at = ''epoch'' WHERE project_id = $1 AND name = ''ONE'''),
    -- as if it were a secret of this name that was deleted
    (20, 'UPDATE tarx_keys.project_secrets SET id = gen_random_uuid() WHERE project_id = $1 AND name = ''ONE'''),
    -- two of this name
    (21, 'DO $do$ BEGIN ALTER TABLE tarx_keys.project_secrets DROP CONSTRAINT project_secrets_pkey CASCADE; INSERT INTO tarx_keys.project_secrets SELECT * FROM tarx_keys.project_secrets WHERE name = ''ONE''; END $do$');
CREATE FUNCTION attack(project uuid, call text) RETURNS TABLE (n int, outcome text) LANGUAGE plpgsql AS $$
DECLARE
    a record;
BEGIN
    FOR a IN SELECT * FROM attacks ORDER BY attacks.n LOOP
        n := a.n;
        BEGIN
            IF a.n > 0 THEN
                EXECUTE a.statement USING project;
            END IF;
            EXECUTE call INTO outcome USING project;
            RAISE SQLSTATE 'ZZ000' USING MESSAGE = outcome;
        EXCEPTION WHEN OTHERS THEN
            outcome := CASE WHEN SQLSTATE = 'ZZ000' THEN SQLERRM ELSE SQLSTATE END;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM attack(:'A', 'SELECT tarx_keys.resolve_secret($1, ''ONE'')');
SELECT * FROM attack(:'A', 'SELECT value FROM tarx_keys.resolve_secrets($1, ''{ONE}'')');
SELECT * FROM attack(:'A', 'SELECT tarx_keys.render_template($1, ''<${secrets.ONE}>'')');

-- the reverse: a secret's bytes are no LLM key
\set VERBOSITY sqlstate
BEGIN;
UPDATE tarx_keys.project_llm_keys k SET ciphertext = s.ciphertext FROM tarx_keys.project_secrets s WHERE s.project_id = k.project_id AND s.name = 'ONE';
SELECT * FROM tarx_keys.resolve_key(:'A', :'key');
ROLLBACK;
-- one broken secret breaks the calls that ask for it, and says which it is
BEGIN;
UPDATE tarx_keys.project_secrets SET ciphertext = '' WHERE project_id = :'A' AND name = 'TWO';
SAVEPOINT s;
SELECT * FROM tarx_keys.resolve_secrets(:'A');
ROLLBACK TO s;
\set VERBOSITY default
SELECT tarx_keys.render_template(:'A', '${secrets.ONE}${secrets.TWO}');
ROLLBACK TO s;
SELECT * FROM tarx_keys.resolve_secrets(:'A', '{ONE}');
-- a list never breaks because of it, and it can be set again
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT name, version FROM tarx_keys.secrets ORDER BY name;
SELECT tarx_keys.set_secret(:'A', 'TWO', 'mended');
RESET ROLE;
SELECT tarx_keys.resolve_secret(:'A', 'TWO');
-- but the broken version stays broken
SELECT tarx_keys.restore_secret(:'A', 'TWO', 4);
ROLLBACK;

-- older versions: exchanged, renumbered, from elsewhere
CREATE FUNCTION restored(project uuid, attack text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    outcome text;
BEGIN
    EXECUTE attack USING project;
    PERFORM tarx_keys.act_as('alice');
    PERFORM tarx_keys.restore_secret(project, 'ONE', 2);
    outcome := tarx_keys.resolve_secret(project, 'ONE');
    RAISE SQLSTATE 'ZZ000' USING MESSAGE = outcome;
EXCEPTION WHEN OTHERS THEN
    RETURN CASE WHEN SQLSTATE = 'ZZ000' THEN SQLERRM ELSE SQLSTATE END;
END $$;
BEGIN;
SELECT restored(:'A', 'SELECT');
SELECT restored(:'A', 'UPDATE tarx_keys_internal.project_secret_versions v SET ciphertext = o.ciphertext FROM tarx_keys_internal.project_secret_versions o WHERE v.project_id = $1 AND v.name = ''ONE'' AND v.version = 2 AND o.project_id = $1 AND o.name = ''ONE'' AND o.version = 3');
SELECT restored(:'A', 'UPDATE tarx_keys_internal.project_secret_versions v SET ciphertext = o.ciphertext FROM tarx_keys_internal.project_secret_versions o WHERE v.project_id = $1 AND v.name = ''ONE'' AND v.version = 2 AND o.project_id = $1 AND o.name = ''TWO'' AND o.version = 2');
SELECT restored(:'A', 'UPDATE tarx_keys_internal.project_secret_versions v SET ciphertext = o.ciphertext FROM tarx_keys_internal.project_secret_versions o WHERE v.project_id = $1 AND v.name = ''ONE'' AND v.version = 2 AND o.project_id <> $1 AND o.name = ''ONE'' AND o.version = 2');
SELECT restored(:'A', 'UPDATE tarx_keys_internal.project_secret_versions v SET ciphertext = k.ciphertext FROM tarx_keys.project_llm_keys k WHERE v.project_id = $1 AND v.name = ''ONE'' AND v.version = 2');
SELECT restored(:'A', 'UPDATE tarx_keys_internal.project_secret_versions v SET id = gen_random_uuid() WHERE v.project_id = $1 AND v.name = ''ONE'' AND v.version = 2');
SELECT restored(:'A', 'DELETE FROM tarx_keys_internal.project_secret_versions WHERE version = 2');
-- a number that is to come does not stand in the way
INSERT INTO tarx_keys_internal.project_secret_versions SELECT project_id, name, id, 4, updated_by, updated_at, ciphertext FROM tarx_keys_internal.project_secret_versions WHERE project_id = :'A' AND name = 'ONE' AND version = 1;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.set_secret(:'A', 'ONE', 'one v5');
SELECT tarx_keys.restore_secret(:'A', 'ONE', 4);
SELECT tarx_keys.resolve_secret(:'A', 'ONE');
ROLLBACK;

-- sealed with a master key that is not in the keyring
BEGIN;
UPDATE tarx_keys.project_secrets SET ciphertext = overlay(ciphertext PLACING '\x0123456789abcdef' FROM 2) WHERE name = 'ONE';
SAVEPOINT s;
SELECT tarx_keys.resolve_secret(:'A', 'ONE');
ROLLBACK TO s;
-- it can still be set
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.set_secret(:'A', 'ONE', 'mended');
SELECT tarx_keys.resolve_secret(:'A', 'ONE');
SELECT tarx_keys.restore_secret(:'A', 'ONE', 4);
ROLLBACK;

DROP TABLE attacks;
DROP FUNCTION attack, restored;

-- clean up
\set ECHO none
\i :clean_up
