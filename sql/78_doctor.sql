-- doctor(): what a DBA should look at, and what to do about it.
--
-- Each check is a function doctor_NAME(). It returns its findings: no row if all
-- is well. Checks run as the owner and in maintenance, so everybody who may
-- execute doctor() gets the same answer. What the owner may not see comes from C.
-- A check that fails is reported as a finding, and doctor() goes on. Findings name
-- objects, roles, settings and paths, never a value. The settings in the head of
-- doctor() are those that would change what a check reads or shows.

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

CREATE FUNCTION tarx_keys_internal.doctor_master_keys() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH needed AS (
        SELECT s.fingerprint, sum(s.count) AS rows FROM tarx_keys_internal.count_sealed() s GROUP BY s.fingerprint)
    SELECT CASE WHEN l.fingerprint IS NULL THEN 'critical' ELSE 'info' END,
           CASE WHEN l.fingerprint IS NULL
                THEN format('rows that need master key %s, which is not in the keyring: %s', n.fingerprint, n.rows)
                WHEN n.rows > 0 THEN format('rows that need retired master key %s: %s', l.fingerprint, n.rows)
                ELSE format('no row of this database needs retired master key %s', l.fingerprint) END,
           CASE WHEN l.fingerprint IS NULL THEN 'Add the key to the keyring, behind the active one, then SELECT pg_reload_conf(). If it is lost for good, see "A lost master key" in docs/operations.md.'
                WHEN n.rows > 0 THEN 'CALL tarx_keys.rotate_master_key();'
                ELSE 'If no other database of the cluster and no backup needs it, drop it from the keyring, then SELECT pg_reload_conf().' END
      FROM unnest(tarx_keys_internal.keyring_fingerprints()) WITH ORDINALITY AS l (fingerprint, position)
      FULL JOIN needed n ON n.fingerprint = l.fingerprint
     WHERE l.position IS DISTINCT FROM 1
     ORDER BY l.position NULLS FIRST, n.fingerprint
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_master_keys IS 'Internal. A check of doctor(): retired master keys, in use or free to drop, and missing ones.';

-- Roles

CREATE FUNCTION tarx_keys_internal.doctor_group_roles() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH groups AS (
        SELECT g.* FROM pg_roles g
         WHERE g.rolname IN ('tarx_keys_owner', 'tarx_keys_backend', 'tarx_keys_login', 'tarx_keys_agent'))
    SELECT 'critical', format('role %I can log in, is superuser, bypasses row security, creates roles or replicates', g.rolname),
           format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION;', g.rolname)
      FROM groups g WHERE g.rolcanlogin OR g.rolsuper OR g.rolbypassrls OR g.rolcreaterole OR g.rolreplication
    UNION ALL
    SELECT 'warning', format('role %I is a member of %I, and so are its members', g.rolname, r.rolname),
           format('REVOKE %I FROM %I;', r.rolname, g.rolname)
      FROM groups g JOIN pg_auth_members m ON m.member = g.oid JOIN pg_roles r ON r.oid = m.roleid
    UNION ALL
    SELECT 'warning', format('role %I may grant %I to others', r.rolname, g.rolname),
           format('REVOKE ADMIN OPTION FOR %I FROM %I;', g.rolname, r.rolname)
      FROM groups g JOIN pg_auth_members m ON m.roleid = g.oid AND m.admin_option JOIN pg_roles r ON r.oid = m.member
     WHERE NOT r.rolsuper
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_group_roles IS 'Internal. A check of doctor(): attributes and memberships of the extension''s own roles, and who may grant them.';

