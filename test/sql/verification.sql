-- verify_keys(), and the status in the list of LLM keys.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set internals :include /internals.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :internals
\set ECHO all

SELECT count(*) FROM tarx_keys.verify_keys();
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'one', 'abcdefghijklmnopqrstuvwxyz012345') AS one \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai_compatible', 'two', 'abcdefghijklmnopqrstuvwxyz012345', 'https://two.example/v1') IS NOT NULL;
SELECT tarx_keys.set_secret(:'A', 'ONE', 'one v1'), tarx_keys.set_secret(:'A', 'ONE', 'one v2'), tarx_keys.set_secret(:'A', 'TWO', 'two v1');
SELECT id AS laptop FROM tarx_keys.create_platform_key('laptop', 'infinity', ARRAY[:'A']::uuid[], true) \gset
SELECT id AS gone FROM tarx_keys.create_platform_key('gone') \gset
SELECT tarx_keys.revoke_platform_key(:'gone');
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.add_llm_key(:'B', 'mistral', 'three', 'abcdefghijklmnopqrstuvwxyz012345') IS NOT NULL;
SELECT tarx_keys.set_secret(:'B', 'ONE', 'other v1');
COMMIT;
RESET ROLE;

-- all is well; of one project; of none. A revoked key has nothing to verify.
SELECT project_id, kind, id IS NOT NULL AS has_id, name, status FROM tarx_keys.verify_keys() ORDER BY kind, project_id, name;
SELECT id = :'one' FROM tarx_keys.verify_keys(:'A') WHERE name = 'one';
SELECT id = :'laptop' FROM tarx_keys.verify_keys() WHERE kind = 'platform_key';
SELECT project_id, kind, name, status FROM tarx_keys.verify_keys(:'A') ORDER BY kind, name;
SELECT project_id, kind, name, status FROM tarx_keys.verify_keys(project_id => :'B') ORDER BY kind, name;
SELECT count(*) FROM tarx_keys.verify_keys(:'nowhere');

-- who
SET ROLE regress_backend;
SELECT * FROM tarx_keys.verify_keys();
RESET ROLE;
GRANT USAGE ON SCHEMA tarx_keys TO regress_nobody;
GRANT EXECUTE ON FUNCTION tarx_keys.verify_keys TO regress_nobody;
SET ROLE regress_nobody;
SELECT status, count(*) FROM tarx_keys.verify_keys() GROUP BY 1;
SELECT * FROM tarx_keys_internal.row_states(NULL);
RESET ROLE;
REVOKE ALL ON SCHEMA tarx_keys FROM regress_nobody;
REVOKE ALL ON FUNCTION tarx_keys.verify_keys FROM regress_nobody;

