-- doctor(): what a DBA should look at, and what to do about it.
--
-- Each check is a function doctor_NAME(). It returns its findings: no row if all
-- is well. Checks run as the owner and in maintenance, so everybody who may
-- execute doctor() gets the same answer. What the owner may not see comes from C.
-- A check that fails is reported as a finding, and doctor() goes on. Findings name
-- objects, roles, settings and paths, never a value. The settings in the head of
-- doctor() are those that would change what a check reads or shows.
--
-- Checks that read the rows of all projects have the argument full. Without it they
-- look at some rows of a large table, and say at how many of how many.

CREATE FUNCTION tarx_keys_internal.doctor_facts(
    OUT preload_libraries text, OUT libsodium text, OUT keyring_is_literal boolean,
    OUT file_problem text, OUT file_advice text, OUT file_is_in_data_directory boolean)
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_doctor_facts';
COMMENT ON FUNCTION tarx_keys_internal.doctor_facts IS
'Internal. What SQL cannot see: the preloaded libraries, libsodium''s version, whether the configuration has the keyring itself, and what is wrong with the key file now.';

CREATE FUNCTION tarx_keys_internal.doctor_open_directories() RETURNS text[]
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_doctor_open_directories';
COMMENT ON FUNCTION tarx_keys_internal.doctor_open_directories IS
'Internal. The directories above the key file in which users other than root and the server''s could replace it.';

-- Server

CREATE FUNCTION tarx_keys_internal.doctor_known_holes(version integer, today date) RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    -- the holes that concern a server with keys, as of PostgreSQL's releases of May 2026
    WITH fixed (holes, minors) AS (VALUES
        ('CVE-2024-10976', ARRAY[150009, 160005, 170001, 180000]),
        ('CVE-2025-1094', ARRAY[150011, 160007, 170003, 180000]),
        ('CVE-2025-8713, CVE-2025-8714, CVE-2025-8715', ARRAY[150014, 160010, 170006, 180000]),
        ('CVE-2025-12817, CVE-2025-12818', ARRAY[150015, 160011, 170007, 180001]),
        ('CVE-2026-2006', ARRAY[150016, 160012, 170008, 180002]),
        ('CVE-2026-6473, CVE-2026-6478', ARRAY[150018, 160014, 170010, 180004])),
    needed AS (
        SELECT string_agg(f.holes, ', ' ORDER BY m.minor) AS holes, max(m.minor) AS minor
          FROM fixed f, unnest(f.minors) AS m (minor)
         WHERE m.minor / 10000 = version / 10000 AND m.minor > version),
    ends (major, on_date) AS (VALUES
        (15, date '2027-11-11'), (16, date '2028-11-09'), (17, date '2029-11-08'), (18, date '2030-11-14'))
    SELECT 'warning', format('PostgreSQL %s.%s has known holes: %s', version / 10000, version % 10000, n.holes),
           format('Install PostgreSQL %s.%s or a later minor release and restart the server.', n.minor / 10000, n.minor % 10000)
      FROM needed n WHERE n.holes IS NOT NULL
    UNION ALL
    SELECT 'warning', format('PostgreSQL %s has had no fixes since %s', e.major, to_char(e.on_date, 'YYYY-MM-DD')),
           'Upgrade to a newer major version with pg_upgrade.'
      FROM ends e WHERE e.major = version / 10000 AND e.on_date < today
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_known_holes IS
'Internal. For a check of doctor(): known holes of a server version, a server_version_num, and whether it still gets fixes at a date.';

CREATE FUNCTION tarx_keys_internal.doctor_version() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH found AS (
        SELECT * FROM tarx_keys_internal.doctor_known_holes(current_setting('server_version_num')::integer, current_date))
    SELECT k.severity, format('%s; libsodium is %s', k.finding, f.libsodium), k.advice FROM found k, tarx_keys_internal.doctor_facts() f
    UNION ALL
    SELECT 'ok', format('PostgreSQL %s and libsodium %s have no holes that this version of tarx_keys knows of',
                        split_part(current_setting('server_version'), ' ', 1), f.libsodium), NULL
      FROM tarx_keys_internal.doctor_facts() f WHERE NOT EXISTS (SELECT FROM found)
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_version IS 'Internal. A check of doctor(): the server''s minor release.';

