-- Undoes people.sql.
RESET ROLE;
SET debug_discard_caches = 0;
DROP EXTENSION tarx_keys;
RESET debug_discard_caches;
DROP ROLE regress_backend, regress_login, regress_agent, regress_nobody;
