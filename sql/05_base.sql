-- Checks of arguments, and texts that may be shown.

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

CREATE FUNCTION tarx_keys_internal.require_user_id(argument text, user_id text) RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_require_user_id';
COMMENT ON FUNCTION tarx_keys_internal.require_user_id IS
'Internal. Error 22023 unless user_id is a valid user id.';

CREATE FUNCTION tarx_keys_internal.shown(value text) RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_shown';
COMMENT ON FUNCTION tarx_keys_internal.shown IS
'Internal. A stored text as lists show it: at most 2499 bytes, and in characters that every client can read, whatever somebody has written into the table.';
