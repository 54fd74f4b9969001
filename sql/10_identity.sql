-- Who acts, and in which project.
--
-- The enter_ functions have no SET clause on purpose: what they set ends with
-- the settings level of the function that calls them.

CREATE FUNCTION tarx_keys.act_as(user_id text, project_id uuid DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_act_as';
COMMENT ON FUNCTION tarx_keys.act_as IS
'Makes user_id (1 to 200 characters, no control characters) the acting user until the transaction or savepoint ends, and project_id, if given, the active project. Errors: 42501 if the user is no member of that project or it does not exist, 22023 for a bad user id. Warns outside a transaction block.';

CREATE FUNCTION tarx_keys_internal.acting_user_id() RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_acting_user_id';
COMMENT ON FUNCTION tarx_keys_internal.acting_user_id IS
'The acting user, as current_user_id(). Used by row security. Error: TK007 without an acting user.';

CREATE FUNCTION tarx_keys.current_user_id() RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_current_user_id';
COMMENT ON FUNCTION tarx_keys.current_user_id IS
'The acting user of this transaction, or NULL if there is none.';

CREATE FUNCTION tarx_keys.current_project_id() RETURNS uuid
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_current_project_id';
COMMENT ON FUNCTION tarx_keys.current_project_id IS
'The active project of this transaction, or NULL if act_as() named none.';

CREATE FUNCTION tarx_keys_internal.visible_project_ids() RETURNS uuid[]
LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_visible_project_ids';
COMMENT ON FUNCTION tarx_keys_internal.visible_project_ids IS
'The projects whose rows the acting user may see: those it is a member of, or only the active one. Used by row security. Error: TK007 without an acting user.';

CREATE FUNCTION tarx_keys_internal.enter_as_member(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_as_member';
COMMENT ON FUNCTION tarx_keys_internal.enter_as_member IS
'Internal. Makes the project the active one for the calling function if the acting user is a member now.';

CREATE FUNCTION tarx_keys_internal.enter_as_admin(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_as_admin';
COMMENT ON FUNCTION tarx_keys_internal.enter_as_admin IS
'Internal. Makes the project the active one for the calling function if the acting user is an admin now.';

CREATE FUNCTION tarx_keys_internal.enter_new_project(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_new_project';
COMMENT ON FUNCTION tarx_keys_internal.enter_new_project IS
'Internal. Makes a project that is about to be created the active one for the calling function.';

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

CREATE FUNCTION tarx_keys_internal.enter_rotation() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_rotation';
COMMENT ON FUNCTION tarx_keys_internal.enter_rotation IS
'Internal. Lets the calling function read the rows of all projects, and change those that are sealed.';

CREATE FUNCTION tarx_keys_internal.in_rotation() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tarx_keys_in_rotation';
COMMENT ON FUNCTION tarx_keys_internal.in_rotation IS
'Internal. Whether a function that has called enter_rotation() is running.';

CREATE FUNCTION tarx_keys_internal.other_admin_exists(project_id uuid, user_id text) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_other_admin_exists';
COMMENT ON FUNCTION tarx_keys_internal.other_admin_exists IS
'Internal. Whether the project has an admin besides this user by now, whatever the transaction''s snapshot says.';

-- Checks of arguments

CREATE FUNCTION tarx_keys_internal.require_argument(name text, value anyelement) RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_require_argument';
COMMENT ON FUNCTION tarx_keys_internal.require_argument IS
'Internal. Error 22023 if value is NULL.';

CREATE FUNCTION tarx_keys_internal.require_name(argument text, name text) RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_require_name';
COMMENT ON FUNCTION tarx_keys_internal.require_name IS
'Internal. Error 22023 unless name is a valid name.';

CREATE FUNCTION tarx_keys_internal.require_user_id(user_id text) RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_require_user_id';
COMMENT ON FUNCTION tarx_keys_internal.require_user_id IS
'Internal. Error 22023 unless user_id is a valid user id.';

CREATE FUNCTION tarx_keys_internal.shown(value text) RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_shown';
COMMENT ON FUNCTION tarx_keys_internal.shown IS
'Internal. A stored text as a list may show it, whatever somebody has written into the table: at most 2499 bytes, and readable for every client.';
