-- What import.js reads from Supabase Vault: put in your project's id, its name, and a user
SELECT '00000000-0000-4000-8000-000000000000'::uuid AS project_id, 'Imported' AS project_name, 'user-id' AS user_id,
       'secret' AS kind, NULL AS provider, NULL AS base_url,
       upper(regexp_replace(coalesce(v.name, 'vault_' || v.id), '[^A-Za-z0-9]+', '_', 'g')) AS name,
       v.decrypted_secret AS value
  FROM vault.decrypted_secrets v
