/*
 * verification.c
 *	  Checks whether stored rows are what was written, and shows no value.
 *
 * Rows are checked, but not opened.  Whatever a row holds, it decides about the
 * state of that row only, and does not stop the check of the others.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_row_states);

#define ROWS_AT_ONCE	1000

/* A check of a table.  columns: where it has project_id, id and name, or -1. */
typedef struct StateScan
{
	const TarxKeysTable *table;
	int			columns[3];
	ReturnSetInfo *result;
} StateScan;

/* The row (project_id uuid, id uuid, name text, state integer) */
static void
put_state(const StateScan *scan, const TarxKeysRow *row)
{
	Datum		values[4];
	bool		nulls[4] = {true, true, true, false};

	for (int i = 0; i < 3; i++)
	{
		int			column = scan->columns[i];

		if (column < 0 || row->nulls[column])
			continue;
		nulls[i] = false;
		values[i] = i < 2 ? row->values[column] :
			PointerGetDatum(tarx_keys_shown_text(row->values[column], TARX_KEYS_SHOWN_MAX_BYTES));
	}
	values[3] = Int32GetDatum(tarx_keys_row_state(scan->table, row));
	tuplestore_putvalues(scan->result->setResult, scan->result->setDesc, values, nulls);
}

/* Check the next rows; false if there are none.  work is reset after each row. */
static bool
put_states(const StateScan *scan, Portal cursor, MemoryContext work)
{
	MemoryContext old;
	uint64		rows;

	SPI_cursor_fetch(cursor, true, ROWS_AT_ONCE);
	rows = SPI_processed;
	old = MemoryContextSwitchTo(work);
	for (uint64 i = 0; i < rows; i++)
	{
		TarxKeysRow row;

		CHECK_FOR_INTERRUPTS();
		tarx_keys_fetched_row(scan->table, i, &row);
		put_state(scan, &row);
		MemoryContextReset(work);
	}
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
	return rows > 0;
}

/* The query that the arguments ask for; its parameters go to values. */
static TarxKeysQuery *
choose_query(FunctionCallInfo fcinfo, TarxKeysTable *table, Datum *values)
{
	if (!PG_ARGISNULL(1))
	{
		values[0] = PG_GETARG_DATUM(1);
		return tarx_keys_table_scan_projects_query(table);
	}
	if (!PG_ARGISNULL(2))
	{
		tarx_keys_require_arg(fcinfo, 3, "max_rows");
		values[0] = PG_GETARG_DATUM(2);
		values[1] = PG_GETARG_DATUM(3);
		return tarx_keys_table_sample_query(table);
	}
	return tarx_keys_table_scan_query(table);
}

/*
 * row_states(table_name text, project_ids uuid[], percent real, max_rows
 * bigint) returns rows: see sql/76_verification.sql
 */
Datum
tarx_keys_row_states(PG_FUNCTION_ARGS)
{
	TarxKeysTable *table = tarx_keys_sealed_table(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "table_name")));
	StateScan	scan = {table, {tarx_keys_column(table, "project_id"), tarx_keys_column(table, "id"),
	tarx_keys_column(table, "name")}, (ReturnSetInfo *) fcinfo->resultinfo};
	Datum		values[2];
	TarxKeysQuery *query = choose_query(fcinfo, table, values);
	MemoryContext work;
	Portal		cursor;

	InitMaterializedSRF(fcinfo, 0);
	work = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys row", ALLOCSET_DEFAULT_SIZES);
	tarx_keys_queries_begin();
	cursor = tarx_keys_query_open(query, values, GetActiveSnapshot());
	while (put_states(&scan, cursor, work))
		;
	SPI_cursor_close(cursor);
	tarx_keys_queries_end();
	MemoryContextDelete(work);
	return (Datum) 0;
}
