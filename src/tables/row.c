/*
 * row.c
 *	  What a row of a described table is bound to, and the value sealed in it.
 *
 * Threat: whoever can write the tables puts anything into any column.  Whatever
 * a row holds decides about that row and no other.  So nothing here raises an
 * error because of what a row holds, and nothing is fetched from where long
 * values are stored, or converted, before its length is known to be possible.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "tables/tables.h"

/* More than any envelope or stamp that we have made */
#define SEALED_MAX_BYTES	(TARX_KEYS_SECRET_MAX_BYTES + TARX_KEYS_ENVELOPE_OVERHEAD)

/* A row all of whose columns are NULL */
void
tarx_keys_row_clear(TarxKeysRow *row)
{
	for (int i = 0; i < TARX_KEYS_MAX_COLUMNS; i++)
	{
		row->values[i] = (Datum) 0;
		row->nulls[i] = true;
	}
}

void
tarx_keys_row_set(TarxKeysRow *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

/* Copy the columns that both tables have, by name; the others become NULL. */
void
tarx_keys_row_copy(TarxKeysRow *to, const TarxKeysTable *to_table,
				   const TarxKeysRow *from, const TarxKeysTable *from_table)
{
	tarx_keys_row_clear(to);
	for (int i = 0; i < to_table->ncolumns; i++)
	{
		int			column = tarx_keys_column(from_table, to_table->columns[i].name);

		if (column >= 0 && !from->nulls[column])
			tarx_keys_row_set(to, i, from->values[column]);
	}
}

static bool
has_varying_length(Oid type)
{
	return type == TEXTOID || type == BYTEAOID || type == UUIDARRAYOID;
}

static bool
is_longer_than(Datum value, size_t max)
{
	return toast_raw_datum_size(value) > VARHDRSZ + max;
}

/*
 * Have the row's columns in memory, as they are needed when the snapshot that
 * they were found in is gone.  False if a bound or sealed column is NULL where
 * that cannot be, or longer than anything that was ever sealed: such a row was
 * tampered with.  What is not bound stays where it is stored.
 */
bool
tarx_keys_row_detoast(const TarxKeysTable *table, TarxKeysRow *row)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		const TarxKeysColumn *column = &table->columns[i];
		size_t		max = column->use == TARX_KEYS_SEALED ? SEALED_MAX_BYTES : TARX_KEYS_BINDING_MAX;

		if (row->nulls[i])
		{
			if (column->use == TARX_KEYS_SEALED || column->use == TARX_KEYS_SCOPE)
				return false;
			continue;
		}
		if (!has_varying_length(column->type) || column->use == TARX_KEYS_UNBOUND)
			continue;
		if (is_longer_than(row->values[i], max))
			return false;
		row->values[i] = PointerGetDatum(PG_DETOAST_DATUM_PACKED(row->values[i]));
	}
	return true;
}

/*
 * Binding
 */

static void
bind_number(TarxKeysBinding *binding, int64 number)
{
	uint8		bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8) ((uint64) number >> (56 - 8 * i));
	tarx_keys_binding_add(binding, bytes, sizeof(bytes));
}

static void
bind_bool(TarxKeysBinding *binding, bool value)
{
	uint8		byte = value ? 1 : 0;

	tarx_keys_binding_add(binding, &byte, 1);
}

/* As UTF-8, whatever the database's encoding is; false if it cannot be that. */
static bool
bind_text(TarxKeysBinding *binding, Datum value)
{
	TarxKeysText utf8;

	if (is_longer_than(value, TARX_KEYS_BINDING_MAX) ||
		!tarx_keys_to_utf8(DatumGetTextPP(value), &utf8))
		return false;
	tarx_keys_binding_add(binding, utf8.data, utf8.len);
	return true;
}

static bool
bind_bytes(TarxKeysBinding *binding, Datum value)
{
	bytea	   *bytes;

	if (is_longer_than(value, TARX_KEYS_BINDING_MAX))
		return false;
	bytes = DatumGetByteaPP(value);
	tarx_keys_binding_add(binding, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	return true;
}

/* The ids one after the other; false unless it is a list without NULLs, numbered from 1. */
static bool
bind_uuids(TarxKeysBinding *binding, Datum value)
{
	ArrayType  *array;

	if (is_longer_than(value, TARX_KEYS_BINDING_MAX))
		return false;
	array = DatumGetArrayTypeP(value);
	if (ARR_NDIM(array) != 1 || ARR_LBOUND(array)[0] != 1 || array_contains_nulls(array))
		return false;
	tarx_keys_binding_add(binding, ARR_DATA_PTR(array),
						  (size_t) UUID_LEN * ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)));
	return true;
}

