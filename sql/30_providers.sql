-- The catalogue of LLM providers: what a client needs to know to call one.
--
-- All projects share it. The owner may add rows, and edit those that came with
-- the extension. Added and edited rows are the owner's own: they are dumped with
-- the database, and an update of the extension replaces only rows that still have
-- is_builtin.
--
-- No row can send a key anywhere but to the base URL that the key is bound to.
-- Paths are only appended to that URL. The constraints here keep paths below it,
-- and refuse headers that could make a proxy send the request elsewhere. What a
-- row knows of base URLs is used once, when a key is added: the path of the URL
-- that an admin has passed is cut, its host never changes.

CREATE TABLE tarx_keys.providers (
    slug text COLLATE "C" PRIMARY KEY CHECK (slug ~ '^[a-z][a-z0-9_]{0,62}$'),
    label text COLLATE "C" NOT NULL,
    default_base_url text COLLATE "C",
    base_url_required boolean NOT NULL DEFAULT false,
    base_url_allowed boolean NOT NULL DEFAULT false,
    base_url_host_suffixes text[] CHECK (
        pg_catalog.array_position(base_url_host_suffixes, NULL) IS NULL
        AND pg_catalog.array_to_string(base_url_host_suffixes, ' ') ~ '^((\.[-A-Za-z0-9]+)+( (\.[-A-Za-z0-9]+)+)*)?$'),
    base_url_path text COLLATE "C" NOT NULL DEFAULT ''
        CHECK (base_url_path ~ '^(?!.*/\.{1,2}(/|$))(/[-._~A-Za-z0-9]+)*$' AND length(base_url_path) <= 200),
    base_url_any_path_suffixes text[] CHECK (
        pg_catalog.array_position(base_url_any_path_suffixes, NULL) IS NULL
        AND pg_catalog.array_to_string(base_url_any_path_suffixes, ' ') ~ '^((\.[-A-Za-z0-9]+)+( (\.[-A-Za-z0-9]+)+)*)?$'),
    base_url_tails text[] NOT NULL DEFAULT '{/chat/completions,/completions,/responses,/embeddings,/messages,/models}' CHECK (
        pg_catalog.array_position(base_url_tails, NULL) IS NULL
        AND pg_catalog.array_to_string(base_url_tails, ' ') ~ '^((/(\*|[-._~:A-Za-z0-9]+))+( (/(\*|[-._~:A-Za-z0-9]+))+)*)?$'),
    base_url_paths text[] NOT NULL DEFAULT '{}' CHECK (
        pg_catalog.array_position(base_url_paths, NULL) IS NULL
        AND pg_catalog.array_to_string(base_url_paths, ' ') ~ '^((/(\*|[-._~:A-Za-z0-9]+))+( (/(\*|[-._~:A-Za-z0-9]+))+)*)?$'),
    auth_header text COLLATE "C" NOT NULL DEFAULT 'Authorization' CHECK (
        auth_header ~ '^[-!#$%&''*+.^_`|~0-9A-Za-z]+$'
        AND auth_header !~* '^(host|forwarded|x-forwarded-.*|x-host|x-original-(host|url)|x-rewrite-url|x-http-host-override|connection|upgrade|te|trailer|content-length|transfer-encoding|proxy-.*)$'),
    auth_scheme text COLLATE "C" CHECK (auth_scheme ~ '^[-!#$%&''*+.^_`|~0-9A-Za-z]+$'),
    extra_headers jsonb NOT NULL DEFAULT '{}' CHECK (
        pg_catalog.jsonb_typeof(extra_headers) = 'object'
        AND NOT pg_catalog.jsonb_path_exists(extra_headers,
            '$.keyvalue() ? (@.value.type() != "string" || !(@.value like_regex "^[ -~]*$")
                || !(@.key like_regex "^[-!#$%&''*+.^_`|~0-9A-Za-z]+$")
                || @.key like_regex "^(host|forwarded|x-forwarded-.*|x-host|x-original-(host|url)|x-rewrite-url|x-http-host-override|connection|upgrade|te|trailer|content-length|transfer-encoding|proxy-.*)$" flag "i")')),
    models_path text COLLATE "C" NOT NULL CHECK (models_path ~ '^(?!.*/(\.|%2[eE]){1,2}([/?]|$))(/(?!/)|\?)[!"$-\[\]-~]*$'),
    deployments_path text COLLATE "C" CHECK (deployments_path ~ '^(?!.*/(\.|%2[eE]){1,2}([/?]|$))(/(?!/)|\?)[!"$-\[\]-~]*$'),
    chat_base_path text COLLATE "C" NOT NULL DEFAULT ''
        CHECK (chat_base_path ~ '^(?!.*/(\.|%2[eE]){1,2}(/|$))(/(?!/)[!"$->@-\[\]-~]*)?(?<!/)$'),
    model_path text COLLATE "C",
    probe_method text COLLATE "C",
    probe_path text COLLATE "C",
    key_prefixes text[] NOT NULL DEFAULT '{}',
    is_builtin boolean NOT NULL DEFAULT false,
    -- a key either brings its own base URL or gets the provider's
    CHECK (base_url_required = (default_base_url IS NULL)),
    CHECK (base_url_allowed OR NOT base_url_required),
    -- without a slash at its end, as the base URLs that keys bring
    CHECK (default_base_url ~ '^https?://(?!/)[!"$->A-\[\]-~]+(?<!/)$' AND length(default_base_url) <= 2048)
);
COMMENT ON TABLE tarx_keys.providers IS 'LLM providers and how to call them';
COMMENT ON COLUMN tarx_keys.providers.slug IS 'The value of arguments called provider';
COMMENT ON COLUMN tarx_keys.providers.label IS 'Its name as people know it';
COMMENT ON COLUMN tarx_keys.providers.default_base_url IS 'Base URL of keys that bring none; stored with a key when it is added';
COMMENT ON COLUMN tarx_keys.providers.base_url_required IS 'True if a key must bring a base URL';
COMMENT ON COLUMN tarx_keys.providers.base_url_allowed IS 'True if a key may bring a base URL; always true where it must';
COMMENT ON COLUMN tarx_keys.providers.base_url_host_suffixes IS 'What the host of a base URL must end in, if it is not the host of the default; NULL for any';
COMMENT ON COLUMN tarx_keys.providers.base_url_path IS 'The path that a base URL gets if it has none, or none but what is cut off';
COMMENT ON COLUMN tarx_keys.providers.base_url_any_path_suffixes IS 'What a host ends in behind which any other path stays; NULL for any host. Elsewhere a path that is not known is refused';
COMMENT ON COLUMN tarx_keys.providers.base_url_tails IS 'Ends of paths, as of calls, that are cut off a base URL; * is any one segment';
COMMENT ON COLUMN tarx_keys.providers.base_url_paths IS 'Whole paths, as portals show them, that are cut off a base URL where not any path stays; * is any one segment';
COMMENT ON COLUMN tarx_keys.providers.auth_header IS 'HTTP header that carries the key';
COMMENT ON COLUMN tarx_keys.providers.auth_scheme IS 'What precedes the key in that header, with a space between; NULL for nothing';
COMMENT ON COLUMN tarx_keys.providers.extra_headers IS 'Further headers that every request needs';
COMMENT ON COLUMN tarx_keys.providers.models_path IS 'Where a GET lists the models, below the base URL';
COMMENT ON COLUMN tarx_keys.providers.deployments_path IS 'Where a GET lists deployments, below the base URL, if calls name these instead of models; else NULL';
COMMENT ON COLUMN tarx_keys.providers.chat_base_path IS 'Path below the base URL that paths of calls are appended to';
COMMENT ON COLUMN tarx_keys.providers.key_prefixes IS 'Public prefixes of its keys. Masks show them in full; a key with a longer one of another provider is refused, if it goes to the vendor''s own endpoint';
COMMENT ON COLUMN tarx_keys.providers.is_builtin IS 'True if the row is as it came with the extension';

-- A built-in row that is edited becomes the owner's. When a restore brings it
-- back, it replaces the row that CREATE EXTENSION made. A base URL that is
-- required is allowed as well.
CREATE FUNCTION tarx_keys_internal.keep_own_provider() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.base_url_allowed := NEW.base_url_allowed OR NEW.base_url_required;
    IF TG_OP = 'UPDATE' THEN
        NEW.is_builtin := false;
    ELSIF NOT NEW.is_builtin THEN
        DELETE FROM tarx_keys.providers p WHERE p.slug = NEW.slug AND p.is_builtin;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.keep_own_provider IS
'Internal. Makes an edited row of providers the owner''s, and lets a row of the owner''s replace a built-in one.';
CREATE TRIGGER keep_own_provider BEFORE INSERT OR UPDATE ON tarx_keys.providers
    FOR EACH ROW EXECUTE FUNCTION tarx_keys_internal.keep_own_provider();
-- A parallel restore runs with session_replication_role = replica.
ALTER TABLE tarx_keys.providers ENABLE ALWAYS TRIGGER keep_own_provider;

-- Base URLs are for who has an endpoint of one's own at the vendor, regional or
-- dedicated, or a gateway in front of it. What portals and documentation show
-- behind the host is cut off.
INSERT INTO tarx_keys.providers
    (slug, label, default_base_url, base_url_required, base_url_allowed, base_url_host_suffixes,
     base_url_path, base_url_any_path_suffixes, base_url_tails, base_url_paths,
     auth_header, auth_scheme, extra_headers, models_path, deployments_path, chat_base_path, key_prefixes, is_builtin)
VALUES
    -- gateways have hosts and paths of their own
    ('anthropic', 'Anthropic', 'https://api.anthropic.com', false, true, NULL,
     '', NULL, '{/v1/messages,/v1/messages/count_tokens,/v1/messages/batches,/v1/complete,/v1/models,/v1,/messages,/models}', '{}',
     'x-api-key', NULL, '{"anthropic-version": "2023-06-01"}', '/v1/models?limit=1000', NULL, '',
     '{sk-ant-api03-,sk-ant-admin01-,sk-ant-}', true),
    ('openai', 'OpenAI', 'https://api.openai.com/v1', false, true, '{.api.openai.com}',
     '/v1', '{}', '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/images/generations,/images/edits,/audio/speech,/audio/transcriptions,/audio/translations,/moderations,/realtime,/files,/batches}', '{}',
     'Authorization', 'Bearer', '{}', '/models', NULL, '',
     '{sk-proj-,sk-svcacct-,sk-admin-,sk-}', true),
    ('google_ai', 'Google AI', 'https://generativelanguage.googleapis.com', false, false, NULL,
     '', NULL, '{}', '{}',
     'x-goog-api-key', NULL, '{}', '/v1beta/models?pageSize=1000', NULL, '',
     '{AIza,AQ.}', true),
    ('mistral', 'Mistral', 'https://api.mistral.ai/v1', false, true, '{.mistral.ai}',
     '/v1', '{}', '{/chat/completions,/fim/completions,/agents/completions,/completions,/responses,/embeddings,/messages,/models,/moderations,/ocr,/files}', '{}',
     'Authorization', 'Bearer', '{}', '/models', NULL, '',
     '{}', true),
    -- the router has a path for each company behind it
    ('huggingface', 'Hugging Face', 'https://router.huggingface.co/v1', false, true, '{.endpoints.huggingface.cloud}',
     '/v1', '{.huggingface.co}', DEFAULT, '{}',
     'Authorization', 'Bearer', '{}', '/models', NULL, '',
     '{hf_}', true),
    -- behind API Management, APIs live below paths of their own
    ('azure_ai_foundry', 'Azure AI Foundry', NULL, true, true,
     '{.openai.azure.com,.services.ai.azure.com,.cognitiveservices.azure.com,.openai.azure.us,.services.ai.azure.us,.cognitiveservices.azure.us,.openai.azure.cn,.services.ai.azure.cn,.cognitiveservices.azure.cn,.azure-api.net,.azure-api.us,.azure-api.cn,.api.cognitive.microsoft.com,.api.cognitive.microsoft.us,.api.cognitive.azure.cn}',
     '', '{.azure-api.net,.azure-api.us,.azure-api.cn}',
     '{/openai/v1,/openai/v1/*,/openai/v1/*/*,/openai/deployments/*,/openai/deployments/*/*,/openai/deployments/*/*/*,/chat/completions,/completions,/responses,/embeddings,/messages,/models}',
     '{/openai,/openai/deployments,/openai/realtime,/openai/assistants,/openai/threads,/openai/files,/openai/batches,/openai/images/generations,/api,/api/projects,/api/projects/*,/api/projects/*/openai,/anthropic,/anthropic/v1}',
     'api-key', NULL, '{}', '/openai/v1/models', '/openai/deployments?api-version=2022-12-01', '/openai/v1',
     '{}', true),
    ('openai_compatible', 'OpenAI-compatible', NULL, true, true, NULL,
     '', NULL, '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/images/generations,/audio/speech,/audio/transcriptions,/audio/translations,/moderations}', '{}',
     'Authorization', 'Bearer', '{}', '/models', NULL, '',
     '{gsk_,xai-,pplx-,csk-,fw_,sk-or-v1-}', true);

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.providers', 'WHERE NOT is_builtin');