-- any change of what is bound shows, and of nothing else
CREATE TABLE attacks (n int, statement text);
INSERT INTO attacks VALUES
    (1, 'UPDATE tarx_keys.project_llm_keys SET provider = ''openai'' WHERE name = ''one'''),
    (2, 'UPDATE tarx_keys.project_llm_keys SET name = ''ONE'' WHERE name = ''one'''),
    (3, 'UPDATE tarx_keys.project_llm_keys SET base_url = '''' WHERE name = ''one'''),
    (4, 'UPDATE tarx_keys.project_llm_keys SET base_url = NULL WHERE name = ''two'''),
    (5, 'UPDATE tarx_keys.project_llm_keys SET destination = ''https://evil.example'' WHERE name = ''one'''),
    (6, 'UPDATE tarx_keys.project_llm_keys SET masked_key = ''x'' WHERE name = ''one'''),
    (7, 'UPDATE tarx_keys.project_llm_keys SET added_by = ''bob'' WHERE name = ''one'''),
    (8, 'UPDATE tarx_keys.project_llm_keys SET id = gen_random_uuid() WHERE name = ''one'''),
    (9, 'UPDATE tarx_keys.project_llm_keys SET project_id = ''bbbbbbbb-0000-4000-8000-000000000002'' WHERE name = ''one'''),
    (10, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = '''' WHERE name = ''one'''),
    (11, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = set_byte(ciphertext, length(ciphertext) - 1, get_byte(ciphertext, length(ciphertext) - 1) # 1) WHERE name = ''one'''),
    (12, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = overlay(ciphertext PLACING ''\xb4bcc99b89fa34ce'' FROM 2) WHERE name = ''one'''),
    (13, 'UPDATE tarx_keys.project_llm_keys SET ciphertext = overlay(ciphertext PLACING ''\x0123456789abcdef'' FROM 2) WHERE name = ''one'''),
    (14, 'UPDATE tarx_keys.project_llm_keys SET provider = repeat(provider, 100000) WHERE name = ''one'''),
    (15, 'UPDATE tarx_keys.project_llm_keys SET created_at = ''epoch'''),
    (20, 'UPDATE tarx_keys.project_secrets SET version = 7 WHERE name = ''TWO'''),
    (21, 'UPDATE tarx_keys.project_secrets SET name = ''THREE'' WHERE name = ''TWO'''),
    (22, 'UPDATE tarx_keys.project_secrets s SET ciphertext = o.ciphertext FROM tarx_keys.project_secrets o WHERE s.name = ''TWO'' AND o.name = ''ONE'' AND o.project_id = s.project_id'),
    (23, 'UPDATE tarx_keys_internal.project_secret_versions SET ciphertext = overlay(ciphertext PLACING ''\x0123456789abcdef'' FROM 2)'),
    (24, 'UPDATE tarx_keys_internal.project_secret_versions SET ciphertext = '''''),
    (25, 'UPDATE tarx_keys.project_secrets SET ciphertext = overlay(ciphertext PLACING ''\x0123456789abcdef'' FROM 2) WHERE name = ''ONE'' AND version = 2'),
    (26, 'DO $do$ BEGIN UPDATE tarx_keys_internal.project_secret_versions SET ciphertext = ''''; UPDATE tarx_keys.project_secrets SET ciphertext = overlay(ciphertext PLACING ''\x0123456789abcdef'' FROM 2) WHERE version = 2; END $do$'),
    (27, 'UPDATE tarx_keys.project_secrets SET updated_by = ''x'', updated_at = ''epoch'', description = ''x'''),
    (30, 'UPDATE tarx_keys.platform_api_keys SET user_id = ''bob'' WHERE name = ''laptop'''),
    (31, 'UPDATE tarx_keys.platform_api_keys SET id = gen_random_uuid() WHERE name = ''laptop'''),
    (32, 'UPDATE tarx_keys.platform_api_keys SET token_hash = sha256(token_hash) WHERE name = ''laptop'''),
    (33, 'UPDATE tarx_keys.platform_api_keys SET token_hash = '''' WHERE name = ''laptop'''),
    (34, 'UPDATE tarx_keys.platform_api_keys SET expires_at = NULL WHERE name = ''laptop'''),
    (35, 'UPDATE tarx_keys.platform_api_keys SET project_ids = NULL WHERE name = ''laptop'''),
    (36, 'UPDATE tarx_keys.platform_api_keys SET project_ids = ARRAY[NULL]::uuid[] WHERE name = ''laptop'''),
    (37, 'UPDATE tarx_keys.platform_api_keys SET read_only = false WHERE name = ''laptop'''),
    (38, 'UPDATE tarx_keys.platform_api_keys SET stamp = overlay(stamp PLACING ''\x0123456789abcdef'' FROM 2) WHERE name = ''laptop'''),
    (39, 'UPDATE tarx_keys.platform_api_keys SET stamp = '''' WHERE name = ''laptop'''),
    (40, 'UPDATE tarx_keys.platform_api_keys SET name = ''desktop'' WHERE name = ''laptop'''),
    (41, 'UPDATE tarx_keys.platform_api_keys SET masked_key = ''x'' WHERE name = ''laptop'''),
    (42, 'UPDATE tarx_keys.platform_api_keys SET created_at = ''epoch'' WHERE name = ''laptop'''),
    (43, 'UPDATE tarx_keys.platform_api_keys SET created_with = id WHERE name = ''laptop'''),
    (44, 'UPDATE tarx_keys.platform_api_keys SET ends_descendants = true');
CREATE FUNCTION attack(call text) RETURNS TABLE (n int, outcome text) LANGUAGE plpgsql AS $$
DECLARE
    a record;
BEGIN
    FOR a IN SELECT * FROM attacks ORDER BY attacks.n LOOP
        n := a.n;
        BEGIN
            EXECUTE a.statement;
            EXECUTE call INTO outcome;
            RAISE SQLSTATE 'ZZ000' USING MESSAGE = coalesce(outcome, '-');
        EXCEPTION WHEN OTHERS THEN
            outcome := SQLERRM;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM attack('SELECT string_agg(kind || '' '' || name || '': '' || status, '', '' ORDER BY kind, name, project_id) FROM tarx_keys.verify_keys() WHERE status <> ''ok''');

-- the list: the same of the LLM keys, to members, and it never breaks
SELECT ctid AS place FROM tarx_keys.project_llm_keys WHERE id = :'one' \gset
SELECT ctid AS other_place FROM tarx_keys.project_llm_keys WHERE project_id = :'A' AND id <> :'one' LIMIT 1 \gset
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT name, status FROM tarx_keys.llm_keys ORDER BY name;
SELECT tarx_keys.act_as('bob', :'B');
SELECT name, status FROM tarx_keys.llm_keys ORDER BY name;
SELECT (tarx_keys_internal.llm_key_details(project_id, id, ctid)).status FROM tarx_keys.project_llm_keys;
-- the function behind it tells no more, whatever it is asked
SELECT tarx_keys_internal.llm_key_details(:'A', :'one', :'place') IS NULL;
SELECT tarx_keys.act_as('bob', :'A');
SELECT (tarx_keys_internal.llm_key_details(:'A', :'one', :'place')).status IS NOT NULL;
SELECT (tarx_keys_internal.llm_key_details(:'A', :'one', :'other_place')).status IS NULL;
SELECT n, (tarx_keys_internal.llm_key_details(:'A', :'one', n)).status
  FROM unnest('{"(0,0)","(0,60000)","(1000000,1)","(4294967295,1)"}'::tid[]) AS n;
SELECT tarx_keys.act_as('dave');
SELECT name, status FROM tarx_keys.llm_keys ORDER BY name;
SELECT tarx_keys_internal.llm_key_details(:'A', :'one', :'place') IS NULL;
COMMIT;
SELECT tarx_keys_internal.llm_key_details(:'A', :'one', :'place');
SELECT name, status FROM tarx_keys.llm_keys;
RESET ROLE;
DELETE FROM attacks WHERE attacks.n > 15;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT * FROM attack('SELECT string_agg(lower(name) || '': '' || status, '', '' ORDER BY lower(name)) FROM tarx_keys.llm_keys');
COMMIT;
-- members have no way to the rows behind it
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT ciphertext FROM tarx_keys.project_llm_keys;
ROLLBACK;
RESET ROLE;
DROP FUNCTION attack;
DROP TABLE attacks;

-- clean up
\set ECHO none
\i :clean_up
