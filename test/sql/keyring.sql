-- What keyring_status() tells, and to whom.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set internals :include /internals.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :internals
\set ECHO all

SELECT fingerprint, is_active, llm_keys, secret_versions, platform_keys, audit_chains FROM tarx_keys.keyring_status();
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT count(tarx_keys.add_llm_key(:'A', 'mistral', 'key ' || i, 'abcdefghijklmnopqrstuvwxyz012345')) FROM generate_series(1, 3) i;
SELECT tarx_keys.act_as('carol');
SELECT count(tarx_keys.add_llm_key(:'B', 'mistral', 'key', 'abcdefghijklmnopqrstuvwxyz012345'));
COMMIT;
-- it counts over all projects
RESET ROLE;
SELECT fingerprint, is_active, llm_keys, secret_versions, platform_keys, audit_chains FROM tarx_keys.keyring_status();
-- of the keyring as a whole, in all rows: when it was loaded, whether that is what is configured
SELECT loaded_at <= now() AS is_loaded, reload, problem FROM tarx_keys.keyring_status();
-- and lets nobody look at all projects after it
SET ROLE tarx_keys_owner;
SELECT count(*) FROM tarx_keys.keyring_status();
SELECT tarx_keys_internal.in_maintenance();
SELECT count(*) FROM tarx_keys.project_llm_keys;
RESET ROLE;
-- a DBA can let a monitor call it
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.keyring_status();
RESET ROLE;
GRANT USAGE ON SCHEMA tarx_keys TO regress_nobody;
GRANT EXECUTE ON FUNCTION tarx_keys.keyring_status TO regress_nobody;
SET ROLE regress_nobody;
SELECT fingerprint, is_active, llm_keys, secret_versions, platform_keys, audit_chains FROM tarx_keys.keyring_status();
SELECT tarx_keys_internal.keyring_fingerprints();
SET ROLE regress_backend;
SELECT * FROM tarx_keys.keyring_status();
SET ROLE regress_agent;
SELECT * FROM tarx_keys.keyring_status();
RESET ROLE;
-- settings: the keyring shows as fingerprints, the sources only to superusers
SHOW tarx_keys.master_key;
SELECT name, setting, boot_val, reset_val, context FROM pg_settings WHERE name ~ '^tarx_keys\.' ORDER BY name;
SET ROLE regress_backend;
\set VERBOSITY sqlstate
SHOW tarx_keys.master_key;
SHOW tarx_keys.master_key_file;
SHOW tarx_keys.master_key_command;
SHOW tarx_keys.master_key_timeout;
\set VERBOSITY default
SHOW tarx_keys.allowed_private_hosts;
SELECT name FROM pg_settings WHERE name ~ '^tarx_keys\.' ORDER BY name;
RESET ROLE;
SET tarx_keys.master_key = 'x';
SET tarx_keys.master_key_file = 'x';
ALTER SYSTEM SET tarx_keys.master_key = 'x';
REVOKE ALL ON SCHEMA tarx_keys FROM regress_nobody;
REVOKE ALL ON FUNCTION tarx_keys.keyring_status FROM regress_nobody;

-- clean up
\set ECHO none
\i :clean_up
