-- The audit log: what is in it, who reads it, and what verify_audit() finds.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set lanes :include /lanes.sql
\set purge :include /purge.sql
\set ECHO none
\i :people
\i :purge
\set ECHO all

\set QUIET on
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'one', 'abcdefghijklmnopqrstuvwxyz012345') AS one \gset
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'two', 'abcdefghijklmnopqrstuvwxyz012345') AS two \gset
SELECT tarx_keys.create_agent(:'A', 'bot', :'one') AS bot \gset
SELECT tarx_keys.set_agent_key(:'A', :'bot', :'two');
SELECT tarx_keys.repoint_agents(:'A', :'two', :'one');
SELECT tarx_keys.delete_agent(:'A', :'bot');
SELECT tarx_keys.delete_llm_key(:'A', :'two');
SELECT tarx_keys.add_member(:'A', 'dave');
SELECT tarx_keys.add_member(:'A', 'dave', 'admin');
-- what changes nothing is not logged
SELECT tarx_keys.add_member(:'A', 'dave', 'admin');
SELECT tarx_keys.repoint_agents(:'A', gen_random_uuid(), :'one');
SELECT tarx_keys.remove_member(:'A', 'dave');
SELECT tarx_keys.set_secret(:'A', 'S', 'a secret value');
SELECT tarx_keys.restore_secret(:'A', 'S', 1);
SELECT tarx_keys.delete_secret(:'A', 'S');
SELECT id AS pk, token FROM tarx_keys.create_platform_key('laptop') \gset
SELECT tarx_keys.revoke_platform_key(:'pk');
SELECT token FROM tarx_keys.create_platform_key('other') \gset
SELECT tarx_keys.act_as('bob', :'A');
SELECT token AS member FROM tarx_keys.create_platform_key('of a member') \gset
COMMIT;
-- what is rolled back or refused is not in it
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); SELECT tarx_keys.create_agent(:'A', 'rolled back') IS NOT NULL; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob', :'A'); SELECT tarx_keys.delete_llm_key(:'A', :'one'); ROLLBACK;
-- proven is told apart from asserted
BEGIN;
SELECT user_id FROM tarx_keys.login(:'token', :'A');
SELECT tarx_keys.create_agent(:'A', 'by login') IS NOT NULL;
COMMIT;
-- admins of the active project read it
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT seq, user_id, proven, client, action, object_name IN (:'one', :'two') OR NULL AS is_key, CASE WHEN object_name NOT IN (:'one', :'two') THEN object_name END AS object_name,
       object_id IS NOT NULL AS has_object, outcome, at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS dated, login = session_user AS by_login, project_id = :'A' AS of_a
  FROM tarx_keys.project_audit ORDER BY seq;
