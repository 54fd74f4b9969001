-- Members and agents have stamps: whoever changes them in the table, or moves a row
-- elsewhere, is caught by each look-up of a role or an agent.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
CREATE TABLE ids (name text, id uuid);
GRANT ALL ON ids TO PUBLIC;
-- the messages have random ids in them
CREATE FUNCTION outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE 'SELECT tarx_keys.' || call INTO answer;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '[0-9a-f]{8}-[0-9a-f-]{27}', '…', 'g');
END $$;
\set ECHO all
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
INSERT INTO ids VALUES ('key', tarx_keys.add_llm_key(:'A', 'mistral', 'key', 'value-of-the-key')), ('other', tarx_keys.add_llm_key(:'A', 'mistral', 'other', 'value-of-another'));
INSERT INTO ids SELECT 'agent', tarx_keys.create_agent(:'A', 'agent', id) FROM ids WHERE name = 'key';
INSERT INTO ids SELECT 'spare', tarx_keys.create_agent(:'A', 'spare', id) FROM ids WHERE name = 'key';
SELECT token FROM tarx_keys.create_platform_key('alice''s') \gset
SELECT tarx_keys.act_as('bob');
SELECT token AS bobs FROM tarx_keys.create_platform_key('bob''s') \gset
COMMIT;
RESET ROLE;
SELECT (SELECT id FROM ids WHERE name = 'key') AS key, (SELECT id FROM ids WHERE name = 'other') AS other,
       (SELECT id FROM ids WHERE name = 'agent') AS agent, (SELECT id FROM ids WHERE name = 'spare') AS spare \gset

-- Agents: a key, a provider, or neither
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT outcome(format('create_agent(%L, %L, %L, %L)', :'A', 'x', :'key', 'openai'));
SELECT outcome(format('create_agent(%L, %L, NULL, %L)', :'A', 'x', 'nobody'));
SELECT outcome(format('set_agent_provider(%L, %L, %L)', :'A', :'agent', 'nobody'));
SELECT outcome(format('set_agent_provider(%L, gen_random_uuid(), %L)', :'A', 'openai'));
SELECT tarx_keys.create_agent(project_id => :'A', name => 'by provider', provider => 'openai') AS by_provider \gset
SELECT name, user_api_key_id IS NULL, provider, revision FROM tarx_keys.agents WHERE id = :'by_provider';
SELECT tarx_keys.set_agent_key(:'A', :'by_provider', :'key');
SELECT name, user_api_key_id = :'key', provider, revision FROM tarx_keys.agents WHERE id = :'by_provider';
SELECT tarx_keys.set_agent_provider(project_id => :'A', agent_id => :'by_provider', provider => 'mistral');
SELECT tarx_keys.rename_agent(:'A', :'by_provider', 'renamed');
SELECT name, user_api_key_id IS NULL, provider, revision FROM tarx_keys.agents WHERE id = :'by_provider';
RESET ROLE;
-- as long as nothing resolves by a provider
SELECT outcome(format('resolve_agent_key(%L, %L)', :'A', :'by_provider'));
SELECT action, object_name = :'key' AS is_key, CASE WHEN object_name <> :'key' THEN object_name END, revision FROM tarx_keys.audit_log WHERE object_id = :'by_provider' ORDER BY seq;
SELECT kind, name, status FROM tarx_keys.verify_keys(:'A') WHERE kind IN ('member', 'agent') ORDER BY kind, name;
SELECT * FROM tarx_keys.verify_audit(:'A');
\set VERBOSITY terse
UPDATE tarx_keys.agents SET provider = 'openai' WHERE id = :'agent';
\set VERBOSITY default
ROLLBACK;

-- Each change of a row is one revision, and in the audit log with the row's id
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_member(:'A', 'dave'), tarx_keys.add_member(:'A', 'dave'), tarx_keys.add_member(:'A', 'dave', 'admin');
SELECT id AS first FROM tarx_keys.project_members WHERE user_id = 'dave' \gset
SELECT tarx_keys.remove_member(:'A', 'dave'), tarx_keys.add_member(:'A', 'dave');
SELECT id AS second FROM tarx_keys.project_members WHERE user_id = 'dave' \gset
SELECT tarx_keys.repoint_agents(:'A', :'key', :'other');
RESET ROLE;
SELECT action, CASE object_id WHEN :'first' THEN 'first' WHEN :'second' THEN 'second' WHEN :'agent' THEN 'agent' WHEN :'spare' THEN 'spare' WHEN :'key' THEN 'key' END AS object,
       CASE object_name WHEN :'other' THEN 'other' ELSE object_name END AS name, revision
  FROM tarx_keys.audit_log WHERE project_id = :'A' AND at >= now() AND NOT personal
 ORDER BY action = 'agents.repoint', action = 'agent.set_key', CASE WHEN action <> 'agent.set_key' THEN at END, object;
