/*
 * lookup.c
 *	  Finds rows of our tables by their primary key: a project, and an id or a name.
 *	  find.c has other keys.
 *
 * An ordinary table with a valid primary key is read without an executor: to
 * start one costs several times as much as the look-up and the decryption of a
 * resolve call.  SPI reads all other relations: those that are partitioned or
 * foreign, or have children or another access method.  With Citus it reads every
 * relation, because the rows may be on other nodes.  Both ways find the rows that
 * the snapshot sees, under the lock of a SELECT.
 *
 * The caller is responsible for rights and row security: it has a reason to see
 * this row of this project, even if the current user must not.  SPI runs as the
 * owner of the table, and row security shows the owner only this project.
 *
 * The session keeps its knowledge of a table until an invalidation message
 * concerns the table.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "identity/identity.h"
#include "tables/tables.h"

/* From so many rows on it may pay to walk, and so many steps are allowed for each. */
#define WALK_MIN		4
#define WALK_STEPS		4

/* A scan by the primary key's index, whose rows are copied */
typedef struct KeyScan
{
	TarxKeysIndexScan by_index;
	Datum	   *values;			/* of all columns that the table has */
	bool	   *nulls;
} KeyScan;

static TarxKeysTable *known_tables = NULL;

static void
forget_table(Datum arg pg_attribute_unused(), Oid relid)
{
	for (TarxKeysTable *table = known_tables; table != NULL; table = table->next)
	{
		if (relid == InvalidOid || relid == table->relid)
		{
			table->is_known = false;
			table->invalidations++;
		}
	}
}

/* Callers have no USAGE on the internal schema, so this does not ask for it. */
static Oid
find_table(const TarxKeysTable *table)
{
	Oid			relid = get_relname_relid(table->name, get_namespace_oid(table->schema, false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist", table->schema, table->name)));
	return relid;
}

/* Forget the facts of this table when they change. */
static void
watch(TarxKeysTable *table)
{
	if (table->is_watched)
		return;
	if (known_tables == NULL)
		CacheRegisterRelcacheCallback(forget_table, (Datum) 0);
	table->next = known_tables;
	known_tables = table;
	table->is_watched = true;
}

/*
 * Find the columns of a table, or of one with the same columns; returns false if one is
 * missing or has another type.
 */
bool
tarx_keys_find_columns(const TarxKeysTable *table, TupleDesc desc,
					   AttrNumber attnums[TARX_KEYS_MAX_COLUMNS])
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		attnums[i] = InvalidAttrNumber;
		for (int n = 1; n <= desc->natts; n++)
		{
			Form_pg_attribute column = TupleDescAttr(desc, n - 1);

			if (!column->attisdropped && column->atttypid == table->columns[i].type &&
				strcmp(NameStr(column->attname), table->columns[i].name) == 0)
				attnums[i] = (AttrNumber) n;
		}
		if (attnums[i] == InvalidAttrNumber)
			return false;
	}
	return true;
}

/*
 * Does the index have what each of our snapshots sees?  If rows were changed without it
 * before it was made, it does only for those that are younger: see README.HOT.  We look
 * again in the next call, as if an invalidation had come.
 */
static bool
is_old_enough(TarxKeysTable *table, Relation index)
{
	if (!index->rd_index->indcheckxmin ||
		TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin))
		return true;
	table->invalidations++;
	return false;
}

/* Is the index a valid b-tree over these columns, in their order, for all rows? */
static bool
is_index_over(TarxKeysTable *table, Oid indexid, const int *columns, int count)
{
	Relation	index = index_open(indexid, AccessShareLock);
	bool		ok;

	ok = index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
		index->rd_index->indnkeyatts == count &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
	for (int i = 0; ok && i < count; i++)
		ok = index->rd_index->indkey.values[i] == table->attnums[columns[i]] &&
			index->rd_indcollation[i] == tarx_keys_key_collation(table, columns[i]);
	ok = ok && is_old_enough(table, index);
	index_close(index, AccessShareLock);
	return ok;
}

/* Can we read the table ourselves? */
static bool
is_usable(TarxKeysTable *table, Relation relation)
{
	Form_pg_class form = relation->rd_rel;

	return form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID &&
		!form->relhassubclass && !form->relispartition &&
		tarx_keys_find_columns(table, RelationGetDescr(relation), table->attnums) &&
		!OidIsValid(get_extension_oid("citus", true));
}

