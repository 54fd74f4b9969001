/*
 * owner.c
 *	  Runs something with the rights of the extension's owner.
 *
 * It does what SECURITY DEFINER and a SET clause for search_path would do, but
 * after the caller is known.  For the right to call a function that makes no
 * difference: PostgreSQL has checked it already.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "identity/identity.h"

/* The owner of the SQL function that is called */
Oid
tarx_keys_owner_of_function(FunctionCallInfo fcinfo)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* After an error PostgreSQL restores the user and the settings by itself. */
void
tarx_keys_begin_as_owner(TarxKeysAsOwner *as_owner, Oid owner)
{
	GetUserIdAndSecContext(&as_owner->user_id, &as_owner->security_context);
	SetUserIdAndSecContext(owner, as_owner->security_context | SECURITY_LOCAL_USERID_CHANGE);
	as_owner->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
tarx_keys_end_as_owner(const TarxKeysAsOwner *as_owner)
{
	AtEOXact_GUC(true, as_owner->guc_level);
	SetUserIdAndSecContext(as_owner->user_id, as_owner->security_context);
}
