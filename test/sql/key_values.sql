-- What people paste as an LLM key, and names that look alike.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all
\set QUIET on

-- What comes of a value. No piece of it may be in what is said.
CREATE FUNCTION pg_temp.pasted(provider text, key_value text, base_url text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
    argument text;
    outcome text;
BEGIN
    PERFORM tarx_keys.act_as('alice');
    PERFORM tarx_keys.add_llm_key('aaaaaaaa-0000-4000-8000-000000000001', provider, 'pasted', key_value, base_url);
    RAISE EXCEPTION 'undo' USING ERRCODE = 'XX999';
EXCEPTION
    WHEN SQLSTATE 'XX999' THEN
        RETURN 'accepted';
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, argument = COLUMN_NAME;
        outcome := format('%s %s: %s%s | %s', SQLSTATE, argument, SQLERRM, ' ' || nullif(detail, ''), hint);
        IF outcome ~ 'k7Qw|2ZtR|Jd83|71mN|YZ|wxyz|service_account|0123' THEN
            RAISE WARNING 'says too much: %', outcome;
        END IF;
        RETURN outcome;
END $$;
CREATE FUNCTION pg_temp.rest() RETURNS text LANGUAGE sql AS $$ SELECT 'k7Qw2ZtR9mXv4LpBJd83hsPq71mNzWc5Ty' $$;
SET ROLE regress_backend;

-- characters that no header carries, with their place
SELECT n, pg_temp.pasted('openai', v) FROM (VALUES
    (1, 'sk-proj-а' || pg_temp.rest()),                    -- Cyrillic
    (2, 'ѕk-proj-' || pg_temp.rest()),
    (3, 'sk-proj-' || pg_temp.rest() || 'е'),
    (4, 'sk–proj-' || pg_temp.rest()),                     -- a dash
    (5, 'пароль-пароль-пароль'),
    (6, 'café-' || pg_temp.rest()),
    (7, E'sk-proj-\u00a0' || pg_temp.rest()),
    (8, E'\ufeffsk-proj-' || pg_temp.rest()),
    (9, E'sk-proj-\u200b' || pg_temp.rest()),
    (10, E'sk-proj-\u202e' || pg_temp.rest()),
    (11, E'sk-proj-\U0001f511' || pg_temp.rest()),
    (12, 'sk-proj- ' || pg_temp.rest()),
    (13, ' sk-proj-' || pg_temp.rest()),
    (14, 'sk-proj-' || pg_temp.rest() || ' '),
    (15, 'sk-proj-' || pg_temp.rest() || E'\n'),
    (16, E'sk-proj-\t' || pg_temp.rest()),
    (17, 'my key is sk-proj-' || pg_temp.rest())) AS t (n, v) ORDER BY n;

-- what stands around a key
SELECT n, pg_temp.pasted('openai', v) FROM (VALUES
    (1, 'Bearer sk-' || pg_temp.rest()),
    (2, 'bearer  sk-' || pg_temp.rest()),
    (3, 'Token sk-' || pg_temp.rest()),
    (4, 'Authorization: Bearer sk-' || pg_temp.rest()),
    (5, 'api-key: ' || pg_temp.rest()),
    (6, 'x-api-key:' || pg_temp.rest()),
    (7, 'API key: sk-' || pg_temp.rest()),
    (8, '"apiKey": "sk-' || pg_temp.rest() || '",'),
    (9, 'export OPENAI_API_KEY=sk-' || pg_temp.rest()),
    (10, 'OPENAI_API_KEY="sk-' || pg_temp.rest() || '"'),
    (11, 'setx OPENAI_API_KEY sk-' || pg_temp.rest()),
    (12, '$env:OPENAI_API_KEY = "sk-' || pg_temp.rest() || '"'),
    (13, 'const apiKey = "sk-' || pg_temp.rest() || '";'),
    (14, '--api-key=sk-' || pg_temp.rest()),
    (15, '"sk-' || pg_temp.rest() || '"'),
    (16, '''sk-' || pg_temp.rest() || ''''),
    (17, '`sk-' || pg_temp.rest() || '`'),
    (18, '“sk-' || pg_temp.rest() || '”'),
    (19, 'sk-' || pg_temp.rest() || '"'),
    (20, 'sk-' || pg_temp.rest() || ','),
    (21, 'sk-' || pg_temp.rest() || ';'),
    (22, 'sk-' || pg_temp.rest() || '\n'),
    (23, 'https://generativelanguage.googleapis.com/v1beta/models?key=AIza' || pg_temp.rest()),
    (24, 'https://user:sk-' || pg_temp.rest() || '@llm.example'),
    (25, 'api.example.com/v1?api_key=sk-' || pg_temp.rest()),
    (26, 'curl https://api.openai.com/v1/models -H "Authorization: Bearer sk-' || pg_temp.rest() || '"')) AS t (n, v) ORDER BY n;

-- masks, and what stands for a key
SELECT n, pg_temp.pasted('openai', v) FROM (VALUES
    (1, 'sk****YZ'),
    (2, 'sk-***'),
    (3, 'sk-••••YZ'),
    (4, 'sk-●●●●YZ'),
    (5, 'sk-proj-abc…wxyz'),
    (6, 'sk-...wxyz'),
    (7, 'sk-proj-abc...'),
    (8, '********wxyz'),
    (9, 'sk-####YZ'),
    (10, '(sk-' || pg_temp.rest() || ')'),
    (11, '[sk-' || pg_temp.rest() || ']'),
    (12, '<key>sk-' || pg_temp.rest() || '</key>'),
    (13, '{sk-' || pg_temp.rest() || '}'),
    (14, '[REDACTED]'),
    (15, '<your key>'),
    (16, 'YOUR_API_KEY'),
    (17, 'sk-your-key-here'),
    (18, 'sk-xxxxxxxxxxxxxxxx'),
    (19, 'INSERT_KEY_HERE'),
    (20, 'OPENAI_API_KEY'),
    (21, '${OPENAI_API_KEY}'),
    (22, '${secrets.OPENAI}'),
    (23, '$OPENAI_API_KEY'),
    (24, 'process.env.OPENAI_API_KEY')) AS t (n, v) ORDER BY n;

-- documents, and other credentials of ours
SELECT n, pg_temp.pasted('google_ai', v) FROM (VALUES
    (1, '{"type": "service_account", "project_id": "p", "private_key": "x"}'),
    (2, E'{\n  "type": "service_account",\n  "project_id": "p"\n}\n'),
    (3, E'{\r\n\t"type": "service_account"\r\n}'),
    (4, E'  {"type":"service_account"}'),
    (5, '{"type": "service_account", "project_id'),
    (6, '["sk-' || pg_temp.rest() || '"]'),
    (7, '{"api_key": "sk-' || pg_temp.rest() || '"}'),
    (8, '{"a": "' || repeat('b', 9000) || '"}'),
    (9, encode('{"type": "service_account", "project_id": "p", "private_key_id": "0123"}'::bytea, 'base64')),
    (10, E'-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n')) AS t (n, v) ORDER BY n;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT token FROM tarx_keys.create_platform_key('laptop') \gset
COMMIT;
SELECT n, pg_temp.pasted(p, v) FROM (VALUES
    (1, 'openai', :'token'),
    (2, 'openai_compatible', :'token'),
    (3, 'mistral', 'Bearer ' || :'token'),
    (4, 'anthropic', '"' || :'token' || '"'),
    (5, 'openai', E'\n' || :'token'),
    (6, 'openai', 'sk-tarx-' || pg_temp.rest())) AS t (n, p, v) ORDER BY n;

-- a key of another vendor: the longest known prefix decides
SELECT p, k, pg_temp.pasted(p, k || pg_temp.rest(), u) FROM (VALUES
    ('openai', 'sk-ant-api03-', NULL),
    ('openai', 'sk-ant-', NULL),
    ('openai', 'sk-or-v1-', NULL),
    ('openai', 'gsk_', NULL),
    ('openai', 'hf_', NULL),
    ('openai', 'AIza', NULL),
    ('openai', 'AIza', 'https://eu.api.openai.com/v1'),
    ('anthropic', 'sk-proj-', NULL),
    ('anthropic', 'sk-svcacct-', NULL),
    ('anthropic', 'sk-', NULL),
    ('anthropic', 'sk-proj-', 'https://api.anthropic.com'),
    ('google_ai', 'sk-proj-', NULL),
    ('google_ai', 'sk-ant-api03-', NULL),
    ('huggingface', 'sk-proj-', NULL),
    ('huggingface', 'xai-', NULL),
    ('deepseek', 'sk-ant-api03-', NULL),
    ('deepseek', 'sk-proj-', NULL),
    ('deepseek', 'gsk_', 'https://api.deepseek.com'),
    ('openrouter', 'sk-', 'https://eu.openrouter.ai/api/v1'),
    ('groq', 'xai-', NULL),
    ('bedrock', 'sk-proj-', 'https://bedrock-runtime.us-east-1.amazonaws.com'),
    ('xai', 'gsk_', 'https://us.api.x.ai/v1'),
    ('anthropic', 'ABSK', NULL),
    -- its own, and what nobody is known for
    ('openai', 'sk-proj-', NULL),
    ('openai', 'sk-', NULL),
    ('openai', 'sk-any-', NULL),
    ('openai', '', NULL),
    ('anthropic', 'sk-ant-api03-', NULL),
    ('anthropic', 'sk-ant-oat01-', NULL),
    ('anthropic', '', NULL),
    ('google_ai', 'AQ.', NULL),
    ('openai', 'SK-ANT-', NULL),
    ('deepseek', 'sk-', NULL),
    ('moonshot', 'sk-', 'https://api.moonshot.cn/v1'),
    ('xai', 'xai-', NULL),
    ('groq', 'gsk_', NULL),
    ('together', 'tgp_v1_', NULL),
    ('together', '', NULL),
    ('fireworks', 'fw_', NULL),
    ('cerebras', 'csk-', NULL),
    ('cerebras', 'csk_', NULL),
    ('perplexity', 'pplx-', NULL),
    ('openrouter', 'sk-or-v1-', NULL),
    ('bedrock', 'ABSK', 'https://bedrock-runtime.us-east-1.amazonaws.com'),
    ('bedrock', 'bedrock-api-key-', 'https://bedrock-runtime.us-east-1.amazonaws.com'),
    -- no prefixes of its own
    ('mistral', 'sk-ant-api03-', NULL),
    ('mistral', '', NULL),
    ('cohere', 'sk-', NULL),
    -- gateways take any
    ('openai_compatible', 'sk-ant-api03-', 'https://llm.example/v1'),
    ('openai_compatible', 'sk-proj-', 'https://llm.example/v1'),
    ('openai_compatible', 'gsk_', 'https://llm.example/v1'),
    ('openai_compatible', 'hf_', 'https://llm.example/v1'),
    ('azure_ai_foundry', 'sk-proj-', 'https://r.openai.azure.com'),
    ('ollama', 'sk-proj-', 'https://ollama.com/v1'),
    ('vllm', 'gsk_', 'https://vllm.example'),
    ('anthropic', 'sk-', 'https://gw.example/anthropic'),
    ('anthropic', 'gsk_', 'https://gw.example/anthropic')) AS t (p, k, u);
-- a row of one's own counts as all others do
SET ROLE tarx_keys_owner;
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path, key_prefixes) VALUES
    ('deep', 'Deep', 'https://deep.example', '/models', '{sk-,""}'),
    ('deeper', 'Deeper', 'https://deeper.example', '/models', '{sk-deep-}'),
    ('deepest', 'Deepest', 'https://deepest.example', '/models', '{sk-deep-}');
SET ROLE regress_backend;
SELECT p, k, pg_temp.pasted(p, k || pg_temp.rest()) FROM (VALUES
    ('deep', 'sk-'), ('openai', 'sk-'), ('anthropic', 'sk-'), ('deep', 'sk-proj-'),
    ('deep', 'sk-deep-'), ('deeper', 'sk-deep-'), ('openai', 'sk-deep-'), ('deeper', 'sk-'), ('deep', 'x')) AS t (p, k);
SET ROLE tarx_keys_owner;
DELETE FROM tarx_keys.custom_providers WHERE slug ~ 'deep';
SET ROLE regress_backend;

-- no key is refused for what it only resembles
SELECT v, pg_temp.pasted('openai_compatible', v, 'https://llm.example/v1') FROM (VALUES
    ('abcd'), ('EMPTY'), ('none'), ('ollama'), ('sk-x'), ('changeme'), ('my-secret-key'), ('sk-no-key-required'), ('not-a-real-key-0123456789'),
    ('3f2a9c1e-7b5d-4e8f-a1c2-0d9e8f7a6b5c:9c8b7a6d5e4f3a2b1c0d9e8f7a6b5c4d'), ('QmVhcmVyIHRva2VuIGluIGJhc2U2NA=='),
    ('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N'), ('sk**ab..cd--ef__gh'), ('!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~x')) AS t (v);

-- names that look alike are alike: stored in normal form C, and unique but for case
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', E'Cafe\u0301', pg_temp.rest()) AS cafe \gset
SELECT name = E'Caf\u00e9' AS composed, length(name) FROM tarx_keys.llm_keys;
COMMIT;
CREATE FUNCTION pg_temp.named(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    argument text;
BEGIN
    PERFORM tarx_keys.act_as('alice');
    PERFORM tarx_keys.add_llm_key('aaaaaaaa-0000-4000-8000-000000000001', 'mistral', name, pg_temp.rest());
    RAISE EXCEPTION 'undo' USING ERRCODE = 'XX999';
EXCEPTION
    WHEN SQLSTATE 'XX999' THEN
        RETURN 'accepted';
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, argument = COLUMN_NAME;
        RETURN format('%s %s: %s | %s', SQLSTATE, argument, SQLERRM, hint);
END $$;
SELECT n, pg_temp.named(name) FROM (VALUES
    (1, E'Cafe\u0301'), (2, E'Caf\u00e9'), (3, E'CAF\u00e9'), (4, E'caFe\u0301'), (5, 'Cafe'), (6, E'Caf\u00c9'),
    (7, E'\u212bngstrom'), (8, E'\u1112\u1161\u11ab'),
    (9, repeat(E'e\u0301', 100)), (10, repeat(E'e\u0301', 101)), (11, repeat(E'\u0958', 51)), (12, repeat(E'e\u0301', 5000)),
    (13, E'e\u0301 '), (14, E'Cafe\u0301\u200b')) AS t (n, name) ORDER BY n;
-- of one's own transaction as well, and in one call
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'Prod', pg_temp.rest()) IS NOT NULL;
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'PROD', pg_temp.rest());
ROLLBACK;
-- in another project it is free, and after a deletion
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.add_llm_key(:'B', 'mistral', E'CAF\u00e9', pg_temp.rest()) IS NOT NULL; ROLLBACK;
-- it is bound as it is stored, and audited
SET ROLE regress_agent;
SELECT name = E'Caf\u00e9' AS composed FROM tarx_keys.resolve_key(:'A', :'cafe');
RESET ROLE;
SELECT kind, status FROM tarx_keys.verify_keys(:'A') WHERE kind = 'llm_key';
SELECT object_name = E'Caf\u00e9' AS composed FROM tarx_keys.audit_log WHERE action = 'llm_key.add';
UPDATE tarx_keys.project_llm_keys SET name = E'Cafe\u0301' WHERE id = :'cafe';
SELECT status FROM tarx_keys.verify_keys(:'A') WHERE kind = 'llm_key';
SELECT pg_get_indexdef('tarx_keys.project_llm_keys_name'::regclass);

-- clean up
DROP FUNCTION pg_temp.named(text);
\set ECHO none
\i :clean_up
