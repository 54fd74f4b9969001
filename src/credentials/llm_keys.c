/*
 * llm_keys.c
 *	  Adds project LLM keys.
 *
 * A key's value is sealed before its row is first written.  It is bound to all
 * columns that decide where the value goes and how people recognise the key.
 * Every copy in clear is wiped, also after an error.
 *
 * The destination is the base URL that a runner gets: the key's own, or the
 * provider's default as it was when the key was added.  It is stored and bound
 * with the key, and so is how the provider is called.  So a change of the
 * provider's row redirects no key.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_add_llm_key);
PG_FUNCTION_INFO_V1(tarx_keys_add_sealed_llm_key);

#define DEFAULT_PRIORITY	100

/* Everything that the provider's row and the base URL decide */
static void
set_destination(const TarxKeysNewKey *key, TarxKeysProvider *provider, TarxKeysRow *row)
{
	text	   *base_url = tarx_keys_check_base_url(key->base_url, provider);

	tarx_keys_key_set_text(row, LLM_KEY_PROVIDER, key->provider);
	if (base_url != NULL)
		tarx_keys_key_set_text(row, LLM_KEY_BASE_URL, base_url);
	tarx_keys_row_set(row, LLM_KEY_DESTINATION,
					  base_url != NULL ? PointerGetDatum(base_url) : provider->default_base_url);
	tarx_keys_check_sealed_for(key, DatumGetTextPP(row->values[LLM_KEY_DESTINATION]));
}

/* A key brings no header that carries the key itself. */
static void
check_auth_header(const TarxKeysHeaders *headers, const TarxKeysProvider *provider)
{
	for (int i = 0; i < headers->count; i++)
	{
		if (tarx_keys_span_same(headers->items[i].name, provider->requests.auth_header))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 tarx_keys_errarg("options"),
					 errmsg("a header in options is the one that carries the key"),
					 errhint("Leave \"%.*s\" out.", (int) provider->requests.auth_header.len,
							 provider->requests.auth_header.data)));
	}
}

/*
 * Headers that are taken over from another key have values that nobody can list.
 * They go only where that key was bound to go.
 */
static void
check_headers_stay(const TarxKeysNewKey *key, const TarxKeysRow *row)
{
	if (key->headers_of == NULL || key->options.headers.count == 0 ||
		tarx_keys_compare_spans(tarx_keys_span(DatumGetTextPP(row->values[LLM_KEY_DESTINATION])),
								tarx_keys_span(DatumGetTextPP(key->headers_of->values[LLM_KEY_DESTINATION]))) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("options"),
			 errmsg("options lack headers, and those of the old key are not for another base URL"),
			 errhint("Pass the headers that the new base URL needs, or null for none.")));
}

