/*
 * row.c
 *	  The binding of a row of a described table, and the value sealed in it.
 *
 * Threat: whoever can write the tables may put anything into any column.  The
 * contents of a row must affect only this row.  So they never make a function
 * here raise an error.  And no long value is detoasted or converted before we know
 * that a row of ours can have a value of that length.
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

/* Set all columns of a row to NULL. */
void
tarx_keys_row_clear(TarxKeysRow *row)
{
	memset(row->values, 0, sizeof(row->values));
	memset(row->nulls, true, sizeof(row->nulls));
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
	return type == TEXTOID || type == BYTEAOID || type == UUIDARRAYOID || type == TEXTARRAYOID;
}

/*
 * max is at least 127, so a value with a short header is not longer, unless the
 * header belongs to a pointer to where the value is stored.
 */
static bool
is_longer_than(Datum value, size_t max)
{
	Pointer		stored = DatumGetPointer(value);

	if (VARATT_IS_SHORT(stored) && !VARATT_IS_EXTERNAL(stored))
		return false;
	return toast_raw_datum_size(value) > VARHDRSZ + max;
}

/*
 * Detoast the bound and sealed columns of a row, because they are used after the
 * snapshot is gone.  Columns that are not bound stay as they are.  Returns false
 * for a row that we cannot have written: the scope or the sealed column is NULL,
 * or a column is longer than anything that we seal.  Somebody tampered with it.
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
	tarx_keys_binding_add_number(binding, (uint64) number, sizeof(number));
}

static void
bind_bool(TarxKeysBinding *binding, bool value)
{
	uint8		byte = value ? 1 : 0;

	tarx_keys_binding_add(binding, &byte, 1);
}

/* Bind a text in UTF-8; returns false if it cannot be converted. */
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

/* A list without NULLs, numbered from 1; NULL for any other array */
static ArrayType *
list_of(Datum value)
{
	ArrayType  *array;

	if (is_longer_than(value, TARX_KEYS_BINDING_MAX))
		return NULL;
	array = DatumGetArrayTypeP(value);
	if (ARR_NDIM(array) != 1 || ARR_LBOUND(array)[0] != 1 || array_contains_nulls(array))
		return NULL;
	return array;
}

/* Bind texts, in UTF-8, as a field of fields. */
static bool
bind_texts(TarxKeysBinding *binding, Datum value)
{
	TarxKeysFieldWriter writer = {.size = TARX_KEYS_BINDING_MAX};
	ArrayType  *array = list_of(value);
	Datum	   *elements;
	int			count;

	if (array == NULL)
		return false;
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	writer.out = palloc(writer.size);
	for (int i = 0; i < count; i++)
	{
		TarxKeysText utf8;

		if (!tarx_keys_to_utf8(DatumGetTextPP(elements[i]), &utf8))
			return false;
		tarx_keys_fields_put(&writer, utf8.data, utf8.len);
	}
	tarx_keys_binding_add(binding, writer.out, writer.len);
	pfree(writer.out);
	return !writer.overflow;
}

/* Bind ids. */
static bool
bind_uuids(TarxKeysBinding *binding, Datum value)
{
	ArrayType  *array = list_of(value);

	if (array == NULL)
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
		case TEXTARRAYOID:
			return bind_texts(binding, value);
		default:
			elog(ERROR, "columns of type %u cannot be bound", type);
	}
}

static const uint8 *
scope_of(const TarxKeysTable *table, const TarxKeysRow *row)
{
	static const uint8 no_project[TARX_KEYS_SCOPE_BYTES] = {0};

	/* if the table has the project's id, it is the first column */
	if (table->columns[0].use != TARX_KEYS_SCOPE)
		return no_project;
	return row->nulls[0] ? NULL : DatumGetUUIDP(row->values[0])->data;
}

