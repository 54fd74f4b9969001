-- Which of several keys a runner gets, and what it reports of them.
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
    detail text;
    argument text;
BEGIN
    EXECUTE 'SELECT r FROM ' || call || ' r' INTO result;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, argument = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, nullif(argument, '') || ':', regexp_replace(concat_ws(' / ', message, nullif(detail, '')), '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'));
END $$;
-- the key that is chosen, which attempt it is, and how many are left
CREATE FUNCTION pg_temp.chosen(project uuid, provider text, model text DEFAULT NULL, tried uuid[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    RETURN (SELECT concat_ws(' ', r.name, right(r.key_value, 3), r.attempt, r.remaining) FROM tarx_keys.resolve_provider_key(project, provider, model, tried) r);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, regexp_replace(detail, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'));
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO regress_backend, regress_agent;
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'second', 'sk-0123456789abcdef0123456789-two') AS second \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'first', 'sk-0123456789abcdef0123456789-one', options => '{"priority": 1}') AS first \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'last', 'sk-0123456789abcdef0123456789-000', options => '{"priority": 1000, "allowed_models": ["gpt-5", "gpt-5-mini"]}') AS last \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'off', 'sk-0123456789abcdef0123456789-off', options => '{"priority": 0, "enabled": false}') AS off \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'over', 'sk-0123456789abcdef0123456789-end', options => '{"priority": 0, "expires_at": "2001-01-01T00:00:00Z"}') AS over \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'other', 'another-provider-0123456789abcdef', options => '{"priority": 0}') AS other \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'gone', 'sk-0123456789abcdef0123456789-end', options => '{"priority": 0}') AS gone \gset
SELECT tarx_keys.delete_llm_key(:'A', :'gone');
SELECT tarx_keys.create_agent(:'A', 'by key', :'first') AS by_key \gset
SELECT tarx_keys.create_agent(:'A', 'by provider', NULL, 'openai') AS by_provider \gset
COMMIT;

-- by priority; without what is disabled, expired, deleted or of another provider
SET ROLE regress_agent;
SELECT pg_temp.chosen(:'A', 'openai');
SELECT pg_temp.chosen(:'A', 'openai', 'gpt-5');
SELECT pg_temp.chosen(:'A', 'openai', 'o9');
SELECT pg_temp.chosen(:'A', 'openai', NULL, ARRAY[:'first']::uuid[]);
SELECT pg_temp.chosen(:'A', 'openai', 'gpt-5', ARRAY[:'first', :'second']::uuid[]);
SELECT pg_temp.chosen(:'A', 'openai', 'o9', ARRAY[:'first', :'second']::uuid[]);
SELECT pg_temp.chosen(:'A', 'openai', 'gpt-5', ARRAY[:'first', :'second', :'last', :'nowhere']::uuid[]);
SELECT pg_temp.chosen(:'A', 'mistral');
SELECT pg_temp.chosen(:'A', 'anthropic');
SELECT pg_temp.chosen(:'A', 'nonesuch');
SELECT pg_temp.chosen(:'B', 'openai');
SELECT pg_temp.chosen(:'nowhere', 'openai');
\pset tuples_only off
SELECT r.provider, r.name, r.base_url, r.key_value, r.headers, r.attempt, r.remaining FROM tarx_keys.resolve_provider_key(project_id => :'A', provider => 'openai', model => NULL, tried => '{}') r;
SELECT r.name, length(r.sealed) > 48, r.attempt, r.remaining FROM tarx_keys.resolve_provider_key_sealed(:'A', 'openai', decode(repeat('09', 32), 'hex'), 'gpt-5', ARRAY[:'first']::uuid[]) r;
\pset tuples_only on

-- by an agent: its key, or its provider
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'by_key');
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'by_provider');
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'by_provider', 'gpt-5', ARRAY[:'first', :'second']::uuid[]);
SELECT name FROM tarx_keys.resolve_agent_key_sealed(:'A', :'by_provider', decode(repeat('09', 32), 'hex'), 'gpt-5', ARRAY[:'first', :'second']::uuid[]);
SELECT pg_temp.outcome(format('tarx_keys.resolve_agent_key(%L, %L, NULL, ARRAY[%L]::uuid[])', :'A', :'by_key', :'first'));
SELECT pg_temp.outcome(format('tarx_keys.resolve_agent_key(%L, %L, %L, ARRAY[%L, %L]::uuid[])', :'A', :'by_provider', 'o9', :'first', :'second'));
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.update_llm_key(:'A', :'first', '{"allowed_models": ["gpt-5"]}'); COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.outcome(format('tarx_keys.resolve_agent_key(%L, %L, %L)', :'A', :'by_key', 'o9'));
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'by_key', 'gpt-5');
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'by_provider', 'o9');

