/*
 * audit_purge.c
 *	  Deletes old rows of the audit log, so that the rest can still be verified,
 *	  and rows whose master key is lost, which nobody can verify any more.
 *
 * Of old rows, those before the first one that stays are deleted in each lane, and
 * only if they are as they were written.  So a purge removes no trace of
 * tampering, and leaves no hole where the clock was set back.  It locks one lane at a
 * time, like a writer, and sql/75_audit.sql commits behind each batch.
 *
 * The ends always stay.  So verify_audit() misses a generation that somebody else
 * has removed, and the numbers of rows go on from where they were.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "identity/identity.h"
#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_purge_audit_lane);
PG_FUNCTION_INFO_V1(tarx_keys_purge_unverifiable_audit);
PG_FUNCTION_INFO_V1(tarx_keys_purge_unverifiable_personal_audit);

#define LANES			TARX_KEYS_AUDIT_LANES

/* For writers, in milliseconds: less than removals wait for the log */
#define LONGEST_WAIT	1000

static TarxKeysQuery delete_query = {
	.sql = "DELETE FROM tarx_keys.audit_log a"
	" WHERE a.project_id OPERATOR(pg_catalog.=) $1 AND a.personal OPERATOR(pg_catalog.=) $2"
	" AND (a.seq OPERATOR(pg_catalog.%) $4) OPERATOR(pg_catalog.=) (($3 OPERATOR(pg_catalog.+) 1) OPERATOR(pg_catalog.%) $4)"
	" AND a.generation OPERATOR(pg_catalog.=) $7"
	" AND a.seq OPERATOR(pg_catalog.>=) $5 AND a.seq OPERATOR(pg_catalog.<=) $6",
	.nargs = 7, .argtypes = {UUIDOID, BOOLOID, INT4OID, INT4OID, INT8OID, INT8OID, INT4OID}
};

static TarxKeysQuery chain_query = {
	TARX_KEYS_SELECT(tarx_keys_audit_ends,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.personal OPERATOR(pg_catalog.=) $2"
					 " ORDER BY t.generation, t.lane"),
	.nargs = 2, .argtypes = {UUIDOID, BOOLOID}
};

static void
warn_not_purged(const TarxKeysChain *chain, const char *reason)
{
	ereport(WARNING,
			(errcode(ERRCODE_TK_INTEGRITY),
			 errmsg("rows of the audit log of %s \"%s\" are kept: %s",
					chain->personal ? "user" : "project", tarx_keys_uuid_text(&chain->id), reason),
			 errhint("Call tarx_keys.verify_audit(), and find out who changed the tables audit_log and audit_ends.")));
}

/* Delete the rows of a lane with numbers from the first to the last one. */
static uint64
delete_rows(const TarxKeysAuditEnds *ends, int64 first, int64 last)
{
	Datum		values[7] = {UUIDPGetDatum(&ends->chain.id), BoolGetDatum(ends->chain.personal),
		Int32GetDatum(ends->lane), Int32GetDatum(LANES), Int64GetDatum(first), Int64GetDatum(last),
	Int32GetDatum(ends->generation)};

	return tarx_keys_query_run_latest(&delete_query, values, NULL);
}

/*
 * Delete the rows that the walk has found good, and begin the chain behind them.  The
 * rows go first, as in purge_project(), for which the ends may be gone afterwards.
 */
static uint64
delete_good_rows(TarxKeysAuditEnds *ends, const TarxKeysAuditWalk *walk)
{
	uint64		count = delete_rows(ends, ends->at.first_seq, walk->good.seq);

	ends->at.first_seq = tarx_keys_chain_next(walk->good.seq);
	ends->first_at = walk->next_at;
	memcpy(ends->at.first_stamp, walk->good.stamp, TARX_KEYS_MAC_BYTES);
	(void) tarx_keys_audit_write_ends(ends);
	return count;
}

