/*
 * envelope.h
 *	  The byte format of stored ciphertext and of what it is bound to.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_ENVELOPE_H
#define TARX_KEYS_ENVELOPE_H

#include "pure/crypto.h"
#include "pure/fields.h"
#include "pure/keyring_text.h"

#define TARX_KEYS_ENVELOPE_VERSION	1
#define TARX_KEYS_ENVELOPE_HEADER	(1 + TARX_KEYS_FINGERPRINT_BYTES + TARX_KEYS_NONCE_BYTES)
#define TARX_KEYS_ENVELOPE_OVERHEAD	(TARX_KEYS_ENVELOPE_HEADER + TARX_KEYS_TAG_BYTES)

/* version, fingerprint, MAC */
#define TARX_KEYS_STAMP_BYTES		(1 + TARX_KEYS_FINGERPRINT_BYTES + TARX_KEYS_MAC_BYTES)

/* All bound fields of a valid row together need less than this. */
#define TARX_KEYS_BINDING_MAX		20480

/*
 * What an envelope is bound to: an AAD that fields are added to.  A field that
 * does not fit sets overflow, and such a binding seals and opens nothing.
 */
typedef struct TarxKeysBinding
{
	uint8_t		scope[TARX_KEYS_SCOPE_BYTES];
	const char *purpose;
	bool		overflow;
	size_t		len;
	uint8_t		aad[TARX_KEYS_BINDING_MAX];
} TarxKeysBinding;

extern void tarx_keys_binding_start(TarxKeysBinding *binding, uint8_t version,
									const char *purpose, const uint8_t *scope);
extern void tarx_keys_binding_init(TarxKeysBinding *binding, const char *purpose,
								   const uint8_t *scope);
extern void tarx_keys_binding_add(TarxKeysBinding *binding, const void *field, size_t len);
extern void tarx_keys_binding_add_number(TarxKeysBinding *binding, uint64_t number, size_t size);

/* by the subkey of the binding, for callers that seal or open several rows of a scope */
extern bool tarx_keys_envelope_seal_by(uint8_t *out, const uint8_t *fingerprint,
									   const uint8_t *subkey, const uint8_t *nonce,
									   const TarxKeysBinding *binding,
									   const uint8_t *plain, size_t plainlen);
extern bool tarx_keys_envelope_open_by(uint8_t *out, const uint8_t *subkey,
									   const TarxKeysBinding *binding,
									   const uint8_t *envelope, size_t len);
extern bool tarx_keys_stamp_make_by(uint8_t *stamp, const uint8_t *fingerprint,
									const uint8_t *subkey, const TarxKeysBinding *binding);
extern bool tarx_keys_stamp_check_by(const uint8_t *stamp, size_t len, const uint8_t *subkey,
									 const TarxKeysBinding *binding);

extern bool tarx_keys_envelope_seal(uint8_t *out, const TarxKeysMasterKey *key,
									const TarxKeysBinding *binding,
									const uint8_t *plain, size_t plainlen);
extern const uint8_t *tarx_keys_envelope_fingerprint(const uint8_t *envelope, size_t len);
extern size_t tarx_keys_envelope_plain_len(size_t len);
extern bool tarx_keys_envelope_open(uint8_t *out, const TarxKeysMasterKey *key,
									const TarxKeysBinding *binding,
									const uint8_t *envelope, size_t len);

extern bool tarx_keys_stamp_make(uint8_t *stamp, const TarxKeysMasterKey *key,
								 const TarxKeysBinding *binding);
extern const uint8_t *tarx_keys_stamp_fingerprint(const uint8_t *stamp, size_t len);
extern bool tarx_keys_stamp_check(const uint8_t *stamp, size_t len,
								  const TarxKeysMasterKey *key,
								  const TarxKeysBinding *binding);

#endif							/* TARX_KEYS_ENVELOPE_H */
