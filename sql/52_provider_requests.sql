-- What to send to a provider. It is made from the provider's row and a key, so no
-- client needs a table of providers of its own. Both functions open the key as
-- resolve_key() does.

-- carries a value
CREATE FUNCTION tarx_keys.models_request(project_id uuid, key_id uuid)
RETURNS TABLE (method text, url text, headers jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'tarx_keys_models_request';
COMMENT ON FUNCTION tarx_keys.models_request IS
'For agent runners: the request that lists the models that a key can call; its headers carry the key. Two rows if the provider lists deployments separately: deployments first. The URL is below the base URL that the key is bound to. Call it in FROM. Writes nothing. Errors: those of resolve_key(), 42704 if the provider is not in providers any more.';

-- carries a value
CREATE FUNCTION tarx_keys.chat_request_base(project_id uuid, key_id uuid, OUT base_url text, OUT headers jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_chat_request_base';
COMMENT ON FUNCTION tarx_keys.chat_request_base IS
'For agent runners: the base URL that the paths of calls with a key are appended to, without a slash at its end, and the headers that the calls need, which carry the key. Call it in FROM. Writes nothing. Errors: those of models_request().';
