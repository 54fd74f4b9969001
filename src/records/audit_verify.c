/*
 * audit_verify.c
 *	  Follows the chains of the audit log, to verify or to purge them.
 *
 * A cursor reads the rows, and each batch has a memory context of its own, so that
 * a log of any length needs little memory.
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

/* A row whose number no lane gives counts for the first lane, which it breaks. */
static TarxKeysQuery rows_query = {
	TARX_KEYS_SELECT(tarx_keys_audit_log,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.personal OPERATOR(pg_catalog.=) $2"
					 " AND t.generation OPERATOR(pg_catalog.=) $5 AND t.seq OPERATOR(pg_catalog.>=) $6"
					 " AND CASE WHEN t.seq OPERATOR(pg_catalog.>) 0"
					 " THEN (t.seq OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.%) $4 ELSE 0 END OPERATOR(pg_catalog.=) $3"
					 " ORDER BY t.seq"),
	.nargs = 6, .argtypes = {UUIDOID, BOOLOID, INT4OID, INT4OID, INT4OID, INT8OID}
};

/* Of which generations there is anything, and of which lanes there are ends */
static TarxKeysQuery generations_query = {
	.sql = "SELECT pg_catalog.min(g.generation), pg_catalog.max(g.generation),"
	" coalesce(pg_catalog.min(g.lane), 0), coalesce(pg_catalog.max(g.lane), 0) FROM"
	" (SELECT e.generation, e.lane FROM tarx_keys_internal.audit_ends e"
	" WHERE e.project_id OPERATOR(pg_catalog.=) $1 AND e.personal OPERATOR(pg_catalog.=) $2"
	" UNION ALL (SELECT a.generation, NULL FROM tarx_keys.audit_log a"
	" WHERE a.project_id OPERATOR(pg_catalog.=) $1 AND a.personal OPERATOR(pg_catalog.=) $2"
	" ORDER BY a.generation LIMIT 1)"
	" UNION ALL (SELECT a.generation, NULL FROM tarx_keys.audit_log a"
	" WHERE a.project_id OPERATOR(pg_catalog.=) $1 AND a.personal OPERATOR(pg_catalog.=) $2"
	" ORDER BY a.generation DESC LIMIT 1)) g",
	.nargs = 2, .argtypes = {UUIDOID, BOOLOID}
};

static TarxKeysQuery project_exists_query = {
	.sql = "SELECT 1 FROM tarx_keys.projects p WHERE p.id OPERATOR(pg_catalog.=) $1"
	/* of a purged one nothing is left */
	" AND p.name IS NOT NULL",
	.nargs = 1, .argtypes = {UUIDOID}
};

/*
 * Where chains or their ends are not what was written.  The greatest is the worst,
 * because missing master keys must not hide that something was changed.
 */
typedef enum Finding
{
	WHOLE,
	WITHOUT_MASTER_KEY,
	BROKEN
} Finding;

typedef struct Verdict
{
	Finding		finding;
	int64		broken_at;		/* a seq, if not whole; 0 for the ends */
	const char *reason;
} Verdict;

/* What was found of a generation's lanes, to compare the next one with it */
typedef struct Generation
{
	bool		is_there[LANES];
	bool		is_good[LANES];
	TarxKeysChainEnds ends[LANES];
	int32		lanes_seen;		/* by the ends of one of them */
	const char *notes;			/* of the one before, or NULL */
} Generation;

static Verdict
broken(int64 at, const char *reason)
{
	return (Verdict) {BROKEN, at, reason};
}

/*
 * Following a chain
 */

static bool
is_text(Datum value, const char *string)
{
	text	   *found = DatumGetTextPP(value);
	size_t		len = strlen(string);

	return VARSIZE_ANY_EXHDR(found) == len && memcmp(VARDATA_ANY(found), string, len) == 0;
}

/* Keep what a good row notes of the generation before, beyond this batch. */
static void
keep_notes(TarxKeysAuditWalk *walk, const TarxKeysRow *row)
{
	MemoryContext old;

	if (walk->notes != NULL || row->nulls[AUDIT_LOG_ACTION] || row->nulls[AUDIT_LOG_OBJECT_NAME] ||
		!is_text(row->values[AUDIT_LOG_ACTION], TARX_KEYS_NEW_GENERATION))
		return;
	old = MemoryContextSwitchTo(walk->context);
	walk->notes = text_to_cstring(DatumGetTextPP(row->values[AUDIT_LOG_OBJECT_NAME]));
	MemoryContextSwitchTo(old);
}

/* Check the next row; returns false if the walk ends there. */
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
	if (can_be && walk->most > 0 && !row.nulls[AUDIT_LOG_AT])
	{
		walk->next_at = DatumGetTimestampTz(row.values[AUDIT_LOG_AT]);
		walk->stopped = walk->next_at >= walk->before || walk->rows == walk->most;
	}
	walk->why = tarx_keys_chain_walk_row(&walk->to_check, (const uint8 *) walk->ends->key.data,
										 row.nulls[AUDIT_LOG_SEQ] ? 0 : DatumGetInt64(row.values[AUDIT_LOG_SEQ]),
										 can_be ? (const uint8 *) VARDATA_ANY(stamp) : NULL,
										 can_be ? VARSIZE_ANY_EXHDR(stamp) : 0,
										 can_be ? &binding : NULL);
	if (walk->why != TARX_KEYS_CHAIN_WHOLE || walk->stopped)
		return false;
	walk->good = walk->to_check;
	walk->rows++;
	keep_notes(walk, &row);
	return true;
}

