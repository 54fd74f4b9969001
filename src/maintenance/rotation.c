/*
 * rotation.c
 *	  Seals and stamps stored rows again, with the active master key.
 *
 * It goes through a table in the order in which the rows are stored, without an
 * executor.  Each row is locked, and updated, as PostgreSQL's own logical
 * replication does it: constraints, indexes and triggers are those of an UPDATE.
 * Only the sealed column changes.
 *
 * It visits each range of blocks several times, and each time takes only every n-th
 * row of a page.  The first visit moves rows to other pages, if the page is full.
 * The next ones, in transactions of their own, find the room that these have left.
 * New versions that stay on the page need no new entries in indexes, and a table
 * grows less.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "maintenance/maintenance.h"
#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_rotate_rows);

#define VISITS	3

/* Where a batch ends.  SQL has it as a number. */
typedef struct Position
{
	int			visit;
	ItemPointerData tid;		/* the last row that has been looked at */
} Position;

/* A batch of rows of one part of a table */
typedef struct Batch
{
	TarxKeysScan scan;
	bool		waiting;
	int			visit;			/* unless it is waiting */
	Snapshot	snapshot;
	TarxKeysResealing *sealing;
	uint8		active[TARX_KEYS_FINGERPRINT_BYTES];
	EState	   *estate;
	ResultRelInfo *target;
	TupleTableSlot *locked;		/* the newest version of the row */
	TupleTableSlot *changed;
	MemoryContext row_context;	/* reset after each row */
	int64		limit;
	int64		found;			/* rows that open, also those that somebody
								 * has locked */
	int64		resealed;
	int64		kept;			/* rows that do not open */
} Batch;

static void
begin_updates(Batch *batch)
{
	Relation	relation = batch->scan.relation;

	batch->estate = CreateExecutorState();
	batch->estate->es_snapshot = batch->snapshot;
	batch->estate->es_output_cid = GetCurrentCommandId(true);
	batch->target = makeNode(ResultRelInfo);
	InitResultRelInfo(batch->target, relation, 0, NULL, 0);
	ExecOpenIndices(batch->target, false);
	/* triggers find it here */
	batch->estate->es_opened_result_relations = list_make1(batch->target);
	AfterTriggerBeginQuery();
	batch->locked = table_slot_create(relation, NULL);
	batch->changed = table_slot_create(relation, NULL);
}

static void
end_updates(Batch *batch)
{
	AfterTriggerEndQuery(batch->estate);
	ExecResetTupleTable(batch->estate->es_tupleTable, false);	/* of triggers */
	ExecCloseResultRelations(batch->estate);
	ExecDropSingleTupleTableSlot(batch->locked);
	ExecDropSingleTupleTableSlot(batch->changed);
	FreeExecutorState(batch->estate);
}

/* Is the current row one of this visit? */
static bool
is_visited(const Batch *batch)
{
	return batch->waiting ||
		ItemPointerGetOffsetNumber(&batch->scan.slot->tts_tid) % VISITS == batch->visit;
}

static bool
is_due(const Batch *batch, TupleTableSlot *slot)
{
	uint8		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];

	return tarx_keys_scan_fingerprint(&batch->scan, slot, fingerprint) &&
		memcmp(fingerprint, batch->active, TARX_KEYS_FINGERPRINT_BYTES) != 0;
}

/* What the sealed column of a row becomes; NULL if the row does not open. */
static bytea *
reseal(const Batch *batch, TupleTableSlot *slot)
{
	TarxKeysRow row;

	tarx_keys_scan_row(&batch->scan, slot, &row);
	return tarx_keys_row_reseal(batch->sealing, batch->scan.table, &row);
}

/*
 * Lock the newest version of the current row.  Returns false if it is gone, or if
 * somebody else has it and we do not wait.
 */
