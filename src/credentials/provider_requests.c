/*
 * provider_requests.c
 *	  What to send to a provider: models_request() and chat_request_base().
 *
 * A request goes to the base URL that the key was bound to when it was added.
 * The provider's row adds only headers and a path, and constraints of the table
 * keep the path below the base URL.
 *
 * A query makes the headers, with a filler in place of the key that is as long.
 * The key is then written into our own copy of the result.  So that is the only
 * copy to wipe.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_models_request);
PG_FUNCTION_INFO_V1(tarx_keys_chat_request_base);

/* The headers of a request, which carry the key; a registered secret */
typedef struct Headers
{
	Datum		json;
	TarxKeysSecret *secret;
}			Headers;

/* What chat_request_base() is to return, and where */
typedef struct ChatBase
{
	TupleDesc	desc;
	MemoryContext context;
	HeapTuple	row;
}			ChatBase;

/* Columns of the only row of provider_query */
enum
{
	AUTH_HEADER = 1,
	HEADERS,
	MODELS_PATH,
	DEPLOYMENTS_PATH,
	CHAT_BASE_PATH
};

static TarxKeysQuery provider_query = {
	.sql = "SELECT p.auth_header,"
	" p.extra_headers OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(p.auth_header,"
	" pg_catalog.concat_ws(' ', p.auth_scheme, pg_catalog.repeat('x', $2))),"
	" p.models_path, p.deployments_path, p.chat_base_path"
	" FROM tarx_keys.providers p WHERE p.slug OPERATOR(pg_catalog.=) $1",
	.nargs = 2, .argtypes = {TEXTOID, INT4OID}
};

static Datum
column(int n, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, isnull);
}

/* A column that is never NULL */
static char *
text_column(int n)
{
	bool		isnull;

	return TextDatumGetCString(column(n, &isnull));
}

static char *
text_column_or_null(int n)
{
	bool		isnull;
	Datum		value = column(n, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Fetch the row of the key's provider into SPI_tuptable. */
static void
fetch_provider(const TarxKeysOpenKey *key)
{
	Datum		values[2];

	values[0] = PointerGetDatum(key->provider);
	values[1] = Int32GetDatum((int32) key->value.len);
	if (tarx_keys_query_run(&provider_query, values, NULL, true) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the key's provider is not known any more"),
				 errhint("Add its row to tarx_keys.providers again, or resolve the key and call the provider as it documents.")));
}

/* The headers with the key in place of its filler */
static Headers
make_headers(const TarxKeysOpenKey *key)
{
	char	   *auth_header = text_column(AUTH_HEADER);
	bool		isnull;
	Jsonb	   *json = DatumGetJsonbPCopy(column(HEADERS, &isnull));
	Headers		headers = {JsonbPGetDatum(json), tarx_keys_secret_register(json, VARSIZE(json))};
	JsonbValue	found;
	JsonbValue *value = getKeyJsonValueFromContainer(&json->root, auth_header,
													 (int) strlen(auth_header), &found);

	if (value == NULL || value->type != jbvString || (size_t) value->val.string.len < key->value.len)
		elog(ERROR, "headers lack the one for the key");
	memcpy(value->val.string.val + value->val.string.len - key->value.len,
		   key->value.data, key->value.len);
	return headers;
}

/* The URL of a path below the key's base URL, which has no slash at its end */
static Datum
url_below(const TarxKeysOpenKey *key, const char *path)
{
	StringInfoData url;

	initStringInfo(&url);
	appendBinaryStringInfo(&url, VARDATA_ANY(key->destination),
						   (int) VARSIZE_ANY_EXHDR(key->destination));
	appendStringInfoString(&url, path);
	return PointerGetDatum(cstring_to_text_with_len(url.data, url.len));
}

/*
 * models_request
 */

static TupleDesc
describe_requests(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(3);

	TupleDescInitEntry(desc, 1, "method", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, 2, "url", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, 3, "headers", JSONBOID, -1, 0);
	return desc;
}

static void
put_request(ReturnSetInfo *info, Datum url, const Headers * headers)
{
	Datum		values[3] = {CStringGetTextDatum("GET"), url, headers->json};
	bool		nulls[3] = {false};

	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* Deployments come first, if the provider has them: calls name them, and not models. */
static void
put_requests(const TarxKeysOpenKey *key, void *arg)
{
	char	   *deployments_path;
	Headers		headers;

	fetch_provider(key);
	deployments_path = text_column_or_null(DEPLOYMENTS_PATH);
	headers = make_headers(key);
	if (deployments_path != NULL)
		put_request(arg, url_below(key, deployments_path), &headers);
	put_request(arg, url_below(key, text_column(MODELS_PATH)), &headers);
	tarx_keys_secret_wipe(headers.secret);
}

/*
 * models_request(project_id uuid, key_id uuid) returns rows of (method text,
 * url text, headers jsonb): see sql/52_provider_requests.sql.
 */
Datum
tarx_keys_models_request(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_models_request);
	/* there are two rows at most, and they must not go to a file */
	(void) tarx_keys_begin_rows(fcinfo, MAX_KILOBYTES, describe_requests);
	tarx_keys_use_key(fcinfo, put_requests, fcinfo->resultinfo);
	return (Datum) 0;
}

/*
 * chat_request_base
 */

static void
form_chat_base(const TarxKeysOpenKey *key, void *arg)
{
	ChatBase   *base = arg;
	bool		nulls[2] = {false};
	Datum		values[2];
	Headers		headers;
	MemoryContext old;

	fetch_provider(key);
	headers = make_headers(key);
	values[0] = url_below(key, text_column(CHAT_BASE_PATH));
	values[1] = headers.json;
	old = MemoryContextSwitchTo(base->context);
	base->row = heap_form_tuple(base->desc, values, nulls);
	MemoryContextSwitchTo(old);
	tarx_keys_secret_wipe(headers.secret);
}

/*
 * chat_request_base(project_id uuid, key_id uuid) returns (base_url text,
 * headers jsonb): see sql/52_provider_requests.sql
 */
Datum
tarx_keys_chat_request_base(PG_FUNCTION_ARGS)
{
	ChatBase	base = {.context = CurrentMemoryContext};

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_chat_request_base);
	if (get_call_result_type(fcinfo, NULL, &base.desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	base.desc = BlessTupleDesc(base.desc);
	tarx_keys_use_key(fcinfo, form_chat_base, &base);
	PG_RETURN_DATUM(HeapTupleGetDatum(base.row));
}
