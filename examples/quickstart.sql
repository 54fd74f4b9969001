-- The life of an LLM key, from CREATE EXTENSION to TK002. Played by "make
-- quickstart"; psql -f does the same in a server of your own that is new.
\set ECHO queries
\set SHOW_CONTEXT never
\pset footer off

\echo
\echo '=== The DBA installs the extension and grants two roles'
CREATE EXTENSION tarx_keys;
CREATE ROLE app_backend LOGIN IN ROLE tarx_keys_backend;
CREATE ROLE app_web LOGIN IN ROLE tarx_keys_login;
CREATE ROLE app_runner LOGIN IN ROLE tarx_keys_agent;
-- who ends users does nothing else
CREATE ROLE app_leavers LOGIN;
GRANT USAGE ON SCHEMA tarx_keys TO app_leavers;
GRANT EXECUTE ON FUNCTION tarx_keys.end_user TO app_leavers;
SELECT * FROM tarx_keys.keyring_status();

\echo
\echo '=== The backend acts for alice, who creates a project and adds a key'
\connect - app_backend
\set ECHO queries
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_project('Support bots') AS project \gset
\echo '→ project =' :project
SELECT tarx_keys.add_member(:'project', 'bob');
SELECT tarx_keys.add_llm_key(:'project', 'anthropic', 'Production',
                             'sk-ant-api03-not-a-real-key-0123456789abcdefWXYZ') AS key \gset
\echo '→ key =' :key
COMMIT;

\echo
\echo '=== bob, a member, sees the key masked and builds two agents with it'
BEGIN;
SELECT tarx_keys.act_as('bob', :'project');
SELECT name, provider_label, masked_key, added_by, agent_count FROM tarx_keys.llm_keys;
SELECT tarx_keys.create_agent(:'project', 'Answer bot', :'key') AS agent \gset
\echo '→ agent =' :agent
SELECT tarx_keys.create_agent(:'project', 'Mail bot', :'key') AS mail_agent \gset
COMMIT;

\echo
\echo '=== bob may not delete it: only admins of the project may'
BEGIN;
SELECT tarx_keys.act_as('bob', :'project');
SELECT tarx_keys.delete_llm_key(:'project', :'key');
ROLLBACK;

\echo
\echo '=== mallory, who is no member, is refused, as if there were no such project'
BEGIN;
SELECT tarx_keys.act_as('mallory', :'project');
ROLLBACK;

\echo
\echo '=== the backend itself never gets the value'
SELECT * FROM tarx_keys.resolve_key(:'project', :'key');

\echo
\echo '=== bob starts a run of an agent, and gets a ticket for it, which the backend hands to the runner'
BEGIN;
SELECT tarx_keys.act_as('bob', :'project');
SELECT tarx_keys.issue_run_ticket(:'project', :'agent', lifetime => '5 minutes', runner_role => 'app_runner') AS ticket \gset
\echo '→ ticket =' :ticket
COMMIT;

\echo
\echo '=== the agent runner enters the run, and gets the value'
\connect - app_runner
\set ECHO queries
SELECT k.provider, k.base_url, k.key_value, r.user_id
  FROM tarx_keys.enter_run(:'ticket') r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k;

\echo
\echo '=== the run is for no other agent'
SELECT k.key_value FROM tarx_keys.enter_run(:'ticket') r, tarx_keys.resolve_agent_key(r.project_id, :'mail_agent') k;

\echo
\echo '=== alice revokes the tickets of the agent; the run is over'
\connect - app_backend
\set ECHO queries
BEGIN;
SELECT tarx_keys.act_as('alice', :'project');
SELECT tarx_keys.revoke_run_tickets(:'project', :'agent');
COMMIT;
\connect - app_runner
\set ECHO queries
SELECT k.key_value FROM tarx_keys.enter_run(:'ticket') r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k;

