-- What is kept with an LLM key: state, order, expiry, models, headers; how admins
-- change it, and what resolve calls make of it.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
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
    IF hint = '' AND SQLSTATE <> '42501' THEN
        RAISE WARNING 'without a hint: %', message;
    END IF;
    RETURN concat_ws(' ', SQLSTATE, nullif(argument, '') || ':', regexp_replace(message, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'));
END $$;
GRANT EXECUTE ON FUNCTION pg_temp.outcome TO regress_backend, regress_agent;
\set ECHO all
\set value sk-proj-policy-0123456789abcdef0123456789

-- options of a key that is added
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'plain', :'value') AS plain \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'empty', :'value', NULL, '{}') AS empty \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'all', :'value', options => '{"enabled": true, "priority": 5,
    "expires_at": "2900-01-31T12:00:00Z", "rotate_after": "2027-01-31 12:00:00+02", "allowed_models": ["gpt-5", "gpt-5-mini"],
    "headers": {"x-portkey-virtual-key": "vk-secret-1", "X-Team": "a b"}}') AS "all" \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'nulls', :'value', options => '{"expires_at": null, "rotate_after": null, "allowed_models": null, "headers": null}') AS nulls \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'off', :'value', options => '{"enabled": false, "priority": -2147483648}') AS off \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'over', :'value', options => '{"expires_at": "2001-01-01T00:00:00Z"}') AS over \gset
COMMIT;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SET LOCAL TIME ZONE 'UTC';
\pset tuples_only off
SELECT name, state, priority, expires_at, rotate_after, allowed_models, header_names, destination FROM tarx_keys.llm_keys ORDER BY name;
\pset tuples_only on
COMMIT;
-- the values of headers are not in the table
RESET ROLE;
SELECT count(*) FROM tarx_keys.project_llm_keys k WHERE k::text ~ 'vk-secret|a b';

-- what resolves, with which headers
SET ROLE regress_agent;
SELECT r.name, r.key_value = :'value', r.headers FROM tarx_keys.resolve_key(:'A', :'plain') r;
SELECT r.name, r.key_value = :'value', r.headers FROM tarx_keys.resolve_key(:'A', :'all') r;
SELECT r.name, r.headers FROM tarx_keys.resolve_key(:'A', :'nulls') r;
SELECT c.headers FROM tarx_keys.chat_request_base(:'A', :'all') c;
SELECT m.headers FROM tarx_keys.models_request(:'A', :'all') m;
SELECT pg_temp.outcome(format('tarx_keys.resolve_key(%L, %L)', :'A', k)) FROM unnest(ARRAY[:'off', :'over']) k;
SELECT pg_temp.outcome(format(c, :'A', :'off'))
  FROM unnest(ARRAY['tarx_keys.resolve_key_sealed(%L, %L, decode(repeat(''09'', 32), ''hex''))', 'tarx_keys.models_request(%L, %L)', 'tarx_keys.chat_request_base(%L, %L)']) c;

-- an agent's key that is disabled
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT tarx_keys.create_agent(:'A', 'bot', :'off') AS bot \gset
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.outcome(format('tarx_keys.resolve_agent_key(%L, %L)', :'A', :'bot'));

