-- The audit log goes on in a new generation where its master key is missing, and
-- only there. A fingerprint that is in no keyring stands for the missing key;
-- with the right one in its place again the old generation verifies. A keyring
-- that is really gone is in test/t/132_lost_master_key.pl.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set lanes :include /lanes.sql
\set purge :include /purge.sql
\set ECHO none
\i :people
\i :purge
\i :lanes
\set QUIET on
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'before') AS agent \gset
SELECT id AS pk FROM tarx_keys.create_platform_key('before') \gset
SELECT tarx_keys.act_as('bob');
SELECT id FROM tarx_keys.create_platform_key('of bob') \gset bob_
COMMIT;
RESET ROLE;
SELECT (tarx_keys_internal.keyring_fingerprints())[1] AS active \gset
CREATE FUNCTION name_master_key(fingerprint text, only_project uuid, only_lane integer DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    UPDATE tarx_keys_internal.audit_ends SET sealed_key = overlay(sealed_key PLACING decode(fingerprint, 'hex') FROM 2)
     WHERE generation = 1 AND project_id = only_project AND (only_lane IS NULL OR lane = only_lane)
$$;
-- the numbers of rows, which depend on nothing but how many there are
CREATE VIEW ends AS
SELECT generation, lane, first_seq, last_seq, tarx_keys_internal.fingerprint_of(sealed_key) AS master_key
  FROM tarx_keys_internal.audit_ends WHERE project_id = 'aaaaaaaa-0000-4000-8000-000000000001' ORDER BY generation, lane;
CREATE VIEW log AS
SELECT generation, seq, user_id, proven, action, object_id IS NOT NULL AS has_object,
       regexp_replace(object_name, '(?!0{64})[0-9a-f]{64}', 'STAMP', 'g') AS object_name
  FROM tarx_keys.audit_log WHERE project_id = 'aaaaaaaa-0000-4000-8000-000000000001' ORDER BY generation, seq;
GRANT SELECT ON log TO regress_backend;
\set ECHO all

BEGIN;
CREATE TABLE as_they_were AS SELECT a::text FROM tarx_keys.audit_log a WHERE project_id = :'A';
SELECT name_master_key('0102030405060708', :'A');
SELECT * FROM tarx_keys.verify_audit(:'A');
-- a call that changes nothing begins nothing
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_member(:'A', 'bob');
RESET ROLE;
SELECT max(generation) FROM ends;
-- the first that changes something does
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after') IS NOT NULL;
SELECT tarx_keys.delete_agent(:'A', :'agent');
-- admins see it
SELECT seq, user_id, action, left(object_name, 36) FROM tarx_keys.project_audit WHERE seq > 8 ORDER BY seq;
RESET ROLE;
SELECT * FROM log;
SELECT * FROM ends;
-- old rows stay as they were
SELECT count(*) FROM as_they_were w WHERE NOT EXISTS (SELECT FROM tarx_keys.audit_log a WHERE a::text = w.a);
-- it stays unverified, also for doctor(), and nothing hides behind it
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT severity, finding, advice FROM tarx_keys.doctor() WHERE check_name = 'audit_log' OR check_name = 'master_keys' AND severity = 'critical';
SAVEPOINT one;
UPDATE tarx_keys.audit_log SET user_id = 'bob' WHERE generation = 2 AND action = 'agent.delete';
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK TO one;
UPDATE tarx_keys.audit_log SET object_name = 'nothing' WHERE generation = 2 AND action = 'audit.new_generation';
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK TO one;
DELETE FROM tarx_keys.audit_log WHERE generation = 1 AND project_id = :'A';
DELETE FROM tarx_keys_internal.audit_ends WHERE generation = 1 AND project_id = :'A';
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK TO one;
DELETE FROM tarx_keys_internal.audit_ends WHERE generation = 2 AND lane = 0;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK TO one;
-- the key turns up again: both generations verify
SELECT name_master_key(:'active', :'A');
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'audit_log';
-- changes go on in the new one
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'later') IS NOT NULL;
RESET ROLE;
SELECT generation, seq, action FROM log WHERE object_name = 'later';
SELECT * FROM tarx_keys.verify_audit(:'A');
-- a purge goes through both
SAVEPOINT one;
\set VERBOSITY terse
SELECT pg_temp.purge_audit('infinity') > 0;
\set VERBOSITY default
SELECT * FROM ends;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;

-- One lane's key is enough, whichever lane is written to
BEGIN;
SELECT name_master_key('0102030405060708', :'A', 3);
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after') IS NOT NULL;
RESET ROLE;
SELECT generation, lane, master_key = :'active' AS opens FROM ends;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
-- But ends that fail under a key that is there begin none, also beside such a lane
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET last_seq = last_seq + 4 WHERE project_id = :'A' AND lane = 1;
SELECT name_master_key('0102030405060708', :'A', 3);
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
\set VERBOSITY sqlstate
SELECT tarx_keys.create_agent(:'A', 'x');
\set VERBOSITY default
ROLLBACK;
BEGIN;
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND lane = 1;
SELECT name_master_key('0102030405060708', :'A', 3);
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
\set VERBOSITY sqlstate
SELECT tarx_keys.create_agent(:'A', 'x');
\set VERBOSITY default
ROLLBACK;

