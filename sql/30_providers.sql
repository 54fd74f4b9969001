-- The catalogue of LLM providers: what a client needs to know to call one.
--
-- A shared look-up, the same for all projects. The owner may add rows; rows of
-- its own are dumped with the database.

CREATE TABLE tarx_keys.providers (
    slug text COLLATE "C" PRIMARY KEY CHECK (slug ~ '^[a-z][a-z0-9_]{0,62}$'),
    label text COLLATE "C" NOT NULL,
    default_base_url text COLLATE "C",
    base_url_required boolean NOT NULL DEFAULT false,
    base_url_host_suffixes text[],
    auth_header text COLLATE "C" NOT NULL DEFAULT 'Authorization',
    auth_scheme text COLLATE "C",
    extra_headers jsonb NOT NULL DEFAULT '{}',
    models_path text COLLATE "C" NOT NULL,
    key_prefixes text[] NOT NULL DEFAULT '{}',
    is_builtin boolean NOT NULL DEFAULT false,
    -- a key either brings its own base URL or gets the provider's
    CHECK (base_url_required = (default_base_url IS NULL)),
    CHECK (default_base_url ~ '^https?://[^/?#@]+(/[^?#@]*)?$' AND length(default_base_url) <= 2048)
);
REVOKE ALL ON tarx_keys.providers FROM PUBLIC;
COMMENT ON TABLE tarx_keys.providers IS 'LLM providers and how to call them';
COMMENT ON COLUMN tarx_keys.providers.slug IS 'What provider arguments name it by';
COMMENT ON COLUMN tarx_keys.providers.label IS 'Its name as people know it';
COMMENT ON COLUMN tarx_keys.providers.default_base_url IS 'Base URL of keys that bring none; fixed in a key when it is added';
COMMENT ON COLUMN tarx_keys.providers.base_url_required IS 'Whether a key must bring a base URL; otherwise it must not';
COMMENT ON COLUMN tarx_keys.providers.base_url_host_suffixes IS 'What the host of a base URL must end in; NULL for any';
COMMENT ON COLUMN tarx_keys.providers.auth_header IS 'HTTP header that carries the key';
COMMENT ON COLUMN tarx_keys.providers.auth_scheme IS 'What precedes the key in that header, with a space between; NULL for nothing';
COMMENT ON COLUMN tarx_keys.providers.extra_headers IS 'Further headers that every request needs';
COMMENT ON COLUMN tarx_keys.providers.models_path IS 'Where a GET lists the models, below the base URL';
COMMENT ON COLUMN tarx_keys.providers.key_prefixes IS 'Public prefixes of its keys, which masks show in full; never used to refuse a key';
COMMENT ON COLUMN tarx_keys.providers.is_builtin IS 'Whether the row came with the extension';

INSERT INTO tarx_keys.providers
    (slug, label, default_base_url, base_url_required, base_url_host_suffixes,
     auth_header, auth_scheme, extra_headers, models_path, key_prefixes, is_builtin)
VALUES
    ('anthropic', 'Anthropic', 'https://api.anthropic.com', false, NULL,
     'x-api-key', NULL, '{"anthropic-version": "2023-06-01"}', '/v1/models?limit=1000',
     '{sk-ant-api03-,sk-ant-admin01-,sk-ant-}', true),
    ('openai', 'OpenAI', 'https://api.openai.com/v1', false, NULL,
     'Authorization', 'Bearer', '{}', '/models',
     '{sk-proj-,sk-svcacct-,sk-admin-,sk-}', true),
    ('google_ai', 'Google AI', 'https://generativelanguage.googleapis.com', false, NULL,
     'x-goog-api-key', NULL, '{}', '/v1beta/models?pageSize=1000',
     '{AIza,AQ.}', true),
    ('mistral', 'Mistral', 'https://api.mistral.ai/v1', false, NULL,
     'Authorization', 'Bearer', '{}', '/models',
     '{}', true),
    ('huggingface', 'Hugging Face', 'https://router.huggingface.co/v1', false, NULL,
     'Authorization', 'Bearer', '{}', '/models',
     '{hf_}', true),
    ('azure_ai_foundry', 'Azure AI Foundry', NULL, true,
     '{.openai.azure.com,.services.ai.azure.com,.cognitiveservices.azure.com}',
     'api-key', NULL, '{}', '/openai/v1/models',
     '{}', true),
    ('openai_compatible', 'OpenAI-compatible', NULL, true, NULL,
     'Authorization', 'Bearer', '{}', '/models',
     '{gsk_}', true);

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.providers', 'WHERE NOT is_builtin');
