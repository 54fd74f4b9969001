/*
 * sealed_box.c
 *	  Opens values that travel sealed, and checks what they are for.
 *
 * A box is the output of libsodium's crypto_box_seal() for a payload.  In format 1
 * that is
 *
 *		header | expires_at (8, big-endian, seconds since 1970 in UTC) | value
 *
 * and in format 2
 *
 *		header | stated fields | expires_at | options, a field | value
 *
 * The header says what the value is for.  It has the form of an envelope's AAD,
 * with a purpose for boxes.  Whoever opens a box knows the header that it must
 * have, so that is not parsed: the payload must start with exactly these bytes.
 * Stated fields say what the sealing client saw, and only the caller can judge it,
 * as the destination of a key.
 *
 * The key pair comes from a seed, which is a subkey of the master key.  So
 * nothing needs to be stored.  A box does not name its key.  It is safe to try
 * several keys here, unlike with envelopes: even if a second key opened a box,
 * the header would have to be right.
 *
 * Threat: an attacker may have seen boxes, and may make any box.
 */
#include "pure/sealed_box.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_KEY) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");
_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_LLM_KEY) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");
_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_LLM_KEY_2) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");
_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_REPLACEMENT) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");
_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_SECRET) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");
_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_SEARCH) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");

/* The key pair of a master key.  The caller wipes the secret key. */
static void
key_pair_of(uint8_t *public_key, uint8_t *secret_key, const TarxKeysMasterKey *master)
{
	static const uint8_t no_scope[TARX_KEYS_SCOPE_BYTES] = {0};
	uint8_t		seed[TARX_KEYS_SUBKEY_BYTES];

	tarx_keys_subkey(seed, master, no_scope, TARX_KEYS_PURPOSE_BOX_KEY);
	tarx_keys_box_key_pair(public_key, secret_key, seed);
	sodium_memzero(seed, sizeof(seed));
}

/*
 * Write the public key, TARX_KEYS_BOX_KEY_BYTES long, of a master key: values are
 * sealed to it.
 */
void
tarx_keys_sealed_box_public_key(uint8_t *public_key, const TarxKeysMasterKey *master)
{
	uint8_t		secret_key[TARX_KEYS_BOX_KEY_BYTES];

	key_pair_of(public_key, secret_key, master);
	sodium_memzero(secret_key, sizeof(secret_key));
}

/* Write a short name of a public key: 16 hexadecimal digits of its hash. */
void
tarx_keys_sealed_box_key_id(const uint8_t *public_key, char out[TARX_KEYS_BOX_KEY_ID_HEX])
{
	uint8_t		hash[TARX_KEYS_HASH_BYTES];

	tarx_keys_hash(hash, public_key, TARX_KEYS_BOX_KEY_BYTES);
	tarx_keys_fingerprint_hex(hash, out);
}

/*
 * Open a box to payload[0 .. len - TARX_KEYS_BOX_OVERHEAD).  Returns false, with
 * nothing in payload, unless the box was sealed to this master key's public key.
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

/* The format that a payload says it has */
int
tarx_keys_sealed_box_format(const uint8_t *payload, size_t len)
{
	return len > 0 ? payload[0] : 0;
}

static void
take_header(TarxKeysFieldReader *reader, const TarxKeysBinding *header)
{
	const uint8_t *bytes = tarx_keys_fields_take_bytes(reader, header->len);

	if (header->overflow || bytes == NULL || memcmp(bytes, header->aad, header->len) != 0)
		reader->broken = true;
}

/* A box lives for a while, and never for long: now is in seconds since 1970. */
static void
take_expiry(TarxKeysFieldReader *reader, uint64_t now)
{
	const uint8_t *bytes = tarx_keys_fields_take_bytes(reader, TARX_KEYS_BOX_EXPIRY_BYTES);
	uint64_t	expires_at = bytes != NULL ? tarx_keys_read_number(bytes, TARX_KEYS_BOX_EXPIRY_BYTES) : 0;

	if (expires_at <= now || expires_at - now > TARX_KEYS_BOX_LIFETIME_MAX)
		reader->broken = true;
}

/*
 * Read a payload that must have this header, whose first byte is its format, and so
 * many stated fields.  Returns false if it is another one, or is not to be taken now.
 * What is read stays where it is.
 */
bool
tarx_keys_sealed_box_read(const uint8_t *payload, size_t len, const TarxKeysBinding *header,
						  int stated, uint64_t now, TarxKeysBoxContent *content)
{
	TarxKeysFieldReader reader = {.at = payload, .left = len};

	memset(content, 0, sizeof(*content));
	take_header(&reader, header);
	for (int i = 0; i < stated; i++)
		content->stated[i] = tarx_keys_fields_take_not_null(&reader);
	take_expiry(&reader, now);
	if (header->aad[0] == TARX_KEYS_BOX_FORMAT_OPTIONS)
		content->options = tarx_keys_fields_take_not_null(&reader);
	content->value = (TarxKeysSpan) {(const char *) reader.at, reader.left};
	return !reader.broken && reader.left <= TARX_KEYS_SECRET_MAX_BYTES;
}
