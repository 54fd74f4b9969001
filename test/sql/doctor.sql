-- What doctor() finds: nothing but what is known of the test cluster, and one
-- thing after another that is done to it. Each is undone by ROLLBACK.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set internals :include /internals.sql
\set clean_up :include /clean_up.sql
\set ECHO none
CREATE EXTENSION tarx_keys;
\pset format unaligned
\pset tuples_only on
\set ECHO all

-- A fresh installation. Minor releases, superusers and the two master keys are
-- the cluster's own; log_min_error_statement is PostgreSQL's default.
SELECT check_name, severity, CASE WHEN check_name <> 'powerful_roles' THEN finding END FROM tarx_keys.doctor() WHERE check_name <> 'version';
SELECT finding ~ '^PostgreSQL \d+[0-9a-z.]+ (and libsodium 1\.[0-9.]+ have no|has known) holes' FROM tarx_keys.doctor() WHERE check_name = 'version';
SELECT finding LIKE '%' || quote_ident(current_user) || '%' FROM tarx_keys.doctor() WHERE check_name = 'powerful_roles';
-- every finding says what to do, and only findings do
SELECT check_name FROM tarx_keys.doctor() WHERE (severity = 'ok') <> (advice IS NULL) OR finding IS NULL;
-- it has every check, once
SELECT proname FROM pg_proc
 WHERE pronamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND proname ~ '^doctor_' AND 'advice' = ANY (proargnames)
   AND substring(proname FROM 8) NOT IN (SELECT check_name FROM tarx_keys.doctor());
DROP EXTENSION tarx_keys;
\set ECHO none
\i :people
\i :internals
-- what there is besides the findings above
CREATE TEMP TABLE known AS SELECT * FROM tarx_keys.doctor();
GRANT SELECT ON known TO PUBLIC;
CREATE TEMP VIEW findings AS
SELECT * FROM tarx_keys.doctor() WHERE severity <> 'ok' EXCEPT TABLE known ORDER BY 1, 2, 3;
\set ECHO all

-- who may call it
SET ROLE regress_backend;
SELECT * FROM tarx_keys.doctor();
SET ROLE regress_agent;
SELECT * FROM tarx_keys.doctor();
RESET ROLE;
BEGIN;
GRANT USAGE ON SCHEMA tarx_keys TO regress_nobody;
GRANT EXECUTE ON FUNCTION tarx_keys.doctor TO regress_nobody;
SET ROLE regress_nobody;
-- the same answer for a monitor, which the rights above are no cause of warning for
SELECT check_name, severity, finding FROM tarx_keys.doctor() EXCEPT SELECT check_name, severity, finding FROM known;
SELECT tarx_keys_internal.in_maintenance();
ROLLBACK;
-- nobody looks at all projects after it
SET ROLE tarx_keys_owner;
SELECT count(*) > 20, tarx_keys_internal.in_maintenance() FROM tarx_keys.doctor();
RESET ROLE;
-- it never fails: a check that does is a finding
BEGIN;
REVOKE SELECT ON tarx_keys.agents FROM tarx_keys_owner;
SELECT check_name, severity, finding FROM findings WHERE finding ~ 'could not be checked';
ROLLBACK;
-- settings of the session, its role or the database change no answer
BEGIN;
SET LOCAL row_security = off;
SET LOCAL quote_all_identifiers = on;
SET LOCAL escape_string_warning = off;
SET LOCAL standard_conforming_strings = off;
SET LOCAL bytea_output = escape;
SET LOCAL datestyle = 'sql, dmy';
SET LOCAL intervalstyle = 'sql_standard';
SELECT * FROM findings;
ROLLBACK;

