-- The public key that values are sealed to on their way here. The calls that take
-- and return sealed values are in the parts of their topics: add_sealed_llm_key,
-- resolve_key_sealed and so on.

CREATE FUNCTION tarx_keys.sealing_public_key(OUT key_id text, OUT public_key bytea)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_sealing_public_key';
COMMENT ON FUNCTION tarx_keys.sealing_public_key IS
'The X25519 public key to seal values to, for add_sealed_llm_key() and set_sealed_secret(), with libsodium''s crypto_box_seal(); and a short name of that key. It changes when another master key becomes active. Error: TK005.';