CREATE FUNCTION tarx_keys_internal.doctor_members() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH held AS (
        SELECT l.rolname AS login, g.rolname AS held
          FROM pg_roles g JOIN pg_roles l ON l.rolcanlogin AND NOT l.rolsuper AND l.oid <> g.oid AND pg_has_role(l.oid, g.oid, 'MEMBER')
         WHERE g.rolname IN ('tarx_keys_owner', 'tarx_keys_backend', 'tarx_keys_login', 'tarx_keys_agent'))
    SELECT 'critical', format('login %I holds tarx_keys_owner and can change everything in the extension', h.login),
           format('REVOKE tarx_keys_owner FROM %I; or from the role between them', h.login)
      FROM held h WHERE h.held = 'tarx_keys_owner'
    UNION ALL
    SELECT 'warning', format('login %I holds several roles that should be separate: %s', h.login, string_agg(h.held, ', ' ORDER BY h.held)),
           format('REVOKE all but one of them from %I, and give other services logins of their own.', h.login)
      FROM held h WHERE h.held <> 'tarx_keys_owner' GROUP BY h.login HAVING count(*) > 1
    UNION ALL
    SELECT 'info', format('%s is held by %s', h.held, string_agg(quote_ident(h.login), ', ' ORDER BY h.login)),
           format('If one of them should not: REVOKE %I FROM it.', h.held)
      FROM held h WHERE h.held <> 'tarx_keys_owner' AND has_database_privilege(h.login, current_database(), 'CONNECT') GROUP BY h.held
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_members IS 'Internal. A check of doctor(): logins that hold the extension''s roles, by whatever membership, and may connect to this database.';

-- The roles are the cluster's. A login that was made for another database holds
-- them here as well, and only CONNECT keeps it out. So do members of a group that has
-- one of the roles.
CREATE FUNCTION tarx_keys_internal.doctor_connect() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'warning', format('%s may connect to this database, and so may logins that got their roles for another one of the cluster', w.who),
           format('For each login that is to use it: GRANT CONNECT ON DATABASE %1$I TO login; then REVOKE CONNECT ON DATABASE %1$I FROM %2$s;', d.datname, w.who)
      FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a LEFT JOIN pg_roles g ON g.oid = a.grantee,
           LATERAL (VALUES (CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END)) w (who)
     WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT'
       AND (a.grantee = 0 OR EXISTS (
            SELECT FROM pg_roles r
             WHERE r.rolname IN ('tarx_keys_backend', 'tarx_keys_login', 'tarx_keys_agent')
               AND (r.oid = g.oid OR NOT g.rolcanlogin AND NOT g.rolsuper AND pg_has_role(g.oid, r.oid, 'MEMBER'))))
       AND EXISTS (SELECT FROM pg_database o WHERE o.datallowconn AND NOT o.datistemplate AND o.oid <> d.oid)
     ORDER BY 2
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_connect IS 'Internal. A check of doctor(): whether logins that were made for other databases of the cluster may connect to this one.';

CREATE FUNCTION tarx_keys_internal.doctor_end_user() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH able AS (
        SELECT l.rolname AS login,
               EXISTS (SELECT FROM pg_roles g WHERE g.rolname IN ('tarx_keys_backend', 'tarx_keys_login', 'tarx_keys_agent')
                                                AND pg_has_role(l.oid, g.oid, 'MEMBER')) AS is_service
          FROM pg_roles l
         WHERE l.rolcanlogin AND NOT l.rolsuper
           AND EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
                        WHERE p.oid = 'tarx_keys.end_user'::regproc AND a.privilege_type = 'EXECUTE'
                          AND (a.grantee = 0 OR pg_has_role(l.oid, a.grantee, 'MEMBER'))))
    SELECT 'warning', format('login %I can end any user, and holds a role that services have as well', a.login),
           format('REVOKE EXECUTE ON FUNCTION tarx_keys.end_user FROM %I; or from the role between them, and grant it to a login that does nothing else.', a.login)
      FROM able a WHERE a.is_service
    UNION ALL
    SELECT 'info', 'logins that can end any user, with tarx_keys.end_user(): ' || string_agg(quote_ident(a.login), ', ' ORDER BY a.login),
           'If one of them should not: REVOKE EXECUTE ON FUNCTION tarx_keys.end_user FROM it.'
      FROM able a HAVING count(*) > 0
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_end_user IS 'Internal. A check of doctor(): who may call end_user(), by whatever membership.';

