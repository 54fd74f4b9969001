/*
 * test_jws.c
 *	  Public keys that sign tokens, and their signatures.
 *
 * The vectors are in jws_vectors.txt.
 */
#include "pure/base64url.h"
#include "pure/jws.h"

#include "guarded.h"
#include "pure/ascii.h"
#include "pure/jws_openssl.h"
#include "pure/jwt.h"
#include "tap.h"

#define VECTORS			"test/unit/jws_vectors.txt"
#define LINE_MAX_LEN	8192
#define NUMBER_OF_TOKENS	275

static TarxKeysSpan
span_of(const Bytes *bytes)
{
	return (TarxKeysSpan) {(const char *) bytes->data, bytes->len};
}

/* Does a token have a good signature of the key, whatever its payload is? */
static bool
is_good(const TarxKeysJwsKey *key, const char *algorithm, TarxKeysSpan token)
{
	TarxKeysJwtParts parts;
	uint8_t		signature[TARX_KEYS_RSA_MAX_BYTES];
	TarxKeysSpan decoded = {(const char *) signature, 0};

	return tarx_keys_jwt_split(token, &parts) &&
		tarx_keys_jws_algorithm(tarx_keys_span_of(algorithm)) == key->algorithm &&
		tarx_keys_base64url_decode(parts.signature, signature, sizeof(signature), &decoded.len) &&
		tarx_keys_jws_verify(key, parts.signed_part, decoded);
}

/* The key of a line "key ALGORITHM MATERIAL EXPONENT"; the caller frees its material. */
static TarxKeysJwsKey
read_key(const char *line, Bytes *material)
{
	char		algorithm[16];
	char		hex[2 * TARX_KEYS_RSA_MAX_BYTES + 1];
	unsigned long exponent;
	TarxKeysJwsKey key = {0};

	ok(sscanf(line, "key %15s %2048s %lu", algorithm, hex, &exponent) == 3, "a key");
	*material = from_hex(hex);
	key.algorithm = tarx_keys_jws_algorithm(tarx_keys_span_of(algorithm));
	key.material = span_of(material);
	key.exponent = exponent;
	if (key.algorithm != TARX_KEYS_JWS_NONE)
		ok(tarx_keys_jws_key_is_sound(&key), "a sound key of %s", algorithm);
	return key;
}

static void
check_token(const TarxKeysJwsKey *key, const char *line)
{
	char		number[32];
	char		result[16];
	char		algorithm[64];
	int			at = 0;
	TarxKeysSpan token;

	ok(sscanf(line, "%31s %15s %63s %n", number, result, algorithm, &at) == 3, "a token");
	token = tarx_keys_span_of(line + at);
	token.len = tarx_keys_span_find(token, '\n');
	/* without OpenSSL these algorithms are unknown */
	if (key->algorithm == TARX_KEYS_JWS_NONE)
		return;
	ok(is_good(key, algorithm, token) == (strcmp(result, "valid") == 0), "%s is %s", number, result);
}

static void
vectors(void)
{
	FILE	   *file = fopen(VECTORS, "r");
	char		line[LINE_MAX_LEN];
	TarxKeysJwsKey key = {0};
	Bytes		material = {0};
	int			tokens = 0;

	if (!ok(file != NULL, "the vectors are there"))
		return;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		if (line[0] == '#')
			continue;
		if (strncmp(line, "key ", 4) == 0)
		{
			if (material.data != NULL)
				sodium_free(material.data);
			key = read_key(line, &material);
			continue;
		}
		check_token(&key, line);
		tokens++;
	}
	sodium_free(material.data);
	fclose(file);
	is_int(tokens, NUMBER_OF_TOKENS, "all of them");
}

static TarxKeysJwsAlgorithm
algorithm(const char *name)
{
	return tarx_keys_jws_algorithm(tarx_keys_span_of(name));
}

static TarxKeysJwsAlgorithm
type(const char *kty, const char *crv)
{
	return tarx_keys_jws_key_type(tarx_keys_span_of(kty), tarx_keys_span_of(crv));
}

