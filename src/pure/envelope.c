/*
 * envelope.c
 *	  Seals a value to the row that it belongs to, and opens it only there.
 *
 * An envelope is
 *
 *		format version (1) | master-key fingerprint (8) | nonce (24) |
 *		ciphertext | tag (16)
 *
 * and its AAD is
 *
 *		format version (1) | purpose (16) | scope (16) | fields (see fields.c)
 *
 * A stamp authenticates fields that are stored in clear: format version (1) |
 * master-key fingerprint (8) | MAC (32) over the same bytes as an AAD.
 *
 * The fingerprint selects the master key.  Nothing tries one key after the other,
 * because this AEAD does not commit to its key: an attacker can make a ciphertext
 * that several keys open.
 *
 * Threat: an attacker may write any bytes into any column.
 */
#include "pure/envelope.h"

#include <sodium.h>
#include <string.h>

/* A writer behind what a binding has already */
static TarxKeysFieldWriter
writer_of(TarxKeysBinding *binding)
{
	return (TarxKeysFieldWriter) {binding->aad, sizeof(binding->aad), binding->len, binding->overflow};
}

static void
keep(TarxKeysBinding *binding, const TarxKeysFieldWriter *writer)
{
	binding->len = writer->len;
	binding->overflow = writer->overflow;
}

/*
 * Start a binding of a format.  purpose has 16 characters and must outlive the
 * binding; scope (a project's uuid) has 16 bytes.
 */
void
tarx_keys_binding_start(TarxKeysBinding *binding, uint8_t version, const char *purpose,
						const uint8_t *scope)
{
	TarxKeysFieldWriter writer = {binding->aad, sizeof(binding->aad), 0, false};

	binding->purpose = purpose;
	memcpy(binding->scope, scope, TARX_KEYS_SCOPE_BYTES);
	tarx_keys_fields_put_bytes(&writer, &version, 1);
	tarx_keys_fields_put_bytes(&writer, purpose, TARX_KEYS_PURPOSE_BYTES);
	tarx_keys_fields_put_bytes(&writer, scope, TARX_KEYS_SCOPE_BYTES);
	keep(binding, &writer);
}

/* Start the binding of an envelope or stamp. */
void
tarx_keys_binding_init(TarxKeysBinding *binding, const char *purpose,
					   const uint8_t *scope)
{
	tarx_keys_binding_start(binding, TARX_KEYS_ENVELOPE_VERSION, purpose, scope);
}

/* Bind one more field.  NULL differs from any bytes; text is in UTF-8. */
void
tarx_keys_binding_add(TarxKeysBinding *binding, const void *field, size_t len)
{
	TarxKeysFieldWriter writer = writer_of(binding);

	tarx_keys_fields_put(&writer, field, len);
	keep(binding, &writer);
}

/* The same for a number in so many bytes, at most eight */
void
tarx_keys_binding_add_number(TarxKeysBinding *binding, uint64_t number, size_t size)
{
	uint8_t		bytes[8];

	tarx_keys_write_number(bytes, number, size);
	tarx_keys_binding_add(binding, bytes, size);
}

/*
 * Seal plain to out[0 .. plainlen + TARX_KEYS_ENVELOPE_OVERHEAD) by the subkey that
 * the binding has under the master key of this fingerprint.  The caller draws a new
 * nonce for each envelope.  Returns false, and writes nothing, if the binding is too
 * long.
 */
bool
tarx_keys_envelope_seal_by(uint8_t *out, const uint8_t *fingerprint, const uint8_t *subkey,
						   const uint8_t *nonce, const TarxKeysBinding *binding,
						   const uint8_t *plain, size_t plainlen)
{
	if (binding->overflow)
		return false;
	out[0] = TARX_KEYS_ENVELOPE_VERSION;
	memcpy(out + 1, fingerprint, TARX_KEYS_FINGERPRINT_BYTES);
	memcpy(out + 1 + TARX_KEYS_FINGERPRINT_BYTES, nonce, TARX_KEYS_NONCE_BYTES);
	tarx_keys_encrypt(out + TARX_KEYS_ENVELOPE_HEADER, plain, plainlen,
					  binding->aad, binding->len, nonce, subkey);
	return true;
}

/* The same by the master key, with a nonce that is drawn here */
bool
tarx_keys_envelope_seal(uint8_t *out, const TarxKeysMasterKey *key,
						const TarxKeysBinding *binding, const uint8_t *plain,
						size_t plainlen)
{
	uint8_t		subkey[TARX_KEYS_SUBKEY_BYTES];
	uint8_t		nonce[TARX_KEYS_NONCE_BYTES];
	bool		ok;

	if (binding->overflow)
		return false;
	randombytes_buf(nonce, sizeof(nonce));
	tarx_keys_subkey(subkey, key, binding->scope, binding->purpose);
	ok = tarx_keys_envelope_seal_by(out, key->fingerprint, subkey, nonce, binding, plain,
									plainlen);
	sodium_memzero(subkey, sizeof(subkey));
	return ok;
}

/*
 * The fingerprint of the master key, within the envelope; NULL if these bytes are
 * not an envelope of a version that we know.
 */
const uint8_t *
tarx_keys_envelope_fingerprint(const uint8_t *envelope, size_t len)
{
	if (len < TARX_KEYS_ENVELOPE_OVERHEAD || envelope[0] != TARX_KEYS_ENVELOPE_VERSION)
		return NULL;
	return envelope + 1;
}