CREATE FUNCTION tarx_keys_internal.doctor_powerful_roles() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    -- a member can become the role, and then has its attributes, which are not inherited
    WITH reach AS (
        SELECT l.rolname AS login, CASE WHEN r.oid <> l.oid THEN r.rolname END AS via, r.*
          FROM pg_roles r JOIN pg_roles l ON l.rolcanlogin AND NOT l.rolsuper AND pg_has_role(l.oid, r.oid, 'MEMBER')
         WHERE r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication OR r.rolname ~ '^pg_'),
    powers AS (
        SELECT r.login, r.via, p.*
          FROM reach r, LATERAL (VALUES
              (r.rolsuper, 'warning', 'can become superuser', ''),
              (r.rolbypassrls AND NOT r.rolsuper, 'warning', 'bypasses row security', 'NOBYPASSRLS'),
              (r.rolcreaterole AND NOT r.rolsuper AND current_setting('server_version_num')::integer < 160000,
               'warning', 'creates roles, and on PostgreSQL 15 can grant itself any role but a superuser', 'NOCREATEROLE'),
              (r.rolreplication AND NOT r.rolsuper, 'info', 'replicates, and can copy the whole cluster but the keyring', 'NOREPLICATION'),
              (r.rolname = 'pg_execute_server_program', 'warning', 'can run programs as the server''s user, and so read the keyring', ''),
              (r.rolname = 'pg_read_server_files', 'warning', 'can read the server''s files, the key file as well', ''),
              (r.rolname = 'pg_write_server_files', 'warning', 'can write the server''s files, and so become superuser', ''),
              (r.rolname = 'pg_read_all_data', 'info', 'can read all tables; row security and the encryption stand in its way', ''),
              (r.rolname = 'pg_write_all_data', 'info', 'can write all tables; row security stands in its way', ''),
              (r.rolname = 'pg_read_all_stats', 'info', 'can read the statements of all sessions, with the values that stand in them', ''))
              AS p (has, severity, can, attribute)
         WHERE p.has)
    SELECT p.severity, format('login %I%s %s', p.login, ', by ' || quote_ident(p.via) || ',', p.can),
           CASE WHEN p.via IS NULL THEN format('ALTER ROLE %I %s; if it should not', p.login, p.attribute)
                ELSE format('REVOKE %I FROM %I; or from the role between them, if it should not', p.via, p.login) END
      FROM powers p
    UNION ALL
    SELECT 'info', 'superusers that can log in, and so reach everything: ' || string_agg(quote_ident(l.rolname), ', ' ORDER BY l.rolname),
           'Keep their number small: ALTER ROLE name NOSUPERUSER, or NOLOGIN.'
      FROM pg_roles l WHERE l.rolsuper AND l.rolcanlogin HAVING count(*) > 0
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_powerful_roles IS 'Internal. A check of doctor(): logins with powers of PostgreSQL that matter here.';

-- Objects: what CREATE EXTENSION made, compared with what is there

CREATE FUNCTION tarx_keys_internal.doctor_schemas() RETURNS oid[]
LANGUAGE sql STABLE PARALLEL RESTRICTED
AS $$ SELECT ARRAY['tarx_keys'::regnamespace::oid, 'tarx_keys_internal'::regnamespace::oid] $$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_schemas IS 'Internal. For checks of doctor(): the extension''s schemas.';

