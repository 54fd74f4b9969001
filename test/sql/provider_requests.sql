-- What to send to a provider: models_request(), probe_request() and chat_request_base().
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
CREATE TEMP TABLE keys AS
SELECT row_number() OVER () AS n, k.provider, tarx_keys.add_llm_key(:'A', k.provider, k.provider, k.value, k.base_url) AS id FROM (VALUES
    ('anthropic', 'sk-ant-api03-not-a-real-key-0123456789', NULL),
    ('openai', 'sk-proj-not-a-real-key-0123456789', NULL),
    ('google_ai', 'AIza-not-a-real-key-0123456789', NULL),
    ('mistral', 'not-a-real-mistral-key-0123456789', NULL),
    ('huggingface', 'hf_not-a-real-key-0123456789', NULL),
    ('azure_ai_foundry', 'not-a-real-azure-key-0123456789', 'https://demo.openai.azure.com/'),
    ('openai_compatible', 'not-a-real-key-0123456789', 'https://llm.example/v1'),
    ('xai', 'xai-not-a-real-key-0123456789', NULL),
    ('deepseek', 'sk-not-a-real-key-0123456789', NULL),
    ('groq', 'gsk_not-a-real-key-0123456789', NULL),
    ('together', 'tgp_v1_not-a-real-key-0123456789', NULL),
    ('fireworks', 'fw_not-a-real-key-0123456789', NULL),
    ('cerebras', 'csk-not-a-real-key-0123456789', NULL),
    ('perplexity', 'pplx-not-a-real-key-0123456789', NULL),
    ('cohere', 'not-a-real-cohere-key-0123456789', NULL),
    ('openrouter', 'sk-or-v1-not-a-real-key-0123456789', NULL),
    ('moonshot', 'sk-not-a-real-key-0123456789', NULL),
    ('bedrock', 'ABSKnotarealkey0123456789abcdefg==', 'https://bedrock-runtime.eu-central-1.amazonaws.com'),
    ('ollama', 'ollama', 'https://ollama.example'),
    ('vllm', 'EMPTY', 'https://vllm.example')) AS k (provider, value, base_url);
SELECT slug FROM tarx_keys.providers EXCEPT SELECT provider FROM keys;
SELECT id AS openai FROM keys WHERE provider = 'openai' \gset
SELECT id AS mistral FROM keys WHERE provider = 'mistral' \gset
SELECT id AS groq FROM keys WHERE provider = 'groq' \gset
SELECT id AS azure FROM keys WHERE provider = 'azure_ai_foundry' \gset
GRANT SELECT ON keys TO PUBLIC;
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'odd', 'a"}\\$1''b%s[c]-0123456789') AS odd \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'long', repeat('v', 8192)) AS long \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'deleted', 'not-a-real-mistral-key-9876543210') AS deleted \gset
SELECT tarx_keys.delete_llm_key(:'A', :'deleted');
COMMIT;

-- all providers
SET ROLE regress_agent;
SELECT k.provider, r.* FROM keys k, tarx_keys.models_request(:'A', k.id) r ORDER BY n, r.url COLLATE "C";
SELECT k.provider, c.* FROM keys k, tarx_keys.chat_request_base(:'A', k.id) c ORDER BY n;
SELECT k.provider, p.method, p.url, (p.headers - ARRAY(SELECT jsonb_object_keys(c.headers))) AS more, p.headers @> c.headers AS same
  FROM keys k, tarx_keys.probe_request(:'A', k.id) p, tarx_keys.chat_request_base(:'A', k.id) c ORDER BY n;
-- deployments before models
SELECT url FROM tarx_keys.models_request(project_id => :'A', key_id => :'azure');
-- the value is the one that resolve_key() gives, whatever is in it
SELECT m.headers, m.headers ->> 'Authorization' = 'Bearer ' || key_value AS same FROM tarx_keys.models_request(:'A', :'odd') m, tarx_keys.resolve_key(:'A', :'odd');
SELECT c.headers ->> 'Authorization' = 'Bearer ' || key_value AS same, m.headers = c.headers AS both FROM tarx_keys.models_request(:'A', :'long') m, tarx_keys.chat_request_base(:'A', :'long') c, tarx_keys.resolve_key(:'A', :'long');
-- they write nothing
BEGIN READ ONLY; SELECT url FROM tarx_keys.models_request(:'A', :'openai'); SELECT base_url FROM tarx_keys.chat_request_base(:'A', :'openai'); COMMIT;

