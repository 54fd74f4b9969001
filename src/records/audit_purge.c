/*
 * audit_purge.c
 *	  Deletes old rows of the audit log, so that the rest can still be verified,
 *	  and rows whose master key is lost, which nobody can verify any more.
 *
 * Of old rows, those before the first one that stays are deleted in each lane, and
 * only if they are as they were written.  So a purge removes no trace of
 * tampering, and leaves no hole where the clock was set back.
 *
 * The ends always stay.  So verify_audit() misses a generation that somebody else
 * has removed, and the numbers of rows go on from where they were.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "identity/identity.h"
#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_purge_audit);
PG_FUNCTION_INFO_V1(tarx_keys_purge_unverifiable_audit);
PG_FUNCTION_INFO_V1(tarx_keys_purge_unverifiable_personal_audit);

#define LANES			TARX_KEYS_AUDIT_LANES
#define ROWS_AT_ONCE	1000

/* For the writers, in milliseconds: less than removals wait for the log */
#define LONGEST_WAIT	1000

/*
 * The lanes whose first row claims to be old enough; the walk checks that later.
 * Also the lanes whose first row is missing, for a warning.
 */
static TarxKeysQuery old_chains_query = {
	.sql = "SELECT e.project_id, e.personal, e.generation, e.lane FROM tarx_keys_internal.audit_ends e"
	" LEFT JOIN tarx_keys.audit_log a ON a.project_id OPERATOR(pg_catalog.=) e.project_id"
	" AND a.personal OPERATOR(pg_catalog.=) e.personal"
	" AND a.generation OPERATOR(pg_catalog.=) e.generation AND a.seq OPERATOR(pg_catalog.=) e.first_seq"
	" WHERE a.at OPERATOR(pg_catalog.<) $1"
	" OR a.seq IS NULL AND e.first_seq OPERATOR(pg_catalog.<=) e.last_seq",
	.nargs = 1, .argtypes = {TIMESTAMPTZOID}
};

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

/* Delete the rows that the walk has found good, and begin the chain behind them. */
static uint64
delete_good_rows(TarxKeysAuditEnds *ends, const TarxKeysAuditWalk *walk)
{
	int64		first = ends->at.first_seq;

	ends->at.first_seq = tarx_keys_chain_next(walk->good.seq);
	memcpy(ends->at.first_stamp, walk->good.stamp, TARX_KEYS_MAC_BYTES);
	tarx_keys_audit_write_ends(ends);
	return delete_rows(ends, first, walk->good.seq);
}

static uint64
purge_lane(const TarxKeysChain *chain, int32 generation, int32 lane, TimestampTz before,
		   Snapshot snapshot)
{
	TarxKeysAuditEnds ends = {0};
	TarxKeysAuditWalk walk = {.ends = &ends, .only_old = true, .before = before};
	TarxKeysEndsState state = tarx_keys_audit_read_ends(chain, generation, lane, snapshot, &ends);
	uint64		count = 0;

	if (state != TARX_KEYS_ENDS_GOOD)
	{
		warn_not_purged(chain, state == TARX_KEYS_ENDS_WITHOUT_MASTER_KEY ?
						"the master key of their chain is missing" :
						tarx_keys_audit_ends_problem(state));
		return 0;
	}
	tarx_keys_audit_follow(&walk, snapshot);
	if (walk.why != TARX_KEYS_CHAIN_WHOLE)
		warn_not_purged(chain, tarx_keys_chain_break_text(walk.why));
	else if (walk.good.seq >= ends.at.first_seq)
		count = delete_good_rows(&ends, &walk);
	tarx_keys_secret_wipe(ends.key.secret);
	return count;
}

/*
 * Purge the lanes in SPI_tuptable, each in an SPI connection of its own, which
 * frees all its memory.
 */
static uint64
purge_lanes(TimestampTz before, Snapshot snapshot)
{
	SPITupleTable *table = SPI_tuptable;
	uint64		rows = SPI_processed;
	uint64		count = 0;

	for (uint64 i = 0; i < rows; i++)
	{
		Datum		values[4];
		bool		nulls[4];
		TarxKeysChain chain;

		heap_deform_tuple(table->vals[i], table->tupdesc, values, nulls);
		/* the ends of no chain */
		if (nulls[0] || nulls[1] || nulls[2] || nulls[3])
			continue;
		chain.id = *DatumGetUUIDP(values[0]);
		chain.personal = DatumGetBool(values[1]);
		tarx_keys_queries_begin();
		count += purge_lane(&chain, DatumGetInt32(values[2]), DatumGetInt32(values[3]), before, snapshot);
		tarx_keys_queries_end();
	}
	SPI_freetuptable(table);
	return count;
}

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

/* purge_audit(before timestamptz) returns bigint: see sql/75_audit.sql */
Datum
tarx_keys_purge_audit(PG_FUNCTION_ARGS)
{
	Datum		values[1] = {PG_GETARG_DATUM(0)};
	uint64		count = 0;
	Snapshot	snapshot;
	Portal		cursor;

	if (PG_ARGISNULL(0))
		(void) tarx_keys_arg_text(fcinfo, 0, "before");
	begin_purge();
	tarx_keys_query_lock(&old_chains_query);
	tarx_keys_audit_lock_rows();
	snapshot = tarx_keys_latest_snapshot();
	cursor = tarx_keys_query_open(&old_chains_query, values, snapshot);
	for (;;)
	{
		SPI_cursor_fetch(cursor, true, ROWS_AT_ONCE);
		if (SPI_processed == 0)
			break;
		count += purge_lanes(DatumGetTimestampTz(values[0]), snapshot);
	}
	SPI_cursor_close(cursor);
	UnregisterSnapshot(snapshot);
	tarx_keys_queries_end();
	tarx_keys_log_operation(psprintf("purges " UINT64_FORMAT " rows of the audit log, from before %s",
									 count, timestamptz_to_str(DatumGetTimestampTz(values[0]))));
	PG_RETURN_INT64((int64) count);
}

/*
 * What nobody can verify
 */

/*
 * Delete the rows of a lane whose master key is missing.  Its ends say what they
 * said, but as ends of a chain that is empty, and sealed with the active master
 * key; what the next generation has noted of them stays right.  If this is the
 * newest one, it goes on, by numbers that can be rows'.
 */
static uint64
purge_unverifiable_lane(TarxKeysAuditEnds *ends, bool is_newest)
{
	TarxKeysRow row;
	char		flags[TARX_KEYS_MAX_COLUMNS];

	if (is_newest && !tarx_keys_chain_can_go_on(&ends->at, ends->lane))
		tarx_keys_chain_start(&ends->at, ends->lane);
	ends->at.first_seq = tarx_keys_chain_next(ends->at.last_seq);
	memcpy(ends->at.first_stamp, ends->at.last_stamp, TARX_KEYS_MAC_BYTES);
	tarx_keys_audit_form_new_ends(ends, &row);
	tarx_keys_row_null_flags(&row, flags);
	if (tarx_keys_query_run_latest(tarx_keys_table_update_query(&tarx_keys_audit_ends), row.values,
								   flags) != 1)
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
