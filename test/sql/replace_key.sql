-- Replacing an LLM key by another one.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
-- what the list shows, with the time of a replacement made the same
CREATE FUNCTION pg_temp.keys() RETURNS TABLE (name text, provider text, base_url text, state text, priority integer, allowed_models text[], header_names text[], agent_count bigint) LANGUAGE sql AS $$
    SELECT replace(k.name, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), 'NOW'), k.provider, k.base_url, k.state, k.priority, k.allowed_models, k.header_names, k.agent_count
      FROM tarx_keys.llm_keys k ORDER BY k.created_at, k.name $$;
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    message text;
    hint text;
    argument text;
BEGIN
    EXECUTE 'SELECT r FROM ' || call || ' r' INTO result;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, argument = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, nullif(argument, '') || ':', regexp_replace(message, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'));
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO regress_backend, regress_agent;
\set ECHO all
\set first sk-proj-first-0123456789abcdef0123456789
\set second sk-proj-second-0123456789abcdef012345678

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'Main', :'first', 'https://eu.api.openai.com',
    '{"priority": 3, "allowed_models": ["gpt-5"], "headers": {"X-Team": "a"}, "expires_at": "2900-01-01T00:00:00Z", "rotate_after": "2001-01-01T00:00:00Z"}') AS main \gset
SELECT tarx_keys.create_agent(:'A', 'one', :'main') AS one \gset
SELECT tarx_keys.create_agent(:'A', 'two', :'main') AS two \gset
SELECT tarx_keys.create_agent(:'A', 'none') AS none \gset
COMMIT;
-- name, provider, base URL, headers, order, models and times to come stay; agents move
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.replace_llm_key(project_id => :'A', key_id => :'main', key_value => :'second') AS new \gset
SELECT * FROM pg_temp.keys();
SELECT extract(year FROM expires_at AT TIME ZONE 'UTC'), rotate_after FROM tarx_keys.llm_keys WHERE id = :'new';
SELECT action, object_id = :'main' AS old, object_id = :'new' AS new, object_name = :'new' AS names_new FROM tarx_keys.project_audit WHERE object_id IN (:'main', :'new') ORDER BY seq, at;
COMMIT;
SET ROLE regress_agent;
SELECT r.key_id = :'new', r.key_value = :'second', r.base_url, r.headers FROM tarx_keys.resolve_agent_key(:'A', :'one') r;
SELECT pg_temp.outcome(format('tarx_keys.resolve_key(%L, %L)', :'A', :'main'));
-- enabling the old one and repointing takes it back
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.update_llm_key(:'A', :'main', '{"enabled": true}');
SELECT tarx_keys.repoint_agents(:'A', :'new', :'main');
RESET ROLE;
SELECT r.key_value = :'first', r.headers FROM tarx_keys.resolve_agent_key(:'A', :'two') r;
ROLLBACK;

-- options override; a second replacement in a minute has a number, a long name is cut
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.replace_llm_key(:'A', :'new', :'first', '{"priority": 1, "allowed_models": null, "headers": null, "base_url": null, "enabled": false}') AS third \gset
SELECT tarx_keys.replace_llm_key(:'A', :'third', 'sk-ant-api03-0123456789abcdef0123456789', '{"provider": "anthropic", "name": "Other"}') AS fourth \gset
SELECT * FROM pg_temp.keys();
SELECT tarx_keys.add_llm_key(:'A', 'openai', repeat('ñ', 100), :'first') AS long \gset
SELECT tarx_keys.replace_llm_key(:'A', :'long', :'second') AS longer \gset
SELECT length(name), left(name, 75) = repeat('ñ', 75) AND name ~ '^ñ+ \(until [-0-9]{10} [0-9:]{5}\)$', state FROM tarx_keys.llm_keys WHERE id = :'long';
SELECT tarx_keys.replace_llm_key(:'A', :'longer', :'first') AS longest \gset
SELECT length(name), name ~ '^ñ+ \(until [-0-9]{10} [0-9:]{5}, 2\)$', state FROM tarx_keys.llm_keys WHERE id = :'longer';
-- the same provider keeps the base URL; another one brings its own default
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'regional', :'first', 'https://eu.api.openai.com') AS regional \gset
SELECT tarx_keys.replace_llm_key(:'A', :'regional', :'second', '{"provider": "openai"}') AS regional2 \gset
SELECT tarx_keys.replace_llm_key(:'A', :'regional2', 'sk-ant-api03-0123456789abcdef0123456789', '{"provider": "anthropic"}') AS regional3 \gset
SELECT provider, destination FROM tarx_keys.llm_keys WHERE id IN (:'regional2', :'regional3') ORDER BY provider DESC;
-- headers that are taken over go nowhere else
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'gateway', :'first', 'https://eu.api.openai.com', '{"headers": {"X-Gateway-Key": "gateway-secret"}}') AS gateway \gset
SAVEPOINT s;
SELECT c, pg_temp.outcome(format('tarx_keys.replace_llm_key(%L, %L, %L, %L)', :'A', :'gateway', 'value-of-another-0123456789', c)) FROM unnest(ARRAY[
    '{"base_url": "https://us.api.openai.com"}', '{"base_url": null}', '{"provider": "openai_compatible", "base_url": "https://evil.example/v1"}',
    '{"provider": "openai_compatible", "base_url": "https://evil.example/v1", "headers": {"X-Other": "x"}}']) c;
