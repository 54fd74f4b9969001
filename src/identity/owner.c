/*
 * owner.c
 *	  Runs something with the rights of the extension's owner.
 *
 * It does what SECURITY DEFINER and SET clauses for search_path and row_security
 * would do, but after the caller is known.  For the right to call a function that
 * makes no difference: PostgreSQL has checked it already.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/rls.h"
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

static void
set_until_end(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Begin as a role, in the current security context and this one.  After an error
 * PostgreSQL restores the user and the settings by itself.
 */
void
tarx_keys_begin_as(TarxKeysAsOwner *as_owner, Oid role, int security_context)
{
	GetUserIdAndSecContext(&as_owner->user_id, &as_owner->security_context);
	SetUserIdAndSecContext(role, as_owner->security_context | security_context);
	as_owner->guc_level = NewGUCNestLevel();
	set_until_end("search_path", "pg_catalog, pg_temp");
	/* if it were off, each query would be an error */
	if (!row_security)
		set_until_end("row_security", "on");
}

void
tarx_keys_begin_as_owner(TarxKeysAsOwner *as_owner, Oid owner)
{
	tarx_keys_begin_as(as_owner, owner, SECURITY_LOCAL_USERID_CHANGE);
}

void
tarx_keys_end_as_owner(const TarxKeysAsOwner *as_owner)
{
	AtEOXact_GUC(true, as_owner->guc_level);
	SetUserIdAndSecContext(as_owner->user_id, as_owner->security_context);
}
