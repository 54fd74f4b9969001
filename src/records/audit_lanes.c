/*
 * audit_lanes.c
 *	  Which lane of the audit log's chains a transaction writes to.
 *
 * Locking: a writer locks a lane when it enters the project, before it changes
 * anything, and keeps the lock to the end of its transaction.  It reads the lane's
 * ends after that, so it sees the latest ones.  A writer also locks audit_ends like
 * an UPDATE.  Purges lock audit_ends against writers and other purges.
 *
 * All writers of a chain share the lock on its generation.  The one that begins the
 * next generation holds that lock alone, and takes it before it changes anything.
 * So nobody writes to a generation that another one follows.  Who ends a user holds
 * it alone as well, if that can be had soon, so that no platform key is made meanwhile.
 *
 * The locks on lanes and generations are on objects that do not exist, so no SQL
 * command can take them.  Callers choose the ids of projects.  So which lock stands
 * for which chain is decided by a hash whose key nobody knows: it is drawn when the
 * server starts, and its processes inherit it.  A transaction that was prepared before
 * that holds locks that stand for nothing any more.  Whoever takes its lane waits for it
 * at its first row, and fails if it commits.
 *
 * A transaction that has removed something without a lane may have rows locked that
 * a writer with a lane waits for.  From then on it waits for no lane.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/snapmgr.h"

#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_hold_audit);

#define LANES			TARX_KEYS_AUDIT_LANES

/* In place of a lane's number */
#define GENERATION		LANES

/* A lock's tag has 32 and 16 bits for the hash of the chain and the lane */
#define LANE_BITS		3
#define HASH_BITS		(16 - LANE_BITS)

StaticAssertDecl(GENERATION < (1 << LANE_BITS), "lanes and the generation need more bits");

static uint8 hash_key[crypto_shorthash_KEYBYTES];

/* The transaction that does without a lane */
static LocalTransactionId without_lane = InvalidLocalTransactionId;

/* To be called while the library is loaded */
void
tarx_keys_audit_lanes_init(void)
{
	randombytes_buf(hash_key, sizeof(hash_key));
}

static uint64
hash_chain(const TarxKeysChain *chain)
{
	uint8		name[UUID_LEN + 1];
	uint64		hash;

	StaticAssertStmt(sizeof(hash) == crypto_shorthash_BYTES, "the hash has another length");
	memcpy(name, chain->id.data, UUID_LEN);
	name[UUID_LEN] = chain->personal;
	(void) crypto_shorthash((uint8 *) &hash, name, sizeof(name), hash_key);
	return hash;
}

static LOCKTAG
lock_tag(const TarxKeysChain *chain, int32 lane)
{
	LOCKTAG		tag;
	uint64		hash = hash_chain(chain);
	uint32		more = (uint32) (hash >> 32) & ((1 << HASH_BITS) - 1);

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, tarx_keys_audit_ends_oid(), (uint32) hash,
					   (uint16) (more << LANE_BITS | (uint32) lane));
	return tag;
}

static bool
has_lock(const TarxKeysChain *chain, int32 lane, LOCKMODE mode)
{
	LOCKTAG		tag = lock_tag(chain, lane);

	return tarx_keys_lock_held(&tag, mode);
}

static bool
take_lock(const TarxKeysChain *chain, int32 lane, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag = lock_tag(chain, lane);

	return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

static void
release_lock(const TarxKeysChain *chain, int32 lane, LOCKMODE mode)
{
	LOCKTAG		tag = lock_tag(chain, lane);

	(void) LockRelease(&tag, mode, false);
}

/*
 * Generations
 */

/*
 * Is the keyring without the master key of the newest generation?  there tells which
 * lanes it has.
 */
static bool
needs_next_generation(const TarxKeysChain *chain, int32 *there)
{
	TarxKeysAuditGeneration newest;
	Snapshot	snapshot;

	*there = 0;
	/* nothing can be sealed then, and so nothing begun */
	if (!tarx_keys_page_has_keyring())
		return false;
	tarx_keys_queries_begin();
	snapshot = tarx_keys_audit_snapshot();
	tarx_keys_audit_newest(chain, snapshot, &newest);
	UnregisterSnapshot(snapshot);
	tarx_keys_queries_end();
	for (int32 lane = 0; lane < LANES; lane++)
	{
		if (newest.states[lane] != TARX_KEYS_ENDS_MISSING)
			*there |= TARX_KEYS_LANE_BIT(lane);
	}
	return newest.lacks_master_key;
}

/* May we begin the next generation of the chain? */
bool
tarx_keys_audit_has_generation(const TarxKeysChain *chain)
{
	return has_lock(chain, GENERATION, ExclusiveLock);
}

/*
 * Take part in the chain's newest generation, or, where its master key is
 * missing, see to it that nobody else does.  Who has to be alone waits while
 * holding nothing of the chain, and so for nobody who waits for it.  there tells which
 * lanes it has, or nothing where we have entered before.
 */
static bool
enter_generation(const TarxKeysChain *chain, bool wait, int32 *there)
{
	*there = 0;
	if (has_lock(chain, GENERATION, ShareLock) || has_lock(chain, GENERATION, ExclusiveLock))
		return true;
	if (!take_lock(chain, GENERATION, ShareLock, wait))
		return false;
	if (!needs_next_generation(chain, there))
		return true;
	release_lock(chain, GENERATION, ShareLock);
	if (!take_lock(chain, GENERATION, ExclusiveLock, wait))
		return false;
	if (!needs_next_generation(chain, there))
	{
		/* somebody has begun it meanwhile; our own locks are not in our way */
		(void) take_lock(chain, GENERATION, ShareLock, true);
		release_lock(chain, GENERATION, ExclusiveLock);
	}
	return true;
}

/* Hold the chain's generation alone, or wait for that: nobody else changes anything. */
void
tarx_keys_audit_lock_generation(const TarxKeysChain *chain)
{
	(void) take_lock(chain, GENERATION, ExclusiveLock, true);
}

/* hold_audit(project_id uuid): see sql/75_audit.sql */
Datum
tarx_keys_hold_audit(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain = tarx_keys_project_chain(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));

	PreventCommandIfReadOnly("LOCK TABLE");
	tarx_keys_audit_lock_generation(&chain);
	PG_RETURN_VOID();
}