SELECT count(*) FROM tarx_keys.project_audit a WHERE a::text ~ 'abcdefgh|secret value' OR a::text ~ substr(:'token', 9, 20);
COMMIT;
-- others do not
BEGIN; SELECT tarx_keys.act_as('bob', :'A'); SELECT count(*) FROM tarx_keys.project_audit; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT count(*) FROM tarx_keys.project_audit; ROLLBACK;
SELECT count(*) FROM tarx_keys.project_audit;
BEGIN; SELECT tarx_keys.act_as('carol', :'B'); SELECT count(*), count(*) FILTER (WHERE project_id = :'A') FROM tarx_keys.project_audit; COMMIT;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); SELECT stamp FROM tarx_keys.audit_log; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); SELECT * FROM tarx_keys_internal.audit_ends; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); SELECT tarx_keys_internal.record_audit(:'A', 'x', NULL, NULL); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); INSERT INTO tarx_keys.audit_log SELECT * FROM tarx_keys.audit_log; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); UPDATE tarx_keys.audit_log SET user_id = 'bob'; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); DELETE FROM tarx_keys.audit_log; ROLLBACK;
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT * FROM tarx_keys.verify_personal_audit('alice');
CALL tarx_keys.purge_audit(now());
SELECT tarx_keys.begin_audit(:'A');
BEGIN; SELECT tarx_keys.act_as('alice', :'A'); TRUNCATE tarx_keys.audit_log; ROLLBACK;
SET ROLE regress_login;
SELECT count(*) FROM tarx_keys.project_audit;
BEGIN; SELECT user_id, role FROM tarx_keys.login(:'token', :'A'); SELECT count(*) > 0, count(*) FILTER (WHERE project_id <> :'A') FROM tarx_keys.project_audit; COMMIT;
BEGIN; SELECT user_id, role FROM tarx_keys.login(:'token'); SELECT count(*) FROM tarx_keys.project_audit; ROLLBACK;
BEGIN; SELECT user_id, role FROM tarx_keys.login(:'member', :'A'); SELECT count(*) FROM tarx_keys.project_audit; ROLLBACK;
BEGIN; SELECT user_id, role FROM tarx_keys.login(:'token', :'A'); INSERT INTO tarx_keys.audit_log SELECT * FROM tarx_keys.audit_log; ROLLBACK;
BEGIN; SELECT user_id, role FROM tarx_keys.login(:'token', :'A'); UPDATE tarx_keys.audit_log SET user_id = 'bob'; ROLLBACK;
BEGIN; SELECT user_id, role FROM tarx_keys.login(:'token', :'A'); DELETE FROM tarx_keys.audit_log; ROLLBACK;
BEGIN; SELECT user_id, role FROM tarx_keys.login(:'token', :'A'); TRUNCATE tarx_keys.audit_log; ROLLBACK;
SET ROLE regress_agent;
SELECT count(*) FROM tarx_keys.project_audit;
INSERT INTO tarx_keys.audit_log DEFAULT VALUES;
UPDATE tarx_keys.audit_log SET user_id = 'bob';
DELETE FROM tarx_keys.audit_log;
TRUNCATE tarx_keys.audit_log;
SET ROLE regress_nobody;
SELECT count(*) FROM tarx_keys.project_audit;
INSERT INTO tarx_keys.audit_log DEFAULT VALUES;
UPDATE tarx_keys.audit_log SET user_id = 'bob';
DELETE FROM tarx_keys.audit_log;
TRUNCATE tarx_keys.audit_log;
-- not even the owner changes it
SET ROLE tarx_keys_owner;
UPDATE tarx_keys.audit_log SET user_id = 'bob';
DELETE FROM tarx_keys.audit_log;
TRUNCATE tarx_keys.audit_log;
INSERT INTO tarx_keys.audit_log SELECT :'A', false, 1, 99, now(), 'bob', true, 'x', 'x', 'x', NULL, 'x', 'x', NULL, '';
DELETE FROM tarx_keys_internal.audit_ends;
TRUNCATE tarx_keys_internal.audit_ends;
\set VERBOSITY default
RESET ROLE;

-- it verifies
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT * FROM tarx_keys.verify_audit(:'B');
SELECT * FROM tarx_keys.verify_audit(:'nowhere');
SELECT * FROM tarx_keys.verify_personal_audit('alice');
SELECT * FROM tarx_keys.verify_personal_audit('nobody');
SELECT user_id, action, object_name FROM tarx_keys.audit_log WHERE personal ORDER BY seq, user_id;
SELECT * FROM tarx_keys.verify_audit(NULL);
SELECT * FROM tarx_keys.verify_personal_audit(NULL);
-- begin_audit leaves alone what there is
SELECT tarx_keys.begin_audit(:'A');
SELECT tarx_keys.begin_audit(NULL);
SELECT * FROM tarx_keys.verify_audit(:'A');
-- a project with the id of somebody's own chain shows nothing of it
BEGIN;
SELECT tarx_keys_internal.personal_chain('alice') AS of_alice \gset
SET LOCAL ROLE regress_backend;
SELECT tarx_keys.act_as('mallory');
SELECT tarx_keys.create_project('spy', :'of_alice') = :'of_alice';
SELECT tarx_keys.act_as('mallory', :'of_alice');
SELECT user_id, action FROM tarx_keys.project_audit;
SELECT user_id, action FROM tarx_keys.audit_log;
RESET ROLE;
SELECT * FROM tarx_keys.verify_audit(:'of_alice');
SELECT * FROM tarx_keys.verify_personal_audit('alice');
ROLLBACK;

