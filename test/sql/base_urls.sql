-- Base URLs as people paste them, and hosts in one's own network.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all
\set QUIET on

-- What is stored of a base URL, where calls then go, and that what is stored is
-- taken again as it is; or the error. Whoever passes it acts as alice.
CREATE FUNCTION pg_temp.pasted(provider text, base_url text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    project constant uuid := 'aaaaaaaa-0000-4000-8000-000000000001';
    stored text;
    argument text;
    hint text;
    outcome text;
BEGIN
    PERFORM tarx_keys.act_as('alice');
    PERFORM tarx_keys.add_llm_key(project, provider, 'pasted', 'abcdefgh01234567', base_url);
    stored := (SELECT k.base_url FROM tarx_keys.llm_keys k WHERE k.project_id = project AND k.name = 'pasted');
    PERFORM tarx_keys.add_llm_key(project, provider, 'again', 'abcdefgh01234567', stored);
    IF stored <> (SELECT k.base_url FROM tarx_keys.llm_keys k WHERE k.project_id = project AND k.name = 'again') THEN
        RAISE WARNING '% does not stay', stored;
    END IF;
    outcome := stored;
    RAISE EXCEPTION 'undo' USING ERRCODE = 'XX999';
EXCEPTION
    WHEN SQLSTATE 'XX999' THEN
        RETURN outcome;
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS argument = COLUMN_NAME, hint = PG_EXCEPTION_HINT;
        RETURN format('%s %s: %s | %s', SQLSTATE, argument, SQLERRM, hint);
END $$;
SET ROLE regress_backend;

-- what portals and documentation of Azure show
SELECT v.url, pg_temp.pasted('azure_ai_foundry', v.url) FROM (VALUES
    ('https://r.openai.azure.com'),
    ('https://r.openai.azure.com/'),
    ('https://r.openai.azure.com/openai'),
    ('https://r.openai.azure.com/openai/v1'),
    ('https://r.openai.azure.com/openai/v1/'),
    ('https://R.OpenAI.Azure.com:443/OpenAI/V1/'),
    ('https://r.openai.azure.com/openai/v1/openai/v1'),
    ('https://r.openai.azure.com/openai/v1/chat/completions'),
    ('https://r.openai.azure.com/openai/v1/responses'),
    ('https://r.openai.azure.com/openai/v1/embeddings'),
    ('https://r.openai.azure.com/openai/v1/models'),
    ('https://r.openai.azure.com/openai/v1/images/generations'),
    ('https://r.openai.azure.com/openai/models'),
    ('https://r.openai.azure.com/openai/responses'),
    ('https://r.openai.azure.com/openai/realtime'),
    ('https://r.openai.azure.com/openai/deployments'),
    ('https://r.openai.azure.com/openai/deployments/gpt-4o'),
    ('https://r.openai.azure.com/openai/deployments/gpt-4o/'),
    ('https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions'),
    ('https://r.openai.azure.com/openai/deployments/e/embeddings'),
    ('https://r.openai.azure.com/openai/deployments/d/images/generations'),
    ('https://r.cognitiveservices.azure.com/'),
    ('https://r.cognitiveservices.azure.com/openai/deployments/w/audio/transcriptions'),
    ('https://r.cognitiveservices.azure.com/models'),
    ('https://r.services.ai.azure.com/'),
    ('https://r.services.ai.azure.com/models'),
    ('https://r.services.ai.azure.com/models/chat/completions'),
    ('https://r.services.ai.azure.com/openai/v1/'),
    ('https://r.services.ai.azure.com/api/projects/My-Project'),
    ('https://r.services.ai.azure.com/api/projects/p/openai/v1'),
    ('https://r.services.ai.azure.com/api/projects/p/openai/v1/responses'),
    ('https://r.services.ai.azure.com/api/projects/p/openai/responses'),
    ('https://r.services.ai.azure.com/anthropic'),
    ('https://r.services.ai.azure.com/anthropic/v1/messages')) AS v (url);
-- sovereign clouds, regions, private links
SELECT v.url, pg_temp.pasted('azure_ai_foundry', v.url) FROM (VALUES
    ('https://r.openai.azure.us/openai/v1'),
    ('https://r.cognitiveservices.azure.us/'),
    ('https://r.openai.azure.cn/openai/deployments/d/chat/completions'),
    ('https://r.cognitiveservices.azure.cn/'),
    ('https://eastus.api.cognitive.microsoft.com/'),
    ('https://usgovvirginia.api.cognitive.microsoft.us/'),
    ('https://chinaeast2.api.cognitive.azure.cn/'),
    ('https://r.privatelink.openai.azure.com/')) AS v (url);
-- behind API Management any path stays, but for what calls have
SELECT v.url, pg_temp.pasted('azure_ai_foundry', v.url) FROM (VALUES
    ('https://g.azure-api.net'),
    ('https://g.azure-api.net/'),
    ('https://g.azure-api.net/openai'),
    ('https://g.azure-api.net/Team-A/llm/'),
    ('https://g.azure-api.net/team/openai'),
    ('https://g.azure-api.net/api/projects/p'),
    ('https://g.azure-api.net/team/openai/v1'),
    ('https://g.azure-api.net/team/openai/v1/chat/completions'),
    ('https://g.azure-api.net/team/openai/deployments/d/chat/completions'),
    ('https://g.azure-api.us/team')) AS v (url);
-- paths that are not known, queries and fragments, in the words that mend them
SELECT v.url, pg_temp.pasted('azure_ai_foundry', v.url) FROM (VALUES
    ('https://r.openai.azure.com/foo'),
    ('https://r.openai.azure.com/v1'),
    ('https://r.openai.azure.com/openai/v2'),
    ('https://r.openai.azure.com/foo/openai/v1'),
    ('https://r.services.ai.azure.com/api/projects/p/q'),
    ('https://eastus.api.cognitive.microsoft.com/foo'),
    ('https://r.openai.azure.com/?api-version=2024-10-21'),
    ('https://r.openai.azure.com?api-version=2024-10-21'),
    ('https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21'),
    ('https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview'),
    ('https://r.openai.azure.us/openai/v1?'),
    ('https://r.openai.azure.com/openai/v1#deployments'),
    ('https://g.azure-api.net/team?subscription-key=abc'),
    ('https://api.example.com/v1?x'),
    ('r.openai.azure.com/openai/v1'),
    ('https://openai.azure.com/'),
    ('https://r.openai.azure.com.example.com/')) AS v (url);

-- the address of a call, at a provider that is like OpenAI
SELECT v.url, pg_temp.pasted('openai_compatible', v.url) FROM (VALUES
    ('https://api.groq.com/openai/v1/chat/completions'),
    ('https://api.groq.com/openai/v1'),
    ('https://api.groq.com/openai/v1/'),
    ('https://api.groq.com/openai/v1/chat/completions/'),
    ('https://api.groq.com/openai/v1/models'),
    ('https://api.example.com/v1/completions'),
    ('https://api.example.com/v1/responses'),
    ('https://api.example.com/v1/embeddings'),
    ('https://api.example.com/v1/messages'),
    ('https://api.example.com/v1/audio/transcriptions'),
    ('https://api.example.com/chat/completions'),
    ('https://api.example.com/models/chat/completions'),
    ('https://api.example.com/V1/Chat/Completions'),
    ('https://models.example.com/inference'),
    ('https://openrouter.ai/api/v1/chat/completions'),
    ('https://generativelanguage.googleapis.com/v1beta/openai/chat/completions'),
    ('https://gateway.ai.cloudflare.com/v1/acct/gw/compat/chat/completions'),
    ('https://api.example.com/Team/A'),
    ('https://api.example.com/v1/chat/completions?x=1'),
    ('https://api.example.com/v1#models')) AS v (url);

-- regional and dedicated endpoints, and gateways
SELECT v.provider, v.url, pg_temp.pasted(v.provider, v.url) FROM (VALUES
    ('openai', 'https://eu.api.openai.com/v1'),
    ('openai', 'https://eu.api.openai.com'),
    ('openai', 'https://us.api.openai.com/v1/'),
    ('openai', 'https://api.openai.com/v1'),
    ('openai', 'https://api.openai.com/'),
    ('openai', 'https://api.openai.com/v1/chat/completions'),
    ('openai', 'https://eu.api.openai.com/v1/responses'),
    ('openai', 'https://eu.api.openai.com/v2'),
    ('openai', 'https://eu.api.openai.com/v1?x'),
    ('openai', 'https://api.openai.com.evil.example/v1'),
    ('openai', 'https://openai.com/v1'),
    ('openai', 'https://llm.example/v1'),
    ('mistral', 'https://codestral.mistral.ai/v1/fim/completions'),
    ('mistral', 'https://codestral.mistral.ai'),
    ('mistral', 'https://api.mistral.ai/v1/'),
    ('mistral', 'https://llm.example/v1'),
    ('huggingface', 'https://abc.us-east-1.aws.endpoints.huggingface.cloud'),
    ('huggingface', 'https://abc.us-east-1.aws.endpoints.huggingface.cloud/v1/chat/completions'),
    ('huggingface', 'https://abc.us-east-1.aws.endpoints.huggingface.cloud/x'),
    ('huggingface', 'https://router.huggingface.co/together/v1'),
    ('huggingface', 'https://router.huggingface.co'),
    ('anthropic', 'https://api.anthropic.com/v1/messages'),
    ('anthropic', 'https://api.anthropic.com/v1'),
    ('anthropic', 'https://gateway.ai.cloudflare.com/v1/acct/gw/anthropic'),
    ('anthropic', 'https://llm.example/anthropic/v1/messages'),
    ('anthropic', 'https://r.services.ai.azure.com/anthropic'),
    ('google_ai', 'https://generativelanguage.googleapis.com')) AS v (provider, url);
SELECT slug, base_url_required, base_url_allowed FROM tarx_keys.providers ORDER BY slug;
-- vendors, whose hosts are suffixes, whole hosts, or those of a region; and servers of one's own
SELECT v.provider, v.url, pg_temp.pasted(v.provider, v.url) FROM (VALUES
    ('xai', 'https://api.x.ai'),
    ('xai', 'https://api.x.ai/v1/chat/completions'),
    ('xai', 'https://us.api.x.ai/v1'),
    ('xai', 'https://api.x.ai/v1/language-models'),
    ('xai', 'https://evil.x.ai/v1'),
    ('deepseek', 'https://api.deepseek.com'),
    ('deepseek', 'https://api.deepseek.com/v1'),
    ('deepseek', 'https://api.deepseek.com/chat/completions'),
    ('deepseek', 'https://api.deepseek.com/v1/chat/completions'),
    ('deepseek', 'https://api.deepseek.com/beta'),
    ('deepseek', 'https://api.deepseek.com/anthropic/v1/messages'),
    ('deepseek', 'https://api.deepseek.com.evil.example'),
    ('groq', 'https://api.groq.com'),
    ('groq', 'https://api.groq.com/openai/v1/'),
    ('groq', 'https://api.groq.com/openai/v1/chat/completions'),
    ('groq', 'https://api.groq.com/openai'),
    ('groq', 'https://api.groq.com/openai/v1/models'),
    ('together', 'https://api.together.xyz/v1'),
    ('together', 'https://api.together.xyz'),
    ('together', 'https://api.together.ai/v1/chat/completions'),
    ('together', 'https://x.together.ai/v1'),
    ('fireworks', 'https://api.fireworks.ai/inference'),
    ('fireworks', 'https://api.fireworks.ai/inference/v1/chat/completions'),
    ('fireworks', 'https://api.fireworks.ai/inference/v1/messages'),
    ('fireworks', 'https://api.fireworks.ai/v1/accounts/fireworks/models'),
    ('fireworks', 'https://audio-prod.us-virginia-1.direct.fireworks.ai/v1'),
    ('cerebras', 'https://api.cerebras.ai'),
    ('cerebras', 'https://api.cerebras.ai/v1/chat/completions'),
    ('perplexity', 'https://api.perplexity.ai'),
    ('perplexity', 'https://api.perplexity.ai/chat/completions'),
    ('perplexity', 'https://api.perplexity.ai/v1/sonar'),
    ('perplexity', 'https://api.perplexity.ai/v1/agent'),
    ('perplexity', 'https://api.perplexity.ai/v1/responses'),
    ('perplexity', 'https://api.perplexity.ai/router/v1'),
    ('cohere', 'https://api.cohere.ai/compatibility/v1'),
    ('cohere', 'https://api.cohere.ai/compatibility/v1/chat/completions'),
    ('cohere', 'https://api.cohere.com'),
    ('cohere', 'https://api.cohere.com/v2/chat'),
    ('cohere', 'https://api.cohere.com/v1/models'),
    ('openrouter', 'https://openrouter.ai/api/v1'),
    ('openrouter', 'https://openrouter.ai/api/v1/chat/completions'),
    ('openrouter', 'https://openrouter.ai'),
    ('openrouter', 'https://openrouter.ai/api'),
    ('openrouter', 'https://openrouter.ai/api/v1/key'),
    ('openrouter', 'https://eu.openrouter.ai/api/v1'),
    ('openrouter', 'https://api.openrouter.ai/v1'),
    ('moonshot', 'https://api.moonshot.ai/v1'),
    ('moonshot', 'https://api.moonshot.cn/v1/chat/completions'),
    ('moonshot', 'https://api.moonshot.ai/anthropic'),
    ('moonshot', 'https://api.kimi.com/coding/v1'),
    ('bedrock', 'https://bedrock-runtime.us-west-2.amazonaws.com'),
    ('bedrock', 'https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1'),
    ('bedrock', 'https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1/chat/completions'),
    ('bedrock', 'https://bedrock-runtime.eu-central-1.amazonaws.com/v1/chat/completions'),
    ('bedrock', 'https://bedrock-runtime.us-gov-west-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-6/converse'),
    ('bedrock', 'https://bedrock-runtime.eu-west-1.amazonaws.com/model/openai.gpt-oss-20b-1:0/invoke'),
    ('bedrock', 'https://bedrock-runtime.s3.amazonaws.com'),
    ('bedrock', 'https://bedrock-runtime.s3-us-west-2.amazonaws.com'),
    ('bedrock', 'https://bedrock-runtime.s3-external-1.amazonaws.com'),
    ('bedrock', 'https://bedrock-runtime.s3-accelerate.amazonaws.com'),
    ('bedrock', 'https://bedrock-runtime.us-west-2.amazonaws.com.evil.example'),
    ('bedrock', 'https://x.bedrock-runtime.us-west-2.amazonaws.com'),
    ('bedrock', 'https://bedrock-runtime.us-west-2.s3.amazonaws.com'),
    ('bedrock', 'https://bedrock.us-west-2.amazonaws.com'),
    ('bedrock', 'https://bedrock-runtime-fips.us-west-2.amazonaws.com'),
    ('bedrock', 'https://bedrock-mantle.us-west-2.api.aws/v1'),
    ('bedrock', 'https://bedrock-runtime.amazonaws.com'),
    ('ollama', 'https://ollama.com/v1'),
    ('ollama', 'https://ollama.com/api'),
    ('ollama', 'https://gpu.example/ollama/v1'),
    ('vllm', 'https://gpu.example/llm/v1/models'),
    ('bedrock', 'https://bedrock-runtime.us-east-1.amazonaws.com/foo'),
    ('ollama', 'https://gpu.example/api/chat'),
    ('deepseek', 'https://x.api.deepseek.com')) AS v (provider, url);
SELECT v.provider, pg_temp.pasted(v.provider, NULL) FROM (VALUES ('bedrock'), ('ollama'), ('vllm')) AS v (provider);

-- everywhere in the one form, so that a path can be appended
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'openai_compatible', 'slash', 'abcdefgh01234567', 'https://llm.example/v1/') AS slash \gset
SELECT tarx_keys.add_llm_key(:'A', 'azure_ai_foundry', 'azure', 'abcdefgh01234567', 'https://r.openai.azure.com/openai/v1/') AS azure \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'eu', 'abcdefgh01234567', 'https://eu.api.openai.com') AS eu \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'default', 'abcdefgh01234567') AS default \gset
SELECT name, base_url FROM tarx_keys.llm_keys ORDER BY name;
COMMIT;
SET ROLE regress_agent;
SELECT r.name, r.base_url, c.base_url, m.url
  FROM unnest(ARRAY[:'slash', :'azure', :'eu', :'default']::uuid[]) WITH ORDINALITY AS k (id, n),
       tarx_keys.resolve_key(:'A', k.id) r, tarx_keys.chat_request_base(:'A', k.id) c, tarx_keys.models_request(:'A', k.id) m
 ORDER BY n, m.url COLLATE "C";