-- members
SELECT severity, finding, advice FROM known WHERE check_name = 'members';
BEGIN;
CREATE ROLE regress_group;
GRANT tarx_keys_agent TO regress_group;
GRANT regress_group TO regress_backend;
SELECT * FROM findings;
GRANT tarx_keys_owner TO regress_group;
SELECT * FROM findings WHERE severity = 'critical';
ROLLBACK;
-- who may connect: PUBLIC, unless it is told otherwise, and there is another database
SELECT severity, replace(finding, current_database(), 'DB'), replace(advice, current_database(), 'DB') FROM known WHERE check_name = 'connect';
BEGIN;
SELECT current_database() AS db \gset
REVOKE CONNECT ON DATABASE :"db" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"db" TO regress_backend;
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'connect';
-- members that may not are not listed
SELECT finding FROM tarx_keys.doctor() WHERE check_name = 'members';
-- the group roles are other databases' as well
GRANT CONNECT ON DATABASE :"db" TO tarx_keys_agent;
SELECT severity, replace(finding, current_database(), 'DB'), replace(advice, current_database(), 'DB') FROM tarx_keys.doctor() WHERE check_name = 'connect';
-- and so are groups that have one of them, directly or not
REVOKE CONNECT ON DATABASE :"db" FROM tarx_keys_agent;
CREATE ROLE regress_group IN ROLE tarx_keys_agent;
CREATE ROLE regress_subgroup IN ROLE regress_group;
CREATE ROLE regress_others;
GRANT CONNECT ON DATABASE :"db" TO regress_subgroup, regress_others;
SELECT severity, replace(finding, current_database(), 'DB'), replace(advice, current_database(), 'DB') FROM tarx_keys.doctor() WHERE check_name = 'connect';
ROLLBACK;
BEGIN;
UPDATE pg_database SET datallowconn = false WHERE datname NOT IN (current_database(), 'template0', 'template1');
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'connect';
ROLLBACK;
-- the roles themselves
BEGIN;
ALTER ROLE tarx_keys_owner LOGIN BYPASSRLS;
GRANT pg_monitor TO tarx_keys_backend;
GRANT tarx_keys_login TO regress_nobody WITH ADMIN OPTION;
SELECT * FROM findings WHERE check_name = 'group_roles';
ROLLBACK;
-- roles that PostgreSQL gives powers
BEGIN;
CREATE ROLE regress_group IN ROLE pg_read_all_data, pg_execute_server_program;
GRANT regress_group TO regress_nobody;
ALTER ROLE regress_nobody BYPASSRLS REPLICATION;
SELECT * FROM findings;
ROLLBACK;
BEGIN;
CREATE ROLE regress_group SUPERUSER NOLOGIN ROLE regress_nobody;
SELECT * FROM findings;
CREATE ROLE regress_superuser SUPERUSER LOGIN;
SELECT check_name, severity FROM findings WHERE finding ~ '^superusers.* regress_superuser';
ROLLBACK;
BEGIN;
ALTER ROLE regress_nobody CREATEROLE;
SELECT count(*) = (current_setting('server_version_num')::integer < 160000)::integer FROM findings WHERE finding ~ '^login regress_nobody creates roles';
ROLLBACK;

