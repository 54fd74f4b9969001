-- Who acts, and in which project.
--
-- The enter_ functions have no SET clause on purpose. With one, what they set
-- would end when they return; without one, it ends when their caller returns.

CREATE FUNCTION tarx_keys.current_user_id() RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_current_user_id';
COMMENT ON FUNCTION tarx_keys.current_user_id IS
'The acting user of this transaction, or NULL if there is none.';

CREATE FUNCTION tarx_keys.current_project_id() RETURNS uuid
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_current_project_id';
COMMENT ON FUNCTION tarx_keys.current_project_id IS
'The active project of this transaction, or NULL if there is none.';

CREATE FUNCTION tarx_keys_internal.enter_maintenance() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_maintenance';
COMMENT ON FUNCTION tarx_keys_internal.enter_maintenance IS
'Internal. Lets the calling function read the rows of all projects.';

CREATE FUNCTION tarx_keys_internal.in_maintenance() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_in_maintenance';
COMMENT ON FUNCTION tarx_keys_internal.in_maintenance IS
'Internal. Whether a function that has called enter_maintenance() is running.';
