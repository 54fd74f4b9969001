-- rotate_master_key() and rotation_progress: who, errors, rows that do not
-- open. That rows of a retired key are sealed again is in
-- test/t/135_master_key_rotation.pl, which has keyrings of its own.
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
SELECT count(tarx_keys.add_llm_key(:'A', 'mistral', 'key ' || i, 'abcdefghijklmnopqrstuvwxyz012345')) FROM generate_series(1, 3) i;
SELECT count(tarx_keys.set_secret(:'A', 'S' || i % 2, 'value')) FROM generate_series(1, 4) i;
SELECT count(c.id) FROM generate_series(1, 2) i, tarx_keys.create_platform_key('key ' || i) c;
SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE name = 'key 2';
SELECT count(tarx_keys.create_agent(:'A', 'agent ' || i)) FROM generate_series(1, 2) i;
COMMIT;
RESET ROLE;

-- who: nobody but superusers, unless one lets a monitor look
SET ROLE regress_backend;
CALL tarx_keys.rotate_master_key();
SELECT * FROM tarx_keys.rotation_progress;
RESET ROLE;
GRANT USAGE ON SCHEMA tarx_keys TO regress_nobody;
GRANT SELECT ON tarx_keys.rotation_progress TO regress_nobody;
GRANT EXECUTE ON FUNCTION tarx_keys.count_rotated TO regress_nobody;
SET ROLE regress_nobody;
SELECT table_name, total, done, remaining FROM tarx_keys.rotation_progress;
CALL tarx_keys.rotate_master_key();
RESET ROLE;
REVOKE ALL ON SCHEMA tarx_keys FROM regress_nobody;
REVOKE ALL ON tarx_keys.rotation_progress FROM regress_nobody;
REVOKE ALL ON FUNCTION tarx_keys.count_rotated FROM regress_nobody;

-- errors
CALL tarx_keys.rotate_master_key(NULL);
CALL tarx_keys.rotate_master_key(0);
CALL tarx_keys.rotate_master_key(-1);
\set VERBOSITY sqlstate
BEGIN;
CALL tarx_keys.rotate_master_key();
ROLLBACK;
SELECT tarx_keys_internal.rotate_rows('no_such_table', 'tarx_keys.agents'::regclass, NULL, 1, false);
\set VERBOSITY default

-- nothing to do
CREATE TABLE before AS
SELECT ciphertext FROM tarx_keys.project_llm_keys UNION SELECT ciphertext FROM tarx_keys.project_secrets
UNION SELECT ciphertext FROM tarx_keys_internal.project_secret_versions UNION SELECT stamp FROM tarx_keys.platform_api_keys
UNION SELECT stamp FROM tarx_keys.project_members UNION SELECT stamp FROM tarx_keys.agents
UNION SELECT sealed_key FROM tarx_keys_internal.audit_ends;
CREATE VIEW unchanged AS
SELECT (SELECT count(*) FROM before) AS before, count(*) AS now FROM before b JOIN (
SELECT ciphertext FROM tarx_keys.project_llm_keys UNION SELECT ciphertext FROM tarx_keys.project_secrets
UNION SELECT ciphertext FROM tarx_keys_internal.project_secret_versions UNION SELECT stamp FROM tarx_keys.platform_api_keys
UNION SELECT stamp FROM tarx_keys.project_members UNION SELECT stamp FROM tarx_keys.agents
UNION SELECT sealed_key FROM tarx_keys_internal.audit_ends) n ON n.ciphertext IS NOT DISTINCT FROM b.ciphertext;
SELECT table_name, total, done, remaining FROM tarx_keys.rotation_progress;
SELECT active_fingerprint, count(*) FROM tarx_keys.rotation_progress GROUP BY 1;
CALL tarx_keys.rotate_master_key();
SELECT * FROM unchanged;

