/*
 * find_now.c
 *	  Finds single rows as they are by now, whoever asks: what decides about rights.
 *
 * The snapshot is a new one instead of the transaction's, which may be old.  As in
 * lookup.c, ordinary tables are read by their index, and SPI reads all others; it does
 * so as the owner, in maintenance.  The caller is responsible for rights: what it does
 * with the row must not depend on who may see it.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "identity/identity.h"
#include "tables/tables.h"

/* The function that compares values of a column of a key */
static RegProcedure
equality(Oid type)
{
	switch (type)
	{
		case UUIDOID:
			return F_UUID_EQ;
		case TEXTOID:
			return F_TEXTEQ;
		case BYTEAOID:
			return F_BYTEAEQ;
		default:
			elog(ERROR, "rows cannot be found by columns of type %u", type);
	}
}

/* Find the row with these values in the columns of a unique index, which begin at first. */
static bool
find_by_index(const TarxKeysTable *table, Relation relation, Oid indexid, int first, int nkeys,
			  const Datum *values, Snapshot snapshot, TarxKeysRow *row)
{
	Relation	index = index_open(indexid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	IndexScanDesc scan = tarx_keys_index_beginscan(relation, index, snapshot, nkeys);
	ScanKeyData keys[2];
	bool		found;

	Assert(nkeys <= (int) lengthof(keys));
	for (int i = 0; i < nkeys; i++)
		ScanKeyEntryInitialize(&keys[i], 0, (AttrNumber) (i + 1), BTEqualStrategyNumber, InvalidOid,
							   tarx_keys_key_collation(table, first + i),
							   equality(table->columns[first + i].type), values[i]);
	index_rescan(scan, keys, nkeys, NULL, 0);
	tarx_keys_row_clear(row);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
		tarx_keys_table_read_slot(table, slot, row);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	return found;
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

static bool
find_by_spi(TarxKeysTable *table, TarxKeysQuery *query, const Datum *values, TarxKeysRow *row)
{
	MemoryContext context = CurrentMemoryContext;
	TarxKeysAsOwner as_owner;
	bool		found;

	tarx_keys_begin_look_up_as_owner(&as_owner, table);
	tarx_keys_queries_begin();
	found = tarx_keys_query_look_up(query, unconstify(Datum *, values)) == 1;
	if (found)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		SPI_tuptable->vals[0] = heap_copytuple(SPI_tuptable->vals[0]);
		tarx_keys_fetched_row(table, 0, row);
		(void) tarx_keys_row_detoast(table, row);
		MemoryContextSwitchTo(spi_context);
	}
	tarx_keys_queries_end();
	tarx_keys_end_as_owner(&as_owner);
	return found;
}

static bool
find(TarxKeysTable *table, TarxKeysQuery *query, bool by_other, const Datum *values, TarxKeysRow *row)
{
	Relation	relation = tarx_keys_table_lock(table);
	Oid			indexid = by_other ? table->other_indexid : table->indexid;
	bool		found;
	Snapshot	snapshot;

	if (!OidIsValid(indexid))
	{
		tarx_keys_table_close(relation);
		return find_by_spi(table, query, values, row);
	}
	snapshot = tarx_keys_latest_snapshot();
	found = find_by_index(table, relation, indexid, by_other ? table->other_key : 0,
						  by_other ? 1 : table->nkeys, values, snapshot, row);
	/* what is not detoasted here is too long for a row of ours, and not looked at */
	if (found)
		(void) tarx_keys_row_detoast(table, row);
	UnregisterSnapshot(snapshot);
	tarx_keys_table_close(relation);
	return found;
}

/*
 * Find the row with this primary key; false if there is none.  It is in the current
 * memory context.
 */
bool
tarx_keys_find_now(TarxKeysTable *table, const Datum *key, TarxKeysRow *row)
{
	return find(table, tarx_keys_table_find_query(table), false, key, row);
}

/* The same by the table's other key */
bool
tarx_keys_find_now_by_other(TarxKeysTable *table, Datum value, TarxKeysRow *row)
{
	return find(table, tarx_keys_table_find_other_query(table), true, &value, row);
}

/*
 * The same by the primary key, as the query's snapshot has the row; found says whether
 * there is one.  Returns false if that is left to SPI.
 */
bool
tarx_keys_find_visible(TarxKeysTable *table, const Datum *key, TarxKeysRow *row, bool *found)
{
	Relation	relation = tarx_keys_table_lock(table);
	bool		by_index = OidIsValid(table->indexid);

	if (by_index)
		*found = find_by_index(table, relation, table->indexid, 0, table->nkeys, key,
							   GetActiveSnapshot(), row);
	tarx_keys_table_close(relation);
	return by_index;
}
