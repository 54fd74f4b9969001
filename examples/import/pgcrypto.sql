-- Imports the column secret_encrypted of the table app.project_secrets, which pgcrypto's
-- pgp_sym_encrypt() has encrypted. The passphrase is the first line of a file:
--
--     psql -X -d app -v passphrase_file=/run/secrets/passphrase -f pgcrypto.sql
--
-- Change the view for a table of your own; decrypt() of raw encryption goes there as well.
-- The name in the comment makes the log redact the statement with the passphrase.
\set ON_ERROR_STOP on
\set QUIET on
\set passphrase `head -n 1 :'passphrase_file'`
SELECT set_config('import.passphrase', :'passphrase', false) IS NOT NULL AS passphrase_is_set /* tarx_keys.set_secret */;
\unset passphrase
CREATE TEMP VIEW import_source AS
SELECT s.project_id, p.title AS project_name, p.owner_id::text AS user_id,
       'secret' AS kind, NULL::text AS provider, NULL::text AS base_url,
       upper(regexp_replace(s.name, '[^A-Za-z0-9]+', '_', 'g')) AS name,
       pgp_sym_decrypt(s.secret_encrypted, current_setting('import.passphrase')) AS value
  FROM app.project_secrets s JOIN app.projects p ON p.id = s.project_id;
\ir import.sql
