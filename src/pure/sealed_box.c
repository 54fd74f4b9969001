/*
 * sealed_box.c
 *	  Opens values that travel to us sealed, and holds them to their context.
 *
 * A box is what libsodium's crypto_box_seal() makes of
 *
 *		header | expires_at (8, big-endian, seconds since 1970 in UTC) | value
 *
 * where the header is the AAD of an envelope, with a purpose of boxes: what
 * the value is for.  Whoever opens a box knows what it must be for, so nothing
 * is parsed: the payload has to begin with exactly these bytes.
 *
 * The key pair is that of a seed, which is a subkey of the master key; whoever
 * has the master key has it, nothing needs to be stored.  A box does not name
 * its key.  Trying several is harmless here, unlike with envelopes: a box that
 * opened by a second key as well would still have to carry the header.
 * Threat: an attacker may have seen boxes, and may have made any.
 */
#include "pure/sealed_box.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_KEY) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");
_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_LLM_KEY) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");
_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_SECRET) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");

/* The key pair of a master key.  The caller wipes the secret key. */
static void
key_pair_of(uint8_t *public_key, uint8_t *secret_key, const TarxKeysMasterKey *master)
{
	static const uint8_t no_scope[TARX_KEYS_SCOPE_BYTES] = {0};
	uint8_t		seed[TARX_KEYS_SUBKEY_BYTES];

	tarx_keys_subkey(seed, master->key, no_scope, TARX_KEYS_PURPOSE_BOX_KEY);
	tarx_keys_box_key_pair(public_key, secret_key, seed);
	sodium_memzero(seed, sizeof(seed));
}

/* The public key that values for the holder of this master key are sealed to */
void
tarx_keys_sealed_box_public_key(uint8_t *public_key, const TarxKeysMasterKey *master)
{
	uint8_t		secret_key[TARX_KEYS_BOX_KEY_BYTES];

	key_pair_of(public_key, secret_key, master);
	sodium_memzero(secret_key, sizeof(secret_key));
}

/* A short name of a public key: 16 hexadecimal digits of its hash */
void
tarx_keys_sealed_box_key_id(const uint8_t *public_key, char out[TARX_KEYS_BOX_KEY_ID_HEX])
{
	uint8_t		hash[TARX_KEYS_HASH_BYTES];

	tarx_keys_hash(hash, public_key, TARX_KEYS_BOX_KEY_BYTES);
	tarx_keys_fingerprint_hex(hash, out);
}

/* How long a box with this header and a value of so many bytes is */
size_t
tarx_keys_sealed_box_len(const TarxKeysBinding *header, size_t value_len)
{
	return TARX_KEYS_BOX_OVERHEAD + header->len + TARX_KEYS_BOX_EXPIRY_BYTES + value_len;
}

/*
 * Open a box to payload[0 .. len - TARX_KEYS_BOX_OVERHEAD).  False, with
 * nothing in payload, unless it was sealed to this master key's public key.
 */
bool
tarx_keys_sealed_box_open(uint8_t *payload, const TarxKeysMasterKey *master,
						  const uint8_t *box, size_t len)
{
	uint8_t		public_key[TARX_KEYS_BOX_KEY_BYTES];
	uint8_t		secret_key[TARX_KEYS_BOX_KEY_BYTES];
	bool		ok;

	key_pair_of(public_key, secret_key, master);
	ok = tarx_keys_box_open(payload, box, len, public_key, secret_key);
	sodium_memzero(secret_key, sizeof(secret_key));
	return ok;
}

/*
 * Whether a payload is for this header and has not expired at now, in seconds
 * since 1970; its value is then payload[*value_at .. len).
 */
bool
tarx_keys_sealed_box_check(const uint8_t *payload, size_t len,
						   const TarxKeysBinding *header, uint64_t now,
						   size_t *value_at)
{
	uint64_t	expires_at = 0;

	if (header->overflow || len < header->len + TARX_KEYS_BOX_EXPIRY_BYTES ||
		memcmp(payload, header->aad, header->len) != 0)
		return false;
	for (size_t i = 0; i < TARX_KEYS_BOX_EXPIRY_BYTES; i++)
		expires_at = expires_at << 8 | payload[header->len + i];
	*value_at = header->len + TARX_KEYS_BOX_EXPIRY_BYTES;
	return expires_at > now;
}
