-- What doctor() looks at where tarx_keys.membership names a relation of the
-- application: whoever writes it, or a table below it, is an admin of every project.

CREATE FUNCTION tarx_keys_internal.doctor_membership_facts(
    OUT name text, OUT relation oid, OUT problem text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_doctor_membership_facts';
COMMENT ON FUNCTION tarx_keys_internal.doctor_membership_facts IS
'Internal. The relation that tarx_keys.membership names, if any, and what is wrong with it.';

CREATE FUNCTION tarx_keys_internal.doctor_membership_plans(OUT of_role text, OUT of_projects text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_doctor_membership_plans';
COMMENT ON FUNCTION tarx_keys_internal.doctor_membership_plans IS
'Internal. How the two look-ups read the relation that tarx_keys.membership names, with indexes wherever there are any, as JSON.';

CREATE FUNCTION tarx_keys_internal.is_security_invoker(options text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(options) o WHERE o.option_name = 'security_invoker'), false)
$$;
COMMENT ON FUNCTION tarx_keys_internal.is_security_invoker IS 'Internal. For a check of doctor(): whether a view with these reloptions is security_invoker.';

-- Below a view is what it reads; below a table with parts are these, and above a part
-- is what one can write it by. accessor is who reads it: a view's owner, or whoever
-- reads a view that is security_invoker.
CREATE FUNCTION tarx_keys_internal.doctor_membership_relations() RETURNS TABLE (relation oid, accessor oid)
LANGUAGE sql STABLE PARALLEL UNSAFE
AS $$
    WITH RECURSIVE below (relation, accessor) AS (
        SELECT c.oid, c.relowner
          FROM tarx_keys_internal.doctor_membership_facts() f JOIN pg_class c ON c.oid = f.relation
        UNION
        SELECT n.relation, CASE WHEN c.relkind <> 'v' OR tarx_keys_internal.is_security_invoker(c.reloptions) THEN b.accessor ELSE c.relowner END
          FROM below b JOIN pg_class c ON c.oid = b.relation,
               LATERAL (SELECT d.refobjid
                          FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                         WHERE r.ev_class = b.relation AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> b.relation
                        UNION SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = b.relation
                        UNION SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = b.relation) n (relation)
               JOIN pg_class k ON k.oid = n.relation AND k.relkind IN ('r', 'p', 'v', 'm', 'f'))
    SELECT b.relation, b.accessor FROM below b
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_membership_relations IS
'Internal. For a check of doctor(): the relation that tarx_keys.membership names, and all that it reads, but for what functions read.';

-- The functions of its views, and those by which look-ups make texts of its columns.
CREATE FUNCTION tarx_keys_internal.doctor_membership_functions() RETURNS TABLE (function oid)
LANGUAGE sql STABLE PARALLEL UNSAFE
AS $$
    SELECT d.refobjid
      FROM tarx_keys_internal.doctor_membership_relations() m JOIN pg_rewrite r ON r.ev_class = m.relation
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass
    UNION
    SELECT c.castfunc
      FROM tarx_keys_internal.doctor_membership_facts() f JOIN pg_attribute a ON a.attrelid = f.relation JOIN pg_type t ON t.oid = a.atttypid
      JOIN pg_cast c ON c.castsource IN (t.oid, t.typbasetype) AND c.casttarget = 'text'::regtype JOIN pg_proc p ON p.oid = c.castfunc
     WHERE a.attname IN ('user_id', 'role') AND a.attnum > 0 AND NOT a.attisdropped AND p.pronamespace <> 'pg_catalog'::regnamespace
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_membership_functions IS
'Internal. For a check of doctor(): the functions that a look-up in the relation that tarx_keys.membership names runs, but for those of PostgreSQL.';

-- Whoever owns the schema can put another relation in its place.
CREATE FUNCTION tarx_keys_internal.doctor_membership_owned() RETURNS TABLE (kind text, name text, owner oid)
LANGUAGE sql STABLE PARALLEL UNSAFE
AS $$
    SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass::text, c.relowner
      FROM (SELECT DISTINCT m.relation FROM tarx_keys_internal.doctor_membership_relations() m) m JOIN pg_class c ON c.oid = m.relation
    UNION ALL
    SELECT 'SCHEMA', quote_ident(n.nspname), n.nspowner
      FROM tarx_keys_internal.doctor_membership_facts() f JOIN pg_class c ON c.oid = f.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    UNION
    SELECT 'FUNCTION', p.oid::regprocedure::text, p.proowner
      FROM tarx_keys_internal.doctor_membership_functions() f JOIN pg_proc p ON p.oid = f.function
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_membership_owned IS
'Internal. For a check of doctor(): what decides who is a member, with its owner.';

CREATE FUNCTION tarx_keys_internal.doctor_membership_writers() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    -- the logins that hold a role of ours, with each role that they can become
    WITH reach AS (
        SELECT l.rolname AS login, r.oid AS role, r.rolname
          FROM pg_roles l JOIN pg_roles r ON pg_has_role(l.oid, r.oid, 'MEMBER') AND NOT r.rolsuper
         WHERE l.rolcanlogin AND NOT l.rolsuper
           AND EXISTS (SELECT FROM pg_roles g WHERE g.rolname = ANY (tarx_keys_internal.our_roles())
                                                AND pg_has_role(l.oid, g.oid, 'MEMBER'))),
    writers AS (
        SELECT w.login, c.oid::regclass::text AS relation, string_agg(quote_ident(w.rolname), ', ' ORDER BY w.rolname) AS roles
          FROM reach w, (SELECT DISTINCT m.relation FROM tarx_keys_internal.doctor_membership_relations() m) m JOIN pg_class c ON c.oid = m.relation
         WHERE w.role <> c.relowner
           AND (has_table_privilege(w.role, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER') OR has_any_column_privilege(w.role, c.oid, 'INSERT, UPDATE'))
         GROUP BY w.login, c.oid)
    SELECT 'critical', format('login %I owns %s %s, and so can make itself admin of every project', w.login, lower(o.kind), o.name),
           format('ALTER %s %s OWNER TO a role that no such login holds', o.kind, o.name)
      FROM reach w JOIN tarx_keys_internal.doctor_membership_owned() o ON o.owner = w.role
    UNION ALL
    SELECT 'critical', format('login %I can write %s, and so can make itself admin of every project', w.login, w.relation),
           format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER ON %s FROM %s; or from PUBLIC, or the role that has it for them. Let another login change members.', w.relation, w.roles)
      FROM writers w
     WHERE NOT EXISTS (SELECT FROM reach r JOIN tarx_keys_internal.doctor_membership_owned() o ON o.owner = r.role
                        WHERE r.login = w.login AND o.kind IN ('VIEW', 'TABLE') AND o.name = w.relation)
     ORDER BY 2
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_membership_writers IS 'Internal. For a check of doctor(): logins with a role of the extension that can write, or own, what says who is a member.';

CREATE FUNCTION tarx_keys_internal.doctor_membership_lookups() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    -- a scan for which there is no index, although no other scan was to be chosen, or of a whole index
    SELECT 'warning', format('%s lacks an index for the look-up of %s', f.name, l.what), format('CREATE INDEX on the table below it, on %s', l.columns)
      FROM tarx_keys_internal.doctor_membership_facts() f, tarx_keys_internal.doctor_membership_plans() p,
           LATERAL (VALUES ('a user''s role in a project', p.of_role, 'its user_id and project_id'),
                           ('a user''s projects', p.of_projects, 'its user_id')) AS l (what, plan, columns)
     WHERE l.plan::jsonb @? '$.** ? (@."Node Type" == "Seq Scan" || ((@."Node Type" == "Index Scan" || @."Node Type" == "Index Only Scan" || @."Node Type" == "Bitmap Index Scan") && !exists (@."Index Cond")))'
    UNION ALL
    SELECT 'warning', format('column %I of %s is of type %s, which no index serves', a.attname, f.name, format_type(a.atttypid, NULL)),
           'Let the view have it as text, varchar or uuid, as the table below it has it.'
      FROM tarx_keys_internal.doctor_membership_facts() f JOIN pg_attribute a ON a.attrelid = f.relation JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attname IN ('user_id', 'role') AND a.attnum > 0 AND NOT a.attisdropped
       AND CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END NOT IN ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype)
    UNION ALL
    SELECT 'warning', format('column %I of %s has collation %s, which takes different texts for equal', a.attname, f.name, c.oid::regcollation),
           'Give it a deterministic collation, such as "C": tarx_keys takes only equal bytes for equal.'
      FROM tarx_keys_internal.doctor_membership_facts() f JOIN pg_attribute a ON a.attrelid = f.relation
      JOIN pg_collation c ON c.oid = a.attcollation AND NOT c.collisdeterministic
     WHERE a.attname IN ('user_id', 'role') AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_membership_lookups IS 'Internal. A check of doctor(): whether the relation that tarx_keys.membership names can be looked up by index.';

CREATE FUNCTION tarx_keys_internal.doctor_membership() RETURNS TABLE (severity text, finding text, advice text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
    SELECT 'critical', format('nobody is a member of any project, because members cannot be looked up in %s: %s', f.name, f.problem),
           'Correct it, or set tarx_keys.membership to the right table or view; see "Members from your own table" in docs/operations.md.'
      FROM tarx_keys_internal.doctor_membership_facts() f WHERE f.problem IS NOT NULL
    UNION ALL
    SELECT w.* FROM tarx_keys_internal.doctor_membership_writers() w
    UNION ALL
    -- functions of views below it run as its owner, too
    SELECT 'warning', format('functions in view %s run as superuser %I, who owns it', c.oid::regclass, r.rolname),
           format('ALTER VIEW %s OWNER TO a role that may read what it reads, and nothing else', c.oid::regclass)
      FROM tarx_keys_internal.doctor_membership_facts() f
      JOIN pg_class c ON c.oid = f.relation AND c.relkind = 'v' JOIN pg_roles r ON r.oid = c.relowner AND r.rolsuper
    UNION ALL
    SELECT 'warning', format('function %s, which makes text of a column, runs as superuser %I, who owns table %s', p.function::regprocedure, r.rolname, c.oid::regclass),
           format('ALTER TABLE %s OWNER TO a role with no other rights, or let the column be text', c.oid::regclass)
      FROM tarx_keys_internal.doctor_membership_facts() f JOIN pg_class c ON c.oid = f.relation AND c.relkind <> 'v'
      JOIN pg_roles r ON r.oid = c.relowner AND r.rolsuper, tarx_keys_internal.doctor_membership_functions() p
    UNION ALL
    -- the latest snapshot, which a look-up uses, is that of other functions only
    SELECT 'warning', format('function %s is VOLATILE: where a service uses REPEATABLE READ, it may read who was a member', p.oid::regprocedure),
           format('ALTER FUNCTION %s STABLE;', p.oid::regprocedure)
      FROM tarx_keys_internal.doctor_membership_functions() f JOIN pg_proc p ON p.oid = f.function AND p.provolatile = 'v'
    UNION ALL
    SELECT 'warning', format('view %s is security_invoker, so that its rows depend on who asks', c.oid::regclass),
           format('ALTER VIEW %s RESET (security_invoker);', c.oid::regclass)
      FROM (SELECT DISTINCT m.relation FROM tarx_keys_internal.doctor_membership_relations() m) m
      JOIN pg_class c ON c.oid = m.relation AND c.relkind = 'v' AND tarx_keys_internal.is_security_invoker(c.reloptions)
    UNION ALL
    SELECT 'warning', format('row security of %s hides rows from %I, as which members are looked up', c.oid::regclass, r.rolname),
           format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY; or give the view and the table one owner, or make a policy for %I USING (true)', c.oid::regclass, r.rolname)
      FROM tarx_keys_internal.doctor_membership_relations() m
      JOIN pg_class c ON c.oid = m.relation AND c.relkind IN ('r', 'p') AND c.relrowsecurity JOIN pg_roles r ON r.oid = m.accessor
     WHERE NOT r.rolsuper AND NOT r.rolbypassrls AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE'))
       AND NOT EXISTS (SELECT FROM pg_policy p
                        WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('r', '*') AND pg_get_expr(p.polqual, p.polrelid) = 'true'
                          AND (p.polroles = '{0}' OR EXISTS (SELECT FROM unnest(p.polroles) g WHERE g <> 0 AND pg_has_role(r.oid, g, 'USAGE'))))
$$;
COMMENT ON FUNCTION tarx_keys_internal.doctor_membership IS 'Internal. A check of doctor(): the relation that tarx_keys.membership names.';
