-- Shards: several complete servers with one keyring, each of which has the projects of
-- some buckets. And a router for them by PL/Proxy, whose scripts are made from the
-- catalogs, so that they have whatever this version has.
--
-- A call on the router is one statement, and so one transaction, on the project's shard.
-- It takes the router's identity along: a function in tarx_keys_shard makes that the
-- identity there first. Whether the user may is looked up on the shard each time.

CREATE FUNCTION tarx_keys.project_bucket(project_id uuid) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- 1024 divides what one digit more would add, so the last 10 bits are enough
    SELECT (pg_catalog.get_byte(pg_catalog.uuid_send(project_id), 14) OPERATOR(pg_catalog.&) 3) OPERATOR(pg_catalog.*) 256
           OPERATOR(pg_catalog.+) pg_catalog.get_byte(pg_catalog.uuid_send(project_id), 15)
$$;
COMMENT ON FUNCTION tarx_keys.project_bucket IS
'For the DBA: the bucket of a project, 0 to 1023: the last 8 hexadecimal digits of its id as an unsigned integer, modulo 1024. NULL for NULL.';

-- Logging in, entering runs, and platform keys, are for connections to a shard itself.
CREATE FUNCTION tarx_keys_internal.routed_functions(
    OUT name text, OUT arguments text, OUT result text, OUT project_position integer, OUT argument_count integer,
    OUT for_users boolean, OUT grantees text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quote_ident(p.proname), pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
           array_position(p.proargnames[:p.pronargs], 'project_id'), p.pronargs,
           bool_or(a.grantee = 'tarx_keys_backend'::regrole), string_agg(a.grantee::regrole::text, ', ' ORDER BY a.grantee)
      FROM pg_proc p, aclexplode(p.proacl) a
     WHERE p.pronamespace = 'tarx_keys'::regnamespace AND a.grantee IN ('tarx_keys_backend'::regrole, 'tarx_keys_agent'::regrole)
       AND p.proname NOT IN ('act_as', 'login', 'login_jwt')
       AND (array_position(p.proargnames[:p.pronargs], 'project_id') IS NOT NULL
            OR p.proname IN ('sealing_public_key', 'template_references'))
     GROUP BY p.oid
     ORDER BY p.proname
$$;
COMMENT ON FUNCTION tarx_keys_internal.routed_functions IS
'Internal. The functions that a router has: of backend services and of runners, those that say which project they are for, and those that no project matters to.';

CREATE FUNCTION tarx_keys_internal.routed_lists(
    OUT name text, OUT column_names text, OUT columns text, OUT by_project boolean, OUT grantees text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quote_ident(c.relname), string_agg('r.' || quote_ident(t.attname), ', ' ORDER BY t.attnum),
           string_agg(quote_ident(t.attname) || ' ' || format_type(t.atttypid, t.atttypmod), ', ' ORDER BY t.attnum),
           c.relname <> 'providers', g.names
      FROM pg_class c
      JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
           AND has_column_privilege('tarx_keys_backend', c.oid, t.attnum, 'SELECT')
     CROSS JOIN LATERAL (SELECT string_agg(r.name, ', ') AS names
                           FROM unnest(ARRAY['tarx_keys_backend', 'tarx_keys_agent']) r (name)
                          WHERE has_any_column_privilege(r.name, c.oid, 'SELECT')) g
     WHERE c.relnamespace = 'tarx_keys'::regnamespace
       AND (c.relkind = 'v' AND c.relname <> 'platform_keys' OR c.relname IN ('projects', 'project_members', 'agents'))
     GROUP BY c.relname, g.names
     ORDER BY c.relname
$$;
COMMENT ON FUNCTION tarx_keys_internal.routed_lists IS
'Internal. The lists that a router has; by_project if each shard has rows of its own.';

CREATE FUNCTION tarx_keys_internal.shard_function(name text, arguments text, result text, call text, grantees text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        E'CREATE OR REPLACE FUNCTION tarx_keys_shard.%1$s(acting_user text, active_project uuid%2$s) RETURNS %3$s LANGUAGE sql AS $_$\n'
        '    SELECT tarx_keys_shard.act_as($1, $2);\n'
        '    SELECT %4$s;\n'
        '$_$;\n'
        'GRANT EXECUTE ON FUNCTION tarx_keys_shard.%1$s TO %5$s;\n',
        shard_function.name, ', ' || nullif(shard_function.arguments, ''), shard_function.result, shard_function.call, shard_function.grantees)
$$;
COMMENT ON FUNCTION tarx_keys_internal.shard_function IS 'Internal. The statements that make one function of a shard.';

-- A query with row security asks who acts when it is planned, so it must be planned
-- behind act_as(). Functions in SQL are planned as a whole.
CREATE FUNCTION tarx_keys_internal.shard_list(name text, column_names text, columns text, grantees text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        E'CREATE OR REPLACE FUNCTION tarx_keys_shard.%1$s(acting_user text, active_project uuid) RETURNS TABLE (%2$s) LANGUAGE plpgsql AS $_$\n'
        'BEGIN\n'
        '    PERFORM tarx_keys_shard.act_as($1, $2);\n'
        '    RETURN QUERY SELECT %3$s FROM tarx_keys.%1$s r;\n'
        'END\n'
        '$_$;\n'
        'GRANT EXECUTE ON FUNCTION tarx_keys_shard.%1$s TO %4$s;\n',
        shard_list.name, shard_list.columns, shard_list.column_names, shard_list.grantees)
$$;
COMMENT ON FUNCTION tarx_keys_internal.shard_list IS 'Internal. The statements that make one list of a shard.';

CREATE FUNCTION tarx_keys_internal.argument_numbers(first integer, count integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(string_agg('$' || n, ', ' ORDER BY n), '')
      FROM generate_series(argument_numbers.first, argument_numbers.first + argument_numbers.count - 1) n
$$;
COMMENT ON FUNCTION tarx_keys_internal.argument_numbers IS 'Internal. $3, $4 and so on, so many.';

-- Who owns one of these, or a function in it, could change it afterwards, and see what goes through.
CREATE FUNCTION tarx_keys_internal.router_schemas(VARIADIC schemas text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        E'DO $_$\n'
        'DECLARE\n'
        '    owners text;\n'
        'BEGIN\n'
        '    SELECT string_agg(DISTINCT r.rolname, '', '') INTO owners\n'
        '      FROM (SELECT oid, nspowner FROM pg_namespace\n'
        '            UNION ALL SELECT pronamespace, proowner FROM pg_proc\n'
        '            UNION ALL SELECT relnamespace, relowner FROM pg_class) o (namespace, owner)\n'
        '      JOIN pg_namespace n ON n.oid = o.namespace AND n.nspname = ANY (%1$L)\n'
        '      JOIN pg_roles r ON r.oid = o.owner AND NOT r.rolsuper;\n'
        '    IF owners IS NOT NULL THEN\n'
        '        RAISE EXCEPTION USING ERRCODE = ''55000'',\n'
        '            MESSAGE = format(''%%s: a schema of this name, or something in it, belongs to %%s'', %2$L, owners),\n'
        '            HINT = ''Who owns it could read what goes through. Drop it, or let a superuser own it, and run the script again.'';\n'
        '    END IF;\n'
        'END\n'
        '$_$;\n',
        router_schemas.schemas, array_to_string(router_schemas.schemas, ', '))
        || string_agg(format(E'CREATE SCHEMA IF NOT EXISTS %1$s;\n'
                             'GRANT USAGE ON SCHEMA %1$s TO tarx_keys_backend, tarx_keys_agent;\n', s.name), '' ORDER BY s.place)
      FROM unnest(router_schemas.schemas) WITH ORDINALITY s (name, place)
$$;
COMMENT ON FUNCTION tarx_keys_internal.router_schemas IS 'Internal. The statements that make these schemas, unless they are there and somebody else has something in them.';

CREATE FUNCTION tarx_keys.shard_sql() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT E'-- Made by tarx_keys.shard_sql(): what a router calls on this shard.\n'
           'BEGIN;\n'
           'SET LOCAL client_min_messages = warning;\n'
           'SET LOCAL search_path = pg_catalog, pg_temp;\n'
        || tarx_keys_internal.router_schemas('tarx_keys_shard')
        -- runners act for nobody, and may not call act_as()
        || E'CREATE OR REPLACE FUNCTION tarx_keys_shard.act_as(acting_user text, active_project uuid) RETURNS void LANGUAGE plpgsql AS $_$\n'
           'BEGIN\n'
           '    IF $1 IS NOT NULL THEN\n'
           '        PERFORM tarx_keys.act_as($1, $2);\n'
           '    END IF;\n'
           'END\n'
           '$_$;\n'
           'GRANT EXECUTE ON FUNCTION tarx_keys_shard.act_as TO tarx_keys_backend, tarx_keys_agent;\n'
        || (SELECT string_agg(tarx_keys_internal.shard_function(f.name, f.arguments, f.result,
                                  format('* FROM tarx_keys.%s(%s)', f.name, tarx_keys_internal.argument_numbers(3, f.argument_count)), f.grantees), '' ORDER BY f.name)
              FROM tarx_keys_internal.routed_functions() f WHERE f.for_users)
        || (SELECT string_agg(tarx_keys_internal.shard_list(l.name, l.column_names, l.columns, l.grantees), '' ORDER BY l.name)
              FROM tarx_keys_internal.routed_lists() l)
        || E'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tarx_keys_shard FROM PUBLIC;\n'
           'COMMIT;\n'
$$;
COMMENT ON FUNCTION tarx_keys.shard_sql IS
'For the DBA: the script that makes this server a shard of a router: see router_sql().';

-- A password would be there for all callers to read.
CREATE FUNCTION tarx_keys_internal.check_shards(shards text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.require_argument('shards', check_shards.shards::text);
    IF coalesce(array_ndims(shards) <> 1 OR array_length(shards, 1) NOT IN (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), true)
       OR array_position(shards, NULL) IS NOT NULL OR '' = ANY (shards) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'shards',
            MESSAGE = 'shards is not a list of 1, 2, 4, or another power of two up to 1024, connection strings',
            HINT = 'Bucket b is at shards[1 + b mod n]. A server may occur several times: three servers can share 4 or 1024 places.';
    END IF;
    -- PL/Proxy adds who calls, unless it finds "user=" anywhere; a backslash would take its blank
    IF EXISTS (SELECT FROM unnest(shards) s (connection)
                WHERE s.connection ~ '(user|password|passfile|secret|_key)\s*=|://|\\\s*$') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'shards',
            MESSAGE = 'shards has a connection string with a user, a password, a passfile, a backslash at its end, or in the form of a URI',
            HINT = 'Pass strings such as ''host=keys1 dbname=app''. The router connects as the role that called it; the server''s file .pgpass has the passwords.';
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.check_shards IS 'Internal. Error 22023 unless these are connection strings for router_sql().';

-- By functions, and not by a foreign server: who may use that may make a user mapping, and
-- so choose as whom, and even to where, the router connects.
CREATE FUNCTION tarx_keys_internal.router_server(shards text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        E'DO $_$\n'
        'DECLARE\n'
        '    role_name text;\n'
        'BEGIN\n'
        '    IF EXISTS (SELECT FROM pg_extension WHERE extname = ''tarx_keys'') THEN\n'
        '        RAISE EXCEPTION USING ERRCODE = ''55000'',\n'
        '            MESSAGE = ''this database has the extension tarx_keys, so it cannot be a router'',\n'
        '            HINT = ''Run the script in another database, which has nothing else.'';\n'
        '    END IF;\n'
        '    IF NOT EXISTS (SELECT FROM pg_settings WHERE name = ''tarx_keys.acting_user'' AND context = ''internal'') THEN\n'
        '        RAISE EXCEPTION USING ERRCODE = ''55000'',\n'
        '            MESSAGE = ''this server does not preload tarx_keys, so anybody could set who acts'',\n'
        '            HINT = ''Add tarx_keys to shared_preload_libraries, restart, and run the script again.'';\n'
        '    END IF;\n'
        '    FOREACH role_name IN ARRAY ARRAY[''tarx_keys_backend'', ''tarx_keys_agent''] LOOP\n'
        '        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN\n'
        '            EXECUTE format(''CREATE ROLE %%I NOLOGIN'', role_name);\n'
        '        END IF;\n'
        '    END LOOP;\n'
        'END\n'
        '$_$;\n'
        '%1$s'
        'CREATE EXTENSION IF NOT EXISTS plproxy SCHEMA plproxy;\n'
        'CREATE OR REPLACE FUNCTION plproxy.get_cluster_version(cluster_name text) RETURNS integer LANGUAGE sql STABLE AS %2$L;\n'
        'CREATE OR REPLACE FUNCTION plproxy.get_cluster_partitions(cluster_name text) RETURNS SETOF text LANGUAGE sql STABLE AS %3$L;\n'
        'CREATE OR REPLACE FUNCTION plproxy.get_cluster_config(cluster_name text, OUT key text, OUT val text) RETURNS SETOF record LANGUAGE sql STABLE AS %4$L;\n'
        'GRANT EXECUTE ON FUNCTION plproxy.get_cluster_version, plproxy.get_cluster_partitions, plproxy.get_cluster_config\n'
        '    TO tarx_keys_backend, tarx_keys_agent;\n',
        tarx_keys_internal.router_schemas('plproxy', 'tarx_keys', 'tarx_keys_router'),
        -- another one for another list, so that sessions read that
        'SELECT ' || hashtext(router_server.shards::text),
        format('SELECT pg_catalog.unnest(%L::pg_catalog.text[])', router_server.shards),
        'SELECT NULL::pg_catalog.text, NULL::pg_catalog.text LIMIT 0')
$$;
COMMENT ON FUNCTION tarx_keys_internal.router_server IS 'Internal. The statements that tell a router where its shards are.';

-- Arguments go to the shard as texts, which must mean the same there, whatever the caller has set.
CREATE FUNCTION tarx_keys_internal.router_function(
    name text, arguments text, result text, cluster_part text, target text, grantees text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        E'CREATE OR REPLACE FUNCTION %1$s(%2$s) RETURNS %3$s LANGUAGE plproxy SET datestyle = ''ISO'' SET intervalstyle = ''postgres'' AS $_$\n'
        '    CLUSTER ''tarx_keys_shards''; RUN ON %4$s; TARGET %5$s;\n'
        '$_$;\n'
        'GRANT EXECUTE ON FUNCTION %1$s TO %6$s;\n',
        router_function.name, router_function.arguments, router_function.result, router_function.cluster_part,
        router_function.target, router_function.grantees)
$$;
COMMENT ON FUNCTION tarx_keys_internal.router_function IS 'Internal. The statements that make one function of a router that runs on a shard.';

-- Of a call that needs an identity, the function that callers name adds it.
CREATE FUNCTION tarx_keys_internal.router_call(
    name text, arguments text, result text, project_position integer, argument_count integer, for_users boolean, grantees text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN for_users THEN
        tarx_keys_internal.router_function(
            'tarx_keys_router.' || name, 'acting_user text, active_project uuid' || coalesce(', ' || nullif(arguments, ''), ''), result,
            coalesce('tarx_keys_router.bucket($' || project_position + 2 || ')', '0'), 'tarx_keys_shard.' || name, grantees)
        || format(
            E'CREATE OR REPLACE FUNCTION tarx_keys.%1$s(%2$s) RETURNS %3$s LANGUAGE sql AS $_$\n'
            '    SELECT * FROM tarx_keys_router.%1$s(tarx_keys.current_user_id(), tarx_keys.current_project_id()%4$s);\n'
            '$_$;\n'
            'GRANT EXECUTE ON FUNCTION tarx_keys.%1$s TO %5$s;\n',
            name, arguments, result, ', ' || nullif(tarx_keys_internal.argument_numbers(1, argument_count), ''), grantees)
    ELSE
        tarx_keys_internal.router_function(
            'tarx_keys.' || name, arguments, result, coalesce('tarx_keys_router.bucket($' || project_position || ')', '0'),
            'tarx_keys.' || name, grantees)
    END
$$;
COMMENT ON FUNCTION tarx_keys_internal.router_call IS 'Internal. The statements that make what a router has of one of routed_functions().';

CREATE FUNCTION tarx_keys_internal.router_list(name text, columns text, by_project boolean, grantees text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT tarx_keys_internal.router_function(
            'tarx_keys_router.' || name, 'acting_user text, active_project uuid', format('TABLE (%s)', columns),
            CASE WHEN by_project THEN 'tarx_keys_router.buckets($2)' ELSE '0' END, 'tarx_keys_shard.' || name, grantees)
        || format(
            E'CREATE OR REPLACE VIEW tarx_keys.%1$s WITH (security_invoker = true) AS\n'
            '    SELECT * FROM tarx_keys_router.%1$s(tarx_keys.current_user_id(), tarx_keys.current_project_id());\n'
            'GRANT SELECT ON tarx_keys.%1$s TO %2$s;\n',
            name, grantees)
$$;
COMMENT ON FUNCTION tarx_keys_internal.router_list IS 'Internal. The statements that make what a router has of one of routed_lists().';

CREATE FUNCTION tarx_keys.router_sql(shards text[]) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    identity_functions CONSTANT oid[] := ARRAY['tarx_keys.current_user_id'::regproc, 'tarx_keys.current_project_id'::regproc,
                                               'tarx_keys_internal.act_on_router'::regproc, 'tarx_keys.project_bucket'::regproc];
BEGIN
    PERFORM tarx_keys_internal.check_shards(router_sql.shards);
    RETURN E'-- Made by tarx_keys.router_sql(): a database that hands calls on to the shards.\n'
           'BEGIN;\n'
           'SET LOCAL client_min_messages = warning;\n'
           'SET LOCAL search_path = pg_catalog, pg_temp;\n'
        || tarx_keys_internal.router_server(router_sql.shards)
           -- the column with an ICU locale has another name from major to major
        || (SELECT coalesce(string_agg(format(E'DO $_$ BEGIN IF to_regcollation(%1$L) IS NULL THEN CREATE COLLATION %1$s %2$s; END IF; END $_$;\n', c.oid::regcollation,
                       CASE c.collprovider WHEN 'i' THEN format('(provider = icu, locale = %L)', coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale'))
                                           ELSE 'FROM pg_catalog."C"' END), ''), '')
              FROM pg_collation c WHERE c.collnamespace = 'tarx_keys'::regnamespace)
        || (SELECT string_agg(format(E'DO $_$ BEGIN IF to_regtype(%1$L) IS NULL THEN CREATE TYPE %1$s AS (%2$s); END IF; END $_$;\n', t.name, t.columns), '')
              FROM (SELECT c.oid::regclass::text AS name,
                           string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns
                      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                     WHERE c.relnamespace = 'tarx_keys'::regnamespace AND c.relkind = 'c'
                     GROUP BY c.oid ORDER BY c.relname) t)
        || (SELECT string_agg(replace(pg_get_functiondef(f.oid), 'tarx_keys_internal.', 'tarx_keys_router.') || E';\n', '')
              FROM unnest(identity_functions) f (oid))
        || format(
           E'CREATE OR REPLACE FUNCTION tarx_keys_router.bucket(project_id uuid) RETURNS integer LANGUAGE sql IMMUTABLE AS $_$\n'
           '    SELECT coalesce(tarx_keys.project_bucket($1), 0);\n'
           '$_$;\n'
           'CREATE OR REPLACE FUNCTION tarx_keys_router.buckets(project_id uuid) RETURNS SETOF integer LANGUAGE sql IMMUTABLE AS $_$\n'
           '    SELECT tarx_keys.project_bucket($1) WHERE $1 IS NOT NULL UNION ALL SELECT pg_catalog.generate_series(0, %s) WHERE $1 IS NULL;\n'
           '$_$;\n', array_length(router_sql.shards, 1) - 1)
        || tarx_keys_internal.router_function('tarx_keys_router.act_as', 'acting_user text, active_project uuid', 'void',
               'tarx_keys_router.bucket($2)', 'tarx_keys_shard.act_as', 'tarx_keys_backend')
        || E'CREATE OR REPLACE FUNCTION tarx_keys.act_as(user_id text, project_id uuid DEFAULT NULL) RETURNS void LANGUAGE sql AS $_$\n'
           '    SELECT tarx_keys_router.act_as($1, $2) WHERE $2 IS NOT NULL;\n'
           '    SELECT tarx_keys_router.act_on_router($1, $2);\n'
           '$_$;\n'
        || (SELECT string_agg(tarx_keys_internal.router_call(f.name, f.arguments, f.result, f.project_position, f.argument_count, f.for_users, f.grantees), '' ORDER BY f.name)
              FROM tarx_keys_internal.routed_functions() f)
        || (SELECT string_agg(tarx_keys_internal.router_list(l.name, l.columns, l.by_project, l.grantees), '' ORDER BY l.name)
              FROM tarx_keys_internal.routed_lists() l)
        || E'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA plproxy, tarx_keys, tarx_keys_router FROM PUBLIC;\n'
           'GRANT EXECUTE ON FUNCTION tarx_keys.act_as, tarx_keys_router.act_on_router TO tarx_keys_backend;\n'
           'GRANT EXECUTE ON FUNCTION tarx_keys.current_user_id, tarx_keys.current_project_id, tarx_keys.project_bucket,\n'
           '    tarx_keys_router.bucket, tarx_keys_router.buckets TO tarx_keys_backend, tarx_keys_agent;\n'
           'COMMIT;\n';
END
$$;
COMMENT ON FUNCTION tarx_keys.router_sql IS
'For the DBA: the script that makes a database with PL/Proxy and this library a router. shards are the connection strings of the shards, n of them, a power of two up to 1024; bucket b is at shards[1 + b mod n], and shards[1] is the home. Error: 22023 for another list, or for connection strings with a user or a password.';
