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

struct TarxKeysResealing
{
	TarxKeysSubkey old;			/* opens or checks */
	TarxKeysSubkey active;		/* seals or stamps */
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

/*
 * Have the subkeys that a binding has under the master key of a fingerprint, which is
 * NULL if there is none, and under the active one; false if the keyring lacks the first.
 */
static bool
find_subkeys(TarxKeysResealing *batch, const TarxKeysBinding *binding, const uint8 *fingerprint)
{
	if (fingerprint == NULL || !tarx_keys_find_subkey(&batch->old, binding, fingerprint))
		return false;
	tarx_keys_active_subkey(&batch->active, binding);
	return true;
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
	bytea	   *result;
	uint8	   *plain;
	TarxKeysSecret *secret;

	if (!find_subkeys(batch, binding, tarx_keys_envelope_fingerprint(bytes, len)))
		return NULL;
	plain = palloc(plain_len + 1);
	secret = tarx_keys_secret_register(plain, plain_len);
	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + len);
	if (!tarx_keys_envelope_open_by(plain, batch->old.key, binding, bytes, len) ||
		!tarx_keys_envelope_seal_by((uint8 *) VARDATA(result), batch->active.fingerprint,
									batch->active.key, next_nonce(batch), binding, plain, plain_len))
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
	bytea	   *result;

	if (!find_subkeys(batch, binding, tarx_keys_stamp_fingerprint(bytes, len)) ||
		!tarx_keys_stamp_check_by(bytes, len, batch->old.key, binding))
		return NULL;
	result = palloc(VARHDRSZ + TARX_KEYS_STAMP_BYTES);
	SET_VARSIZE(result, VARHDRSZ + TARX_KEYS_STAMP_BYTES);
	return tarx_keys_stamp_make_by((uint8 *) VARDATA(result), batch->active.fingerprint,
								   batch->active.key, binding) ? result : NULL;
}