-- whoever edits the catalogue, or the row, redirects none of them
SET ROLE tarx_keys_owner;
BEGIN;
INSERT INTO tarx_keys.custom_providers
SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p) || '{"base_url_path": "/evil", "base_url_tails": [], "base_url_paths": []}')).*
  FROM tarx_keys.providers p WHERE slug IN ('openai', 'azure_ai_foundry');
SELECT r.base_url FROM unnest(ARRAY[:'azure', :'eu']::uuid[]) WITH ORDINALITY AS k (id, n), tarx_keys.resolve_key(:'A', k.id) r ORDER BY n;
ROLLBACK;
RESET ROLE;
UPDATE tarx_keys.project_llm_keys SET destination = 'https://api.openai.com.evil.example/v1' WHERE id = :'eu';
UPDATE tarx_keys.project_llm_keys SET base_url = NULL WHERE id = :'azure';
SET ROLE regress_agent;
\set VERBOSITY sqlstate
SELECT base_url FROM tarx_keys.resolve_key(:'A', :'eu');
SELECT base_url FROM tarx_keys.resolve_key(:'A', :'azure');

-- what rows of providers cannot say
SET ROLE tarx_keys_owner;
CREATE FUNCTION pg_temp.row_of(columns text, entries text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO tarx_keys.custom_providers (slug, label, models_path, %s) VALUES (''acme'', ''Acme'', ''/models'', %s)', columns, entries);
    DELETE FROM tarx_keys.custom_providers WHERE slug = 'acme';
    RETURN 'accepted';
EXCEPTION WHEN check_violation OR not_null_violation THEN
    RETURN SQLSTATE;
END $$;
SELECT v.columns, v.entries, pg_temp.row_of(v.columns, v.entries) FROM (VALUES
    ('default_base_url', '''https://acme.example/v1'''),
    ('default_base_url', '''https://acme.example/v1/'''),
    ('default_base_url', '''https://acme.example/'''),
    ('default_base_url, base_url_required', '''https://acme.example'', true'),
    ('base_url_required, base_url_allowed', 'true, false'),
    ('base_url_allowed', 'true'),
    ('base_url_required, base_url_host_suffixes', 'true, ''{.acme.example,.acme.test}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{acme.example}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{acme.example,.acme.test,"llm.{region}.acme.example"}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{acme}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{"{region}.acme.example"}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{".{region}.acme.example"}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{"llm-{region}.acme.example"}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{"llm.{any}.acme.example"}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{*.acme.example}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{acme.example.}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{acme.example,""}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{"",acme.example}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{"acme.example "}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{.acme.example,NULL}'''),
    ('base_url_required, base_url_host_suffixes', 'true, ''{.acme.example/x}'''),
    ('base_url_required, base_url_any_path_suffixes', 'true, ''{acme}'''),
    ('base_url_required, base_url_path', 'true, ''/v1'''),
    ('base_url_required, base_url_path', 'true, ''v1'''),
    ('base_url_required, base_url_path', 'true, ''/v1/'''),
    ('base_url_required, base_url_path', 'true, ''@evil.example'''),
    ('base_url_required, base_url_path', 'true, ''.evil.example'''),
    ('base_url_required, base_url_path', 'true, '':8443'''),
    ('base_url_required, base_url_path', 'true, ''//evil.example'''),
    ('base_url_required, base_url_path', 'true, ''/../x'''),
    ('base_url_required, base_url_path', 'true, ''/x/..'''),
    ('base_url_required, base_url_path', 'true, ''/%2e%2e'''),
    ('base_url_required, base_url_path', 'true, ''/x?y'''),
    ('base_url_required, base_url_path', 'true, ''/x#y'''),
    ('base_url_required, base_url_path', 'true, ''/x\y'''),
    ('base_url_required, base_url_path', 'true, E''/x\n'''),
    ('base_url_required, base_url_tails', 'true, ''{/a/*,/b:c/d.e}'''),
    ('base_url_required, base_url_tails', 'true, ''{}'''),
    ('base_url_required, base_url_tails', 'true, NULL'),
    ('base_url_required, base_url_tails', 'true, ''{a}'''),
    ('base_url_required, base_url_tails', 'true, ''{/a/}'''),
    ('base_url_required, base_url_tails', 'true, ''{/a*}'''),
    ('base_url_required, base_url_tails', 'true, ''{//a}'''),
    ('base_url_required, base_url_paths', 'true, ''{"/a b"}'''),
    ('base_url_required, base_url_paths', 'true, ''{/a,NULL}''')) AS v (columns, entries);
-- a provider of one's own cuts off calls as the others do, and whatever else it says
INSERT INTO tarx_keys.custom_providers (slug, label, models_path, base_url_required) VALUES ('acme', 'Acme', '/models', true);
SELECT base_url_required, base_url_allowed, base_url_path, base_url_tails, base_url_paths FROM tarx_keys.providers WHERE slug = 'acme';
SET ROLE regress_backend;
SELECT pg_temp.pasted('acme', 'https://llm.acme.example/api/v2/chat/completions');
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.custom_providers SET base_url_tails = '{/run/*}', base_url_paths = '{/console}', base_url_path = '/api/v2', base_url_any_path_suffixes = '{.own.acme.example}' WHERE slug = 'acme';
SET ROLE regress_backend;
SELECT v.url, pg_temp.pasted('acme', v.url) FROM (VALUES
    ('https://llm.acme.example'), ('https://llm.acme.example/console'), ('https://llm.acme.example/api/v2/run/7'),
    ('https://llm.acme.example/api/v3'), ('https://x.own.acme.example/api/v3/run/7'), ('https://x.own.acme.example/')) AS v (url);
SET ROLE tarx_keys_owner;
DELETE FROM tarx_keys.custom_providers WHERE slug = 'acme';

-- models in one's own network: only where a superuser says so
SET ROLE regress_backend;
SET tarx_keys.allowed_private_hosts = 'llm';
RESET ROLE;
ALTER ROLE regress_backend SET tarx_keys.allowed_private_hosts = 'llm';
SHOW tarx_keys.allowed_private_hosts;
\set VERBOSITY default
CREATE TEMP TABLE tries (n serial, list text, url text);
INSERT INTO tries (list, url) VALUES
    ('', 'https://my_litellm:4000/v1'),
    ('', 'http://my_litellm:4000/v1'),
    ('', 'https://llm.internal/v1'),
    ('', 'https://10.1.2.3/v1'),
    ('', 'http://api.example.com/v1'),
    ('my_litellm:4000', 'https://my_litellm:4000/v1'),
    ('my_litellm:4000', 'http://my_litellm:4000/v1'),
    ('my_litellm:4000', 'https://my_litellm/v1'),
    ('http://my_litellm:4000', 'http://My_LiteLLM:4000/v1/chat/completions'),
    ('http://my_litellm', 'http://my_litellm:80/v1'),
    ('http://my_litellm', 'https://my_litellm/v1'),
    ('http://other', 'http://my_litellm:4000/v1'),
    ('*.llm.example.internal', 'https://a.b.llm.example.internal/v1'),
    ('*.llm.example.internal', 'https://llm.example.internal/v1'),
    ('10.0.0.0/8', 'https://10.1.2.3/v1'),
    ('10.0.0.0/8', 'http://10.1.2.3/v1'),
    ('http://10.0.0.0/8:8080', 'http://10.1.2.3:8080/v1'),
    ('http://10.0.0.0/8:8080', 'http://10.1.2.3/v1'),
    ('10.0.0.0/8', 'https://10.1/v1'),
    ('10.0.0.0/8', 'https://11.1.2.3.internal/v1'),
    ('192.168.1.10', 'https://192.168.1.10:8443/v1'),
    ('fd12:3456::/32', 'https://[fd12:3456::1]/v1'),
    ('http://[::1]:11434', 'http://[::1]:11434/v1'),
    ('[fd12:3456::]/32:8080', 'https://[fd12:3456::1]:8080/v1'),
    (' http://ollama:11434 , 10.0.0.0/8 ', 'http://ollama:11434/v1'),
    ('http://llm.example.com', 'http://llm.example.com/v1'),
    ('http://0.0.0.0/0', 'http://169.254.169.254/latest'),
    ('http://169.254.169.254', 'http://169.254.169.254/latest'),
    ('http://0.0.0.0/0', 'http://2852039166/latest'),
    ('http://0.0.0.0/0', 'http://169.254.170.2/v2/credentials'),
    ('http://168.63.129.16', 'http://168.63.129.16/'),
    ('100.64.0.0/10', 'https://100.100.100.200/latest'),
    ('http://[::]/0', 'http://[fd00:ec2::254]/latest'),
    ('http://[::]/0', 'http://[::ffff:169.254.169.254]/latest'),
    ('http://*.internal', 'http://metadata.google.internal/computeMetadata/v1'),
    ('http://metadata', 'http://metadata/latest'),
    ('http://instance-data', 'http://instance-data/latest');
GRANT SELECT ON tries TO regress_backend;
DO $$
DECLARE
    t record;
    outcome text;
BEGIN
    FOR t IN SELECT * FROM tries ORDER BY n LOOP
        PERFORM set_config('tarx_keys.allowed_private_hosts', t.list, true);
        SET LOCAL ROLE regress_backend;
        outcome := pg_temp.pasted('openai_compatible', t.url);
        RESET ROLE;
        RAISE NOTICE '"%" %: %', t.list, t.url, outcome;
    END LOOP;
END $$;
DROP TABLE tries;
-- what the list admits is for keys that are added: others go on without it
SET tarx_keys.allowed_private_hosts = 'http://my_litellm:4000', '10.0.0.0/8';
SHOW tarx_keys.allowed_private_hosts;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'openai_compatible', 'ours', 'abcdefgh01234567', 'http://my_litellm:4000') AS ours \gset
COMMIT;
RESET ROLE;
RESET tarx_keys.allowed_private_hosts;
SET ROLE regress_agent;
SELECT base_url FROM tarx_keys.resolve_key(:'A', :'ours');
SELECT url FROM tarx_keys.models_request(:'A', :'ours');
RESET ROLE;
-- servers of one's own, where no key is needed
SET tarx_keys.allowed_private_hosts = 'http://ollama:11434', 'http://vllm:8000';
SET ROLE regress_backend;
SELECT v.provider, v.url, pg_temp.pasted(v.provider, v.url) FROM (VALUES
    ('ollama', 'http://ollama:11434'), ('ollama', 'http://ollama:11434/api/chat'), ('vllm', 'http://vllm:8000/v1/chat/completions')) AS v (provider, url);