/*
 * Lanes
 */

static bool
lock_table(bool wait)
{
	Oid			table = tarx_keys_audit_ends_oid();

	if (!wait)
		return ConditionalLockRelationOid(table, RowExclusiveLock);
	LockRelationOid(table, RowExclusiveLock);
	return true;
}

/* Lock one of these lanes, without waiting; -1 if all are taken. */
static int32
take_one_of(const TarxKeysChain *chain, int32 lanes)
{
	for (int32 lane = 0; lane < LANES; lane++)
	{
		if ((lanes & TARX_KEYS_LANE_BIT(lane)) != 0 && take_lock(chain, lane, ExclusiveLock, false))
			return lane;
	}
	return -1;
}

/*
 * Lock a lane of the chain that nobody else writes to, or wait for one; returns
 * which, or -1 without waiting if there is none.  Once we have one it is that.  One
 * that there is not yet begins with the first row that is written to it; others may
 * be about to begin another one at the same time.
 */
static int32
take_lane(const TarxKeysChain *chain, bool wait)
{
	int32		lane;
	int32		there;

	if (!lock_table(wait) || !enter_generation(chain, wait, &there))
		return -1;
	for (lane = 0; lane < LANES; lane++)
	{
		if (has_lock(chain, lane, ExclusiveLock))
			return lane;
	}
	lane = take_one_of(chain, there);
	if (lane < 0)
		lane = take_one_of(chain, ~there);
	if (lane >= 0)
		return lane;
	lane = MyProcPid % LANES;
	return take_lock(chain, lane, ExclusiveLock, wait) ? lane : -1;
}

static bool
does_without_lane(void)
{
	return LocalTransactionIdIsValid(without_lane) && without_lane == tarx_keys_local_transaction();
}

/* 55P03, with what to do */
void
tarx_keys_audit_fail_in_use(const TarxKeysChain *chain, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("the audit log of %s \"%s\" is in use by other transactions",
					chain->personal ? "user" : "project", tarx_keys_uuid_text(&chain->id)),
			 errhint("%s", hint)));
}

/*
 * Lock a lane for a change; returns which.  To be called before the transaction
 * changes anything of the chain's project: who waited for a lane with a row
 * locked could be waited for.  55P03 if it has done so without a lane.
 */
int32
tarx_keys_audit_lock_lane(const TarxKeysChain *chain)
{
	int32		lane;

	PreventCommandIfReadOnly("INSERT");
	lane = take_lane(chain, !does_without_lane());
	if (lane < 0)
		tarx_keys_audit_fail_in_use(chain,
									"This transaction has removed something without waiting for them. Make the change in another transaction.");
	return lane;
}

/* Lock a lane if there is one without waiting. */
bool
tarx_keys_audit_try_lane(const TarxKeysChain *chain)
{
	return take_lane(chain, false) >= 0;
}

/* Lock this very lane, for what is no writer; returns false if others have it. */
bool
tarx_keys_audit_take_lane(const TarxKeysChain *chain, int32 lane, bool wait)
{
	return lock_table(wait) && take_lock(chain, lane, ExclusiveLock, wait);
}

/* Lock the log of all chains against writers and other purges, or wait for that. */
void
tarx_keys_audit_lock_against_writers(void)
{
	LockRelationOid(tarx_keys_audit_ends_oid(), ShareRowExclusiveLock);
}

/*
 * To be called once what writers lock behind the log is locked as well: they may wait
 * for that.  By the same function as the lock was taken, because locks belong to it.
 */
void
tarx_keys_audit_let_writers_on(void)
{
	UnlockRelationOid(tarx_keys_audit_ends_oid(), ShareRowExclusiveLock);
}

/* From now on this transaction may change something without a lane. */
void
tarx_keys_audit_do_without_lane(void)
{
	without_lane = tarx_keys_local_transaction();
}