-- rows of every table that do not open: another fingerprint, or changed and of a
-- master key that is there. They stay as they are, however often it runs.
UPDATE tarx_keys.project_llm_keys SET ciphertext = overlay(ciphertext PLACING '\x0123456789abcdef' FROM 2) WHERE name = 'key 1';
UPDATE tarx_keys.project_llm_keys SET ciphertext = overlay(ciphertext PLACING '\xb4bcc99b89fa34ce' FROM 2) WHERE name = 'key 2';
UPDATE tarx_keys.project_llm_keys SET ciphertext = '' WHERE name = 'key 3';
UPDATE tarx_keys.project_secrets SET ciphertext = overlay(ciphertext PLACING '\xb4bcc99b89fa34ce' FROM 2) WHERE name = 'S0';
UPDATE tarx_keys_internal.project_secret_versions SET ciphertext = overlay(ciphertext PLACING '\xb4bcc99b89fa34ce' FROM 2) WHERE name = 'S1';
UPDATE tarx_keys.platform_api_keys SET stamp = overlay(stamp PLACING '\xb4bcc99b89fa34ce' FROM 2), token_hash = '' WHERE name = 'key 1';
UPDATE tarx_keys.project_members SET stamp = overlay(stamp PLACING '\xb4bcc99b89fa34ce' FROM 2), role = 'admin' WHERE user_id = 'bob';
UPDATE tarx_keys.agents SET stamp = overlay(stamp PLACING '\x0123456789abcdef' FROM 2) WHERE name = 'agent 1';
UPDATE tarx_keys_internal.audit_ends SET sealed_key = overlay(sealed_key PLACING '\xb4bcc99b89fa34ce' FROM 2), last_stamp = '' WHERE project_id = :'A' AND lane = 0;
SELECT table_name, total, done, remaining FROM tarx_keys.rotation_progress;
SELECT fingerprint, is_active, llm_keys, secret_versions, platform_keys, audit_chains FROM tarx_keys.keyring_status();
SET client_min_messages = warning;
TRUNCATE before;
INSERT INTO before
SELECT ciphertext FROM tarx_keys.project_llm_keys UNION SELECT ciphertext FROM tarx_keys.project_secrets
UNION SELECT ciphertext FROM tarx_keys_internal.project_secret_versions UNION SELECT stamp FROM tarx_keys.platform_api_keys
UNION SELECT stamp FROM tarx_keys.project_members UNION SELECT stamp FROM tarx_keys.agents
UNION SELECT sealed_key FROM tarx_keys_internal.audit_ends;
CALL tarx_keys.rotate_master_key();
CALL tarx_keys.rotate_master_key(batch_size => 1);
SELECT * FROM unchanged;
RESET client_min_messages;

-- what stands in the way of names means nothing
CREATE SCHEMA evil;
CREATE FUNCTION evil.trap() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION evil.trap(bigint, bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR evil.+ (FUNCTION = evil.trap, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR evil.- (FUNCTION = evil.trap, LEFTARG = bigint, RIGHTARG = bigint);
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN evil.int8 AS pg_catalog.int8 CHECK (false);
CREATE DOMAIN evil.bool AS pg_catalog.bool CHECK (false);
CREATE DOMAIN evil.timestamptz AS pg_catalog.timestamptz CHECK (false);
SET client_min_messages = error;
SET search_path = evil, pg_catalog;
CALL tarx_keys.rotate_master_key();
RESET search_path;
DROP SCHEMA evil CASCADE;
RESET client_min_messages;

-- the owner has no way around it: rows change only in rotate_rows()
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.project_llm_keys SET ciphertext = '';
-- and reading all rows is not yet changing them
CREATE FUNCTION pg_temp.maintain() RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed integer;
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    UPDATE tarx_keys.project_llm_keys SET ciphertext = '';
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
SELECT pg_temp.maintain();
RESET ROLE;
DROP FUNCTION pg_temp.maintain();
DROP VIEW unchanged;
DROP TABLE before;

-- clean up
\set ECHO none
\i :clean_up
