/*
 * lookup.c
 *	  Finds rows of our tables by their primary key (project_id, id).
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
#include "commands/extension.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
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

/* Is the index a valid b-tree over the two key columns, in their order? */
static bool
is_key_index(const TarxKeysTable *table, Oid indexid)
{
	Relation	index = index_open(indexid, AccessShareLock);
	bool		ok;

	ok = index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
		index->rd_index->indnkeyatts == 2;
	for (int i = 0; ok && i < 2; i++)
		ok = index->rd_index->indkey.values[i] == table->attnums[i];
	index_close(index, AccessShareLock);
	return ok;
}

/* The index of the primary key; InvalidOid if we cannot use it ourselves */
static Oid
usable_index(TarxKeysTable *table, Relation relation)
{
	Form_pg_class form = relation->rd_rel;
	Oid			indexid;

	if (form->relkind != RELKIND_RELATION || form->relam != HEAP_TABLE_AM_OID ||
		form->relhassubclass || form->relispartition ||
		!tarx_keys_find_columns(table, RelationGetDescr(relation), table->attnums) ||
		OidIsValid(get_extension_oid("citus", true)))
		return InvalidOid;
	indexid = tarx_keys_primary_key_index(relation);
	return OidIsValid(indexid) && is_key_index(table, indexid) ? indexid : InvalidOid;
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
 * Open a table under the lock of a SELECT, which the transaction keeps.  Call this
 * before you take the snapshot, because the lock may have to wait.
 */
Relation
tarx_keys_table_open(TarxKeysTable *table, const pg_uuid_t *project_id)
{
	Relation	relation;

	if (table->is_known)
		LockRelationOid(table->relid, AccessShareLock);
	if (!table->is_known)		/* or not any more */
	{
		relation = table_open(find_table(table), AccessShareLock);
		learn(table, relation);
	}
	else
		relation = table_open(table->relid, NoLock);
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

/* Copy the columns of the row in the slot, in the order of the description. */
static void
read_slot(const TarxKeysTable *table, TupleTableSlot *slot, TarxKeysRow *row)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		AttrNumber	n = table->attnums[i];
		Form_pg_attribute column = TupleDescAttr(slot->tts_tupleDescriptor, n - 1);
		Datum		value = slot_getattr(slot, n, &row->nulls[i]);

		if (!row->nulls[i])
			row->values[i] = datumCopy(value, column->attbyval, column->attlen);
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
		read_slot(table, slot, row);
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