RESET ROLE;
-- a provider's hosts stay what they are
SET tarx_keys.allowed_private_hosts = 'http://my_litellm';
SET ROLE regress_backend;
SELECT pg_temp.pasted('azure_ai_foundry', 'http://my_litellm');
SELECT pg_temp.pasted('openai', 'http://my_litellm');
RESET ROLE;
-- a list that is malformed is refused, with the entry that is
SET tarx_keys.allowed_private_hosts = 'llm,';
SET tarx_keys.allowed_private_hosts = 'llm, a b';
SET tarx_keys.allowed_private_hosts = 'ftp://llm';
SET tarx_keys.allowed_private_hosts = 'llm/v1';
SET tarx_keys.allowed_private_hosts = '*';
SET tarx_keys.allowed_private_hosts = '10.1';
SET tarx_keys.allowed_private_hosts = '10.0.0.0/33';
SET tarx_keys.allowed_private_hosts = 'llm, 10.0.0.5/8';
SET tarx_keys.allowed_private_hosts = 'llm:0';
SHOW tarx_keys.allowed_private_hosts;
-- the switch that admitted everything is gone
SET tarx_keys.allow_insecure_base_urls = on;
RESET tarx_keys.allowed_private_hosts;

-- clean up
\set ECHO none
\i :clean_up
