-- What monitoring sees, who may see it, and what counts as what.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
-- what the view says beyond what it said the last time; of refusals those that there are more of
CREATE TEMP TABLE last AS TABLE tarx_keys.stats;
CREATE FUNCTION pg_temp.more() RETURNS TABLE (resolves bigint, refusals jsonb, logins bigint, refused_logins bigint, tickets bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT s.resolves - l.resolves,
               (SELECT jsonb_object_agg(n.key, n.value::bigint - o.value::bigint)
                  FROM jsonb_each_text(s.refusals) n JOIN jsonb_each_text(l.refusals) o USING (key) WHERE n.value <> o.value),
               s.logins - l.logins, s.refused_logins - l.refused_logins, s.tickets - l.tickets
          FROM tarx_keys.stats s, last l;
    DELETE FROM last;
    INSERT INTO last TABLE tarx_keys.stats;
END $$;
-- the SQLSTATE of a call, or "done"; an error takes back what the call has done
CREATE FUNCTION pg_temp.attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
GRANT TEMP ON DATABASE :DBNAME TO regress_backend, regress_agent, regress_login;
GRANT tarx_keys_agent TO regress_backend;
CREATE ROLE regress_monitor LOGIN IN ROLE pg_monitor;
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'key', 'abcdefghijklmnopqrstuvwxyz012345') AS key \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'gone', 'abcdefghijklmnopqrstuvwxyz012345') AS gone \gset
SELECT tarx_keys.delete_llm_key(:'A', :'gone');
SELECT tarx_keys.create_agent(:'A', 'agent', :'key') AS agent \gset
SELECT tarx_keys.set_secret(:'A', 'ONE', 'x');
SELECT tarx_keys.set_secret(:'A', 'TWO', 'x');
SELECT token FROM tarx_keys.create_platform_key('laptop') \gset
COMMIT;
RESET ROLE;

-- one row; each SQLSTATE of a refusal is there from the start
SELECT since <= now() AS since, keyring_loaded_at = (SELECT loaded_at FROM tarx_keys.keyring_status() WHERE is_active) AS loaded_at,
       keyring_problem IS NULL AS is_well, uses_not_counted = (SELECT uncounted FROM tarx_keys_internal.usage_losses()) AS uses
  FROM tarx_keys.stats;
SELECT string_agg(key, ' ' ORDER BY key) FROM tarx_keys.stats, jsonb_each(refusals);
-- changes and lists are nothing that counts
SELECT * FROM pg_temp.more();

-- who sees it: members of pg_monitor, and superusers; and these see nothing else of ours
SET ROLE regress_monitor;
SELECT count(*) FROM tarx_keys.stats;
SELECT pg_temp.attempt('SELECT * FROM tarx_keys.keyring_status()'), pg_temp.attempt('SELECT * FROM tarx_keys.doctor()'),
       pg_temp.attempt('TABLE tarx_keys.llm_keys'), pg_temp.attempt('TABLE tarx_keys.project_llm_keys'), pg_temp.attempt('TABLE tarx_keys.providers'),
       pg_temp.attempt('SELECT * FROM tarx_keys_internal.server_refusals()');
SET ROLE regress_backend; SELECT pg_temp.attempt('TABLE tarx_keys.stats');
SET ROLE regress_login; SELECT pg_temp.attempt('TABLE tarx_keys.stats');
SET ROLE regress_agent; SELECT pg_temp.attempt('TABLE tarx_keys.stats');
SET ROLE regress_nobody; SELECT pg_temp.attempt('TABLE tarx_keys.stats');
RESET ROLE;
SELECT * FROM pg_temp.more();

