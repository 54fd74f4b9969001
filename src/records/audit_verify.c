/*
 * audit_verify.c
 *	  Follows the chains of the audit log, to verify them or to purge them.
 *
 * Rows are read through a cursor, so that a log of any length takes little
 * memory, and each batch in memory of its own.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "identity/identity.h"
#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_verify_audit);
PG_FUNCTION_INFO_V1(tarx_keys_verify_personal_audit);

#define LANES			TARX_KEYS_AUDIT_LANES
#define ROWS_AT_ONCE	1000

static TarxKeysQuery rows_query = {
	TARX_KEYS_SELECT(tarx_keys_audit_log,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.personal OPERATOR(pg_catalog.=) $2"
					 " AND (t.seq OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.%) $4 OPERATOR(pg_catalog.=) $3"
					 " ORDER BY t.seq"),
	.nargs = 4, .argtypes = {UUIDOID, BOOLOID, INT4OID, INT4OID}
};

static TarxKeysQuery project_exists_query = {
	.sql = "SELECT 1 FROM tarx_keys.projects p WHERE p.id OPERATOR(pg_catalog.=) $1"
	/* of a purged one nothing is left */
	" AND p.name IS NOT NULL",
	.nargs = 1, .argtypes = {UUIDOID}
};

/* Where a chain or its ends are not what was written */
typedef struct Verdict
{
	bool		ok;
	int64		broken_at;		/* a seq, if not ok; 0 for the ends */
	const char *reason;
} Verdict;

static Verdict
broken(int64 at, const char *reason)
{
	return (Verdict) {false, at, reason};
}

/*
 * Following a chain
 */

/* Take the next row; false if that was the last to look at. */
static bool
follow_row(TarxKeysAuditWalk *walk, uint64 n)
{
	TarxKeysRow row;
	TarxKeysBinding binding;
	bytea	   *stamp;
	bool		can_be;

	tarx_keys_fetched_row(&tarx_keys_audit_log, n, &row);
	can_be = tarx_keys_row_detoast(&tarx_keys_audit_log, &row) &&
		tarx_keys_row_bind(&tarx_keys_audit_log, &row, &binding);
	stamp = can_be ? DatumGetByteaPP(row.values[AUDIT_LOG_STAMP]) : NULL;
	if (can_be && walk->only_old && !row.nulls[AUDIT_LOG_AT] &&
		DatumGetTimestampTz(row.values[AUDIT_LOG_AT]) >= walk->before)
		walk->stopped = true;
	walk->why = tarx_keys_chain_walk_row(&walk->to_check, (const uint8 *) walk->ends->key.data,
										 row.nulls[AUDIT_LOG_SEQ] ? 0 : DatumGetInt64(row.values[AUDIT_LOG_SEQ]),
										 can_be ? (const uint8 *) VARDATA_ANY(stamp) : NULL,
										 can_be ? VARSIZE_ANY_EXHDR(stamp) : 0,
										 can_be ? &binding : NULL);
	if (walk->why != TARX_KEYS_CHAIN_WHOLE || walk->stopped)
		return false;
	walk->good = walk->to_check;
	return true;
}

/* Take the next rows, in a memory context that is reset after them. */
static bool
follow_rows(TarxKeysAuditWalk *walk, Portal cursor, MemoryContext batch)
{
	bool		more;

	SPI_cursor_fetch(cursor, true, ROWS_AT_ONCE);
	/* not before: each call of SPI leaves us in its own context */
	MemoryContextSwitchTo(batch);
	more = SPI_processed > 0;
	for (uint64 i = 0; more && i < SPI_processed; i++)
		more = follow_row(walk, i);
	SPI_freetuptable(SPI_tuptable);
	return more;
}

