-- Whether stored rows are what was written. No value is shown.

CREATE FUNCTION tarx_keys_internal.status_of(state integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 0 THEN 'ok' WHEN 1 THEN 'missing master key' ELSE 'tampered' END;
COMMENT ON FUNCTION tarx_keys_internal.status_of IS 'Internal. What users are told of a state of row_states().';

CREATE FUNCTION tarx_keys_internal.row_states(table_name text, ids uuid[], percent real, max_rows bigint)
RETURNS TABLE (project_id uuid, id uuid, name text, state integer)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100
AS 'MODULE_PATHNAME', 'tarx_keys_row_states';
COMMENT ON FUNCTION tarx_keys_internal.row_states IS
'Internal. The state of each row of a sealed table: 0 if it is what was written, 1 if its master key is missing, else 2. With ids, of the rows of these projects, or of these platform keys; else, with percent, of at most max_rows rows on so many per cent of the table''s pages; else of all rows. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.all_row_states(only_project uuid)
RETURNS TABLE (project_id uuid, kind text, id uuid, name text, state integer)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    -- without a keyring this is an error, even if there is no row
    PERFORM tarx_keys_internal.keyring_fingerprints();
    -- a secret has the worst state of its versions, because each can be restored
    RETURN QUERY
        WITH tables AS (
            SELECT s.table_name, s.kind, count(*) OVER (PARTITION BY s.kind) > 1 AS is_part
              FROM tarx_keys_internal.sealed_tables() s
             WHERE s.kind IS NOT NULL AND (only_project IS NULL OR 'project_id' = ANY (s.key_columns)))
        SELECT r.project_id, t.kind, r.id, r.name, r.state
          FROM tables t,
               tarx_keys_internal.row_states(t.table_name, CASE WHEN only_project IS NOT NULL THEN ARRAY[only_project] END, NULL, NULL) r
         WHERE NOT t.is_part
        UNION ALL
        SELECT r.project_id, t.kind, r.id, r.name, max(r.state)
          FROM tables t,
               tarx_keys_internal.row_states(t.table_name, CASE WHEN only_project IS NOT NULL THEN ARRAY[only_project] END, NULL, NULL) r
         WHERE t.is_part
         GROUP BY t.kind, r.project_id, r.id, r.name;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.all_row_states IS
'Internal. The result of verify_keys(), with the states of row_states(). Error: TK005.';

CREATE FUNCTION tarx_keys.verify_keys(project_id uuid DEFAULT NULL)
RETURNS TABLE (project_id uuid, kind text, id uuid, name text, status text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.project_id, r.kind, r.id, r.name,
           tarx_keys_internal.status_of(r.state)
      FROM tarx_keys_internal.all_row_states($1) r
$$;
COMMENT ON FUNCTION tarx_keys.verify_keys IS
'For the DBA: whether each sealed row is what was written, except for the audit log, which has verify_audit(): its status is ok, tampered or missing master key. With project_id, those of one project, without platform keys, which belong to none. A secret has the worst status of its versions; revoked platform keys are left out. Error: TK005, with what is wrong with the keyring.';
