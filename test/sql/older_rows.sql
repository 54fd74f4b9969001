-- Rows that were written, but are not what was written last: verify_keys() finds
-- them, as far back as the audit log goes, and delete_older_rows() ends them.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
SET ROLE regress_backend;
BEGIN;
DO $$
DECLARE
    a CONSTANT uuid := 'aaaaaaaa-0000-4000-8000-000000000001';
    key uuid;
BEGIN
    PERFORM tarx_keys.act_as('alice');
    key := tarx_keys.add_llm_key(a, 'mistral', 'kept', 'value-of-the-key');
    PERFORM tarx_keys.add_llm_key(a, 'mistral', 'deleted', 'value-of-another');
    PERFORM tarx_keys.create_agent(a, 'kept', key), tarx_keys.create_agent(a, 'deleted');
    PERFORM tarx_keys.set_secret(a, 'KEPT', 'one'), tarx_keys.set_secret(a, 'DELETED', 'one');
    PERFORM tarx_keys.set_secret(a, 'KEPT', 'two'), tarx_keys.set_secret(a, 'DELETED', 'two');
    PERFORM tarx_keys.add_member(a, 'dave'), tarx_keys.add_member(a, 'erin', 'admin');
    PERFORM tarx_keys.create_platform_key('kept'), tarx_keys.create_platform_key('deleted');
    PERFORM tarx_keys.act_as('carol');
    PERFORM tarx_keys.set_secret('bbbbbbbb-0000-4000-8000-000000000002', 'KEPT', 'of B');
END $$;
COMMIT;
RESET ROLE;
CREATE TABLE old_keys AS TABLE tarx_keys.project_llm_keys;
CREATE TABLE old_agents AS TABLE tarx_keys.agents;
CREATE TABLE old_secrets AS TABLE tarx_keys.project_secrets;
CREATE TABLE old_versions AS TABLE tarx_keys_internal.project_secret_versions;
CREATE TABLE old_members AS TABLE tarx_keys.project_members;
CREATE TABLE old_platform_keys AS TABLE tarx_keys.platform_api_keys;
CREATE VIEW older AS SELECT left(v.project_id::text, 1) AS project, v.kind, v.name, v.status FROM tarx_keys.verify_keys() v WHERE v.status <> 'ok';
\set ECHO all
SELECT * FROM older;
SELECT tarx_keys.delete_older_rows();
-- what happens to them
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT count(tarx_keys.delete_llm_key(:'A', id)) FROM tarx_keys.llm_keys WHERE name = 'deleted';
SELECT count(tarx_keys.update_llm_key(:'A', id, '{"enabled": false}')) FROM tarx_keys.llm_keys WHERE name = 'kept';
SELECT count(tarx_keys.rename_agent(:'A', id, 'renamed')) FROM tarx_keys.agents WHERE name = 'kept';
SELECT count(tarx_keys.delete_agent(:'A', id)) FROM tarx_keys.agents WHERE name = 'deleted';
SELECT tarx_keys.set_secret(:'A', 'KEPT', 'three'), tarx_keys.delete_secret(:'A', 'DELETED'), tarx_keys.set_secret(:'A', 'DELETED', 'successor'), tarx_keys.set_secret(:'A', 'DELETED', 'successor');
SELECT tarx_keys.remove_member(:'A', 'dave'), tarx_keys.add_member(:'A', 'erin', 'member');
SELECT count(tarx_keys.revoke_platform_key(id)) FROM tarx_keys.platform_keys WHERE name = 'deleted';
COMMIT;
RESET ROLE;
SELECT * FROM older;

