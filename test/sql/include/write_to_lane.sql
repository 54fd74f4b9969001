-- For lanes.sql: writes to a lane of alice's project A, and holds it while psql does the
-- same for LANES - 1 others.
\getenv lanes LANES
SELECT :lanes - 1 AS others, :lanes > 1 AS more \gset
BEGIN;
DO $$ BEGIN
    PERFORM tarx_keys.act_as('alice', 'aaaaaaaa-0000-4000-8000-000000000001');
    PERFORM tarx_keys.delete_agent('aaaaaaaa-0000-4000-8000-000000000001', tarx_keys.create_agent('aaaaaaaa-0000-4000-8000-000000000001', 'x'));
END $$;
\setenv LANES :others
\if :more
\! psql -XqAt -v ON_ERROR_STOP=1 -f "$PG_ABS_SRCDIR"/sql/include/write_to_lane.sql
\endif
COMMIT;