CREATE FUNCTION tarx_keys_internal.doctor_objects()
RETURNS TABLE (kind text, name text, classid oid, objid oid, objsubid integer, owner oid, acl aclitem[], privilege_suffix text)
LANGUAGE sql STABLE PARALLEL RESTRICTED
AS $$
    SELECT 'SCHEMA', quote_ident(n.nspname), 'pg_namespace'::regclass::oid, n.oid, 0, n.nspowner,
           coalesce(n.nspacl, acldefault('n', n.nspowner)), ''
      FROM pg_namespace n WHERE n.oid = ANY (tarx_keys_internal.doctor_schemas())
    UNION ALL
    SELECT 'ROUTINE', p.oid::regprocedure::text, 'pg_proc'::regclass::oid, p.oid, 0, p.proowner,
           coalesce(p.proacl, acldefault('f', p.proowner)), ''
      FROM pg_proc p WHERE p.pronamespace = ANY (tarx_keys_internal.doctor_schemas())
    UNION ALL
    SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass::text, 'pg_class'::regclass::oid, c.oid, 0, c.relowner,
           coalesce(c.relacl, acldefault('r', c.relowner)), ''
      FROM pg_class c WHERE c.relnamespace = ANY (tarx_keys_internal.doctor_schemas()) AND c.relkind NOT IN ('i', 'I', 't', 'c')
    UNION ALL
    SELECT 'COLUMN', c.oid::regclass::text, 'pg_class'::regclass::oid, c.oid, a.attnum, c.relowner, a.attacl, format(' (%I)', a.attname)
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum <> 0 AND NOT a.attisdropped
     WHERE c.relnamespace = ANY (tarx_keys_internal.doctor_schemas()) AND c.relkind NOT IN ('i', 'I', 't', 'c')
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_objects IS 'Internal. For checks of doctor(): the objects in the schemas, with their owners and rights.';

CREATE FUNCTION tarx_keys_internal.doctor_ownership() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical', format('%s %s belongs to %I instead of tarx_keys_owner', lower(o.kind), o.name, r.rolname),
           format('ALTER %s %s OWNER TO tarx_keys_owner;', o.kind, o.name)
      FROM tarx_keys_internal.doctor_objects() o JOIN pg_roles r ON r.oid = o.owner
     WHERE r.rolname <> 'tarx_keys_owner' AND o.kind <> 'COLUMN'
    UNION ALL
    SELECT 'warning', format('%s %s is in a schema of the extension, but does not belong to it', lower(o.kind), o.name),
           format('DROP %s %s; or move it to another schema', o.kind, o.name)
      FROM tarx_keys_internal.doctor_objects() o
     WHERE o.kind <> 'COLUMN'
       AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'tarx_keys'
                        WHERE d.classid = o.classid AND d.objid = o.objid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_ownership IS 'Internal. A check of doctor(): objects of another owner, and objects in the schemas that are not the extension''s.';

