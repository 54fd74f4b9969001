-- Rules that hold for every object of the extension, as the catalogs have it.
-- Each query names what breaks its rule, so that none may return a row. Who may
-- do what is in rights.sql.
CREATE EXTENSION tarx_keys;
\pset format unaligned
\pset tuples_only on

CREATE TEMP VIEW functions AS
SELECT p.oid::regprocedure AS name, p.*,
       has_function_privilege('tarx_keys_agent', p.oid, 'EXECUTE') AS for_agents
  FROM pg_proc p WHERE p.pronamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]);
CREATE TEMP VIEW relations AS
SELECT c.oid::regclass AS name, c.*, c.oid AS relation
  FROM pg_class c WHERE c.relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]);
CREATE TEMP VIEW tables AS SELECT * FROM relations WHERE relkind IN ('r', 'p');
-- Whatever a project has. The others: users have platform keys, providers are
-- the same for all, and a project's own row has no other project.
CREATE TEMP VIEW project_tables AS
SELECT * FROM tables
 WHERE relation NOT IN ('tarx_keys.projects'::regclass, 'tarx_keys.custom_providers'::regclass,
                        'tarx_keys.platform_api_keys'::regclass);
SELECT count(*) > 0 FROM functions WHERE prosecdef;
SELECT count(*) > 0 FROM functions WHERE for_agents;
SELECT count(*) > 0 FROM project_tables;
SELECT count(*) > 0 FROM relations WHERE relkind = 'v';

-- What a definer's function finds, its caller does not decide
SELECT 'definer without search_path and row_security', name FROM functions
 WHERE prosecdef AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp', 'row_security=on'], false);
-- An owner that is a superuser would make each of them a superuser's
SELECT 'not owned', name FROM functions WHERE proowner <> 'tarx_keys_owner'::regrole;
SELECT 'not owned', name FROM relations WHERE relowner <> 'tarx_keys_owner'::regrole AND relkind <> 't';
SELECT 'not owned', collname FROM pg_collation
 WHERE collnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND collowner <> 'tarx_keys_owner'::regrole;
-- Secrets are returned once a call, never folded, cached or sent to workers
SELECT 'returns secrets, but not volatile and parallel unsafe', name FROM functions
 WHERE (for_agents AND proname <> 'template_references' OR proname IN ('create_platform_key', 'login'))
   AND NOT (provolatile = 'v' AND proparallel = 'u');
-- Who acts, and whether the keyring has a key, is not the same at every call
SELECT 'immutable, but reads tables', name FROM functions WHERE provolatile = 'i' AND prosecdef;
-- It would be called with rows that the caller may not see
SELECT 'leakproof', name FROM functions WHERE proleakproof;
SELECT 'another language', name FROM functions JOIN pg_language l ON l.oid = prolang
 WHERE l.lanname NOT IN ('c', 'plpgsql', 'sql');

SELECT 'public right', name FROM functions, aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee = 0;
SELECT 'public right', name FROM relations, aclexplode(coalesce(relacl, acldefault('r', relowner))) a
 WHERE a.grantee = 0 AND relkind NOT IN ('i', 't');
SELECT 'public right', attrelid::regclass, attname FROM pg_attribute, aclexplode(attacl) a
 WHERE a.grantee = 0 AND attrelid IN (SELECT relation FROM relations);
SELECT 'grant option', name FROM functions, aclexplode(proacl) a WHERE a.is_grantable AND a.grantee <> proowner;
SELECT 'grant option', name FROM relations, aclexplode(relacl) a WHERE a.is_grantable AND a.grantee <> relowner;

SELECT 'no comment', name FROM functions WHERE obj_description(oid, 'pg_proc') IS NULL;
SELECT 'no comment', name FROM relations WHERE relkind IN ('r', 'p', 'v', 'm') AND obj_description(relation, 'pg_class') IS NULL;

-- The owner is held to the policies as well
SELECT 'row security not enabled and forced', name FROM tables
 WHERE NOT (relrowsecurity AND relforcerowsecurity) AND relation <> 'tarx_keys.custom_providers'::regclass;
-- Providers are the same for all
SELECT 'view that is not its reader''s', name FROM relations
 WHERE relkind = 'v' AND relation NOT IN ('tarx_keys.providers'::regclass, 'tarx_keys_internal.builtin_providers'::regclass) AND NOT coalesce(reloptions @> '{security_invoker=true,security_barrier=true}', false);
SELECT 'materialized', name FROM relations WHERE relkind = 'm';
SELECT 'not a member of the extension', name FROM relations r
 WHERE relkind IN ('r', 'p', 'v')
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = r.relation AND d.deptype = 'e');
SELECT 'not dumped with its rows', name FROM tables, pg_extension e
 WHERE e.extname = 'tarx_keys' AND relation <> ALL (e.extconfig);
-- Names and ids compare by their bytes, whatever the database's locale
SELECT 'collation by which different texts are equal', collname FROM pg_collation
 WHERE collnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND NOT collisdeterministic;
SELECT 'text that is not COLLATE "C"', name, attname FROM tables JOIN pg_attribute a ON a.attrelid = relation
 WHERE attnum > 0 AND NOT attisdropped AND atttypid = 'text'::regtype AND attcollation <> '"C"'::regcollation;

-- What would stand in the way of logical replication, or of distributing the tables by project
SELECT 'key without project_id first', i.indexrelid::regclass
  FROM pg_index i JOIN project_tables ON relation = i.indrelid
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
 WHERE i.indisunique AND a.attname <> 'project_id';
SELECT 'no primary key', name FROM tables
 WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisprimary);
SELECT 'not replicated by its primary key', name FROM tables WHERE relreplident <> 'd';
SELECT 'not permanent', name FROM tables WHERE relpersistence <> 'p';
SELECT 'trigger of a subscriber', name, t.tgname FROM relations JOIN pg_trigger t ON t.tgrelid = relation WHERE t.tgenabled <> 'O';
SELECT 'sequence', name FROM relations WHERE relkind = 'S';
SELECT 'identity', name, attname FROM tables JOIN pg_attribute ON attrelid = relation WHERE attidentity <> '';
SELECT 'trigger', name, t.tgname FROM relations JOIN pg_trigger t ON t.tgrelid = relation WHERE NOT t.tgisinternal;
SELECT 'rule', name, rulename FROM relations JOIN pg_rewrite ON ev_class = relation WHERE rulename <> '_RETURN';

DROP VIEW functions, relations, tables, project_tables;
DROP EXTENSION tarx_keys;
