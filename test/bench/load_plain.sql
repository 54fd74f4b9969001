-- Keys first to last in clear, and the members of their projects
\set ON_ERROR_STOP on
INSERT INTO bench.plain_keys
    (project_id, id, provider, name, base_url, destination, masked_key, added_by, key_value)
SELECT bench.uuid_of(0, n / :per_project), bench.uuid_of(1, n), t.provider, 'key ' || n % :per_project, t.base_url,
       t.destination, t.masked_key, t.added_by, bench.key_value(n)
  FROM generate_series(:first::bigint, :last::bigint) n, bench.pattern t;
INSERT INTO bench.plain_members
SELECT bench.uuid_of(0, n / :per_project), m.who || n / :per_project, m.role
  FROM generate_series(:first::bigint, :last::bigint) n,
       (VALUES ('user-', 'admin'), ('member-', 'member')) m (who, role)
 WHERE n % :per_project = 0;
