/*
 * jws_openssl.h
 *	  ES256 and RS256, by OpenSSL's EVP.
 *
 * make defines TARX_KEYS_OPENSSL if the server is built with OpenSSL.
 */
#ifndef TARX_KEYS_JWS_OPENSSL_H
#define TARX_KEYS_JWS_OPENSSL_H

#include "pure/jws.h"

#ifdef TARX_KEYS_OPENSSL
#define TARX_KEYS_HAS_OPENSSL	true
#else
#define TARX_KEYS_HAS_OPENSSL	false
#endif

extern bool tarx_keys_openssl_accepts(const TarxKeysJwsKey *key);
extern bool tarx_keys_openssl_verify(const TarxKeysJwsKey *key, TarxKeysSpan message,
									 TarxKeysSpan signature);

#endif							/* TARX_KEYS_JWS_OPENSSL_H */
