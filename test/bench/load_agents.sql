-- Agents of the keys first to last, of each that is a multiple of every
\set ON_ERROR_STOP on
SET session_replication_role = replica;
INSERT INTO tarx_keys.agents (project_id, id, name, user_api_key_id, run_epoch, revision, stamp, created_by)
SELECT a.project_id, a.id, a.name, a.key_id, a.epoch, 1,
       tarx_keys_internal.agent_stamp(a.project_id, a.id, a.name, a.key_id, NULL, a.epoch, 1), a.created_by
  FROM (SELECT bench.uuid_of(0, n / :per_project) AS project_id, bench.uuid_of(2, n) AS id, 'Agent ' || n AS name,
               bench.uuid_of(1, n) AS key_id, bench.uuid_of(3, n) AS epoch, 'user-' || n / :per_project AS created_by
          FROM generate_series(:first::bigint, :last::bigint) n WHERE n % :every = 0) a;
