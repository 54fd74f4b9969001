-- What to send to a provider. It is made from a key and what the provider's row had
-- when the key was added, so no client needs a table of providers of its own. These
-- functions open the key as resolve_key() does.

-- carries a value
CREATE FUNCTION tarx_keys.models_request(project_id uuid, key_id uuid)
RETURNS TABLE (method text, url text, headers jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'tarx_keys_models_request';
COMMENT ON FUNCTION tarx_keys.models_request IS
'For agent runners: the request that lists the models that a key can call; its headers carry the key. Two rows if the provider lists deployments separately: deployments first. No row if it lists none there. The URL is below the base URL that the key is bound to. Call it in FROM. Writes nothing. Errors: those of resolve_key().';

-- carries a value
CREATE FUNCTION tarx_keys.probe_request(project_id uuid, key_id uuid)
RETURNS TABLE (method text, url text, headers jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'tarx_keys_probe_request';
COMMENT ON FUNCTION tarx_keys.probe_request IS
'For agent runners: the request that tells whether a key works, and costs nothing; its headers carry the key. Send a POST with the body {}. A GET is answered with 2xx if the key works, and with 400, 401 or 403 if not; a POST with 2xx, 400 or 422 if it works, because of its body, and with 401 or 403 if not. 402 is a quota that is used up. Any other answer tells nothing. Call it in FROM. Writes nothing. Errors: those of resolve_key().';

-- carries a value
CREATE FUNCTION tarx_keys.chat_request_base(project_id uuid, key_id uuid, OUT base_url text, OUT headers jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_chat_request_base';
COMMENT ON FUNCTION tarx_keys.chat_request_base IS
'For agent runners: the base URL that the paths of calls with a key are appended to, without a slash at its end, and the headers that the calls need, which carry the key. Call it in FROM. Writes nothing. Errors: those of models_request().';