-- other lanes begin when writers meet, above the numbers that there are
SELECT lane, lanes_seen, first_seq > 1 AS above FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' ORDER BY lane;
\set ECHO none
\i :lanes
\set ECHO all
SELECT lane, lanes_seen, first_seq - lane - 1 > 9 AS above, (last_seq - first_seq) / 4 AS more FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND lane > 0 ORDER BY lane;
SELECT * FROM tarx_keys.verify_audit(:'A');
-- nobody has seen such a lane before the next change, which sees all
BEGIN;
DELETE FROM tarx_keys.audit_log WHERE project_id = :'A' AND seq % 4 = 0;
SELECT * FROM tarx_keys.verify_audit(:'A');
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND lane = 3;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
-- the next generation notes all of them
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET sealed_key = overlay(sealed_key PLACING '\x0102030405060708' FROM 2) WHERE project_id = :'A';
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after') IS NOT NULL;
UPDATE tarx_keys_internal.audit_ends SET sealed_key = overlay(sealed_key PLACING decode((tarx_keys_internal.keyring_fingerprints())[1], 'hex') FROM 2) WHERE project_id = :'A';
SELECT * FROM tarx_keys.verify_audit(:'A');
DELETE FROM tarx_keys.audit_log WHERE project_id = :'A' AND generation = 1 AND seq % 4 = 0;
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND generation = 1 AND lane = 3;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'sees all') IS NOT NULL;
COMMIT;
SELECT lane, lanes_seen FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' ORDER BY lane;
SELECT * FROM tarx_keys.verify_audit(:'A');
-- one that is gone does not begin again
BEGIN;
DELETE FROM tarx_keys.audit_log WHERE project_id = :'A' AND seq % 4 = 0;
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND lane = 3;
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'goes on') IS NOT NULL;
RESET ROLE;
SELECT lane, lanes_seen FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' ORDER BY lane;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
-- what somebody plants in a lane's place is not seen
BEGIN;
DELETE FROM tarx_keys.audit_log WHERE project_id = :'B';
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'B';
SELECT tarx_keys.begin_audit(:'B');
INSERT INTO tarx_keys_internal.audit_ends SELECT (jsonb_populate_record(e, '{"lane": 1}')).* FROM tarx_keys_internal.audit_ends e WHERE project_id = :'B';
SELECT tarx_keys.act_as('carol', :'B');
SELECT tarx_keys.create_agent(:'B', 'x') IS NOT NULL;
SELECT lane, lanes_seen FROM tarx_keys_internal.audit_ends WHERE project_id = :'B' ORDER BY lane;
SELECT * FROM tarx_keys.verify_audit(:'B');
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'B' AND lane = 1;
SELECT * FROM tarx_keys.verify_audit(:'B');
-- nor in the place of one that cannot be
INSERT INTO tarx_keys_internal.audit_ends SELECT (jsonb_populate_record(e, jsonb_build_object('lane', l))).* FROM tarx_keys_internal.audit_ends e, unnest('{4, 100000000, -1, -100000000}'::int[]) l WHERE project_id = :'B';
SELECT tarx_keys.create_agent(:'B', 'y') IS NOT NULL;
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'B' AND lane <> 0;
SELECT * FROM tarx_keys.verify_audit(:'B');
-- a row in a lane that there is not
INSERT INTO tarx_keys.audit_log SELECT (jsonb_populate_record(l, '{"seq": 2}')).* FROM tarx_keys.audit_log l WHERE project_id = :'B' AND seq = 1;
SELECT * FROM tarx_keys.verify_audit(:'B');
ROLLBACK;

