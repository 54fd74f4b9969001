/*
 * keyring_status.c
 *	  The keyring for SQL: its fingerprints, the one that a row names, and whether
 *	  it is that of the configuration.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_keyring_fingerprints);
PG_FUNCTION_INFO_V1(tarx_keys_fingerprint_of);
PG_FUNCTION_INFO_V1(tarx_keys_keyring_state);

/* keyring_fingerprints() returns text[]: see sql/70_keyring.sql */
Datum
tarx_keys_keyring_fingerprints(PG_FUNCTION_ARGS)
{
	uint8		fingerprints[TARX_KEYS_KEYRING_MAX_KEYS][TARX_KEYS_FINGERPRINT_BYTES];
	Datum		texts[TARX_KEYS_KEYRING_MAX_KEYS];
	int			count;

	if (!tarx_keys_page_has_keyring())
	{
		TarxKeysKeyringState state = tarx_keys_page_state();

		ereport(ERROR,
				(errcode(ERRCODE_TK_NO_KEYRING),
				 errmsg("there is no usable master keyring"),
				 errdetail("%s", tarx_keys_keyring_detail(state.problem, state.command_status)),
				 errhint("%s", tarx_keys_keyring_hint(state.problem))));
	}
	count = tarx_keys_page_fingerprints(fingerprints);

	for (int i = 0; i < count; i++)
	{
		char		hex[TARX_KEYS_FINGERPRINT_HEX];

		tarx_keys_fingerprint_hex(fingerprints[i], hex);
		texts[i] = CStringGetTextDatum(hex);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * fingerprint_of(sealed bytea) returns text: the bytes of an envelope or a stamp
 * that name its master key, whatever they are
 */
Datum
tarx_keys_fingerprint_of(PG_FUNCTION_ARGS)
{
	uint8		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];
	char		hex[TARX_KEYS_FINGERPRINT_HEX];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tarx_keys_sealed_fingerprint(PG_GETARG_DATUM(0), fingerprint);
	tarx_keys_fingerprint_hex(fingerprint, hex);
	PG_RETURN_TEXT_P(cstring_to_text(hex));
}

/* keyring_state(OUT ...): see sql/70_keyring.sql */
Datum
tarx_keys_keyring_state(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Datum		values[4];
	bool		nulls[4];
	TarxKeysKeyringState state = tarx_keys_page_state();
	bool		is_well = state.problem == TARX_KEYS_KEYRING_OK;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	nulls[0] = state.loaded_at == 0;
	values[0] = TimestampTzGetDatum(state.loaded_at);
	nulls[1] = state.loading_since == 0;
	values[1] = TimestampTzGetDatum(state.loading_since);
	nulls[2] = nulls[3] = is_well;
	values[2] = is_well ? (Datum) 0 :
		CStringGetTextDatum(tarx_keys_keyring_detail(state.problem, state.command_status));
	values[3] = is_well ? (Datum) 0 : CStringGetTextDatum(tarx_keys_keyring_hint(state.problem));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
