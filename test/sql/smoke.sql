CREATE EXTENSION tarx_keys;
SELECT * FROM tarx_keys.keyring_status();