CREATE FUNCTION tarx_keys_internal.doctor_workers() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'warning', format('max_worker_processes = %s leaves no room for three workers of tarx_keys beside PostgreSQL''s own', s.setting),
           'ALTER SYSTEM SET max_worker_processes = 8; then restart the server.'
      FROM pg_settings s
     WHERE s.name = 'max_worker_processes'
       AND s.setting::integer < 3 + (current_setting('max_logical_replication_workers')::integer > 0)::integer
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_workers IS 'Internal. A check of doctor(): room for background workers.';

CREATE FUNCTION tarx_keys_internal.doctor_usage() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT f.*, format('ALTER SYSTEM SET tarx_keys.usage_entries = %s; then restart the server.%s',
                       least(2 * current_setting('tarx_keys.usage_entries')::integer, 1000000), CASE f.severity WHEN 'warning' THEN ' First see in the server log whether last uses could not be written down.' END)
      FROM tarx_keys_internal.usage_losses() l, LATERAL (VALUES
          ('warning', 'calls that are counted nowhere, so that last_used_at of keys in use may be too early or missing: ' || nullif(l.uncounted, 0)),
          ('info', 'calls that uses and refused show no more, because more keys are in use than have room: ' || nullif(l.dropped, 0)))
           AS f (severity, finding)
     WHERE f.finding IS NOT NULL
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_usage IS 'Internal. A check of doctor(): calls that were not counted since the server started, in any database.';

-- A standby has the subscriptions of its primary, and runs none.
CREATE FUNCTION tarx_keys_internal.doctor_subscriptions() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical', format('subscription %I, which brings rows of the extension''s tables, is not running: what ends on the publisher does not end here', s.subname),
           format('ALTER SUBSCRIPTION %1$I ENABLE; if it stops again, see the server log, and "Blue/green upgrade" in docs/operations.md. If it is no longer needed: DROP SUBSCRIPTION %1$I;', s.subname)
      FROM pg_subscription s
     WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND NOT pg_is_in_recovery()
       AND EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid
                    WHERE r.srsubid = s.oid AND c.relnamespace = ANY (tarx_keys_internal.doctor_schemas()))
       AND NOT EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NULL AND w.pid IS NOT NULL)
    UNION ALL
    SELECT 'warning', format('subscription %I has not copied table %s yet: what ends on the publisher does not end here', s.subname, c.oid::regclass),
           'Wait until the copy is done. If it never is, see the server log: rows that were here before stop it.'
      FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid JOIN pg_class c ON c.oid = r.srrelid
     WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND NOT pg_is_in_recovery()
       AND c.relnamespace = ANY (tarx_keys_internal.doctor_schemas()) AND r.srsubstate NOT IN ('s', 'r')
     ORDER BY 2
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_subscriptions IS 'Internal. A check of doctor(): subscriptions that bring rows of the tables, and are not running, or have not copied a table.';

CREATE FUNCTION tarx_keys_internal.doctor_tls() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'warning', format('the server listens on %s without TLS, and values travel in clear', string_agg(a, ', ' ORDER BY a)),
           'ALTER SYSTEM SET ssl = on; with ssl_cert_file and ssl_key_file, then reload, and use hostssl instead of host in pg_hba.conf.'
      FROM regexp_split_to_table(current_setting('listen_addresses'), '\s*,\s*') a
     WHERE current_setting('ssl') = 'off' AND a !~ '^(localhost|127\.[0-9.]+|::1|)$'
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_tls IS 'Internal. A check of doctor(): addresses that are listened on without TLS.';

-- Master keyring

CREATE FUNCTION tarx_keys_internal.doctor_keyring() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH state AS (
        SELECT k.*, to_char(k.loaded_at, 'YYYY-MM-DD HH24:MI:SSOF') AS loaded, to_char(k.loading_since, 'YYYY-MM-DD HH24:MI:SSOF') AS loading
          FROM tarx_keys_internal.keyring_state() k),
    found (severity, finding, advice) AS (
    SELECT 'critical',
           CASE WHEN s.loaded IS NULL THEN 'there is no usable master keyring: '
                ELSE format('the keyring in use stays only until the server restarts: it was loaded at %s, and the last reload failed: ', s.loaded) END
           || s.problem, s.advice
      FROM state s WHERE s.problem IS NOT NULL
    UNION ALL
    SELECT 'warning', format('a keyring has been waited for since %s', s.loading) || coalesce('; the one in use was loaded at ' || s.loaded, ''),
           'Find out what the command of tarx_keys.master_key_command waits for. After tarx_keys.master_key_timeout it is killed.'
      FROM state s WHERE s.loading IS NOT NULL
    UNION ALL
    SELECT 'warning', 'tarx_keys.master_key has the keyring in the configuration itself, which is for development only',
           'Move it to a file of mode 0600, set tarx_keys.master_key_file instead, and restart the server.'
      FROM tarx_keys_internal.doctor_facts() f WHERE f.keyring_is_literal)
    TABLE found
    UNION ALL
    SELECT 'ok', format('one setting names the keyring, and it was loaded at %s', s.loaded), NULL
      FROM state s WHERE NOT EXISTS (SELECT FROM found)
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_keyring IS 'Internal. A check of doctor(): the keyring''s source, and what was wrong at the last load, for instance weak or duplicate keys.';

