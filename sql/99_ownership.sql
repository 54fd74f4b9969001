-- Everything belongs to tarx_keys_owner, and nobody has rights but those that
-- stand beside each object: what default privileges gave to anybody else is
-- taken back.

DO $$
DECLARE
    object record;
    grantee text;
BEGIN
    FOR object IN
        SELECT 'FUNCTION' AS kind, p.oid::regprocedure::text AS name, p.proacl AS acl, p.proowner AS owner
          FROM pg_proc p WHERE p.pronamespace = 'tarx_keys'::regnamespace
        UNION ALL
        SELECT 'TABLE', c.oid::regclass::text, c.relacl, c.relowner
          FROM pg_class c WHERE c.relnamespace = 'tarx_keys'::regnamespace AND c.relkind IN ('r', 'v')
        UNION ALL
        SELECT 'SCHEMA', quote_ident(n.nspname), n.nspacl, n.nspowner
          FROM pg_namespace n WHERE n.nspname = 'tarx_keys'
    LOOP
        FOR grantee IN
            SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
              FROM aclexplode(object.acl) a
             WHERE a.grantee NOT IN (object.owner, 'tarx_keys_backend'::regrole, 'tarx_keys_agent'::regrole)
        LOOP
            EXECUTE format('REVOKE ALL ON %s %s FROM %s CASCADE', object.kind, object.name, grantee);
        END LOOP;
        EXECUTE format('ALTER %s %s OWNER TO tarx_keys_owner', object.kind, object.name);
    END LOOP;
END
$$;
