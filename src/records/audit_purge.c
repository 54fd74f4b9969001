/*
 * audit_purge.c
 *	  Deletes old rows of the audit log, so that the rest can still be verified.
 *
 * In each lane the rows before the first one that stays are deleted, and only if
 * they are as they were written.  So a purge removes no trace of tampering, and
 * leaves no hole where the clock was set back.
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

#define LANES			TARX_KEYS_AUDIT_LANES
#define ROWS_AT_ONCE	1000

/*
 * The lanes whose first row claims to be old enough; the walk checks that later.
 * Also the lanes whose first row is missing, for a warning.
 */
static TarxKeysQuery old_chains_query = {
	.sql = "SELECT e.project_id, e.personal, e.lane FROM tarx_keys_internal.audit_ends e"
	" LEFT JOIN tarx_keys.audit_log a ON a.project_id OPERATOR(pg_catalog.=) e.project_id"
	" AND a.personal OPERATOR(pg_catalog.=) e.personal AND a.seq OPERATOR(pg_catalog.=) e.first_seq"
	" WHERE a.at OPERATOR(pg_catalog.<) $1"
	" OR a.seq IS NULL AND e.first_seq OPERATOR(pg_catalog.<=) e.last_seq",
	.nargs = 1, .argtypes = {TIMESTAMPTZOID}
};

static TarxKeysQuery delete_query = {
	.sql = "DELETE FROM tarx_keys.audit_log a"
	" WHERE a.project_id OPERATOR(pg_catalog.=) $1 AND a.personal OPERATOR(pg_catalog.=) $2"
	" AND (a.seq OPERATOR(pg_catalog.%) $4) OPERATOR(pg_catalog.=) (($3 OPERATOR(pg_catalog.+) 1) OPERATOR(pg_catalog.%) $4)"
	" AND a.seq OPERATOR(pg_catalog.>=) $5 AND a.seq OPERATOR(pg_catalog.<=) $6",
	.nargs = 6, .argtypes = {UUIDOID, BOOLOID, INT4OID, INT4OID, INT8OID, INT8OID}
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

/* Delete the rows that the walk has found good, and begin the chain behind them. */
static uint64
delete_rows(TarxKeysAuditEnds *ends, const TarxKeysAuditWalk *walk)
{
	Datum		values[6] = {UUIDPGetDatum(&ends->chain.id), BoolGetDatum(ends->chain.personal),
		Int32GetDatum(ends->lane), Int32GetDatum(LANES),
	Int64GetDatum(ends->at.first_seq), Int64GetDatum(walk->good.seq)};

	ends->at.first_seq = tarx_keys_chain_next(walk->good.seq);
	memcpy(ends->at.first_stamp, walk->good.stamp, TARX_KEYS_MAC_BYTES);
	tarx_keys_audit_write_ends(ends);
	return tarx_keys_query_run_latest(&delete_query, values, NULL);
}

static uint64
purge_lane(const TarxKeysChain *chain, int32 lane, TimestampTz before, Snapshot snapshot)
{
	TarxKeysAuditEnds ends = {0};
	TarxKeysAuditWalk walk = {.ends = &ends, .only_old = true, .before = before};
	TarxKeysEndsState state = tarx_keys_audit_read_ends(chain, lane, snapshot, &ends);
	uint64		count = 0;

	if (state != TARX_KEYS_ENDS_GOOD)
	{
		warn_not_purged(chain, state == TARX_KEYS_ENDS_WITHOUT_MASTER_KEY ?
						"the master key of their chain is missing" :
						tarx_keys_audit_ends_problem(state, &ends));
		return 0;
	}
	tarx_keys_audit_follow(&walk, snapshot);
	if (walk.why != TARX_KEYS_CHAIN_WHOLE)
		warn_not_purged(chain, tarx_keys_chain_break_text(walk.why));
	else if (walk.good.seq >= ends.at.first_seq)
		count = delete_rows(&ends, &walk);
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
		Datum		values[3];
		bool		nulls[3];
		TarxKeysChain chain;

		heap_deform_tuple(table->vals[i], table->tupdesc, values, nulls);
		/* the ends of no chain */
		if (nulls[0] || nulls[1] || nulls[2])
			continue;
		chain.id = *DatumGetUUIDP(values[0]);
		chain.personal = DatumGetBool(values[1]);
		tarx_keys_queries_begin();
		count += purge_lane(&chain, DatumGetInt32(values[2]), before, snapshot);
		tarx_keys_queries_end();
	}
	SPI_freetuptable(table);
	return count;
}

/*
 * purge_audit(before timestamptz) returns bigint: see sql/75_audit.sql.  The lock
 * keeps writers and other purges away, so one snapshot is enough for all lanes.
 */
Datum
tarx_keys_purge_audit(PG_FUNCTION_ARGS)
{
	Datum		values[1] = {PG_GETARG_DATUM(0)};
	uint64		count = 0;
	Snapshot	snapshot;
	Portal		cursor;

	if (PG_ARGISNULL(0))
		(void) tarx_keys_arg_text(fcinfo, 0, "before");
	/* a standby would refuse the lock, too, but with another error */
	PreventCommandIfReadOnly("DELETE");
	tarx_keys_enter_maintenance_mode();
	LockRelationOid(tarx_keys_audit_ends_oid(), ShareRowExclusiveLock);
	tarx_keys_queries_begin();
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