SELECT name, revision, user_api_key_id = :'other' FROM tarx_keys.agents ORDER BY name;
ROLLBACK;
RESET ROLE;

-- Whoever writes the table
CREATE FUNCTION attempts(attacker text) RETURNS TABLE (call text, outcome text) LANGUAGE plpgsql AS $$
DECLARE
    a CONSTANT uuid := 'aaaaaaaa-0000-4000-8000-000000000001';
BEGIN
    FOR call IN
        SELECT format(c, a, attacker, (SELECT id FROM ids WHERE name = 'agent'), (SELECT id FROM ids WHERE name = 'other'))
          FROM unnest(ARRAY['add_llm_key(%1$L, ''mistral'', ''x'', ''value-of-a-key'')', 'add_member(%1$L, ''mallory'', ''admin'')',
                            'create_agent(%1$L, ''x'')', 'set_agent_key(%1$L, %3$L, %4$L)', 'set_secret(%1$L, ''X'', ''x'')',
                            'remove_member(%1$L, ''carol'')', 'act_as(%2$L, %1$L)', 'delete_project(%1$L)']) c
    LOOP
        PERFORM tarx_keys.act_as(attacker);
        outcome := outcome(call);
        call := substring(call FROM '^\w+');
        RETURN NEXT;
    END LOOP;
