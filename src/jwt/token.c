/*
 * token.c
 *	  Checks what a token says, and who has said it (RFC 7519, 8725).
 *
 * The issuer's entry in the file decides: which algorithms, which keys, for whom.
 * What a token says of its keys itself (jku, jwk, x5u, x5c) is not looked at.  No
 * secret is shared with an issuer, so there are no HMACs, which a public key could be
 * taken for.
 *
 * Nothing that is wrong with a token is an error here, but a problem with a name.
 * What PostgreSQL's parser raises may quote the token, and goes no further.
 */
#include "postgres.h"
#include "base/compat.h"

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "jwt/issuers.h"

/* The end of the year 9999, in seconds of Unix; a time beyond is a mistake */
#define LAST_SECOND		253402300799.0

/* From Unix's beginning of time to PostgreSQL's, in microseconds */
#define UNIX_TO_POSTGRES	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* A token while it is checked */
typedef struct Check
{
	TarxKeysJwtParts parts;
	const JsonbValue *header;
	const JsonbValue *claims;
	const TarxKeysIssuers *area;
	const TarxKeysIssuer *issuer;
	TarxKeysJwsKey key;
	TarxKeysJwtUser *result;
} Check;

/*
 * JSON
 */

/* The bytes as an object in the database's encoding; NULL if they are none */
static const JsonbValue *
parse_object(const char *bytes, size_t len)
{
	text	   *json;

	if (!pg_verify_mbstr(PG_UTF8, bytes, (int) len, true))
		return NULL;
	json = tarx_keys_from_utf8(bytes, len);
	return tarx_keys_json_parse_object(VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
}

/* The object in a piece of the token; NULL if there is none */
static const JsonbValue *
decode_object(TarxKeysSpan piece)
{
	uint8	   *bytes = palloc(piece.len);
	size_t		len;

	if (!tarx_keys_base64url_decode(piece, bytes, piece.len, &len))
		return NULL;
	return tarx_keys_json_quietly(parse_object, (const char *) bytes, len);
}

/* A time of the payload in PostgreSQL's microseconds; false unless it is a number */
static bool
read_time(const Check *check, const char *name, int64 *result)
{
	const JsonbValue *value = tarx_keys_json_member(check->claims, name);
	double		seconds;

	if (value == NULL || value->type != jbvNumeric)
		return false;
	seconds = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												 NumericGetDatum(value->val.numeric)));
	if (!(seconds >= 0 && seconds <= LAST_SECOND))
		return false;
	*result = (int64) (seconds * USECS_PER_SEC) - UNIX_TO_POSTGRES;
	return true;
}

/*
 * The rules, in their order
 */

static TarxKeysJwtProblem
check_form(Check *check, const text *token)
{
	TarxKeysSpan span = {VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token)};

	if (!tarx_keys_jwt_split(span, &check->parts))
		return TARX_KEYS_JWT_CLAIMS;
	check->header = decode_object(check->parts.header);
	check->claims = decode_object(check->parts.payload);
	return check->header != NULL && check->claims != NULL ? TARX_KEYS_JWT_OK : TARX_KEYS_JWT_CLAIMS;
}

static TarxKeysJwtProblem
check_issuer(Check *check)
{
	const TarxKeysIssuer *issuers;
	TarxKeysSpan name;

	if (!tarx_keys_json_text_member(check->claims, "iss", &name) || check->area == NULL)
		return TARX_KEYS_JWT_ISSUER;
	issuers = tarx_keys_area_array(check->area, check->area->issuers);
	for (uint32 i = 0; i < check->area->issuers.count; i++)
	{
		if (tarx_keys_span_equals(tarx_keys_area_text(check->area, issuers[i].issuer), name))
			check->issuer = &issuers[i];
	}
	return check->issuer != NULL ? TARX_KEYS_JWT_OK : TARX_KEYS_JWT_ISSUER;
}

/* Is the token one of a kind that logs in?  crit asks for what nobody here understands. */
static TarxKeysJwtProblem
check_kind(Check *check)
{
	const JsonbValue *value = tarx_keys_json_member(check->header, "typ");
	const TarxKeysRef *accepted = tarx_keys_area_array(check->area, check->issuer->typ);
	TarxKeysSpan typ = {"", 0};

	if (tarx_keys_json_member(check->header, "crit") != NULL ||
		tarx_keys_json_member(check->header, "cty") != NULL ||
		(value != NULL && (!tarx_keys_json_text(value, &typ) || typ.len == 0)))
		return TARX_KEYS_JWT_CLAIMS;
	for (uint32 i = 0; i < check->issuer->typ.count; i++)
	{
		if (tarx_keys_jwt_typ_is(typ, tarx_keys_area_text(check->area, accepted[i])))
			return TARX_KEYS_JWT_OK;
	}
	return TARX_KEYS_JWT_CLAIMS;
}

/* Does the key fit the algorithm, and the kid, if the token has one? */
static bool
fits(const Check *check, const TarxKeysIssuerKey *key, TarxKeysJwsAlgorithm algorithm,
	 const TarxKeysSpan *kid)
{
	TarxKeysSpan own = tarx_keys_area_text(check->area, key->kid);

	return key->algorithm == algorithm &&
		(kid == NULL || (own.len > 0 && tarx_keys_span_equals(own, *kid)));
}

