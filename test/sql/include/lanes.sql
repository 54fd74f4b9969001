-- Begins all lanes of the audit log of :A: of four transactions at once each writes to
-- another one. Included with ECHO none.
\setenv PGDATABASE :DBNAME
\setenv LANES 4
\! psql -XqAt -v ON_ERROR_STOP=1 -f "$PG_ABS_SRCDIR"/sql/include/write_to_lane.sql
