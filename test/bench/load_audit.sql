-- The audit log of the projects that keys first to last are of, with a row for each key.
-- The rows have another's stamps: they are as large as real ones, but do not verify.
\set ON_ERROR_STOP on
SELECT count(tarx_keys.begin_audit(bench.uuid_of(0, n / :per_project)))
  FROM generate_series(:first::bigint, :last::bigint) n WHERE n % :per_project = 0;
SET session_replication_role = replica;
SELECT format($$
    INSERT INTO tarx_keys.audit_log (project_id, seq, %1$s)
    SELECT bench.uuid_of(0, n / %2$s), 1000 + n %% %2$s, %1$s
      FROM generate_series(%3$s::bigint, %4$s::bigint) n,
           (SELECT * FROM tarx_keys.audit_log a WHERE a.project_id = bench.uuid_of(3, 0) ORDER BY a.seq DESC LIMIT 1) t
    $$, string_agg(quote_ident(attname), ', '), :'per_project', :'first', :'last')
  FROM pg_attribute
 WHERE attrelid = 'tarx_keys.audit_log'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('project_id', 'seq') \gexec
