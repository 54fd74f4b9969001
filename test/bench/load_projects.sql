-- Projects first to last with their members, and the ends of their audit logs.
-- Those below :copies are copies of the pattern's, which nobody can extend;
-- begin_audit() makes real ones for the projects that are changed.
\set ON_ERROR_STOP on
SET session_replication_role = replica;
INSERT INTO tarx_keys.projects (id, name, created_by)
SELECT bench.uuid_of(0, n), 'Project ' || n, 'user-' || n
  FROM generate_series(:first::bigint, :last::bigint) n;
INSERT INTO tarx_keys.project_members (project_id, user_id, id, role, revision, added_at, stamp)
SELECT bench.uuid_of(0, n), m.who || n, bench.uuid_of(4, n), m.role, 1, now(),
       tarx_keys_internal.member_stamp(bench.uuid_of(0, n), m.who || n, bench.uuid_of(4, n), m.role, NULL, 1, now())
  FROM generate_series(:first::bigint, :last::bigint) n,
       (VALUES ('user-', 'admin'), ('member-', 'member')) m (who, role);
INSERT INTO tarx_keys_internal.audit_ends
    (project_id, personal, generation, lane, lanes_seen, first_seq, first_at, last_seq, first_stamp, last_stamp, sealed_key)
SELECT bench.uuid_of(0, n), e.personal, e.generation, e.lane, e.lanes_seen, e.first_seq, e.first_at, e.last_seq, e.first_stamp, e.last_stamp, e.sealed_key
  FROM generate_series(:first::bigint, :last::bigint) n, tarx_keys_internal.audit_ends e
 WHERE e.project_id = bench.uuid_of(3, 0) AND n < :copies;
