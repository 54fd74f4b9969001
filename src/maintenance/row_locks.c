/*
 * row_locks.c
 *	  Locks the tables of sealed rows against changes.
 *
 * A transaction that changes something may go from any of these tables to any other, so
 * no order of locks is right for all of them.  But each locks the log first.  While that
 * is locked, those that have begun are over, and no other has one of the tables.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/table.h"
#include "storage/lmgr.h"

#include "records/records.h"
#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_lock_rows);

/* lock_rows(): see sql/76_verification.sql */
Datum
tarx_keys_lock_rows(PG_FUNCTION_ARGS)
{
	tarx_keys_audit_lock_against_writers();
	for (TarxKeysTable *const *table = tarx_keys_sealed_tables; *table != NULL; table++)
	{
		Relation	relation;

		if ((*table)->kind == NULL) /* the log itself */
			continue;
		relation = tarx_keys_table_lock(*table);
		LockRelationOid(RelationGetRelid(relation), ShareRowExclusiveLock);
		table_close(relation, NoLock);
	}
	tarx_keys_audit_let_writers_on();
	PG_RETURN_VOID();
}
