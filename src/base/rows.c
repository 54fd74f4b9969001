/*
 * rows.c
 *	  Results of functions that return sets.
 */
#include "postgres.h"
#include "base/compat.h"

#include "executor/executor.h"
#include "nodes/execnodes.h"

#include "base/base.h"

/*
 * Start the result of a function that returns a set, whose rows go to a store
 * of up to kilobytes in memory, in memory that outlives the call.
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
