-- What to send to a provider: models_request() and chat_request_base().
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
SELECT tarx_keys.add_llm_key(:'A', 'anthropic', 'anthropic', 'sk-ant-api03-not-a-real-key-0123456789') AS anthropic \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'openai', 'sk-proj-not-a-real-key-0123456789') AS openai \gset
SELECT tarx_keys.add_llm_key(:'A', 'google_ai', 'google', 'AIza-not-a-real-key-0123456789') AS google \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'mistral', 'not-a-real-mistral-key-0123456789') AS mistral \gset
SELECT tarx_keys.add_llm_key(:'A', 'huggingface', 'huggingface', 'hf_not-a-real-key-0123456789') AS huggingface \gset
SELECT tarx_keys.add_llm_key(:'A', 'azure_ai_foundry', 'azure', 'not-a-real-azure-key-0123456789', 'https://demo.openai.azure.com/') AS azure \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai_compatible', 'groq', 'gsk_not-a-real-key-0123456789', 'https://api.groq.com/openai/v1') AS groq \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'odd', 'a"}\\$1''b%s[c]-0123456789') AS odd \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'long', repeat('v', 8192)) AS long \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'deleted', 'not-a-real-mistral-key-9876543210') AS deleted \gset
SELECT tarx_keys.delete_llm_key(:'A', :'deleted');
COMMIT;

-- all seven
SET ROLE regress_agent;
SELECT r.* FROM unnest(ARRAY[:'anthropic', :'openai', :'google', :'mistral', :'huggingface', :'azure', :'groq']::uuid[]) WITH ORDINALITY AS k (id, n), tarx_keys.models_request(:'A', k.id) r ORDER BY n, r.url COLLATE "C";
SELECT c.* FROM unnest(ARRAY[:'anthropic', :'openai', :'google', :'mistral', :'huggingface', :'azure', :'groq']::uuid[]) WITH ORDINALITY AS k (id, n), tarx_keys.chat_request_base(:'A', k.id) c ORDER BY n;
-- deployments before models
SELECT url FROM tarx_keys.models_request(project_id => :'A', key_id => :'azure');
-- the value is the one that resolve_key() gives, whatever is in it
SELECT m.headers, m.headers ->> 'Authorization' = 'Bearer ' || key_value AS same FROM tarx_keys.models_request(:'A', :'odd') m, tarx_keys.resolve_key(:'A', :'odd');
SELECT c.headers ->> 'Authorization' = 'Bearer ' || key_value AS same, m.headers = c.headers AS both FROM tarx_keys.models_request(:'A', :'long') m, tarx_keys.chat_request_base(:'A', :'long') c, tarx_keys.resolve_key(:'A', :'long');
-- they write nothing
BEGIN READ ONLY; SELECT url FROM tarx_keys.models_request(:'A', :'openai'); SELECT base_url FROM tarx_keys.chat_request_base(:'A', :'openai'); COMMIT;

-- errors are those of resolve_key()
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.models_request(:'A', :'deleted');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'deleted');
SELECT * FROM tarx_keys.models_request(:'B', :'openai');
SELECT * FROM tarx_keys.chat_request_base(:'B', :'openai');
\set VERBOSITY default
SELECT * FROM tarx_keys.models_request(:'A', :'nowhere');
SELECT * FROM tarx_keys.models_request(:'A', NULL);
SELECT * FROM tarx_keys.chat_request_base(NULL, :'openai');
SELECT tarx_keys.models_request(:'A', :'openai') LIMIT 0;
-- only agent roles may
SET ROLE regress_backend;
SELECT * FROM tarx_keys.models_request(:'A', :'openai');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'openai');
SET ROLE regress_login;
SELECT * FROM tarx_keys.models_request(:'A', :'openai');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'openai');
-- a login with both roles, in another project
RESET ROLE;
GRANT tarx_keys_agent TO regress_backend;
SET ROLE regress_backend;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT * FROM tarx_keys.models_request(:'A', :'openai'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT * FROM tarx_keys.chat_request_base(:'A', :'openai'); ROLLBACK;
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
\set VERBOSITY default
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT u.uses, u.refused FROM tarx_keys.key_usage u WHERE u.key_id = :'groq';
COMMIT;

-- whoever edits the catalogue sends no key elsewhere
SET ROLE tarx_keys_owner;
\set VERBOSITY terse
\pset tuples_only on
CREATE FUNCTION pg_temp.try(set_clause text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE tarx_keys.providers SET ' || set_clause || ' WHERE slug = ''openai''';
    RETURN (SELECT url || ' ' || (headers - 'Authorization')::text FROM tarx_keys.models_request('aaaaaaaa-0000-4000-8000-000000000001', current_setting('my.key')::uuid));
EXCEPTION WHEN check_violation OR not_null_violation OR invalid_parameter_value THEN
    RETURN SQLSTATE;
END $$;
SELECT set_config('my.key', :'openai', false) IS NULL;
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
    ('extra_headers = ''{"X": 1}'''),
    ('extra_headers = ''{"X": {"Y": "z"}}'''),
    ('extra_headers = ''["X"]'''),
    ('extra_headers = ''"X"'''),
    -- and what is in order
    ('models_path = ''/v2/models?limit=5'''),
    ('models_path = ''?list=models'''),
    ('models_path = ''/'''),
    ('models_path = ''/a.b/..c/...'''),
    ('extra_headers = ''{"X-Team": "a b", "Authorization": "none"}''')) v (c);
SELECT headers FROM tarx_keys.models_request(:'A', :'openai');
ROLLBACK;
\set VERBOSITY default
-- a key whose provider is gone
DELETE FROM tarx_keys.providers WHERE slug = 'huggingface';
SET ROLE regress_agent;
SELECT * FROM tarx_keys.models_request(:'A', :'huggingface');
SELECT * FROM tarx_keys.chat_request_base(:'A', :'huggingface');

-- an edited row is the owner's, which a dump carries and takes the place of the built-in one
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.providers SET label = 'Mistral (Paris)' WHERE slug = 'mistral';
SELECT label, is_builtin FROM tarx_keys.providers WHERE slug = 'mistral';
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('openai', 'Ours', 'https://ours.example', '/models');
SELECT label, is_builtin FROM tarx_keys.providers WHERE slug = 'openai';
\set VERBOSITY sqlstate
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('openai', 'Ours too', 'https://ours.example', '/models');
\set VERBOSITY default

-- clean up
\set ECHO none
\i :clean_up