-- the request that tells whether a key works: by its first model, where a GET tells
-- of one and its name has a place in a path
SET ROLE regress_backend;
CREATE TEMP TABLE models (n serial, provider text, models jsonb, id uuid);
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
INSERT INTO models (provider, models) VALUES
    ('openai', '["gpt-5-mini", "gpt-5"]'),
    ('openai', 'null'),
    ('openai', '["ft:gpt-4o-mini:acme::AbC123"]'),
    ('groq', '["openai/gpt-oss-120b"]'),
    ('anthropic', '["claude-sonnet-5"]'),
    ('google_ai', '["gemini-3-pro"]'),
    ('google_ai', '["gemini-3-pro:streamGenerateContent"]'),
    ('mistral', '["m~_.-!$&\u0027()*+,;=:@[]|^`{}<>"]'),
    ('openai', '["../../v2/files"]'),
    ('openai', '["a/../b"]'),
    ('openai', '["."]'),
    ('openai', '["a/./b"]'),
    ('openai', '["..a/b.."]'),
    ('openai', '["/etc"]'),
    ('openai', '["a//b"]'),
    ('openai', '["a/"]'),
    ('openai', '["a?b=c"]'),
    ('openai', '["a#b"]'),
    ('openai', '["%2e%2e/b"]'),
    ('openai', '["a\\b"]'),
    ('openai', '["@evil.example"]'),
    ('deepseek', '["deepseek-chat"]'),
    ('openrouter', '["openai/gpt-5"]'),
    ('huggingface', '["meta/llama"]'),
    ('azure_ai_foundry', '["my-deployment"]');
UPDATE models SET id = tarx_keys.add_llm_key(:'A', provider, 'model ' || n, 'not-a-real-key-' || n || '-0123456789',
    CASE provider WHEN 'azure_ai_foundry' THEN 'https://demo.openai.azure.com' END, jsonb_build_object('allowed_models', models));
GRANT SELECT ON models TO PUBLIC;
COMMIT;
SET ROLE regress_agent;
SELECT m.provider, m.models, p.method, p.url FROM models m, tarx_keys.probe_request(:'A', m.id) p ORDER BY n;
-- what is sent of a body is what its type says, whatever the key's own headers say
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'huggingface', 'typed', 'not-a-real-key-0123456789', options => '{"headers": {"content-type": "text/plain", "X-Team": "a"}}') AS typed \gset
COMMIT;
SET ROLE regress_agent;
SELECT headers FROM tarx_keys.probe_request(:'A', :'typed');
SELECT headers FROM tarx_keys.models_request(:'A', :'typed');
BEGIN READ ONLY; SELECT url FROM tarx_keys.probe_request(:'A', :'openai'); COMMIT;