static bool
bind_value(TarxKeysBinding *binding, Oid type, Datum value)
{
	switch (type)
	{
		case UUIDOID:
			tarx_keys_binding_add(binding, DatumGetUUIDP(value)->data, UUID_LEN);
			return true;
		case BOOLOID:
			bind_bool(binding, DatumGetBool(value));
			return true;
		case INT4OID:
			bind_number(binding, DatumGetInt32(value));
			return true;
		case INT8OID:
			bind_number(binding, DatumGetInt64(value));
			return true;
		case TIMESTAMPTZOID:
			bind_number(binding, DatumGetTimestampTz(value));
			return true;
		case TEXTOID:
			return bind_text(binding, value);
		case BYTEAOID:
			return bind_bytes(binding, value);
		case UUIDARRAYOID:
			return bind_uuids(binding, value);
		default:
			elog(ERROR, "columns of type %u cannot be bound", type);
	}
}

static const uint8 *
scope_of(const TarxKeysTable *table, const TarxKeysRow *row)
{
	static const uint8 no_project[TARX_KEYS_SCOPE_BYTES] = {0};

	/* the project's id is the first column where there is one */
	if (table->columns[0].use != TARX_KEYS_SCOPE)
		return no_project;
	return row->nulls[0] ? NULL : DatumGetUUIDP(row->values[0])->data;
}

/*
 * Bind the row's columns, in the order of the description.  False if nothing
 * can have been sealed with such a row.
 */
bool
tarx_keys_row_bind(const TarxKeysTable *table, const TarxKeysRow *row, TarxKeysBinding *binding)
{
	const uint8 *scope = scope_of(table, row);

	if (scope == NULL)
		return false;
	tarx_keys_binding_init(binding, table->purpose, scope);
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (table->columns[i].use != TARX_KEYS_BOUND)
			continue;
		if (row->nulls[i])
			tarx_keys_binding_add(binding, NULL, 0);
		else if (!bind_value(binding, table->columns[i].type, row->values[i]))
			return false;
	}
	return !binding->overflow;
}

/*
 * Sealing and opening
 */

/*
 * Seal a value to the row's other columns, or stamp these; the result goes to
 * the sealed column.  value is NULL for a stamp.  TK005 without a keyring.
 */
void
tarx_keys_row_seal(const TarxKeysTable *table, TarxKeysRow *row, const TarxKeysText *value)
{
	TarxKeysBinding binding;
	bytea	   *sealed;

	if (!tarx_keys_row_bind(table, row, &binding))
		elog(ERROR, "the columns of a row exceed what can be bound");
	sealed = table->seal == TARX_KEYS_STAMP ? tarx_keys_stamp(&binding) :
		tarx_keys_seal(&binding, value);
	tarx_keys_row_set(row, tarx_keys_sealed_column(table), PointerGetDatum(sealed));
}

/* The sealed column, or NULL if it cannot be what we have made */
static bytea *
sealed_bytes(const TarxKeysTable *table, const TarxKeysRow *row)
{
	int			column = tarx_keys_sealed_column(table);

	if (row->nulls[column] || is_longer_than(row->values[column], SEALED_MAX_BYTES))
		return NULL;
	return DatumGetByteaPP(row->values[column]);
}

/*
 * Open the row's envelope: the value as a registered secret, in UTF-8 or the
 * database's encoding.  False if the row is not what was sealed; TK005 or TK006
 * if the master key is missing.
 */
bool
tarx_keys_row_open(const TarxKeysTable *table, const TarxKeysRow *row, bool as_utf8,
				   TarxKeysText *value)
{
	TarxKeysBinding binding;
	bytea	   *sealed = sealed_bytes(table, row);

	return sealed != NULL && tarx_keys_row_bind(table, row, &binding) &&
		tarx_keys_open(&binding, sealed, as_utf8, value);
}

/* Is the row what was sealed or stamped?  Nothing is opened. */
TarxKeysRowState
tarx_keys_row_state(const TarxKeysTable *table, const TarxKeysRow *row)
{
	TarxKeysBinding binding;
	bytea	   *sealed = sealed_bytes(table, row);

	if (sealed == NULL || !tarx_keys_row_bind(table, row, &binding))
		return TARX_KEYS_ROW_TAMPERED;
	if (table->seal == TARX_KEYS_STAMP)
		return tarx_keys_check_stamp(&binding, sealed);
	return tarx_keys_check_envelope(&binding, sealed);
}

static bytea *
reseal_envelope(const TarxKeysBinding *binding, bytea *envelope)
{
	TarxKeysText value;
	bytea	   *result = NULL;

	if (tarx_keys_try_open(binding, envelope, &value) == TARX_KEYS_ROW_OK)
		result = tarx_keys_seal(binding, &value);
	tarx_keys_secret_wipe(value.secret);
	return result;
}

/*
 * The sealed column anew, with the active master key; NULL if the row is not
 * what was sealed, or its master key is missing.
 */
bytea *
tarx_keys_row_reseal(const TarxKeysTable *table, const TarxKeysRow *row)
{
	TarxKeysBinding binding;
	bytea	   *sealed = sealed_bytes(table, row);

	if (sealed == NULL || !tarx_keys_row_bind(table, row, &binding))
		return NULL;
	if (table->seal == TARX_KEYS_ENVELOPE)
		return reseal_envelope(&binding, sealed);
	return tarx_keys_check_stamp(&binding, sealed) == TARX_KEYS_ROW_OK ?
		tarx_keys_stamp(&binding) : NULL;
}