ROLLBACK TO s;
SELECT tarx_keys.replace_llm_key(:'A', :'gateway', 'value-of-another-0123456789', '{"provider": "openai_compatible", "base_url": "https://EU.api.openai.com/v1/"}') AS moved \gset
SELECT provider, destination, header_names FROM tarx_keys.llm_keys WHERE id = :'moved';
-- one that is disabled, or has expired, can be replaced
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'over', :'first', options => '{"enabled": false, "expires_at": "2001-01-01T00:00:00Z"}') AS over \gset
SELECT tarx_keys.replace_llm_key(:'A', :'over', :'second') AS new_over \gset
SELECT state, expires_at FROM tarx_keys.llm_keys WHERE id = :'new_over';
ROLLBACK;

-- a row that does not open: nothing is taken from it but its id and its agents
RESET ROLE;
BEGIN;
UPDATE tarx_keys.project_llm_keys SET base_url = 'https://evil.example/v1', destination = 'https://evil.example/v1', provider = 'openai_compatible', priority = 0, allowed_models = '{x}' WHERE id = :'new';
SET LOCAL ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT name, base_url, destination, status FROM tarx_keys.llm_keys WHERE id = :'new';
SELECT c, pg_temp.outcome(format('tarx_keys.replace_llm_key(%L, %L, %L, %L)', :'A', :'new', :'second', c)) FROM unnest(ARRAY[
    NULL, '{}', '{"name": "Main", "provider": "openai"}', '{"name": "Main", "base_url": null}', '{"provider": "openai", "base_url": null}', '{"name": "Main", "provider": "openai_compatible", "base_url": null}']) c;
SELECT tarx_keys.replace_llm_key(:'A', :'new', :'second', '{"name": "Main", "provider": "openai", "base_url": null}') AS fresh \gset
SELECT * FROM pg_temp.keys();
RESET ROLE;
SELECT state FROM tarx_keys.project_llm_keys WHERE id = :'new';
SELECT r.key_id = :'fresh', r.base_url, r.headers FROM tarx_keys.resolve_agent_key(:'A', :'one') r;
SELECT action, object_name = :'fresh' AS names_new FROM tarx_keys.audit_log WHERE object_id = :'new' ORDER BY seq DESC LIMIT 1;
ROLLBACK;
-- nor from one whose master key is missing
BEGIN;
UPDATE tarx_keys.project_llm_keys SET ciphertext = overlay(ciphertext PLACING '\x0123456789abcdef' FROM 2) WHERE id = :'new';
SET LOCAL ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT pg_temp.outcome(format('tarx_keys.replace_llm_key(%L, %L, %L)', :'A', :'new', :'second'));
SELECT tarx_keys.replace_llm_key(:'A', :'new', 'sk-ant-api03-0123456789abcdef0123456789', '{"name": "Main", "provider": "anthropic", "base_url": null}') IS NOT NULL;
ROLLBACK;

-- who may, and what is refused
SET ROLE regress_backend;
SELECT pg_temp.outcome(format('tarx_keys.replace_llm_key(%L, %L, %L)', :'A', :'new', :'second'));
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT pg_temp.outcome(format('tarx_keys.replace_llm_key(%L, %L, %L)', :'A', :'new', :'second')); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT pg_temp.outcome(format('tarx_keys.replace_llm_key(%L, %L, %L)', :'B', :'new', :'second')); ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT pg_temp.outcome(c) FROM unnest(ARRAY[
    format('tarx_keys.replace_llm_key(NULL, %L, %L)', :'new', :'second'), format('tarx_keys.replace_llm_key(%L, NULL, %L)', :'A', :'second'),
    format('tarx_keys.replace_llm_key(%L, %L, NULL)', :'A', :'new'), format('tarx_keys.replace_llm_key(%L, %L, %L)', :'A', :'nowhere', :'second'),
    format('tarx_keys.replace_llm_key(%L, %L, %L)', :'A', :'new', 'sk-ant-api03-0123456789'), format('tarx_keys.replace_llm_key(%L, %L, %L)', :'A', :'new', 'short key'),
    format('tarx_keys.replace_llm_key(%L, %L, %L, %L)', :'A', :'new', :'second', '{"provider": "nonesuch"}'),
    format('tarx_keys.replace_llm_key(%L, %L, %L, %L)', :'A', :'new', :'second', '{"base_url": "https://evil.example"}'),
    format('tarx_keys.replace_llm_key(%L, %L, %L, %L)', :'A', :'new', :'second', '{"refresh_requests": true}')]) c;
SELECT tarx_keys.delete_llm_key(:'A', :'main');
SELECT pg_temp.outcome(format('tarx_keys.replace_llm_key(%L, %L, %L)', :'A', :'main', :'second'));
ROLLBACK;

-- clean up
\set ECHO none
RESET ROLE;
DROP FUNCTION pg_temp.outcome, pg_temp.keys;
\i :clean_up
