-- Undoes people.sql.
RESET ROLE;
DROP EXTENSION tarx_keys;
DROP ROLE regress_backend, regress_login, regress_agent, regress_nobody;
