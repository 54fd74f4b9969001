-- Run tickets: who issues, enters, renews and revokes them; what a run resolves. What
-- needs another server, a clock or a log is in test/t/170_run_tickets.pl.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all
\set ECHO none
-- what a call gives, or its error
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    argument text;
BEGIN
    EXECUTE 'SELECT string_agg(r::text, '' '') FROM ' || call || ' r' INTO result;
    RETURN coalesce(nullif(regexp_replace(result, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'), ''), 'done');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS argument = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, nullif(argument, '') || ':', regexp_replace(SQLERRM, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'));
END $$;
-- the same in a run of the ticket, in a subtransaction that takes it back
CREATE FUNCTION pg_temp.in_run(ticket text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    BEGIN
        PERFORM tarx_keys.enter_run(ticket);
        result := pg_temp.outcome('tarx_keys.' || call);
        RAISE assert_failure;
    EXCEPTION
        WHEN assert_failure THEN RETURN result;
        WHEN OTHERS THEN RETURN 'enter_run: ' || SQLSTATE || ' ' || regexp_replace(SQLERRM, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g');
    END;
END $$;
-- a call with literals in place of the letters that stand for ids
CREATE TEMP TABLE letters (letter text, literal text);
CREATE FUNCTION pg_temp.fill(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record;
BEGIN
    FOR l IN SELECT * FROM letters LOOP
        call := regexp_replace(call, '\m' || l.letter || '\M', l.literal, 'g');
    END LOOP;
    RETURN call;
END $$;
GRANT SELECT ON letters TO regress_backend, regress_login, regress_agent;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO regress_backend, regress_login, regress_agent;
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'first', 'sk-0123456789abcdef0123456789-one', options => '{"priority": 1}') AS first \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'second', 'sk-0123456789abcdef0123456789-two') AS second \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'other', 'another-provider-0123456789abcdef') AS other \gset
SELECT tarx_keys.create_agent(:'A', 'by key', :'first') AS by_key \gset
SELECT tarx_keys.create_agent(:'A', 'by provider', NULL, 'openai') AS by_provider \gset
SELECT tarx_keys.create_agent(:'A', 'idle') AS idle \gset
SELECT tarx_keys.set_secret(:'A', 'ONE', 'value of one'), tarx_keys.set_secret(:'A', 'TWO', 'value of two');
COMMIT;
BEGIN;
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.create_agent(:'B', 'of B') AS of_b \gset
COMMIT;

RESET ROLE;
INSERT INTO letters SELECT l, quote_literal(i) FROM (VALUES ('A', :'A'), ('N', :'nowhere'), ('X', :'first'), ('Y', :'second'), ('Z', :'other'), ('K', :'by_key'), ('P', :'by_provider'), ('I', :'idle')) v (l, i);
INSERT INTO letters VALUES ('R', $$decode('0900000000000000000000000000000000000000000000000000000000000000', 'hex')$$);
SET ROLE regress_backend;

-- issuing: any member for an agent, admins for a key
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key', secret_names => '{TWO,ONE,ONE}') AS ticket \gset
SELECT :'ticket' ~ '^tarx-run-[A-Za-z0-9_-]+$' AND length(:'ticket') < 700 AS is_ticket;
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key') <> tarx_keys.issue_run_ticket(:'A', :'by_key') AS each_another;
SELECT tarx_keys.issue_run_ticket(:'A', :'by_provider') AS of_provider \gset
SELECT tarx_keys.issue_run_ticket(:'A', :'idle', secret_names => '{ONE,NONE}') AS of_idle \gset
SELECT pg_temp.outcome(format('tarx_keys.issue_run_ticket(%L, NULL, key_id => %L)', :'A', :'other'));
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.issue_run_ticket(:'A', NULL, key_id => :'other') AS of_key \gset
COMMIT;

-- refusals of issuing
BEGIN;
SELECT c, pg_temp.outcome(pg_temp.fill(c))
  FROM unnest(ARRAY['tarx_keys.issue_run_ticket(A, K)']) c;
SELECT tarx_keys.act_as('carol');
SELECT c, pg_temp.outcome(pg_temp.fill(c))
  FROM unnest(ARRAY['tarx_keys.issue_run_ticket(A, K)']) c;
SELECT pg_temp.outcome(format('tarx_keys.issue_run_ticket(%L, %L)', :'nowhere', :'by_key'));
SELECT tarx_keys.act_as('alice');
SELECT c, pg_temp.outcome(pg_temp.fill(c))
  FROM unnest(ARRAY[
    'tarx_keys.issue_run_ticket(A, NULL)', 'tarx_keys.issue_run_ticket(A, K, key_id => X)', 'tarx_keys.issue_run_ticket(NULL, K)',
    'tarx_keys.issue_run_ticket(A, X)', 'tarx_keys.issue_run_ticket(A, NULL, key_id => K)',
    'tarx_keys.issue_run_ticket(A, K, NULL)', 'tarx_keys.issue_run_ticket(A, K, ''0.999999 s'')', 'tarx_keys.issue_run_ticket(A, K, ''-1 hour'')',
    'tarx_keys.issue_run_ticket(A, K, ''1:00:00.000001'')', 'tarx_keys.issue_run_ticket(A, K, ''1 month -30 days 2 hours'')', 'tarx_keys.issue_run_ticket(A, K, ''178000000 years'')',
    'tarx_keys.issue_run_ticket(A, K, renewable => NULL)', 'tarx_keys.issue_run_ticket(A, K, renewable => ''-1 s'')', 'tarx_keys.issue_run_ticket(A, K, renewable => ''7 days 1 s'')',
    'tarx_keys.issue_run_ticket(A, K, runner_role => ''regress_no_such_role'')', 'tarx_keys.issue_run_ticket(A, K, recipient_public_key => ''\x00'')',
    'tarx_keys.issue_run_ticket(A, K, secret_names => NULL)', 'tarx_keys.issue_run_ticket(A, K, secret_names => ARRAY[NULL]::text[])', 'tarx_keys.issue_run_ticket(A, K, secret_names => ''{1A}'')',
    'tarx_keys.issue_run_ticket(A, K, secret_names => (SELECT array_agg(''S'' || n) FROM generate_series(1, 101) n))',
    'tarx_keys.issue_run_ticket(A, K, secret_names => (SELECT array_agg(rpad(''S'' || n, 128, ''_'')) FROM generate_series(1, 100) n))',
    'tarx_keys.issue_run_ticket(A, NULL, secret_names => ''{ONE}'', key_id => X)']) c;
SELECT pg_temp.outcome(format('tarx_keys.issue_run_ticket(%L, %L)', :'A', :'of_b'));
-- limits that just fit
SELECT length(tarx_keys.issue_run_ticket(:'A', :'by_key', '1 second', '7 days', 'regress_agent', NULL,
    (SELECT array_agg(rpad('S' || n, 80, '_')) FROM generate_series(1, 100) n))) BETWEEN 11000 AND 16384 AS fits;
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key', '1 hour', '0') IS NOT NULL AS fits;
COMMIT;

-- entering
SET ROLE regress_agent;
SELECT r.agent_id = :'by_key' AS agent, r.project_id = :'A' AS project, r.user_id, r.expires_at BETWEEN now() + interval '14 minutes' AND now() + interval '16 minutes' AS expires
  FROM tarx_keys.enter_run(:'ticket') r;
SELECT r.agent_id, r.user_id FROM tarx_keys.enter_run(:'of_key') r;
-- in one round trip
SELECT k.name, k.key_value FROM tarx_keys.enter_run(:'ticket') r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k;
-- it ends with the transaction, and with a savepoint
SET SESSION AUTHORIZATION regress_agent;
BEGIN;
SELECT count(*) FROM tarx_keys.enter_run(:'ticket');
SELECT pg_temp.outcome(format('tarx_keys.resolve_secret(%L, %L)', :'A', 'TWO'));
SELECT pg_temp.outcome(format('tarx_keys.enter_run(%L)', :'ticket'));
COMMIT;
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM tarx_keys.enter_run(:'ticket');
ROLLBACK TO s;
SELECT count(*) FROM tarx_keys.enter_run(:'of_provider');
SELECT pg_temp.outcome(format('tarx_keys.resolve_agent_key(%L, %L)', :'A', :'by_key'));
COMMIT;
RESET SESSION AUTHORIZATION;

-- no run beside an acting user, in either order
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT pg_temp.outcome(format('tarx_keys.enter_run(%L)', :'ticket'));
COMMIT;
BEGIN;
SELECT count(*) FROM tarx_keys.enter_run(:'ticket');
SELECT pg_temp.outcome('tarx_keys.act_as(''alice'')');
SELECT tarx_keys.current_user_id() IS NULL AS nobody_acts;
SELECT pg_temp.outcome('tarx_keys.llm_keys');
SELECT pg_temp.outcome(format('tarx_keys.delete_agent(%L, %L)', :'A', :'by_key'));
SELECT pg_temp.outcome(format('tarx_keys.issue_run_ticket(%L, %L)', :'A', :'by_key'));
COMMIT;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT token, id AS platform_key FROM tarx_keys.create_platform_key('of bob') \gset
SELECT token AS reader FROM tarx_keys.create_platform_key('reader', read_only => true) \gset
COMMIT;
RESET ROLE;
BEGIN;
SELECT count(*) FROM tarx_keys.enter_run(:'ticket');
SELECT pg_temp.outcome(format('tarx_keys.login(%L)', :'token'));
COMMIT;
BEGIN;
SELECT count(*) FROM tarx_keys.login(:'token');
SELECT pg_temp.outcome(format('tarx_keys.enter_run(%L)', :'ticket'));
COMMIT;

-- a run of an agent with a key
SET ROLE regress_agent;
SELECT c, pg_temp.in_run(:'ticket', pg_temp.fill(c))
  FROM unnest(ARRAY[
    'resolve_agent_key(A, K)', 'resolve_agent_key(A, P)', 'resolve_agent_key(A, N)', 'resolve_agent_key(N, K)',
    'resolve_key(A, X)', 'resolve_key(A, Y)', 'resolve_key(A, N)', 'resolve_provider_key(A, ''openai'')', 'resolve_provider_key(A, ''nonesuch'')',
    'resolve_keys(A, ARRAY[X]::uuid[])', 'resolve_keys(A, ARRAY[X, Y]::uuid[])', 'resolve_keys_sealed(A, ARRAY[Y]::uuid[], R)',
    'models_request(A, X)', 'models_request(A, Y)', 'chat_request_base(A, X)', 'chat_request_base(A, Y)', 'probe_request(A, X)', 'probe_request(A, N)',
    'report_key(A, X, ''ok'')', 'report_key(A, Y, ''ok'')', 'report_key(A, N, ''ok'')',
    'resolve_secret(A, ''ONE'')', 'resolve_secret(A, ''THREE'')', 'resolve_secrets(A)', 'resolve_secrets(A, ''{ONE}'')', 'resolve_secrets(A, ''{ONE,THREE}'')', 'resolve_secrets(N)',
    'render_template(A, ''1: ${secrets.ONE}'')', 'render_template(A, ''1: ${secrets.THREE}'')', 'render_template(A, ''nothing'')']) c;
-- of one with a provider
SELECT c, pg_temp.in_run(:'of_provider', pg_temp.fill(c))
  FROM unnest(ARRAY[
    'resolve_agent_key(A, P)', 'resolve_key(A, X)', 'resolve_key(A, Y)', 'resolve_key(A, Z)', 'resolve_key(A, N)',
    'resolve_keys(A, ARRAY[X, Y]::uuid[])', 'resolve_keys(A, ARRAY[X, Z]::uuid[])',
    'resolve_provider_key(A, ''openai'')', 'resolve_provider_key(A, ''mistral'')', 'resolve_provider_key(A, NULL)',
    'probe_request(A, Y)', 'report_key(A, Y, ''ok'')', 'report_key(A, Z, ''ok'')', 'resolve_secret(A, ''ONE'')', 'resolve_secrets(A)']) c;
-- of one that refers to nothing
SELECT c, pg_temp.in_run(:'of_idle', pg_temp.fill(c))
  FROM unnest(ARRAY['resolve_agent_key(A, I)', 'resolve_key(A, X)', 'resolve_secrets(A)', 'resolve_secrets(A, ''{ONE,NONE}'')']) c;
-- of a key: requests and reports
SELECT c, pg_temp.in_run(:'of_key', pg_temp.fill(c))
  FROM unnest(ARRAY[
    'models_request(A, Z)', 'models_request(A, X)', 'chat_request_base(A, Z)', 'probe_request(A, Z)', 'probe_request(A, X)', 'report_key(A, Z, ''ok'')', 'report_key(A, X, ''ok'')',
    'resolve_key(A, Z)', 'resolve_keys(A, ARRAY[Z]::uuid[])', 'resolve_agent_key(A, K)', 'resolve_provider_key(A, ''mistral'')', 'resolve_secrets(A)', 'resolve_secret(A, ''ONE'')', 'render_template(A, ''${secrets.ONE}'')']) c;

-- what is no ticket
SELECT t, pg_temp.outcome(format('tarx_keys.enter_run(%L)', t)) FROM unnest(ARRAY[NULL, '', 'tarx-run-', 'tarx-run-AAAA', 'sk-tarx-x']) t;
SELECT pg_temp.outcome(format('tarx_keys.enter_run(%L)', overlay(:'ticket' PLACING CASE WHEN substr(:'ticket', n, 1) = 'A' THEN 'B' ELSE 'A' END FROM n))) AS flipped, count(*) > 0
  FROM generate_series(1, length(:'ticket') - 1) n GROUP BY 1;
SELECT pg_temp.outcome(format('tarx_keys.enter_run(%L)', left(:'ticket', -4))), pg_temp.outcome(format('tarx_keys.enter_run(%L)', :'ticket' || 'AAAA')), pg_temp.outcome(format('tarx_keys.enter_run(%L)', :'ticket' || repeat('A', 20000)));
RESET ROLE;

-- a ticket to a recipient's key, and for a login
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key', recipient_public_key => decode('0900000000000000000000000000000000000000000000000000000000000000', 'hex'), secret_names => '{ONE}') AS boxed \gset
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key', runner_role => 'regress_agent') AS of_login \gset
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key', runner_role => 'regress_nobody') AS of_another_login \gset
COMMIT;
SET SESSION AUTHORIZATION regress_agent;
SELECT c, regexp_replace(pg_temp.in_run(:'boxed', pg_temp.fill(c)), '\\\\x[0-9a-f]{100,}', 'box')
  FROM unnest(ARRAY[
    'resolve_agent_key(A, K)', 'resolve_agent_key_sealed(A, K, R)', 'resolve_key_sealed(A, X, R)', 'resolve_key_sealed(A, X, set_byte(R, 0, 10))',
    'resolve_secret(A, ''ONE'')', 'resolve_secrets(A)', 'resolve_secrets_sealed(A, ''{ONE}'', R)', 'resolve_secrets_sealed(A, ''{ONE}'', set_byte(R, 0, 10))',
    'render_template(A, ''x'')', 'models_request(A, X)', 'chat_request_base(A, X)', 'probe_request(A, X)', 'report_key(A, X, ''ok'')']) c;
SELECT pg_temp.in_run(:'of_login', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), pg_temp.in_run(:'of_another_login', format('resolve_agent_key(%L, %L)', :'A', :'by_key'));
RESET SESSION AUTHORIZATION;

-- renewing
SET ROLE regress_agent;
RESET ROLE;
INSERT INTO letters VALUES ('T', quote_literal(:'ticket'));
SET ROLE regress_agent;
SELECT tarx_keys.renew_run_ticket(:'ticket', '1 hour') AS renewed \gset
SELECT r.agent_id = :'by_key' AS agent, r.expires_at > now() + interval '59 minutes' AS expires FROM tarx_keys.enter_run(:'renewed') r;
SELECT pg_temp.in_run(:'renewed', format('resolve_secrets(%L)', :'A'));
SELECT c, pg_temp.outcome(pg_temp.fill(c))
  FROM unnest(ARRAY['tarx_keys.renew_run_ticket(T, ''61 minutes'')', 'tarx_keys.renew_run_ticket(T, ''0'')', 'tarx_keys.renew_run_ticket(T, NULL)', 'tarx_keys.renew_run_ticket(NULL)', 'tarx_keys.renew_run_ticket(''x'')']) c;
SELECT r.expires_at <= now() + interval '2 hours' AS bounded FROM tarx_keys.enter_run(tarx_keys.renew_run_ticket(:'boxed')) r;
RESET ROLE;

-- tickets are required
SET tarx_keys.require_run_ticket = on;
SET ROLE regress_agent;
SELECT c, pg_temp.outcome('tarx_keys.' || pg_temp.fill(c))
  FROM unnest(ARRAY[
    'resolve_agent_key(A, K)', 'resolve_agent_key_sealed(A, K, decode(repeat(''09'', 32), ''hex''))', 'resolve_key(A, X)', 'resolve_key_sealed(A, X, decode(repeat(''09'', 32), ''hex''))',
    'resolve_keys(A, ARRAY[X]::uuid[])', 'resolve_keys_sealed(A, ARRAY[X]::uuid[], R)', 'resolve_provider_key(A, ''openai'')', 'resolve_provider_key_sealed(A, ''openai'', decode(repeat(''09'', 32), ''hex''))', 'models_request(A, X)', 'chat_request_base(A, X)', 'probe_request(A, X)', 'report_key(A, X, ''ok'')',
    'resolve_secret(A, ''ONE'')', 'resolve_secrets(A)', 'resolve_secrets_sealed(A, NULL, decode(repeat(''09'', 32), ''hex''))', 'render_template(A, ''x'')']) c;
SELECT pg_temp.in_run(:'ticket', format('resolve_agent_key(%L, %L)', :'A', :'by_key'));
-- which a runner cannot change
SET tarx_keys.require_run_ticket = off;
RESET ROLE;
RESET tarx_keys.require_run_ticket;

-- what a ticket hangs on: revoked for the agent
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT pg_temp.outcome(format('tarx_keys.revoke_run_tickets(%L, %L)', :'A', :'by_key')), pg_temp.outcome(format('tarx_keys.revoke_run_tickets(%L)', :'A'));
SELECT tarx_keys.act_as('alice');
SELECT pg_temp.outcome(format('tarx_keys.revoke_run_tickets(%L, %L)', :'A', :'of_b')), pg_temp.outcome('tarx_keys.revoke_run_tickets(NULL)'), pg_temp.outcome(format('tarx_keys.revoke_run_tickets(%L)', :'B'));
SELECT tarx_keys.revoke_run_tickets(:'A', :'by_key');
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.in_run(:'ticket', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), pg_temp.in_run(:'renewed', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), pg_temp.outcome(format('tarx_keys.renew_run_ticket(%L)', :'ticket'));
SELECT left(pg_temp.in_run(:'of_provider', format('resolve_agent_key(%L, %L)', :'A', :'by_provider')), 10);
-- for the project
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.revoke_run_tickets(:'A');
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.in_run(:'of_provider', format('resolve_agent_key(%L, %L)', :'A', :'by_provider')), pg_temp.in_run(:'of_key', format('probe_request(%L, %L)', :'A', :'other')), pg_temp.in_run(:'of_idle', format('resolve_secrets(%L)', :'A'));
-- in a run that goes on
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key') AS ticket \gset
COMMIT;
RESET ROLE;
BEGIN;
SELECT count(*) FROM tarx_keys.enter_run(:'ticket');
UPDATE tarx_keys.projects SET run_epoch = gen_random_uuid() WHERE id = :'A';
SELECT pg_temp.outcome(format('tarx_keys.resolve_agent_key(%L, %L)', :'A', :'by_key'));
ROLLBACK;
SELECT left(pg_temp.in_run(:'ticket', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), 10);
-- an agent's epoch is in its stamp
BEGIN;
UPDATE tarx_keys.agents SET run_epoch = gen_random_uuid() WHERE id = :'by_key';
SELECT pg_temp.in_run(:'ticket', format('resolve_agent_key(%L, %L)', :'A', :'by_key'));
ROLLBACK;
BEGIN;
UPDATE tarx_keys.projects SET run_epoch = NULL WHERE id = :'A';
SELECT pg_temp.in_run(:'ticket', format('resolve_agent_key(%L, %L)', :'A', :'by_key'));
ROLLBACK;

-- a key that is made one of the agent's provider does not become one
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_provider') AS of_provider \gset
COMMIT;
RESET ROLE;
BEGIN;
UPDATE tarx_keys.project_llm_keys SET provider = 'openai' WHERE id = :'other';
SELECT c, pg_temp.in_run(:'of_provider', pg_temp.fill(c)) FROM unnest(ARRAY['report_key(A, Z, ''ok'')', 'report_key(A, Y, ''ok'')']) c;
ROLLBACK;

-- the owner reads for who has row security off as well
SET row_security = off;
SELECT left(pg_temp.in_run(:'of_provider', format('resolve_agent_key(%L, %L)', :'A', :'by_provider')), 10), pg_temp.in_run(:'of_provider', format('resolve_secrets(%L)', :'A'));
SET row_security = on;

-- the platform key of who issued it
SET ROLE regress_login;
BEGIN;
SELECT count(*) FROM tarx_keys.login(:'token');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key') AS by_login \gset
COMMIT;
BEGIN;
SELECT count(*) FROM tarx_keys.login(:'reader');
SELECT pg_temp.outcome(format('tarx_keys.issue_run_ticket(%L, %L)', :'A', :'by_key'));
COMMIT;
SET ROLE regress_agent;
SELECT left(pg_temp.in_run(:'by_login', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), 10);
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.revoke_platform_key(:'platform_key');
SELECT token AS ending FROM tarx_keys.create_platform_key('ends soon', now() + interval '5 minutes') \gset
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.in_run(:'by_login', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), pg_temp.outcome(format('tarx_keys.renew_run_ticket(%L)', :'by_login'));
SET ROLE regress_login;
BEGIN;
SELECT count(*) FROM tarx_keys.login(:'ending');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key') AS by_login \gset
COMMIT;
SET ROLE regress_agent;
SELECT r.expires_at <= now() + interval '5 minutes' AS not_longer FROM tarx_keys.enter_run(:'by_login') r;
SELECT r.expires_at <= now() + interval '5 minutes' AS not_longer FROM tarx_keys.enter_run(tarx_keys.renew_run_ticket(:'by_login', '1 hour')) r;

-- the membership of who issued it
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.issue_run_ticket(:'A', NULL, key_id => :'other') AS of_key \gset
SELECT tarx_keys.add_member(:'A', 'dora', 'admin');
SELECT tarx_keys.remove_member(:'A', 'bob');
SELECT tarx_keys.add_member(:'A', 'alice', 'member');
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.in_run(:'ticket', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), pg_temp.in_run(:'of_key', format('probe_request(%L, %L)', :'A', :'other'));

-- the end of that user, also where the user is a member again
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('dora');
SELECT tarx_keys.add_member(:'A', 'eve');
SELECT tarx_keys.act_as('eve');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key') AS of_eve \gset
COMMIT;
SET ROLE regress_agent;
SELECT left(pg_temp.in_run(:'of_eve', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), 10);
RESET ROLE;
SELECT * FROM tarx_keys.end_user('eve');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('dora');
SELECT tarx_keys.add_member(:'A', 'eve');
SELECT tarx_keys.act_as('eve');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key') AS of_eve_again \gset
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.in_run(:'of_eve', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), left(pg_temp.in_run(:'of_eve_again', format('resolve_agent_key(%L, %L)', :'A', :'by_key')), 10);

-- the agent, and the project
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('dora');
SELECT tarx_keys.issue_run_ticket(:'A', :'by_key') AS ticket \gset
SELECT tarx_keys.issue_run_ticket(:'A', :'by_provider') AS of_provider \gset
SELECT tarx_keys.delete_agent(:'A', :'by_key');
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.in_run(:'ticket', format('resolve_agent_key(%L, %L)', :'A', :'by_key'));
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('dora');
SELECT tarx_keys.delete_project(:'A');
COMMIT;
SET ROLE regress_agent;
SELECT pg_temp.in_run(:'of_provider', format('resolve_agent_key(%L, %L)', :'A', :'by_provider'));
RESET ROLE;

-- what the audit log has of it
SELECT action, object_name, count(*), bool_and(revision IS NOT NULL) AS revisions FROM tarx_keys.audit_log WHERE action ~ 'runs' GROUP BY 1, 2 ORDER BY 1;
SELECT * FROM tarx_keys.verify_keys() WHERE status <> 'ok';
\set ECHO none
DROP TABLE letters;
DROP FUNCTION pg_temp.outcome, pg_temp.in_run, pg_temp.fill;
\i :clean_up