-- each of these is found out
\set ECHO none
CREATE TABLE attacks (n int, statement text);
INSERT INTO attacks VALUES
    (0, 'SELECT'),
    (1, 'UPDATE tarx_keys.audit_log SET user_id = ''bob'' WHERE project_id = $1 AND seq = 9'),
    (2, 'UPDATE tarx_keys.audit_log SET proven = NOT proven WHERE project_id = $1 AND seq = 9'),
    (3, 'UPDATE tarx_keys.audit_log SET at = at + interval ''1 microsecond'' WHERE project_id = $1 AND seq = 9'),
    (4, 'UPDATE tarx_keys.audit_log SET login = ''x'' WHERE project_id = $1 AND seq = 9'),
    (5, 'UPDATE tarx_keys.audit_log SET client = NULL WHERE project_id = $1 AND seq = 9'),
    (6, 'UPDATE tarx_keys.audit_log SET action = ''llm_key.delete'' WHERE project_id = $1 AND seq = 9'),
    (7, 'UPDATE tarx_keys.audit_log SET object_id = NULL WHERE project_id = $1 AND seq = 9'),
    (8, 'UPDATE tarx_keys.audit_log SET object_name = ''x'' WHERE project_id = $1 AND seq = 9'),
    (9, 'UPDATE tarx_keys.audit_log SET outcome = ''x'' WHERE project_id = $1 AND seq = 9'),
    (10, 'UPDATE tarx_keys.audit_log SET stamp = '''' WHERE project_id = $1 AND seq = 9'),
    (11, 'DELETE FROM tarx_keys.audit_log WHERE project_id = $1 AND seq = 1'),
    (12, 'DELETE FROM tarx_keys.audit_log WHERE project_id = $1 AND seq = 9'),
    (13, 'DELETE FROM tarx_keys.audit_log WHERE project_id = $1 AND seq = (SELECT max(last_seq) FROM tarx_keys_internal.audit_ends WHERE project_id = $1)'),
    (14, 'UPDATE tarx_keys.audit_log SET seq = CASE seq WHEN 9 THEN 1013 WHEN 13 THEN 1009 END WHERE project_id = $1 AND seq IN (9, 13); UPDATE tarx_keys.audit_log SET seq = seq - 1000 WHERE seq > 1000'),
    (15, 'UPDATE tarx_keys.audit_log l SET stamp = o.stamp FROM tarx_keys.audit_log o WHERE l.project_id = $1 AND l.seq = 9 AND o.project_id = $1 AND o.seq = 13'),
    (16, 'DELETE FROM tarx_keys.audit_log WHERE project_id = $1'),
    (17, 'DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = $1'),
    (18, 'DELETE FROM tarx_keys.audit_log WHERE project_id = $1 AND seq = (SELECT last_seq FROM tarx_keys_internal.audit_ends WHERE project_id = $1 AND lane = 0); UPDATE tarx_keys_internal.audit_ends SET last_seq = last_seq - 4, last_stamp = (SELECT stamp FROM tarx_keys.audit_log l WHERE l.project_id = $1 AND seq % 4 = 1 ORDER BY seq DESC LIMIT 1) WHERE project_id = $1 AND lane = 0'),
    (19, 'DELETE FROM tarx_keys.audit_log WHERE project_id = $1 AND seq = 1; UPDATE tarx_keys_internal.audit_ends SET first_seq = 5 WHERE project_id = $1 AND lane = 0'),
    (20, 'UPDATE tarx_keys.audit_log SET project_id = $1, seq = 1000 + seq WHERE NOT personal AND project_id = ''bbbbbbbb-0000-4000-8000-000000000002'''),
    (21, 'DELETE FROM tarx_keys.audit_log WHERE project_id = $1; DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = $1'),
    (22, 'DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = $1 AND lane = 3'),
    (23, 'UPDATE tarx_keys_internal.audit_ends SET lane = 7 WHERE project_id = $1 AND lane = 3'),
    (24, 'UPDATE tarx_keys_internal.audit_ends e SET lanes_seen = o.lanes_seen, first_seq = o.first_seq, first_at = o.first_at, last_seq = o.last_seq, last_stamp = o.last_stamp, sealed_key = o.sealed_key FROM tarx_keys_internal.audit_ends o WHERE e.project_id = $1 AND e.lane = 1 AND o.project_id = $1 AND o.lane = 0'),
    (25, 'UPDATE tarx_keys_internal.audit_ends SET sealed_key = set_byte(sealed_key, 60, get_byte(sealed_key, 60) # 1) WHERE project_id = $1 AND lane = 0'),
    (26, 'UPDATE tarx_keys_internal.audit_ends SET sealed_key = '''' WHERE project_id = $1 AND lane = 0'),
    (27, 'UPDATE tarx_keys_internal.audit_ends SET last_stamp = '''' WHERE project_id = $1 AND lane = 0'),
    (28, 'UPDATE tarx_keys_internal.audit_ends SET first_stamp = set_byte(first_stamp, 0, 1) WHERE project_id = $1 AND lane = 0'),
    (29, 'UPDATE tarx_keys_internal.audit_ends SET sealed_key = set_byte(sealed_key, 1, get_byte(sealed_key, 1) # 1) WHERE project_id = $1 AND lane = 0'),
    (30, 'UPDATE tarx_keys.audit_log SET personal = true WHERE project_id = $1'),
    (31, 'UPDATE tarx_keys.audit_log SET seq = 0 WHERE project_id = $1 AND seq = 9'),
    (32, 'INSERT INTO tarx_keys.audit_log SELECT project_id, personal, generation, 1001, at, user_id, proven, login, client, action, object_id, object_name, outcome, revision, stamp FROM tarx_keys.audit_log WHERE project_id = $1 AND seq = 9'),
    (33, 'UPDATE tarx_keys.audit_log SET generation = 2 WHERE project_id = $1 AND seq = 9'),
    (34, 'UPDATE tarx_keys_internal.audit_ends SET generation = 2 WHERE project_id = $1 AND lane = 0'),
    (35, 'UPDATE tarx_keys_internal.audit_ends SET generation = 2 WHERE project_id = $1; UPDATE tarx_keys.audit_log SET generation = 2 WHERE project_id = $1'),
    (36, 'INSERT INTO tarx_keys_internal.audit_ends SELECT project_id, personal, 2, lane, lanes_seen, first_seq, first_at, last_seq, first_stamp, last_stamp, sealed_key FROM tarx_keys_internal.audit_ends WHERE project_id = $1'),
    (37, 'UPDATE tarx_keys.audit_log SET generation = 0 WHERE project_id = $1 AND seq = 9'),
    (38, 'ALTER TABLE tarx_keys.audit_log DROP CONSTRAINT audit_log_generation_check; UPDATE tarx_keys.audit_log SET generation = 0 WHERE project_id = $1 AND seq = 9'),
    (39, 'UPDATE tarx_keys.audit_log SET generation = 2147483647 WHERE project_id = $1 AND seq = 9'),
    (40, 'ALTER TABLE tarx_keys.audit_log DROP CONSTRAINT audit_log_seq_check; INSERT INTO tarx_keys.audit_log SELECT project_id, personal, generation, 0, at, user_id, proven, login, client, action, object_id, object_name, outcome, revision, stamp FROM tarx_keys.audit_log WHERE project_id = $1 AND seq = 9'),
    (41, 'ALTER TABLE tarx_keys.audit_log DROP CONSTRAINT audit_log_seq_check; INSERT INTO tarx_keys.audit_log SELECT project_id, personal, generation, -9223372036854775808, at, user_id, proven, login, client, action, object_id, object_name, outcome, revision, stamp FROM tarx_keys.audit_log WHERE project_id = $1 AND seq = 9'),
    (42, 'INSERT INTO tarx_keys_internal.audit_ends SELECT project_id, personal, generation, 4, lanes_seen, first_seq, first_at, last_seq, first_stamp, last_stamp, sealed_key FROM tarx_keys_internal.audit_ends WHERE project_id = $1 AND lane = 0'),
    (43, 'INSERT INTO tarx_keys_internal.audit_ends SELECT project_id, personal, generation, -1, lanes_seen, first_seq, first_at, last_seq, first_stamp, last_stamp, set_byte(sealed_key, 1, get_byte(sealed_key, 1) # 1) FROM tarx_keys_internal.audit_ends WHERE project_id = $1 AND lane = 0'),
    (44, 'DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = $1 AND lane = 2; DELETE FROM tarx_keys.audit_log WHERE project_id = $1 AND seq % 4 = 3'),
    (45, 'DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = $1 AND lane > 0; DELETE FROM tarx_keys.audit_log WHERE project_id = $1 AND seq % 4 <> 1'),
    (46, 'DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = $1 AND lane = 0; DELETE FROM tarx_keys.audit_log WHERE project_id = $1 AND seq % 4 = 1'),
    (47, 'UPDATE tarx_keys_internal.audit_ends SET lanes_seen = 1 WHERE project_id = $1 AND lane = 0'),
    (48, 'UPDATE tarx_keys_internal.audit_ends SET first_at = first_at - interval ''1 microsecond'' WHERE project_id = $1 AND lane = 0');
