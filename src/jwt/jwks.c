/*
 * jwks.c
 *	  An issuer's key set (RFC 7517), as it stands in the issuers' file.
 *
 * A set with a private key is refused: somebody has made a mistake, and the key is
 * not secret any more.  A key that is for something else, or that no signature can be
 * checked with, is left out, because issuers publish such keys beside the others.
 * What else is in a key, as x5c, means nothing here.
 */
#include "postgres.h"
#include "base/compat.h"

#include "jwt/issuers.h"

/* The exponent of RSA has at most 8 bytes. */
#define EXPONENT_BYTES	8

static const char *const private_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"};

pg_noreturn static void
refuse(int issuer, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("issuer %d: %s", issuer, problem)));
}

static void
refuse_private(int issuer, const JsonbValue *key)
{
	for (size_t i = 0; i < lengthof(private_members); i++)
	{
		if (tarx_keys_json_member(key, private_members[i]) != NULL)
			refuse(issuer, "a key in jwks has private members");
	}
}

/* May signatures be verified with the key, by what it says of itself? */
static bool
is_to_verify(const JsonbValue *key, TarxKeysJwsAlgorithm algorithm)
{
	const JsonbValue *operations = tarx_keys_json_member(key, "key_ops");
	TarxKeysSpan text;
	bool		verifies = operations == NULL;

	if (tarx_keys_json_member(key, "use") != NULL &&
		!(tarx_keys_json_text_member(key, "use", &text) && tarx_keys_span_equals(text, tarx_keys_span_of("sig"))))
		return false;
	if (tarx_keys_json_member(key, "alg") != NULL &&
		!(tarx_keys_json_text_member(key, "alg", &text) && tarx_keys_jws_algorithm(text) == algorithm))
		return false;
	if (operations != NULL && operations->type == jbvArray)
	{
		for (int i = 0; i < operations->val.array.nElems; i++)
			verifies = verifies || (tarx_keys_json_text(&operations->val.array.elems[i], &text) &&
									tarx_keys_span_equals(text, tarx_keys_span_of("verify")));
	}
	return verifies;
}

/* Decode a member of at most size bytes; false if it is not there or not base64url. */
static bool
decode(const JsonbValue *key, const char *name, uint8 *bytes, size_t size, size_t *len)
{
	TarxKeysSpan text;

	return tarx_keys_json_text_member(key, name, &text) &&
		tarx_keys_base64url_decode(text, bytes, size, len);
}

/* The material of a key of RSA, without zeros in front; its length, or 0 */
static size_t
read_rsa(const JsonbValue *key, uint8 *modulus, uint64 *exponent)
{
	/* some issuers write a zero in front, for the sign */
	uint8		bytes[TARX_KEYS_RSA_MAX_BYTES + 1];
	uint8		e[EXPONENT_BYTES];
	size_t		len;
	size_t		elen;
	size_t		zeros = 0;

	if (!decode(key, "n", bytes, sizeof(bytes), &len) || !decode(key, "e", e, sizeof(e), &elen))
		return 0;
	while (zeros < len && bytes[zeros] == 0)
		zeros++;
	if (len - zeros > TARX_KEYS_RSA_MAX_BYTES)
		return 0;
	memcpy(modulus, bytes + zeros, len - zeros);
	*exponent = tarx_keys_read_number(e, elen);
	return len - zeros;
}

/* Its length, or 0 */
static size_t
read_material(const JsonbValue *key, TarxKeysJwsAlgorithm algorithm, uint8 *material, uint64 *exponent)
{
	size_t		len = 0;
	size_t		second = 0;

	*exponent = 0;
	if (algorithm == TARX_KEYS_JWS_RS256)
		return read_rsa(key, material, exponent);
	if (algorithm == TARX_KEYS_JWS_ED25519)
		return decode(key, "x", material, TARX_KEYS_ED25519_KEY_BYTES, &len) ? len : 0;
	if (!decode(key, "x", material, TARX_KEYS_P256_BYTES, &len) || len != TARX_KEYS_P256_BYTES ||
		!decode(key, "y", material + TARX_KEYS_P256_BYTES, TARX_KEYS_P256_BYTES, &second))
		return 0;
	return len + second;
}

