/*
 * resolved_rows.c
 *	  The rows that resolve calls return for LLM keys.
 *
 * What they have of values are registered secrets, which the caller wipes when they
 * are copied to the result.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/guc.h"

#include "credentials/credentials.h"

/* The columns of the row of resolve_key(), or of a sealed form, and then attempt and remaining */
static const Oid clear_types[] = {UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, INT4OID, INT4OID};
static const Oid sealed_types[] = {UUIDOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, INT4OID, INT4OID};

#define CLEAR_COLUMNS	6
#define SEALED_COLUMNS	5
#define CHOICE_COLUMNS	2

StaticAssertDecl(lengthof(clear_types) == CLEAR_COLUMNS + CHOICE_COLUMNS &&
				 lengthof(clear_types) == TARX_KEYS_RESOLVED_COLUMNS, "columns of a row in clear");
StaticAssertDecl(lengthof(sealed_types) == SEALED_COLUMNS + CHOICE_COLUMNS, "columns of a sealed row");

/* The description of a call's row; the caller releases it.  Recipients are as below. */
TupleDesc
tarx_keys_resolved_desc(FunctionCallInfo fcinfo, const uint8 *recipient, bool chosen)
{
	int			choice = chosen ? CHOICE_COLUMNS : 0;

	return recipient != NULL ? tarx_keys_result_desc(fcinfo, sealed_types, SEALED_COLUMNS + choice) :
		tarx_keys_result_desc(fcinfo, clear_types, CLEAR_COLUMNS + choice);
}

/* Start the result of a call that returns several such rows, in memory. */
Tuplestorestate *
tarx_keys_begin_resolved_rows(FunctionCallInfo fcinfo, const uint8 *recipient)
{
	/* no limit like work_mem: a store that exceeds its limit goes to a file */
	return recipient != NULL ?
		tarx_keys_begin_typed_rows(fcinfo, MAX_KILOBYTES, sealed_types, SEALED_COLUMNS) :
		tarx_keys_begin_typed_rows(fcinfo, MAX_KILOBYTES, clear_types, CLEAR_COLUMNS);
}

/* The value of a key, and its headers if it has any, as columns */
static void
set_clear_values(const TarxKeysPayload *payload, TarxKeysResolvedRow *row)
{
	row->values[4] = PointerGetDatum(tarx_keys_clear_value(payload->value, &row->value));
	row->nulls[5] = payload->headers.count == 0;
	if (!row->nulls[5])
		row->values[5] = tarx_keys_own_headers(payload, &row->headers);
	row->count = CLEAR_COLUMNS;
}

/*
 * The row of an open key: in clear if recipient is NULL, else sealed to it, for the id
 * that was asked for.
 */
TarxKeysResolvedRow
tarx_keys_resolved_row(const uint8 *recipient, const pg_uuid_t *project_id, const pg_uuid_t *asked,
					   const TarxKeysOpenKey *key)
{
	TarxKeysResolvedRow row = {.count = SEALED_COLUMNS};

	row.values[0] = key->row->values[LLM_KEY_ID];
	row.values[1] = key->row->values[LLM_KEY_PROVIDER];
	row.values[2] = key->row->values[LLM_KEY_NAME];
	row.values[3] = key->row->values[LLM_KEY_DESTINATION];
	if (recipient != NULL)
		row.values[4] = PointerGetDatum(tarx_keys_sealed_key(recipient, project_id, asked, key));
	else
		set_clear_values(&key->payload, &row);
	return row;
}

/* Add how many keys were tried with this one, and how many there are besides. */
void
tarx_keys_resolved_row_choice(TarxKeysResolvedRow *row, int attempt, int remaining)
{
	row->values[row->count] = Int32GetDatum(attempt);
	row->values[row->count + 1] = Int32GetDatum(remaining);
}

void
tarx_keys_resolved_row_wipe(const TarxKeysResolvedRow *row)
{
	tarx_keys_secret_wipe(row->value);
	tarx_keys_secret_wipe(row->headers);
}