\echo
\echo '=== alice adds a second key of the provider, for when the first one does not work'
\connect - app_backend
\set ECHO queries
BEGIN;
SELECT tarx_keys.act_as('alice', :'project');
SELECT tarx_keys.add_llm_key(:'project', 'anthropic', 'Fallback',
                             'sk-ant-api03-not-a-real-one-0123456789abcdefEFGH',
                             options => '{"priority": 200}') AS fallback \gset
\echo '→ fallback =' :fallback
COMMIT;

\echo
\echo '=== the runner asks for a key of the provider; its quota is used up, and the second one is next'
\connect - app_runner
\set ECHO queries
SELECT name, attempt, remaining FROM tarx_keys.resolve_provider_key(:'project', 'anthropic');
SELECT tarx_keys.report_key(:'project', :'key', 'quota');
SELECT name, key_value FROM tarx_keys.resolve_provider_key(:'project', 'anthropic');

\echo
\echo '=== project secrets: alice sets one, and a run whose ticket names it fills a template with it'
\connect - app_backend
\set ECHO queries
BEGIN;
SELECT tarx_keys.act_as('alice', :'project');
SELECT tarx_keys.set_secret(:'project', 'CRM_TOKEN', 'not-a-real-token', 'For the CRM agent');
SELECT name, version, updated_by FROM tarx_keys.secrets;
SELECT tarx_keys.issue_run_ticket(:'project', :'agent', secret_names => '{CRM_TOKEN}') AS ticket \gset
COMMIT;
\connect - app_runner
\set ECHO queries
SELECT tarx_keys.render_template(r.project_id, 'Authorization: Bearer ${secrets.CRM_TOKEN}')
  FROM tarx_keys.enter_run(:'ticket') r;

\echo
\echo '=== platform keys: bob makes one, and a service logs him in with it'
\connect - app_backend
\set ECHO queries
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT token FROM tarx_keys.create_platform_key('laptop', now() + interval '90 days') \gset
\echo '→ token =' :token
COMMIT;
\connect - app_web
\set ECHO queries
BEGIN;
SELECT * FROM tarx_keys.login(:'token', :'project');
SELECT name, masked_key FROM tarx_keys.llm_keys;
COMMIT;

\echo
\echo '=== bob leaves: the platform ends him, with his token and his memberships'
\connect - app_leavers
\set ECHO queries
SELECT * FROM tarx_keys.end_user('bob');
\connect - app_web
\set ECHO queries
SELECT * FROM tarx_keys.login(:'token');

\echo
\echo '=== alice gives his agent another name'
\connect - app_backend
\set ECHO queries
BEGIN;
SELECT tarx_keys.act_as('alice', :'project');
SELECT tarx_keys.rename_agent(:'project', :'agent', 'Support bot');
SELECT user_id, action, object_name FROM tarx_keys.project_audit ORDER BY at DESC LIMIT 2;
COMMIT;

\echo
\echo '=== alice sees that a quota is used up, and replaces the key; agents and place in the order go to the new one'
\connect - app_backend
\set ECHO queries
BEGIN;
SELECT tarx_keys.act_as('alice', :'project');
SELECT name, state, priority, health, agent_count FROM tarx_keys.llm_keys ORDER BY priority;
SELECT tarx_keys.replace_llm_key(:'project', :'key',
                                 'sk-ant-api03-another-fake-one-0123456789abcdefABCD') AS new_key \gset
\echo '→ new_key =' :new_key
SELECT name, state, priority, health, agent_count FROM tarx_keys.llm_keys ORDER BY priority, state DESC;
COMMIT;

\echo
\echo '=== the agent runs on with the new key'
\connect - app_runner
\set ECHO queries
SELECT name, key_value FROM tarx_keys.resolve_agent_key(:'project', :'agent');

\echo
\echo '=== alice deletes the old key; it says that it is gone (TK002)'
\connect - app_backend
\set ECHO queries
BEGIN;
SELECT tarx_keys.act_as('alice', :'project');
SELECT tarx_keys.delete_llm_key(:'project', :'key');
COMMIT;
\connect - app_runner
\set ECHO queries
\set VERBOSITY verbose
SELECT * FROM tarx_keys.resolve_key(:'project', :'key');