/* A lane that is to be purged */
typedef struct Lane
{
	TarxKeysChain chain;
	int32		generation;
	int32		number;
	TimestampTz before;
	int64		most;			/* rows at once */
	bool		is_last_try;	/* waits for writers, and warns */
} Lane;

static uint64
purge_rows(const Lane *lane, Snapshot snapshot)
{
	TarxKeysAuditEnds ends = {0};
	TarxKeysAuditWalk walk = {.ends = &ends, .before = lane->before, .most = lane->most};
	TarxKeysEndsState state = tarx_keys_audit_read_ends(&lane->chain, lane->generation, lane->number,
														snapshot, &ends);
	const char *problem = tarx_keys_audit_ends_problem(state);
	uint64		count = 0;

	if (state == TARX_KEYS_ENDS_WITHOUT_MASTER_KEY)
		problem = "the master key of their chain is missing";
	if (state == TARX_KEYS_ENDS_GOOD)
	{
		tarx_keys_audit_follow(&walk, snapshot);
		if (walk.why != TARX_KEYS_CHAIN_WHOLE)
			problem = tarx_keys_chain_break_text(walk.why);
		else if (walk.rows > 0)
			count = delete_good_rows(&ends, &walk);
		tarx_keys_secret_wipe(ends.key.secret);
	}
	/* purge_project() can have removed them meanwhile */
	if (problem != NULL && state != TARX_KEYS_ENDS_MISSING && lane->is_last_try)
		warn_not_purged(&lane->chain, problem);
	return count;
}

static void
wait_for_lane(void *arg)
{
	const Lane *lane = arg;

	(void) tarx_keys_audit_take_lane(&lane->chain, lane->number, true);
}

/* Keep writers and other purges from the lane; returns false if it is theirs. */
static bool
lock_lane(Lane *lane)
{
	if (!lane->is_last_try)
		return tarx_keys_audit_take_lane(&lane->chain, lane->number, false);
	if (tarx_keys_audit_attempt(wait_for_lane, lane, LONGEST_WAIT) == 0)
		return true;
	ereport(WARNING,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("rows of the audit log of %s \"%s\" are kept: another transaction holds them",
					lane->chain.personal ? "user" : "project", tarx_keys_uuid_text(&lane->chain.id)),
			 errhint("Purge again when it is over. pg_locks shows who holds tarx_keys_internal.audit_ends.")));
	return false;
}

/*
 * purge_audit_lane(project_id uuid, personal boolean, generation integer, lane
 * integer, before timestamptz, batch_size integer, is_last_try boolean) returns
 * bigint: see sql/75_audit.sql
 */
Datum
tarx_keys_purge_audit_lane(PG_FUNCTION_ARGS)
{
	Lane		lane = {
		.chain = {*PG_GETARG_UUID_P(0), PG_GETARG_BOOL(1)},
		.generation = PG_GETARG_INT32(2),
		.number = PG_GETARG_INT32(3),
		.before = PG_GETARG_TIMESTAMPTZ(4),
		.most = PG_GETARG_INT32(5),
		.is_last_try = PG_GETARG_BOOL(6)
	};
	Snapshot	snapshot;
	uint64		count;

	/* others stand for something else */
	if (lane.number >= 0 && lane.number < LANES && !lock_lane(&lane))
		PG_RETURN_INT64(0);
	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	tarx_keys_audit_lock_rows();
	snapshot = tarx_keys_latest_snapshot();
	count = purge_rows(&lane, snapshot);
	UnregisterSnapshot(snapshot);
	tarx_keys_queries_end();
	PG_RETURN_INT64((int64) count);
}

/*
 * What nobody can verify
 */

static void
lock_out_writers(void *arg pg_attribute_unused())
{
	tarx_keys_audit_lock_against_writers();
}

/*
 * Keep writers and other purges away, so that one snapshot is enough.  All writers
 * of all projects wait behind a purge that waits for one of them, so it waits for a
 * short time only.
 */