/* The length of the plaintext in an envelope of len bytes */
size_t
tarx_keys_envelope_plain_len(size_t len)
{
	return len < TARX_KEYS_ENVELOPE_OVERHEAD ? 0 : len - TARX_KEYS_ENVELOPE_OVERHEAD;
}

/*
 * Open an envelope to out[0 .. tarx_keys_envelope_plain_len(len)) by the subkey that
 * the binding has under the master key that the envelope names.  Returns false, with
 * nothing of the plaintext in out, unless every byte and every bound field is as it
 * was when the envelope was sealed.  If out is NULL, this only checks that they are,
 * and decrypts nothing.
 */
bool
tarx_keys_envelope_open_by(uint8_t *out, const uint8_t *subkey, const TarxKeysBinding *binding,
						   const uint8_t *envelope, size_t len)
{
	const uint8_t *fingerprint = tarx_keys_envelope_fingerprint(envelope, len);

	return fingerprint != NULL && !binding->overflow &&
		tarx_keys_decrypt(out, envelope + TARX_KEYS_ENVELOPE_HEADER,
						  len - TARX_KEYS_ENVELOPE_HEADER, binding->aad, binding->len,
						  fingerprint + TARX_KEYS_FINGERPRINT_BYTES, subkey);
}

/* The same by the master key; false as well if the envelope names another one */
bool
tarx_keys_envelope_open(uint8_t *out, const TarxKeysMasterKey *key,
						const TarxKeysBinding *binding, const uint8_t *envelope,
						size_t len)
{
	uint8_t		subkey[TARX_KEYS_SUBKEY_BYTES];
	const uint8_t *fingerprint = tarx_keys_envelope_fingerprint(envelope, len);
	bool		ok;

	if (fingerprint == NULL || binding->overflow ||
		memcmp(fingerprint, key->fingerprint, TARX_KEYS_FINGERPRINT_BYTES) != 0)
		return false;
	tarx_keys_subkey(subkey, key, binding->scope, binding->purpose);
	ok = tarx_keys_envelope_open_by(out, subkey, binding, envelope, len);
	sodium_memzero(subkey, sizeof(subkey));
	return ok;
}

/*
 * Write the stamp of a binding to stamp[0 .. TARX_KEYS_STAMP_BYTES), by the subkey
 * that the binding has under the master key of this fingerprint.  Returns false, and
 * writes nothing, if the binding is too long.
 */
bool
tarx_keys_stamp_make_by(uint8_t *stamp, const uint8_t *fingerprint, const uint8_t *subkey,
						const TarxKeysBinding *binding)
{
	if (binding->overflow)
		return false;
	stamp[0] = TARX_KEYS_ENVELOPE_VERSION;
	memcpy(stamp + 1, fingerprint, TARX_KEYS_FINGERPRINT_BYTES);
	tarx_keys_mac(stamp + 1 + TARX_KEYS_FINGERPRINT_BYTES, subkey, binding->aad,
				  binding->len);
	return true;
}

/* The same by the master key */
bool
tarx_keys_stamp_make(uint8_t *stamp, const TarxKeysMasterKey *key,
					 const TarxKeysBinding *binding)
{
	uint8_t		subkey[TARX_KEYS_SUBKEY_BYTES];
	bool		ok;

	if (binding->overflow)
		return false;
	tarx_keys_subkey(subkey, key, binding->scope, binding->purpose);
	ok = tarx_keys_stamp_make_by(stamp, key->fingerprint, subkey, binding);
	sodium_memzero(subkey, sizeof(subkey));
	return ok;
}

/*
 * The fingerprint of the master key, within the stamp; NULL if these bytes are
 * not a stamp.
 */
const uint8_t *
tarx_keys_stamp_fingerprint(const uint8_t *stamp, size_t len)
{
	if (len != TARX_KEYS_STAMP_BYTES || stamp[0] != TARX_KEYS_ENVELOPE_VERSION)
		return NULL;
	return stamp + 1;
}

/* Is this the stamp of these fields, by the subkey?  In constant time. */
bool
tarx_keys_stamp_check_by(const uint8_t *stamp, size_t len, const uint8_t *subkey,
						 const TarxKeysBinding *binding)
{
	uint8_t		right[TARX_KEYS_STAMP_BYTES];
	const uint8_t *fingerprint = tarx_keys_stamp_fingerprint(stamp, len);
	bool		same;

	same = fingerprint != NULL &&
		tarx_keys_stamp_make_by(right, fingerprint, subkey, binding) &&
		sodium_memcmp(stamp, right, TARX_KEYS_STAMP_BYTES) == 0;
	sodium_memzero(right, sizeof(right));
	return same;
}

/* The same by the master key; false as well if the stamp names another one */
bool
tarx_keys_stamp_check(const uint8_t *stamp, size_t len, const TarxKeysMasterKey *key,
					  const TarxKeysBinding *binding)
{
	uint8_t		subkey[TARX_KEYS_SUBKEY_BYTES];
	const uint8_t *fingerprint = tarx_keys_stamp_fingerprint(stamp, len);
	bool		same;

	if (fingerprint == NULL || binding->overflow ||
		memcmp(fingerprint, key->fingerprint, TARX_KEYS_FINGERPRINT_BYTES) != 0)
		return false;
	tarx_keys_subkey(subkey, key, binding->scope, binding->purpose);
	same = tarx_keys_stamp_check_by(stamp, len, subkey, binding);
	sodium_memzero(subkey, sizeof(subkey));
	return same;
}
