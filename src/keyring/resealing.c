/*
 * resealing.c
 *	  Seals rows again, with the active master key, many at a time.
 *
 * Rows of one project are near each other.  So the two subkeys of the last row are
 * kept for the next one, and nonces are drawn in bulk.  That lasts for one batch:
 * the end of the batch, or the end of its memory context after an error, wipes all
 * of it.  Of each value there is one copy, which is wiped before the next row.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "keyring/keyring.h"

#define NONCES	64

/* The subkey of a scope and purpose under one master key */
typedef struct Subkey
{
	bool		is_set;
	uint8		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];
	uint8		scope[TARX_KEYS_SCOPE_BYTES];
	const char *purpose;
	uint8		key[TARX_KEYS_SUBKEY_BYTES];
} Subkey;

struct TarxKeysResealing
{
	Subkey		old;			/* opens or checks */
	Subkey		active;			/* seals or stamps */
	int			nonces_left;
	uint8		nonces[NONCES][TARX_KEYS_NONCE_BYTES];
};

/* Begin a batch, in the current memory context. */
TarxKeysResealing *
tarx_keys_resealing_begin(void)
{
	TarxKeysResealing *batch = palloc0(sizeof(TarxKeysResealing));

	(void) tarx_keys_secret_register(batch, sizeof(*batch));
	return batch;
}

/* Wipe what the batch has kept. */
void
tarx_keys_resealing_end(TarxKeysResealing *batch)
{
	sodium_memzero(batch, sizeof(*batch));
}

static bool
is_for(const Subkey *subkey, const TarxKeysBinding *binding)
{
	return subkey->is_set && subkey->purpose == binding->purpose &&
		memcmp(subkey->scope, binding->scope, TARX_KEYS_SCOPE_BYTES) == 0;
}

/* Derive the subkey that a binding has, and wipe the master key. */
static void
derive(Subkey *subkey, const TarxKeysBinding *binding, TarxKeysMasterKey *master)
{
	tarx_keys_subkey(subkey->key, master, binding->scope, binding->purpose);
	memcpy(subkey->fingerprint, master->fingerprint, TARX_KEYS_FINGERPRINT_BYTES);
	sodium_memzero(master, sizeof(*master));
	memcpy(subkey->scope, binding->scope, TARX_KEYS_SCOPE_BYTES);
	subkey->purpose = binding->purpose;
	subkey->is_set = true;
}

/* The subkey under the master key of a fingerprint; NULL if the keyring lacks that */
static const uint8 *
old_subkey(TarxKeysResealing *batch, const TarxKeysBinding *binding, const uint8 *fingerprint)
{
	Subkey	   *subkey = &batch->old;
	TarxKeysMasterKey master;

	if (!is_for(subkey, binding) ||
		memcmp(subkey->fingerprint, fingerprint, TARX_KEYS_FINGERPRINT_BYTES) != 0)
	{
		if (!tarx_keys_page_find_key(fingerprint, &master))
			return NULL;
		derive(subkey, binding, &master);
	}
	return subkey->key;
}

/* The subkey under the active master key.  TK005 without a keyring. */
static const Subkey *
active_subkey(TarxKeysResealing *batch, const TarxKeysBinding *binding)
{
	TarxKeysMasterKey master;

	if (!is_for(&batch->active, binding))
	{
		tarx_keys_page_active_key(&master);
		derive(&batch->active, binding, &master);
	}
	return &batch->active;
}

static const uint8 *
next_nonce(TarxKeysResealing *batch)
{
	if (batch->nonces_left == 0)
	{
		randombytes_buf(batch->nonces, sizeof(batch->nonces));
		batch->nonces_left = NONCES;
	}
	return batch->nonces[--batch->nonces_left];
}

/*
 * Seal again what an envelope has.  Returns NULL if it is not what was sealed to
 * these fields, or its master key is missing.
 */
bytea *
tarx_keys_reseal_envelope(TarxKeysResealing *batch, const TarxKeysBinding *binding, bytea *envelope)
{
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(envelope);
	size_t		len = VARSIZE_ANY_EXHDR(envelope);
	size_t		plain_len = tarx_keys_envelope_plain_len(len);
	const uint8 *fingerprint = tarx_keys_envelope_fingerprint(bytes, len);
	const uint8 *subkey = fingerprint != NULL ? old_subkey(batch, binding, fingerprint) : NULL;
	const Subkey *active;
	bytea	   *result;
	uint8	   *plain;
	TarxKeysSecret *secret;

	if (subkey == NULL)
		return NULL;
	active = active_subkey(batch, binding);
	plain = palloc(plain_len + 1);
	secret = tarx_keys_secret_register(plain, plain_len);
	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + len);
	if (!tarx_keys_envelope_open_by(plain, subkey, binding, bytes, len) ||
		!tarx_keys_envelope_seal_by((uint8 *) VARDATA(result), active->fingerprint, active->key,
									next_nonce(batch), binding, plain, plain_len))
		result = NULL;
	tarx_keys_secret_wipe(secret);
	return result;
}

/* The same with a stamp */
bytea *
tarx_keys_restamp(TarxKeysResealing *batch, const TarxKeysBinding *binding, bytea *stamp)
{
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(stamp);
	size_t		len = VARSIZE_ANY_EXHDR(stamp);
	const uint8 *fingerprint = tarx_keys_stamp_fingerprint(bytes, len);
	const uint8 *subkey = fingerprint != NULL ? old_subkey(batch, binding, fingerprint) : NULL;
	const Subkey *active;
	bytea	   *result;

	if (subkey == NULL || !tarx_keys_stamp_check_by(bytes, len, subkey, binding))
		return NULL;
	active = active_subkey(batch, binding);
	result = palloc(VARHDRSZ + TARX_KEYS_STAMP_BYTES);
	SET_VARSIZE(result, VARHDRSZ + TARX_KEYS_STAMP_BYTES);
	return tarx_keys_stamp_make_by((uint8 *) VARDATA(result), active->fingerprint, active->key,
								   binding) ? result : NULL;
}
