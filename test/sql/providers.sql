-- The catalogue of providers.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

\pset tuples_only off
SET ROLE regress_backend;
SELECT position, slug, label, default_base_url, base_url_required, base_url_allowed FROM tarx_keys.providers ORDER BY position;
SET ROLE regress_agent;
SELECT slug, auth_header, auth_scheme, extra_headers, models_path, models_are_public, model_path, probe_method, probe_path FROM tarx_keys.providers ORDER BY position;
SELECT slug, key_prefixes, base_url_host_suffixes, is_builtin FROM tarx_keys.providers ORDER BY position;
\pset tuples_only on
-- the built-in ones keep the rules that hold for others
SET ROLE tarx_keys_owner;
BEGIN;
INSERT INTO tarx_keys.custom_providers SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p))).* FROM tarx_keys.providers p;
SELECT count(*), bool_or(is_builtin) FROM tarx_keys.providers;
SELECT to_jsonb(b) FROM tarx_keys_internal.builtin_providers b EXCEPT SELECT to_jsonb(c) FROM tarx_keys.custom_providers c;
ROLLBACK;
-- nobody edits it but the owner, and the owner edits the table
SET ROLE regress_agent;
UPDATE tarx_keys.providers SET default_base_url = 'https://evil.example';
SELECT * FROM tarx_keys.custom_providers;
SET ROLE regress_backend;
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example', '/');
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.providers;
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.providers SET label = 'x';

-- a provider of one's own is a row
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path, key_prefixes)
VALUES ('acme', 'Acme', 'https://api.acme.example/v1', '/models', '{acme_,acme_live_}');
SELECT position, is_builtin FROM tarx_keys.providers WHERE slug = 'acme';
-- which says either where its keys go, or that each key must
\set VERBOSITY sqlstate
INSERT INTO tarx_keys.custom_providers (slug, label, models_path) VALUES ('x', 'x', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'javascript:alert(1)', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example/' || repeat('x', 2048), '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', E'https://x.example/a\nb', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example/a b', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', E'https://x.example\t/', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', E'https://x.example/\u00a0', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', E'https://x.example/\u200b', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example\evil', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https:///x.example', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://u@x.example', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example/?y', '/');
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example/#y', '/');
\set VERBOSITY default
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'acme', 'acme', 'acme_live_0123456789abcdefghijklmnop') AS key \gset
SELECT provider_label, masked_key FROM tarx_keys.llm_keys;
COMMIT;

-- whoever edits the catalogue redirects no key: it goes where it was bound to go
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.custom_providers SET default_base_url = 'https://evil.example' WHERE slug = 'acme';
SET ROLE regress_agent;
SELECT base_url FROM tarx_keys.resolve_key(:'A', :'key');
-- nor a new one to a metadata service
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.custom_providers SET default_base_url = 'http://169.254.169.254/latest' WHERE slug = 'acme';
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'acme', 'x', 'acme_live_0123456789abcdefghijklmnop');
ROLLBACK;
-- however its host is written
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.custom_providers SET default_base_url = 'http://metadata.google.internal./v1' WHERE slug = 'acme';
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'acme', 'x', 'acme_live_0123456789abcdefghijklmnop');
ROLLBACK;
-- and a key outlives its provider's row
SET ROLE tarx_keys_owner;
DELETE FROM tarx_keys.custom_providers WHERE slug = 'acme';
SET ROLE regress_agent;
SELECT base_url FROM tarx_keys.resolve_key(:'A', :'key');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT provider_label, masked_key FROM tarx_keys.llm_keys;
ROLLBACK;

-- a row in the place of a built-in one, of which it takes where keys go
SET ROLE tarx_keys_owner;
CREATE FUNCTION pg_temp.replace_builtin(slug text, changes jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    argument text;
    hint text;
BEGIN
    INSERT INTO tarx_keys.custom_providers
    SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p) || changes)).*
      FROM tarx_keys.providers p WHERE p.slug = replace_builtin.slug;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS argument = COLUMN_NAME, hint = PG_EXCEPTION_HINT;
    RETURN format('%s %s: %s (%s)', SQLSTATE, argument, SQLERRM, hint);
END $$;
SELECT s, c, pg_temp.replace_builtin(s, c) FROM (VALUES
    ('openai', '{"default_base_url": "https://evil.example"}'::jsonb),
    ('openai', '{"default_base_url": null, "base_url_required": true, "base_url_allowed": true}'),
    ('openai', '{"default_base_url": "https://api.openai.com"}'),
    ('openai', '{"base_url_host_suffixes": null}'),
    ('openai', '{"base_url_host_suffixes": [".api.openai.com", ".evil.example"]}'),
    ('anthropic', '{"base_url_host_suffixes": []}'),
    ('google_ai', '{"base_url_allowed": true}'),
    ('azure_ai_foundry', '{"default_base_url": "https://evil.example", "base_url_required": false}'),
    ('openai', '{"auth_header": "X-Key"}'),
    ('mistral', '{"label": "Mistral (Paris)", "position": 0, "models_path": "/models?ours", "base_url_path": "/v2", "base_url_allowed": false, "auth_scheme": "Token"}')) v (s, c);