-- PostgreSQL records in pg_init_privs what the install script granted.
CREATE FUNCTION tarx_keys_internal.doctor_grants() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH granted AS (
        SELECT o.classid, o.objid, o.objsubid, a.grantee, a.privilege_type, a.is_grantable
          FROM tarx_keys_internal.doctor_objects() o, aclexplode(o.acl) a
         WHERE EXISTS (SELECT FROM pg_init_privs i WHERE i.classoid = o.classid AND i.objoid = o.objid)),
    expected AS (
        SELECT o.classid, o.objid, o.objsubid, a.grantee, a.privilege_type, a.is_grantable
          FROM tarx_keys_internal.doctor_objects() o
          JOIN pg_init_privs i ON i.classoid = o.classid AND i.objoid = o.objid AND i.objsubid = o.objsubid, aclexplode(i.initprivs) a),
    changed AS (
        SELECT true AS is_new, * FROM (TABLE granted EXCEPT TABLE expected) g
        UNION ALL
        SELECT false, e.* FROM expected e
         WHERE NOT EXISTS (SELECT FROM granted g
                            WHERE (g.classid, g.objid, g.objsubid, g.grantee, g.privilege_type)
                                = (e.classid, e.objid, e.objsubid, e.grantee, e.privilege_type))),
    named AS (
        SELECT c.is_new, o.name, CASE o.kind WHEN 'COLUMN' THEN 'TABLE' WHEN 'VIEW' THEN 'TABLE' ELSE o.kind END AS kind,
               c.privilege_type || o.privilege_suffix AS privilege, c.is_grantable, coalesce(quote_ident(r.rolname), 'unknown') AS grantee,
               -- the DBA is to grant these; who has end_user, a check of its own says
               o.name ~ '^tarx_keys(\.doctor\(|\.keyring_status\(|\.verify_|\.end_user\(|\.revoke_leaked_platform_keys\(|$)' AS is_expected
          FROM changed c JOIN tarx_keys_internal.doctor_objects() o USING (classid, objid, objsubid) LEFT JOIN pg_roles r ON r.oid = c.grantee
         WHERE c.grantee <> 0 AND (c.grantee <> o.owner OR r.rolname = 'tarx_keys_owner')
           AND (r.rolname IS DISTINCT FROM 'tarx_keys_owner' OR r.oid = o.owner))
    SELECT CASE WHEN n.is_new AND n.is_expected AND NOT n.is_grantable AND n.privilege <> 'CREATE' THEN 'info' ELSE 'warning' END,
           format('%s %s on %s %s%s, which CREATE EXTENSION %s', n.grantee, CASE WHEN n.is_new THEN 'has ' ELSE 'lacks ' END || n.privilege,
                  lower(n.kind), n.name, CASE WHEN n.is_grantable THEN ' with grant option' ELSE '' END,
                  CASE WHEN n.is_new THEN 'did not grant' ELSE 'granted' END),
           CASE WHEN n.is_new THEN format('REVOKE %s ON %s %s FROM %s;', n.privilege, n.kind, n.name, n.grantee)
                ELSE format('GRANT %s ON %s %s TO %s;', n.privilege, n.kind, n.name, n.grantee) END
      FROM named n ORDER BY n.name, n.grantee, n.privilege
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_grants IS 'Internal. A check of doctor(): rights that CREATE EXTENSION did not grant, and rights that it granted and that are gone.';

CREATE FUNCTION tarx_keys_internal.doctor_public_rights() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical', format('PUBLIC has %s%s on %s %s', a.privilege_type, o.privilege_suffix, lower(o.kind), o.name),
           format('REVOKE %s%s ON %s %s FROM PUBLIC;', a.privilege_type, o.privilege_suffix,
                  CASE WHEN o.kind IN ('COLUMN', 'VIEW') THEN 'TABLE' ELSE o.kind END, o.name)
      FROM tarx_keys_internal.doctor_objects() o, aclexplode(o.acl) a WHERE a.grantee = 0
     ORDER BY o.name, 2
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_public_rights IS 'Internal. A check of doctor(): rights that everybody has.';

CREATE FUNCTION tarx_keys_internal.doctor_row_security() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical', format('row security is %s on table %s', CASE WHEN c.relrowsecurity THEN 'not forced' ELSE 'disabled' END, c.oid::regclass),
           format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;', c.oid::regclass)
      FROM pg_class c
     -- providers are the same for all
     WHERE c.relnamespace = ANY (tarx_keys_internal.doctor_schemas()) AND c.relkind IN ('r', 'p') AND c.relname <> 'custom_providers'
       AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
     ORDER BY c.relname
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_row_security IS 'Internal. A check of doctor(): tables without row security, or where it does not apply to the owner.';

