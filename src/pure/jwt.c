/*
 * jwt.c
 *	  The form of JSON Web Tokens, and the rules about what is in them that need no
 *	  JSON.
 *
 * A token is three pieces in base64url with two dots between them: header, payload
 * and signature.  Base64url is strict: no padding, no white space, no bits that
 * stand for nothing.  So there is one text for what a piece says.
 */
#include "pure/jwt.h"

#include "pure/ascii.h"
#include "pure/base64url.h"

/* The name of the problem in the line of the server log */
const char *
tarx_keys_jwt_problem(TarxKeysJwtProblem problem)
{
	static const char *const names[] = {
		[TARX_KEYS_JWT_OK] = "ok",
		[TARX_KEYS_JWT_EXPIRED] = "expired",
		[TARX_KEYS_JWT_AUDIENCE] = "audience",
		[TARX_KEYS_JWT_ISSUER] = "issuer",
		[TARX_KEYS_JWT_KEY] = "key",
		[TARX_KEYS_JWT_SIGNATURE] = "signature",
		[TARX_KEYS_JWT_CLAIMS] = "claims"
	};

	return names[problem];
}

/*
 * Take a token apart.  False unless it has three pieces, none of them empty, which
 * have only characters of base64url, and is not too long.
 */
bool
tarx_keys_jwt_split(TarxKeysSpan token, TarxKeysJwtParts *parts)
{
	size_t		first = tarx_keys_span_find(token, '.');
	TarxKeysSpan rest;
	size_t		second;

	if (token.len > TARX_KEYS_JWT_MAX_LEN || first == token.len)
		return false;
	rest = tarx_keys_span_from(token, first + 1);
	second = tarx_keys_span_find(rest, '.');
	if (second == rest.len)
		return false;
	parts->header = tarx_keys_span_first(token, first);
	parts->payload = tarx_keys_span_first(rest, second);
	parts->signature = tarx_keys_span_from(rest, second + 1);
	parts->signed_part = tarx_keys_span_first(token, first + 1 + second);
	return tarx_keys_base64url_has_form(parts->header) && tarx_keys_base64url_has_form(parts->payload) &&
		tarx_keys_base64url_has_form(parts->signature);
}

/* The media type "application/x" may be written as "x", if x is not empty and has no slash. */
static TarxKeysSpan
short_type(TarxKeysSpan type)
{
	static const char prefix[] = "application/";
	TarxKeysSpan rest;

	if (!tarx_keys_span_begins(type, prefix))
		return type;
	rest = tarx_keys_span_from(type, sizeof(prefix) - 1);
	return rest.len == 0 || tarx_keys_span_has(rest, '/') ? type : rest;
}

/* Is a token's typ one that is accepted?  Media types have no case. */
bool
tarx_keys_jwt_typ_is(TarxKeysSpan typ, TarxKeysSpan accepted)
{
	return tarx_keys_span_same(short_type(typ), short_type(accepted));
}

/*
 * The rules about time.  No clock is asked about iat: the issuer's may be ahead, and
 * then all of its tokens would be refused.  It bounds exp instead.
 */
TarxKeysJwtProblem
tarx_keys_jwt_check_times(const TarxKeysJwtTimes *times, const TarxKeysJwtLimits *limits,
						  int64_t now)
{
	if (times->expires_at <= now)
		return TARX_KEYS_JWT_EXPIRED;
	if (times->expires_at <= times->issued_at ||
		times->expires_at - limits->max_lifetime > times->issued_at)
		return TARX_KEYS_JWT_CLAIMS;
	if (times->not_before > now + limits->clock_skew)
		return TARX_KEYS_JWT_CLAIMS;
	return TARX_KEYS_JWT_OK;
}

/*
 * May a token name this user?  The id is in UTF-8.  Service accounts have a prefix
 * that no user of an issuer has.
 */
bool
tarx_keys_jwt_is_user_id(const char *text, size_t len)
{
	return tarx_keys_check_user_id_text(text, len) == TARX_KEYS_TEXT_OK &&
		!tarx_keys_is_service_account_id(text, len);
}
