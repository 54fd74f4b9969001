/*
 * platform_key.c
 *	  Whether the platform key that proved the acting user still counts.
 *
 * login() proves who acts once, at the beginning of a transaction.  The key may be
 * revoked, or may expire, while the transaction goes on.  So each call and each
 * list looks the key up again: by its id and hash, in a new snapshot, with its
 * stamp, and with its expiry against the clock.  The answer is not kept for another
 * call.
 *
 * A key that was revoked with its descendants ends all that was made with it.  Those
 * that the revocation saw are revoked themselves.  One that was made in a
 * transaction that committed only afterwards is not.  So a key that was made with
 * another one counts only while none of those before it has ended its descendants.
 * Otherwise a thief could always keep one transaction ahead.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "access/access.h"

static TarxKeysQuery ended_query = {
	.sql = "SELECT 1 FROM tarx_keys_internal.platform_key_ancestors($1) a WHERE a.ends_descendants LIMIT 1",
	.nargs = 1, .argtypes = {UUIDOID}
};

/* Has a key that this one was made with, directly or not, ended all that was made with it? */
static bool
has_ended_with_another(const TarxKeysRow *key)
{
	Datum		values[1] = {key->values[PLATFORM_KEY_ID]};

	return !key->nulls[PLATFORM_KEY_CREATED_WITH] &&
		tarx_keys_finds_as_owner(&tarx_keys_platform_keys, &ended_query, values);
}

/* Has the key, whose stamp is right, expired by now, or ended otherwise? */
bool
tarx_keys_platform_key_is_over(const TarxKeysRow *key)
{
	if (!key->nulls[PLATFORM_KEY_EXPIRES_AT] &&
		DatumGetTimestampTz(key->values[PLATFORM_KEY_EXPIRES_AT]) <= GetCurrentTimestamp())
		return true;
	/* the list says that it is revoked, so it must be */
	return !key->nulls[PLATFORM_KEY_REVOKED_AT] || has_ended_with_another(key);
}

/* Is this the hash in the row? */
static bool
has_hash(const TarxKeysRow *key, const uint8 *hash)
{
	bytea	   *found;

	if (key->nulls[PLATFORM_KEY_TOKEN_HASH])
		return false;
	found = DatumGetByteaPP(key->values[PLATFORM_KEY_TOKEN_HASH]);
	return VARSIZE_ANY_EXHDR(found) == TARX_KEYS_HASH_BYTES &&
		memcmp(VARDATA_ANY(found), hash, TARX_KEYS_HASH_BYTES) == 0;
}

/* Does a platform key have a row that still counts, and this hash, if it is not NULL? */
bool
tarx_keys_platform_key_counts(const pg_uuid_t *id, const uint8 *hash)
{
	Datum		values[1] = {UUIDPGetDatum(id)};
	TarxKeysRow key;

	return tarx_keys_find(&tarx_keys_platform_keys, values, NULL, &key) &&
		tarx_keys_row_state(&tarx_keys_platform_keys, &key) == TARX_KEYS_ROW_OK &&
		(hash == NULL || has_hash(&key, hash)) && !tarx_keys_platform_key_is_over(&key);
}

/*
 * TK010 unless the platform key that proved the acting user counts by now.  Nothing
 * if act_as() named the user, or if there is none.
 */
void
tarx_keys_check_platform_key(void)
{
	pg_uuid_t	id;
	uint8		hash[TARX_KEYS_HASH_BYTES];

	if (!tarx_keys_identity_platform_key(&id, hash))
		return;
	/* the key is not at fault, so this error may be another one */
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	if (!tarx_keys_platform_key_counts(&id, hash))
		ereport(ERROR,
				(errcode(ERRCODE_TK_LOGIN_FAILED),
				 errmsg("the login has ended"),
				 errhint("The platform key has expired or was revoked in the meantime. Log in with another one, in a new transaction.")));
}
