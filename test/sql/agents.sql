-- Agents and the keys they refer to.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'old', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAold1') AS old \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'new', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAnew1') AS new \gset
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.add_llm_key(:'B', 'mistral', 'other', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAoth1') AS other \gset
SELECT tarx_keys.create_agent(:'B', 'Other', :'other') AS other_agent \gset
COMMIT;

-- any member creates agents
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT tarx_keys.create_agent(:'A', 'Bot', :'old') AS bot \gset
SELECT tarx_keys.create_agent(:'A', 'Bot two', user_api_key_id => :'old') AS bot2 \gset
SELECT tarx_keys.create_agent(:'A', 'Keyless') AS keyless \gset
COMMIT;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT name, user_api_key_id = :'old', created_by, created_at = updated_at FROM tarx_keys.agents ORDER BY name;
SELECT name, agent_count FROM tarx_keys.llm_keys ORDER BY name;
COMMIT;
-- others do not see them
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT name FROM tarx_keys.agents; COMMIT;

-- the runner gets the agent's key
SET ROLE regress_agent;
SELECT key_id = :'old', provider, name, base_url, key_value FROM tarx_keys.resolve_agent_key(:'A', :'bot');
SELECT key_value FROM tarx_keys.resolve_agent_key(project_id => :'B', agent_id => :'other_agent');
-- by the agent's project; an agent of another one and none look the same
\set VERBOSITY sqlstate
SELECT key_value FROM tarx_keys.resolve_agent_key(:'B', :'bot');
SELECT key_value FROM tarx_keys.resolve_agent_key(:'nowhere', :'bot');
SELECT key_value FROM tarx_keys.resolve_agent_key(:'A', :'nowhere');
SELECT key_value FROM tarx_keys.resolve_agent_key(:'A', :'keyless');
\set VERBOSITY default
SELECT key_value FROM tarx_keys.resolve_agent_key(:'A', :'nowhere');
SELECT key_value FROM tarx_keys.resolve_agent_key(:'A', NULL);
SELECT key_value FROM tarx_keys.resolve_agent_key(NULL, :'bot');

-- a key of another project cannot be referred to, and looks like none
SET ROLE regress_backend;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.create_agent(:'A', 'x', :'other'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.create_agent(:'A', 'x', :'nowhere'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.set_agent_key(:'A', :'bot', :'other'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.repoint_agents(:'A', :'old', :'other'); ROLLBACK;
-- nor an agent of another project
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.set_agent_key(:'A', :'other_agent', :'old'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.delete_agent(:'A', :'other_agent'); ROLLBACK;
-- nor may strangers
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.create_agent(:'A', 'x'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.set_agent_key(:'A', :'bot', :'new'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.delete_agent(:'A', :'bot'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.repoint_agents(:'A', :'old', :'new'); ROLLBACK;
-- nor nobody
SELECT tarx_keys.create_agent(:'A', 'x');
SELECT tarx_keys.set_agent_key(:'A', :'bot', :'new');
SELECT tarx_keys.delete_agent(:'A', :'bot');
SELECT tarx_keys.repoint_agents(:'A', :'old', :'new');

-- arguments
\set VERBOSITY terse
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.create_agent(NULL, 'x'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.create_agent(:'A', NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.create_agent(:'A', E'x\u2067'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.set_agent_key(NULL, :'bot', :'new'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.set_agent_key(:'A', NULL, :'new'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.set_agent_key(:'A', :'bot', NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.delete_agent(NULL, :'bot'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.delete_agent(:'A', NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.repoint_agents(NULL, :'old', :'new'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.repoint_agents(:'A', NULL, :'new'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.repoint_agents(:'A', :'old', NULL); ROLLBACK;
\set VERBOSITY default

-- rotation is add, repoint, delete; agents run on all the while
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.repoint_agents(:'A', from_key_id => :'old', to_key_id => :'new'); COMMIT;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT name, agent_count FROM tarx_keys.llm_keys ORDER BY name;
SELECT name, updated_at = now() FROM tarx_keys.agents WHERE user_api_key_id = :'new' ORDER BY name; COMMIT;
SET ROLE regress_agent;
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'bot');
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key(:'A', :'old'); COMMIT;
SET ROLE regress_agent;
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'bot');

-- a deleted key cannot be referred to any more, but repointed from
SET ROLE regress_backend;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.set_agent_key(:'A', :'bot', :'old'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.create_agent(:'A', 'x', :'old'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.repoint_agents(:'A', :'new', :'old'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key(:'A', :'new'); COMMIT;
-- agents keep the reference, and fail until they are repointed
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT name FROM tarx_keys.agents WHERE user_api_key_id = :'new' ORDER BY name; COMMIT;
SET ROLE regress_agent;
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'bot');
\set VERBOSITY default
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'newest', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAnewest') AS newest \gset
SELECT tarx_keys.set_agent_key(:'A', :'keyless', :'newest');
SELECT tarx_keys.repoint_agents(:'A', :'new', :'newest');
SELECT tarx_keys.repoint_agents(:'A', :'new', :'newest');
COMMIT;
SET ROLE regress_agent;
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'bot');
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'keyless');
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.delete_agent(:'A', :'keyless'); SELECT count(*) FROM tarx_keys.agents WHERE project_id = :'A'; COMMIT;
SET ROLE regress_agent;
\set VERBOSITY sqlstate
SELECT name FROM tarx_keys.resolve_agent_key(:'A', :'keyless');
\set VERBOSITY default

-- roles
SELECT * FROM tarx_keys.agents;
SELECT tarx_keys.create_agent(:'A', 'x');
SELECT tarx_keys.set_agent_key(:'A', :'bot', :'new');
SELECT tarx_keys.delete_agent(:'A', :'bot');
SELECT tarx_keys.repoint_agents(:'A', :'old', :'new');
SET ROLE regress_backend;
SELECT * FROM tarx_keys.resolve_agent_key(:'A', :'bot');
BEGIN; SELECT tarx_keys.act_as('alice'); UPDATE tarx_keys.agents SET user_api_key_id = :'other'; ROLLBACK;
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.resolve_agent_key(:'A', :'bot');
SELECT tarx_keys.create_agent(:'A', 'x');

-- clean up
\set ECHO none
\i :clean_up