CREATE FUNCTION tarx_keys_internal.doctor_key_file() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical', 'the next reload or restart will refuse the key file: ' || f.file_problem, f.file_advice
      FROM tarx_keys_internal.doctor_facts() f WHERE f.file_problem IS NOT NULL
    UNION ALL
    SELECT 'warning', format('users other than root and the server''s can replace the key file, through directory %s', d),
           format('chmod go-w %s, or move the file; see namei -l.', d)
      FROM (SELECT DISTINCT unnest(tarx_keys_internal.doctor_open_directories()) AS d) directories
    UNION ALL
    SELECT 'warning', 'the key file is in the data directory, so every base backup has it',
           'Move it elsewhere, set tarx_keys.master_key_file, then SELECT pg_reload_conf().'
      FROM tarx_keys_internal.doctor_facts() f WHERE f.file_is_in_data_directory
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_key_file IS 'Internal. A check of doctor(): owner, mode and place of the key file, and the directories above it.';

CREATE FUNCTION tarx_keys_internal.doctor_jwt_issuers() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH trusted AS (
        SELECT string_agg(format('%s (%s keys%s)', i.issuer, i.keys, ', and ' || nullif(i.ignored_keys, 0) || ' left out'), ', ' ORDER BY i.issuer) AS names
          FROM tarx_keys_internal.jwt_issuers() i)
    SELECT 'warning',
           format('the file of tarx_keys.jwt_issuers_file is not as it should be: %s; %s', s.problem,
                  CASE WHEN t.names IS NULL THEN 'no token logs in' ELSE 'the issuers that were loaded before stay in use' END),
           'Correct the file, which only root and the server''s user may be able to write or replace, then SELECT pg_reload_conf(). The server log says more.'
      FROM tarx_keys_internal.jwt_issuers_state() s, trusted t WHERE s.problem IS NOT NULL
    UNION ALL
    SELECT 'info', 'issuers whose tokens log in with tarx_keys.login_jwt(): ' || t.names,
           'Whoever has the private key of one of them can be any of its users. Take issuers that you do not need out of the file, then SELECT pg_reload_conf().'
      FROM trusted t WHERE t.names IS NOT NULL
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_jwt_issuers IS 'Internal. A check of doctor(): whose tokens log in, and whether their file is as it should be.';

-- Settings

CREATE FUNCTION tarx_keys_internal.doctor_effective_settings() RETURNS TABLE (name text, value text, scope text, change text, takes_effect text)
LANGUAGE sql STABLE PARALLEL RESTRICTED
AS $$
    SELECT DISTINCT s.name, v, '', 'ALTER SYSTEM', ' SELECT pg_reload_conf();'
      FROM pg_settings s, unnest(ARRAY[s.setting, s.reset_val]) v
    UNION ALL
    SELECT split_part(c, '=', 1), substring(c FROM position('=' IN c) + 1),
           concat(' for role ' || quote_ident(r.rolname), ' in database ' || quote_ident(d.datname)),
           CASE WHEN r.oid IS NULL THEN 'ALTER DATABASE ' || quote_ident(d.datname)
                ELSE concat('ALTER ROLE ' || quote_ident(r.rolname), ' IN DATABASE ' || quote_ident(d.datname)) END, ''
      FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
      LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
     WHERE s.setdatabase = 0 OR d.datname = current_database()
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_effective_settings IS
'Internal. For checks of doctor(): settings of the server and this session, and those of roles and of this database; change is the beginning of the command that changes each, up to SET.';

