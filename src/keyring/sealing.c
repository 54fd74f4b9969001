/*
 * sealing.c
 *	  What is done with master keys: seals, stamps, opens and checks.
 *
 * The master key is in clear on the stack only here, only between fetching it
 * from the keyring page and wiping it, and no error can come in between.  A call that
 * opens several rows of a project keeps their subkey until they are open, and no
 * longer.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "keyring/keyring.h"

/* Seal a value; the envelope as a bytea.  TK005 without a keyring. */
bytea *
tarx_keys_seal(const TarxKeysBinding *binding, const TarxKeysText *value)
{
	TarxKeysMasterKey master;
	size_t		size = VARHDRSZ + TARX_KEYS_ENVELOPE_OVERHEAD + value->len;
	bytea	   *envelope = palloc(size);
	bool		ok;

	SET_VARSIZE(envelope, size);
	tarx_keys_page_active_key(&master);
	ok = tarx_keys_envelope_seal((uint8 *) VARDATA(envelope), &master, binding,
								 (const uint8 *) value->data, value->len);
	sodium_memzero(&master, sizeof(master));
	if (!ok)
		elog(ERROR, "the fields of a row exceed what can be bound");
	return envelope;
}

/*
 * A place for a subkey, while a call opens several envelopes that it fits.  It is a
 * registered secret, which the caller wipes when the last one is open.
 */
TarxKeysSubkey *
tarx_keys_keep_subkey(void)
{
	TarxKeysSubkey *subkey = palloc0(sizeof(TarxKeysSubkey));

	subkey->secret = tarx_keys_secret_register(subkey, sizeof(TarxKeysSubkey));
	return subkey;
}

static bool
is_for(const TarxKeysSubkey *subkey, const TarxKeysBinding *binding)
{
	return subkey->purpose == binding->purpose &&
		memcmp(subkey->scope, binding->scope, sizeof(subkey->scope)) == 0;
}

/* Derive the subkey that a binding has, and wipe the master key. */
static void
derive(TarxKeysSubkey *subkey, const TarxKeysBinding *binding, TarxKeysMasterKey *master)
{
	tarx_keys_subkey(subkey->key, master, binding->scope, binding->purpose);
	memcpy(subkey->fingerprint, master->fingerprint, sizeof(subkey->fingerprint));
	sodium_memzero(master, sizeof(*master));
	subkey->purpose = binding->purpose;
	memcpy(subkey->scope, binding->scope, sizeof(subkey->scope));
}

/*
 * Make it the subkey of a binding under the master key of this fingerprint, unless it
 * is that already; false if the key is missing.
 */
bool
tarx_keys_find_subkey(TarxKeysSubkey *subkey, const TarxKeysBinding *binding, const uint8 *fingerprint)
{
	TarxKeysMasterKey master;

	if (is_for(subkey, binding) &&
		memcmp(subkey->fingerprint, fingerprint, sizeof(subkey->fingerprint)) == 0)
		return true;
	if (!tarx_keys_page_find_key(fingerprint, &master))
		return false;
	derive(subkey, binding, &master);
	return true;
}

/*
 * The same under the active master key; one that was active when it was derived is
 * kept.  TK005 without a keyring.
 */
void
tarx_keys_active_subkey(TarxKeysSubkey *subkey, const TarxKeysBinding *binding)
{
	TarxKeysMasterKey master;

	if (is_for(subkey, binding))
		return;
	tarx_keys_page_active_key(&master);
	derive(subkey, binding, &master);
}

/*
 * Open an envelope, for those to whom it is no error if that fails: the value,
 * as it was sealed in UTF-8, as a registered secret that the caller wipes; its
 * secret is NULL if there is none to wipe.  kept is a place for the subkey, or NULL.
 */
TarxKeysRowState
tarx_keys_try_open(TarxKeysSubkey *kept, const TarxKeysBinding *binding, bytea *envelope,
				   TarxKeysText *value)
{
	TarxKeysSubkey own = {.purpose = NULL};
	TarxKeysSubkey *subkey = kept != NULL ? kept : &own;
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(envelope);
	size_t		len = VARSIZE_ANY_EXHDR(envelope);
	const uint8 *fingerprint = tarx_keys_envelope_fingerprint(bytes, len);
	bool		ok;

	*value = (TarxKeysText) {NULL, 0, NULL};
	if (fingerprint == NULL)
		return TARX_KEYS_ROW_TAMPERED;
	value->len = tarx_keys_envelope_plain_len(len);
	value->data = palloc(value->len + 1);
	value->secret = tarx_keys_secret_register(value->data, value->len);
	if (!tarx_keys_find_subkey(subkey, binding, fingerprint))
		return TARX_KEYS_ROW_WITHOUT_MASTER_KEY;
	ok = tarx_keys_envelope_open_by((uint8 *) value->data, subkey->key, binding, bytes, len);
	sodium_memzero(&own, sizeof(own));
	return ok ? TARX_KEYS_ROW_OK : TARX_KEYS_ROW_TAMPERED;
}

/* Is this what was sealed to these fields?  Checks, but does not open. */
TarxKeysRowState
tarx_keys_check_envelope(const TarxKeysBinding *binding, bytea *envelope)
{
	TarxKeysMasterKey master;
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(envelope);
	size_t		len = VARSIZE_ANY_EXHDR(envelope);
	const uint8 *fingerprint = tarx_keys_envelope_fingerprint(bytes, len);
	bool		ok;

	if (fingerprint == NULL)
		return TARX_KEYS_ROW_TAMPERED;
	if (!tarx_keys_page_find_key(fingerprint, &master))
		return TARX_KEYS_ROW_WITHOUT_MASTER_KEY;
	ok = tarx_keys_envelope_open(NULL, &master, binding, bytes, len);
	sodium_memzero(&master, sizeof(master));
	return ok ? TARX_KEYS_ROW_OK : TARX_KEYS_ROW_TAMPERED;
}

