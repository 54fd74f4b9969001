-- As many secrets in Supabase Vault as there are picks, for what is in test/bench/pairs
\set ON_ERROR_STOP on
CREATE EXTENSION supabase_vault;
GRANT USAGE ON SCHEMA vault TO bench_runner;
GRANT SELECT ON vault.decrypted_secrets TO bench_runner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vault TO bench_runner;
INSERT INTO bench.vault_picks (id) SELECT vault.create_secret(bench.key_value(n), 'key ' || n) FROM bench.picks;
VACUUM FULL vault.secrets;
