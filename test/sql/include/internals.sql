-- Lets the roles of people.sql name internals, for tests of what refuses them
-- besides the schema, and of what policies and views call on their behalf.
GRANT USAGE ON SCHEMA tarx_keys_internal TO regress_backend, regress_login, regress_agent;
