-- What a monitoring system asks for.

CREATE FUNCTION tarx_keys_internal.server_counters(
    OUT since timestamptz, OUT resolves bigint, OUT logins bigint, OUT refused_logins bigint, OUT tickets bigint)
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_server_counters';
COMMENT ON FUNCTION tarx_keys_internal.server_counters IS
'Internal. Of the whole server, since it started: calls that resolved, logins, refused logins, run tickets that were made.';

CREATE FUNCTION tarx_keys_internal.server_refusals() RETURNS TABLE (sqlstate text, count bigint)
LANGUAGE c VOLATILE PARALLEL SAFE ROWS 15
AS 'MODULE_PATHNAME', 'tarx_keys_server_refusals';
COMMENT ON FUNCTION tarx_keys_internal.server_refusals IS
'Internal. Of the whole server, since it started: refusals by SQLSTATE, also of those that there were none of.';

CREATE VIEW tarx_keys.stats WITH (security_invoker = true, security_barrier = true) AS
SELECT c.since, c.resolves,
       (SELECT jsonb_object_agg(r.sqlstate, r.count) FROM tarx_keys_internal.server_refusals() r) AS refusals,
       c.logins, c.refused_logins, c.tickets, l.uncounted AS uses_not_counted,
       k.loaded_at AS keyring_loaded_at, k.problem AS keyring_problem
  FROM tarx_keys_internal.server_counters() c, tarx_keys_internal.usage_losses() l, tarx_keys_internal.keyring_state() k;
COMMENT ON VIEW tarx_keys.stats IS
'For monitoring: one row, with what the whole server has counted since it started, and how its keyring is. Members of pg_monitor see it.';