CREATE FUNCTION attack(project uuid) RETURNS TABLE (n int, outcome text) LANGUAGE plpgsql AS $$
DECLARE
    a record;
    part text;
BEGIN
    FOR a IN SELECT * FROM attacks ORDER BY attacks.n LOOP
        n := a.n;
        BEGIN
            FOREACH part IN ARRAY string_to_array(a.statement, '; ') LOOP
                EXECUTE replace(part, '$1', quote_literal(project));
            END LOOP;
            SELECT concat_ws(' ', v.ok, v.broken_at, v.reason) INTO outcome FROM tarx_keys.verify_audit(project) v;
            RAISE SQLSTATE 'ZZ000' USING MESSAGE = outcome;
        EXCEPTION WHEN OTHERS THEN
            outcome := CASE WHEN SQLSTATE = 'ZZ000' THEN SQLERRM ELSE SQLSTATE || ' ' || regexp_replace(SQLERRM, '[0-9a-f]{16}', '...') END;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
\set ECHO all
SELECT * FROM attack(:'A');
-- that a function looks at all projects ends with it, not with the transaction
BEGIN;
SELECT ok FROM tarx_keys.verify_audit(:'A');
SELECT current_setting('tarx_keys.maintenance');
ROLLBACK;
-- rows of a savepoint that was rolled back have stamps of ours, but stand in for no others
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'takes a lane') IS NOT NULL;
SAVEPOINT one;
SELECT tarx_keys.add_member(:'A', 'mallory', 'viewer');
SELECT to_jsonb(a) AS viewer FROM tarx_keys.audit_log a WHERE a.project_id = :'A' ORDER BY a.at DESC LIMIT 1 \gset
ROLLBACK TO one;
-- behind the end
INSERT INTO tarx_keys.audit_log SELECT * FROM jsonb_populate_record(NULL::tarx_keys.audit_log, :'viewer');
SELECT ok, reason FROM tarx_keys.verify_audit(:'A');
ROLLBACK TO one;
-- in place of the last row
SELECT tarx_keys.add_member(:'A', 'mallory', 'admin');
CREATE FUNCTION pg_temp.stand_in(viewer jsonb) RETURNS text LANGUAGE sql AS $$
    DELETE FROM tarx_keys.audit_log a WHERE a.project_id = (viewer->>'project_id')::uuid AND a.seq = (viewer->>'seq')::bigint;
    INSERT INTO tarx_keys.audit_log SELECT * FROM jsonb_populate_record(NULL::tarx_keys.audit_log, viewer);
    SELECT v.reason FROM tarx_keys.verify_audit((viewer->>'project_id')::uuid) v $$;
