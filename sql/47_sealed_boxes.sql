-- Values that travel sealed. The calls that take and give them are with their
-- topics: add_sealed_llm_key, resolve_key_sealed and so on.

CREATE FUNCTION tarx_keys.sealing_public_key(OUT key_id text, OUT public_key bytea)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_sealing_public_key';
COMMENT ON FUNCTION tarx_keys.sealing_public_key IS
'The X25519 public key that values for add_sealed_llm_key() and set_sealed_secret() are sealed to with libsodium''s crypto_box_seal(), and a short name of it. It is another one once another master key is active. Error: TK005.';