/*
 * Check the next rows, in a memory context that the caller resets.  Returns false
 * if the walk ends there.
 */
static bool
follow_rows(TarxKeysAuditWalk *walk, Portal cursor, MemoryContext batch)
{
	bool		more;

	SPI_cursor_fetch(cursor, true, ROWS_AT_ONCE);
	/* only now, because each call of SPI switches to SPI's context */
	MemoryContextSwitchTo(batch);
	more = SPI_processed > 0;
	for (uint64 i = 0; more && i < SPI_processed; i++)
		more = follow_row(walk, i);
	SPI_freetuptable(SPI_tuptable);
	return more;
}

/*
 * Follow a chain from its first row to its end, or to where walk says.  What is in
 * front of the first row breaks a chain that is followed to its end.
 */
void
tarx_keys_audit_follow(TarxKeysAuditWalk *walk, Snapshot snapshot)
{
	const TarxKeysAuditEnds *ends = walk->ends;
	Datum		values[6] = {UUIDPGetDatum(&ends->chain.id), BoolGetDatum(ends->chain.personal),
		Int32GetDatum(ends->lane), Int32GetDatum(LANES), Int32GetDatum(ends->generation),
	Int64GetDatum(walk->most > 0 ? ends->at.first_seq : PG_INT64_MIN)};
	Portal		cursor = tarx_keys_query_open(&rows_query, values, snapshot);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys audit rows",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;

	tarx_keys_chain_walk_begin(&walk->good, &ends->at);
	walk->to_check = walk->good;
	walk->why = TARX_KEYS_CHAIN_WHOLE;
	walk->context = old;
	walk->rows = 0;
	while (follow_rows(walk, cursor, batch))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(batch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(batch);
	SPI_cursor_close(cursor);
	if (walk->stopped)
		return;
	walk->next_at = DT_NOEND;
	if (walk->why == TARX_KEYS_CHAIN_WHOLE)
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

/* A lane that has no ends has no rows either. */
static Verdict
verify_no_lane(const TarxKeysChain *chain, int32 generation, int32 lane, Snapshot snapshot)
{
	TarxKeysAuditEnds ends = {.chain = *chain, .generation = generation, .lane = lane};
	TarxKeysAuditWalk walk = {.ends = &ends};

	tarx_keys_chain_start(&ends.at, lane);
	tarx_keys_audit_follow(&walk, snapshot);
	if (walk.why != TARX_KEYS_CHAIN_WHOLE)
		return broken(0, tarx_keys_audit_ends_problem(TARX_KEYS_ENDS_MISSING));
	return (Verdict) {WHOLE, 0, NULL};
}

/* A good lane is kept in found. */
static Verdict
verify_lane(const TarxKeysChain *chain, int32 generation, int32 lane, Snapshot snapshot,
			Generation *found)
{
	TarxKeysAuditEnds ends;
	TarxKeysAuditWalk walk = {.ends = &ends};
	TarxKeysEndsState state = tarx_keys_audit_read_ends(chain, generation, lane, snapshot, &ends);

	if (state == TARX_KEYS_ENDS_MISSING)
		return verify_no_lane(chain, generation, lane, snapshot);
	found->is_there[lane] = true;
	found->lanes_seen |= ends.lanes_seen;
	if (state == TARX_KEYS_ENDS_WITHOUT_MASTER_KEY)
		return (Verdict) {WITHOUT_MASTER_KEY, 0, tarx_keys_audit_ends_problem(state)};
	if (state != TARX_KEYS_ENDS_GOOD)
		return broken(0, tarx_keys_audit_ends_problem(state));
	tarx_keys_audit_follow(&walk, snapshot);
	tarx_keys_secret_wipe(ends.key.secret);
	if (walk.why != TARX_KEYS_CHAIN_WHOLE)
		return broken(tarx_keys_chain_broken_at(&walk.good, walk.why),
					  tarx_keys_chain_break_text(walk.why));
	found->is_good[lane] = true;
	found->ends[lane] = ends.at;
	if (walk.notes != NULL)
		found->notes = walk.notes;
	return (Verdict) {WHOLE, 0, NULL};
}

/* Is each lane there that somebody has seen? */
static bool
is_complete(const Generation *found)
{
	for (int lane = 0; lane < LANES; lane++)
	{
		if (!found->is_there[lane] && (found->lanes_seen & TARX_KEYS_LANE_BIT(lane)) != 0)
			return false;
	}
	return true;
}

/* Are the chains of a generation those that the next one has noted, with their ends? */
static bool
is_noted(const Generation *before, const char *notes)
{
	for (int lane = 0; lane < LANES; lane++)
	{
		if (before->is_there[lane] != tarx_keys_chain_lane_is_noted(notes, lane) ||
			(before->is_good[lane] && !tarx_keys_chain_is_noted(notes, &before->ends[lane])))
			return false;
	}
	return true;
}

/*
 * If several lanes are broken, the result is that of the first one: we do not know
 * which one was broken first.
 */
static Verdict
verify_generation(const TarxKeysChain *chain, int32 number, Snapshot snapshot,
				  const Generation *before, Generation *found)
{
	Verdict		worst = {WHOLE, 0, NULL};

	for (int32 lane = 0; lane < LANES && worst.finding != BROKEN; lane++)
	{
		Verdict		verdict = verify_lane(chain, number, lane, snapshot, found);

		if (verdict.finding > worst.finding)
			worst = verdict;
	}
	if (worst.finding != BROKEN && !is_complete(found))
		return broken(0, tarx_keys_audit_ends_problem(TARX_KEYS_ENDS_MISSING));
	if (worst.finding != BROKEN && found->notes != NULL && !is_noted(before, found->notes))
		return broken(0, "the generation before ends elsewhere than when the next one began");
	return worst;
}

/* What there is of the chains, by their keys alone */
typedef struct Extent
{
	int32		newest;			/* generation */
	const char *problem;		/* a key that cannot be, or NULL */
} Extent;

static Extent
find_extent(const TarxKeysChain *chain, Snapshot snapshot)
{
	Datum		values[2] = {UUIDPGetDatum(&chain->id), BoolGetDatum(chain->personal)};
	Datum		found[4];
	bool		nulls[4];

	(void) tarx_keys_query_run_at(&generations_query, values, snapshot);
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, found, nulls);
	/* a project has its first one from its creation on */
	if (nulls[0])
		return (Extent) {1, NULL};
	if (DatumGetInt32(found[0]) < 1)
		return (Extent) {0, "row of a generation that cannot be"};
	if (DatumGetInt32(found[2]) < 0 || DatumGetInt32(found[3]) >= LANES)
		return (Extent) {0, "record of the ends of a chain that cannot be"};
	return (Extent) {DatumGetInt32(found[1]), NULL};
}

/*
 * All generations in one snapshot, from the first one on: they follow each other
 * without gaps, and a purge leaves their ends.
 */
static Verdict
verify_chain(const TarxKeysChain *chain)
{
	Verdict		worst = {WHOLE, 0, NULL};
	Generation	before = {.notes = NULL};
	Snapshot	snapshot;
	Extent		extent;

	tarx_keys_audit_lock_rows();
	tarx_keys_query_lock(&generations_query);
	snapshot = tarx_keys_latest_snapshot();
	extent = find_extent(chain, snapshot);
	if (extent.problem != NULL)
		worst = broken(0, extent.problem);
	for (int64 number = 1; number <= extent.newest && worst.finding != BROKEN; number++)
	{
		Generation	found = {.lanes_seen = TARX_KEYS_LANE_BIT(TARX_KEYS_FIRST_LANE)};
		Verdict		verdict = verify_generation(chain, (int32) number, snapshot, &before, &found);

		CHECK_FOR_INTERRUPTS();
		if (verdict.finding > worst.finding)
			worst = verdict;
		before = found;
	}
	UnregisterSnapshot(snapshot);
	return worst;
}

/* The result row (ok boolean, broken_at bigint, reason text) */
static Datum
form_verdict(FunctionCallInfo fcinfo, const Verdict *verdict)
{
	Datum		values[3];
	bool		ok = verdict->finding == WHOLE;
	bool		nulls[3] = {false, ok, ok};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(ok);
	values[1] = Int64GetDatum(verdict->broken_at);
	values[2] = ok ? (Datum) 0 : CStringGetTextDatum(verdict->reason);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * verify_audit(project_id uuid) returns (ok boolean, broken_at bigint, reason
 * text): see sql/75_audit.sql.  A project has chains from its creation on, so
 * somebody has removed them if the project exists without them.
 */
Datum
tarx_keys_verify_audit(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain = tarx_keys_project_chain(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	Datum		values[1] = {UUIDPGetDatum(&chain.id)};
	Verdict		verdict = {WHOLE, 0, NULL};

	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	if (tarx_keys_query_run_latest(&project_exists_query, values, NULL) > 0 || tarx_keys_audit_chain_exists(&chain))
		verdict = verify_chain(&chain);
	tarx_keys_queries_end();
	PG_RETURN_DATUM(form_verdict(fcinfo, &verdict));
}

/*
 * verify_personal_audit(user_id text): the same for a user, who has chains from the
 * first platform key on
 */
Datum
tarx_keys_verify_personal_audit(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");
	TarxKeysChain chain = tarx_keys_personal_chain_of(&user_id);
	Verdict		verdict = {WHOLE, 0, NULL};

	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	if (tarx_keys_audit_has_platform_key(PG_GETARG_TEXT_PP(0), NULL) ||
		tarx_keys_audit_chain_exists(&chain))
		verdict = verify_chain(&chain);
	tarx_keys_queries_end();
	PG_RETURN_DATUM(form_verdict(fcinfo, &verdict));
}