-- Each puts back what there was
BEGIN;
DELETE FROM tarx_keys.project_llm_keys;
INSERT INTO tarx_keys.project_llm_keys SELECT * FROM old_keys;
SELECT * FROM older ORDER BY name;
ROLLBACK;
BEGIN;
DELETE FROM tarx_keys.agents;
INSERT INTO tarx_keys.agents SELECT * FROM old_agents;
SELECT * FROM older ORDER BY name;
ROLLBACK;
BEGIN;
DELETE FROM tarx_keys.project_members WHERE project_id = :'A';
INSERT INTO tarx_keys.project_members SELECT * FROM old_members WHERE project_id = :'A';
SELECT * FROM older ORDER BY name;
-- it opens, as any copy does
SELECT tarx_keys.act_as('erin', :'A');
SELECT tarx_keys.create_agent(:'A', 'x') IS NOT NULL;
ROLLBACK;
BEGIN;
UPDATE tarx_keys.platform_api_keys k SET (token_hash, revoked_at, stamp) = (SELECT o.token_hash, o.revoked_at, o.stamp FROM old_platform_keys o WHERE o.id = k.id);
SELECT * FROM older;
SELECT count(*) FROM tarx_keys.verify_keys(:'A') WHERE status <> 'ok';
ROLLBACK;
-- a secret in its former version; and one that was deleted, in place of its successor,
-- or as an older version of that
BEGIN;
UPDATE tarx_keys.project_secrets s SET (id, version, ciphertext) = (SELECT o.id, o.version, o.ciphertext FROM old_secrets o WHERE (o.project_id, o.name) = (s.project_id, s.name)) WHERE s.project_id = :'A';
SELECT tarx_keys.resolve_secret(:'A', 'KEPT'), tarx_keys.resolve_secret(:'A', 'DELETED');
SELECT * FROM older ORDER BY name;
ROLLBACK;
BEGIN;
-- with the newest version still among the older ones
INSERT INTO tarx_keys_internal.project_secret_versions SELECT project_id, name, id, version, updated_by, updated_at, ciphertext FROM tarx_keys.project_secrets WHERE name = 'KEPT' AND project_id = :'A';
UPDATE tarx_keys.project_secrets s SET (version, ciphertext) = (SELECT o.version, o.ciphertext FROM old_secrets o WHERE (o.project_id, o.name) = (s.project_id, s.name)) WHERE s.name = 'KEPT';
SELECT * FROM older ORDER BY name;
ROLLBACK;
BEGIN;
UPDATE tarx_keys.project_secrets s SET ciphertext = (SELECT o.ciphertext FROM old_versions o WHERE o.name = 'DELETED') WHERE s.name = 'DELETED';
SELECT * FROM older;
ROLLBACK;
BEGIN;
UPDATE tarx_keys_internal.project_secret_versions v SET (id, ciphertext) = (SELECT o.id, o.ciphertext FROM old_versions o WHERE o.name = 'DELETED') WHERE v.name = 'DELETED';
SELECT * FROM older;
SELECT tarx_keys.act_as('alice', :'A');
\set VERBOSITY terse
SELECT tarx_keys.restore_secret(:'A', 'DELETED', 1);
\set VERBOSITY default
ROLLBACK;

-- Not what is ahead of the log, or unknown to it
BEGIN;
DELETE FROM tarx_keys.audit_log WHERE project_id = :'A' AND seq > 41;
SELECT * FROM older;
DELETE FROM tarx_keys.audit_log;
SELECT * FROM older;
ROLLBACK;
-- an object's id means nothing in another project, nor in what is of another kind
BEGIN;
UPDATE tarx_keys.audit_log l SET project_id = :'B', seq = l.seq + 1000 WHERE project_id = :'A';
SELECT * FROM older;
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.create_project('named like a key', id) = id FROM tarx_keys.project_llm_keys WHERE name = 'kept';
SELECT tarx_keys.delete_project(id) FROM tarx_keys.project_llm_keys WHERE name = 'kept';
SELECT * FROM older;
ROLLBACK;
-- of a project that has ended, nothing comes back
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.delete_project(:'A');
INSERT INTO tarx_keys.agents SELECT * FROM old_agents WHERE name = 'kept';
SELECT * FROM older;
UPDATE tarx_keys.projects SET ended_by = NULL, ended_at = NULL;
SELECT * FROM older;
ROLLBACK;
-- of a project whose row somebody has edited, but not the log
BEGIN;
UPDATE tarx_keys.projects SET ended_at = now() WHERE id = :'A';
SELECT * FROM older;
SELECT tarx_keys.delete_older_rows();
-- what a project's log says of a user's key, or another user's log
INSERT INTO tarx_keys.audit_log SELECT (jsonb_populate_record(NULL::tarx_keys.audit_log, to_jsonb(l)
    || jsonb_build_object('seq', 1000, 'action', 'platform_key.revoke', 'personal', p.id <> :'A', 'project_id', p.id, 'object_id', k.id))).*
  FROM tarx_keys.audit_log l, tarx_keys.platform_api_keys k, (VALUES (:'A'), (tarx_keys_internal.personal_chain('bob'))) p (id)
 WHERE l.project_id = :'A' AND l.seq = 1 AND k.name = 'kept';