-- what is reported: cooling keys are tried last, and the last one is never cooled away
SELECT tarx_keys.report_key(:'A', :'first', 'quota');
SELECT pg_temp.chosen(:'A', 'openai');
SELECT tarx_keys.report_key(:'A', :'second', 'rate_limited', '20 minutes');
SELECT pg_temp.chosen(:'A', 'openai');
SELECT tarx_keys.report_key(:'A', :'last', 'rejected');
SELECT pg_temp.chosen(:'A', 'openai');
SELECT pg_temp.chosen(:'A', 'openai', NULL, ARRAY[:'first']::uuid[]);
SELECT pg_temp.chosen(:'A', 'openai', NULL, ARRAY[:'first', :'second']::uuid[]);
SELECT pg_temp.chosen(:'A', 'openai', NULL, ARRAY[:'first', :'second', :'last']::uuid[]);
-- by id nothing changes
SELECT name FROM tarx_keys.resolve_key(:'A', :'last');
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'by_key', 'gpt-5');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT name, health, health_at <= clock_timestamp(), (cooling_until - health_at)::text FROM tarx_keys.llm_keys ORDER BY name;
SELECT name, reason FROM tarx_keys.due_keys ORDER BY name, reason;
COMMIT;
-- each outcome, and how long it lasts: again, and again while it is cooling
SET ROLE regress_agent;
SELECT count(tarx_keys.report_key(:'A', :'second', o)) FROM unnest(ARRAY['ok', 'server', 'server']) o;
SELECT count(tarx_keys.report_key(:'A', :'first', o)) FROM unnest(ARRAY['quota', 'quota', 'quota']) o;
SELECT count(tarx_keys.report_key(:'A', :'last', o)) FROM unnest(ARRAY['ok', 'rate_limited']) o;
SELECT tarx_keys.report_key(:'A', :'off', 'timeout'), tarx_keys.report_key(:'A', :'over', 'rate_limited', '1 year'), tarx_keys.report_key(:'A', :'other', 'rate_limited', '0');
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('bob', :'A'); SELECT name, health, (cooling_until - health_at)::text FROM tarx_keys.llm_keys ORDER BY name; COMMIT;
-- it doubles when it is reported after the cooling, which retry_after can end at once
RESET ROLE;
DO $$
DECLARE
    key tarx_keys.project_llm_keys;
BEGIN
    SELECT * INTO key FROM tarx_keys.project_llm_keys WHERE name = 'other';
    PERFORM tarx_keys.act_as('bob', key.project_id);
    FOR i IN 1 .. 7 LOOP
        PERFORM tarx_keys.report_key(key.project_id, key.id, 'rate_limited', '0');
        PERFORM tarx_keys.report_key(key.project_id, key.id, 'rate_limited');
        RAISE NOTICE '%', (SELECT k.cooling_until - k.health_at FROM tarx_keys.llm_keys k WHERE k.id = key.id);
    END LOOP;