-- objects
BEGIN;
ALTER TABLE tarx_keys.agents OWNER TO regress_nobody;
ALTER FUNCTION tarx_keys.act_as OWNER TO regress_nobody;
CREATE TABLE tarx_keys.stranger ();
ALTER TABLE tarx_keys.stranger OWNER TO tarx_keys_owner;
SELECT * FROM findings WHERE check_name IN ('ownership', 'grants');
ROLLBACK;
BEGIN;
GRANT SELECT (ciphertext) ON tarx_keys.project_llm_keys TO regress_backend;
GRANT SELECT ON tarx_keys.providers TO regress_nobody WITH GRANT OPTION;
GRANT UPDATE ON tarx_keys.audit_log TO tarx_keys_owner;
GRANT EXECUTE ON FUNCTION tarx_keys.resolve_key TO tarx_keys_backend;
REVOKE EXECUTE ON FUNCTION tarx_keys.login FROM tarx_keys_login;
GRANT CREATE ON SCHEMA tarx_keys TO regress_nobody;
SELECT * FROM findings;
ROLLBACK;
BEGIN;
GRANT SELECT ON tarx_keys.projects TO tarx_keys_backend WITH GRANT OPTION;
SELECT * FROM findings;
ROLLBACK;
BEGIN;
GRANT EXECUTE ON FUNCTION tarx_keys.resolve_key TO PUBLIC;
GRANT SELECT (stamp) ON tarx_keys.audit_log TO PUBLIC;
GRANT USAGE ON SCHEMA tarx_keys TO PUBLIC;
SELECT * FROM findings;
ROLLBACK;
BEGIN;
ALTER TABLE tarx_keys.agents DISABLE ROW LEVEL SECURITY;
ALTER TABLE tarx_keys.projects NO FORCE ROW LEVEL SECURITY;
SELECT * FROM findings;
ROLLBACK;
BEGIN;
DROP POLICY members_read ON tarx_keys.projects;
ALTER POLICY members_read ON tarx_keys.agents TO tarx_keys_agent;
ALTER POLICY owner_appends ON tarx_keys.audit_log WITH CHECK (true);
CREATE POLICY all_read ON tarx_keys.project_llm_keys FOR SELECT USING (true);
SELECT * FROM findings;
-- the advice is what mends it
SELECT advice FROM findings \gexec
SELECT * FROM findings;
ROLLBACK;
BEGIN;
CREATE FUNCTION pg_temp.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER spy BEFORE INSERT ON tarx_keys.project_secrets FOR EACH ROW EXECUTE FUNCTION pg_temp.spy();
CREATE RULE divert AS ON INSERT TO tarx_keys.project_llm_keys DO ALSO NOTIFY spy;
ALTER TABLE tarx_keys.project_members DISABLE TRIGGER ALL;
SELECT * FROM findings;
ROLLBACK;
-- indexes that are gone or invalid; the DBA may have others
BEGIN;
ALTER TABLE tarx_keys.project_members DROP CONSTRAINT project_members_pkey;
DROP INDEX tarx_keys.agents_user_api_key_id;
CREATE INDEX left_behind ON tarx_keys.agents (name);
CREATE INDEX of_the_dba ON tarx_keys.agents (created_at);
UPDATE pg_index SET indisvalid = false
 WHERE indexrelid IN ('tarx_keys.left_behind'::regclass, 'tarx_keys.project_secrets_pkey'::regclass);
SELECT * FROM findings;
-- what it says helps
SELECT replace(advice, 'CONCURRENTLY ', '') FROM findings WHERE check_name = 'indexes'
\gexec
SELECT * FROM findings;
ROLLBACK;
-- parts of tables, and a table that Citus has, by what Citus itself writes down
BEGIN;
ALTER TABLE tarx_keys.agents RENAME TO part;
CREATE TABLE tarx_keys.agents (LIKE tarx_keys.part) PARTITION BY HASH (project_id);
ALTER TABLE tarx_keys.agents ATTACH PARTITION tarx_keys.part FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE public.child () INHERITS (tarx_keys.audit_log);
SELECT severity, finding, advice FROM findings WHERE check_name = 'distribution';
ROLLBACK;
BEGIN;
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrel regclass);
GRANT SELECT ON pg_catalog.pg_dist_partition TO PUBLIC;
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'distribution';
INSERT INTO pg_catalog.pg_dist_partition VALUES ('tarx_keys.project_llm_keys'), ('pg_catalog.pg_class');
SELECT severity, finding, advice FROM findings WHERE check_name = 'distribution';
ROLLBACK;

-- rows
BEGIN;
SET ROLE regress_backend;
DO $$
DECLARE
    key uuid;