SELECT * FROM older;
SELECT severity FROM tarx_keys.doctor() WHERE check_name = 'older_rows';
ROLLBACK;
-- an older secret under the name that it had then is not the one of now
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.rename_secret(:'A', 'KEPT', 'RENAMED'), tarx_keys.set_secret(:'A', 'RENAMED', 'four');
INSERT INTO tarx_keys.project_secrets SELECT * FROM old_secrets WHERE name = 'KEPT' AND project_id = :'A';
SELECT * FROM older;
SELECT tarx_keys.delete_older_rows();
-- who keeps what was resolved sees that something has ended
SELECT count(*) FROM tarx_keys_internal.unlogged_removals r WHERE r.project_id = :'A';
SELECT tarx_keys.resolve_secret(:'A', 'RENAMED');
SELECT name, count(*) FROM tarx_keys_internal.project_secret_versions WHERE project_id = :'A' GROUP BY name ORDER BY name;
SELECT * FROM older;
ROLLBACK;

-- nor what only a log says that somebody has changed
BEGIN;
UPDATE tarx_keys.audit_log SET revision = 99 WHERE project_id = :'A' AND action = 'agent.rename';
SELECT * FROM older;
SELECT tarx_keys.delete_older_rows();
SELECT name FROM tarx_keys.agents;
ROLLBACK;

-- doctor() says it, and superusers end them
BEGIN;
DELETE FROM tarx_keys.project_llm_keys;
INSERT INTO tarx_keys.project_llm_keys SELECT * FROM old_keys;
UPDATE tarx_keys_internal.project_secret_versions v SET (id, ciphertext) = (SELECT o.id, o.ciphertext FROM old_versions o WHERE o.name = 'DELETED') WHERE v.name = 'DELETED';
UPDATE tarx_keys.project_secrets s SET (version, ciphertext) = (SELECT o.version, o.ciphertext FROM old_secrets o WHERE (o.project_id, o.name) = (s.project_id, s.name)) WHERE s.name = 'KEPT';
DELETE FROM tarx_keys.agents;
INSERT INTO tarx_keys.agents SELECT * FROM old_agents;
DELETE FROM tarx_keys.project_members WHERE project_id = :'A';
INSERT INTO tarx_keys.project_members SELECT * FROM old_members WHERE project_id = :'A';
UPDATE tarx_keys.platform_api_keys k SET (token_hash, revoked_at, stamp) = (SELECT o.token_hash, o.revoked_at, o.stamp FROM old_platform_keys o WHERE o.id = k.id);
SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name IN ('older_rows', 'rows');
SELECT severity, finding FROM tarx_keys.doctor(full => true) WHERE check_name IN ('older_rows', 'rows');
SET ROLE regress_backend;
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT tarx_keys.delete_older_rows();
ROLLBACK TO s;
SET ROLE tarx_keys_owner;
SELECT tarx_keys.delete_older_rows();
ROLLBACK TO s;
\set VERBOSITY default
RESET ROLE;
SELECT tarx_keys.delete_older_rows();
SELECT * FROM older;
SELECT tarx_keys.delete_older_rows();
SELECT severity FROM tarx_keys.doctor() WHERE check_name = 'older_rows';
SELECT name, state, deleted_by IS NOT NULL FROM tarx_keys.project_llm_keys ORDER BY name;
SELECT project_id = :'A', name FROM tarx_keys.project_secrets ORDER BY 1, 2;
SELECT name FROM tarx_keys_internal.project_secret_versions;
SELECT user_id FROM tarx_keys.project_members WHERE project_id = :'A' ORDER BY 1;
SELECT count(*) FROM tarx_keys.agents;
SELECT name, token_hash IS NULL AND stamp IS NULL AND revoked_at IS NOT NULL FROM tarx_keys.platform_api_keys ORDER BY 1;
ROLLBACK;
DROP VIEW older;
DROP TABLE old_keys, old_agents, old_secrets, old_versions, old_members, old_platform_keys;
-- clean up
\set ECHO none
\i :clean_up
