/*
 * audit_lanes.c
 *	  The chains of the audit log, and which lane a transaction writes to.
 *
 * Locking: a writer locks a lane when it enters the project, before it changes
 * anything, and keeps the lock to the end of its transaction.  It reads the lane's
 * ends after that, so it sees the latest ones.  The lock is on an object that does
 * not exist, so no SQL command can take it.
 *
 * A writer also locks audit_ends like an UPDATE.  purge_audit() locks audit_ends
 * against writers and other purges.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"

#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_personal_chain);

#define LANES			TARX_KEYS_AUDIT_LANES

/* The id of a user's own chains, for what belongs to no project */
static pg_uuid_t
personal_id(const TarxKeysText *user_id)
{
	uint8		hash[TARX_KEYS_HASH_BYTES];
	pg_uuid_t	id;

	tarx_keys_hash(hash, (const uint8 *) user_id->data, user_id->len);
	memcpy(id.data, hash, UUID_LEN);
	return id;
}

/* The chains of a project */
TarxKeysChain
tarx_keys_project_chain(const pg_uuid_t *project_id)
{
	return (TarxKeysChain) {*project_id, false};
}

/* The chains of a user; user_id is in UTF-8. */
TarxKeysChain
tarx_keys_personal_chain_of(const TarxKeysText *user_id)
{
	return (TarxKeysChain) {personal_id(user_id), true};
}

/* personal_chain(user_id text) returns uuid: the id of a user's own chains */
Datum
tarx_keys_personal_chain(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id;
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	/* a policy passes the acting user, and there may be none */
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");
	*id = personal_id(&user_id);
	PG_RETURN_UUID_P(id);
}

/*
 * Lanes
 */

/* The table whose lock keeps writers and purge_audit() apart */
Oid
tarx_keys_audit_ends_oid(void)
{
	return get_relname_relid(tarx_keys_audit_ends.name,
							 get_namespace_oid(tarx_keys_audit_ends.schema, false));
}

static LOCKTAG
lane_tag(const TarxKeysChain *chain, int32 lane)
{
	LOCKTAG		tag;
	uint32		hash = hash_bytes(chain->id.data, UUID_LEN) + chain->personal;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, tarx_keys_audit_ends_oid(), hash, lane);
	return tag;
}

static bool
has_lane(const TarxKeysChain *chain, int32 lane)
{
	LOCKTAG		tag = lane_tag(chain, lane);

	return tarx_keys_lock_held(&tag, ExclusiveLock);
}

static bool
lock_lane(const TarxKeysChain *chain, int32 lane, bool wait)
{
	LOCKTAG		tag = lane_tag(chain, lane);

	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Lock a lane that nobody else writes to, or wait for one, and return it.  A
 * transaction that has a lane already keeps it.
 *
 * Call this before the transaction changes anything in the project.  Otherwise it
 * could wait for a lane while it has a row locked that the owner of the lane waits
 * for.
 */
int32
tarx_keys_audit_lock_lane(const TarxKeysChain *chain)
{
	int32		lane;

	PreventCommandIfReadOnly("INSERT");
	LockRelationOid(tarx_keys_audit_ends_oid(), RowExclusiveLock);
	for (lane = 0; lane < LANES; lane++)
	{
		if (has_lane(chain, lane))
			return lane;
	}
	for (lane = 0; lane < LANES; lane++)
	{
		if (lock_lane(chain, lane, false))
			return lane;
	}
	lane = MyProcPid % LANES;
	(void) lock_lane(chain, lane, true);
	return lane;
}
