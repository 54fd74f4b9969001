-- What one project can have of each.

CREATE FUNCTION tarx_keys_internal.check_room(project_id uuid, table_name text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_check_project_room';
COMMENT ON FUNCTION tarx_keys_internal.check_room IS
'Internal. Error 54000 if the project, which has been entered, has more live rows in the table than tarx_keys.max_per_project allows. Called after a row was inserted.';
