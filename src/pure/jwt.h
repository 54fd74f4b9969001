/*
 * jwt.h
 *	  The form of JSON Web Tokens (RFC 7515, 7519), and the rules about what is in
 *	  them that need no JSON.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_JWT_H
#define TARX_KEYS_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/text_rules.h"

#define TARX_KEYS_JWT_MAX_LEN	16384

/* What is wrong with a token, as the line in the server log has it */
typedef enum TarxKeysJwtProblem
{
	TARX_KEYS_JWT_OK,
	TARX_KEYS_JWT_EXPIRED,
	TARX_KEYS_JWT_AUDIENCE,
	TARX_KEYS_JWT_ISSUER,
	TARX_KEYS_JWT_KEY,
	TARX_KEYS_JWT_SIGNATURE,
	TARX_KEYS_JWT_CLAIMS
} TarxKeysJwtProblem;

/* The pieces of a token, in base64url, and what the signature is over */
typedef struct TarxKeysJwtParts
{
	TarxKeysSpan header;
	TarxKeysSpan payload;
	TarxKeysSpan signature;
	TarxKeysSpan signed_part;
} TarxKeysJwtParts;

/* All times and durations are in microseconds, times since any one moment. */
typedef struct TarxKeysJwtTimes
{
	int64_t		issued_at;
	int64_t		expires_at;
	int64_t		not_before;		/* INT64_MIN if the token has none */
} TarxKeysJwtTimes;

typedef struct TarxKeysJwtLimits
{
	int64_t		clock_skew;
	int64_t		max_lifetime;
} TarxKeysJwtLimits;

extern const char *tarx_keys_jwt_problem(TarxKeysJwtProblem problem);
extern bool tarx_keys_jwt_split(TarxKeysSpan token, TarxKeysJwtParts *parts);
extern bool tarx_keys_jwt_typ_is(TarxKeysSpan typ, TarxKeysSpan accepted);
extern TarxKeysJwtProblem tarx_keys_jwt_check_times(const TarxKeysJwtTimes *times,
													const TarxKeysJwtLimits *limits, int64_t now);
extern bool tarx_keys_jwt_is_user_id(const char *text, size_t len);

#endif							/* TARX_KEYS_JWT_H */