static void
set_defaults(TarxKeysRow *row)
{
	tarx_keys_key_set_text(row, LLM_KEY_STATE, cstring_to_text(TARX_KEYS_STATE_ENABLED));
	tarx_keys_row_set(row, LLM_KEY_PRIORITY, Int32GetDatum(DEFAULT_PRIORITY));
	tarx_keys_row_set(row, LLM_KEY_REVISION, Int32GetDatum(1));
	tarx_keys_key_set_text(row, LLM_KEY_ADDED_BY, cstring_to_text(tarx_keys_acting_user()));
	tarx_keys_row_set(row, LLM_KEY_CREATED_AT,
					  TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
}

/*
 * Check what is known of a new key, seal it and insert its row; returns its id.
 * The value is wiped.  The caller has entered the project, as a key manager, and has
 * opened an SPI connection.  If policy is not NULL, the row takes over from that one
 * what the options do not say.
 */
pg_uuid_t *
tarx_keys_insert_key(const TarxKeysNewKey *key, const TarxKeysRow *policy)
{
	pg_uuid_t  *id = DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	TarxKeysProvider provider = tarx_keys_fetch_provider(key->provider);
	TarxKeysPayload payload = {.value = {key->value.data, key->value.len}, .headers = key->options.headers};
	TarxKeysRow row;

	tarx_keys_row_clear(&row);
	set_defaults(&row);
	if (policy != NULL)
		tarx_keys_key_copy_policy(&row, policy);
	tarx_keys_row_set(&row, LLM_KEY_PROJECT_ID, UUIDPGetDatum(key->project_id));
	tarx_keys_row_set(&row, LLM_KEY_ID, UUIDPGetDatum(id));
	tarx_keys_key_set_text(&row, LLM_KEY_NAME, tarx_keys_key_name(key->name, "name"));
	tarx_keys_check_key_value(&key->value, key->argument, key->what);
	set_destination(key, &provider, &row);
	check_headers_stay(key, &row);
	check_auth_header(&key->options.headers, &provider);
	if (!provider.is_elsewhere)
		tarx_keys_check_key_vendor(&provider, payload.value, key->argument, key->what);
	tarx_keys_key_set_text(&row, LLM_KEY_MASKED_KEY, tarx_keys_make_mask(payload.value, &provider));
	tarx_keys_key_set_policy(&row, &key->options);
	payload.requests = provider.requests;
	tarx_keys_key_seal(&row, &payload);
	tarx_keys_secret_wipe(key->value.secret);

	if (!tarx_keys_table_insert(&tarx_keys_llm_keys, &row))
		tarx_keys_fail_name_taken(&row);
	tarx_keys_check_room(key->project_id, tarx_keys_llm_keys.name);
	/* the project cannot end any more; it may have ended before */
	tarx_keys_enter_as(key->project_id, TARX_KEYS_ROLE_KEY_MANAGER);
	tarx_keys_audit_project(key->project_id, "llm_key.add", id, DatumGetTextPP(row.values[LLM_KEY_NAME]),
							DatumGetInt32(row.values[LLM_KEY_REVISION]));
	return id;
}

static Datum
add_key(FunctionCallInfo fcinfo, TarxKeysNewKey *key)
{
	pg_uuid_t  *id;
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));

	key->provider = tarx_keys_arg_text(fcinfo, 1, "provider");
	key->name = tarx_keys_arg_text(fcinfo, 2, "name");
	key->base_url = PG_ARGISNULL(4) ? NULL : PG_GETARG_TEXT_PP(4);
	tarx_keys_queries_begin();
	id = tarx_keys_insert_key(key, NULL);
	*result = *id;
	tarx_keys_queries_end();
	return UUIDPGetDatum(result);
}

/*
 * add_llm_key(project_id uuid, provider text, name text, key_value text,
 * base_url text, options jsonb) returns uuid: see sql/50_llm_keys.sql.
 */
Datum
tarx_keys_add_llm_key(PG_FUNCTION_ARGS)
{
	TarxKeysNewKey key = {.argument = "key_value", .what = "key_value"};

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_add_llm_key);
	key.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	tarx_keys_enter_as(key.project_id, TARX_KEYS_ROLE_KEY_MANAGER);
	key.value = tarx_keys_arg_utf8(fcinfo, 3, "key_value");
	tarx_keys_arg_options(fcinfo, 5, "options", TARX_KEYS_OPTIONS_OF_ADD, &key.options);
	PG_RETURN_DATUM(add_key(fcinfo, &key));
}

/*
 * add_sealed_llm_key(project_id uuid, provider text, name text, sealed bytea,
 * base_url text, options jsonb) returns uuid: add_llm_key() with the value in a box
 * that is bound to the other arguments
 */
Datum
tarx_keys_add_sealed_llm_key(PG_FUNCTION_ARGS)
{
	TarxKeysNewKey key = {.argument = "sealed", .what = "the sealed value"};

	key.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	tarx_keys_enter_as(key.project_id, TARX_KEYS_ROLE_KEY_MANAGER);
	tarx_keys_arg_sealed_key(fcinfo, &key);
	PG_RETURN_DATUM(add_key(fcinfo, &key));
}