/* The index of the primary key; InvalidOid if we cannot use it ourselves */
static Oid
usable_index(TarxKeysTable *table, Relation relation)
{
	static const int first_columns[] = {0, 1, 2, 3};
	Oid			indexid;

	if (!is_usable(table, relation))
		return InvalidOid;
	indexid = tarx_keys_primary_key_index(relation);
	return OidIsValid(indexid) && is_index_over(table, indexid, first_columns, table->nkeys) ? indexid : InvalidOid;
}

/* The table's other index, if there is one; as above */
static Oid
usable_other_index(TarxKeysTable *table, Relation relation)
{
	ListCell   *cell;

	if (table->nother == 0 || !is_usable(table, relation))
		return InvalidOid;
	foreach(cell, RelationGetIndexList(relation))
	{
		if (is_index_over(table, lfirst_oid(cell), table->other_key, table->nother))
			return lfirst_oid(cell);
	}
	return InvalidOid;
}

/*
 * Learn about the table, which the caller has locked.  If an invalidation arrives
 * meanwhile, our knowledge serves only this call, and the next one looks again.
 */
static void
learn(TarxKeysTable *table, Relation relation)
{
	uint64		before;

	watch(table);
	table->relid = RelationGetRelid(relation);
	before = table->invalidations;
	table->indexid = usable_index(table, relation);
	table->other_indexid = usable_other_index(table, relation);
	table->is_known = table->invalidations == before;
}

/*
 * SPI as the owner of the table, in the project
 */

static void
begin_in_project(TarxKeysAsOwner *as_owner, Relation relation, const pg_uuid_t *project_id)
{
	tarx_keys_begin_as_owner(as_owner, relation->rd_rel->relowner);
	tarx_keys_enter_project(project_id);
	tarx_keys_queries_begin();
}

static void
end_in_project(const TarxKeysAsOwner *as_owner)
{
	tarx_keys_queries_end();
	tarx_keys_end_as_owner(as_owner);
}

/* Lock what the query reads beside the table itself: its children, for instance. */
static void
lock_for_spi(TarxKeysTable *table, Relation relation, const pg_uuid_t *project_id)
{
	TarxKeysAsOwner as_owner;

	begin_in_project(&as_owner, relation, project_id);
	tarx_keys_query_lock(tarx_keys_table_find_query(table));
	end_in_project(&as_owner);
}

/* The row is in the caller's memory context: SPI's ends with its connection. */
static bool
find_by_spi(TarxKeysTable *table, Relation relation, Snapshot snapshot,
			const pg_uuid_t *project_id, Datum second, TarxKeysRow *row)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), second};
	TarxKeysAsOwner as_owner;
	MemoryContext context = CurrentMemoryContext;
	bool		found;

	begin_in_project(&as_owner, relation, project_id);
	found = tarx_keys_query_run_at(tarx_keys_table_find_query(table), values, snapshot) > 0;
	if (found)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		SPI_tuptable->vals[0] = heap_copytuple(SPI_tuptable->vals[0]);
		tarx_keys_fetched_row(table, 0, row);
		MemoryContextSwitchTo(spi_context);
	}
	end_in_project(&as_owner);
	return found;
}

/*
 * Run a query, made by TARX_KEYS_SELECT() of this table, as the owner in the project.
 * Returns how many rows it found; *rows has them, in the caller's memory context and
 * detoasted as far as tarx_keys_row_detoast() does it.  is_whole says of each whether
 * that succeeded.  Its first parameter is the project's id.
 */
uint64
tarx_keys_table_search(TarxKeysTable *table, Relation relation, TarxKeysQuery *query, Datum *values,
					   Snapshot snapshot, TarxKeysRow **rows, bool **is_whole)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi_context;
	TarxKeysAsOwner as_owner;
	uint64		count;

	begin_in_project(&as_owner, relation, DatumGetUUIDP(values[0]));
	count = tarx_keys_query_run_at(query, values, snapshot);
	spi_context = MemoryContextSwitchTo(context);
	*rows = palloc(sizeof(TarxKeysRow) * Max(count, 1));
	*is_whole = palloc(sizeof(bool) * Max(count, 1));
	for (uint64 i = 0; i < count; i++)
	{
		SPI_tuptable->vals[i] = heap_copytuple(SPI_tuptable->vals[i]);
		tarx_keys_fetched_row(table, i, &(*rows)[i]);
		(*is_whole)[i] = tarx_keys_row_detoast(table, &(*rows)[i]);
	}
	MemoryContextSwitchTo(spi_context);
	end_in_project(&as_owner);
	return count;
}