/*
 * Bind the columns of a row, in the order of the description.  Returns false if we
 * cannot have sealed anything with such a row.
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

static void
bind_new_row(const TarxKeysTable *table, const TarxKeysRow *row, TarxKeysBinding *binding)
{
	if (!tarx_keys_row_bind(table, row, binding))
		elog(ERROR, "the columns of a row exceed what can be bound");
}

/*
 * Seal a value to the bound columns of a row.  The envelope goes into the sealed
 * column.  Raises TK005 without a keyring.
 */
void
tarx_keys_row_seal(const TarxKeysTable *table, TarxKeysRow *row, const TarxKeysText *value)
{
	TarxKeysBinding binding;

	bind_new_row(table, row, &binding);
	tarx_keys_row_set(row, tarx_keys_sealed_column(table),
					  PointerGetDatum(tarx_keys_seal(&binding, value)));
}

/* Stamp the row's other columns.  TK005 without a keyring. */
void
tarx_keys_row_stamp(const TarxKeysTable *table, TarxKeysRow *row)
{
	TarxKeysBinding binding;

	bind_new_row(table, row, &binding);
	tarx_keys_row_set(row, tarx_keys_sealed_column(table),
					  PointerGetDatum(tarx_keys_stamp(&binding)));
}

/* The sealed column, or NULL if we cannot have made it */
static bytea *
sealed_bytes(const TarxKeysTable *table, const TarxKeysRow *row)
{
	int			column = tarx_keys_sealed_column(table);

	if (row->nulls[column] || is_longer_than(row->values[column], SEALED_MAX_BYTES))
		return NULL;
	return DatumGetByteaPP(row->values[column]);
}

/*
 * The bytes of an envelope or a stamp that name its master key, whatever they are;
 * where there are none, zero.  Of a long value this reads no more than it needs.
 */
void
tarx_keys_sealed_fingerprint(Datum sealed, uint8 fingerprint[TARX_KEYS_FINGERPRINT_BYTES])
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(sealed);
	bytea	   *start;
	size_t		len;

	if (VARATT_IS_EXTERNAL(stored) || VARATT_IS_COMPRESSED(stored))
		start = DatumGetByteaPSlice(sealed, 0, 1 + TARX_KEYS_FINGERPRINT_BYTES);
	else
		start = (bytea *) stored;
	len = Min(VARSIZE_ANY_EXHDR(start), 1 + TARX_KEYS_FINGERPRINT_BYTES);
	memset(fingerprint, 0, TARX_KEYS_FINGERPRINT_BYTES);
	if (len > 1)
		memcpy(fingerprint, VARDATA_ANY(start) + 1, len - 1);
}

/*
 * Open the envelope of a row.  The value is a registered secret, in UTF-8 or in
 * the database's encoding.  Returns false if the row is not as it was sealed.
 * Raises TK005 without a keyring, and TK006 if the master key is missing.
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

/* Is a row as it was sealed or stamped?  This opens nothing. */
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

/*
 * Is a row as it was stamped?  Raises TK005 without a keyring, and TK006 if the
 * master key is missing.
 */
bool
tarx_keys_row_is_stamped(const TarxKeysTable *table, const TarxKeysRow *row)
{
	TarxKeysRowState state = tarx_keys_row_state(table, row);

	if (state == TARX_KEYS_ROW_WITHOUT_MASTER_KEY)
		tarx_keys_fail_unverifiable_stamp(sealed_bytes(table, row));
	return state == TARX_KEYS_ROW_OK;
}

/*
 * Seal or stamp a row again, with the active master key, in a batch of such rows.
 * Returns the new sealed column, or NULL if the row is not as it was sealed or its
 * master key is missing.
 */
bytea *
tarx_keys_row_reseal(TarxKeysResealing *batch, const TarxKeysTable *table, const TarxKeysRow *row)
{
	TarxKeysBinding binding;
	bytea	   *sealed = sealed_bytes(table, row);

	if (sealed == NULL || !tarx_keys_row_bind(table, row, &binding))
		return NULL;
	return table->seal == TARX_KEYS_ENVELOPE ?
		tarx_keys_reseal_envelope(batch, &binding, sealed) :
		tarx_keys_restamp(batch, &binding, sealed);
}
