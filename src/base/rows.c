/*
 * rows.c
 *	  Results of functions that return rows.
 */
#include "postgres.h"
#include "base/compat.h"

#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "base/base.h"

/*
 * The description of a function's rows, which have a type with a name: PostgreSQL keeps
 * it, and does not make it anew for each call.  The caller releases it.  An error
 * unless the columns have these types, in which case somebody has changed the type.
 */
TupleDesc
tarx_keys_result_desc(FunctionCallInfo fcinfo, const Oid *types, int count)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(get_func_rettype(fcinfo->flinfo->fn_oid), -1);
	bool		same = desc->natts == count;

	for (int i = 0; same && i < count; i++)
		same = TupleDescAttr(desc, i)->atttypid == types[i];
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the type of this function's rows was changed"),
				 errhint("Undo what was done to it by ALTER TYPE.")));
	return desc;
}

/*
 * Start the result of a function that returns a set, but for the description of its
 * rows.  Raises an error if the caller cannot take a set.
 */
static ReturnSetInfo *
begin_set(FunctionCallInfo fcinfo, int kilobytes)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (info == NULL || !IsA(info, ReturnSetInfo) || (info->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a set of rows cannot be taken here"),
				 errhint("Call the function in FROM.")));
	old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	info->returnMode = SFRM_Materialize;
	info->setResult = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0,
											false, kilobytes);
	MemoryContextSwitchTo(old);
	return info;
}

/*
 * Start the result of a function that returns a set.  describe() makes the
 * description of its rows.  The caller puts the rows into the store that is
 * returned, which keeps up to so many kilobytes of them in memory.  Raises an error
 * if the caller cannot take a set.
 */
Tuplestorestate *
tarx_keys_begin_rows(FunctionCallInfo fcinfo, int kilobytes, TupleDesc (*describe) (void))
{
	ReturnSetInfo *info = begin_set(fcinfo, kilobytes);
	MemoryContext old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);

	info->setDesc = describe();
	MemoryContextSwitchTo(old);
	return info->setResult;
}

/* The same for rows of a type with a name, whose columns have these types */
Tuplestorestate *
tarx_keys_begin_typed_rows(FunctionCallInfo fcinfo, int kilobytes, const Oid *types, int count)
{
	ReturnSetInfo *info = begin_set(fcinfo, kilobytes);
	TupleDesc	desc = tarx_keys_result_desc(fcinfo, types, count);
	MemoryContext old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);

	info->setDesc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
	ReleaseTupleDesc(desc);
	return info->setResult;
}

/*
 * The description of the row that a function returns, for as long as the session lasts:
 * to work it out takes longer than many of our calls.
 */
TupleDesc
tarx_keys_kept_result(FunctionCallInfo fcinfo)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	MemoryContextSwitchTo(old);
	return desc;
}
