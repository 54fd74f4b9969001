-- Rotating the master key: rows that need another key than the active one are
-- sealed again, in batches that commit.

CREATE FUNCTION tarx_keys_internal.reseal(table_name text, VARIADIC columns "any") RETURNS bytea
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'tarx_keys_reseal';
COMMENT ON FUNCTION tarx_keys_internal.reseal IS
'Internal. The envelope or stamp of a row of a sealed table under the active master key; NULL if the row does not open. columns are all columns of the table, in the order of sealed_columns(). Errors: 22023, TK005.';

-- One batch of a table: the next rows, after those up to a key, that need another
-- master key.
--
-- Without waiting it seals a batch. It keeps the rows locked, so it waits for
-- another lock for 10 ms at most; after that it starts over and leaves out locked
-- rows. With waiting it seals a single row. It first chooses one that opens, and
-- then waits for the lock of that, with no other row locked.
--
-- It always seals the newest version of a row. If somebody has changed the row
-- since the statement began, PostgreSQL evaluates an UPDATE again; in a query that
-- locks rows, it evaluates again the part that locks them. A row that does not
-- open is written as it was.
--
-- The settings make it go through the primary key. With its statistics the
-- planner would read the whole table for each batch.
CREATE FUNCTION tarx_keys_internal.rotate_rows(
    table_name text, after text[], batch_size integer, waiting boolean,
    OUT last text[], OUT resealed bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $rotate$
DECLARE
    active text := (tarx_keys_internal.keyring_fingerprints())[1];
    t record;
    batch_last text[];
BEGIN
    PERFORM tarx_keys_internal.enter_rotation();
    SELECT s.schema_name, s.sealed_column AS sealed, array_to_string(s.key_columns, ', ') AS key,
           format('reseal(%L, %s)', s.table_name, array_to_string(s.column_names, ', ')) AS resealing,
           -- the key that a parameter gives as text[]; replace() makes it another parameter
           (SELECT string_agg(format('$1[%s]::%s', n, s.key_types[n]), ', ' ORDER BY n)
              FROM generate_subscripts(s.key_types, 1) n) AS position,
           't.' || array_to_string(s.key_columns, ', t.') AS table_key, 'r.' || array_to_string(s.key_columns, ', r.') AS row_key,
           array_to_string(s.key_columns, ' DESC, ') || ' DESC' AS backwards,
           'ARRAY[' || array_to_string(s.key_columns, '::text, ') || '::text]' AS key_array, NULL::text AS behind,
           -- a longer key was never sealed, and could be too long to be given
           (SELECT string_agg(CASE s.key_types[n] WHEN 'text' THEN format('octet_length(%I) <= 8192', s.key_columns[n])
                                   ELSE format('%I IS NOT NULL', s.key_columns[n]) END, ' AND ' ORDER BY n)
              FROM generate_subscripts(s.key_types, 1) n) AS is_key
      INTO STRICT t
      FROM tarx_keys_internal.sealed_tables() s
     WHERE s.table_name = rotate_rows.table_name;
    t.behind := CASE WHEN rotate_rows.after IS NULL THEN '$1::text[] IS NULL' ELSE format('(%s) > (%s)', t.key, t.position) END
        || ' AND ' || t.is_key;

    IF NOT rotate_rows.waiting THEN
        EXECUTE format($$
            SELECT %s FROM (
                SELECT %s FROM %I.%I
                 WHERE %s AND tarx_keys_internal.fingerprint_of(%I) <> $2
                 ORDER BY %s LIMIT $3) l
             ORDER BY %s LIMIT 1
            $$, t.key_array, t.key, t.schema_name, rotate_rows.table_name, t.behind, t.sealed, t.key, t.backwards)
            INTO last USING rotate_rows.after, active, rotate_rows.batch_size;
        IF last IS NULL THEN
            RETURN;
        END IF;
        BEGIN
            PERFORM set_config('lock_timeout', '10ms', true);
            EXECUTE format($$
                WITH changed AS (
                    UPDATE %I.%I SET %I = coalesce(tarx_keys_internal.%s, %I)
                     WHERE %s AND (%s) <= (%s) AND tarx_keys_internal.fingerprint_of(%I) <> $2
                    RETURNING tarx_keys_internal.fingerprint_of(%I) = $2 AS is_active)
                SELECT count(*) FILTER (WHERE is_active) FROM changed
                $$, t.schema_name, rotate_rows.table_name, t.sealed, t.resealing, t.sealed,
                    t.behind, t.key, replace(t.position, '$1', '$3'), t.sealed, t.sealed)
                INTO resealed USING rotate_rows.after, active, last;
            RETURN;
        EXCEPTION
            WHEN lock_not_available THEN
                last := NULL;
        END;
    ELSE
        EXECUTE format($$
            SELECT %s FROM %I.%I
             WHERE %s AND tarx_keys_internal.fingerprint_of(%I) <> $2 AND tarx_keys_internal.%s IS NOT NULL
             ORDER BY %s LIMIT 1
            $$, t.key_array, t.schema_name, rotate_rows.table_name, t.behind, t.sealed, t.resealing, t.key)
            INTO last USING rotate_rows.after, active;
        IF last IS NULL THEN
            RETURN;
        END IF;
    END IF;

    EXECUTE format($$
        WITH batch AS (
            SELECT * FROM %I.%I
             WHERE %s AND tarx_keys_internal.fingerprint_of(%I) <> $2
             ORDER BY %s LIMIT $3 FOR NO KEY UPDATE %s),
        resealed AS (
            SELECT %s, tarx_keys_internal.%s AS sealed FROM batch),
        changed AS (
            UPDATE %I.%I t SET %I = r.sealed FROM resealed r
             WHERE (%s) = (%s) AND r.sealed IS NOT NULL
            RETURNING 1)
        SELECT (SELECT %s FROM (SELECT * FROM batch ORDER BY %s LIMIT 1) l), (SELECT count(*) FROM changed)
        $$, t.schema_name, rotate_rows.table_name,
            CASE WHEN rotate_rows.waiting THEN format('(%s) = (%s)', t.key, t.position) ELSE t.behind END, t.sealed,
            t.key, CASE WHEN rotate_rows.waiting THEN '' ELSE 'SKIP LOCKED' END,
            t.key, t.resealing,
            t.schema_name, rotate_rows.table_name, t.sealed, t.table_key, t.row_key,
            t.key_array, t.backwards)
        INTO batch_last, resealed USING coalesce(last, rotate_rows.after), active, rotate_rows.batch_size;
    last := coalesce(last, batch_last);
END
$rotate$;
COMMENT ON FUNCTION tarx_keys_internal.rotate_rows IS
'Internal. Seals the next rows of a table with the active master key; returns the key of the last row that it came to, NULL at the end, and how many rows it sealed. Error: TK005.';

-- How far the rotation is, by table and in its order

CREATE FUNCTION tarx_keys.count_rotated()
RETURNS TABLE (table_name text, total bigint, done bigint, remaining bigint, active_fingerprint text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT table_name, coalesce(sum(s.count), 0)::bigint,
           coalesce(sum(s.count) FILTER (WHERE s.fingerprint = a.fingerprint), 0)::bigint,
           coalesce(sum(s.count) FILTER (WHERE s.fingerprint <> a.fingerprint), 0)::bigint,
           a.fingerprint
      FROM (SELECT (tarx_keys_internal.keyring_fingerprints())[1] AS fingerprint) a
     CROSS JOIN tarx_keys_internal.sealed_tables() n
      LEFT JOIN tarx_keys_internal.count_sealed() s USING (table_name)
     GROUP BY table_name, n.table_position, a.fingerprint
     ORDER BY n.table_position
$$;
COMMENT ON FUNCTION tarx_keys.count_rotated IS
'For the DBA: what the view rotation_progress shows. Error: TK005, with what is wrong with the keyring.';

CREATE VIEW tarx_keys.rotation_progress WITH (security_invoker = true, security_barrier = true) AS
SELECT p.table_name, p.total, p.done, p.remaining, p.active_fingerprint
  FROM tarx_keys.count_rotated() p;
COMMENT ON VIEW tarx_keys.rotation_progress IS 'For the DBA: how many rows of each table need the active master key, and how many still need another';
COMMENT ON COLUMN tarx_keys.rotation_progress.remaining IS 'Rows that rotate_master_key() still has to seal, or could not seal';

CREATE FUNCTION tarx_keys_internal.begin_rotation(batch_size integer, OUT tables text[], OUT total bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.require_argument('batch_size', begin_rotation.batch_size);
    IF begin_rotation.batch_size < 1 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'batch_size',
            MESSAGE = 'batch_size must be at least 1',
            HINT = 'A batch is committed at once; leave batch_size out for 1000 rows.';
    END IF;
    SELECT array_agg(p.table_name), sum(p.remaining) INTO tables, total FROM tarx_keys.count_rotated() p;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.begin_rotation IS
'Internal. Checks the argument of rotate_master_key(); returns the tables, and how many rows are to be sealed again. Errors: 22023, TK005.';

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

CREATE FUNCTION tarx_keys_internal.warn_of_kept_rows() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept record;
BEGIN
    FOR kept IN SELECT p.table_name, p.remaining FROM tarx_keys.count_rotated() p WHERE p.remaining > 0 LOOP
        RAISE WARNING USING
            MESSAGE = format('rows of table %s that do not open were left as they are: %s', kept.table_name, kept.remaining),
            HINT = CASE kept.table_name WHEN 'audit_ends'
                   THEN 'Call tarx_keys.verify_audit() and tarx_keys.verify_personal_audit() to find them.'
                   ELSE 'tarx_keys.verify_keys() tells which rows were tampered with, or lack their master key in the keyring.' END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.warn_of_kept_rows IS 'Internal. Warns of rows that a rotation could not seal again. Error: TK005.';

-- It commits, so it can have neither SECURITY DEFINER nor SET. Therefore it leaves
-- all work to other functions, and names everything with its schema. It goes
-- through each table twice: in batches that leave out locked rows, and then row by
-- row through what is left.
CREATE PROCEDURE tarx_keys.rotate_master_key(batch_size integer DEFAULT 1000)
LANGUAGE plpgsql
AS $$
DECLARE
    all_tables pg_catalog.text[];
    this_table pg_catalog.text;
    to_do pg_catalog.int8;
    done pg_catalog.int8 := 0;
    started pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    reported pg_catalog.timestamptz := started;
    wait pg_catalog.bool;
    position_reached pg_catalog.text[];
    changed pg_catalog.int8;
BEGIN
    COMMIT;                     -- fails in a transaction block, before anything is done
    SELECT b.tables, b.total INTO all_tables, to_do
      FROM tarx_keys_internal.begin_rotation(rotate_master_key.batch_size) b;
    FOREACH this_table IN ARRAY all_tables LOOP
        FOREACH wait IN ARRAY ARRAY[false, true] LOOP
            position_reached := NULL;
            LOOP
                COMMIT;
                SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
                SELECT r.last, r.resealed INTO position_reached, changed
                  FROM tarx_keys_internal.rotate_rows(this_table, position_reached, rotate_master_key.batch_size, wait) r;
                EXIT WHEN position_reached IS NULL;
                done := done OPERATOR(pg_catalog.+) changed;
                reported := tarx_keys_internal.report_rotation(this_table, done, to_do, started, reported, false);
            END LOOP;
        END LOOP;
        reported := tarx_keys_internal.report_rotation(this_table, done, to_do, started, reported, true);
    END LOOP;
    PERFORM tarx_keys_internal.warn_of_kept_rows();
END
$$;
COMMENT ON PROCEDURE tarx_keys.rotate_master_key IS
'For the DBA: seals with the active master key all sealed rows that need another one, batch_size rows in a transaction. It can be cancelled and called again, also by several sessions at once. Rows that do not open stay as they are, with a warning. Errors: 2D000 in a transaction block, 22023, TK005.';
