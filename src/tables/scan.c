/*
 * scan.c
 *	  Reads the rows of a described table in the order in which they are stored,
 *	  without an executor: all of them, a range, or random pages.
 *
 * It is for what the DBA calls and what looks at all projects, so row security does
 * not apply.  It asks whether the current user may read, or change, the table.
 *
 * A table that has children or is partitioned has several parts, which are read one
 * by one.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "tables/tables.h"

static void
check_rights(const TarxKeysTable *table, AclMode mode)
{
	Oid			relid = get_relname_relid(table->name, get_namespace_oid(table->schema, false));
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), mode);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, table->name);
}

/* Are these rows that we can read here?  Those of a foreign table are elsewhere. */
static void
check_part(Relation relation)
{
	if (relation->rd_rel->relkind != RELKIND_RELATION ||
		relation->rd_tableam->scan_set_tidrange == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an ordinary table", RelationGetRelationName(relation)),
				 errhint("Move its rows to an ordinary table of the extension, and take it out of that.")));
}

/*
 * Open a part of a table under a lock that the transaction keeps.  mode is the right
 * that the current user must have on the table.
 */
void
tarx_keys_scan_open(TarxKeysScan *scan, const TarxKeysTable *table, Oid part, LOCKMODE lockmode,
					AclMode mode)
{
	check_rights(table, mode);
	scan->table = table;
	scan->scan = NULL;
	scan->relation = table_open(part, lockmode);
	check_part(scan->relation);
	if (!tarx_keys_find_columns(table, RelationGetDescr(scan->relation), scan->attnums))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the columns of table \"%s\" are not those that tarx_keys made",
						RelationGetRelationName(scan->relation))));
	scan->sealed = scan->attnums[tarx_keys_sealed_column(table)];
	scan->nblocks = RelationGetNumberOfBlocks(scan->relation);
	scan->slot = table_slot_create(scan->relation, NULL);
}

void
tarx_keys_scan_close(TarxKeysScan *scan)
{
	if (scan->scan != NULL)
		table_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	table_close(scan->relation, NoLock);
}

/* Begin with the rows that are stored behind a position, and before block end. */
void
tarx_keys_scan_range(TarxKeysScan *scan, Snapshot snapshot, const ItemPointerData * after,
					 BlockNumber end)
{
	ItemPointerData first;
	ItemPointerData last;

	ItemPointerSet(&first, ItemPointerGetBlockNumberNoCheck(after),
				   OffsetNumberNext(ItemPointerGetOffsetNumberNoCheck(after)));
	ItemPointerSet(&last, end > 0 ? end - 1 : 0, end > 0 ? PG_UINT16_MAX : 0);
	if (scan->scan == NULL)
		scan->scan = tarx_keys_beginscan_tidrange(scan->relation, snapshot, &first, &last);
	else
		table_rescan_tidrange(scan->scan, &first, &last);
}

/* Go to the next row; returns false at the end. */
bool
tarx_keys_scan_next(TarxKeysScan *scan)
{
	return table_scan_getnextslot_tidrange(scan->scan, ForwardScanDirection, scan->slot);
}

/* The row in a slot of this part.  It is in the slot's memory. */
void
tarx_keys_scan_row(const TarxKeysScan *scan, TupleTableSlot *slot, TarxKeysRow *row)
{
	slot_getallattrs(slot);
	for (int i = 0; i < scan->table->ncolumns; i++)
	{
		row->values[i] = slot->tts_values[scan->attnums[i] - 1];
		row->nulls[i] = slot->tts_isnull[scan->attnums[i] - 1];
	}
}

/*
 * The fingerprint of the master key that the row in a slot needs; returns false if it
 * needs none.
 */
bool
tarx_keys_scan_fingerprint(const TarxKeysScan *scan, TupleTableSlot *slot,
						   uint8 fingerprint[TARX_KEYS_FINGERPRINT_BYTES])
{
	bool		isnull;
	Datum		sealed = slot_getattr(slot, scan->sealed, &isnull);

	if (!isnull)
		tarx_keys_sealed_fingerprint(sealed, fingerprint);
	return !isnull;
}

/*
 * Call back for the rows of a part that a snapshot sees: for all, or for those on so
 * many random pages if max_pages is not negative.  Returns how many pages it has read.
 */
BlockNumber
tarx_keys_scan_pages(TarxKeysScan *scan, Snapshot snapshot, int32 max_pages,
					 void (*receive) (const TarxKeysScan *scan, void *arg), void *arg)
{
	BlockNumber left = scan->nblocks;
	BlockNumber wanted = max_pages < 0 ? left : Min(left, (BlockNumber) max_pages);
	BlockNumber pages = 0;

	/* each page is taken with the chance that makes it "wanted" in the end */
	for (BlockNumber block = 0; wanted > 0; block++, left--)
	{
		ItemPointerData after;

		if (wanted < left && pg_prng_double(&pg_global_prng_state) * left >= wanted)
			continue;
		CHECK_FOR_INTERRUPTS();
		ItemPointerSet(&after, block, InvalidOffsetNumber);
		tarx_keys_scan_range(scan, snapshot, &after, wanted < left ? block + 1 : scan->nblocks);
		while (tarx_keys_scan_next(scan))
			receive(scan, arg);
		if (wanted == left)		/* all that are left */
			return pages + left;
		pages++;
		wanted--;
	}
	return pages;
}