CREATE FUNCTION tarx_keys_internal.doctor_present_policies() RETURNS TABLE (table_name text, policy text, definition text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT format('%I.%I', p.schemaname, p.tablename), p.policyname::text, concat_ws(' ', 'AS ' || p.permissive, 'FOR ' || p.cmd, 'TO ' || array_to_string(p.roles, ', '),
                     'USING (' || p.qual || ')', 'WITH CHECK (' || p.with_check || ')')
      FROM pg_policies p WHERE p.schemaname::regnamespace = ANY (tarx_keys_internal.doctor_schemas())
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_present_policies IS 'Internal. For a check of doctor(): the policies as they are.';

-- PostgreSQL does not record the policies that a script makes, so this script does.
-- That saves a second list, which somebody would have to maintain. The parts
-- before this one make all policies. An update script adds those that it makes
-- itself, and no others that it finds.
DO $$
BEGIN
    EXECUTE format('CREATE FUNCTION tarx_keys_internal.doctor_expected_policies() RETURNS TABLE (table_name text, policy text, definition text) '
                   'LANGUAGE sql STABLE PARALLEL RESTRICTED AS %L',
                   (SELECT 'VALUES ' || string_agg(format('(%L, %L, %L)', p.table_name, p.policy, p.definition), ', ' ORDER BY p.table_name, p.policy)
                      FROM tarx_keys_internal.doctor_present_policies() p));
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_expected_policies IS 'Internal. For a check of doctor(): the policies that CREATE EXTENSION made.';

CREATE FUNCTION tarx_keys_internal.doctor_policies() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical',
           format('policy %I on table %s %s', policy, table_name,
                  CASE WHEN e.definition IS NULL THEN 'is not the extension''s' WHEN p.definition IS NULL THEN 'is gone' ELSE 'was changed' END),
           CASE WHEN e.definition IS NULL THEN format('DROP POLICY %I ON %s;', policy, table_name)
                ELSE format('DROP POLICY IF EXISTS %1$I ON %2$s; CREATE POLICY %1$I ON %2$s %3$s;', policy, table_name, e.definition) END
      FROM tarx_keys_internal.doctor_expected_policies() e FULL JOIN tarx_keys_internal.doctor_present_policies() p USING (table_name, policy)
     WHERE e.definition IS DISTINCT FROM p.definition
     ORDER BY table_name, policy
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_policies IS 'Internal. A check of doctor(): policies added, dropped or changed.';

CREATE FUNCTION tarx_keys_internal.doctor_triggers() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical', format('trigger %I on %s is not the extension''s, and sees its rows', t.tgname, c.oid::regclass),
           format('DROP TRIGGER %I ON %s;', t.tgname, c.oid::regclass)
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = ANY (tarx_keys_internal.doctor_schemas()) AND NOT t.tgisinternal
       AND (c.relname, t.tgfoid) <> ('custom_providers', 'tarx_keys_internal.check_custom_provider'::regproc)
    UNION ALL
    SELECT 'critical', format('rule %I on %s is not the extension''s, and changes what statements do', r.rulename, c.oid::regclass),
           format('DROP RULE %I ON %s;', r.rulename, c.oid::regclass)
      FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
     WHERE c.relnamespace = ANY (tarx_keys_internal.doctor_schemas()) AND r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'warning', format('triggers of foreign keys are disabled on %s', c.oid::regclass),
           format('ALTER TABLE %s ENABLE TRIGGER ALL;', c.oid::regclass)
      FROM pg_class c
     WHERE c.relnamespace = ANY (tarx_keys_internal.doctor_schemas())
       AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgisinternal AND t.tgenabled = 'D')
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_triggers IS 'Internal. A check of doctor(): triggers and rules on the tables.';

-- Rows

CREATE FUNCTION tarx_keys_internal.doctor_providers() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH replaced AS (
        SELECT c.slug, tarx_keys_internal.changed_builtin(c) AS changed
          FROM tarx_keys.custom_providers c JOIN tarx_keys_internal.builtin_providers b ON b.slug = c.slug)
    SELECT 'warning', format('custom_providers has a row %s that was there before this provider was built in or changed; %s counts as the built-in one has it', r.slug, r.changed),
           format('UPDATE tarx_keys.custom_providers SET slug = %L WHERE slug = %L; if it is another provider, else take %s from tarx_keys.providers.',
                  'custom_' || r.slug, r.slug, r.changed)
      FROM replaced r WHERE r.changed IS NOT NULL
    UNION ALL
    SELECT 'info', format('custom_providers has a row in place of the built-in provider %s, which updates of the extension do not change', r.slug),
           format('To have the built-in one again: DELETE FROM tarx_keys.custom_providers WHERE slug = %L;', r.slug)
      FROM replaced r WHERE r.changed IS NULL
     ORDER BY 1 DESC, 2
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_providers IS 'Internal. A check of doctor(): rows of custom_providers that take the place of built-in ones.';