-- Nor does one begin where the key went missing in the middle of a transaction,
-- because others may write to the old generation as this one does
BEGIN;
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'first') AS first \gset
RESET ROLE;
SELECT name_master_key('0102030405060708', :'A');
SET ROLE regress_backend;
SAVEPOINT one;
SELECT tarx_keys.create_agent(:'A', 'second');
ROLLBACK TO one;
-- which keeps nothing from being taken away
SELECT tarx_keys.delete_agent(:'A', :'first');
SELECT count(*) FROM tarx_keys.agents WHERE id = :'first';
RESET ROLE;
SELECT action FROM log WHERE seq > 17;
ROLLBACK;

-- Claims that leave no numbers, and a generation's number that leaves none
\set VERBOSITY sqlstate
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET last_seq = 9223372036854775807 WHERE project_id = :'A' AND lane IN (1, 2);
SELECT name_master_key('0102030405060708', :'A');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'x');
ROLLBACK;
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET last_seq = 1::bigint << 59 WHERE project_id = :'A';
SELECT name_master_key('0102030405060708', :'A');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'x');
ROLLBACK;
BEGIN;
SELECT name_master_key('0102030405060708', :'A');
UPDATE tarx_keys_internal.audit_ends SET generation = 2147483647 WHERE project_id = :'A';
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'x');
ROLLBACK;
-- A row in its way
BEGIN;
SELECT name_master_key('0102030405060708', :'A');
INSERT INTO tarx_keys.audit_log SELECT (jsonb_populate_record(l, jsonb_build_object('generation', 2, 'seq', n))).*
  FROM tarx_keys.audit_log l, generate_series(1, 400) n WHERE l.project_id = :'A' AND l.seq = 1;
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'x');
ROLLBACK;
\set VERBOSITY default

-- Negative claims count as none
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET last_seq = -9223372036854775808, first_seq = -9223372036854775808 WHERE project_id = :'A';
SELECT name_master_key('0102030405060708', :'A');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after') IS NOT NULL;
RESET ROLE;
SELECT * FROM log WHERE generation = 2;
ROLLBACK;

-- Several, one after the other
BEGIN;
DO $$
DECLARE
    a CONSTANT uuid := 'aaaaaaaa-0000-4000-8000-000000000001';
BEGIN
    FOR i IN 1..5 LOOP
        UPDATE tarx_keys_internal.audit_ends e SET sealed_key = overlay(sealed_key PLACING decode('010203040506070' || i, 'hex') FROM 2)
         WHERE e.project_id = a AND e.generation = i;
        PERFORM tarx_keys.act_as('alice', a);
        PERFORM tarx_keys.create_agent(a, 'after ' || i);
    END LOOP;
END $$;
SELECT generation, min(seq), max(seq), count(*) FROM log GROUP BY 1 ORDER BY 1;
-- the sum of the lanes' last numbers never falls
SELECT generation, sum(last_seq) > lag(sum(last_seq)) OVER (ORDER BY generation) AS rises FROM ends GROUP BY 1 ORDER BY 1;
SELECT * FROM tarx_keys.verify_audit(:'A');
UPDATE tarx_keys_internal.audit_ends SET sealed_key = overlay(sealed_key PLACING decode(:'active', 'hex') FROM 2) WHERE project_id = :'A';
SELECT * FROM tarx_keys.verify_audit(:'A');
-- a rotation and a purge know all of them
\set VERBOSITY terse
SELECT pg_temp.purge_audit('infinity') > 10;
\set VERBOSITY default
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;

-- A user's own chains
BEGIN;
SELECT name_master_key('0102030405060708', tarx_keys_internal.personal_chain('alice'));
SELECT * FROM tarx_keys.verify_personal_audit('alice');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.revoke_platform_key(:'pk');
SELECT count(token) FROM tarx_keys.create_platform_key('after');
RESET ROLE;
SELECT generation, seq, action, left(object_name, 36) FROM tarx_keys.audit_log
 WHERE project_id = tarx_keys_internal.personal_chain('alice') ORDER BY generation, seq;
SELECT * FROM tarx_keys.verify_personal_audit('alice');
SELECT * FROM tarx_keys.verify_personal_audit('bob');
SAVEPOINT one;
SELECT name_master_key(:'active', tarx_keys_internal.personal_chain('alice'));
SELECT * FROM tarx_keys.verify_personal_audit('alice');
ROLLBACK TO one;
SELECT tarx_keys.purge_unverifiable_audit(tarx_keys_internal.personal_chain('alice'));
SELECT tarx_keys.purge_unverifiable_personal_audit('alice');
SELECT * FROM tarx_keys.verify_personal_audit('alice');
SELECT generation, action FROM tarx_keys.audit_log WHERE project_id = tarx_keys_internal.personal_chain('alice') ORDER BY seq;
ROLLBACK;