/* TK005 or TK006 */
pg_noreturn static void
fail_without_master_key(const uint8 *fingerprint)
{
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	tarx_keys_fail_master_key_missing(fingerprint);
}

/*
 * Does the keyring lack the master key that an envelope names?  For those to
 * whom that is no error.  TK005 without a keyring.
 */
bool
tarx_keys_master_key_is_missing(bytea *envelope)
{
	TarxKeysMasterKey master;
	const uint8 *fingerprint = tarx_keys_envelope_fingerprint((const uint8 *) VARDATA_ANY(envelope),
															  VARSIZE_ANY_EXHDR(envelope));

	if (fingerprint == NULL)
		return false;
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	if (!tarx_keys_page_find_key(fingerprint, &master))
		return true;
	sodium_memzero(&master, sizeof(master));
	return false;
}

/*
 * Open an envelope: the value as a registered secret that the caller wipes, in
 * UTF-8 or in the database's encoding.  False if the envelope, or anything that
 * it is bound to, is not what was sealed.  TK005 or TK006 if the master key is
 * missing.  kept is a place for the subkey, or NULL.
 */
bool
tarx_keys_open(TarxKeysSubkey *kept, const TarxKeysBinding *binding, bytea *envelope, bool as_utf8,
			   TarxKeysText *value)
{
	TarxKeysRowState state = tarx_keys_try_open(kept, binding, envelope, value);

	if (state == TARX_KEYS_ROW_WITHOUT_MASTER_KEY)
		fail_without_master_key(tarx_keys_envelope_fingerprint((const uint8 *) VARDATA_ANY(envelope),
															   VARSIZE_ANY_EXHDR(envelope)));
	if (state != TARX_KEYS_ROW_OK)
		return false;
	if (!as_utf8)
		*value = tarx_keys_secret_from_utf8(*value);
	return true;
}

/* The stamp of fields that are stored in clear, as a bytea.  TK005 without a keyring. */
bytea *
tarx_keys_stamp(const TarxKeysBinding *binding)
{
	TarxKeysMasterKey master;
	bytea	   *stamp = palloc(VARHDRSZ + TARX_KEYS_STAMP_BYTES);
	bool		ok;

	SET_VARSIZE(stamp, VARHDRSZ + TARX_KEYS_STAMP_BYTES);
	tarx_keys_page_active_key(&master);
	ok = tarx_keys_stamp_make((uint8 *) VARDATA(stamp), &master, binding);
	sodium_memzero(&master, sizeof(master));
	if (!ok)
		elog(ERROR, "the fields of a row exceed what can be stamped");
	return stamp;
}

/* Is this the stamp of these fields? */
TarxKeysRowState
tarx_keys_check_stamp(const TarxKeysBinding *binding, bytea *stamp)
{
	TarxKeysMasterKey master;
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(stamp);
	size_t		len = VARSIZE_ANY_EXHDR(stamp);
	const uint8 *fingerprint = tarx_keys_stamp_fingerprint(bytes, len);
	bool		ok;

	if (fingerprint == NULL)
		return TARX_KEYS_ROW_TAMPERED;
	if (!tarx_keys_page_find_key(fingerprint, &master))
		return TARX_KEYS_ROW_WITHOUT_MASTER_KEY;
	ok = tarx_keys_stamp_check(bytes, len, &master, binding);
	sodium_memzero(&master, sizeof(master));
	return ok ? TARX_KEYS_ROW_OK : TARX_KEYS_ROW_TAMPERED;
}

/* TK005 or TK006, for a stamp whose master key tarx_keys_check_stamp() did not find */
void
tarx_keys_fail_unverifiable_stamp(bytea *stamp)
{
	fail_without_master_key(tarx_keys_stamp_fingerprint((const uint8 *) VARDATA_ANY(stamp),
														VARSIZE_ANY_EXHDR(stamp)));
}

/* The public key of the active master key.  TK005 without a keyring. */
void
tarx_keys_active_public_key(uint8 *public_key)
{
	TarxKeysMasterKey master;

	tarx_keys_page_active_key(&master);
	tarx_keys_sealed_box_public_key(public_key, &master);
	sodium_memzero(&master, sizeof(master));
}

/*
 * Open a box by whichever master key does, the active one first: its payload
 * as a registered secret that the caller wipes.  False if none does; TK005
 * without a keyring.
 */
bool
tarx_keys_open_box(bytea *box, TarxKeysText *payload)
{
	uint8		fingerprints[TARX_KEYS_KEYRING_MAX_KEYS][TARX_KEYS_FINGERPRINT_BYTES];
	int			count = tarx_keys_page_fingerprints(fingerprints);
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(box);
	size_t		len = VARSIZE_ANY_EXHDR(box);
	bool		ok = false;

	if (len < TARX_KEYS_BOX_OVERHEAD)
		return false;
	payload->len = len - TARX_KEYS_BOX_OVERHEAD;
	payload->data = palloc(payload->len + 1);
	payload->secret = tarx_keys_secret_register(payload->data, payload->len);
	for (int i = 0; i < count && !ok; i++)
	{
		TarxKeysMasterKey master;

		/* a reload may just have dropped it */
		if (!tarx_keys_page_find_key(fingerprints[i], &master))
			continue;
		ok = tarx_keys_sealed_box_open((uint8 *) payload->data, &master, bytes, len);
		sodium_memzero(&master, sizeof(master));
	}
	return ok;
}