static bool
lock_row(const Batch *batch, bool *is_newer)
{
	ItemPointerData tid = batch->scan.slot->tts_tid;
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(batch->scan.relation, &tid, batch->snapshot, batch->locked,
							  batch->estate->es_output_cid, LockTupleNoKeyExclusive,
							  batch->waiting ? LockWaitBlock : LockWaitSkip,
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	*is_newer = failure.traversed;
	return result == TM_Ok;
}

/* Write the locked row with another sealed column. */
static void
update_row(const Batch *batch, bytea *sealed)
{
	TupleTableSlot *slot = batch->changed;
	int			natts = slot->tts_tupleDescriptor->natts;
	EPQState	unused = {0};	/* for triggers of rows that are not locked */

	slot_getallattrs(batch->locked);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, batch->locked->tts_values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, batch->locked->tts_isnull, sizeof(bool) * natts);
	slot->tts_values[batch->scan.sealed - 1] = PointerGetDatum(sealed);
	ExecStoreVirtualTuple(slot);
	ExecSimpleRelationUpdate(batch->target, batch->estate, &unused, batch->locked, slot);
	ResetPerTupleExprContext(batch->estate);
}

/* Seal the current row again. */
static void
rotate_row(Batch *batch)
{
	bytea	   *sealed = reseal(batch, batch->scan.slot);
	bool		is_newer;

	if (sealed == NULL)
	{
		batch->kept++;
		return;
	}
	batch->found++;
	if (!lock_row(batch, &is_newer))
		return;
	if (is_newer)
		sealed = is_due(batch, batch->locked) ? reseal(batch, batch->locked) : NULL;
	if (sealed == NULL)
		return;
	update_row(batch, sealed);
	batch->resealed++;
}

/*
 * Seal again the rows behind a position, and before block end.  Returns true if the
 * batch has come to its limit, at the current row.
 */
static bool
rotate_range(Batch *batch, const ItemPointerData * after, BlockNumber end)
{
	tarx_keys_scan_range(&batch->scan, batch->snapshot, after, end);
	while (batch->found < batch->limit)
	{
		MemoryContext old;

		if (!tarx_keys_scan_next(&batch->scan))
			return false;
		if (!is_visited(batch) || !is_due(batch, batch->scan.slot))
			continue;
		old = MemoryContextSwitchTo(batch->row_context);
		rotate_row(batch);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch->row_context);
	}
	return true;
}

/*
 * Seal again rows on ranges of blocks that no other session takes.  Returns true if
 * there is more to do, from the position on, in another transaction.
 */
static bool
rotate_ranges(Batch *batch, bool is_first, Position *position)
{
	Oid			part = RelationGetRelid(batch->scan.relation);
	TarxKeysBlockRange range;

	if (is_first)
		batch->visit = VISITS;
	else
	{
		batch->visit = position->visit;
		range = tarx_keys_rotation_range(part, batch->scan.nblocks,
										 ItemPointerGetBlockNumberNoCheck(&position->tid));
	}
	for (;;)
	{
		if (batch->visit == VISITS)
		{
			if (!tarx_keys_rotation_claim(part, batch->scan.nblocks, is_first ? NULL : &range, &range))
				return false;
			is_first = false;
			batch->visit = 0;
			ItemPointerSet(&position->tid, range.first, InvalidOffsetNumber);
		}
		if (rotate_range(batch, &position->tid, range.end))
		{
			position->tid = batch->scan.slot->tts_tid;
			break;
		}
		ItemPointerSet(&position->tid, range.first, InvalidOffsetNumber);
		batch->visit++;
		if (batch->resealed > 0)
			break;
	}
	position->visit = batch->visit;
	return true;
}

/* The same for all blocks; it waits for a row that is locked. */
static bool
rotate_left_row(Batch *batch, bool is_first, Position *position)
{
	if (is_first)
		ItemPointerSet(&position->tid, 0, InvalidOffsetNumber);
	if (!rotate_range(batch, &position->tid, MaxBlockNumber))
		return false;
	position->tid = batch->scan.slot->tts_tid;
	return true;
}

