-- What C knows of the tables whose rows are sealed is what the catalogs have: see
-- src/tables/descriptions.h. Each query names what breaks its rule, so that none
-- may return a row.
CREATE EXTENSION tarx_keys;
\pset format unaligned
\pset tuples_only on

CREATE TEMP VIEW described AS
SELECT c.*, format('%I.%I', c.schema_name, c.table_name)::regclass AS relation FROM tarx_keys_internal.sealed_columns() c;
CREATE TEMP VIEW present AS
SELECT a.attrelid::regclass AS relation, a.attnum, a.attname, a.atttypid
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND c.relkind IN ('r', 'p')
   AND a.attnum > 0 AND NOT a.attisdropped;
SELECT table_position, table_name, seal, kind, counter FROM described GROUP BY 1, 2, 3, 4, 5 ORDER BY 1;

-- What a row's seal is bound to: whoever takes a column out of this lets table writers change it
SELECT table_name, string_agg(column_name, ' ' ORDER BY column_position) FILTER (WHERE use = 'bound')
  FROM described GROUP BY table_position, table_name ORDER BY table_position;

-- Whoever adds a column, or another table with something sealed, describes it
CREATE TEMP VIEW undescribed AS
SELECT p.relation, p.attname FROM present p
 WHERE p.relation IN (SELECT d.relation FROM described d)
   AND NOT EXISTS (SELECT FROM described d WHERE d.relation = p.relation AND d.column_name = p.attname)
UNION ALL
SELECT p.relation, p.attname FROM present p
 WHERE p.atttypid IN ('bytea'::regtype, 'bytea[]'::regtype) AND p.relation NOT IN (SELECT d.relation FROM described d);
SELECT 'not described', * FROM undescribed;
SELECT 'not there', d.relation, d.column_name, d.column_type FROM described d
 WHERE NOT EXISTS (SELECT FROM present p
                    WHERE p.relation = d.relation AND p.attname = d.column_name AND p.atttypid = d.column_type::regtype);

-- Each column is bound, or has what seals the row, or says why it is not bound
SELECT 'no reason', relation, column_name, reason FROM described
 WHERE use = 'unbound' AND coalesce(array_length(regexp_split_to_array(reason, '\s+'), 1), 0) < 5;
SELECT 'bound, but with a reason', relation, column_name FROM described WHERE use <> 'unbound' AND reason IS NOT NULL;
SELECT 'another use', relation, column_name, use FROM described WHERE use NOT IN ('bound', 'sealed', 'unbound');
SELECT 'not one column that seals', relation FROM described
 GROUP BY relation HAVING count(*) FILTER (WHERE use = 'sealed' AND column_type = 'bytea') <> 1;
-- else a row could take the place of another one
SELECT 'key that is not bound', relation, column_name FROM described WHERE is_key AND use <> 'bound';

-- Rows are found, and rotated, by the primary key
SELECT 'another primary key', s.table_name, s.key_columns, k.columns
  FROM (SELECT relation, table_name, array_agg(column_name ORDER BY column_position) FILTER (WHERE is_key) AS key_columns
          FROM described GROUP BY relation, table_name) s
  LEFT JOIN LATERAL (
       SELECT array_agg(a.attname::text ORDER BY n.position) AS columns
         FROM pg_constraint c CROSS JOIN unnest(c.conkey) WITH ORDINALITY n (attnum, position)
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = n.attnum
        WHERE c.conrelid = s.relation AND c.contype = 'p') k ON true
 WHERE s.key_columns IS DISTINCT FROM k.columns;
SELECT 'another key', t.table_name FROM tarx_keys_internal.sealed_tables() t
 WHERE t.key_columns IS DISTINCT FROM (SELECT array_agg(d.column_name ORDER BY d.column_position) FILTER (WHERE d.is_key)
                                         FROM described d WHERE d.table_name = t.table_name);

-- What keyring_status() counts and verify_keys() looks at, both ways
SELECT 'counter', counter, attname
  FROM (SELECT DISTINCT counter FROM described WHERE seal <> 'chain') d
  FULL JOIN (SELECT attname FROM pg_proc, unnest(proargnames, proallargtypes) AS a (attname, atttypid)
              WHERE oid = 'tarx_keys.keyring_status'::regproc AND atttypid = 'bigint'::regtype) p ON attname = counter
 WHERE counter IS NULL OR attname IS NULL;
SET ROLE tarx_keys_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_project('Project', 'aaaaaaaa-0000-4000-8000-000000000001');
SELECT tarx_keys.add_llm_key('aaaaaaaa-0000-4000-8000-000000000001', 'mistral', 'x', 'value-of-a-key') IS NOT NULL;
SELECT tarx_keys.set_secret('aaaaaaaa-0000-4000-8000-000000000001', 'X', 'value');
SELECT tarx_keys.set_secret('aaaaaaaa-0000-4000-8000-000000000001', 'X', 'value');
SELECT id IS NOT NULL FROM tarx_keys.create_platform_key('x');
SELECT tarx_keys.create_agent('aaaaaaaa-0000-4000-8000-000000000001', 'x') IS NOT NULL;
COMMIT;
RESET ROLE;
SELECT 'kind', d.kind, v.kind
  FROM (SELECT DISTINCT kind FROM described WHERE kind IS NOT NULL) d
  FULL JOIN (SELECT DISTINCT kind FROM tarx_keys.verify_keys()) v ON v.kind = d.kind
 WHERE v.kind IS NULL OR d.kind IS NULL;
SELECT 'not counted', table_name FROM tarx_keys.rotation_progress WHERE total = 0;

-- What is sealed as one kind must not open as another. Boxes have purposes of their own.
SELECT 'purpose of several kinds', purpose, string_agg(DISTINCT table_name, ' ') FROM described
 GROUP BY purpose HAVING count(DISTINCT coalesce(kind, table_name)) > 1;
SELECT 'purpose of a box', table_name, purpose FROM described WHERE purpose ~ '^tarx\.box-';

-- What is sealed stays out of pg_statistic
SELECT 'statistics of what is sealed', relation, column_name FROM described
  JOIN pg_attribute a ON a.attrelid = relation AND a.attname = column_name
 WHERE use = 'sealed' AND seal <> 'chain' AND coalesce(a.attstattarget, -1) <> 0;

-- Verification reads the rows of all projects
SELECT 'no policy for maintenance', d.relation FROM (SELECT DISTINCT relation FROM described) d
 WHERE NOT EXISTS (SELECT FROM pg_policy p
                    WHERE p.polrelid = d.relation AND p.polcmd IN ('r', '*') AND p.polroles = ARRAY['tarx_keys_owner'::regrole::oid]
                      AND pg_get_expr(p.polqual, p.polrelid) = 'tarx_keys_internal.in_maintenance()');

-- And this is how it would fail
BEGIN;
ALTER TABLE tarx_keys.project_llm_keys ADD COLUMN region text;
ALTER TABLE tarx_keys_internal.last_used ADD COLUMN stamp bytea;
ALTER TABLE tarx_keys.agents ADD COLUMN region text;
SELECT * FROM undescribed u ORDER BY u::text COLLATE "C";
ROLLBACK;

DROP VIEW undescribed, present, described;
DROP EXTENSION tarx_keys;
