-- Checks of doctor(): what CREATE EXTENSION made, compared with what is there.

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

CREATE FUNCTION tarx_keys_internal.doctor_present()
RETURNS TABLE (kind text, table_name text, name text, definition text, is_valid boolean)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT 'policy', format('%I.%I', p.schemaname, p.tablename), p.policyname::text, concat_ws(' ', 'AS ' || p.permissive, 'FOR ' || p.cmd, 'TO ' || array_to_string(p.roles, ', '),
                     'USING (' || p.qual || ')', 'WITH CHECK (' || p.with_check || ')'), true
      FROM pg_policies p JOIN pg_namespace n ON n.nspname = p.schemaname
     WHERE n.oid = ANY (tarx_keys_internal.doctor_schemas())
    UNION ALL
    -- not how they are laid out, which the DBA may change
    SELECT 'index', format('%I.%I', n.nspname, t.relname), format('%I.%I', n.nspname, c.relname),
           CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
                ELSE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, t.relname, k.conname, pg_get_constraintdef(k.oid)) END,
           i.indisvalid AND i.indisready
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = t.relnamespace
      LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = t.oid
     WHERE n.oid = ANY (tarx_keys_internal.doctor_schemas())
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_present IS 'Internal. For checks of doctor(): the policies and indexes as they are, with what makes them.';

-- PostgreSQL does not record the policies and indexes that a script makes, so this
-- script does. That saves a second list, which somebody would have to maintain. The
-- parts before this one make all of them. An update script adds those that it makes
-- itself, and no others that it finds.
DO $$
BEGIN
    EXECUTE format('CREATE FUNCTION tarx_keys_internal.doctor_expected() RETURNS TABLE (kind text, table_name text, name text, definition text) '
                   'LANGUAGE sql STABLE PARALLEL RESTRICTED AS %L',
                   (SELECT 'VALUES ' || string_agg(format('(%L, %L, %L, %L)', p.kind, p.table_name, p.name, p.definition), ', ' ORDER BY p.kind, p.table_name, p.name)
                      FROM tarx_keys_internal.doctor_present() p));
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_expected IS 'Internal. For checks of doctor(): the policies and indexes that CREATE EXTENSION made, with what makes them.';

CREATE FUNCTION tarx_keys_internal.doctor_policies() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical',
           format('policy %I on table %s %s', name, table_name,
                  CASE WHEN e.definition IS NULL THEN 'is not the extension''s' WHEN p.definition IS NULL THEN 'is gone' ELSE 'was changed' END),
           CASE WHEN e.definition IS NULL THEN format('DROP POLICY %I ON %s;', name, table_name)
                ELSE format('DROP POLICY IF EXISTS %1$I ON %2$s; CREATE POLICY %1$I ON %2$s %3$s;', name, table_name, e.definition) END
      FROM tarx_keys_internal.doctor_expected() e FULL JOIN tarx_keys_internal.doctor_present() p USING (kind, table_name, name)
     WHERE kind = 'policy' AND e.definition IS DISTINCT FROM p.definition
     ORDER BY table_name, name
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_policies IS 'Internal. A check of doctor(): policies added, dropped or changed.';

CREATE FUNCTION tarx_keys_internal.doctor_indexes() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'warning',
           format('index %s of table %s is %s, and without it calls are slow or fail', name, table_name,
                  CASE WHEN p.is_valid IS NULL THEN 'gone' ELSE 'invalid' END),
           CASE WHEN p.is_valid IS NULL THEN e.definition || ';' ELSE format('REINDEX INDEX CONCURRENTLY %s;', name) END
      FROM tarx_keys_internal.doctor_expected() e LEFT JOIN tarx_keys_internal.doctor_present() p USING (kind, table_name, name)
     WHERE kind = 'index' AND p.is_valid IS NOT TRUE
    UNION ALL
    SELECT 'warning', format('index %s of table %s was left behind invalid, and costs each change', p.name, p.table_name),
           format('DROP INDEX %s;', p.name)
      FROM tarx_keys_internal.doctor_present() p
     WHERE NOT p.is_valid AND p.name NOT IN (SELECT e.name FROM tarx_keys_internal.doctor_expected() e)
    ORDER BY 2
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_indexes IS 'Internal. A check of doctor(): indexes that are gone or invalid.';

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

-- What Citus has is in a table that only Citus makes.
CREATE FUNCTION tarx_keys_internal.citus_tables() RETURNS SETOF oid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        RETURN QUERY EXECUTE 'SELECT d.logicalrel::oid FROM pg_catalog.pg_dist_partition d';
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.citus_tables IS 'Internal. For a check of doctor(): the tables of the database that Citus has; none without Citus.';

CREATE FUNCTION tarx_keys_internal.doctor_distribution() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    WITH ours AS (
        SELECT c.oid, c.relkind FROM pg_class c
         WHERE c.relnamespace = ANY (tarx_keys_internal.doctor_schemas()) AND c.relkind IN ('r', 'p', 'f')),
    found (finding, place) AS (
        SELECT format('table %s is partitioned, and does not come back from a dump', o.oid::regclass), ''
          FROM ours o WHERE o.relkind = 'p'
        UNION ALL
        SELECT format('table %s is a part of table %s', i.inhrelid::regclass, i.inhparent::regclass), ''
          FROM pg_inherits i WHERE EXISTS (SELECT FROM ours o WHERE o.oid IN (i.inhrelid, i.inhparent))
        UNION ALL
        SELECT format('Citus has table %s, and neither row security nor the acting user reaches its workers', o.oid::regclass), ', in a database without Citus'
          FROM ours o WHERE o.oid IN (SELECT tarx_keys_internal.citus_tables()))
    SELECT 'critical', f.finding,
           format('This is not supported. Copy the rows of all tables to a new CREATE EXTENSION tarx_keys%s, and use that. "Shards" in docs/operations.md says how to divide the load.', f.place)
      FROM found f ORDER BY f.finding
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_distribution IS 'Internal. A check of doctor(): tables that are partitioned, parts of others, or in the hands of Citus.';
