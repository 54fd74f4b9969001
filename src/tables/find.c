/*
 * find.c
 *	  Finds rows by the first columns of an index, whoever asks.
 *
 * As in lookup.c, ordinary tables are read by their index, and SPI reads all others; it
 * does so as the owner, in maintenance.  The caller is responsible for rights: the rows
 * are found whoever may see them.
 *
 * What decides about rights is looked up as it is by now, in a new snapshot instead of
 * the transaction's, which may be old.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "identity/identity.h"
#include "tables/tables.h"

typedef struct FoundRow
{
	TarxKeysTable *table;
	TarxKeysRow *row;
	bool		is_found;
} FoundRow;

static void
each_by_index(const TarxKeysTable *table, Relation relation, bool by_other, const TarxKeysQuery *query,
			  const Datum *values, Snapshot snapshot, bool (*each) (const TarxKeysRow *row, void *arg),
			  void *arg)
{
	TarxKeysIndexScan scan;
	TarxKeysRow row;

	tarx_keys_index_begin(&scan, table, relation, by_other, snapshot, query->nargs);
	for (int i = 0; i < query->nargs; i++)
		tarx_keys_index_condition(&scan, i, i, BTEqualStrategyNumber, values[i]);
	tarx_keys_index_start(&scan);
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!tarx_keys_index_next(&scan))
			break;
		slot_getallattrs(scan.slot);
		tarx_keys_table_read_values(table, scan.slot->tts_values, scan.slot->tts_isnull, &row);
	} while (each(&row, arg));
	tarx_keys_index_end(&scan);
}

/* Begin as the owner of a table, to whom row security shows all rows until the end. */
void
tarx_keys_begin_look_up_as_owner(TarxKeysAsOwner *as_owner, TarxKeysTable *table)
{
	Relation	relation = tarx_keys_table_lock(table);

	tarx_keys_begin_as_owner(as_owner, relation->rd_rel->relowner);
	tarx_keys_table_close(relation);
	tarx_keys_enter_maintenance_mode();
}

/* Does a query find a row by now?  As the owner of the table. */
bool
tarx_keys_finds_as_owner(TarxKeysTable *table, TarxKeysQuery *query, Datum *values)
{
	TarxKeysAsOwner as_owner;
	bool		found;

	tarx_keys_begin_look_up_as_owner(&as_owner, table);
	tarx_keys_queries_begin();
	found = tarx_keys_query_look_up(query, values) > 0;
	tarx_keys_queries_end();
	tarx_keys_end_as_owner(&as_owner);
	return found;
}

