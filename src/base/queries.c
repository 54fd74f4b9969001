/*
 * queries.c
 *	  Runs the fixed queries of the C files through saved SPI plans.
 *
 * The texts qualify every name and operator, so that no search_path can change
 * their meaning, and bind every value, so that no text contains one.  They run
 * with the rights and the row security of the current user.  In our SECURITY
 * DEFINER functions that is the extension's owner.
 */
#include "postgres.h"
#include "base/compat.h"

#include "executor/spi.h"
#include "nodes/params.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/base.h"

static SPIPlanPtr
plan_of(TarxKeysQuery *query)
{
	SPIPlanPtr	plan = query->plan;

	if (plan == NULL)
	{
		const char *sql = query->make != NULL ? query->make(query) : query->sql;

		/* they all use an index, so one plan is good for every value */
		plan = SPI_prepare_cursor(sql, query->nargs, query->argtypes,
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

/* Open the SPI connection in which queries run. */
void
tarx_keys_queries_begin(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/* Close it again. */
void
tarx_keys_queries_end(void)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

/*
 * Run a query.  nulls is as for SPI, and NULL if no value is NULL.  Returns the
 * number of rows; those of a SELECT are in SPI_tuptable.
 */
uint64
tarx_keys_query_run(TarxKeysQuery *query, Datum *values, const char *nulls,
					bool read_only)
{
	return check_result(SPI_execute_plan(plan_of(query), values, nulls, read_only, 0));
}

/*
 * Run a look-up without NULLs that sees what the snapshot sees, and our own
 * changes.
 */
uint64
tarx_keys_query_run_at(TarxKeysQuery *query, Datum *values, Snapshot snapshot)
{
	return check_result(SPI_execute_snapshot(plan_of(query), values, NULL, snapshot,
											 InvalidSnapshot, false, false, 0));
}

/*
 * Run a query that only reads, and hand its rows to a receiver one by one, as they
 * are found.  No parameter may be NULL.
 */
void
tarx_keys_query_run_to(TarxKeysQuery *query, const Datum *values, DestReceiver *receiver)
{
	SPIExecuteOptions options = {.read_only = true, .dest = receiver};

	options.params = makeParamList(query->nargs);
	for (int i = 0; i < query->nargs; i++)
	{
		ParamExternData *param = &options.params->params[i];

		param->value = values[i];
		param->isnull = false;
		param->pflags = PARAM_FLAG_CONST;
		param->ptype = query->argtypes[i];
	}
	check_result(SPI_execute_plan_extended(plan_of(query), &options));
}

/* Open a cursor for such a look-up, for more rows than memory should hold. */
Portal
tarx_keys_query_open(TarxKeysQuery *query, Datum *values, Snapshot snapshot)
{
	Portal		cursor;

	PushActiveSnapshot(snapshot);
	cursor = SPI_cursor_open(NULL, plan_of(query), values, NULL, true);
	PopActiveSnapshot();
	if (cursor == NULL)
		elog(ERROR, "could not open cursor: %s", SPI_result_code_string(SPI_result));
	return cursor;
}

/*
 * Lock the tables of a query.  The lock may have to wait, for an ALTER TABLE or
 * VACUUM FULL for instance.  A snapshot from before would lack everything that is
 * committed meanwhile, so lock first.
 */
void
tarx_keys_query_lock(TarxKeysQuery *query)
{
	CachedPlan *plan = SPI_plan_get_cached_plan(plan_of(query));

	if (plan != NULL)
		ReleaseCachedPlan(plan, CurrentResourceOwner);
}

/*
 * A snapshot that sees everything that other sessions have committed by now, even
 * in a transaction whose own snapshot is old.  Look-ups that belong together use
 * the same one, so that no commit can come between them.  Call
 * tarx_keys_query_lock() for their tables first.
 *
 * The caller unregisters it; after an error the resource owner does.  SQL
 * functions that call this must be PARALLEL UNSAFE, because a parallel leader
 * cannot take another snapshot.
 */
Snapshot
tarx_keys_latest_snapshot(void)
{
	return RegisterSnapshot(GetLatestSnapshot());
}

static uint64
run_latest(TarxKeysQuery *query, Datum *values, const char *nulls, bool read_only)
{
	Snapshot	snapshot;
	uint64		rows;

	tarx_keys_query_lock(query);
	snapshot = tarx_keys_latest_snapshot();
	rows = check_result(SPI_execute_snapshot(plan_of(query), values, nulls, snapshot,
											 InvalidSnapshot, read_only, false, 0));
	UnregisterSnapshot(snapshot);
	return rows;
}

/* Run a single look-up in such a snapshot, also in the middle of another query. */
uint64
tarx_keys_query_look_up(TarxKeysQuery *query, Datum *values)
{
	return run_latest(query, values, NULL, true);
}

/* Run a single query in such a snapshot; nulls is as in tarx_keys_query_run(). */
uint64
tarx_keys_query_run_latest(TarxKeysQuery *query, Datum *values, const char *nulls)
{
	return run_latest(query, values, nulls, false);
}
