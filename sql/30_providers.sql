-- The catalogue of LLM providers: what a client needs to know to call one.
--
-- All projects share it. The owner may add rows, and edit those that came with
-- the extension. Added and edited rows are the owner's own: they are dumped with
-- the database, and an update of the extension replaces only rows that still have
-- is_builtin.
--
-- No row can send a key anywhere but to the base URL that the key is bound to.
-- Paths are only appended to that URL. The constraints here keep paths below it,
-- and refuse headers that could make a proxy send the request elsewhere.

CREATE TABLE tarx_keys.providers (
    slug text COLLATE "C" PRIMARY KEY CHECK (slug ~ '^[a-z][a-z0-9_]{0,62}$'),
    label text COLLATE "C" NOT NULL,
    default_base_url text COLLATE "C",
    base_url_required boolean NOT NULL DEFAULT false,
    base_url_host_suffixes text[],
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
        CHECK (chat_base_path ~ '^(?!.*/(\.|%2[eE]){1,2}(/|$))(/(?!/)[!"$->@-\[\]-~]*)?$'),
    key_prefixes text[] NOT NULL DEFAULT '{}',
    is_builtin boolean NOT NULL DEFAULT false,
    -- a key either brings its own base URL or gets the provider's
    CHECK (base_url_required = (default_base_url IS NULL)),
    CHECK (default_base_url ~ '^https?://(?!/)[!"$->A-\[\]-~]+$' AND length(default_base_url) <= 2048)
);
COMMENT ON TABLE tarx_keys.providers IS 'LLM providers and how to call them';
COMMENT ON COLUMN tarx_keys.providers.slug IS 'The value of arguments called provider';
COMMENT ON COLUMN tarx_keys.providers.label IS 'Its name as people know it';
COMMENT ON COLUMN tarx_keys.providers.default_base_url IS 'Base URL of keys that bring none; stored with a key when it is added';
COMMENT ON COLUMN tarx_keys.providers.base_url_required IS 'True if a key must bring a base URL, false if it must not';
COMMENT ON COLUMN tarx_keys.providers.base_url_host_suffixes IS 'What the host of a base URL must end in; NULL for any';
COMMENT ON COLUMN tarx_keys.providers.auth_header IS 'HTTP header that carries the key';
COMMENT ON COLUMN tarx_keys.providers.auth_scheme IS 'What precedes the key in that header, with a space between; NULL for nothing';
COMMENT ON COLUMN tarx_keys.providers.extra_headers IS 'Further headers that every request needs';
COMMENT ON COLUMN tarx_keys.providers.models_path IS 'Where a GET lists the models, below the base URL';
COMMENT ON COLUMN tarx_keys.providers.deployments_path IS 'Where a GET lists deployments, below the base URL, if calls name these instead of models; else NULL';
COMMENT ON COLUMN tarx_keys.providers.chat_base_path IS 'Path below the base URL that paths of calls are appended to';
COMMENT ON COLUMN tarx_keys.providers.key_prefixes IS 'Public prefixes of its keys, which masks show in full; never used to refuse a key';
COMMENT ON COLUMN tarx_keys.providers.is_builtin IS 'True if the row is as it came with the extension';

-- A built-in row that is edited becomes the owner's. When a restore brings it
-- back, it replaces the row that CREATE EXTENSION made.
CREATE FUNCTION tarx_keys_internal.keep_own_provider() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
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

INSERT INTO tarx_keys.providers
    (slug, label, default_base_url, base_url_required, base_url_host_suffixes,
     auth_header, auth_scheme, extra_headers, models_path, deployments_path, chat_base_path, key_prefixes, is_builtin)
VALUES
    ('anthropic', 'Anthropic', 'https://api.anthropic.com', false, NULL,
     'x-api-key', NULL, '{"anthropic-version": "2023-06-01"}', '/v1/models?limit=1000', NULL, '',
     '{sk-ant-api03-,sk-ant-admin01-,sk-ant-}', true),
    ('openai', 'OpenAI', 'https://api.openai.com/v1', false, NULL,
     'Authorization', 'Bearer', '{}', '/models', NULL, '',
     '{sk-proj-,sk-svcacct-,sk-admin-,sk-}', true),
    ('google_ai', 'Google AI', 'https://generativelanguage.googleapis.com', false, NULL,
     'x-goog-api-key', NULL, '{}', '/v1beta/models?pageSize=1000', NULL, '',
     '{AIza,AQ.}', true),
    ('mistral', 'Mistral', 'https://api.mistral.ai/v1', false, NULL,
     'Authorization', 'Bearer', '{}', '/models', NULL, '',
     '{}', true),
    ('huggingface', 'Hugging Face', 'https://router.huggingface.co/v1', false, NULL,
     'Authorization', 'Bearer', '{}', '/models', NULL, '',
     '{hf_}', true),
    ('azure_ai_foundry', 'Azure AI Foundry', NULL, true,
     '{.openai.azure.com,.services.ai.azure.com,.cognitiveservices.azure.com}',
     'api-key', NULL, '{}', '/openai/v1/models', '/openai/deployments?api-version=2022-12-01', '/openai/v1',
     '{}', true),
    ('openai_compatible', 'OpenAI-compatible', NULL, true, NULL,
     'Authorization', 'Bearer', '{}', '/models', NULL, '',
     '{gsk_}', true);

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.providers', 'WHERE NOT is_builtin');