CREATE FUNCTION tarx_keys_internal.doctor_log_settings() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    -- harmless is a pattern of values; shows says what happens with any other value
    WITH rules (severity, name, harmless, quiet, shows) AS (VALUES
        ('warning', 'log_statement', '^(none|ddl)$', 'ddl', 'the log has statements, with the values that stand in them'),
        ('warning', 'log_min_duration_statement', '^-1', '-1', 'the log has statements that take long, with their values'),
        ('warning', 'log_min_duration_sample', '^-1', '-1', 'the log has a sample of statements, with their values'),
        ('warning', 'log_transaction_sample_rate', '^0(\.0+)?$', '0', 'the log has a sample of statements, with their values'),
        ('warning', 'log_parameter_max_length_on_error', '^0', '0', 'the log has bound values of statements that fail'),
        ('warning', 'debug_print_raw_parse', '^(of|f|n|0)', 'off', 'the log has parse trees, with values'),
        ('warning', 'debug_print_parse', '^(of|f|n|0)', 'off', 'the log has parse trees, with values'),
        ('warning', 'debug_print_rewritten', '^(of|f|n|0)', 'off', 'the log has parse trees, with values'),
        ('warning', 'debug_print_plan', '^(of|f|n|0)', 'off', 'the log has plans, with values'),
        ('warning', 'auto_explain.log_min_duration', '^-1', '-1', 'the log has plans and statements, with their values'),
        ('warning', 'pgaudit.log', '^(none|ddl|role|,|\s)*$', '''ddl, role''', 'the log has statements, with their values'),
        ('warning', 'pgaudit.log_parameter', '^(of|f|n|0)', 'off', 'the log has bound values'),
        ('info', 'pg_stat_statements.track_utility', '^(of|f|n|0)', 'off', 'pg_stat_statements keeps the values that stand in utility statements'),
        ('info', 'log_min_error_statement', '^(fatal|panic)$', 'fatal', 'the log has statements that fail, with the values that stand in them')),
    shown AS (
        SELECT r.*, s.value, s.scope, s.change, s.takes_effect
          FROM rules r JOIN tarx_keys_internal.doctor_effective_settings() s ON s.name = r.name AND s.value !~* r.harmless)
    SELECT CASE WHEN lower(current_setting('tarx_keys.redact_logs', true)) = 'on' THEN 'info' ELSE s.severity END,
           format('%s = %s%s: %s', s.name, s.value, s.scope, s.shows),
           format('%s SET %s = %s;%s And bind values in all services.', s.change, s.name, s.quiet, s.takes_effect)
      FROM (TABLE shown
            UNION ALL
            SELECT 'warning', 'log_parameter_max_length', '', '0', 'the log has bound values of the statements that are logged', p.value, p.scope, p.change, p.takes_effect
              FROM tarx_keys_internal.doctor_effective_settings() p
             WHERE p.name = 'log_parameter_max_length' AND p.value !~ '^0'
               AND EXISTS (SELECT FROM shown WHERE name ~ '^log_(statement|min_duration|transaction)')) s
     ORDER BY s.name, s.scope, s.value
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_log_settings IS 'Internal. A check of doctor(): settings that could put values into logs or statistics.';

CREATE FUNCTION tarx_keys_internal.doctor_settings() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    -- http to others than this host itself; more than a /16 of IPv4 or a /32 of IPv6
    WITH generous (list) AS (VALUES (
        '(^|,)\s*(http://(?!((127\.[0-9.]+|\[?::1\]?)(/[0-9]+)?|localhost)(:[0-9]+)?\s*(,|$))'
        || '|(https?://)?(?!127\.)[0-9.]+/([0-9]|1[0-5])(?![0-9])'
        || '|(https?://)?\[?[0-9a-f.]*:[0-9a-f:.]*\]?/([0-9]|[12][0-9]|3[01])(?![0-9]))'))
    SELECT r.severity, format('%s = %s%s: %s', s.name, s.value, s.scope, r.means), format('%s SET %s = %s;%s', s.change, s.name, r.better, s.takes_effect)
      FROM generous, LATERAL (VALUES
          ('warning', 'tarx_keys.redact_logs', '^(of|f|n|0)', 'on', 'logs, statistics and other sessions get statements with the values that stand in them'),
          ('info', 'tarx_keys.secret_versions_kept', '^1$', '5', 'no older version of a secret can be restored'),
          ('info', 'tarx_keys.log_resolves', '^off$', 'refused', 'refused calls leave no line in the log'),
          ('warning', 'tarx_keys.allowed_private_hosts', generous.list, $q$''$q$, 'keys can be added that go out in clear, or to a great many private hosts'),
          ('info', 'tarx_keys.allowed_private_hosts', '^(?!.*(' || generous.list || ')).*\S', $q$''$q$, 'keys can be added that go to these private hosts'))
           AS r (severity, name, remarkable, better, means)
      JOIN tarx_keys_internal.doctor_effective_settings() s ON s.name = r.name AND s.value ~* r.remarkable
     ORDER BY s.name, s.scope
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_settings IS 'Internal. A check of doctor(): the extension''s own settings.';

