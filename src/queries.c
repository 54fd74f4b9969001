/*
 * queries.c
 *	  Runs the few fixed queries of the C files through saved SPI plans.
 *
 * The texts qualify every name and operator, so that no search_path can change
 * what they mean, and bind every value, so that none is ever part of a text.
 * They run with the rights and the row security of the current user, which in
 * our SECURITY DEFINER functions is the extension's owner.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/spi.h"
#include "utils/snapmgr.h"

#include "tarx_keys.h"

static SPIPlanPtr
plan_of(TarxKeysQuery *query)
{
	SPIPlanPtr	plan = query->plan;

	if (plan == NULL)
	{
		/* one row by its primary key: a custom plan could not be better */
		plan = SPI_prepare_cursor(query->sql, query->nargs, query->argtypes,
								  CURSOR_OPT_GENERIC_PLAN);
		if (plan == NULL)
			elog(ERROR, "could not prepare query: %s",
				 SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep query plan");
		query->plan = plan;
	}
	return plan;
}

static uint64
check_result(int result)
{
	if (result < 0)
		elog(ERROR, "query failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * Run a query within an SPI connection of the caller's; returns the number of
 * rows, which are then in SPI_tuptable.
 */
uint64
tarx_keys_query_run(TarxKeysQuery *query, Datum *values, const char *nulls,
					bool read_only, long limit)
{
	return check_result(SPI_execute_plan(plan_of(query), values, nulls, read_only,
										 limit));
}

/*
 * The same for a look-up of at most one row that must see what other sessions
 * have committed by now, also in a transaction that took its snapshot long
 * ago.  Whoever calls this is PARALLEL UNSAFE: a parallel leader cannot take
 * another snapshot.
 */
uint64
tarx_keys_query_run_latest(TarxKeysQuery *query, Datum *values)
{
	return check_result(SPI_execute_snapshot(plan_of(query), values, NULL,
											 GetLatestSnapshot(), InvalidSnapshot,
											 false, false, 1));
}