BEGIN
    PERFORM tarx_keys.act_as('alice', 'aaaaaaaa-0000-4000-8000-000000000001');
    key := tarx_keys.add_llm_key('aaaaaaaa-0000-4000-8000-000000000001', 'mistral', 'first', 'abcdefghijklmnopqrstuvwxyz012345');
    PERFORM tarx_keys.create_agent('aaaaaaaa-0000-4000-8000-000000000001', 'one', key);
    PERFORM tarx_keys.create_agent('aaaaaaaa-0000-4000-8000-000000000001', 'two', key);
    PERFORM tarx_keys.set_secret('aaaaaaaa-0000-4000-8000-000000000001', 'NAME', 'a value');
END
$$;
RESET ROLE;
SELECT id AS key FROM tarx_keys.project_llm_keys \gset
SELECT * FROM findings;
SAVEPOINT before;
DELETE FROM tarx_keys.project_llm_keys;
SELECT check_name, severity, replace(finding, :'key', 'KEY'), replace(advice, :'key', 'KEY') FROM findings;
ROLLBACK TO before;
-- of many keys twenty are named
INSERT INTO tarx_keys.agents (project_id, id, name, user_api_key_id, run_epoch, revision, stamp, created_by)
SELECT :'A', gen_random_uuid(), 'agent ' || i, gen_random_uuid(), gen_random_uuid(), 1, '', 'alice' FROM generate_series(1, 21) i;
SELECT count(DISTINCT finding), count(*) FILTER (WHERE finding ~ ': 1 \(20 of 21 such keys are shown\)$') FROM findings WHERE check_name = 'agents';
DELETE FROM tarx_keys.agents WHERE name = 'agent 1';
SELECT count(DISTINCT finding), count(*) FILTER (WHERE finding ~ ': 1$') FROM findings WHERE check_name = 'agents';
ROLLBACK TO before;
-- a retired and a missing master key
SELECT (tarx_keys_internal.keyring_fingerprints())[2] AS retired \gset
UPDATE tarx_keys.project_llm_keys SET ciphertext = overlay(ciphertext PLACING decode(:'retired', 'hex') FROM 2);
SELECT * FROM findings WHERE check_name = 'master_keys';
UPDATE tarx_keys.project_secrets SET ciphertext = overlay(ciphertext PLACING '\x0102030405060708' FROM 2);
SELECT * FROM findings WHERE check_name = 'master_keys' AND severity = 'critical';
-- one that is cut off says the same as in keyring_status()
UPDATE tarx_keys.project_secrets SET ciphertext = '';
SELECT s.fingerprint, f.finding FROM findings f, tarx_keys.keyring_status() s WHERE f.severity = 'critical' AND f.check_name = 'master_keys' AND s.is_active IS NULL;
ROLLBACK TO before;
UPDATE tarx_keys.audit_log SET action = 'nothing' WHERE project_id = :'A' AND seq = (SELECT min(seq) FROM tarx_keys.audit_log WHERE project_id = :'A');
SELECT check_name, severity, finding FROM findings;
ROLLBACK TO before;
-- rows that verify_keys() finds
UPDATE tarx_keys.project_llm_keys SET name = 'another';
SELECT * FROM findings WHERE check_name = 'rows';
ROLLBACK TO before;
-- where there are many it looks at 3000 in projects, and at 1000 platform keys
DELETE FROM tarx_keys.project_llm_keys;
INSERT INTO tarx_keys.project_secrets
SELECT (jsonb_populate_record(s, jsonb_build_object('name', 'NAME_' || i))).* FROM tarx_keys.project_secrets s, generate_series(1, 3001) i;
DELETE FROM tarx_keys.project_secrets WHERE name = 'NAME';
SELECT finding FROM findings WHERE check_name = 'rows';
ROLLBACK TO before;
INSERT INTO tarx_keys.project_llm_keys
SELECT (jsonb_populate_record(k, jsonb_build_object('id', gen_random_uuid(), 'name', 'copy ' || i))).* FROM tarx_keys.project_llm_keys k, generate_series(1, 3001) i;
DELETE FROM tarx_keys.project_llm_keys WHERE name = 'first';
SELECT finding FROM findings WHERE check_name = 'rows';
ROLLBACK TO before;
SET ROLE regress_backend;
DO $$
BEGIN
    PERFORM tarx_keys.act_as('alice');
    PERFORM tarx_keys.create_platform_key('laptop');
