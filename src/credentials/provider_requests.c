/*
 * provider_requests.c
 *	  What to send to a provider: models_request(), probe_request() and
 *	  chat_request_base().
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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_models_request);
PG_FUNCTION_INFO_V1(tarx_keys_probe_request);
PG_FUNCTION_INFO_V1(tarx_keys_chat_request_base);

/* What chat_request_base() is to return, and where */
typedef struct ChatBase
{
	TupleDesc	desc;
	MemoryContext context;
	HeapTuple	row;
} ChatBase;

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
 * models_request and probe_request
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
put_request(ReturnSetInfo *info, const char *method, Datum url, Datum headers)
{
	Datum		values[3] = {CStringGetTextDatum(method), url, headers};
	bool		nulls[3] = {false};

	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* Deployments come first, if the provider has them: calls name them, and not models. */
static void
put_requests(const TarxKeysOpenKey *key, void *arg)
{
	const TarxKeysRequests *requests = &key->payload.requests;
	TarxKeysSecret *secret;
	Datum		headers = tarx_keys_request_headers(&key->payload, NULL, &secret);

	if (requests->deployments_path.data != NULL)
		put_request(arg, "GET", url_below(key, requests->deployments_path), headers);
	if (requests->models_path.data != NULL)
		put_request(arg, "GET", url_below(key, requests->models_path), headers);
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

/* The first of the models that the key is for; its data is NULL if it is for all. */
static TarxKeysSpan
first_model(const TarxKeysRow *row)
{
	static const TarxKeysSpan none = {NULL, 0};
	Datum	   *models;
	int			count;
	TarxKeysText model;

	if (row->nulls[LLM_KEY_ALLOWED_MODELS])
		return none;
	deconstruct_array(DatumGetArrayTypeP(row->values[LLM_KEY_ALLOWED_MODELS]), TEXTOID, -1, false,
					  TYPALIGN_INT, &models, NULL, &count);
	if (count == 0 || !tarx_keys_to_utf8(DatumGetTextPP(models[0]), &model))
		return none;
	return (TarxKeysSpan) {model.data, model.len};
}

/*
 * Where a GET tells of the key's first model; its data is NULL if there is no such
 * place.
 */
static TarxKeysSpan
model_path(const TarxKeysOpenKey *key)
{
	TarxKeysSpan template = key->payload.requests.model_path;
	TarxKeysSpan model = first_model(key->row);
	TarxKeysSpan path = {NULL, 0};
	char	   *text;

	if (template.data == NULL || model.data == NULL)
		return path;
	text = palloc(TARX_KEYS_MODEL_PATH_MAX(template.len, model.len));
	path.len = tarx_keys_model_path(text, template, model);
	if (path.len > 0)
		path.data = text;
	return path;
}

/* Does the probe of its own that a provider's row has, if any, have a body? */
static bool
probe_posts(const TarxKeysRequests *requests)
{
	return requests->probe_path.data != NULL &&
		tarx_keys_compare_spans(requests->probe_method, tarx_keys_span_of("POST")) == 0;
}

/*
 * A provider's row has a probe of its own where its lists and models tell nothing
 * about a key, or are not there.
 */
static void
put_probe(const TarxKeysOpenKey *key, void *arg)
{
	const TarxKeysRequests *requests = &key->payload.requests;
	bool		posts = probe_posts(requests);
	TarxKeysSpan path = requests->probe_path;
	TarxKeysSecret *secret;
	Datum		headers;

	if (path.data == NULL)
		path = model_path(key);
	if (path.data == NULL)
		path = requests->models_path;
	if (path.data == NULL)
		return;
	headers = tarx_keys_request_headers(&key->payload, posts ? "application/json" : NULL, &secret);
	put_request(arg, posts ? "POST" : "GET", url_below(key, path), headers);
	tarx_keys_secret_wipe(secret);
}

/*
 * probe_request(project_id uuid, key_id uuid) returns rows of (method text, url
 * text, headers jsonb): see sql/52_provider_requests.sql.
 */
Datum
tarx_keys_probe_request(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_probe_request);
	(void) tarx_keys_begin_rows(fcinfo, MAX_KILOBYTES, describe_requests);
	tarx_keys_use_key(fcinfo, put_probe, fcinfo->resultinfo);
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
	values[1] = tarx_keys_request_headers(&key->payload, NULL, &secret);
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