/* Follow the chain from its first row to its end, or to where walk says. */
void
tarx_keys_audit_follow(TarxKeysAuditWalk *walk, Snapshot snapshot)
{
	const TarxKeysAuditEnds *ends = walk->ends;
	Datum		values[4] = {UUIDPGetDatum(&ends->chain.id), BoolGetDatum(ends->chain.personal),
	Int32GetDatum(ends->lane), Int32GetDatum(LANES)};
	Portal		cursor = tarx_keys_query_open(&rows_query, values, snapshot);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys audit rows",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;

	tarx_keys_chain_walk_begin(&walk->good, &ends->at);
	walk->to_check = walk->good;
	walk->why = TARX_KEYS_CHAIN_WHOLE;
	while (follow_rows(walk, cursor, batch))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(batch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(batch);
	SPI_cursor_close(cursor);
	if (walk->why == TARX_KEYS_CHAIN_WHOLE && !walk->stopped)
		walk->why = tarx_keys_chain_walk_end(&walk->good);
}

/* Lock what tarx_keys_audit_follow() reads, before its snapshot is taken. */
void
tarx_keys_audit_lock_rows(void)
{
	tarx_keys_query_lock(&rows_query);
	tarx_keys_query_lock(tarx_keys_table_find_query(&tarx_keys_audit_ends));
}

/*
 * Verifying
 */

static Verdict
verify_lane(const TarxKeysChain *chain, int32 lane, Snapshot snapshot)
{
	TarxKeysAuditEnds ends;
	TarxKeysAuditWalk walk = {.ends = &ends};
	const char *problem = tarx_keys_audit_ends_problem(tarx_keys_audit_read_ends(chain, lane, snapshot,
																				 &ends), &ends);

	if (problem != NULL)
		return broken(0, problem);
	tarx_keys_audit_follow(&walk, snapshot);
	tarx_keys_secret_wipe(ends.key.secret);
	if (walk.why == TARX_KEYS_CHAIN_WHOLE)
		return (Verdict) {true, 0, NULL};
	return broken(tarx_keys_chain_broken_at(&walk.good, walk.why),
				  tarx_keys_chain_break_text(walk.why));
}

/*
 * All lanes in one snapshot; of several breaks the first lane's, because which
 * was the first in time is not known.
 */
static Verdict
verify_lanes(const TarxKeysChain *chain)
{
	Verdict		verdict = {true, 0, NULL};
	Snapshot	snapshot;

	tarx_keys_audit_lock_rows();
	snapshot = tarx_keys_latest_snapshot();
	for (int32 lane = 0; lane < LANES && verdict.ok; lane++)
		verdict = verify_lane(chain, lane, snapshot);
	UnregisterSnapshot(snapshot);
	return verdict;
}

/* The result row (ok boolean, broken_at bigint, reason text) */
static Datum
form_verdict(FunctionCallInfo fcinfo, const Verdict *verdict)
{
	Datum		values[3];
	bool		nulls[3] = {false, verdict->ok, verdict->ok};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(verdict->ok);
	values[1] = Int64GetDatum(verdict->broken_at);
	values[2] = verdict->ok ? (Datum) 0 : CStringGetTextDatum(verdict->reason);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * verify_audit(project_id uuid) returns (ok boolean, broken_at bigint, reason
 * text): see sql/75_audit.sql.  A project has its chains from its creation on.
 */
Datum
tarx_keys_verify_audit(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain = tarx_keys_project_chain(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	Datum		values[1] = {UUIDPGetDatum(&chain.id)};
	Verdict		verdict = {true, 0, NULL};

	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	if (tarx_keys_query_run_latest(&project_exists_query, values, NULL) > 0 || tarx_keys_audit_chain_exists(&chain))
		verdict = verify_lanes(&chain);
	tarx_keys_queries_end();
	PG_RETURN_DATUM(form_verdict(fcinfo, &verdict));
}

/*
 * verify_personal_audit(user_id text): the same for what a user did with
 * platform keys, which has its chains from the first one on
 */
Datum
tarx_keys_verify_personal_audit(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");
	TarxKeysChain chain = tarx_keys_personal_chain_of(&user_id);
	Verdict		verdict = {true, 0, NULL};

	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	if (tarx_keys_audit_has_platform_key(PG_GETARG_TEXT_PP(0), NULL) ||
		tarx_keys_audit_chain_exists(&chain))
		verdict = verify_lanes(&chain);
	tarx_keys_queries_end();
	PG_RETURN_DATUM(form_verdict(fcinfo, &verdict));
}
