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
#include "base/compat.h"

#include "executor/spi.h"
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

		/* look-ups by an index: no value makes another plan better */
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

/* Open and close the SPI connection that queries run in. */
void
tarx_keys_queries_begin(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
tarx_keys_queries_end(void)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

/* Run a query; returns the number of rows, which are then in SPI_tuptable. */
uint64
tarx_keys_query_run(TarxKeysQuery *query, Datum *values, const char *nulls,
					bool read_only)
{
	return check_result(SPI_execute_plan(plan_of(query), values, nulls, read_only, 0));
}

/* The same for a look-up that sees what the snapshot does, and our own changes. */
uint64
tarx_keys_query_run_at(TarxKeysQuery *query, Datum *values, Snapshot snapshot)
{
	return check_result(SPI_execute_snapshot(plan_of(query), values, NULL, snapshot,
											 InvalidSnapshot, false, false, 0));
}

/* The same through a cursor, for more rows than memory should hold */
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
 * Lock the tables of a query.  A lock may have to wait, behind an ALTER TABLE
 * or VACUUM FULL say: a snapshot taken before would lack what was committed
 * meanwhile.
 */
void
tarx_keys_query_lock(TarxKeysQuery *query)
{
	CachedPlan *plan = SPI_plan_get_cached_plan(plan_of(query));

	if (plan != NULL)
		ReleaseCachedPlan(plan, CurrentResourceOwner);
}

/*
 * A snapshot of what other sessions have committed by now, also in a
 * transaction that took its own long ago.  Several look-ups that belong
 * together use one, so that no commit can come between them; their tables are
 * locked first, by tarx_keys_query_lock().  The caller unregisters it; if an
 * error comes first, the resource owner does.  Whoever calls this is PARALLEL
 * UNSAFE: a parallel leader cannot take another snapshot.
 */
Snapshot
tarx_keys_latest_snapshot(void)
{
	return RegisterSnapshot(GetLatestSnapshot());
}

/* A single look-up in such a snapshot, which may also be in the middle of a query */
uint64
tarx_keys_query_look_up(TarxKeysQuery *query, Datum *values)
{
	Snapshot	snapshot;
	uint64		rows;

	tarx_keys_query_lock(query);
	snapshot = tarx_keys_latest_snapshot();
	rows = check_result(SPI_execute_snapshot(plan_of(query), values, NULL, snapshot,
											 InvalidSnapshot, true, false, 0));
	UnregisterSnapshot(snapshot);
	return rows;
}

/* A single query in such a snapshot; nulls as for SPI, NULL if nothing is. */
uint64
tarx_keys_query_run_latest(TarxKeysQuery *query, Datum *values, const char *nulls)
{
	Snapshot	snapshot;
	uint64		rows;

	tarx_keys_query_lock(query);
	snapshot = tarx_keys_latest_snapshot();
	rows = check_result(SPI_execute_snapshot(plan_of(query), values, nulls, snapshot,
											 InvalidSnapshot, false, false, 0));
	UnregisterSnapshot(snapshot);
	return rows;
}
