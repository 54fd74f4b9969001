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
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_row_states);

/* The columns of a table that tell a row, or -1 where it has none */
typedef enum Told
{
	TOLD_PROJECT_ID,
	TOLD_ID,
	TOLD_NAME,
	TOLD_REVISION,
	TOLD_COUNT
} Told;

/* A check of a table */
typedef struct StateCheck
{
	const TarxKeysTable *table;
	int			columns[TOLD_COUNT];
	ReturnSetInfo *result;
} StateCheck;

static bool
is_text(const TarxKeysTable *table, int column)
{
	return table->columns[column].type == TEXTOID;
}

/* The row (project_id uuid, id uuid, name text, revision integer, state integer) */
static void
put_state(const TarxKeysRow *row, void *arg)
{
	const StateCheck *check = arg;
	Datum		values[TOLD_COUNT + 1];
	bool		nulls[TOLD_COUNT + 1] = {false};

	for (int i = 0; i < TOLD_COUNT; i++)
	{
		int			column = check->columns[i];

		nulls[i] = column < 0 || row->nulls[column];
		if (nulls[i])
			continue;
		values[i] = is_text(check->table, column) ?
			PointerGetDatum(tarx_keys_shown_text(row->values[column], TARX_KEYS_SHOWN_MAX_BYTES)) :
			row->values[column];
	}
	values[TOLD_COUNT] = Int32GetDatum(tarx_keys_row_state(check->table, row));
	tuplestore_putvalues(check->result->setResult, check->result->setDesc, values, nulls);
}

/* The query that the arguments ask for; its parameters go to values. */
static TarxKeysQuery *
choose_query(FunctionCallInfo fcinfo, TarxKeysTable *table, Datum *values)
{
	if (!PG_ARGISNULL(1))
	{
		/* flat: PL/pgSQL's own form would be made flat again for each row */
		values[0] = PointerGetDatum(PG_GETARG_ARRAYTYPE_P(1));
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

/* A membership has no name but that of the user. */
static int
name_column(const TarxKeysTable *table)
{
	int			column = tarx_keys_column(table, "name");

	return column >= 0 ? column : tarx_keys_column(table, "user_id");
}

/*
 * row_states(table_name text, ids uuid[], percent real, max_rows
 * bigint) returns rows: see sql/76_verification.sql
 */
Datum
tarx_keys_row_states(PG_FUNCTION_ARGS)
{
	TarxKeysTable *table = tarx_keys_sealed_table(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "table_name")));
	StateCheck	check = {
		.table = table,
		.columns = {
			[TOLD_PROJECT_ID] = tarx_keys_column(table, "project_id"),
			[TOLD_ID] = tarx_keys_column(table, "id"),
			[TOLD_NAME] = name_column(table),
			[TOLD_REVISION] = table->revision != NULL ? tarx_keys_column(table, table->revision) : -1
		},
		.result = (ReturnSetInfo *) fcinfo->resultinfo
	};
	Datum		values[2];
	TarxKeysQuery *query = choose_query(fcinfo, table, values);

	InitMaterializedSRF(fcinfo, 0);
	tarx_keys_query_each_row(table, query, values, put_state, &check);
	return (Datum) 0;
}
