-- purge_audit(before, batch_size), in pg_temp or the schema :purge_schema: as
-- tarx_keys.purge_audit() does it, but in the caller's transaction, so that it can be
-- rolled back; how many rows. Included with ECHO none.
\if :{?purge_schema}
\else
\set purge_schema pg_temp
\endif
CREATE FUNCTION :purge_schema.purge_audit(before timestamptz, batch_size integer DEFAULT 10000) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    batch record;
    reached tarx_keys_internal.audit_ends;
    again boolean;
    last_try boolean;
    purged bigint := 0;
BEGIN
    FOREACH last_try IN ARRAY '{f,t}'::boolean[] LOOP
        reached := NULL;
        again := false;
        LOOP
            SELECT b.reached, b.purged INTO batch FROM tarx_keys_internal.purge_audit_batch(before, batch_size, reached, again, last_try) b;
            EXIT WHEN batch.purged IS NULL;
            reached := batch.reached;
            again := batch.purged = batch_size;
            purged := purged + batch.purged;
        END LOOP;
    END LOOP;
    RETURN purged;
END $$;