static void
begin_purge(void)
{
	int			sqlerrcode;

	/* a standby would refuse the lock, too, but with another error */
	PreventCommandIfReadOnly("DELETE");
	tarx_keys_enter_maintenance_mode();
	sqlerrcode = tarx_keys_audit_attempt(lock_out_writers, NULL, LONGEST_WAIT);
	if (sqlerrcode != 0)
		ereport(ERROR,
				(errcode(sqlerrcode),
				 errmsg("the audit log is in use by other transactions"),
				 errhint("Call the function again when they are over. pg_locks shows who holds tarx_keys_internal.audit_ends.")));
	tarx_keys_queries_begin();
}

/*
 * Delete the rows of a lane whose master key is missing.  Its ends say what they
 * said, but as ends of a chain that is empty, and sealed with the active master
 * key; what the next generation has noted of them stays right.  If this is the
 * newest one, it goes on, by numbers that can be rows'.
 */
static uint64
purge_unverifiable_lane(TarxKeysAuditEnds *ends, bool is_newest)
{
	if (is_newest && !tarx_keys_chain_can_go_on(&ends->at, ends->lane))
		tarx_keys_chain_start(&ends->at, ends->lane);
	ends->at.first_seq = tarx_keys_chain_next(ends->at.last_seq);
	memcpy(ends->at.first_stamp, ends->at.last_stamp, TARX_KEYS_MAC_BYTES);
	if (!tarx_keys_audit_renew_ends(ends))
		tarx_keys_fail_chain(&ends->chain);
	return delete_rows(ends, 1, PG_INT64_MAX);
}

/* The ends in SPI_tuptable whose master key is missing, and how many they are */
static TarxKeysAuditEnds *
unverifiable_ends(const TarxKeysChain *chain, uint64 rows, int *count, int32 *newest)
{
	TarxKeysAuditEnds *all = palloc(sizeof(TarxKeysAuditEnds) * (rows + 1));

	*count = 0;
	*newest = 0;
	for (uint64 i = 0; i < rows; i++)
	{
		TarxKeysRow row;
		TarxKeysEndsState state;

		tarx_keys_fetched_row(&tarx_keys_audit_ends, i, &row);
		state = tarx_keys_audit_read_closed(chain, &row, &all[*count]);
		*newest = all[*count].generation;
		if (state == TARX_KEYS_ENDS_WITHOUT_MASTER_KEY)
			(*count)++;
	}
	return all;
}

static int64
purge_unverifiable(const TarxKeysChain *chain)
{
	Datum		values[2] = {UUIDPGetDatum(&chain->id), BoolGetDatum(chain->personal)};
	TarxKeysAuditEnds *lanes;
	uint64		deleted = 0;
	int			count;
	int32		newest;

	/* without a keyring every master key is missing */
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	begin_purge();
	lanes = unverifiable_ends(chain, tarx_keys_query_run_latest(&chain_query, values, NULL), &count,
							  &newest);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		deleted += purge_unverifiable_lane(&lanes[i], lanes[i].generation == newest);
	}
	tarx_keys_queries_end();
	if (count > 0)
		tarx_keys_log_operation(psprintf("purges " UINT64_FORMAT " rows of the audit log of %s %s, in %d chains whose master key is missing",
										 deleted, chain->personal ? "user" : "project",
										 tarx_keys_uuid_text(&chain->id), count));
	return (int64) deleted;
}

/* purge_unverifiable_audit(project_id uuid) returns bigint: see sql/75_audit.sql */
Datum
tarx_keys_purge_unverifiable_audit(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain = tarx_keys_project_chain(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));

	PG_RETURN_INT64(purge_unverifiable(&chain));
}

/* purge_unverifiable_personal_audit(user_id text) returns bigint: see sql/75_audit.sql */
Datum
tarx_keys_purge_unverifiable_personal_audit(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");
	TarxKeysChain chain = tarx_keys_personal_chain_of(&user_id);

	PG_RETURN_INT64(purge_unverifiable(&chain));
}
