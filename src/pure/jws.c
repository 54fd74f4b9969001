/*
 * jws.c
 *	  Public keys that sign tokens, and their signatures.
 *
 * A key is for one algorithm, by its type.  So no token can have its key used as
 * something else, whatever its header says.
 *
 * Ed25519 is libsodium's.  ES256 and RS256 are OpenSSL's, which the server itself
 * uses: src/pure/jws_openssl.c.  Where the server is built without it, these two are
 * unknown.
 */
#include "pure/jws.h"

#include <sodium.h>

#include "pure/ascii.h"
#include "pure/jws_openssl.h"

static bool
is_text(TarxKeysSpan span, const char *text)
{
	return tarx_keys_span_equals(span, tarx_keys_span_of(text));
}

/* The algorithm with this name.  "EdDSA" is the older name of "Ed25519" (RFC 9864). */
TarxKeysJwsAlgorithm
tarx_keys_jws_algorithm(TarxKeysSpan name)
{
	if (is_text(name, "Ed25519") || is_text(name, "EdDSA"))
		return TARX_KEYS_JWS_ED25519;
	if (TARX_KEYS_HAS_OPENSSL && is_text(name, "ES256"))
		return TARX_KEYS_JWS_ES256;
	if (TARX_KEYS_HAS_OPENSSL && is_text(name, "RS256"))
		return TARX_KEYS_JWS_RS256;
	return TARX_KEYS_JWS_NONE;
}

/* The algorithm that keys of this type are for; crv is empty for those without a curve. */
TarxKeysJwsAlgorithm
tarx_keys_jws_key_type(TarxKeysSpan kty, TarxKeysSpan crv)
{
	if (is_text(kty, "OKP") && is_text(crv, "Ed25519"))
		return TARX_KEYS_JWS_ED25519;
	if (TARX_KEYS_HAS_OPENSSL && is_text(kty, "EC") && is_text(crv, "P-256"))
		return TARX_KEYS_JWS_ES256;
	if (TARX_KEYS_HAS_OPENSSL && is_text(kty, "RSA"))
		return TARX_KEYS_JWS_RS256;
	return TARX_KEYS_JWS_NONE;
}

/* The modulus has no zeros in front. */
static bool
is_sound_rsa(const TarxKeysJwsKey *key)
{
	TarxKeysSpan modulus = key->material;
	size_t		bits;

	if (modulus.len == 0 || modulus.len > TARX_KEYS_RSA_MAX_BYTES)
		return false;
	bits = modulus.len * 8;
	for (uint8_t first = (uint8_t) modulus.data[0]; first < 0x80 && bits > 0; first = (uint8_t) (first << 1 | 1))
		bits--;
	return bits >= TARX_KEYS_RSA_MIN_BITS && bits <= TARX_KEYS_RSA_MAX_BITS &&
		((uint8_t) modulus.data[modulus.len - 1] & 1) == 1 &&
		key->exponent >= TARX_KEYS_RSA_MIN_EXPONENT && (key->exponent & 1) == 1;
}

/* Is it a key that a signature can be checked with?  That of a point is on the curve. */
bool
tarx_keys_jws_key_is_sound(const TarxKeysJwsKey *key)
{
	switch (key->algorithm)
	{
		case TARX_KEYS_JWS_ED25519:
			return key->material.len == TARX_KEYS_ED25519_KEY_BYTES &&
				crypto_core_ed25519_is_valid_point((const uint8_t *) key->material.data) == 1;
		case TARX_KEYS_JWS_ES256:
			return key->material.len == 2 * TARX_KEYS_P256_BYTES &&
				tarx_keys_openssl_accepts(key);
		case TARX_KEYS_JWS_RS256:
			return is_sound_rsa(key) && tarx_keys_openssl_accepts(key);
		case TARX_KEYS_JWS_NONE:
			break;
	}
	return false;
}

/* Is this the signature of a sound key over the message? */
bool
tarx_keys_jws_verify(const TarxKeysJwsKey *key, TarxKeysSpan message, TarxKeysSpan signature)
{
	switch (key->algorithm)
	{
		case TARX_KEYS_JWS_ED25519:
			return signature.len == TARX_KEYS_ED25519_SIGNATURE_BYTES &&
				crypto_sign_verify_detached((const uint8_t *) signature.data,
											(const uint8_t *) message.data, message.len,
											(const uint8_t *) key->material.data) == 0;
		case TARX_KEYS_JWS_ES256:
			return signature.len == 2 * TARX_KEYS_P256_BYTES &&
				tarx_keys_openssl_verify(key, message, signature);
		case TARX_KEYS_JWS_RS256:
			return signature.len == key->material.len &&
				tarx_keys_openssl_verify(key, message, signature);
		case TARX_KEYS_JWS_NONE:
			break;
	}
	return false;
}