-- changes: what is absent stays, null means none
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.update_llm_key(:'A', :'off', '{"enabled": true}');
SELECT tarx_keys.update_llm_key(project_id => :'A', key_id => :'over', changes => '{"expires_at": null, "name": "Renamed"}');
SELECT tarx_keys.update_llm_key(:'A', :'all', '{"priority": 7, "allowed_models": null, "rotate_after": null}');
SELECT tarx_keys.update_llm_key(:'A', :'plain', '{"allowed_models": ["gpt-5"]}');
SELECT tarx_keys.update_llm_key(:'A', :'empty', '{}');
COMMIT;
SET TIME ZONE 'UTC';
BEGIN; SELECT tarx_keys.act_as('bob', :'A');
SELECT name, state, priority, expires_at, rotate_after, allowed_models, header_names FROM tarx_keys.llm_keys ORDER BY name; COMMIT;
RESET TIME ZONE;
RESET ROLE;
SELECT name, revision FROM tarx_keys.project_llm_keys WHERE project_id = :'A' ORDER BY name;
SELECT action, object_name FROM tarx_keys.audit_log WHERE project_id = :'A' AND action = 'llm_key.update' ORDER BY seq, at;
SET ROLE regress_agent;
SELECT r.name, r.key_value = :'value', r.headers FROM tarx_keys.resolve_key(:'A', :'off') r;
SELECT r.name, r.key_value = :'value' FROM tarx_keys.resolve_key(:'A', :'over') r;
SELECT r.name, r.headers FROM tarx_keys.resolve_key(:'A', :'all') r;
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'bot');
-- a past end ends the key at once
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.update_llm_key(:'A', :'off', '{"expires_at": "2020-02-29T00:00:00Z"}'); COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.outcome(format('tarx_keys.resolve_key(%L, %L)', :'A', :'off'));
-- also one that is hardly past
RESET ROLE;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.update_llm_key(:'A', :'over', jsonb_build_object('expires_at', now() - interval '1 minute'));
SELECT pg_temp.outcome(format('tarx_keys.resolve_key(%L, %L)', :'A', :'over'));
SELECT tarx_keys.update_llm_key(:'A', :'over', jsonb_build_object('expires_at', now() + interval '1 day'));
SELECT left(pg_temp.outcome(format('tarx_keys.resolve_key(%L, %L)', :'A', :'over')), 4);
ROLLBACK;

-- an edit of the provider's row changes new keys only, and those that are refreshed
RESET ROLE;
BEGIN;
INSERT INTO tarx_keys.custom_providers
SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p) || '{"extra_headers": {"x-route": "elsewhere"}, "models_path": "/others", "auth_scheme": "Token"}')).*
  FROM tarx_keys.providers p WHERE p.slug = 'openai';
SELECT m.url, m.headers FROM tarx_keys.models_request(:'A', :'all') m;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.update_llm_key(:'A', :'all', '{"refresh_requests": false}');
SELECT m.url, m.headers FROM tarx_keys.models_request(:'A', :'all') m;
SELECT tarx_keys.update_llm_key(:'A', :'all', '{"refresh_requests": true}');
SELECT m.url, m.headers FROM tarx_keys.models_request(:'A', :'all') m;
-- a key's own header counts more than the provider's
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'own', :'value', options => '{"headers": {"X-Route": "mine"}}') AS own \gset
SELECT c.headers FROM tarx_keys.chat_request_base(:'A', :'own') c;
ROLLBACK;

-- who may: admins of the project
SET ROLE regress_backend;
SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', '{}'));
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', '{}')); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', '{}')); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'B', :'plain', '{}')); ROLLBACK;
SET ROLE regress_agent;
SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', '{}'));

-- what is refused
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT c, pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', c)) FROM unnest(ARRAY[
    '[]', '"x"', '1', 'null', '{"sk-secret": 1}', '{"Name": "x"}', '{"provider": "openai"}', '{"base_url": null}', '{"headers": {}}', '{"key_value": "x"}',
    '{"name": null}', '{"name": 1}', '{"name": ""}', '{"name": "x "}', '{"name": "EMPTY"}', '{"name": "PLAIN"}',
    '{"enabled": null}', '{"enabled": "true"}', '{"enabled": 1}',
    '{"priority": null}', '{"priority": "1"}', '{"priority": 1.5}', '{"priority": 2147483648}', '{"priority": 1e3}', '{"priority": -2147483649}', '{"priority": 1e99999}',
    '{"expires_at": 1767225600}', '{"expires_at": "soon"}', '{"expires_at": ""}', '{"expires_at": "infinity"}', '{"expires_at": "2026-13-01T00:00:00Z"}', '{"expires_at": ["2026-01-01"]}', '{"expires_at": "300000-01-01T00:00:00Z"}',
    '{"rotate_after": true}',
    '{"rotate_after": "2027-01-31"}', '{"rotate_after": "2027-01-31T12:00:00"}', '{"rotate_after": "now"}', '{"rotate_after": "tomorrow"}', '{"rotate_after": "2027-01-31 12:00 sk-secret/x"}',
    '{"allowed_models": []}', '{"allowed_models": "gpt-5"}', '{"allowed_models": {}}', '{"allowed_models": ["gpt 5"]}', '{"allowed_models": [""]}', '{"allowed_models": [null]}', '{"allowed_models": [["gpt-5"]]}', '{"allowed_models": ["é"]}',
    '{"refresh_requests": null}', '{"refresh_requests": "yes"}']) c;
