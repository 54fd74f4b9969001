/*
 * jws.h
 *	  Public keys that sign tokens (RFC 7517, 7518, 8037), and their signatures.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_JWS_H
#define TARX_KEYS_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/text_rules.h"

/* Each is a bit, so that an issuer can have several. */
typedef enum TarxKeysJwsAlgorithm
{
	TARX_KEYS_JWS_NONE = 0,
	TARX_KEYS_JWS_ED25519 = 1,
	TARX_KEYS_JWS_ES256 = 2,
	TARX_KEYS_JWS_RS256 = 4
} TarxKeysJwsAlgorithm;

#define TARX_KEYS_ED25519_KEY_BYTES	32
#define TARX_KEYS_ED25519_SIGNATURE_BYTES	64
#define TARX_KEYS_P256_BYTES		32	/* of a coordinate, of r and of s */
#define TARX_KEYS_RSA_MIN_BITS		2048
#define TARX_KEYS_RSA_MAX_BITS		8192
#define TARX_KEYS_RSA_MAX_BYTES		(TARX_KEYS_RSA_MAX_BITS / 8)
#define TARX_KEYS_RSA_MIN_EXPONENT	65537

typedef struct TarxKeysJwsKey
{
	TarxKeysJwsAlgorithm algorithm; /* the only one that it is for */
	TarxKeysSpan material;		/* the point; x and y; or the modulus, without
								 * zeros in front */
	uint64_t	exponent;		/* of RSA; 0 if it has more than 64 bits */
} TarxKeysJwsKey;

extern TarxKeysJwsAlgorithm tarx_keys_jws_algorithm(TarxKeysSpan name);
extern TarxKeysJwsAlgorithm tarx_keys_jws_key_type(TarxKeysSpan kty, TarxKeysSpan crv);
extern bool tarx_keys_jws_key_is_sound(const TarxKeysJwsKey *key);
extern bool tarx_keys_jws_verify(const TarxKeysJwsKey *key, TarxKeysSpan message,
								 TarxKeysSpan signature);

#endif							/* TARX_KEYS_JWS_H */
