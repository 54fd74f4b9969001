/*
 * lookup.c
 *	  Finds rows of our tables by their primary key (project_id, id); find.c has
 *	  other keys.
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
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "identity/identity.h"
#include "tables/tables.h"

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

/* Find the columns; returns false if one is missing or has another type. */
static bool
find_columns(TarxKeysTable *table, TupleDesc desc)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		table->attnums[i] = InvalidAttrNumber;
		for (int n = 1; n <= desc->natts; n++)
		{
			Form_pg_attribute column = TupleDescAttr(desc, n - 1);

			if (!column->attisdropped && column->atttypid == table->columns[i].type &&
				strcmp(NameStr(column->attname), table->columns[i].name) == 0)
				table->attnums[i] = (AttrNumber) n;
		}
		if (table->attnums[i] == InvalidAttrNumber)
			return false;
	}
	return true;
}

/* The collation that a column of a key must be compared by */
Oid
tarx_keys_key_collation(const TarxKeysTable *table, int column)
{
	return table->columns[column].type == TEXTOID ? C_COLLATION_OID : InvalidOid;
}

/* Is the index a valid b-tree over these columns, in their order, for all rows? */
static bool
is_index_over(const TarxKeysTable *table, Oid indexid, const int *columns, int count)
{
	Relation	index = index_open(indexid, AccessShareLock);
	bool		ok;

	ok = index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
		index->rd_index->indnkeyatts == count &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
	for (int i = 0; ok && i < count; i++)
		ok = index->rd_index->indkey.values[i] == table->attnums[columns[i]] &&
			index->rd_indcollation[i] == tarx_keys_key_collation(table, columns[i]);
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
		find_columns(table, RelationGetDescr(relation)) &&
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
static HeapTuple
find_by_spi(TarxKeysTable *table, Relation relation, Snapshot snapshot,
			const pg_uuid_t *project_id, const pg_uuid_t *id, TarxKeysRow *row)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), UUIDPGetDatum(id)};
	TarxKeysAsOwner as_owner;
	HeapTuple	tuple = NULL;
	MemoryContext context = CurrentMemoryContext;

	begin_in_project(&as_owner, relation, project_id);
	if (tarx_keys_query_run_at(tarx_keys_table_find_query(table), values, snapshot) > 0)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		tuple = heap_copytuple(SPI_tuptable->vals[0]);
		SPI_tuptable->vals[0] = tuple;
		tarx_keys_fetched_row(table, 0, row);
		MemoryContextSwitchTo(spi_context);
	}
	end_in_project(&as_owner);
	return tuple;
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
 * Both ways
 */

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

	if (!OidIsValid(table->indexid))
		lock_for_spi(table, relation, project_id);
	return relation;
}

/* Close a table; its lock stays. */
void
tarx_keys_table_close(Relation relation)
{
	table_close(relation, NoLock);
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

static bool
find_by_index(const TarxKeysTable *table, Relation relation, Snapshot snapshot,
			  const pg_uuid_t *project_id, const pg_uuid_t *id, TarxKeysRow *row)
{
	Relation	index = index_open(table->indexid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	IndexScanDesc scan = tarx_keys_index_beginscan(relation, index, snapshot, 2);
	ScanKeyData key[2];
	bool		found;

	/* the index has the columns of the key in this order */
	ScanKeyInit(&key[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(project_id));
	ScanKeyInit(&key[1], 2, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	index_rescan(scan, key, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
	{
		TarxKeysRow stored;

		slot_getallattrs(slot);
		tarx_keys_table_read_values(table, slot->tts_values, slot->tts_isnull, &stored);
		tarx_keys_row_duplicate(table, &stored, row);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	return found;
}

/*
 * Find the row with this primary key; returns false if the snapshot sees none.  The
 * row is in the current memory context, but its long values are not: call
 * tarx_keys_row_detoast() before the snapshot is gone.
 */
bool
tarx_keys_table_find(TarxKeysTable *table, Relation relation, Snapshot snapshot,
					 const pg_uuid_t *project_id, const pg_uuid_t *id, TarxKeysRow *row)
{
	tarx_keys_row_clear(row);
	if (OidIsValid(table->indexid))
		return find_by_index(table, relation, snapshot, project_id, id, row);
	return find_by_spi(table, relation, snapshot, project_id, id, row) != NULL;
}
