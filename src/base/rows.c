/*
 * rows.c
 *	  Results of functions that return sets, or a row.
 */
#include "postgres.h"
#include "base/compat.h"

#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

#include "base/base.h"

/*
 * Start the result of a function that returns a set.  describe() makes the
 * description of its rows.  The caller puts the rows into the store that is
 * returned, which keeps up to so many kilobytes of them in memory.  Raises an error
 * if the caller cannot take a set.
 */
Tuplestorestate *
tarx_keys_begin_rows(FunctionCallInfo fcinfo, int kilobytes, TupleDesc (*describe) (void))
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
	info->setDesc = describe();
	info->setResult = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0,
											false, kilobytes);
	MemoryContextSwitchTo(old);
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
