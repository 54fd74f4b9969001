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

static TarxKeysQuery key_query = {
	TARX_KEYS_SELECT(tarx_keys_platform_keys,
					 "WHERE t.id OPERATOR(pg_catalog.=) $1"),
	.nargs = 1, .argtypes = {UUIDOID}
};

static TarxKeysQuery ended_query = {
	.sql = "SELECT 1 FROM tarx_keys_internal.platform_key_ancestors($1) a WHERE a.ends_descendants LIMIT 1",
	.nargs = 1, .argtypes = {UUIDOID}
};

/*
 * Has the key, whose stamp is right, expired by now, or ended otherwise?  In an SPI
 * connection; it replaces SPI_tuptable.
 */
bool
tarx_keys_platform_key_is_over(const TarxKeysRow *key)
{
	Datum		values[1] = {key->values[PLATFORM_KEY_ID]};

	if (!key->nulls[PLATFORM_KEY_EXPIRES_AT] &&
		DatumGetTimestampTz(key->values[PLATFORM_KEY_EXPIRES_AT]) <= GetCurrentTimestamp())
		return true;
	/* the list says that it is revoked, so it must be */
	if (!key->nulls[PLATFORM_KEY_REVOKED_AT])
		return true;
	return !key->nulls[PLATFORM_KEY_CREATED_WITH] &&
		tarx_keys_query_look_up(&ended_query, values) > 0;
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

/*
 * Does a platform key have a row that still counts, and this hash, if it is not NULL?
 * In an SPI connection, as the owner, to whom row security shows the key.
 */
bool
tarx_keys_platform_key_counts(const pg_uuid_t *id, const uint8 *hash)
{
	Datum		values[1] = {UUIDPGetDatum(id)};
	TarxKeysRow key;

	if (tarx_keys_query_look_up(&key_query, values) != 1)
		return false;
	tarx_keys_fetched_row(&tarx_keys_platform_keys, 0, &key);
	return (hash == NULL || has_hash(&key, hash)) &&
		tarx_keys_row_state(&tarx_keys_platform_keys, &key) == TARX_KEYS_ROW_OK &&
		!tarx_keys_platform_key_is_over(&key);
}

/*
 * TK010 unless the platform key that proved the acting user counts by now.  Nothing
 * if act_as() named the user, or if there is none.  As the owner, to whom row
 * security shows the acting user's keys.
 */
void
tarx_keys_check_platform_key(void)
{
	pg_uuid_t	id;
	uint8		hash[TARX_KEYS_HASH_BYTES];
	bool		good;

	if (!tarx_keys_identity_platform_key(&id, hash))
		return;
	/* the key is not at fault, so this error may be another one */
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	tarx_keys_queries_begin();
	good = tarx_keys_platform_key_counts(&id, hash);
	tarx_keys_queries_end();
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_TK_LOGIN_FAILED),
				 errmsg("the login has ended"),
				 errhint("The platform key has expired or was revoked in the meantime. Log in with another one, in a new transaction.")));
}
