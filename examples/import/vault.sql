-- Imports from Supabase Vault, vault.decrypted_secrets, where that is in the same
-- database, on a server of your own. All go into one project:
--
--     psql -X -d app -v project_id=… -v project_name=Imported -v user_id=… -f vault.sql
--
-- From a managed Supabase, use import.js with vault-query.sql.
\set ON_ERROR_STOP on
\set QUIET on
SELECT set_config('import.project_id', :'project_id', false) = '' OR
       set_config('import.project_name', :'project_name', false) = '' OR
       set_config('import.user_id', :'user_id', false) = '' AS something_is_missing;
CREATE TEMP VIEW import_source AS
SELECT current_setting('import.project_id')::uuid AS project_id, current_setting('import.project_name') AS project_name,
       current_setting('import.user_id') AS user_id,
       'secret' AS kind, NULL::text AS provider, NULL::text AS base_url,
       upper(regexp_replace(coalesce(v.name, 'vault_' || v.id), '[^A-Za-z0-9]+', '_', 'g')) AS name,
       v.decrypted_secret AS value
  FROM vault.decrypted_secrets v;
\ir import.sql
