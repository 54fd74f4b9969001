/*
 * jws_openssl.c
 *	  ES256 and RS256, by OpenSSL's EVP.
 *
 * Nothing here raises an error of PostgreSQL, so all that OpenSSL gives is freed.
 * Its queue of errors is emptied, because the server itself reads that queue when a
 * TLS connection fails.
 */
#include "pure/jws_openssl.h"

#ifdef TARX_KEYS_OPENSSL

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "pure/fields.h"

/* A signature of ES256 in DER has two numbers of 33 bytes at most. */
#define DER_MAX	80

static BIGNUM *
number_of(const char *bytes, size_t len)
{
	return BN_bin2bn((const unsigned char *) bytes, (int) len, NULL);
}

/* What OpenSSL calls a key of this type; the numbers live until the parameters are used */
typedef struct KeyParameters
{
	OSSL_PARAM_BLD *builder;
	BIGNUM	   *modulus;
	BIGNUM	   *exponent;
	unsigned char point[1 + 2 * TARX_KEYS_P256_BYTES];
} KeyParameters;

static bool
push_point(KeyParameters *parameters, const TarxKeysJwsKey *key)
{
	parameters->point[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(parameters->point + 1, key->material.data, 2 * TARX_KEYS_P256_BYTES);
	return OSSL_PARAM_BLD_push_utf8_string(parameters->builder, OSSL_PKEY_PARAM_GROUP_NAME,
										   "P-256", 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(parameters->builder, OSSL_PKEY_PARAM_PUB_KEY,
										 parameters->point, sizeof(parameters->point)) == 1;
}

static bool
push_rsa(KeyParameters *parameters, const TarxKeysJwsKey *key)
{
	unsigned char exponent[sizeof(key->exponent)];

	tarx_keys_write_number(exponent, key->exponent, sizeof(exponent));
	parameters->modulus = number_of(key->material.data, key->material.len);
	parameters->exponent = number_of((const char *) exponent, sizeof(exponent));
	return parameters->modulus != NULL && parameters->exponent != NULL &&
		OSSL_PARAM_BLD_push_BN(parameters->builder, OSSL_PKEY_PARAM_RSA_N, parameters->modulus) == 1 &&
		OSSL_PARAM_BLD_push_BN(parameters->builder, OSSL_PKEY_PARAM_RSA_E, parameters->exponent) == 1;
}

static EVP_PKEY *
key_from(const TarxKeysJwsKey *key, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, key->algorithm == TARX_KEYS_JWS_ES256 ? "EC" : "RSA",
													   NULL);
	EVP_PKEY   *result = NULL;

	if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
		EVP_PKEY_fromdata(context, &result, EVP_PKEY_PUBLIC_KEY, params) != 1)
		result = NULL;
	EVP_PKEY_CTX_free(context);
	return result;
}

/* OpenSSL's form of the key; NULL if it is none.  The caller frees it. */
static EVP_PKEY *
make_key(const TarxKeysJwsKey *key)
{
	KeyParameters parameters = {.builder = OSSL_PARAM_BLD_new()};
	OSSL_PARAM *params = NULL;
	EVP_PKEY   *result = NULL;

	if (parameters.builder != NULL &&
		(key->algorithm == TARX_KEYS_JWS_ES256 ? push_point(&parameters, key) : push_rsa(&parameters, key)))
		params = OSSL_PARAM_BLD_to_param(parameters.builder);
	if (params != NULL)
		result = key_from(key, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(parameters.builder);
	BN_free(parameters.modulus);
	BN_free(parameters.exponent);
	return result;
}

/* The DER form of r and s; its length, or 0.  A token has them as 32 bytes each. */
static size_t
to_der(TarxKeysSpan signature, unsigned char *der)
{
	ECDSA_SIG  *pair = ECDSA_SIG_new();
	BIGNUM	   *r = number_of(signature.data, TARX_KEYS_P256_BYTES);
	BIGNUM	   *s = number_of(signature.data + TARX_KEYS_P256_BYTES, TARX_KEYS_P256_BYTES);
	int			len = 0;

	if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1)
	{
		BN_free(r);
		BN_free(s);
	}
	else
		len = i2d_ECDSA_SIG(pair, &der);	/* 72 bytes at most; moves its
											 * copy of der */
	ECDSA_SIG_free(pair);
	return len > 0 ? (size_t) len : 0;
}

static bool
verify(EVP_PKEY *key, TarxKeysSpan message, const unsigned char *signature, size_t len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool		good;

	/* for RSA, PKCS #1 v1.5 is the default */
	good = context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestVerify(context, signature, len, (const unsigned char *) message.data, message.len) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

/* The same for a signature of r and s */
static bool
verify_pair(EVP_PKEY *key, TarxKeysSpan message, TarxKeysSpan signature)
{
	unsigned char der[DER_MAX];
	size_t		len = to_der(signature, der);

	return len > 0 && verify(key, message, der, len);
}

/* Can OpenSSL use the key?  A point that is not on the curve is none. */
bool
tarx_keys_openssl_accepts(const TarxKeysJwsKey *key)
{
	EVP_PKEY   *made = make_key(key);
	EVP_PKEY_CTX *context = made == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, made, NULL);
	bool		good = context != NULL && EVP_PKEY_public_check(context) == 1;

	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(made);
	ERR_clear_error();
	return good;
}

/* Is this the key's signature over the message?  It has the right length. */
bool
tarx_keys_openssl_verify(const TarxKeysJwsKey *key, TarxKeysSpan message, TarxKeysSpan signature)
{
	EVP_PKEY   *made = make_key(key);
	bool		good = made != NULL &&
	(key->algorithm == TARX_KEYS_JWS_ES256 ? verify_pair(made, message, signature) :
	 verify(made, message, (const unsigned char *) signature.data, signature.len));

	EVP_PKEY_free(made);
	ERR_clear_error();
	return good;
}

#else

bool
tarx_keys_openssl_accepts(const TarxKeysJwsKey *key)
{
	(void) key;
	return false;
}

bool
tarx_keys_openssl_verify(const TarxKeysJwsKey *key, TarxKeysSpan message, TarxKeysSpan signature)
{
	(void) key;
	(void) message;
	(void) signature;
	return false;
}

#endif							/* TARX_KEYS_OPENSSL */