SELECT ok FROM tarx_keys.verify_audit(:'A');
SAVEPOINT two;
SELECT pg_temp.stand_in(:'viewer');
ROLLBACK TO two;
-- in place of the one before it
SELECT tarx_keys.create_agent(:'A', 'goes on') IS NOT NULL;
SELECT pg_temp.stand_in(:'viewer');
ROLLBACK;

-- nothing is logged, and so nothing done, behind ends that somebody changed
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET last_seq = last_seq - 1 WHERE project_id = :'A';
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
\set VERBOSITY terse
SAVEPOINT one;
SELECT tarx_keys.create_agent(:'A', 'x');
ROLLBACK TO one;
-- but what only takes away is
SELECT tarx_keys.delete_llm_key(:'A', :'one');
SELECT tarx_keys.remove_member(:'A', 'bob');
SELECT id FROM tarx_keys.llm_keys;
SELECT user_id FROM tarx_keys.project_members;
\set VERBOSITY default
RESET ROLE;
SELECT count(*) FROM tarx_keys.audit_log WHERE action IN ('llm_key.delete', 'member.remove') AND (object_id = :'one' OR object_name = 'bob');
ROLLBACK;

-- or before a row that somebody planted
BEGIN;
INSERT INTO tarx_keys.audit_log SELECT l.project_id, l.personal, 1, e.last_seq + 4, at, user_id, proven, login, client, action, object_id, object_name, outcome, revision, stamp
  FROM tarx_keys.audit_log l, tarx_keys_internal.audit_ends e WHERE l.project_id = :'A' AND l.seq = 1 AND e.project_id = :'A' AND e.lane = 0;
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
\set VERBOSITY terse
SELECT tarx_keys.create_agent(:'A', 'x');
\set VERBOSITY default
ROLLBACK;

