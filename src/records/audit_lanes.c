/*
 * audit_lanes.c
 *	  The chains of the audit log, and who may write to which of their lanes.
 *
 * Locking: a writer holds its lane from when it enters the project, before it
 * changes anything, to the end of its transaction; only then are the lane's
 * ends read, as they are by now.  The lock is one on an object that does not
 * exist, because no SQL command can take that.  Writers lock audit_ends as an
 * UPDATE does, purge_audit() against them and itself.
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

/* A user's own chain, for what belongs to no project */
static pg_uuid_t
personal_id(const TarxKeysText *user_id)
{
	uint8		hash[TARX_KEYS_HASH_BYTES];
	pg_uuid_t	id;

	tarx_keys_hash(hash, (const uint8 *) user_id->data, user_id->len);
	memcpy(id.data, hash, UUID_LEN);
	return id;
}

TarxKeysChain
tarx_keys_project_chain(const pg_uuid_t *project_id)
{
	return (TarxKeysChain) {*project_id, false};
}

/* user_id is in UTF-8. */
TarxKeysChain
tarx_keys_personal_chain_of(const TarxKeysText *user_id)
{
	return (TarxKeysChain) {personal_id(user_id), true};
}

/* personal_chain(user_id text) returns uuid: the id of a user's own chain */
Datum
tarx_keys_personal_chain(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id;
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	/* a policy asks for that of the acting user, whom there may not be */
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
 * Lock a lane of the chain that nobody else writes to, or wait for one; returns
 * which.  Once we have one it is that.  To be called before the transaction
 * changes anything of the chain's project: who waited for a lane with a row
 * locked could be waited for.
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