/*
 * The primary key's index
 */

static void
begin_scan(KeyScan *scan, const TarxKeysTable *table, Relation relation, Snapshot snapshot,
		   const pg_uuid_t *project_id, int nkeys)
{
	int			natts = RelationGetNumberOfAttributes(relation);

	tarx_keys_index_begin(&scan->by_index, table, relation, false, snapshot, nkeys);
	tarx_keys_index_condition(&scan->by_index, 0, 0, BTEqualStrategyNumber, UUIDPGetDatum(project_id));
	scan->values = palloc(natts * sizeof(Datum));
	scan->nulls = palloc(natts * sizeof(bool));
}

/* From the columns of the table, in its order, to those of the description */
void
tarx_keys_table_read_values(const TarxKeysTable *table, const Datum *values, const bool *nulls,
							TarxKeysRow *row)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		row->values[i] = values[table->attnums[i] - 1];
		row->nulls[i] = nulls[table->attnums[i] - 1];
	}
}

/* Copy the next row, its columns in the order of the description; false if there is none. */
static bool
next_row(KeyScan *scan, TarxKeysRow *row)
{
	TupleTableSlot *slot = scan->by_index.slot;

	if (!tarx_keys_index_next(&scan->by_index))
		return false;
	heap_deform_tuple(ExecCopySlotHeapTuple(slot), slot->tts_tupleDescriptor, scan->values, scan->nulls);
	tarx_keys_table_read_values(scan->by_index.table, scan->values, scan->nulls, row);
	return true;
}

/* Look up the rows with these in the second column of the key, one by one. */
static void
look_up(const TarxKeysTable *table, Relation relation, Snapshot snapshot,
		const pg_uuid_t *project_id, const Datum *seconds, uint64 count,
		TarxKeysRow *rows, bool *found)
{
	KeyScan		scan;

	begin_scan(&scan, table, relation, snapshot, project_id, 2);
	for (uint64 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		tarx_keys_index_condition(&scan.by_index, 1, 1, BTEqualStrategyNumber, seconds[i]);
		tarx_keys_index_start(&scan.by_index);
		found[i] = next_row(&scan, &rows[i]);
	}
	tarx_keys_index_end(&scan.by_index);
}

/* The order of two values of the second column of the key, as the index has it */
static int
compare_seconds(const TarxKeysTable *table, Datum a, Datum b)
{
	text	   *left;
	text	   *right;

	if (table->columns[1].type == UUIDOID)
		return memcmp(DatumGetUUIDP(a), DatumGetUUIDP(b), UUID_LEN);
	left = DatumGetTextPP(a);
	right = DatumGetTextPP(b);
	return tarx_keys_compare_spans((TarxKeysSpan) {VARDATA_ANY(left), VARSIZE_ANY_EXHDR(left)},
								   (TarxKeysSpan) {VARDATA_ANY(right), VARSIZE_ANY_EXHDR(right)});
}

/*
 * The same for values in ascending order, by walking through all rows from the first to
 * the last of them: who wants many rows of a project mostly wants a good part of what
 * there is, and to look one up costs as much as several steps.  If many others are in
 * between, this stops.  Returns how many of the values are done.
 */