static void
names(void)
{
	static const char *const unknown[] = {
		"", "none", "None", "HS256", "RS384", "RS512", "PS256", "ES384", "ES256K", "Ed448", "ed25519",
		"EDDSA", "es256", "rs256", "RS256 ", "RS25"
	};

	ok(algorithm("Ed25519") == TARX_KEYS_JWS_ED25519, "Ed25519");
	ok(algorithm("EdDSA") == TARX_KEYS_JWS_ED25519, "EdDSA");
	ok(algorithm("ES256") == (TARX_KEYS_HAS_OPENSSL ? TARX_KEYS_JWS_ES256 : TARX_KEYS_JWS_NONE), "ES256");
	ok(algorithm("RS256") == (TARX_KEYS_HAS_OPENSSL ? TARX_KEYS_JWS_RS256 : TARX_KEYS_JWS_NONE), "RS256");
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		ok(algorithm(unknown[i]) == TARX_KEYS_JWS_NONE, "unknown: %s", unknown[i]);
	ok(type("OKP", "Ed25519") == TARX_KEYS_JWS_ED25519, "a key of Ed25519");
	ok(type("OKP", "Ed448") == TARX_KEYS_JWS_NONE && type("OKP", "X25519") == TARX_KEYS_JWS_NONE &&
	   type("OKP", "") == TARX_KEYS_JWS_NONE, "other curves of Edwards and Montgomery");
	ok(type("EC", "P-384") == TARX_KEYS_JWS_NONE && type("EC", "secp256k1") == TARX_KEYS_JWS_NONE,
	   "other curves of Weierstrass");
	ok(type("oct", "") == TARX_KEYS_JWS_NONE && type("", "Ed25519") == TARX_KEYS_JWS_NONE, "other types");
}

/* An RSA key of so many bits, whose modulus has the last byte given; not a real one */
static bool
rsa_is_sound(size_t bits, uint8_t last, uint64_t exponent)
{
	Bytes		modulus = guarded_bytes((bits + 7) / 8);
	TarxKeysJwsKey key = {TARX_KEYS_JWS_RS256, span_of(&modulus), exponent};
	bool		sound;

	memset(modulus.data, 0x5a, modulus.len);
	modulus.data[0] = (uint8_t) (bits % 8 == 0 ? 0x80 : 1 << (bits % 8 - 1));
	modulus.data[modulus.len - 1] = last;
	sound = tarx_keys_jws_key_is_sound(&key);
	sodium_free(modulus.data);
	return sound;
}

static void
rsa_keys(void)
{
	/* with these last bytes they have no small factors, and are no primes */
	ok((rsa_is_sound(2048, 0x05, 65537) && rsa_is_sound(8192, 0x03, 65537)) == TARX_KEYS_HAS_OPENSSL, "2048 and 8192 bits");
	ok(rsa_is_sound(2048, 0x05, 65539) == TARX_KEYS_HAS_OPENSSL, "another exponent");
	ok(!rsa_is_sound(2047, 0x03, 65537), "2047 bits");
	ok(!rsa_is_sound(1024, 0x0f, 65537), "1024 bits");
	ok(!rsa_is_sound(8193, 0x19, 65537), "8193 bits");
	ok(!rsa_is_sound(2048, 0x04, 65537), "an even modulus");
	ok(!rsa_is_sound(2048, 0x01, 65537), "a modulus with a small factor");
	ok(!rsa_is_sound(2048, 0x05, 3) && !rsa_is_sound(2048, 0x05, 65535) && !rsa_is_sound(2048, 0x05, 0),
	   "a small exponent");
	ok(!rsa_is_sound(2048, 0x05, 65538), "an even exponent");
}

static void
points(void)
{
	/* a point of small order, one that is no point, and a short one */
	Bytes		zero = from_hex("0000000000000000000000000000000000000000000000000000000000000000");
	Bytes		none = from_hex("0200000000000000000000000000000000000000000000000000000000000000");
	Bytes		signature = guarded_bytes(64);
	TarxKeysJwsKey key = {TARX_KEYS_JWS_ED25519, span_of(&zero), 0};

	memset(signature.data, 0, signature.len);
	ok(!tarx_keys_jws_key_is_sound(&key), "a point of small order");
	ok(!tarx_keys_jws_verify(&key, tarx_keys_span_of("x"), span_of(&signature)), "nothing is signed by it");
	key.material = span_of(&none);
	ok(!tarx_keys_jws_key_is_sound(&key), "no point");
	key.material.len = 31;
	ok(!tarx_keys_jws_key_is_sound(&key), "a short one");
	key.algorithm = TARX_KEYS_JWS_ES256;
	key.material = span_of(&signature);
	ok(!tarx_keys_jws_key_is_sound(&key), "a point that is not on P-256");
	ok(!tarx_keys_jws_verify(&key, tarx_keys_span_of("x"), span_of(&signature)), "nor is anything signed by it");
	key.algorithm = TARX_KEYS_JWS_NONE;
	ok(!tarx_keys_jws_key_is_sound(&key) && !tarx_keys_jws_verify(&key, tarx_keys_span_of("x"), span_of(&signature)),
	   "no algorithm");
	sodium_free(zero.data);
	sodium_free(none.data);
	sodium_free(signature.data);
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	vectors();
	names();
	rsa_keys();
	points();
	return done_testing();
}