-- or that are gone, with all the rest
BEGIN;
DELETE FROM tarx_keys.audit_log;
DELETE FROM tarx_keys_internal.audit_ends;
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
\set VERBOSITY terse
SELECT tarx_keys.create_agent(:'A', 'x');
\set VERBOSITY default
ROLLBACK;

-- a name that somebody made too long keeps nothing from being removed
BEGIN;
UPDATE tarx_keys.platform_api_keys SET name = repeat('x', 9000) WHERE revoked_at IS NULL;
SELECT id AS pk FROM tarx_keys.platform_api_keys WHERE revoked_at IS NULL AND user_id = 'alice' LIMIT 1 \gset
INSERT INTO tarx_keys.project_members VALUES (:'A', repeat('x', 9000), gen_random_uuid(), 'member', NULL, 1, now(), '');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.revoke_platform_key(:'pk');
SELECT tarx_keys.remove_member(:'A', repeat('x', 9000));
RESET ROLE;
SELECT action, length(object_name) FROM tarx_keys.audit_log WHERE length(object_name) > 100;
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT * FROM tarx_keys.verify_personal_audit('alice');
ROLLBACK;

-- A user's own chains as well
BEGIN;
DELETE FROM tarx_keys.audit_log WHERE personal;
DELETE FROM tarx_keys_internal.audit_ends WHERE personal;
SELECT * FROM tarx_keys.verify_personal_audit('alice');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice');
\set VERBOSITY terse
SELECT id IS NOT NULL FROM tarx_keys.create_platform_key('another');
\set VERBOSITY default
ROLLBACK;

-- rows without ends do not
BEGIN;
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'A';
SELECT tarx_keys.begin_audit(:'A');
SELECT count(*) FROM tarx_keys_internal.audit_ends WHERE project_id = :'A';
ROLLBACK;

-- what a DBA removed knowingly begins anew
BEGIN;
DELETE FROM tarx_keys.audit_log WHERE project_id = :'A';
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'A';
SELECT tarx_keys.begin_audit(:'A');
SELECT * FROM tarx_keys.verify_audit(:'A');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'x') IS NOT NULL;
RESET ROLE;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;