CREATE FUNCTION tarx_keys.doctor(full boolean DEFAULT false) RETURNS TABLE (check_name text, severity text, finding text, advice text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $$
DECLARE
    fine text;
    arguments text;
BEGIN
    PERFORM tarx_keys_internal.require_argument('full', doctor.full);
    PERFORM tarx_keys_internal.enter_maintenance();
    -- otherwise this function could not have been called
    RETURN QUERY SELECT 'preload', 'ok', 'tarx_keys is preloaded', NULL;
    FOR check_name, fine IN VALUES
        ('version', NULL),
        ('workers', 'max_worker_processes has room for the workers'),
        ('usage', 'all calls since the server started are counted'),
        ('tls', 'the server uses TLS, or listens on this host only'),
        ('keyring', NULL),
        ('key_file', 'nobody else can read or replace the key file, if there is one'),
        ('jwt_issuers', 'no issuer of tokens is trusted'),
        ('master_keys', 'no row needs another master key than the active one'),
        ('group_roles', 'the roles of the extension have no attributes or memberships of their own'),
        ('members', 'no login holds a role of the extension'),
        ('connect', 'only who was granted it may connect, or there is no other database'),
        ('end_user', 'nobody but superusers can end users'),
        ('membership', 'members are in tarx_keys.project_members, or nobody with a role of the extension can write where they are'),
        ('membership_lookups', 'members are looked up by index'),
        ('powerful_roles', 'no login has powers that matter here'),
        ('ownership', 'all objects belong to tarx_keys_owner'),
        ('grants', 'all rights are those that CREATE EXTENSION granted'),
        ('public_rights', 'PUBLIC has no right'),
        ('row_security', 'row security is enabled and forced on all tables'),
        ('policies', 'all policies are those that CREATE EXTENSION made'),
        ('indexes', 'all indexes that CREATE EXTENSION made are there'),
        ('triggers', 'no triggers and rules but the extension''s'),
        ('distribution', 'no table is partitioned or distributed'),
        ('subscriptions', 'no subscription brings rows, or each that does is running, and has copied its tables'),
        ('providers', 'no row of custom_providers takes the place of a built-in provider'),
        ('agents', 'all agents refer to LLM keys that exist, or to none'),
        ('rows', 'all rows that were looked at authenticate'),
        ('older_rows', 'no row that was looked at is older than the audit log says'),
        ('realm', 'the rows that were looked at are of this realm'),
        ('audit_log', 'the audit logs that were looked at are whole'),
        ('log_settings', 'no setting puts values into logs'),
        ('settings', 'the settings of the extension are as they should be')
    LOOP
        BEGIN
            arguments := CASE WHEN check_name IN ('master_keys', 'agents', 'rows', 'older_rows', 'audit_log') THEN '$1' ELSE '' END;
            FOR severity, finding, advice IN
                EXECUTE format('SELECT f.severity, f.finding, f.advice FROM tarx_keys_internal.%I(%s) f', 'doctor_' || check_name, arguments)
                USING doctor.full
            LOOP
                RETURN NEXT;
            END LOOP;
            IF NOT FOUND THEN
                severity := 'ok';
                finding := fine;
                advice := NULL;
                RETURN NEXT;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            severity := 'warning';
            finding := format('could not be checked: %s (%s)', SQLERRM, SQLSTATE);
            advice := 'Look at the other findings and at the server log, and check again.';
            RETURN NEXT;
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tarx_keys.doctor IS
'For the DBA: checks the server, the keyring, roles, rights, rows and settings. One row for each check that is ok, else one for each finding, with what to do. With full, checks of rows look at all rows; without, at some of a large table, and say at how many of about how many. severity is ok, info, warning or critical. A check that fails is a finding. Errors: 22023, 55000 if the library is not preloaded.';