static TarxKeysJwsAlgorithm
algorithm_of(const JsonbValue *key)
{
	TarxKeysSpan kty;
	TarxKeysSpan crv = {"", 0};

	(void) tarx_keys_json_text_member(key, "crv", &crv);
	return tarx_keys_json_text_member(key, "kty", &kty) ? tarx_keys_jws_key_type(kty, crv) :
		TARX_KEYS_JWS_NONE;
}

/* Put a key into the area; false if nothing can be checked with it. */
static bool
read_key(TarxKeysIssuers *area, const TarxKeysIssuer *issuer, const JsonbValue *json,
		 TarxKeysIssuerKey *result)
{
	uint8		material[TARX_KEYS_RSA_MAX_BYTES];
	TarxKeysJwsKey key = {.algorithm = algorithm_of(json)};
	TarxKeysSpan kid = {"", 0};

	if ((issuer->algorithms & key.algorithm) == 0 || !is_to_verify(json, key.algorithm))
		return false;
	key.material.data = (const char *) material;
	key.material.len = read_material(json, key.algorithm, material, &key.exponent);
	if (!tarx_keys_jws_key_is_sound(&key))
		return false;
	(void) tarx_keys_json_text_member(json, "kid", &kid);
	result->kid = tarx_keys_area_put(area, kid.data, kid.len);
	result->material = tarx_keys_area_put(area, material, key.material.len);
	result->exponent = key.exponent;
	result->algorithm = key.algorithm;
	return true;
}

/* A kid, if there is one, is a text that no key before it has. */
static void
check_kid(int issuer, const JsonbValue *keys, int position)
{
	TarxKeysSpan kid;
	TarxKeysSpan other;

	if (tarx_keys_json_member(&keys->val.array.elems[position], "kid") == NULL)
		return;
	if (!tarx_keys_json_text_member(&keys->val.array.elems[position], "kid", &kid))
		refuse(issuer, "the kid of a key in jwks is not a text");
	for (int i = 0; i < position; i++)
	{
		if (tarx_keys_json_text_member(&keys->val.array.elems[i], "kid", &other) &&
			tarx_keys_span_equals(kid, other))
			refuse(issuer, "two keys in jwks have the same kid");
	}
}

static void
check_keys(int issuer, const JsonbValue *keys)
{
	for (int i = 0; i < keys->val.array.nElems; i++)
	{
		const JsonbValue *key = &keys->val.array.elems[i];

		if (key->type != jbvObject)
			refuse(issuer, "a key in jwks is not an object");
		refuse_private(issuer, key);
		check_kid(issuer, keys, i);
	}
}

/* Read the key set of the issuer with this number, whose algorithms are known. */
void
tarx_keys_jwks_read(TarxKeysIssuers *area, TarxKeysIssuer *issuer, int number,
					const JsonbValue *set)
{
	const JsonbValue *keys = set != NULL && set->type == jbvObject ? tarx_keys_json_member(set, "keys") : NULL;
	TarxKeysIssuerKey *first;
	uint32		count = 0;

	if (keys == NULL || keys->type != jbvArray)
		refuse(number, "jwks must be an object with an array keys");
	check_keys(number, keys);
	issuer->keys = tarx_keys_area_reserve(area, sizeof(TarxKeysIssuerKey), keys->val.array.nElems);
	first = tarx_keys_area_array(area, issuer->keys);
	for (int i = 0; i < keys->val.array.nElems; i++)
	{
		if (read_key(area, issuer, &keys->val.array.elems[i], &first[count]))
			count++;
	}
	if (count == 0)
		refuse(number, "jwks has no key for its algorithms that signatures can be verified with");
	issuer->ignored_keys = issuer->keys.count - count;
	issuer->keys.count = count;
}