static uint64
walk(const TarxKeysTable *table, Relation relation, Snapshot snapshot,
	 const pg_uuid_t *project_id, const Datum *seconds, uint64 count,
	 TarxKeysRow *rows, bool *found)
{
	uint64		done = 0;
	TarxKeysRow row;
	KeyScan		scan;

	begin_scan(&scan, table, relation, snapshot, project_id, 3);
	tarx_keys_index_condition(&scan.by_index, 1, 1, BTGreaterEqualStrategyNumber, seconds[0]);
	tarx_keys_index_condition(&scan.by_index, 2, 1, BTLessEqualStrategyNumber, seconds[count - 1]);
	tarx_keys_index_start(&scan.by_index);
	memset(found, false, count * sizeof(bool));
	for (uint64 steps = 0; done < count && steps < count * WALK_STEPS; steps++)
	{
		int			order = 1;

		CHECK_FOR_INTERRUPTS();
		if (!next_row(&scan, &row))
			done = count;
		while (done < count && (order = compare_seconds(table, row.values[1], seconds[done])) > 0)
			done++;
		if (done < count && order == 0)
		{
			rows[done] = row;
			found[done++] = true;
		}
	}
	tarx_keys_index_end(&scan.by_index);
	return done;
}

/*
 * Both ways
 */

/* Can rows be found without SPI?  The table has been opened. */
bool
tarx_keys_table_has_index(const TarxKeysTable *table)
{
	return OidIsValid(table->indexid);
}

/*
 * Open a table under the lock of a SELECT, which the transaction keeps, and learn what
 * indexes it has.
 */
Relation
tarx_keys_table_lock(TarxKeysTable *table)
{
	Relation	relation;

	if (table->is_known)
		LockRelationOid(table->relid, AccessShareLock);
	if (table->is_known)		/* still */
		return table_open(table->relid, NoLock);
	relation = table_open(find_table(table), AccessShareLock);
	learn(table, relation);
	return relation;
}

/*
 * The same, and lock what SPI needs.  Call this before you take the snapshot, because
 * the lock may have to wait.
 */
Relation
tarx_keys_table_open(TarxKeysTable *table, const pg_uuid_t *project_id)
{
	Relation	relation = tarx_keys_table_lock(table);

	if (!tarx_keys_table_has_index(table))
		lock_for_spi(table, relation, project_id);
	return relation;
}

/* Close a table; its lock stays. */
void
tarx_keys_table_close(Relation relation)
{
	table_close(relation, NoLock);
}

/*
 * Find the rows of a project that have these in the second column of the primary key,
 * which are in ascending order; found says of each whether the snapshot sees it.  The
 * rows are in the current memory context, but their long values are not: call
 * tarx_keys_row_detoast() before the snapshot is gone.
 */
void
tarx_keys_table_find_each(TarxKeysTable *table, Relation relation, Snapshot snapshot,
						  const pg_uuid_t *project_id, const Datum *seconds, uint64 count,
						  TarxKeysRow *rows, bool *found)
{
	uint64		done = 0;

	if (!tarx_keys_table_has_index(table))
	{
		for (; done < count; done++)
			found[done] = find_by_spi(table, relation, snapshot, project_id, seconds[done], &rows[done]);
		return;
	}
	if (count >= WALK_MIN)
		done = walk(table, relation, snapshot, project_id, seconds, count, rows, found);
	if (done < count)
		look_up(table, relation, snapshot, project_id, &seconds[done], count - done, &rows[done],
				&found[done]);
}

/* Find one such row; returns false if the snapshot sees none. */
bool
tarx_keys_table_find(TarxKeysTable *table, Relation relation, Snapshot snapshot,
					 const pg_uuid_t *project_id, Datum second, TarxKeysRow *row)
{
	bool		found;

	tarx_keys_table_find_each(table, relation, snapshot, project_id, &second, 1, row, &found);
	return found;
}

/*
 * Find all rows of a project, in the order of the second column of the primary key; as
 * above.  Only for a table that tarx_keys_table_has_index().
 */
uint64
tarx_keys_table_find_all(const TarxKeysTable *table, Relation relation, Snapshot snapshot,
						 const pg_uuid_t *project_id, TarxKeysRow **rows)
{
	uint64		size = 16;
	uint64		count = 0;
	KeyScan		scan;

	*rows = palloc(sizeof(TarxKeysRow) * size);
	begin_scan(&scan, table, relation, snapshot, project_id, 1);
	tarx_keys_index_start(&scan.by_index);
	while (next_row(&scan, &(*rows)[count]))
	{
		CHECK_FOR_INTERRUPTS();
		if (++count == size)
			*rows = repalloc_huge(*rows, sizeof(TarxKeysRow) * (size *= 2));
	}
	tarx_keys_index_end(&scan.by_index);
	return count;
}
