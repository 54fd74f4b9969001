-- Keys first to last, so many for each project; several sessions do this at once.
\set ON_ERROR_STOP on
SET session_replication_role = replica;
-- Whatever columns there are: id and name are of key n, the others as in the pattern.
SELECT format($$
    INSERT INTO tarx_keys.project_llm_keys (%s, ciphertext)
    SELECT %s, bench.seal(decode(%L, 'hex'), %L, bench.key_value(k.n), k.project_id, %s)
      FROM (SELECT n, bench.uuid_of(0, n / %s) AS project_id, bench.uuid_of(1, n) AS id, 'key ' || n %% %6$s AS name
              FROM generate_series(%s::bigint, %s::bigint) n) k,
           bench.pattern t
    $$, string_agg(column_name, ', ' ORDER BY column_position), string_agg(source, ', ' ORDER BY column_position),
        :'master_key', min(purpose),
        string_agg(source, ', ' ORDER BY column_position) FILTER (WHERE use = 'bound' AND column_name <> 'project_id'),
        :'per_project', :'first', :'last')
  FROM (SELECT *, CASE WHEN column_name IN ('project_id', 'id', 'name') THEN 'k.' ELSE 't.' END || column_name AS source
          FROM tarx_keys_internal.sealed_columns() WHERE table_name = 'project_llm_keys' AND use <> 'sealed') c \gexec
