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
SELECT slug, label, default_base_url, base_url_required FROM tarx_keys.providers ORDER BY slug;
SET ROLE regress_agent;
SELECT slug, auth_header, auth_scheme, extra_headers, models_path FROM tarx_keys.providers ORDER BY slug;
SELECT slug, key_prefixes, base_url_host_suffixes, is_builtin FROM tarx_keys.providers ORDER BY slug;
\pset tuples_only on
-- nobody edits it but the owner
UPDATE tarx_keys.providers SET default_base_url = 'https://evil.example';
SET ROLE regress_backend;
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example', '/');
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.providers;

-- a provider of one's own is a row
SET ROLE tarx_keys_owner;
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path, key_prefixes)
VALUES ('acme', 'Acme', 'https://api.acme.example/v1', '/models', '{acme_,acme_live_}');
-- which says either where its keys go, or that each key must
\set VERBOSITY sqlstate
INSERT INTO tarx_keys.providers (slug, label, models_path) VALUES ('x', 'x', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'javascript:alert(1)', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example/' || repeat('x', 2048), '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', E'https://x.example/a\nb', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example/a b', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', E'https://x.example\t/', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', E'https://x.example/\u00a0', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', E'https://x.example/\u200b', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example\evil', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https:///x.example', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://u@x.example', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example/?y', '/');
INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path) VALUES ('x', 'x', 'https://x.example/#y', '/');
\set VERBOSITY default
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'acme', 'acme', 'acme_live_0123456789abcdefghijklmnop') AS key \gset
SELECT provider_label, masked_key FROM tarx_keys.llm_keys;
COMMIT;

-- whoever edits the catalogue redirects no key: it goes where it was bound to go
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.providers SET default_base_url = 'https://evil.example' WHERE slug = 'acme';
SET ROLE regress_agent;
SELECT base_url FROM tarx_keys.resolve_key(:'A', :'key');
-- and a key outlives its provider's row
SET ROLE tarx_keys_owner;
DELETE FROM tarx_keys.providers WHERE slug = 'acme';
SET ROLE regress_agent;
SELECT base_url FROM tarx_keys.resolve_key(:'A', :'key');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT provider_label, masked_key FROM tarx_keys.llm_keys;
ROLLBACK;

-- clean up
\set ECHO none
\i :clean_up
