-- Checks of doctor(): roles of the extension and of PostgreSQL, and who has them.

CREATE FUNCTION tarx_keys_internal.doctor_group_roles() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH groups AS (
        SELECT g.* FROM pg_roles g
         WHERE g.rolname = ANY (tarx_keys_internal.our_roles()))
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
         WHERE g.rolname = ANY (tarx_keys_internal.our_roles()))
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
             WHERE r.rolname = ANY (tarx_keys_internal.our_roles())
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
               EXISTS (SELECT FROM pg_roles g WHERE g.rolname = ANY (tarx_keys_internal.our_roles()) AND g.rolname <> 'tarx_keys_owner'
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
     ORDER BY 1 DESC, 2
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
              (r.rolreplication AND NOT r.rolsuper, 'info', 'replicates, and can copy the data directory, with a keyring that is in it', 'NOREPLICATION'),
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