END
$$;
RESET ROLE;
INSERT INTO tarx_keys.platform_api_keys
SELECT (jsonb_populate_record(k, jsonb_build_object('id', gen_random_uuid(), 'name', i, 'token_hash', sha256(i::text::bytea)))).* FROM tarx_keys.platform_api_keys k, generate_series(1, 1001) i;
DELETE FROM tarx_keys.platform_api_keys WHERE name = 'laptop';
SELECT finding FROM findings WHERE check_name = 'rows';
-- those that are revoked are not among them
UPDATE tarx_keys.platform_api_keys SET revoked_at = now(), token_hash = NULL, stamp = NULL WHERE name::integer > 100;
SELECT finding FROM findings WHERE check_name = 'rows';
ROLLBACK;

-- of a table of more than 250 pages it looks at some rows, and says at how many; with full at all
SELECT tarx_keys.doctor(NULL);
BEGIN;
SET ROLE regress_backend;
DO $$
BEGIN
    PERFORM tarx_keys.act_as('alice', 'aaaaaaaa-0000-4000-8000-000000000001');
    PERFORM tarx_keys.set_secret('aaaaaaaa-0000-4000-8000-000000000001', 'NAME', 'a value');
END
$$;
RESET ROLE;
INSERT INTO tarx_keys.agents (project_id, id, name, run_epoch, revision, stamp, created_by)
SELECT :'A', gen_random_uuid(), 'agent ' || i, gen_random_uuid(), 1, '', 'alice' FROM generate_series(1, 30000) i;
SELECT pg_relation_size('tarx_keys.agents') / current_setting('block_size')::integer BETWEEN 250 AND 1000;
CREATE TEMP VIEW sampled AS
SELECT check_name, severity, regexp_replace(regexp_replace(finding, '[0-9]+ of about [0-9]+', 'N of about M'), ': (about )?[0-9]+ ', ': \1N ') AS finding,
       substring(finding FROM '([0-9]+) of about')::integer AS looked_at, substring(finding FROM 'of about ([0-9]+)')::integer AS about
  FROM tarx_keys.doctor() WHERE check_name IN ('agents', 'rows', 'master_keys');
-- of about 30000 that there are
SELECT check_name, severity, finding, looked_at BETWEEN 1000 AND 29000, about BETWEEN 24000 AND 36000 FROM sampled ORDER BY 1, 3;
SELECT check_name, severity, finding FROM tarx_keys.doctor(full => true) WHERE check_name IN ('agents', 'rows', 'master_keys') ORDER BY 1, 3;
SELECT count(DISTINCT (f.finding, f.advice)) FROM tarx_keys.doctor(full => true) f WHERE f.finding ~ 'looked at \(|of about';
-- a retired key that a sample does not have may be needed all the same
UPDATE tarx_keys.agents SET stamp = substr(s.ciphertext, 1, 41) FROM tarx_keys.project_secrets s;
SELECT check_name, severity, finding, advice FROM tarx_keys.doctor(full => true) WHERE check_name = 'master_keys';
SELECT severity, regexp_replace(finding, '[0-9]+ of about [0-9]+', 'N of about M'), advice FROM tarx_keys.doctor() WHERE check_name = 'master_keys';
ROLLBACK;
-- takes the pages away
VACUUM tarx_keys.agents;