/* Exactly one key must fit. */
static TarxKeysJwtProblem
choose_key(Check *check, TarxKeysJwsAlgorithm algorithm, const TarxKeysSpan *kid)
{
	const TarxKeysIssuerKey *keys = tarx_keys_area_array(check->area, check->issuer->keys);
	int			found = 0;

	for (uint32 i = 0; i < check->issuer->keys.count; i++)
	{
		if (!fits(check, &keys[i], algorithm, kid))
			continue;
		found++;
		check->key.algorithm = algorithm;
		check->key.material = tarx_keys_area_text(check->area, keys[i].material);
		check->key.exponent = keys[i].exponent;
	}
	return found == 1 ? TARX_KEYS_JWT_OK : TARX_KEYS_JWT_KEY;
}

static TarxKeysJwtProblem
check_key(Check *check)
{
	const JsonbValue *kid = tarx_keys_json_member(check->header, "kid");
	TarxKeysJwsAlgorithm algorithm;
	TarxKeysSpan text;

	if (!tarx_keys_json_text_member(check->header, "alg", &text))
		return TARX_KEYS_JWT_KEY;
	algorithm = tarx_keys_jws_algorithm(text);
	if ((check->issuer->algorithms & algorithm) == 0)
		return TARX_KEYS_JWT_KEY;
	if (kid != NULL && !tarx_keys_json_text(kid, &text))
		return TARX_KEYS_JWT_KEY;
	return choose_key(check, algorithm, kid != NULL ? &text : NULL);
}

static TarxKeysJwtProblem
check_signature(Check *check)
{
	uint8		bytes[TARX_KEYS_RSA_MAX_BYTES];
	TarxKeysSpan signature = {(const char *) bytes, 0};

	if (!tarx_keys_base64url_decode(check->parts.signature, bytes, sizeof(bytes), &signature.len) ||
		!tarx_keys_jws_verify(&check->key, check->parts.signed_part, signature))
		return TARX_KEYS_JWT_SIGNATURE;
	check->result->is_authentic = true;
	return TARX_KEYS_JWT_OK;
}

static TarxKeysJwtProblem
check_times(Check *check)
{
	TarxKeysJwtTimes times = {.not_before = PG_INT64_MIN};
	TarxKeysJwtProblem problem;

	if (!read_time(check, "exp", &times.expires_at) || !read_time(check, "iat", &times.issued_at) ||
		(tarx_keys_json_member(check->claims, "nbf") != NULL &&
		 !read_time(check, "nbf", &times.not_before)))
		return TARX_KEYS_JWT_CLAIMS;
	problem = tarx_keys_jwt_check_times(&times, &check->issuer->limits, GetCurrentTimestamp());
	check->result->expires_at = times.expires_at;
	check->result->issued_after = times.issued_at - check->issuer->limits.clock_skew;
	return problem;
}

static bool
is_for_us(const Check *check, const JsonbValue *audience)
{
	TarxKeysSpan text;

	return tarx_keys_json_text(audience, &text) &&
		tarx_keys_area_has(check->area, check->issuer->audience, text);
}

/* One audience, or an array of them; an array of anything else is none. */
static TarxKeysJwtProblem
check_audience(Check *check)
{
	const JsonbValue *audience = tarx_keys_json_member(check->claims, "aud");
	bool		found = false;

	if (audience == NULL || audience->type != jbvArray)
		return is_for_us(check, audience) ? TARX_KEYS_JWT_OK : TARX_KEYS_JWT_AUDIENCE;
	for (int i = 0; i < audience->val.array.nElems; i++)
	{
		if (audience->val.array.elems[i].type != jbvString)
			return TARX_KEYS_JWT_AUDIENCE;
		found = found || is_for_us(check, &audience->val.array.elems[i]);
	}
	return found ? TARX_KEYS_JWT_OK : TARX_KEYS_JWT_AUDIENCE;
}

/* The rules are for the id that results.  The prefix is ASCII, and so in any encoding. */
static TarxKeysJwtProblem
check_user(Check *check)
{
	TarxKeysSpan name = tarx_keys_area_text(check->area, check->issuer->user_claim);
	TarxKeysSpan prefix = tarx_keys_area_text(check->area, check->issuer->user_prefix);
	TarxKeysSpan claim;
	TarxKeysText utf8;
	char	   *user_id;

	if (!tarx_keys_json_text_member(check->claims, pnstrdup(name.data, name.len), &claim) ||
		claim.len == 0)
		return TARX_KEYS_JWT_CLAIMS;
	user_id = psprintf("%.*s%.*s", (int) prefix.len, prefix.data, (int) claim.len, claim.data);
	if (!tarx_keys_to_utf8(cstring_to_text(user_id), &utf8) ||
		!tarx_keys_jwt_is_user_id(utf8.data, utf8.len))
		return TARX_KEYS_JWT_CLAIMS;
	check->result->user_id = user_id;
	return TARX_KEYS_JWT_OK;
}

/*
 * Check a token.  If there is no problem, the result has the user, in this memory
 * context.
 */
TarxKeysJwtProblem
tarx_keys_token_check(const text *token, TarxKeysJwtUser *result)
{
	static TarxKeysJwtProblem (*const rules[]) (Check *check) = {
		check_issuer, check_kind, check_key, check_signature, check_times, check_audience, check_user
	};
	Check		check = {.area = tarx_keys_issuers_in_use(), .result = result};
	TarxKeysJwtProblem problem;

	*result = (TarxKeysJwtUser) {0};
	problem = check_form(&check, token);
	for (size_t i = 0; i < lengthof(rules) && problem == TARX_KEYS_JWT_OK; i++)
		problem = rules[i] (&check);
	return problem;
}
