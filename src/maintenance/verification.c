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
#include "utils/memutils.h"

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

/* A check of a table, which receives its rows */
typedef struct StateReceiver
{
	DestReceiver pub;
	const TarxKeysTable *table;
	int			columns[TOLD_COUNT];
	ReturnSetInfo *result;
	MemoryContext work;			/* reset after each row */
} StateReceiver;

static bool
is_text(const TarxKeysTable *table, int column)
{
	return table->columns[column].type == TEXTOID;
}

/* The row (project_id uuid, id uuid, name text, revision integer, state integer) */
static void
put_state(const StateReceiver *receiver, const TarxKeysRow *row)
{
	Datum		values[TOLD_COUNT + 1];
	bool		nulls[TOLD_COUNT + 1] = {false};

	for (int i = 0; i < TOLD_COUNT; i++)
	{
		int			column = receiver->columns[i];

		nulls[i] = column < 0 || row->nulls[column];
		if (nulls[i])
			continue;
		values[i] = is_text(receiver->table, column) ?
			PointerGetDatum(tarx_keys_shown_text(row->values[column], TARX_KEYS_SHOWN_MAX_BYTES)) :
			row->values[column];
	}
	values[TOLD_COUNT] = Int32GetDatum(tarx_keys_row_state(receiver->table, row));
	tuplestore_putvalues(receiver->result->setResult, receiver->result->setDesc, values, nulls);
}

static void
start_receiver(DestReceiver *self, int operation pg_attribute_unused(), TupleDesc desc)
{
	tarx_keys_check_columns(((StateReceiver *) self)->table, desc);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	StateReceiver *receiver = (StateReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->work);
	TarxKeysRow row;

	tarx_keys_received_row(slot, &row);
	put_state(receiver, &row);
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->work);
	return true;
}

static void
end_receiver(DestReceiver *self pg_attribute_unused())
{
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
	StateReceiver receiver = {
		.pub = {receive_row, start_receiver, end_receiver, end_receiver, DestTuplestore},
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
	receiver.work = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys row",
										  ALLOCSET_DEFAULT_SIZES);
	tarx_keys_queries_begin();
	tarx_keys_query_run_to(query, values, &receiver.pub);
	tarx_keys_queries_end();
	MemoryContextDelete(receiver.work);
	return (Datum) 0;
}
