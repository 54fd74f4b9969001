/*
 * index_scan.c
 *	  Reads rows of an ordinary table by an index, without an executor.
 *
 * The caller has locked the table, and knows that it has the index: see lookup.c.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "tables/tables.h"

/* The collation that a column of a key must be compared by */
Oid
tarx_keys_key_collation(const TarxKeysTable *table, int column)
{
	return table->columns[column].type == TEXTOID ? C_COLLATION_OID : InvalidOid;
}

/* The function that compares values of a column of a key */
static RegProcedure
comparison(Oid type, StrategyNumber strategy)
{
	switch (type)
	{
		case UUIDOID:
			return strategy == BTEqualStrategyNumber ? F_UUID_EQ :
				strategy == BTGreaterEqualStrategyNumber ? F_UUID_GE : F_UUID_LE;
		case BOOLOID:
			return strategy == BTEqualStrategyNumber ? F_BOOLEQ :
				strategy == BTGreaterEqualStrategyNumber ? F_BOOLGE : F_BOOLLE;
		case TEXTOID:
			return strategy == BTEqualStrategyNumber ? F_TEXTEQ :
				strategy == BTGreaterEqualStrategyNumber ? F_TEXT_GE : F_TEXT_LE;
		case BYTEAOID:
			return strategy == BTEqualStrategyNumber ? F_BYTEAEQ :
				strategy == BTGreaterEqualStrategyNumber ? F_BYTEAGE : F_BYTEALE;
		default:
			elog(ERROR, "rows cannot be found by columns of type %u", type);
	}
}

/* Begin to read by the primary key's index, or the table's other one, with so many conditions. */
void
tarx_keys_index_begin(TarxKeysIndexScan *scan, const TarxKeysTable *table, Relation relation,
					  bool by_other, Snapshot snapshot, int nkeys)
{
	static const int first_columns[] = {0, 1, 2, 3};

	scan->table = table;
	scan->columns = by_other ? table->other_key : first_columns;
	scan->index = index_open(by_other ? table->other_indexid : table->indexid, AccessShareLock);
	scan->slot = table_slot_create(relation, NULL);
	scan->scan = tarx_keys_index_beginscan(relation, scan->index, snapshot, nkeys);
}

/* Condition n, counted from 0: how a column of the index, counted from 0, compares to a value */
void
tarx_keys_index_condition(TarxKeysIndexScan *scan, int n, int column, StrategyNumber strategy, Datum value)
{
	int			place = scan->columns[column];

	ScanKeyEntryInitialize(&scan->keys[n], 0, (AttrNumber) (column + 1), strategy, InvalidOid,
						   tarx_keys_key_collation(scan->table, place),
						   comparison(scan->table->columns[place].type, strategy), value);
}

/* Start, or start again, at the first row that meets all conditions. */
void
tarx_keys_index_start(TarxKeysIndexScan *scan)
{
	index_rescan(scan->scan, scan->keys, scan->scan->numberOfKeys, NULL, 0);
}

/* Go to the next row, which is in the slot; returns false at the end. */
bool
tarx_keys_index_next(TarxKeysIndexScan *scan)
{
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

void
tarx_keys_index_end(TarxKeysIndexScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	/* as in a query, the transaction keeps the lock */
	index_close(scan->index, NoLock);
}