-- settings
BEGIN;
SET LOCAL log_statement = 'all';
SET LOCAL log_parameter_max_length = -1;
SET LOCAL debug_print_plan = on;
SET LOCAL log_parameter_max_length_on_error = 100;
SET LOCAL log_min_duration_statement = '1s';
ALTER ROLE regress_backend SET log_statement = 'mod';
SELECT current_database() AS db \gset
ALTER ROLE regress_agent IN DATABASE :"db" SET log_transaction_sample_rate = 0.5;
ALTER DATABASE :"db" SET log_min_duration_sample = 10;
SELECT check_name, severity, replace(finding, quote_ident(:'db'), 'DB'), replace(advice, quote_ident(:'db'), 'DB') FROM findings;
ROLLBACK;
BEGIN;
SET LOCAL log_statement = 'ddl';
SET LOCAL log_min_error_statement = panic;
ALTER ROLE regress_backend SET log_min_duration_statement = -1;
SELECT * FROM findings;
ROLLBACK;
BEGIN;
SET LOCAL tarx_keys.secret_versions_kept = 1;
SET LOCAL tarx_keys.log_resolves = off;
SET LOCAL tarx_keys.allowed_private_hosts = 'llm.internal, 10.20.0.0/16';
ALTER ROLE regress_backend SET tarx_keys.redact_logs = no;
ALTER DATABASE :"db" SET tarx_keys.redact_logs = 'OFF';
ALTER ROLE regress_agent SET tarx_keys.redact_logs = on;
SELECT check_name, severity, replace(finding, quote_ident(:'db'), 'DB'), replace(advice, quote_ident(:'db'), 'DB') FROM findings;
ROLLBACK;

-- private hosts: http to others than this host, and very many of them, are a warning
CREATE TEMP TABLE hosts (n serial, list text);
INSERT INTO hosts (list) VALUES
    (''), (' '), ('llm.internal'), ('10.20.0.0/16'), ('10.20.0.0/15'), ('10.0.0.0/8'), ('10.0.0.0/8:8080'), ('172.16.0.0/12'),
    ('0.0.0.0/0'), ('10.1.2.3/32'), ('127.0.0.0/8'), ('fd12:3456::/32'), ('[fd12:3456::]/32:8080'), ('[fd12:3456::/31]'),
    ('fd00::/8'), ('[fd00::/8]:443'), ('[fd00::]/8'), ('::/0'), ('http://my_litellm:4000'), ('a, http://llm'), ('HTTP://llm'),
    ('http://10.20.0.0/16'), ('http://127.0.0.1'), ('http://127.0.0.1:8080'), ('http://127.0.0.0/8:8080'), ('http://localhost:11434'), ('http://[::1]:11434'),
    ('http://::1'), ('http://127.0.0.1, http://llm'), ('http://localhost.example'), ('http://127.0.0.1.example'), ('*.internal');
DO $$
DECLARE
    h record;
BEGIN
    FOR h IN SELECT * FROM hosts ORDER BY n LOOP
        PERFORM set_config('tarx_keys.allowed_private_hosts', h.list, true);
        RAISE NOTICE '"%": %', h.list, (SELECT coalesce(string_agg(s.severity, ' '), 'ok') FROM tarx_keys_internal.doctor_settings() s WHERE s.finding ~ 'private_hosts');
    END LOOP;
END $$;
DROP TABLE hosts;

-- minor releases
SELECT finding, advice FROM tarx_keys_internal.doctor_known_holes(150014, '2026-01-01');
SELECT finding, advice FROM tarx_keys_internal.doctor_known_holes(170000, '2026-01-01');
SELECT finding, advice FROM tarx_keys_internal.doctor_known_holes(180004, '2026-01-01');
SELECT finding, advice FROM tarx_keys_internal.doctor_known_holes(150099, '2028-01-01');
SELECT finding, advice FROM tarx_keys_internal.doctor_known_holes(190000, '2026-01-01');

-- clean up
DROP VIEW findings;
DROP TABLE known;
\set ECHO none
\i :clean_up
