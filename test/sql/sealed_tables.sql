-- The descriptions of sealed tables, src/tables/descriptions.h, agree with the
-- tables as they are. Each query names what breaks its rule, so that none may
-- return a row; the two lists at the end are decisions to be made, not outputs to
-- be accepted.
CREATE EXTENSION tarx_keys;
\pset format unaligned
\pset tuples_only on

CREATE TEMP VIEW described AS
SELECT c.*, format('%I.%I', c.schema_name, c.table_name)::regclass AS relation
  FROM tarx_keys_internal.sealed_columns() c;
CREATE TEMP VIEW sealed AS
SELECT relation, seal, purpose, kind, counter,
       array_agg(column_name ORDER BY column_position) FILTER (WHERE is_key) AS key,
       min(column_name) FILTER (WHERE use = 'sealed') AS sealed_column
  FROM described GROUP BY relation, seal, purpose, kind, counter;
CREATE TEMP VIEW stored AS
SELECT c.oid::regclass AS relation, a.attname, a.atttypid, a.attstattarget
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND c.relkind IN ('r', 'p');
SELECT count(*) > 50 FROM described;

-- Every column of such a table is described, as what it is
SELECT 'described, but not there', relation, d.column_name, d.column_type FROM described d
 WHERE NOT EXISTS (SELECT FROM stored s
                    WHERE s.relation = d.relation AND s.attname = d.column_name AND s.atttypid = d.column_type::regtype);
SELECT 'neither bound nor declared unbound', relation, s.attname FROM stored s JOIN sealed USING (relation)
 WHERE NOT EXISTS (SELECT FROM described d WHERE d.relation = s.relation AND d.column_name = s.attname);
SELECT 'unbound without a reason, or bound with one', relation, column_name FROM described
 WHERE (use = 'unbound') <> (coalesce(reason, '') <> '');
SELECT 'not one sealed column', relation FROM described GROUP BY relation HAVING count(*) FILTER (WHERE use = 'sealed') <> 1;
SELECT 'key column that is not bound', relation, column_name FROM described WHERE is_key AND use <> 'bound';
SELECT 'another primary key', relation, key FROM sealed
 WHERE NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = relation AND i.indisprimary
                      AND key = ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
                                        FROM generate_series(1, i.indnkeyatts) n ORDER BY n));

-- A table may have sealed rows that nobody has described
SELECT 'bytes that no description knows', relation, attname FROM stored s
 WHERE atttypid = 'bytea'::regtype AND NOT EXISTS (SELECT FROM sealed t WHERE t.relation = s.relation);

-- What is sealed stays out of pg_statistic
SELECT 'statistics of what is sealed', relation, attname FROM stored s JOIN sealed USING (relation)
 WHERE seal <> 'chain' AND attname = sealed_column AND coalesce(attstattarget, -1) <> 0;

-- Verification reads and a rotation changes the rows of all projects
SELECT 'no policy for maintenance', relation FROM sealed
 WHERE NOT EXISTS (SELECT FROM pg_policy
                    WHERE polrelid = relation AND polcmd IN ('r', '*') AND polroles = ARRAY['tarx_keys_owner'::regrole::oid]
                      AND pg_get_expr(polqual, polrelid) = 'tarx_keys_internal.in_maintenance()');
SELECT 'no policy for rotation', relation FROM sealed
 WHERE seal <> 'chain'
   AND NOT EXISTS (SELECT FROM pg_policy
                    WHERE polrelid = relation AND polroles = ARRAY['tarx_keys_owner'::regrole::oid]
                      AND (polcmd, pg_get_expr(polqual, polrelid)) IN (('w', 'tarx_keys_internal.in_rotation()'),
                                                                       ('*', 'tarx_keys_internal.in_maintenance()')));
SELECT 'not counted', relation, counter FROM sealed
 WHERE seal <> 'chain'
   AND NOT EXISTS (SELECT FROM pg_proc WHERE oid = 'tarx_keys.keyring_status'::regproc AND counter = ANY (proargnames));

-- What one table seals must not open in another. Boxes have purposes of their own.
SELECT 'purpose of several tables', purpose, string_agg(relation::text, ' ' ORDER BY relation::text) FROM sealed
 WHERE kind IS DISTINCT FROM 'secret' OR purpose <> 'tarx.secret....1'
 GROUP BY purpose HAVING count(*) > 1;
SELECT 'purpose of a box', relation, purpose FROM sealed WHERE purpose ~ '^tarx\.box-';

SELECT relation, seal, purpose, kind, counter FROM sealed ORDER BY relation::text;
SELECT relation, column_name, reason FROM described WHERE use = 'unbound' ORDER BY relation::text, column_position;

DROP VIEW described, sealed, stored;
DROP EXTENSION tarx_keys;
