-- Checks of arguments, texts that may be shown, and how people sort them.

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

-- Names are stored, compared and indexed by their bytes, COLLATE "C": that is the same on
-- every server, and an index outlives an update of ICU. People sort otherwise: Gemini comes
-- before GPT, and Key 9 before Key 10. So lists for people say how they are sorted, and nothing
-- that is stored hangs on it. It is the root of Unicode's order, no one language's. Two
-- names are equal only if their bytes are, so (name, id) stays an order that pages can go
-- on in. Without ICU, or in an encoding that ICU does not have, this is the order of the bytes.
DO $$
BEGIN
    CREATE COLLATION tarx_keys.people (provider = icu, locale = 'und-u-kn-true');
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value OR undefined_object THEN
    CREATE COLLATION tarx_keys.people FROM pg_catalog."C";
END
$$;
COMMENT ON COLLATION tarx_keys.people IS 'How people sort names: whatever their case, and numbers by what they are. For ORDER BY';
