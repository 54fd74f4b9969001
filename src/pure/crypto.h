/*
 * crypto.h
 *	  The cryptographic primitives, all of them libsodium's.
 *
 * No postgres.h here.  sodium_init() must have run before any call.
 */
#ifndef TARX_KEYS_CRYPTO_H
#define TARX_KEYS_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/keyring_text.h"

#define TARX_KEYS_SUBKEY_BYTES		32
#define TARX_KEYS_SCOPE_BYTES		16
#define TARX_KEYS_PURPOSE_BYTES		16
#define TARX_KEYS_NONCE_BYTES		24
#define TARX_KEYS_TAG_BYTES			16
#define TARX_KEYS_MAC_BYTES			32
#define TARX_KEYS_HASH_BYTES		32
#define TARX_KEYS_BOX_KEY_BYTES		32	/* public, secret and seed alike */
#define TARX_KEYS_BOX_OVERHEAD		48	/* a public key and a tag */

extern void tarx_keys_fingerprint(uint8_t *fingerprint, const uint8_t *master_key);
extern void tarx_keys_subkey(uint8_t *subkey, const TarxKeysMasterKey *master,
							 const uint8_t *scope, const char *purpose);
extern void tarx_keys_mac(uint8_t *mac, const uint8_t *subkey, const uint8_t *message,
						  size_t len);
extern void tarx_keys_encrypt(uint8_t *out, const uint8_t *plain, size_t plainlen,
							  const uint8_t *aad, size_t aadlen,
							  const uint8_t *nonce, const uint8_t *subkey);
extern void tarx_keys_hash(uint8_t *hash, const uint8_t *message, size_t len);
extern bool tarx_keys_decrypt(uint8_t *out, const uint8_t *sealed, size_t sealedlen,
							  const uint8_t *aad, size_t aadlen,
							  const uint8_t *nonce, const uint8_t *subkey);
extern void tarx_keys_box_key_pair(uint8_t *public_key, uint8_t *secret_key,
								   const uint8_t *seed);
extern bool tarx_keys_box_seal(uint8_t *box, const uint8_t *plain, size_t len,
							   const uint8_t *public_key);
extern bool tarx_keys_box_open(uint8_t *plain, const uint8_t *box, size_t len,
							   const uint8_t *public_key, const uint8_t *secret_key);

#endif							/* TARX_KEYS_CRYPTO_H */