-- a call that resolves is one, whatever it resolves, and a ROLLBACK takes nothing back
SELECT count(*) FROM tarx_keys.resolve_key(:'A', :'key');
SELECT count(*) FROM tarx_keys.resolve_agent_key(:'A', :'agent');
SELECT count(*) FROM tarx_keys.resolve_provider_key(:'A', 'mistral');
BEGIN; SELECT count(*) FROM tarx_keys.models_request(:'A', :'key'); ROLLBACK;
SELECT * FROM pg_temp.more();
SELECT tarx_keys.resolve_secret(:'A', 'ONE');
SELECT count(*) FROM tarx_keys.resolve_secrets(:'A');
SELECT tarx_keys.render_template(:'A', '${secrets.ONE} ${secrets.TWO}');
SELECT * FROM pg_temp.more();

-- refused is what may have a line in the server log, whether it has one or not
SET tarx_keys.log_resolves = off;
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_key(%L, %L)', :'A', :'nowhere'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_key(%L, %L)', :'A', :'gone'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_agent_key(%L, %L)', :'A', :'nowhere'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_secret(%L, %L)', :'A', 'NONE'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_provider_key(%L, %L)', :'B', 'mistral'));
RESET tarx_keys.log_resolves;
SELECT * FROM pg_temp.more();
-- a row that does not open counts, and again as the provider's key that is left out
BEGIN;
UPDATE tarx_keys.project_llm_keys SET name = 'edited' WHERE id = :'key';
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_key(%L, %L)', :'A', :'key'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_provider_key(%L, %L)', :'A', 'mistral'));
ROLLBACK;
SELECT * FROM pg_temp.more();
-- who acts may not: a lesser role, nobody, another project; reports and runs
SET ROLE regress_backend;
BEGIN;
SELECT pg_temp.attempt(format('SELECT tarx_keys.create_agent(%L, %L)', :'A', 'x'));
SELECT tarx_keys.act_as('bob', :'A');
SELECT pg_temp.attempt(format('SELECT tarx_keys.delete_llm_key(%L, %L)', :'A', :'key'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_key(%L, %L)', :'B', :'key'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.report_key(%L, %L, %L)', :'B', :'key', 'ok'));
COMMIT;
SELECT pg_temp.attempt('SELECT tarx_keys.enter_run(''x'')');
SELECT * FROM pg_temp.more();
-- other errors do not count, nor does what PostgreSQL refuses by itself
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT pg_temp.attempt(format('SELECT tarx_keys.resolve_key(%L, NULL)', :'A'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.create_project(%L, %L)', 'again', :'A'));
SELECT pg_temp.attempt(format('SELECT tarx_keys.create_agent(%L, %L)', :'A', ''));
SELECT pg_temp.attempt('SELECT * FROM tarx_keys.doctor()');
COMMIT;
SELECT pg_temp.attempt('TABLE tarx_keys.llm_keys');
SELECT * FROM pg_temp.more();

-- logins; act_as is none
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT user_id FROM tarx_keys.login(:'token');
SELECT pg_temp.attempt('SELECT * FROM tarx_keys.login(''sk-tarx-none'')');
SELECT pg_temp.attempt(format('SELECT * FROM tarx_keys.login(%L, %L)', :'token', :'B'));
SELECT pg_temp.attempt('SELECT * FROM tarx_keys.login_jwt(''x'')');
COMMIT;
SELECT * FROM pg_temp.more();

-- tickets that are issued and renewed, not those that are entered
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.issue_run_ticket(:'A', :'agent') AS ticket \gset
SELECT pg_temp.attempt(format('SELECT tarx_keys.issue_run_ticket(%L, %L)', :'A', :'nowhere'));
COMMIT;
SET ROLE regress_agent;
SELECT tarx_keys.renew_run_ticket(:'ticket') AS ticket \gset
SELECT count(k.key_value) FROM tarx_keys.enter_run(:'ticket') r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k;
SELECT * FROM pg_temp.more();
RESET ROLE;

-- clean up
\set ECHO none
DROP FUNCTION pg_temp.more;
REVOKE TEMP ON DATABASE :DBNAME FROM regress_backend, regress_agent, regress_login;
DROP ROLE regress_monitor;
\i :clean_up
