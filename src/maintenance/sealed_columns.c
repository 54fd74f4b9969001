/*
 * sealed_columns.c
 *	  Describes the sealed tables to SQL.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_sealed_columns);

static const char *const seal_names[] = {
	[TARX_KEYS_ENVELOPE] = "envelope",
	[TARX_KEYS_STAMP] = "stamp",
	[TARX_KEYS_CHAIN] = "chain"
};

static const char *const use_names[] = {
	[TARX_KEYS_BOUND] = "bound",
	[TARX_KEYS_SCOPE] = "bound",
	[TARX_KEYS_SEALED] = "sealed",
	[TARX_KEYS_UNBOUND] = "unbound"
};

static void
set_text(Datum *value, bool *isnull, const char *string)
{
	*isnull = string == NULL;
	*value = *isnull ? (Datum) 0 : CStringGetTextDatum(string);
}

static void
put_columns(ReturnSetInfo *result, int position, const TarxKeysTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		const TarxKeysColumn *column = &table->columns[i];
		Datum		values[14];
		bool		nulls[14] = {false};

		values[0] = Int32GetDatum(position);
		set_text(&values[1], &nulls[1], table->schema);
		set_text(&values[2], &nulls[2], table->name);
		set_text(&values[3], &nulls[3], seal_names[table->seal]);
		set_text(&values[4], &nulls[4], table->purpose);
		set_text(&values[5], &nulls[5], table->kind);
		set_text(&values[6], &nulls[6], table->counter);
		set_text(&values[7], &nulls[7], table->live);
		values[8] = Int32GetDatum(i + 1);
		set_text(&values[9], &nulls[9], column->name);
		set_text(&values[10], &nulls[10], format_type_be(column->type));
		values[11] = BoolGetDatum(i < table->nkeys);
		set_text(&values[12], &nulls[12], use_names[column->use]);
		set_text(&values[13], &nulls[13], column->reason);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* sealed_columns() returns rows: see sql/70_keyring.sql */
Datum
tarx_keys_sealed_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			position = 1;

	InitMaterializedSRF(fcinfo, 0);
	for (TarxKeysTable *const *table = tarx_keys_sealed_tables; *table != NULL; table++)
		put_columns(result, position++, *table);
	return (Datum) 0;
}