END $$;
BEGIN;
-- makes himself an admin
UPDATE tarx_keys.project_members SET role = 'admin' WHERE project_id = :'A' AND user_id = 'bob';
SELECT * FROM attempts('bob');
SAVEPOINT s;
SELECT user_id FROM tarx_keys.login(:'bobs', :'A');
ROLLBACK TO s;
SELECT tarx_keys.act_as('bob');
SELECT count(*) > 0 AS sees_lists FROM tarx_keys.llm_keys;
SELECT kind, name, status FROM tarx_keys.verify_keys(:'A') WHERE status <> 'ok';
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'rows';
-- nor does an admin make it true by chance; but he can be removed, and added again
SELECT tarx_keys.act_as('alice');
SELECT outcome(format('add_member(%L, ''bob'', %L)', :'A', r)) FROM unnest('{admin,member}'::text[]) r;
SELECT outcome(format('remove_member(%L, ''bob'')', :'A'));
SELECT outcome(format('add_member(%L, ''bob'')', :'A'));
SELECT role, revision FROM tarx_keys.project_members WHERE user_id = 'bob' AND project_id = :'A';
ROLLBACK;
-- in any other way
CREATE FUNCTION try_attack(attack text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE attack;
    SELECT string_agg(DISTINCT left(t.outcome, 5), ' ') INTO result FROM attempts('bob') t;
    result := result || ', ' || coalesce((SELECT string_agg(DISTINCT v.status, ' ') FROM tarx_keys.verify_keys() v WHERE v.kind = 'member' AND v.status <> 'ok'), 'all ok');
    RAISE SQLSTATE 'ZZ000' USING MESSAGE = result;
EXCEPTION WHEN OTHERS THEN
    RETURN CASE WHEN SQLSTATE = 'ZZ000' THEN SQLERRM ELSE SQLSTATE || ' ' || SQLERRM END;
END $$;
SELECT try_attack(attack), attack FROM (VALUES
    (1, 'SELECT 1'),
    (2, 'UPDATE tarx_keys.project_members SET revision = 2 WHERE user_id = ''bob'''),
    (3, 'UPDATE tarx_keys.project_members SET id = gen_random_uuid() WHERE user_id = ''bob'''),
    (4, 'UPDATE tarx_keys.project_members SET added_at = ''epoch'' WHERE user_id = ''bob'''),
    (5, 'UPDATE tarx_keys.project_members SET stamp = '''' WHERE user_id = ''bob'''),
    (6, 'UPDATE tarx_keys.project_members SET stamp = set_byte(stamp, 40, get_byte(stamp, 40) # 1) WHERE user_id = ''bob'''),
    (7, 'UPDATE tarx_keys.project_members b SET (id, role, revision, added_at, stamp) = (a.id, a.role, a.revision, a.added_at, a.stamp) FROM tarx_keys.project_members a WHERE a.user_id = ''alice'' AND b.user_id = ''bob'''),
    (8, 'WITH gone AS (DELETE FROM tarx_keys.project_members WHERE user_id = ''bob'' AND project_id = ''aaaaaaaa-0000-4000-8000-000000000001'' RETURNING 1) UPDATE tarx_keys.project_members SET user_id = ''bob'' WHERE user_id = ''alice'''),
    (9, 'DO $do$ BEGIN DELETE FROM tarx_keys.project_members WHERE user_id = ''bob'' AND project_id = ''aaaaaaaa-0000-4000-8000-000000000001''; UPDATE tarx_keys.project_members SET project_id = ''aaaaaaaa-0000-4000-8000-000000000001'' WHERE user_id = ''bob''; END $do$'),
    (10, 'UPDATE tarx_keys.project_members m SET stamp = k.stamp FROM tarx_keys.platform_api_keys k WHERE m.user_id = ''bob'' AND k.user_id = ''bob'''),
    (11, 'ALTER TABLE tarx_keys.project_members ALTER role DROP NOT NULL; UPDATE tarx_keys.project_members SET role = NULL WHERE user_id = ''bob'''),
    (12, 'UPDATE tarx_keys.project_members SET stamp = overlay(stamp PLACING ''\x0123456789abcdef'' FROM 2), role = ''admin'' WHERE user_id = ''bob''')
) AS a (n, attack) ORDER BY n;
-- Nobody's role, where that was a NULL and its master key is missing
BEGIN;
ALTER TABLE tarx_keys.project_members ALTER role DROP NOT NULL;
UPDATE tarx_keys.project_members SET stamp = overlay(stamp PLACING '\x0123456789abcdef' FROM 2), role = NULL WHERE user_id = 'bob';
SELECT outcome(format('act_as(%L, %L)', 'bob', :'A'));
ROLLBACK;

-- The last admin: one whose row is false does not count
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_member(:'A', 'dave', 'admin');
SAVEPOINT s;
UPDATE tarx_keys.project_members SET revision = 7 WHERE user_id = 'dave';
SELECT outcome(format('remove_member(%L, %L)', :'A', 'alice'));
SELECT outcome(format('add_member(%L, %L)', :'A', 'alice'));
ROLLBACK TO s;
SELECT outcome(format('remove_member(%L, %L)', :'A', 'alice'));
ROLLBACK;

-- Agents
CREATE FUNCTION try_agent(attack text) RETURNS TABLE (state text, outcomes text) LANGUAGE plpgsql AS $$
DECLARE
    a CONSTANT uuid := 'aaaaaaaa-0000-4000-8000-000000000001';
    key uuid := (SELECT id FROM ids WHERE name = 'key');
    other uuid := (SELECT id FROM ids WHERE name = 'other');
    agent uuid := (SELECT id FROM ids WHERE name = 'agent');
BEGIN
    EXECUTE attack USING key, other, agent;
    PERFORM tarx_keys.act_as('bob', a);
    outcomes := '';
    FOR state IN
        SELECT left(outcome(c), 5) FROM unnest(ARRAY[
            format('resolve_agent_key(%L, %L)', a, agent), format('resolve_agent_key_sealed(%L, %L, %L)', a, agent, sha256('x')),
            format('set_agent_key(%L, %L, %L)', a, agent, other), format('set_agent_provider(%L, %L, %L)', a, agent, 'openai'),
            format('rename_agent(%L, %L, %L)', a, agent, 'new'), format('repoint_agents(%L, %L, %L)', a, key, other),
            format('repoint_agents(%L, %L, %L)', a, other, key), format('delete_agent(%L, %L)', a, agent)]) c
    LOOP
        outcomes := outcomes || ' ' || state;
    END LOOP;
    RAISE SQLSTATE 'ZZ000' USING MESSAGE = outcomes;
EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
    EXECUTE attack USING key, other, agent;
    state := (SELECT v.status FROM tarx_keys.verify_keys(a) v WHERE v.kind = 'agent' AND v.id = agent);
    RETURN NEXT;
END $$;
CREATE FUNCTION try_agent_and_undo(attack text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE SQLSTATE 'ZZ001' USING MESSAGE = (SELECT t.state || ':' || t.outcomes FROM try_agent(attack) t);
EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
    RETURN SQLERRM;
END $$;
SELECT try_agent_and_undo(attack), attack FROM (VALUES
    (1, 'SELECT $1, $2, $3'),
    (2, 'UPDATE tarx_keys.agents SET user_api_key_id = $2 WHERE id = $3 AND $1 IS NOT NULL'),
    (3, 'UPDATE tarx_keys.agents SET user_api_key_id = NULL, provider = ''openai'' WHERE id = $3 AND $1 <> $2'),
    (4, 'UPDATE tarx_keys.agents SET name = ''x'' WHERE id = $3 AND $1 <> $2'),
    (5, 'UPDATE tarx_keys.agents SET revision = 2 WHERE id = $3 AND $1 <> $2'),
    (6, 'UPDATE tarx_keys.agents SET stamp = '''' WHERE id = $3 AND $1 <> $2'),
    (7, 'UPDATE tarx_keys.agents a SET stamp = s.stamp FROM tarx_keys.agents s WHERE s.id <> a.id AND a.id = $3 AND $1 <> $2'),
    (8, 'UPDATE tarx_keys.agents SET stamp = overlay(stamp PLACING ''\x0123456789abcdef'' FROM 2) WHERE id = $3 AND $1 <> $2'),
    (9, 'UPDATE tarx_keys.agents SET created_by = ''x'', created_at = ''epoch'', updated_at = ''epoch'' WHERE id = $3 AND $1 <> $2'),
    -- tickets that were revoked would count again
    (10, 'UPDATE tarx_keys.agents SET run_epoch = gen_random_uuid() WHERE id = $3 AND $1 <> $2')
) AS a (n, attack) ORDER BY n;
-- what the errors say
BEGIN;
UPDATE tarx_keys.agents SET user_api_key_id = :'other' WHERE id = :'agent';
UPDATE tarx_keys.project_members SET role = 'admin' WHERE project_id = :'A' AND user_id = 'bob';
SELECT outcome(format('resolve_agent_key(%L, %L)', :'A', :'agent'));
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.create_agent(:'A', 'x');
ROLLBACK;

-- A master key is missing: who only takes away goes on
BEGIN;
UPDATE tarx_keys.project_members SET stamp = overlay(stamp PLACING '\x0123456789abcdef' FROM 2) WHERE project_id = :'A';
UPDATE tarx_keys.agents SET stamp = overlay(stamp PLACING '\x0123456789abcdef' FROM 2) WHERE id = :'agent';
-- and a row that is false, under a master key that is there
UPDATE tarx_keys.agents SET name = 'false' WHERE id = :'spare';
SAVEPOINT s;
SELECT * FROM attempts('alice');
ROLLBACK TO s;
SELECT user_id FROM tarx_keys.login(:'token', :'A');
ROLLBACK TO s;
SELECT tarx_keys.act_as('alice', :'A');
SELECT outcome(format('remove_member(%L, %L)', :'A', 'bob')), outcome(format('delete_agent(%L, %L)', :'A', :'agent')), outcome(format('delete_llm_key(%L, %L)', :'A', :'other'));
SELECT outcome(format('delete_project(%L)', :'A'));
ROLLBACK TO s;
-- superusers take over what is there, and nobody else
SET ROLE regress_backend;
SELECT outcome(format('restamp_members(%L)', :'A'));
SET ROLE tarx_keys_owner;
SELECT outcome(format('restamp_members(%L)', :'A'));
ROLLBACK TO s;
SELECT tarx_keys.restamp_members(:'B');
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT tarx_keys.restamp_members(:'A');
RESET client_min_messages;
SELECT user_id = session_user AS by_login, proven, action, object_name, object_id IS NOT NULL, revision FROM tarx_keys.audit_log WHERE project_id = :'A' AND action ~ 'restamp' ORDER BY seq;
SELECT kind, name, status FROM tarx_keys.verify_keys(:'A') WHERE kind IN ('member', 'agent') ORDER BY 1, 2;
SELECT tarx_keys.act_as('alice', :'A');
SELECT outcome(format('add_member(%L, %L)', :'A', 'eve'));
SELECT outcome(format('resolve_agent_key(%L, %L)', :'A', :'agent')), outcome(format('resolve_agent_key(%L, %L)', :'A', :'spare'));
SELECT tarx_keys.restamp_members(:'A');
ROLLBACK TO s;
-- each is named, also to who acts; nobody else acts afterwards
DELETE FROM tarx_keys.agents WHERE id = :'agent';
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.restamp_members(:'A');
SELECT DISTINCT user_id FROM tarx_keys.audit_log WHERE project_id = :'A' AND action ~ 'restamp';
SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id();
\set VERBOSITY default
ROLLBACK;

-- A user ends, and a successor gets a stamp
BEGIN;
SELECT * FROM tarx_keys.end_user('alice', 'dave');
SELECT user_id, role, revision FROM tarx_keys.project_members WHERE project_id = :'A' ORDER BY 1;
SELECT DISTINCT status FROM tarx_keys.verify_keys();
SELECT action, object_id IS NOT NULL, object_name, revision FROM tarx_keys.audit_log WHERE action ~ '^member' AND at >= now() ORDER BY at;
ROLLBACK;

-- The owner makes no stamps but in these functions, and services have no stamps to see
SET ROLE regress_backend;
\set VERBOSITY sqlstate
SELECT tarx_keys_internal.member_stamp(:'A', 'bob', gen_random_uuid(), 'admin', NULL, 1, now());
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT stamp FROM tarx_keys.project_members; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT stamp FROM tarx_keys.agents; ROLLBACK;
\set VERBOSITY default
RESET ROLE;

DROP FUNCTION outcome, attempts, try_attack, try_agent, try_agent_and_undo;
DROP TABLE ids;
-- clean up
\set ECHO none
\i :clean_up
