/*
 * provider_requests.c
 *	  What to send to a provider: models_request() and chat_request_base().
 *
 * A request goes to the base URL that the key was bound to when it was added.  Its
 * headers and paths are those that the provider's row had then: they are sealed
 * with the key.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_models_request);
PG_FUNCTION_INFO_V1(tarx_keys_chat_request_base);

/* What chat_request_base() is to return, and where */
typedef struct ChatBase
{
	TupleDesc	desc;
	MemoryContext context;
	HeapTuple	row;
}			ChatBase;

/* The URL of a path below the key's base URL, which has no slash at its end */
static Datum
url_below(const TarxKeysOpenKey *key, TarxKeysSpan path)
{
	TarxKeysSpan destination = tarx_keys_span(DatumGetTextPP(key->row->values[LLM_KEY_DESTINATION]));
	StringInfoData url;

	initStringInfo(&url);
	appendBinaryStringInfo(&url, destination.data, (int) destination.len);
	appendBinaryStringInfo(&url, path.data, (int) path.len);
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
put_request(ReturnSetInfo *info, Datum url, Datum headers)
{
	Datum		values[3] = {CStringGetTextDatum("GET"), url, headers};
	bool		nulls[3] = {false};

	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* Deployments come first, if the provider has them: calls name them, and not models. */
static void
put_requests(const TarxKeysOpenKey *key, void *arg)
{
	const TarxKeysRequests *requests = &key->payload.requests;
	TarxKeysSecret *secret;
	Datum		headers = tarx_keys_request_headers(&key->payload, &secret);

	if (requests->deployments_path.data != NULL)
		put_request(arg, url_below(key, requests->deployments_path), headers);
	if (requests->models_path.data != NULL)
		put_request(arg, url_below(key, requests->models_path), headers);
	tarx_keys_secret_wipe(secret);
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
	TarxKeysSecret *secret;
	MemoryContext old;

	values[0] = url_below(key, key->payload.requests.chat_base_path);
	values[1] = tarx_keys_request_headers(&key->payload, &secret);
	old = MemoryContextSwitchTo(base->context);
	base->row = heap_form_tuple(base->desc, values, nulls);
	MemoryContextSwitchTo(old);
	tarx_keys_secret_wipe(secret);
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
