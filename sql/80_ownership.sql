-- Everything belongs to tarx_keys_owner, and nobody else has any right yet.
-- PostgreSQL gives some to PUBLIC, and default privileges may have given some to
-- other roles. All are taken back before anybody can see the objects. The next
-- part grants what is to be granted.
--
-- Functions that run as the owner do so under row security, whatever the session,
-- its role or the database sets: with row_security = off each query would be an
-- error, which advises not to force row security.

DO $$
DECLARE
    schemas CONSTANT oid[] := ARRAY['tarx_keys'::regnamespace::oid, 'tarx_keys_internal'::regnamespace::oid];
    object record;
    grantee text;
BEGIN
    FOR object IN
        SELECT 'ROUTINE' AS kind, p.oid::regprocedure::text AS name, coalesce(p.proacl, acldefault('f', p.proowner)) AS acl, p.proowner AS owner,
               p.prosecdef AS as_owner
          FROM pg_proc p WHERE p.pronamespace = ANY (schemas)
        UNION ALL
        SELECT 'TABLE', c.oid::regclass::text, c.relacl, c.relowner, false
          FROM pg_class c WHERE c.relnamespace = ANY (schemas) AND c.relkind IN ('r', 'v')
        UNION ALL
        SELECT 'TYPE', t.oid::regtype::text, coalesce(t.typacl, acldefault('T', t.typowner)), t.typowner, false
          FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid WHERE t.typnamespace = ANY (schemas) AND c.relkind = 'c'
        UNION ALL
        SELECT 'SCHEMA', quote_ident(n.nspname), n.nspacl, n.nspowner, false
          FROM pg_namespace n WHERE n.oid = ANY (schemas)
    LOOP
        FOR grantee IN
            SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
              FROM aclexplode(object.acl) a WHERE a.grantee <> object.owner
        LOOP
            EXECUTE format('REVOKE ALL ON %s %s FROM %s CASCADE', object.kind, object.name, grantee);
        END LOOP;
        EXECUTE format('ALTER %s %s OWNER TO tarx_keys_owner', object.kind, object.name);
        -- default privileges can also leave out rights that an owner has otherwise
        EXECUTE format('GRANT ALL ON %s %s TO tarx_keys_owner', object.kind, object.name);
        IF object.as_owner THEN
            EXECUTE format('ALTER ROUTINE %s SET row_security = on', object.name);
        END IF;
    END LOOP;
END
$$;

-- nobody has rights on collations
ALTER COLLATION tarx_keys.people OWNER TO tarx_keys_owner;