CREATE FUNCTION tarx_keys_internal.doctor_agents() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'warning', format('agents of project %s that refer to LLM key %s, which it does not have: %s%s', a.project_id, a.user_api_key_id, count(*),
                             CASE WHEN count(*) OVER () > 20 THEN format(' (20 of %s such keys are shown)', count(*) OVER ()) END),
           format('As a member: SELECT tarx_keys.repoint_agents(%L, %L, another key of the project);', a.project_id, a.user_api_key_id)
      FROM tarx_keys.agents a
     WHERE a.user_api_key_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM tarx_keys.project_llm_keys k WHERE k.project_id = a.project_id AND k.id = a.user_api_key_id
                         AND k.state <> 'deleted')
     GROUP BY a.project_id, a.user_api_key_id
     ORDER BY a.project_id, a.user_api_key_id LIMIT 20
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_agents IS 'Internal. A check of doctor(): agents whose LLM key is gone.';

CREATE FUNCTION tarx_keys_internal.doctor_rows() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH sampled AS (
        -- as many pages of a table as should have 12000 rows
        SELECT t.table_name, t.kind,
               (CASE WHEN c.reltuples > 12000 THEN 100 * 12000 / c.reltuples ELSE 100 END)::real AS percent
          FROM tarx_keys_internal.sealed_tables() t
          JOIN pg_class c ON c.oid = format('%I.%I', t.schema_name, t.table_name)::regclass
         WHERE t.kind IS NOT NULL)
    SELECT 'critical', format('rows of kind %s that were tampered with: %s', s.kind, count(DISTINCT (r.project_id, r.id, r.name))),
           'SELECT * FROM tarx_keys.verify_keys() WHERE status <> ''ok''; then delete these and add them again, and find out who changed the rows.'
      FROM sampled s, tarx_keys_internal.row_states(s.table_name, NULL, s.percent, 3000) r
     WHERE r.state > 1
     GROUP BY s.kind ORDER BY s.kind
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_rows IS 'Internal. A check of doctor(): rows that were tampered with, among at most 3000 rows of each table. doctor_master_keys() looks for missing master keys.';

-- A look-up of one object in the log would read all of it. So this reads the chains of
-- ten projects, and those of the users of ten platform keys.
CREATE FUNCTION tarx_keys_internal.doctor_older_rows() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH projects AS (
        SELECT p.id FROM tarx_keys.projects p ORDER BY random() LIMIT 10),
    platform_keys AS (
        SELECT k.id, tarx_keys_internal.personal_chain(tarx_keys_internal.shown(k.user_id)) AS chain
          FROM tarx_keys.platform_api_keys k WHERE k.revoked_at IS NULL ORDER BY random() LIMIT 10),
    older AS (
        SELECT s.kind FROM projects p, tarx_keys_internal.all_row_states(p.id) s WHERE s.is_older AND s.state = 0
        UNION ALL
        SELECT l.kind FROM tarx_keys_internal.logged_objects((SELECT array_agg(k.chain) FROM platform_keys k)) l
          JOIN platform_keys k ON (k.id, k.chain) = (l.id, l.chain)
         WHERE l.personal AND l.kind = 'platform_key' AND l.has_ended)
    SELECT 'critical', format('rows of kind %s that are older than the audit log says: %s', o.kind, count(*)),
           'SELECT * FROM tarx_keys.verify_keys() WHERE status = ''older''; and find out who has put them there. SELECT tarx_keys.delete_older_rows(); ends those whose audit log is whole.'
      FROM older o GROUP BY o.kind ORDER BY o.kind
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_older_rows IS 'Internal. A check of doctor(): rows of ten projects, and ten platform keys, that are behind what the audit log says.';