-- zones are those that PostgreSQL knows
SAVEPOINT s;
DO $$
DECLARE
    key tarx_keys.llm_keys;
    at text;
BEGIN
    SELECT * INTO key FROM tarx_keys.llm_keys WHERE name = 'PLAIN';
    FOREACH at IN ARRAY ARRAY['2027-01-31T12:00:00Z', '2027-01-31T12:00:00.5+05:30', '2027-01-31 12:00 Europe/Berlin', '20270131T120000-08', '2027-01-31 12:00 UTC'] LOOP
        PERFORM tarx_keys.update_llm_key(key.project_id, key.id, jsonb_build_object('rotate_after', at));
        RAISE NOTICE '%: %', at, (SELECT rotate_after AT TIME ZONE 'UTC' FROM tarx_keys.llm_keys WHERE id = key.id);
    END LOOP;
END $$;
ROLLBACK TO s;
SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', jsonb_build_object('allowed_models', (SELECT jsonb_agg('m' || n) FROM generate_series(1, 51) n))));
SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', jsonb_build_object('allowed_models', (SELECT jsonb_agg(repeat('m', 198) || to_char(n, 'FM00')) FROM generate_series(1, 50) n))));
SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', jsonb_build_object('allowed_models', jsonb_build_array(repeat('m', 201)))));
SELECT pg_temp.outcome(c) FROM unnest(ARRAY[
    format('tarx_keys.update_llm_key(NULL, %L, %L)', :'plain', '{}'), format('tarx_keys.update_llm_key(%L, NULL, %L)', :'A', '{}'),
    format('tarx_keys.update_llm_key(%L, %L, NULL)', :'A', :'plain'), format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'nowhere', '{}')]) c;
-- headers
SELECT c, pg_temp.outcome(format('tarx_keys.add_llm_key(%L, %L, %L, %L, NULL, %L)', :'A', 'openai', 'x', :'value', '{"headers": ' || c || '}')) FROM unnest(ARRAY[
    '[]', '"x"', '{"x": 1}', '{"x": null}', '{"x": {}}', '{"": "x"}', '{"a b": "x"}', '{"é": "x"}', '{"x:": "x"}',
    '{"Authorization": "Bearer x"}', '{"cookie": "x"}', '{"X-Api-Key": "x"}', '{"api-key": "x"}', '{"x-goog-api-key": "x"}', '{"Host": "evil.example"}',
    '{"content-length": "1"}', '{"Transfer-Encoding": "chunked"}', '{"X-Forwarded-Host": "evil.example"}', '{"proxy-authorization": "x"}', '{"Connection": "close"}',
    '{"x": ""}', '{"x": "a\nb"}', '{"x": "é"}', '{"x": "a", "X": "b"}']) c;
SELECT pg_temp.outcome(format('tarx_keys.add_llm_key(%L, %L, %L, %L, NULL, %L)', :'A', 'openai', 'x', :'value',
       jsonb_build_object('headers', (SELECT jsonb_object_agg('x-' || n, 'v') FROM generate_series(1, 17) n))));