-- a purge keeps what does not verify, and goes on with the rest
CALL tarx_keys.purge_audit(NULL);
CALL tarx_keys.purge_audit('-infinity', NULL);
CALL tarx_keys.purge_audit('-infinity', 0);
SET default_transaction_read_only = on;
CALL tarx_keys.purge_audit('-infinity');
RESET default_transaction_read_only;
BEGIN;
CALL tarx_keys.purge_audit('infinity');
ROLLBACK;
\set VERBOSITY terse
BEGIN;
UPDATE tarx_keys.audit_log SET user_id = 'bob' WHERE project_id = :'A' AND seq = 9;
SELECT pg_temp.purge_audit('infinity') > 0;
SELECT project_id = :'A' AS of_a, personal, min(seq), count(*) > 5 AS several FROM tarx_keys.audit_log GROUP BY 1, 2;
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT * FROM tarx_keys.verify_audit(:'B');
ROLLBACK;
BEGIN;
DELETE FROM tarx_keys.audit_log WHERE project_id = :'A' AND seq = 1;
SELECT pg_temp.purge_audit('infinity') > 0;
SELECT min(seq) FROM tarx_keys.audit_log WHERE project_id = :'A';
ROLLBACK;
BEGIN;
UPDATE tarx_keys.audit_log SET at = '-infinity' WHERE project_id = :'A' AND seq = 9;
SELECT at AS half FROM tarx_keys.audit_log WHERE project_id = :'A' AND seq = 5 \gset
SELECT pg_temp.purge_audit(:'half'::timestamptz + interval '1 microsecond') > 0;
SELECT min(seq) FROM tarx_keys.audit_log WHERE project_id = :'A';
ROLLBACK;
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET first_seq = 5 WHERE project_id = :'A' AND lane = 0;
SELECT pg_temp.purge_audit('infinity') > 0;
ROLLBACK;
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET sealed_key = set_byte(sealed_key, 1, get_byte(sealed_key, 1) # 1) WHERE project_id = :'A' AND lane = 0;
SELECT pg_temp.purge_audit('infinity') > 0;
ROLLBACK;
-- behind older ends that somebody put back, too
BEGIN;
CREATE TEMPORARY TABLE older AS SELECT * FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND lane = 0;
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT count(tarx_keys.create_agent(:'A', 'newer')) FROM generate_series(1, 3);
RESET ROLE;
UPDATE tarx_keys_internal.audit_ends e SET (lanes_seen, last_seq, last_stamp, sealed_key) = (o.lanes_seen, o.last_seq, o.last_stamp, o.sealed_key) FROM older o WHERE e.project_id = o.project_id AND e.lane = 0;
SELECT broken_at = last_seq + 4 AS behind, reason FROM tarx_keys.verify_audit(:'A'), older;
SELECT max(at) AS last FROM tarx_keys.audit_log WHERE project_id = :'A' AND seq % 4 = 1 \gset
SELECT pg_temp.purge_audit(:'last') > 0;
SELECT min(seq) FROM tarx_keys.audit_log WHERE project_id = :'A';
ROLLBACK;
\set VERBOSITY default
-- what is left after a purge verifies
BEGIN;
SELECT pg_temp.purge_audit('-infinity');
SELECT at AS half FROM tarx_keys.audit_log WHERE project_id = :'A' AND seq = 13 \gset
SELECT pg_temp.purge_audit(:'half') >= 3;
SELECT min(seq), (tarx_keys.verify_audit(:'A')).* FROM tarx_keys.audit_log WHERE project_id = :'A';
SELECT pg_temp.purge_audit(clock_timestamp()) > 3;
SELECT count(*) FROM tarx_keys.audit_log;
SELECT pg_temp.purge_audit('infinity');
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT * FROM tarx_keys.verify_personal_audit('alice');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after the purge') IS NOT NULL;
SELECT seq > 40, action FROM tarx_keys.project_audit;
RESET ROLE;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
-- batches of any size: a lane after the other, and each leaves a chain that verifies
BEGIN;
CREATE FUNCTION pg_temp.purge_step(INOUT reached tarx_keys_internal.audit_ends, INOUT purged bigint, OUT verdict text) LANGUAGE plpgsql AS $$
DECLARE
    again CONSTANT boolean := purged = 3;
    b record;
BEGIN
    SELECT * INTO b FROM tarx_keys_internal.purge_audit_batch('infinity', 3, reached, again, false);
    reached := b.reached;
    purged := b.purged;
    SELECT concat_ws(' ', v.ok, v.broken_at, v.reason) INTO verdict FROM tarx_keys.verify_audit('aaaaaaaa-0000-4000-8000-000000000001') v;
END $$;
WITH RECURSIVE steps AS (
    SELECT 1 AS n, s.* FROM pg_temp.purge_step(NULL, 0) s
    UNION ALL SELECT t.n + 1, s.* FROM steps t, pg_temp.purge_step(t.reached, t.purged) s WHERE t.purged IS NOT NULL)
SELECT (reached).project_id = :'A' AS of_a, (reached).personal, (reached).lane, purged, verdict FROM steps ORDER BY n;
SELECT count(*), min(first_at), max(first_at) FROM tarx_keys_internal.audit_ends;
SELECT count(*) FROM tarx_keys.audit_log;
ROLLBACK;
-- where a batch does not verify, those in front of it have
BEGIN;
UPDATE tarx_keys.audit_log SET user_id = 'bob' WHERE project_id = :'A' AND seq = 21;
\set VERBOSITY terse
SELECT pg_temp.purge_audit('infinity', 2) > 0;
\set VERBOSITY default
SELECT min(seq), (tarx_keys.verify_audit(:'A')).* FROM tarx_keys.audit_log WHERE project_id = :'A';
ROLLBACK;
-- the procedure says how many, and commits
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'the last') IS NOT NULL;
COMMIT;
CALL tarx_keys.purge_audit('-infinity');
CALL tarx_keys.purge_audit('infinity', batch_size => 2);
SELECT count(*) FROM tarx_keys.audit_log;
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT lane, lanes_seen, first_at, first_seq - last_seq AS empty FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' ORDER BY lane;
-- who owns the log may append any action, but not of any length
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys_internal.record_audit(:'A', repeat('x', 100000), NULL, NULL);
ROLLBACK;
DROP TABLE attacks;
DROP FUNCTION attack;

-- clean up
\set ECHO none
\i :clean_up