CREATE FUNCTION tarx_keys_internal.doctor_realm() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH states AS (
        SELECT r.state FROM tarx_keys_internal.sealed_tables() t, tarx_keys_internal.row_states(t.table_name, NULL, 100, 100) r
         WHERE t.kind IS NOT NULL)
    SELECT 'warning', format('no row authenticates in the realm "%s", though their master key is in the keyring: another realm?', current_setting('tarx_keys.realm')),
           format('If they were written in another realm: ALTER DATABASE %I SET tarx_keys.realm = ''that realm''; and connect again.', current_database())
     WHERE EXISTS (SELECT FROM states WHERE state > 1) AND NOT EXISTS (SELECT FROM states WHERE state = 0)
       AND EXISTS (SELECT FROM tarx_keys_internal.count_sealed() s WHERE s.fingerprint = ANY (tarx_keys_internal.keyring_fingerprints()))
    UNION ALL
    SELECT 'info', 'tarx_keys.realm is empty, and the cluster has other databases: what is sealed in one of them with this keyring is as good here',
           format('Before the first row is written: ALTER DATABASE %I SET tarx_keys.realm = ''a name of its own''; later no row can be read any more.', current_database())
     WHERE current_setting('tarx_keys.realm') = ''
       AND EXISTS (SELECT FROM pg_database d WHERE d.datallowconn AND NOT d.datistemplate AND d.datname NOT IN (current_database(), 'postgres'))
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_realm IS 'Internal. A check of doctor(): rows of another realm, among the first 100 of each table, and databases that share the realm.';

CREATE FUNCTION tarx_keys_internal.doctor_audit_log() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    project uuid;
    verdict record;
BEGIN
    RETURN QUERY
    SELECT 'critical', format('chains of the audit log that nobody can verify, because master key %s is not in the keyring: %s', e.fingerprint, e.chains),
           'Add the key to the keyring, behind the active one, then SELECT pg_reload_conf(). If it is lost for good, call purge_unverifiable_audit() and purge_unverifiable_personal_audit(); see "A lost master key" in docs/operations.md.'
      FROM (SELECT tarx_keys_internal.fingerprint_of(e.sealed_key) AS fingerprint, count(*) AS chains
              FROM tarx_keys_internal.audit_ends e
             -- other bytes are no envelope of a chain's key: verify_audit() finds them
             WHERE octet_length(e.sealed_key) = 81 AND substr(e.sealed_key, 1, 1) = '\x01'
             GROUP BY 1) e
     WHERE e.fingerprint <> ALL (tarx_keys_internal.keyring_fingerprints());
    FOR project IN
        SELECT p.id
          -- also of projects that have ended, or were deleted as rows
          FROM (SELECT i.id
                  FROM (SELECT id FROM tarx_keys.projects WHERE name IS NOT NULL
                        UNION SELECT project_id FROM tarx_keys_internal.audit_ends WHERE NOT personal AND project_id IS NOT NULL) i
                 ORDER BY random() LIMIT 10) p
         ORDER BY p.id
    LOOP
        SELECT v.* INTO verdict FROM tarx_keys.verify_audit(project) v;
        CONTINUE WHEN verdict.ok OR verdict.reason = 'master key missing';
        severity := 'critical';
        finding := format('the audit log of project %s is broken at %s: %s', project, verdict.broken_at, verdict.reason);
        advice := format('SELECT * FROM tarx_keys.verify_audit(%L); compare with a copy of the log, and find out who changed it.', project);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_audit_log IS 'Internal. A check of doctor(): the audit logs of ten projects, and missing master keys of all.';

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

CREATE FUNCTION tarx_keys.doctor() RETURNS TABLE (check_name text, severity text, finding text, advice text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $$
DECLARE
    fine text;
BEGIN
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
        ('triggers', 'no triggers and rules but the extension''s'),
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
            FOR severity, finding, advice IN EXECUTE format('SELECT f.severity, f.finding, f.advice FROM tarx_keys_internal.%I() f', 'doctor_' || check_name) LOOP
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
'For the DBA: checks the server, the keyring, roles, rights, rows and settings. One row for each check that is ok, else one for each finding, with what to do. severity is ok, info, warning or critical. A check that fails is a finding. Error: 55000 if the library is not preloaded.';
