-- Who may do what, as the catalogs have it. A right that is new here is a
-- decision to be made, not an output to be accepted.
CREATE EXTENSION tarx_keys;
\pset format unaligned
\pset tuples_only on

-- PUBLIC has nothing: no rows
SELECT 'function', p.oid
  FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
 WHERE p.pronamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND a.grantee = 0
UNION ALL
SELECT 'relation', c.oid
  FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
 WHERE c.relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND a.grantee = 0 AND c.relkind NOT IN ('i', 't')
UNION ALL
SELECT 'schema', n.oid
  FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
 WHERE n.nspname ~ '^tarx_keys' AND a.grantee = 0;

-- roles and schema
SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication
  FROM pg_roles WHERE rolname ~ '^tarx_keys_' ORDER BY 1;
SELECT roleid::regrole, member::regrole FROM pg_auth_members
 WHERE roleid::regrole::text ~ '^tarx_keys_' OR member::regrole::text ~ '^tarx_keys_';
SELECT nspname, nspowner::regrole, a.grantee::regrole, string_agg(a.privilege_type, ',' ORDER BY a.privilege_type)
  FROM pg_namespace n, aclexplode(n.nspacl) a WHERE nspname ~ '^tarx_keys' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- functions: security, volatility, parallel safety, settings but row_security, which
-- is the same for all definers, who may execute
SELECT p.pronamespace::regnamespace || '.' || p.proname, CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END, p.provolatile, p.proparallel,
       array_remove(p.proconfig, 'row_security=on'), string_agg(a.grantee::regrole::text, ',' ORDER BY a.grantee::regrole::text)
  FROM pg_proc p LEFT JOIN aclexplode(p.proacl) a ON a.grantee <> p.proowner
 WHERE p.pronamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[])
 GROUP BY p.oid, p.pronamespace, p.proname, p.prosecdef, p.provolatile, p.proparallel, p.proconfig
 ORDER BY p.pronamespace::regnamespace::text, p.proname, p.oid::regprocedure::text;

-- tables and views: owner, row security, who may do what
SELECT c.relnamespace::regnamespace || '.' || c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
       string_agg(a.grantee::regrole || '=' || a.privilege_type, ',' ORDER BY a.grantee::regrole::text, a.privilege_type)
  FROM pg_class c LEFT JOIN aclexplode(c.relacl) a ON a.grantee <> c.relowner
 WHERE c.relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND c.relkind NOT IN ('i', 't')
 GROUP BY c.oid, c.relnamespace, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions
 ORDER BY c.relnamespace::regnamespace::text, c.relname;
-- the owner may do all but this
SELECT c.oid::regclass, string_agg(p.right_of_owner, ',' ORDER BY p.right_of_owner)
  FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) p (right_of_owner)
 WHERE c.relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND c.relkind IN ('r', 'v')
   AND NOT has_table_privilege(c.relowner, c.oid, p.right_of_owner)
 GROUP BY c.oid ORDER BY c.oid::regclass::text;
SELECT attrelid::regclass::text, attname, a.grantee::regrole, a.privilege_type
  FROM pg_attribute, aclexplode(attacl) a
 WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]))
 ORDER BY 1, attnum, a.grantee::regrole::text;
SELECT polrelid::regclass::text, polname, polcmd, polpermissive, polroles::regrole[],
       pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
  FROM pg_policy WHERE polrelid IN (SELECT oid FROM pg_class WHERE relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]))
 ORDER BY 1, 2;

DROP EXTENSION tarx_keys;

-- Default privileges give nobody anything, and take nothing away, whoever they
-- name: the rights are the same as without them
CREATE TEMP VIEW rights AS
SELECT 'function' AS kind, p.oid::regprocedure::text AS name, a.grantee::regrole::text AS grantee, a.privilege_type
  FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace IN (to_regnamespace('tarx_keys'), to_regnamespace('tarx_keys_internal'))
UNION ALL
SELECT 'relation', c.oid::regclass::text, a.grantee::regrole::text, a.privilege_type
  FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace IN (to_regnamespace('tarx_keys'), to_regnamespace('tarx_keys_internal'))
UNION ALL
SELECT 'column', t.attrelid::regclass || '.' || attname, a.grantee::regrole::text, a.privilege_type
  FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(attacl) a WHERE c.relnamespace IN (to_regnamespace('tarx_keys'), to_regnamespace('tarx_keys_internal'))
UNION ALL
SELECT 'schema', n.nspname, a.grantee::regrole::text, a.privilege_type
  FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname ~ '^tarx_keys';
CREATE EXTENSION tarx_keys;
CREATE TEMP TABLE ordinary_rights AS SELECT * FROM rights;
DROP EXTENSION tarx_keys;
CREATE ROLE regress_everybody;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_everybody, tarx_keys_backend, tarx_keys_agent;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC, regress_everybody, tarx_keys_backend, tarx_keys_agent;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, regress_everybody, tarx_keys_backend, tarx_keys_agent;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM CURRENT_USER;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM CURRENT_USER;
CREATE EXTENSION tarx_keys;
(TABLE rights EXCEPT TABLE ordinary_rights) UNION ALL (TABLE ordinary_rights EXCEPT TABLE rights);
SELECT count(*) > 0 FROM rights;
SELECT has_function_privilege('regress_everybody', 'tarx_keys.resolve_key(uuid, uuid)', 'EXECUTE'),
       has_table_privilege('regress_everybody', 'tarx_keys.llm_keys', 'SELECT'),
       has_schema_privilege('regress_everybody', 'tarx_keys', 'USAGE');
DROP EXTENSION tarx_keys;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC, regress_everybody, tarx_keys_backend, tarx_keys_agent;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM regress_everybody, tarx_keys_backend, tarx_keys_agent;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM PUBLIC, regress_everybody, tarx_keys_backend, tarx_keys_agent;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO CURRENT_USER;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO CURRENT_USER;
SELECT count(*) FROM pg_default_acl;
DROP VIEW rights;
DROP ROLE regress_everybody;
