-- Projects first to last with their members. Their audit log is not begun.
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