SELECT pg_temp.outcome(format('tarx_keys.add_llm_key(%L, %L, %L, %L, NULL, %L)', :'A', 'openai', 'x', :'value',
       jsonb_build_object('headers', (SELECT jsonb_object_agg('x-' || n, repeat('v', 2048)) FROM generate_series(1, 16) n))));
SELECT pg_temp.outcome(format('tarx_keys.add_llm_key(%L, %L, %L, %L, NULL, %L)', :'A', 'openai', 'y', :'value', jsonb_build_object('headers', jsonb_build_object('x', repeat('v', 2049)))));
-- the provider's own header, options of other calls
SELECT pg_temp.outcome(format('tarx_keys.add_llm_key(%L, %L, %L, %L, %L, %L)', :'A', 'azure_ai_foundry', 'x', :'value', 'https://demo.openai.azure.com', '{"headers": {"API-KEY": "x"}}'));
SELECT pg_temp.outcome(format('tarx_keys.add_llm_key(%L, %L, %L, %L, NULL, %L)', :'A', 'openai', 'y', :'value', c)) FROM unnest(ARRAY['{"name": "y"}', '{"provider": "openai"}', '{"base_url": "x"}', '{"refresh_requests": true}', '[]']) c;
ROLLBACK;

-- each bound column breaks the row, before it is judged
RESET ROLE;
CREATE FUNCTION pg_temp.edited(change text, project uuid, key uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE 'UPDATE tarx_keys.project_llm_keys SET ' || change || ' WHERE id = $1' USING key;
    result := pg_temp.outcome(format('tarx_keys.resolve_key(%L, %L)', project, key));
    RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = result;
EXCEPTION WHEN raise_exception THEN
    RETURN SQLERRM;
END $$;
SELECT c, pg_temp.edited(c, :'A', k) FROM unnest(ARRAY[
    'state = ''enabled''', 'state = ''disabled''', 'state = ''deleted'', ciphertext = NULL, masked_key = NULL, deleted_at = now()', 'priority = priority - 1',
    'expires_at = NULL', 'expires_at = ''2001-01-01 UTC''', 'rotate_after = now()', 'allowed_models = NULL', 'allowed_models = ''{gpt-5,gpt-6}''', 'allowed_models = ''{gpt-5}''', 'allowed_models = ''{{gpt-5}}''', 'allowed_models = ''{NULL}''', 'allowed_models = ''{}''', 'allowed_models = ''[0:0]={gpt-5}''',
    'header_names = ''{x}''', 'revision = revision - 1', 'deleted_by = ''alice''']) c, unnest(ARRAY[:'plain'::uuid]) k;
BEGIN;
SET LOCAL ROLE regress_backend; SELECT tarx_keys.act_as('alice', :'A'); SELECT tarx_keys.update_llm_key(:'A', :'plain', '{"enabled": false}');
RESET ROLE;
SELECT pg_temp.edited('state = ''enabled''', :'A', :'plain');
SELECT status FROM tarx_keys.verify_keys() WHERE id = :'plain';
UPDATE tarx_keys.project_llm_keys SET state = 'enabled' WHERE id = :'plain';
SELECT status FROM tarx_keys.verify_keys() WHERE id = :'plain';
-- nor does a change make it good
SELECT pg_temp.outcome(format('tarx_keys.update_llm_key(%L, %L, %L)', :'A', :'plain', '{"enabled": true}'));
ROLLBACK;
-- times of creation and deletion tell only when
SELECT pg_temp.edited('created_at = now() - interval ''1 year''', :'A', :'all');
-- a revision that has none after it keeps nobody from a change
BEGIN;
UPDATE tarx_keys.project_llm_keys SET revision = 2147483647 WHERE id = :'all';
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.delete_llm_key(:'A', :'all');
ROLLBACK;

-- clean up
\set ECHO none
DROP FUNCTION pg_temp.outcome, pg_temp.edited;
\i :clean_up
