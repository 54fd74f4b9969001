-- Shards: buckets, and the scripts for a router. Those run in test/recipes/router.pl.
CREATE EXTENSION tarx_keys;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on

SELECT id, tarx_keys.project_bucket(id), tarx_keys.project_bucket(id) = ('x' || right(id::text, 8))::bit(32)::bigint % 1024
  FROM (VALUES ('00000000-0000-0000-0000-000000000000'::uuid), ('ffffffff-ffff-ffff-ffff-ffffffffffff'),
               ('6b0f0c1e-3c0c-4c8e-9d62-5f2a4c1f7f10'), (NULL)) p (id);
SELECT count(DISTINCT tarx_keys.project_bucket(id)), bool_and(tarx_keys.project_bucket(id) = ('x' || right(id::text, 8))::bit(32)::bigint % 1024)
  FROM (SELECT md5(n::text)::uuid FROM generate_series(1, 20000) n) p (id);

-- What a router has, and what its callers may do that it has not. A function that is
-- new here is routed by its project_id: it must be one that needs no more than an identity.
SELECT name, CASE WHEN for_users THEN 'with an identity' ELSE 'as it is' END, project_position, grantees FROM tarx_keys_internal.routed_functions();
SELECT name, CASE WHEN by_project THEN 'by project' ELSE 'at home' END, columns, grantees FROM tarx_keys_internal.routed_lists();
SELECT p.proname FROM pg_proc p
 WHERE p.pronamespace = 'tarx_keys'::regnamespace
   AND (has_function_privilege('tarx_keys_backend', p.oid, 'EXECUTE') OR has_function_privilege('tarx_keys_agent', p.oid, 'EXECUTE'))
   AND p.proname NOT IN (SELECT name FROM tarx_keys_internal.routed_functions()) ORDER BY 1;

-- The script of a shard runs, and again. Nobody gets more by it: its functions are their
-- caller's, and for the same roles as what they call.
SELECT tarx_keys.shard_sql() AS script \gset
:script
:script
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'tarx_keys_shard'::regnamespace AND (p.prosecdef OR has_function_privilege('public', p.oid, 'EXECUTE'));
SELECT f.name FROM tarx_keys_internal.routed_functions() f
 WHERE f.for_users AND f.grantees <> (SELECT string_agg(a.grantee::regrole::text, ', ') FROM pg_proc p, aclexplode(p.proacl) a
                                       WHERE p.pronamespace = 'tarx_keys_shard'::regnamespace AND p.proname = f.name AND a.grantee <> p.proowner);
DROP SCHEMA tarx_keys_shard CASCADE;

-- bad lists
\set VERBOSITY terse
SELECT tarx_keys.router_sql(NULL);
SELECT tarx_keys.router_sql('{}');
SELECT tarx_keys.router_sql('{dbname=a,dbname=b,dbname=c}');
SELECT tarx_keys.router_sql('{{dbname=a,dbname=b},{dbname=c,dbname=d}}');
SELECT tarx_keys.router_sql('{dbname=a,NULL}');
SELECT tarx_keys.router_sql('{dbname=a,""}');
SELECT tarx_keys.router_sql(array_fill('dbname=a'::text, '{2048}'));
\set VERBOSITY default
SELECT tarx_keys.router_sql('{dbname=a password=x}');
\set VERBOSITY terse
SELECT tarx_keys.router_sql('{dbname=a user = x}');
SELECT tarx_keys.router_sql('{postgresql://x@y/z}');
SELECT tarx_keys.router_sql('{passfile=x dbname=a}');
-- wherever PL/Proxy would find "user=", and add no user; a password behind a quote; what would take the blank in front of the user
SELECT tarx_keys.router_sql(ARRAY[$$dbname=a options='-c x.user=y'$$]);
SELECT tarx_keys.router_sql(ARRAY[$$host='a'password=x$$]);
SELECT tarx_keys.router_sql(ARRAY[$$dbname=a sslpassword=x$$]);
SELECT tarx_keys.router_sql(ARRAY[$$dbname=a\$$]);
-- quotes of all kinds stay in their string
SELECT strpos(tarx_keys.router_sql(ARRAY[$q$host='a b' dbname="c,{} $_$ $q$]), quote_literal('SELECT pg_catalog.unnest(' || quote_literal(ARRAY[$q$host='a b' dbname="c,{} $_$ $q$]) || '::pg_catalog.text[])')) > 0;
SELECT tarx_keys.router_sql('{host=compass dbname=user}') IS NOT NULL;
SELECT length(tarx_keys.router_sql(array_fill('dbname=a'::text, '{1024}'))) > 10000;

-- DBA only
CREATE ROLE regress_shards IN ROLE tarx_keys_backend, tarx_keys_agent, tarx_keys_login;
SET ROLE regress_shards;
SELECT tarx_keys.router_sql('{dbname=a}');
SELECT tarx_keys.shard_sql();
SELECT tarx_keys.project_bucket(NULL);
RESET ROLE;
DROP ROLE regress_shards;
DROP EXTENSION tarx_keys;
