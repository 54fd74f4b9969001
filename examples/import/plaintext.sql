-- Imports the column key of the table app.provider_keys, which has values in clear:
--
--     psql -X -d app -f plaintext.sql
--
-- Change the view for a table of your own.
\set ON_ERROR_STOP on
\set QUIET on
CREATE TEMP VIEW import_source AS
SELECT k.project_id, p.title AS project_name, p.owner_id::text AS user_id,
       'llm_key' AS kind, k.vendor AS provider, NULL::text AS base_url, k.label AS name, k.key AS value
  FROM app.provider_keys k JOIN app.projects p ON p.id = k.project_id;
\ir import.sql