/*
 * Wait for the transactions that may have written rows of a part with an older master
 * key, before the present keyring was loaded, and that nobody sees yet.  VACUUM and
 * the like, which have such a lock too, write no rows.
 */
static void
wait_for_writers(Oid part)
{
	LOCKTAG		tag;
	VirtualTransactionId *lockers;
	VirtualTransactionId *others;
	int			nothers;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, part);
	lockers = GetLockConflicts(&tag, ShareLock, NULL);
	others = GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
								   PROC_IN_VACUUM | PROC_IN_SAFE_IC, &nothers);
	for (; VirtualTransactionIdIsValid(*lockers); lockers++)
	{
		bool		writes = VirtualTransactionIdIsRecoveredPreparedXact(*lockers);

		for (int i = 0; i < nothers && !writes; i++)
			writes = VirtualTransactionIdEquals(*lockers, others[i]);
		if (writes)
			(void) VirtualXactLock(*lockers, true);
	}
}

/* The place of a table among the sealed ones */
static int
place_of(const TarxKeysTable *table)
{
	int			place = 0;

	while (tarx_keys_sealed_tables[place] != table)
		place++;
	return place;
}

static void
begin_batch(Batch *batch, const TarxKeysTable *table, Oid part)
{
	tarx_keys_page_active_fingerprint(batch->active);
	tarx_keys_scan_open(&batch->scan, table, part, RowExclusiveLock, ACL_SELECT | ACL_UPDATE);
	PushActiveSnapshot(GetLatestSnapshot());
	batch->snapshot = GetActiveSnapshot();
	batch->sealing = tarx_keys_resealing_begin();
	batch->row_context = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys row",
											   ALLOCSET_DEFAULT_SIZES);
	begin_updates(batch);
}

static void
end_batch(Batch *batch)
{
	tarx_keys_resealing_end(batch->sealing);
	end_updates(batch);
	MemoryContextDelete(batch->row_context);
	tarx_keys_scan_close(&batch->scan);
	PopActiveSnapshot();
}

static int64
number_of(const Position *position)
{
	return (int64) position->visit << 48 |
		(int64) ItemPointerGetBlockNumberNoCheck(&position->tid) << 16 |
		ItemPointerGetOffsetNumberNoCheck(&position->tid);
}

static Position
position_of(int64 number)
{
	Position	position = {.visit = (int) (number >> 48)};

	ItemPointerSet(&position.tid, (BlockNumber) (number >> 16), (OffsetNumber) number);
	return position;
}

/*
 * rotate_rows(table_name text, part oid, after bigint, batch_size integer, waiting
 * boolean, OUT last bigint, OUT resealed bigint, OUT kept bigint): see
 * sql/77_rotation.sql
 */
Datum
tarx_keys_rotate_rows(PG_FUNCTION_ARGS)
{
	const TarxKeysTable *table = tarx_keys_sealed_table(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "table_name")));
	Batch		batch = {0};
	bool		is_first = PG_ARGISNULL(2);
	Position	position = position_of(is_first ? 0 : PG_GETARG_INT64(2));
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false};

	PreventCommandIfReadOnly("rotate_master_key()");
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tarx_keys_require_arg(fcinfo, 1, "part");
	batch.limit = tarx_keys_arg_int32(fcinfo, 3, "batch_size");
	tarx_keys_require_arg(fcinfo, 4, "waiting");
	batch.waiting = PG_GETARG_BOOL(4);
	if (batch.waiting && is_first)
		wait_for_writers(PG_GETARG_OID(1));
	begin_batch(&batch, table, PG_GETARG_OID(1));
	nulls[0] = !(batch.waiting ? rotate_left_row : rotate_ranges) (&batch, is_first, &position);
	tarx_keys_rotation_note(place_of(table), batch.resealed);
	end_batch(&batch);
	values[0] = Int64GetDatum(number_of(&position));
	values[1] = Int64GetDatum(batch.resealed);
	values[2] = Int64GetDatum(batch.kept);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
