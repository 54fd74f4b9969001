/*
 * header_checks.c
 *	  For the constraints of custom_providers: which headers its rows may have.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_is_request_header);
PG_FUNCTION_INFO_V1(tarx_keys_are_request_headers);

/* is_request_header(name text) returns boolean: may a provider's row name it? */
Datum
tarx_keys_is_request_header(PG_FUNCTION_ARGS)
{
	TarxKeysSpan name = tarx_keys_span(PG_GETARG_TEXT_PP(0));

	PG_RETURN_BOOL(tarx_keys_check_header_name(name) == TARX_KEYS_HEADER_OK);
}

/* are_request_headers(headers jsonb) returns boolean: may a provider's row have them? */
Datum
tarx_keys_are_request_headers(PG_FUNCTION_ARGS)
{
	TarxKeysHeaders headers;

	if (!tarx_keys_read_headers(tarx_keys_json_tree(PG_GETARG_JSONB_P(0)), &headers))
		PG_RETURN_BOOL(false);
	for (int i = 0; i < headers.count; i++)
	{
		if (tarx_keys_check_header(headers.items[i].name, headers.items[i].value) != TARX_KEYS_HEADER_OK)
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}
