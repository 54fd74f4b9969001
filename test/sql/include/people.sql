-- Two projects with their people, for the tests that need some. Included with
-- ECHO none, so it must print nothing.
--
--   A  ('aaaaaaaa-…'): alice (admin), bob (member)
--   B  ('bbbbbbbb-…'): carol (admin), bob (admin)
-- test/check-cassert has tests run with caches discarded, for which this takes too long
SET debug_discard_caches = 0;
CREATE EXTENSION tarx_keys;
RESET debug_discard_caches;
CREATE ROLE regress_backend LOGIN IN ROLE tarx_keys_backend;
CREATE ROLE regress_login LOGIN IN ROLE tarx_keys_login;
CREATE ROLE regress_agent LOGIN IN ROLE tarx_keys_agent;
CREATE ROLE regress_nobody LOGIN;
\set A 'aaaaaaaa-0000-4000-8000-000000000001'
\set B 'bbbbbbbb-0000-4000-8000-000000000002'
\set nowhere 'cccccccc-0000-4000-8000-000000000003'
SET ROLE regress_backend;
BEGIN;
DO $$ BEGIN
    PERFORM tarx_keys.act_as('alice');
    PERFORM tarx_keys.create_project('Project A', 'aaaaaaaa-0000-4000-8000-000000000001');
    PERFORM tarx_keys.add_member('aaaaaaaa-0000-4000-8000-000000000001', 'bob');
    PERFORM tarx_keys.act_as('carol');
    PERFORM tarx_keys.create_project('Project B', 'bbbbbbbb-0000-4000-8000-000000000002');
    PERFORM tarx_keys.add_member('bbbbbbbb-0000-4000-8000-000000000002', 'bob', 'admin');
END $$;
COMMIT;
RESET ROLE;
-- which line of which function calls what is not a matter of these tests
\set SHOW_CONTEXT never
\pset tuples_only on
\pset format unaligned