END $$;
-- of other outcomes only ok ends a cooling early
SET ROLE regress_agent;
SELECT count(tarx_keys.report_key(:'A', :'last', o)) FROM unnest(ARRAY['rejected', 'server', 'timeout', 'rate_limited', 'quota']) o;
SELECT count(tarx_keys.report_key(:'A', :'second', o)) FROM unnest(ARRAY['server', 'quota', 'timeout', 'rate_limited']) o;
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('bob', :'A'); SELECT name, health, (cooling_until - health_at)::text FROM tarx_keys.llm_keys WHERE name IN ('second', 'last') ORDER BY name; COMMIT;
SET ROLE regress_agent;
SELECT tarx_keys.report_key(:'A', :'second', 'rejected'), tarx_keys.report_key(:'A', :'last', 'ok');
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('bob', :'A'); SELECT name, health FROM tarx_keys.llm_keys WHERE name IN ('second', 'last') ORDER BY name; COMMIT;
-- ok clears, and so does any change by an admin
SET ROLE regress_agent;
SELECT tarx_keys.report_key(:'A', :'first', 'ok'), tarx_keys.report_key(:'A', :'last', 'rejected');
SELECT pg_temp.chosen(:'A', 'openai');
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); SELECT tarx_keys.update_llm_key(:'A', :'last', '{}'); SELECT name, health, health_at FROM tarx_keys.llm_keys WHERE name IN ('first', 'last') AND health <> 'ok'; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); SELECT name, health FROM tarx_keys.llm_keys WHERE name IN ('first', 'last') ORDER BY name; COMMIT;
-- and what is reported of the changed key counts for that alone
RESET ROLE;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.update_llm_key(:'A', :'last', '{}');
SELECT tarx_keys.report_key(:'A', :'last', 'ok');
SELECT name, health FROM tarx_keys.llm_keys WHERE name = 'last';
ROLLBACK;
-- of cooling ones the one whose cooling ends first
SELECT count(tarx_keys.report_key(:'A', k, 'ok')) FROM unnest(ARRAY[:'first', :'second', :'last']::uuid[]) k;
SELECT tarx_keys.report_key(:'A', :'first', 'rate_limited', '30 minutes'), tarx_keys.report_key(:'A', :'second', 'rate_limited', '20 minutes'), tarx_keys.report_key(:'A', :'last', 'rate_limited', '40 minutes');
SELECT pg_temp.chosen(:'A', 'openai');
SELECT tarx_keys.report_key(:'A', :'first', 'ok'), tarx_keys.report_key(:'A', :'second', 'rejected'), tarx_keys.report_key(:'A', :'last', 'rejected');
-- not in another project's name
BEGIN;
SELECT tarx_keys.act_as('bob', :'B');
SELECT pg_temp.outcome(format('tarx_keys.report_key(%L, %L, %L)', :'A', :'first', 'ok'));
ROLLBACK;

-- rows that do not open are skipped, counted as refused, and named where no other is left
RESET ROLE;
BEGIN;
UPDATE tarx_keys.project_llm_keys SET priority = -1 WHERE id = :'second';
UPDATE tarx_keys.project_llm_keys SET ciphertext = overlay(ciphertext PLACING '\x0123456789abcdef' FROM 2) WHERE id = :'last';
SELECT pg_temp.chosen(:'A', 'openai');
SELECT pg_temp.chosen(:'A', 'openai', 'o9');
SELECT k.name, u.refused FROM tarx_keys.known_usage('llm_key', ARRAY[:'A']::uuid[]) u JOIN tarx_keys.project_llm_keys k ON k.id = u.id WHERE k.name IN ('second', 'last') ORDER BY k.name;
ROLLBACK;

-- who may, and what is refused
SET ROLE regress_backend;
SELECT pg_temp.outcome(c) FROM unnest(ARRAY[format('tarx_keys.resolve_provider_key(%L, %L)', :'A', 'openai'), format('tarx_keys.report_key(%L, %L, %L)', :'A', :'first', 'ok')]) c;
SET ROLE regress_agent;
SELECT pg_temp.outcome(format(c, :'A', :'first', :'B', :'nowhere', :'gone')) FROM unnest(ARRAY[
    'tarx_keys.resolve_provider_key(NULL, ''openai'')', 'tarx_keys.resolve_provider_key(%1$L, NULL)', 'tarx_keys.resolve_provider_key(%1$L, ''openai'', NULL, NULL)',
    'tarx_keys.resolve_provider_key(%1$L, ''openai'', NULL, ''{NULL}'')', 'tarx_keys.resolve_provider_key_sealed(%1$L, ''openai'', ''\x00'')',
    'tarx_keys.report_key(NULL, %2$L, ''ok'')', 'tarx_keys.report_key(%1$L, NULL, ''ok'')', 'tarx_keys.report_key(%1$L, %2$L, NULL)',
    'tarx_keys.report_key(%1$L, %2$L, ''OK'')', 'tarx_keys.report_key(%1$L, %2$L, ''sk-secret'')', 'tarx_keys.report_key(%1$L, %2$L, ''rate_limited'', ''-1 s'')',
    'tarx_keys.report_key(%1$L, %2$L, ''rate_limited'', ''-1 year'')', 'tarx_keys.report_key(%3$L, %2$L, ''ok'')', 'tarx_keys.report_key(%1$L, %4$L, ''ok'')', 'tarx_keys.report_key(%1$L, %5$L, ''ok'')']) c;
SELECT * FROM tarx_keys.due_keys;

-- clean up
\set ECHO none
RESET ROLE;
DROP FUNCTION pg_temp.outcome, pg_temp.chosen;
\i :clean_up