-- errors are those of resolve_key()
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.models_request(:'A', :'deleted');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'deleted');
SELECT * FROM tarx_keys.probe_request(:'A', :'deleted');
SELECT * FROM tarx_keys.models_request(:'B', :'openai');
SELECT * FROM tarx_keys.chat_request_base(:'B', :'openai');
SELECT * FROM tarx_keys.probe_request(:'B', :'openai');
\set VERBOSITY default
SELECT * FROM tarx_keys.models_request(:'A', :'nowhere');
SELECT * FROM tarx_keys.models_request(:'A', NULL);
SELECT * FROM tarx_keys.probe_request(:'A', NULL);
SELECT * FROM tarx_keys.chat_request_base(NULL, :'openai');
SELECT tarx_keys.models_request(:'A', :'openai') LIMIT 0;
-- only agent roles may
SET ROLE regress_backend;
SELECT * FROM tarx_keys.models_request(:'A', :'openai');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'openai');
SELECT * FROM tarx_keys.probe_request(:'A', :'openai');
SET ROLE regress_login;
SELECT * FROM tarx_keys.models_request(:'A', :'openai');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'openai');
SELECT * FROM tarx_keys.probe_request(:'A', :'openai');
-- a login with both roles, in another project
RESET ROLE;
GRANT tarx_keys_agent TO regress_backend;
SET ROLE regress_backend;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT * FROM tarx_keys.models_request(:'A', :'openai'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT * FROM tarx_keys.chat_request_base(:'A', :'openai'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT * FROM tarx_keys.probe_request(:'A', :'openai'); ROLLBACK;
\set VERBOSITY default
RESET ROLE;
REVOKE tarx_keys_agent FROM regress_backend;
-- calls count as resolves, refused ones too
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT u.uses, u.refused FROM tarx_keys.key_usage u WHERE u.key_id = :'mistral';
SELECT u.uses, u.refused FROM tarx_keys.key_usage u WHERE u.key_id = :'groq';
COMMIT;
RESET ROLE;
UPDATE tarx_keys.project_llm_keys SET destination = 'https://evil.example' WHERE id = :'groq';
SET ROLE regress_agent;
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.models_request(:'A', :'groq');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'groq');
SELECT * FROM tarx_keys.probe_request(:'A', :'groq');
\set VERBOSITY default
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT u.uses, u.refused FROM tarx_keys.key_usage u WHERE u.key_id = :'groq';
COMMIT;

-- whoever edits the catalogue sends no key elsewhere
SET ROLE tarx_keys_owner;
INSERT INTO tarx_keys.custom_providers
SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p) || '{"slug": "acme", "default_base_url": "https://acme.example", "auth_scheme": "Key"}')).*
  FROM tarx_keys.providers p WHERE p.slug = 'openai';
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'acme', 'acme', 'not-a-real-key-0123456789') AS acme \gset
COMMIT;
SET ROLE tarx_keys_owner;
\set VERBOSITY terse
\pset tuples_only on
CREATE FUNCTION pg_temp.try(set_clause text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE tarx_keys.custom_providers SET ' || set_clause || ' WHERE slug = ''acme''';
    RETURN (SELECT url || ' ' || (headers - 'Authorization')::text FROM tarx_keys.models_request('aaaaaaaa-0000-4000-8000-000000000001', current_setting('my.key')::uuid));
EXCEPTION WHEN check_violation OR not_null_violation OR invalid_parameter_value THEN
    RETURN SQLSTATE;
END $$;
SELECT set_config('my.key', :'acme', false) IS NULL;
BEGIN;
SELECT c, pg_temp.try(c) FROM (VALUES
    ('default_base_url = ''https://evil.example'''),
    ('models_path = ''.evil.example/models'''),
    ('models_path = ''@evil.example/models'''),
    ('models_path = '':8443/models'''),
    ('models_path = ''//evil.example/models'''),
    ('models_path = ''\evil.example'''),
    ('models_path = ''/\evil.example'''),
    ('models_path = ''models'''),
    ('models_path = '''''),
    ('models_path = ''/../models'''),
    ('models_path = ''/models/..'''),
    ('models_path = ''/models/%2E./x'''),
    ('models_path = ''/..%2f..%2fmodels'''),
    ('models_path = ''/..%5Cmodels'''),
    ('models_path = ''/..%252fmodels'''),
    ('models_path = ''/..;x/models'''),
    ('models_path = ''/..%3Bx/models'''),
    ('models_path = ''/models%0d%0aHost:'''),
    ('models_path = ''/./models'''),
    ('models_path = ''/models#x'''),
    ('models_path = ''/mo dels'''),
    ('models_path = E''/models\r\nHost: evil.example'''),
    ('models_path = E''/models\n'''),
    ('models_path = ''/modèles'''),
    ('deployments_path = ''@evil.example/'''),
    ('deployments_path = ''/../x'''),
    ('chat_base_path = ''@evil.example/'''),
    ('chat_base_path = ''/x?y'''),
    ('chat_base_path = ''/../x'''),
    ('chat_base_path = ''/..%2Fx'''),
    ('chat_base_path = ''/..;/x'''),
    ('chat_base_path = ''/..%3b/x'''),
    ('chat_base_path = ''//evil.example'''),
    ('chat_base_path = ''/x/'''),
    ('auth_header = ''Host'''),
    ('auth_header = ''X-Original-Url'''),
    ('auth_header = ''te'''),
    ('auth_header = E''X\r\nHost'''),
    ('auth_header = '''''),
    ('auth_scheme = E''X\r\nHost: evil.example'''),
    ('extra_headers = ''{"hOST": "evil.example"}'''),
    ('extra_headers = ''{"X-Forwarded-Host": "evil.example"}'''),
    ('extra_headers = ''{"Transfer-Encoding": "chunked"}'''),
    ('extra_headers = ''{"X-Original-URL": "/"}'''),
    ('extra_headers = ''{"X-Rewrite-URL": "/"}'''),
    ('extra_headers = ''{"X-Original-Host": "evil.example"}'''),
    ('extra_headers = ''{"X-Host": "evil.example"}'''),
    ('extra_headers = ''{"X-HTTP-Host-Override": "evil.example"}'''),
    ('extra_headers = ''{"TE": "trailers"}'''),
    ('extra_headers = ''{"Trailer": "Host"}'''),
    ('extra_headers = ''{"X": "a\r\nHost: evil.example"}'''),
    ('extra_headers = ''{"X\r\nHost": "evil.example"}'''),
    ('extra_headers = ''{"X": ""}'''),
    ('extra_headers = ''{"X": "é"}'''),
    ('extra_headers = ''{"": "x"}'''),
    ('extra_headers = ''{"X Y": "z"}'''),
    ('extra_headers = (SELECT jsonb_object_agg(''X-'' || n, ''y'') FROM generate_series(1, 17) n)'),
    ('extra_headers = ''{"X": 1}'''),
    ('extra_headers = ''{"X": {"Y": "z"}}'''),
    ('extra_headers = ''["X"]'''),
    ('extra_headers = ''"X"'''),
    -- and what is in order
    ('models_path = ''/v2/models?limit=5'''),
    ('models_path = ''?list=models'''),
    ('models_path = ''/a%20b;c/models?at=a%2Fb'''),
    ('models_path = ''/'''),
    ('models_path = ''/a.b/..c/...'''),
    ('extra_headers = ''{"X-Team": "a b", "Authorization": "none"}''')) v (c);
SELECT headers FROM tarx_keys.models_request(:'A', :'acme');
ROLLBACK;
\set VERBOSITY default
-- a key whose provider is gone
DELETE FROM tarx_keys.custom_providers;
SET ROLE regress_agent;
SELECT * FROM tarx_keys.models_request(:'A', :'acme');
SELECT * FROM tarx_keys.probe_request(:'A', :'acme');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'acme');

-- clean up
RESET ROLE;
DROP TABLE keys, models;
\set ECHO none
\i :clean_up