SELECT slug, label, position, default_base_url, base_url_host_suffixes, base_url_allowed, models_path, auth_scheme, is_builtin FROM tarx_keys.providers ORDER BY position LIMIT 2;
SELECT count(*) FROM tarx_keys.providers;
UPDATE tarx_keys.custom_providers SET default_base_url = 'https://evil.example' WHERE slug = 'mistral';
UPDATE tarx_keys.custom_providers SET slug = 'openai' WHERE slug = 'mistral';
UPDATE tarx_keys.custom_providers SET label = 'Mistral' WHERE slug = 'mistral';
UPDATE tarx_keys.custom_providers SET slug = 'ours', default_base_url = 'https://ours.example' WHERE slug = 'mistral';
SELECT slug, label, default_base_url, is_builtin FROM tarx_keys.providers WHERE slug IN ('mistral', 'ours') ORDER BY slug;
DELETE FROM tarx_keys.custom_providers;
SELECT pg_temp.replace_builtin('openai', '{}'), pg_temp.replace_builtin('openai', '{}');
-- a row that a restore brings, of a provider that was not built in or another one
-- then: it changes none of this either, whoever pretends to restore
SET check_function_bodies = off;
SELECT pg_temp.replace_builtin('google_ai', '{"base_url_allowed": true, "base_url_host_suffixes": [".evil.example"]}');
SELECT pg_temp.replace_builtin('groq', '{"label": "Our gateway", "default_base_url": null, "base_url_required": true, "base_url_host_suffixes": [".evil.example"], "auth_header": "X-Evil"}'),
       pg_temp.replace_builtin('bedrock', '{"default_base_url": "https://evil.example", "base_url_required": false, "base_url_allowed": false, "base_url_host_suffixes": null}');
RESET check_function_bodies;
SELECT slug, label, default_base_url, base_url_required, base_url_allowed, base_url_host_suffixes, auth_header, is_builtin FROM tarx_keys.providers WHERE slug IN ('bedrock', 'google_ai', 'groq') ORDER BY slug;
-- who edits it otherwise is not held up, and doctor() names such rows
UPDATE tarx_keys.custom_providers SET label = 'Gateway' WHERE slug = 'groq';
UPDATE tarx_keys.custom_providers SET auth_header = 'X-Other' WHERE slug = 'groq';
RESET ROLE;
SELECT severity, finding, advice FROM tarx_keys.doctor() WHERE check_name = 'providers';
DELETE FROM tarx_keys.custom_providers;
SELECT severity, finding, advice FROM tarx_keys.doctor() WHERE check_name = 'providers';

-- what a row cannot say of a request that tells whether a key works
SET ROLE tarx_keys_owner;
CREATE FUNCTION pg_temp.row_of(changes jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tarx_keys.custom_providers
    SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p) || '{"slug": "acme"}' || changes)).*
      FROM tarx_keys.providers p WHERE p.slug = 'openai';
    DELETE FROM tarx_keys.custom_providers WHERE slug = 'acme';
    RETURN 'accepted';
EXCEPTION WHEN check_violation OR not_null_violation THEN
    RETURN SQLSTATE;
END $$;
SELECT c, pg_temp.row_of(c) FROM (VALUES
    ('{"models_path": null}'::jsonb),
    ('{"models_are_public": true}'),
    ('{"probe_method": "GET"}'),
    ('{"probe_path": "/key"}'),
    ('{"probe_method": "PUT", "probe_path": "/key"}'),
    ('{"probe_method": "get", "probe_path": "/key"}'),
    ('{"probe_method": "GET", "probe_path": "@evil.example"}'),
    ('{"probe_method": "GET", "probe_path": "/../key"}'),
    ('{"models_path": null, "probe_method": "POST", "probe_path": "/key"}'),
    ('{"models_are_public": true, "probe_method": "GET", "probe_path": "/key"}'),
    ('{"model_path": "/models"}'),
    ('{"model_path": "{model}"}'),
    ('{"model_path": "/{model}/{model}"}'),
    ('{"model_path": "/{model}/{x}"}'),
    ('{"model_path": "/../{model}"}'),
    ('{"model_path": "//{model}"}'),
    ('{"model_path": "?model={model}"}'),
    ('{"position": null}')) v (c);

-- clean up
\set ECHO none
\i :clean_up