static void
each_by_spi(TarxKeysTable *table, TarxKeysQuery *query, const Datum *values, Snapshot snapshot,
			bool (*each) (const TarxKeysRow *row, void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi_context;
	TarxKeysAsOwner as_owner;
	TarxKeysRow row;
	uint64		count;
	bool		go_on = true;

	tarx_keys_begin_look_up_as_owner(&as_owner, table);
	tarx_keys_queries_begin();
	count = snapshot == NULL ? tarx_keys_query_look_up(query, unconstify(Datum *, values)) :
		tarx_keys_query_run_at(query, unconstify(Datum *, values), snapshot);
	for (uint64 i = 0; i < count && go_on; i++)
	{
		tarx_keys_fetched_row(table, i, &row);
		/* what it keeps outlives the connection */
		spi_context = MemoryContextSwitchTo(context);
		go_on = each(&row, arg);
		MemoryContextSwitchTo(spi_context);
	}
	tarx_keys_queries_end();
	tarx_keys_end_as_owner(&as_owner);
}

/*
 * Call each() with the rows that have these values in the first columns of the primary
 * key, or in those of the table's other index, until it returns false.  query finds the
 * same rows, and has as many parameters as there are values.  The rows are those of the
 * snapshot, or as they are by now if that is NULL.  Their values last for the one call,
 * which is made in the current memory context.
 */
void
tarx_keys_each_row(TarxKeysTable *table, TarxKeysQuery *query, bool by_other, const Datum *values,
				   Snapshot snapshot, bool (*each) (const TarxKeysRow *row, void *arg), void *arg)
{
	Relation	relation = tarx_keys_table_lock(table);
	bool		by_index = OidIsValid(by_other ? table->other_indexid : table->indexid);
	Snapshot	latest = by_index && snapshot == NULL ? tarx_keys_latest_snapshot() : NULL;

	if (by_index)
		each_by_index(table, relation, by_other, query, values, latest != NULL ? latest : snapshot, each, arg);
	else
		each_by_spi(table, query, values, snapshot, each, arg);
	if (latest != NULL)
		UnregisterSnapshot(latest);
	tarx_keys_table_close(relation);
}

/*
 * Keep the row.  What is not detoasted here is too long for a row of ours, and nobody
 * looks at it.
 */
static bool
keep_row(const TarxKeysRow *row, void *arg)
{
	FoundRow   *found = arg;

	tarx_keys_row_duplicate(found->table, row, found->row);
	(void) tarx_keys_row_detoast(found->table, found->row);
	found->is_found = true;
	return false;
}

static bool
find(TarxKeysTable *table, TarxKeysQuery *query, bool by_other, const Datum *values, Snapshot snapshot,
	 TarxKeysRow *row)
{
	FoundRow	found;

	tarx_keys_row_clear(row);
	found.table = table;
	found.row = row;
	found.is_found = false;
	tarx_keys_each_row(table, query, by_other, values, snapshot, keep_row, &found);
	return found.is_found;
}

/*
 * Find the row with this primary key, as the snapshot sees it, or by now if that is
 * NULL; false if there is none.  It is in the current memory context.
 */
bool
tarx_keys_find(TarxKeysTable *table, const Datum *key, Snapshot snapshot, TarxKeysRow *row)
{
	return find(table, tarx_keys_table_find_query(table), false, key, snapshot, row);
}

/* The same by the columns of the table's other index, which is unique */
bool
tarx_keys_find_by_other(TarxKeysTable *table, const Datum *key, Snapshot snapshot, TarxKeysRow *row)
{
	return find(table, tarx_keys_table_find_other_query(table), true, key, snapshot, row);
}

static bool
has_null(const TarxKeysTable *table, const Datum *key)
{
	for (int i = 0; i < table->nkeys; i++)
	{
		if (key[i] == (Datum) 0)
			return true;
	}
	return false;
}

static bool
has_key(const TarxKeysTable *table, const TarxKeysRow *row, const Datum *key)
{
	for (int i = 0; i < table->nkeys; i++)
	{
		Assert(table->columns[i].type == UUIDOID);
		if (row->nulls[i] != (key[i] == (Datum) 0) ||
			(!row->nulls[i] && memcmp(DatumGetUUIDP(row->values[i]), DatumGetUUIDP(key[i]), UUID_LEN) != 0))
			return false;
	}
	return true;
}

/*
 * Whoever calls the function behind a list himself can name any place, and heap_fetch()
 * wants one there is.  The size that was last known, before the table grew, says so of
 * most; that a table shrinks, our lock prevents.
 */
static bool
is_place(Relation relation, ItemPointer place)
{
	BlockNumber known = RelationGetSmgr(relation)->smgr_cached_nblocks[MAIN_FORKNUM];
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(place);

	return ItemPointerIsValid(place) &&
		((known != InvalidBlockNumber && block < known) || block < RelationGetNumberOfBlocks(relation));
}

static void
use_row_at(const TarxKeysTable *table, Relation relation, const Datum *key, ItemPointer place,
		   bool (*use) (const TarxKeysRow *row, void *arg), void *arg)
{
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];
	HeapTupleData tuple = {.t_self = *place};
	Buffer		buffer;
	TarxKeysRow row;

	if (!is_place(relation, place) ||
		!heap_fetch(relation, GetActiveSnapshot(), &tuple, &buffer, false))
		return;
	heap_deform_tuple(&tuple, RelationGetDescr(relation), values, nulls);
	tarx_keys_table_read_values(table, values, nulls, &row);
	if (has_key(table, &row, key))
		(void) use(&row, arg);
	ReleaseBuffer(buffer);
}

/*
 * Call use() with a row that the query has just read at this place, and which has this
 * primary key of ids; 0 is one that is NULL, which a row of ours never has.  Its values
 * last for the call.
 */
void
tarx_keys_row_at(TarxKeysTable *table, const Datum *key, ItemPointer place,
				 bool (*use) (const TarxKeysRow *row, void *arg), void *arg)
{
	Relation	relation = tarx_keys_table_lock(table);

	/* the row of a partition, for instance, has its place there */
	if (!OidIsValid(table->indexid) && !has_null(table, key))
		tarx_keys_each_row(table, tarx_keys_table_find_query(table), false, key, GetActiveSnapshot(), use, arg);
	else if (OidIsValid(table->indexid))
		use_row_at(table, relation, key, place, use, arg);
	tarx_keys_table_close(relation);
}
