/*
 * issuers_status.c
 *	  What doctor() wants to know of the issuers.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "jwt/issuers.h"

PG_FUNCTION_INFO_V1(tarx_keys_jwt_issuers);
PG_FUNCTION_INFO_V1(tarx_keys_jwt_issuers_state);

static TupleDesc
describe_issuers(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(3);

	TupleDescInitEntry(desc, 1, "issuer", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, 2, "keys", INT4OID, -1, 0);
	TupleDescInitEntry(desc, 3, "ignored_keys", INT4OID, -1, 0);
	return desc;
}

/* The first issuer in use, and how many there are */
static const TarxKeysIssuer *
first_issuer(const TarxKeysIssuers *area, uint32 *count)
{
	*count = area == NULL ? 0 : area->issuers.count;
	return area == NULL ? NULL : tarx_keys_area_array(area, area->issuers);
}

/* jwt_issuers() returns (issuer text, keys integer, ignored_keys integer) */
Datum
tarx_keys_jwt_issuers(PG_FUNCTION_ARGS)
{
	Tuplestorestate *rows = tarx_keys_begin_rows(fcinfo, work_mem, describe_issuers);
	TupleDesc	desc = describe_issuers();
	const TarxKeysIssuers *area = tarx_keys_issuers_in_use();
	uint32		count;
	const TarxKeysIssuer *issuers = first_issuer(area, &count);

	for (uint32 i = 0; i < count; i++)
	{
		TarxKeysSpan name = tarx_keys_area_text(area, issuers[i].issuer);
		Datum		values[3] = {PointerGetDatum(cstring_to_text_with_len(name.data, (int) name.len)),
		Int32GetDatum((int32) issuers[i].keys.count), Int32GetDatum((int32) issuers[i].ignored_keys)};
		bool		nulls[3] = {false};

		tuplestore_putvalues(rows, desc, values, nulls);
	}
	return (Datum) 0;
}

/* What was wrong with the file when it was loaded, or is wrong with it now; or NULL */
static const char *
problem_now(const TarxKeysIssuersState *state)
{
	const char *path = tarx_keys_issuers_file();

	if (state->problem[0] != '\0')
		return state->problem;
	return path == NULL ? NULL : tarx_keys_issuers_file_problem(path);
}

/* jwt_issuers_state(OUT loaded_at timestamptz, OUT problem text) */
Datum
tarx_keys_jwt_issuers_state(PG_FUNCTION_ARGS)
{
	TarxKeysIssuersState state;
	const char *problem;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tarx_keys_issuers_page_state(&state);
	problem = problem_now(&state);
	nulls[0] = state.loaded_at == 0;
	nulls[1] = problem == NULL;
	values[0] = TimestampTzGetDatum(state.loaded_at);
	values[1] = nulls[1] ? (Datum) 0 : PointerGetDatum(tarx_keys_foreign_text(problem));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
