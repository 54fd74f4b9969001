-- The catalogue of LLM providers: what a client needs to know to call one.
--
-- All projects share it. It is a view of the built-in providers and of a table of
-- the owner's own ones, custom_providers, whose rows add providers or take the
-- place of built-in ones. Dumps carry that table whole. A new version of the
-- extension changes the built-in ones by replacing their view.
--
-- No row can send a key anywhere but to the base URL that the key is bound to.
-- Paths are only appended to that URL. The constraints here keep paths below it,
-- and refuse headers that could make a proxy send the request elsewhere. What a
-- row knows of base URLs is used once, when a key is added: the path of the URL
-- that an admin has passed is cut, its host never changes.

CREATE FUNCTION tarx_keys_internal.is_request_header(name text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_is_request_header';
COMMENT ON FUNCTION tarx_keys_internal.is_request_header IS
'Internal. For constraints: may a provider''s row name this HTTP header?';

CREATE FUNCTION tarx_keys_internal.are_request_headers(headers jsonb) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_are_request_headers';
COMMENT ON FUNCTION tarx_keys_internal.are_request_headers IS
'Internal. For constraints: is this an object of up to 16 HTTP headers that a provider''s row may have?';

CREATE FUNCTION tarx_keys_internal.is_request_path(path text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN path ~ '^(?!.*/(\.|%2[eE]){1,2}([/?;]|%3[bB]|$))(?![^?]*%(2[5fF]|5[cC]|[01]|7[fF]))(/(?!/)|\?)[!"$-\[\]-~]*$';
COMMENT ON FUNCTION tarx_keys_internal.is_request_path IS
'Internal. For constraints: does this text, behind a base URL, stay below it, also where a server decodes its path?';

CREATE TABLE tarx_keys.custom_providers (
    slug text COLLATE "C" PRIMARY KEY CHECK (slug ~ '^[a-z][a-z0-9_]{0,62}$'),
    label text COLLATE "C" NOT NULL,
    position integer NOT NULL DEFAULT 1000,
    default_base_url text COLLATE "C",
    base_url_required boolean NOT NULL DEFAULT false,
    base_url_allowed boolean NOT NULL DEFAULT false,
    base_url_host_suffixes text[] COLLATE "C" CHECK (
        pg_catalog.array_position(base_url_host_suffixes, NULL) IS NULL
        AND pg_catalog.array_to_string(base_url_host_suffixes, ' ')
            ~ '^(((\.[-A-Za-z0-9]+)+|[-A-Za-z0-9]+(\.([-A-Za-z0-9]+|\{region\}))+)( (?=[^ ])|$))*$'),
    base_url_path text COLLATE "C" NOT NULL DEFAULT ''
        CHECK (base_url_path ~ '^(?!.*/\.{1,2}(/|$))(/[-._~A-Za-z0-9]+)*$' AND length(base_url_path) <= 200),
    base_url_any_path_suffixes text[] COLLATE "C" CHECK (
        pg_catalog.array_position(base_url_any_path_suffixes, NULL) IS NULL
        AND pg_catalog.array_to_string(base_url_any_path_suffixes, ' ') ~ '^((\.[-A-Za-z0-9]+)+( (\.[-A-Za-z0-9]+)+)*)?$'),
    base_url_tails text[] COLLATE "C" NOT NULL DEFAULT '{/chat/completions,/completions,/responses,/embeddings,/messages,/models}' CHECK (
        pg_catalog.array_position(base_url_tails, NULL) IS NULL
        AND pg_catalog.array_to_string(base_url_tails, ' ') ~ '^((/(\*|[-._~:A-Za-z0-9]+))+( (/(\*|[-._~:A-Za-z0-9]+))+)*)?$'),
    base_url_paths text[] COLLATE "C" NOT NULL DEFAULT '{}' CHECK (
        pg_catalog.array_position(base_url_paths, NULL) IS NULL
        AND pg_catalog.array_to_string(base_url_paths, ' ') ~ '^((/(\*|[-._~:A-Za-z0-9]+))+( (/(\*|[-._~:A-Za-z0-9]+))+)*)?$'),
    auth_header text COLLATE "C" NOT NULL DEFAULT 'Authorization' CHECK (tarx_keys_internal.is_request_header(auth_header)),
    auth_scheme text COLLATE "C" CHECK (auth_scheme ~ '^[-!#$%&''*+.^_`|~0-9A-Za-z]+$'),
    extra_headers jsonb NOT NULL DEFAULT '{}' CHECK (tarx_keys_internal.are_request_headers(extra_headers)),
    models_path text COLLATE "C" CHECK (tarx_keys_internal.is_request_path(models_path)),
    models_are_public boolean NOT NULL DEFAULT false,
    model_path text COLLATE "C"
        CHECK (tarx_keys_internal.is_request_path(model_path) AND model_path ~ '^[^{}]*\{model\}[^{}]*$'),
    deployments_path text COLLATE "C" CHECK (tarx_keys_internal.is_request_path(deployments_path)),
    chat_base_path text COLLATE "C" NOT NULL DEFAULT ''
        CHECK (chat_base_path ~ '^(?!.*/(\.|%2[eE]){1,2}([/;]|%3[bB]|$))(?!.*%(2[5fF]|5[cC]|[01]|7[fF]))(/(?!/)[!"$->@-\[\]-~]*)?(?<!/)$'),
    probe_method text COLLATE "C" CHECK (probe_method IN ('GET', 'POST')),
    probe_path text COLLATE "C" CHECK (tarx_keys_internal.is_request_path(probe_path)),
    key_prefixes text[] COLLATE "C" NOT NULL DEFAULT '{}',
    -- a key either brings its own base URL or gets the provider's
    CHECK (base_url_required = (default_base_url IS NULL)),
    CHECK (base_url_allowed OR NOT base_url_required),
    -- without a slash at its end, as the base URLs that keys bring
    CHECK (default_base_url ~ '^https?://(?!/)[!"$->A-\[\]-~]+(?<!/)$' AND length(default_base_url) <= 2048),
    -- some request tells whether a key works
    CHECK ((probe_method IS NULL) = (probe_path IS NULL)),
    CHECK (probe_path IS NOT NULL OR NOT (models_path IS NULL OR models_are_public))
);
COMMENT ON TABLE tarx_keys.custom_providers IS 'The owner''s own rows of providers: they add providers, or take the place of built-in ones with the same slug';
COMMENT ON COLUMN tarx_keys.custom_providers.default_base_url IS 'Of a built-in provider''s slug, this and base_url_host_suffixes and auth_header are as the built-in one has them, and keys bring a base URL only if they may there';

-- The names, types and collations are those of the table. Base URLs are for who
-- has an endpoint of one's own at the vendor, regional or dedicated, or a gateway
-- in front of it. What portals and documentation show behind the host is cut off.
CREATE VIEW tarx_keys_internal.builtin_providers AS
SELECT c.* FROM tarx_keys.custom_providers c WHERE false
UNION ALL VALUES
    -- gateways have hosts and paths of their own
    ('anthropic', 'Anthropic', 1, 'https://api.anthropic.com', false, true, NULL::text[],
     '', NULL::text[],
     '{/v1/messages,/v1/messages/count_tokens,/v1/messages/batches,/v1/complete,/v1/models,/v1,/messages,/models}'::text[], '{}'::text[],
     'x-api-key', NULL, '{"anthropic-version": "2023-06-01"}'::jsonb,
     '/v1/models?limit=1000', false, '/v1/models/{model}', NULL, '', NULL, NULL, '{sk-ant-api03-,sk-ant-admin01-,sk-ant-}'::text[]),
    ('openai', 'OpenAI', 2, 'https://api.openai.com/v1', false, true, '{.api.openai.com}',
     '/v1', '{}',
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/images/generations,/images/edits,/audio/speech,/audio/transcriptions,/audio/translations,/moderations,/realtime,/files,/batches}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', false, '/models/{model}', NULL, '', NULL, NULL, '{sk-proj-,sk-svcacct-,sk-admin-,sk-}'),
    ('google_ai', 'Google AI', 3, 'https://generativelanguage.googleapis.com', false, false, NULL,
     '', NULL, '{}', '{}',
     'x-goog-api-key', NULL, '{}',
     '/v1beta/models?pageSize=1000', false, '/v1beta/models/{model}', NULL, '', NULL, NULL, '{AIza,AQ.}'),
    ('mistral', 'Mistral', 4, 'https://api.mistral.ai/v1', false, true, '{.mistral.ai}',
     '/v1', '{}',
     '{/chat/completions,/fim/completions,/agents/completions,/completions,/responses,/embeddings,/messages,/models,/moderations,/ocr,/files}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', false, '/models/{model}', NULL, '', NULL, NULL, '{}'),
    -- the router has a path for each company behind it
    ('huggingface', 'Hugging Face', 5, 'https://router.huggingface.co/v1', false, true, '{.endpoints.huggingface.cloud}',
     '/v1', '{.huggingface.co}',
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', true, NULL, NULL, '', 'POST', '/chat/completions', '{hf_}'),
    -- behind API Management, APIs live below paths of their own
    ('azure_ai_foundry', 'Azure AI Foundry', 6, NULL, true, true,
     '{.openai.azure.com,.services.ai.azure.com,.cognitiveservices.azure.com,.openai.azure.us,.services.ai.azure.us,.cognitiveservices.azure.us,.openai.azure.cn,.services.ai.azure.cn,.cognitiveservices.azure.cn,.azure-api.net,.azure-api.us,.azure-api.cn,.api.cognitive.microsoft.com,.api.cognitive.microsoft.us,.api.cognitive.azure.cn}',
     '', '{.azure-api.net,.azure-api.us,.azure-api.cn}',
     '{/openai/v1,/openai/v1/*,/openai/v1/*/*,/openai/deployments/*,/openai/deployments/*/*,/openai/deployments/*/*/*,/chat/completions,/completions,/responses,/embeddings,/messages,/models}',
     '{/openai,/openai/deployments,/openai/realtime,/openai/assistants,/openai/threads,/openai/files,/openai/batches,/openai/images/generations,/api,/api/projects,/api/projects/*,/api/projects/*/openai,/anthropic,/anthropic/v1}',
     'api-key', NULL, '{}',
     -- no model_path: calls, and so allowed_models, name deployments
     '/openai/v1/models', false, NULL, '/openai/deployments?api-version=2022-12-01', '/openai/v1', NULL, NULL, '{}'),
    -- many servers tell of no single model; whether the list is public is not known
    ('openai_compatible', 'OpenAI-compatible', 7, NULL, true, true, NULL,
     '', NULL,
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/images/generations,/audio/speech,/audio/transcriptions,/audio/translations,/moderations}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', false, NULL, NULL, '', NULL, NULL, '{}'),

    ('xai', 'xAI', 8, 'https://api.x.ai/v1', false, true, '{.api.x.ai}',
     '/v1', '{}',
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/complete,/models,/language-models,/embedding-models,/image-generation-models,/images/generations,/images/edits,/api-key,/files,/batches}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', false, '/models/{model}', NULL, '', NULL, NULL, '{xai-}'),
    -- /v1 is the same API; /beta and /anthropic are others on the same host
    ('deepseek', 'DeepSeek', 9, 'https://api.deepseek.com', false, true, '{}',
     '', '{}',
     '{/chat/completions,/completions,/responses,/messages,/models,/user/balance}', '{/v1,/beta,/anthropic,/anthropic/v1}',
     'Authorization', 'Bearer', '{}',
     '/models', false, NULL, NULL, '', NULL, NULL, '{sk-}'),
    ('groq', 'Groq', 10, 'https://api.groq.com/openai/v1', false, true, '{}',
     '/openai/v1', '{}',
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/audio/speech,/audio/transcriptions,/audio/translations,/files,/batches}', '{/openai}',
     'Authorization', 'Bearer', '{}',
     '/models', false, '/models/{model}', NULL, '', NULL, NULL, '{gsk_}'),
    ('together', 'Together AI', 11, 'https://api.together.ai/v1', false, true, '{api.together.xyz}',
     '/v1', '{}',
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/images/generations,/audio/speech,/audio/transcriptions,/audio/translations,/rerank,/files,/batches}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', false, NULL, NULL, '', NULL, NULL, '{tgp_v1_}'),
    -- below /v1/accounts is the API that manages an account
    ('fireworks', 'Fireworks AI', 12, 'https://api.fireworks.ai/inference/v1', false, true, '{}',
     '/inference/v1', '{}',
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/rerank}', '{/inference,/v1,/v1/accounts/*}',
     'Authorization', 'Bearer', '{}',
     '/models', false, NULL, NULL, '', NULL, NULL, '{fw_}'),
    -- both prefixes are valid
    ('cerebras', 'Cerebras', 13, 'https://api.cerebras.ai/v1', false, true, '{}',
     '/v1', '{}',
     '{/chat/completions,/completions,/responses,/messages,/models,/files,/batches}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', false, '/models/{model}', NULL, '', NULL, NULL, '{csk-,csk_}'),
    -- it has no Chat Completions any more: they are 403 with a good key
    ('perplexity', 'Perplexity', 14, 'https://api.perplexity.ai/v1', false, true, '{}',
     '/v1', '{}',
     '{/chat/completions,/async/chat/completions,/completions,/sonar,/async/sonar,/agent,/responses,/embeddings,/search,/models}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', true, NULL, NULL, '', 'POST', '/responses', '{pplx-}'),
    ('cohere', 'Cohere', 15, 'https://api.cohere.ai/compatibility/v1', false, true, '{api.cohere.com}',
     '/compatibility/v1', '{}',
     '{/chat/completions,/completions,/embeddings,/models,/chat,/embed,/rerank}', '{/compatibility,/v1,/v2}',
     'Authorization', 'Bearer', '{}',
     '/models', false, NULL, NULL, '', NULL, NULL, '{}'),
    ('openrouter', 'OpenRouter', 16, 'https://openrouter.ai/api/v1', false, true, '{eu.openrouter.ai,us.openrouter.ai}',
     '/api/v1', '{}',
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/rerank,/key,/auth/key,/credits,/generation}', '{/api}',
     'Authorization', 'Bearer', '{}',
     '/models', true, NULL, NULL, '', 'GET', '/key', '{sk-or-v1-}'),
    -- a key of one of the two hosts is none on the other
    ('moonshot', 'Moonshot AI (Kimi)', 17, 'https://api.moonshot.ai/v1', false, true, '{api.moonshot.cn}',
     '/v1', '{}',
     '{/chat/completions,/completions,/messages,/models,/users/me/balance,/files,/tokenizers/estimate-token-count}', '{/anthropic,/anthropic/v1}',
     'Authorization', 'Bearer', '{}',
     '/models', false, NULL, NULL, '', NULL, NULL, '{sk-}'),
    -- another host lists the models
    ('bedrock', 'Amazon Bedrock', 18, NULL, true, true, '{"bedrock-runtime.{region}.amazonaws.com"}',
     '/openai/v1', '{}',
     '{/chat/completions,/responses,/messages,/models,/model/*,/model/*/invoke,/model/*/invoke-with-response-stream,/model/*/converse,/model/*/converse-stream}', '{/openai,/v1,/anthropic,/anthropic/v1}',
     'Authorization', 'Bearer', '{}',
     NULL, false, NULL, NULL, '', 'POST', '/chat/completions', '{ABSK,bedrock-api-key-}'),
    -- one's own server takes any key; https://ollama.com/v1 has keys, and a public list
    ('ollama', 'Ollama', 19, NULL, true, true, NULL,
     '/v1', NULL,
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/api,/api/chat,/api/generate,/api/tags,/api/embed,/api/embeddings,/api/show,/api/ps,/api/version}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', true, NULL, NULL, '', 'POST', '/chat/completions', '{}'),
    -- a server with keys wants one for the list as well
    ('vllm', 'vLLM', 20, NULL, true, true, NULL,
     '/v1', NULL,
     '{/chat/completions,/completions,/responses,/embeddings,/messages,/models,/audio/transcriptions,/audio/translations}', '{}',
     'Authorization', 'Bearer', '{}',
     '/models', false, NULL, NULL, '', NULL, NULL, '{}');
COMMENT ON VIEW tarx_keys_internal.builtin_providers IS 'Internal. The providers that come with the extension.';

-- Where a key goes by default, where else it may go, and which of its headers has
-- the key, is the same in a row that takes the place of a built-in one, however that
-- row came here. It may admit fewer base URLs.
CREATE VIEW tarx_keys.providers AS
SELECT b.*, true AS is_builtin
  FROM tarx_keys_internal.builtin_providers b
 WHERE NOT EXISTS (SELECT FROM tarx_keys.custom_providers c WHERE c.slug = b.slug)
UNION ALL
SELECT c.slug, c.label, c.position,
       CASE WHEN b.slug IS NULL THEN c.default_base_url ELSE b.default_base_url END,
       coalesce(b.base_url_required, c.base_url_required),
       CASE WHEN b.slug IS NULL THEN c.base_url_allowed ELSE b.base_url_required OR c.base_url_allowed AND b.base_url_allowed END,
       CASE WHEN b.slug IS NULL THEN c.base_url_host_suffixes ELSE b.base_url_host_suffixes END,
       c.base_url_path, c.base_url_any_path_suffixes, c.base_url_tails, c.base_url_paths,
       coalesce(b.auth_header, c.auth_header),
       c.auth_scheme, c.extra_headers, c.models_path, c.models_are_public, c.model_path, c.deployments_path,
       c.chat_base_path, c.probe_method, c.probe_path, c.key_prefixes, false
  FROM tarx_keys.custom_providers c LEFT JOIN tarx_keys_internal.builtin_providers b ON b.slug = c.slug;
COMMENT ON VIEW tarx_keys.providers IS 'LLM providers and how to call them: the built-in ones and those of custom_providers';
COMMENT ON COLUMN tarx_keys.providers.slug IS 'The value of arguments called provider';
COMMENT ON COLUMN tarx_keys.providers.label IS 'Its name as people know it';
COMMENT ON COLUMN tarx_keys.providers.position IS 'Its place in lists';
COMMENT ON COLUMN tarx_keys.providers.default_base_url IS 'Base URL of keys that bring none; stored with a key when it is added';
COMMENT ON COLUMN tarx_keys.providers.base_url_required IS 'True if a key must bring a base URL';
COMMENT ON COLUMN tarx_keys.providers.base_url_allowed IS 'True if a key may bring a base URL; always true where it must';
COMMENT ON COLUMN tarx_keys.providers.base_url_host_suffixes IS 'What the host of a base URL must be, or with a dot in front end in, if it is not the host of the default; NULL for any. {region} is a region''s name, such as us-east-1';
COMMENT ON COLUMN tarx_keys.providers.base_url_path IS 'The path that a base URL gets if it has none, or none but what is cut off';
COMMENT ON COLUMN tarx_keys.providers.base_url_any_path_suffixes IS 'What a host ends in behind which any other path stays; NULL for any host. Elsewhere a path that is not known is refused';
COMMENT ON COLUMN tarx_keys.providers.base_url_tails IS 'Ends of paths, as of calls, that are cut off a base URL; * is any one segment';
COMMENT ON COLUMN tarx_keys.providers.base_url_paths IS 'Whole paths, as portals show them, that are cut off a base URL where not any path stays; * is any one segment';
COMMENT ON COLUMN tarx_keys.providers.auth_header IS 'HTTP header that carries the key';
COMMENT ON COLUMN tarx_keys.providers.auth_scheme IS 'What precedes the key in that header, with a space between; NULL for nothing';
COMMENT ON COLUMN tarx_keys.providers.extra_headers IS 'Further headers that every request needs';
COMMENT ON COLUMN tarx_keys.providers.models_path IS 'Where a GET lists the models, below the base URL; NULL if nothing there does';
COMMENT ON COLUMN tarx_keys.providers.models_are_public IS 'True if models are listed without a key, or with a wrong one';
COMMENT ON COLUMN tarx_keys.providers.model_path IS 'Where a GET tells of one model, {model}, and needs a key for it, below the base URL; NULL if nothing there does';
COMMENT ON COLUMN tarx_keys.providers.deployments_path IS 'Where a GET lists deployments, below the base URL, if calls name these instead of models; else NULL';
COMMENT ON COLUMN tarx_keys.providers.chat_base_path IS 'Path below the base URL that paths of calls are appended to';
COMMENT ON COLUMN tarx_keys.providers.probe_method IS 'With probe_path, the request that tells whether a key works, if neither models_path nor model_path does; else NULL';
COMMENT ON COLUMN tarx_keys.providers.probe_path IS 'Where probe_method goes, below the base URL';
COMMENT ON COLUMN tarx_keys.providers.key_prefixes IS 'Public prefixes of its keys. Masks show them in full; a key with a longer one of another provider is refused, if it goes to the vendor''s own endpoint';
COMMENT ON COLUMN tarx_keys.providers.is_builtin IS 'True if the row is as it came with the extension';

CREATE FUNCTION tarx_keys_internal.changed_builtin(custom tarx_keys.custom_providers) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT CASE WHEN custom.default_base_url IS DISTINCT FROM b.default_base_url THEN 'default_base_url'
                WHEN custom.base_url_allowed AND NOT b.base_url_allowed THEN 'base_url_allowed'
                WHEN custom.base_url_host_suffixes IS DISTINCT FROM b.base_url_host_suffixes THEN 'base_url_host_suffixes'
                WHEN custom.auth_header IS DISTINCT FROM b.auth_header THEN 'auth_header' END
      FROM tarx_keys_internal.builtin_providers b WHERE b.slug = custom.slug);
COMMENT ON FUNCTION tarx_keys_internal.changed_builtin IS
'Internal. The first column that this row has in another way than the built-in provider, and that the view providers does not take from it; NULL if there is none.';

-- A base URL that is required is allowed as well. The view takes from a built-in
-- provider what must stay, so this only says so to who tries to change it. It does
-- not say so of a row that was there before: an update may have changed the
-- built-in one, or added it. A restore brings such rows back; pg_dump has set
-- check_function_bodies to off for it.
CREATE FUNCTION tarx_keys_internal.check_custom_provider() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed constant text := tarx_keys_internal.changed_builtin(NEW);
BEGIN
    NEW.base_url_allowed := NEW.base_url_allowed OR NEW.base_url_required;
    IF changed IS NULL OR current_setting('check_function_bodies') = 'off' OR TG_OP = 'UPDATE'
       AND (OLD.slug, OLD.default_base_url, OLD.base_url_allowed, OLD.base_url_host_suffixes, OLD.auth_header)
           IS NOT DISTINCT FROM (NEW.slug, NEW.default_base_url, NEW.base_url_allowed, NEW.base_url_host_suffixes, NEW.auth_header) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'provider "%" is built in, and its % cannot be changed', NEW.slug, changed
        USING ERRCODE = 'check_violation', COLUMN = changed,
              HINT = 'Leave it as tarx_keys.providers has it, or choose another slug.';
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.check_custom_provider IS
'Internal. Refuses a row of custom_providers that would change where keys of a built-in provider go. Error: 23514.';
CREATE TRIGGER check_custom_provider BEFORE INSERT OR UPDATE ON tarx_keys.custom_providers
    FOR EACH ROW EXECUTE FUNCTION tarx_keys_internal.check_custom_provider();

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.custom_providers', '');
