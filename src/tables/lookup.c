/*
 * lookup.c
 *	  Finds rows of our tables by their primary key (project_id, id).
 *
 * In an ordinary table with a valid primary key without an executor, because
 * to start one costs several times as much as the look-up and the decryption
 * for which resolve calls are there.  In any other relation by SPI: one that
 * is partitioned or foreign, has children or another access method, and, where
 * Citus is installed, any, because the rows may be on other nodes.  Both find
 * the rows that the snapshot has, under the lock of a SELECT.
 *
 * Rights and row security are the caller's business: it has a reason to see
 * this row of this project, whatever the current user may.  SPI runs as the
 * table's owner, whom row security shows the rows of just this project.
 *
 * What is known of a table is kept until an invalidation message concerns it.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "tables/tables.h"

static TarxKeysTable *known_tables = NULL;

static void
forget_table(Datum arg pg_attribute_unused(), Oid relid)
{
	for (TarxKeysTable *table = known_tables; table != NULL; table = table->next)
	{
		if (relid == InvalidOid || relid == table->relid)
			table->is_known = false;
	}
}

/*
 * Without asking for USAGE on the schema, which callers do not have on the
 * internal one.
 */
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

/* Have the table's facts forgotten when they change. */
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

/* Where the columns are; false if one is missing or of another type. */
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

/* Is it a valid b-tree over just the key columns, in their order? */
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

static void
learn(TarxKeysTable *table, Relation relation)
{
	Form_pg_class form = relation->rd_rel;

	watch(table);
	table->relid = RelationGetRelid(relation);
	table->indexid = InvalidOid;
	if (form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID &&
		!form->relhassubclass && !form->relispartition &&
		find_columns(table, RelationGetDescr(relation)) &&
		!OidIsValid(get_extension_oid("citus", true)))
	{
		Oid			indexid = tarx_keys_primary_key_index(relation);

		if (OidIsValid(indexid) && is_key_index(table, indexid))
			table->indexid = indexid;
	}
	table->is_known = true;
}

/*
 * SPI as the table's owner, in the project
 */

typedef struct OwnerCall
{
	Oid			user_id;
	int			security_context;
	int			guc_level;
} OwnerCall;

/* An error takes it back by itself. */
static void
begin_as_owner(OwnerCall *call, Relation relation, const pg_uuid_t *project_id)
{
	GetUserIdAndSecContext(&call->user_id, &call->security_context);
	SetUserIdAndSecContext(relation->rd_rel->relowner,
						   call->security_context | SECURITY_LOCAL_USERID_CHANGE);
	call->guc_level = NewGUCNestLevel();
	tarx_keys_enter_project(project_id);
	tarx_keys_queries_begin();
}

static void
end_as_owner(const OwnerCall *call)
{
	tarx_keys_queries_end();
	AtEOXact_GUC(true, call->guc_level);
	SetUserIdAndSecContext(call->user_id, call->security_context);
}

/* Lock what the query reads besides the table itself: its children, say. */
static void
lock_for_spi(TarxKeysTable *table, Relation relation, const pg_uuid_t *project_id)
{
	OwnerCall	call;

	begin_as_owner(&call, relation, project_id);
	tarx_keys_query_lock(&table->query);
	end_as_owner(&call);
}

static HeapTuple
find_by_spi(TarxKeysTable *table, Relation relation, Snapshot snapshot,
			const pg_uuid_t *project_id, const pg_uuid_t *id, TupleDesc *desc)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), UUIDPGetDatum(id)};
	OwnerCall	call;
	HeapTuple	tuple = NULL;
	MemoryContext context = CurrentMemoryContext;

	begin_as_owner(&call, relation, project_id);
	if (tarx_keys_query_run_at(&table->query, values, snapshot) > 0)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		tuple = heap_copytuple(SPI_tuptable->vals[0]);
		*desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
		MemoryContextSwitchTo(spi_context);
	}
	end_as_owner(&call);
	return tuple;
}

/*
 * For all
 */

/*
 * Open a table under the lock of a SELECT, which is kept to the end of the
 * transaction.  To be called before the snapshot is taken, because the lock
 * may have to wait.
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

void
tarx_keys_table_close(Relation relation)
{
	table_close(relation, NoLock);
}

static HeapTuple
find_by_index(const TarxKeysTable *table, Relation relation, Snapshot snapshot,
			  const pg_uuid_t *project_id, const pg_uuid_t *id)
{
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], table->attnums[0], BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(project_id));
	ScanKeyInit(&key[1], table->attnums[1], BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(id));
	scan = systable_beginscan(relation, table->indexid, true, snapshot, 2, key);
	tuple = systable_getnext(scan);
	if (tuple != NULL)
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/*
 * Find the row with this primary key that the snapshot has; false if there is
 * none.  values and nulls become the table's columns, in the current memory
 * context, toasted ones as they are stored: the snapshot must outlive them.
 */
bool
tarx_keys_table_find(TarxKeysTable *table, Relation relation, Snapshot snapshot,
					 const pg_uuid_t *project_id, const pg_uuid_t *id,
					 Datum *values, bool *nulls)
{
	TupleDesc	desc = RelationGetDescr(relation);
	bool		direct = OidIsValid(table->indexid);
	HeapTuple	tuple;

	if (direct)
		tuple = find_by_index(table, relation, snapshot, project_id, id);
	else
		tuple = find_by_spi(table, relation, snapshot, project_id, id, &desc);
	if (tuple == NULL)
		return false;
	for (int i = 0; i < table->ncolumns; i++)
		values[i] = heap_getattr(tuple, direct ? table->attnums[i] : i + 1, desc, &nulls[i]);
	return true;
}
