-- Rotating the master key: rows that need another key than the active one are
-- sealed again, in batches that commit.

-- One batch of a part of a table: the next rows, in the order in which they are
-- stored, that need another master key.
--
-- Without waiting it takes ranges of blocks, which it shares with the other sessions
-- of the rotation, seals up to batch_size rows, and leaves out locked ones. With
-- waiting it looks at all blocks, chooses a row that opens, and then waits for the
-- lock of that, with no other row locked.
--
-- It always seals the newest version of a row. A row that does not open stays as it
-- is.
CREATE FUNCTION tarx_keys_internal.rotate_rows(
    table_name text, part oid, after bigint, batch_size integer, waiting boolean,
    OUT last bigint, OUT resealed bigint, OUT kept bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_rotate_rows';
COMMENT ON FUNCTION tarx_keys_internal.rotate_rows IS
'Internal. Seals the next rows of a part of a table with the active master key; returns where the last row is that it came to, NULL at the end, how many rows it sealed, and how many it left because they do not open. With waiting and from the beginning, it first waits for the transactions that have written to the part by then. Errors: 22023, 25006, 42501, TK005.';

CREATE FUNCTION tarx_keys_internal.join_rotation(total bigint[], due bigint[]) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_join_rotation';
COMMENT ON FUNCTION tarx_keys_internal.join_rotation IS
'Internal. Lets this session share the work with others, until it leaves, its transaction aborts, or it ends. The first one says how many sealed rows there are, and how many are to be sealed again, by table. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.leave_rotation() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_leave_rotation';
COMMENT ON FUNCTION tarx_keys_internal.leave_rotation IS 'Internal. Ends what join_rotation() has begun.';

CREATE FUNCTION tarx_keys_internal.running_rotation() RETURNS TABLE (table_position integer, total bigint, remaining bigint)
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_running_rotation';
COMMENT ON FUNCTION tarx_keys_internal.running_rotation IS
'Internal. How far the rotation of this database to the active master key is, from shared memory; no rows if none is running.';

-- How far the rotation is, by table and in its order

CREATE FUNCTION tarx_keys.count_rotated()
RETURNS TABLE (table_name text, total bigint, done bigint, remaining bigint, active_fingerprint text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    active CONSTANT text := (tarx_keys_internal.keyring_fingerprints())[1];
BEGIN
    RETURN QUERY
        SELECT n.table_name, r.total, r.total - r.remaining, r.remaining, active
          FROM tarx_keys_internal.running_rotation() r JOIN tarx_keys_internal.sealed_tables() n USING (table_position)
         ORDER BY table_position;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT n.table_name, coalesce(sum(s.count), 0)::bigint,
               coalesce(sum(s.count) FILTER (WHERE s.fingerprint = active), 0)::bigint,
               coalesce(sum(s.count) FILTER (WHERE s.fingerprint <> active), 0)::bigint,
               active
          FROM tarx_keys_internal.sealed_tables() n
          LEFT JOIN tarx_keys_internal.count_sealed() s USING (table_name)
         GROUP BY n.table_name, n.table_position
         ORDER BY n.table_position;
END
$$;
COMMENT ON FUNCTION tarx_keys.count_rotated IS
'For the DBA: what the view rotation_progress shows. Error: TK005, with what is wrong with the keyring.';

CREATE VIEW tarx_keys.rotation_progress WITH (security_invoker = true, security_barrier = true) AS
SELECT p.table_name, p.total, p.done, p.remaining, p.active_fingerprint
  FROM tarx_keys.count_rotated() p;
COMMENT ON VIEW tarx_keys.rotation_progress IS 'For the DBA: how many rows of each table need the active master key, and how many still need another. While a rotation is running, these are the numbers from its beginning, less what it has sealed; otherwise they are counted.';
COMMENT ON COLUMN tarx_keys.rotation_progress.remaining IS 'Rows that rotate_master_key() still has to seal, or could not seal';

CREATE FUNCTION tarx_keys_internal.begin_rotation(batch_size integer, OUT tables text[], OUT parts oid[], OUT total bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    all_rows bigint[];
    due_rows bigint[];
BEGIN
    PERFORM tarx_keys_internal.require_argument('batch_size', begin_rotation.batch_size);
    IF begin_rotation.batch_size < 1 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'batch_size',
            MESSAGE = 'batch_size must be at least 1',
            HINT = 'A batch is committed at once; leave batch_size out for 1000 rows.';
    END IF;
    SELECT array_agg(p.table_name), array_agg(p.part) INTO tables, parts FROM tarx_keys_internal.sealed_parts() p;
    SELECT array_agg(c.total), array_agg(c.remaining), sum(c.remaining) INTO all_rows, due_rows, total FROM tarx_keys.count_rotated() c;
    PERFORM tarx_keys_internal.join_rotation(all_rows, due_rows);
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.begin_rotation IS
'Internal. Checks the argument of rotate_master_key(), and joins a rotation; returns the parts of tables, and how many rows are to be sealed again. Errors: 22023, TK005.';

-- Reports once a second at most, and at the end of each table. Returns when it
-- last reported.
CREATE FUNCTION tarx_keys_internal.report_rotation(
    table_name text, resealed bigint, total bigint, started timestamptz, reported timestamptz, at_end boolean)
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    seconds float8 := greatest(extract(epoch FROM clock_timestamp() - report_rotation.started), 0.001);
BEGIN
    PERFORM tarx_keys_internal.require_argument('at_end', report_rotation.at_end);
    IF NOT report_rotation.at_end AND clock_timestamp() < report_rotation.reported + interval '1 s' THEN
        RETURN report_rotation.reported;
    END IF;
    RAISE NOTICE 'rotation: table %, % of % rows (% %%), % rows per second',
        report_rotation.table_name, report_rotation.resealed, report_rotation.total,
        coalesce(least(100, 100 * report_rotation.resealed / nullif(report_rotation.total, 0)), 100),
        round(report_rotation.resealed / seconds);
    RETURN clock_timestamp();
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.report_rotation IS 'Internal. Says how far a rotation is. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.warn_of_kept_rows(table_name text, kept bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF warn_of_kept_rows.kept > 0 THEN
        RAISE WARNING USING
            MESSAGE = format('rows of table %s that do not open were left as they are: %s', warn_of_kept_rows.table_name, warn_of_kept_rows.kept),
            HINT = CASE warn_of_kept_rows.table_name WHEN 'audit_ends'
                   THEN 'Call tarx_keys.verify_audit() and tarx_keys.verify_personal_audit() to find them.'
                   ELSE 'tarx_keys.verify_keys() tells which rows were tampered with, or lack their master key in the keyring.' END;
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.warn_of_kept_rows IS 'Internal. Warns of rows of a part of a table that a rotation could not seal again.';

-- It commits, so it can have neither SECURITY DEFINER nor SET. Therefore it leaves
-- all work to other functions, and names everything with its schema.
--
-- First it goes through all tables in batches that leave out locked rows. Then it
-- looks at each table again and seals, row by row, what is left: rows that were
-- locked, that an update has moved, or that were written with an older key and not
-- committed yet. It ends with a table when it has looked at all of it, in one
-- snapshot, and found nothing to seal. Whoever writes a row meanwhile seals it with
-- the active key, or leaves what is sealed in it. So nothing can come after that.
CREATE PROCEDURE tarx_keys.rotate_master_key(batch_size integer DEFAULT 1000)
LANGUAGE plpgsql
AS $$
DECLARE
    all_tables pg_catalog.text[];
    all_parts pg_catalog.oid[];
    to_do pg_catalog.int8;
    done pg_catalog.int8 := 0;
    started pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    reported pg_catalog.timestamptz := started;
    waits pg_catalog.bool;
    from_start pg_catalog.bool;
    position_reached pg_catalog.int8;
    changed pg_catalog.int8;
    changed_here pg_catalog.int8;
    kept pg_catalog.int8;
BEGIN
    COMMIT;                     -- fails in a transaction block, before anything is done
    SELECT b.tables, b.parts, b.total INTO all_tables, all_parts, to_do
      FROM tarx_keys_internal.begin_rotation(rotate_master_key.batch_size) b;
    FOREACH waits IN ARRAY ARRAY[false, true] LOOP
        FOR i IN 1 .. pg_catalog.cardinality(all_parts) LOOP
            position_reached := NULL;
            changed_here := 0;
            LOOP
                from_start := position_reached IS NULL;
                COMMIT;
                SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
                SELECT r.last, r.resealed, r.kept INTO position_reached, changed, kept
                  FROM tarx_keys_internal.rotate_rows(all_tables[i], all_parts[i], position_reached,
                      CASE WHEN waits THEN 1 ELSE rotate_master_key.batch_size END, waits) r;
                done := done OPERATOR(pg_catalog.+) changed;
                changed_here := changed_here OPERATOR(pg_catalog.+) changed;
                EXIT WHEN position_reached IS NULL AND (from_start OR NOT waits);
                reported := tarx_keys_internal.report_rotation(all_tables[i], done, to_do, started, reported, false);
            END LOOP;
            IF NOT waits OR changed_here OPERATOR(pg_catalog.>) 0 THEN
                reported := tarx_keys_internal.report_rotation(all_tables[i], done, to_do, started, reported, true);
            END IF;
            IF waits THEN
                PERFORM tarx_keys_internal.warn_of_kept_rows(all_tables[i], kept);
            END IF;
        END LOOP;
    END LOOP;
    PERFORM tarx_keys_internal.leave_rotation();
END
$$;
COMMENT ON PROCEDURE tarx_keys.rotate_master_key IS
'For the DBA: seals with the active master key all sealed rows that need another one, batch_size rows in a transaction. It can be cancelled and called again; several sessions at once share the work. Rows that do not open stay as they are, with a warning. Errors: 2D000 in a transaction block, 22023, TK005.';