-- Purging what nobody can verify: who, and of what
SET ROLE regress_backend;
SELECT tarx_keys.purge_unverifiable_audit(:'A');
SELECT tarx_keys.purge_unverifiable_personal_audit('alice');
RESET ROLE;
-- the ends of a lane that there is not are no reason to delete another lane's rows
BEGIN;
SELECT count(*) AS before FROM tarx_keys.audit_log \gset
INSERT INTO tarx_keys_internal.audit_ends
SELECT project_id, personal, generation, l, lanes_seen, first_seq, first_at, last_seq, first_stamp, last_stamp, set_byte(sealed_key, 1, get_byte(sealed_key, 1) # 1)
  FROM tarx_keys_internal.audit_ends, unnest('{4,-1}'::integer[]) l
 WHERE project_id = :'A' AND (generation, lane) IN (SELECT max(e.generation), 0 FROM tarx_keys_internal.audit_ends e WHERE e.project_id = :'A');
SELECT tarx_keys.purge_unverifiable_audit(:'A');
SELECT count(*) = :before FROM tarx_keys.audit_log;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
SELECT tarx_keys.purge_unverifiable_audit(NULL);
SELECT tarx_keys.purge_unverifiable_personal_audit(NULL);
BEGIN READ ONLY; SELECT tarx_keys.purge_unverifiable_audit(:'A'); ROLLBACK;
SELECT tarx_keys.purge_unverifiable_audit(:'nowhere');
SELECT tarx_keys.purge_unverifiable_personal_audit('nobody');
-- nothing of what can be verified
SELECT tarx_keys.purge_unverifiable_audit(:'A');
SELECT count(*) FROM log;
-- nor of what was changed
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET last_seq = last_seq + 4 WHERE project_id = :'A';
SELECT tarx_keys.purge_unverifiable_audit(:'A');
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
-- an old generation: its ends stay, so that nobody else can remove it
BEGIN;
SELECT name_master_key('0102030405060708', :'A');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after') IS NOT NULL;
RESET ROLE;
CREATE TABLE ends_before AS TABLE ends;
SELECT tarx_keys.purge_unverifiable_audit(:'A');
SELECT * FROM log;
SELECT generation, lane, e.first_seq - b.last_seq AS behind, e.last_seq = b.last_seq AS as_before, e.master_key = :'active' AS opens
  FROM ends e JOIN ends_before b USING (generation, lane) WHERE generation = 1;
SELECT * FROM tarx_keys.verify_audit(:'A');
SELECT * FROM tarx_keys.verify_audit(:'B');
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'audit_log';
SAVEPOINT one;
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND generation = 1;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK TO one;
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'later') IS NOT NULL;
RESET ROLE;
SELECT max(generation) FROM ends;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
-- the newest one, before anybody has changed anything: it goes on
BEGIN;
SELECT name_master_key('0102030405060708', :'A');
SELECT tarx_keys.purge_unverifiable_audit(:'A');
SELECT * FROM tarx_keys.verify_audit(:'A');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after') IS NOT NULL;
RESET ROLE;
SELECT * FROM log;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;
-- also behind claims that leave no numbers
BEGIN;
UPDATE tarx_keys_internal.audit_ends SET last_seq = 9223372036854775807 WHERE project_id = :'A' AND lane < 2;
SELECT name_master_key('0102030405060708', :'A');
SELECT tarx_keys.purge_unverifiable_audit(:'A');
SELECT * FROM tarx_keys.verify_audit(:'A');
SET ROLE regress_backend;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after') IS NOT NULL;
RESET ROLE;
SELECT * FROM log;
SELECT * FROM tarx_keys.verify_audit(:'A');
ROLLBACK;

-- An older state of the old generation, its ends and the rows that they are right
-- for: the new one has noted where it really ended
CREATE TABLE older AS SELECT * FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND lane = 0;
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'to be forgotten') IS NOT NULL;
COMMIT;
RESET ROLE;
SELECT name_master_key('0102030405060708', :'A');
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.create_agent(:'A', 'after') IS NOT NULL;
COMMIT;
RESET ROLE;
SELECT name_master_key(:'active', :'A');
SELECT * FROM tarx_keys.verify_audit(:'A');
DELETE FROM tarx_keys_internal.audit_ends WHERE project_id = :'A' AND generation = 1 AND lane = 0;
INSERT INTO tarx_keys_internal.audit_ends TABLE older;
DELETE FROM tarx_keys.audit_log WHERE project_id = :'A' AND object_name = 'to be forgotten';
SELECT * FROM tarx_keys.verify_audit(:'A');
DROP TABLE older;

-- clean up
DROP VIEW ends, log;
DROP FUNCTION name_master_key;
\set ECHO none
\i :clean_up
