/*
 * llm_keys.c
 *	  Adds project LLM keys, and shows their masks.
 *
 * A key's value is sealed before its row is first written.  It is bound to all
 * columns that decide where the value goes and how people recognise the key.
 * Every copy in clear is wiped, also after an error.
 *
 * The destination is the base URL that a runner gets: the key's own, or the
 * provider's default as it was when the key was added.  It is stored and bound
 * with the key, so a change of the provider's row redirects no key.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_add_llm_key);
PG_FUNCTION_INFO_V1(tarx_keys_add_sealed_llm_key);
PG_FUNCTION_INFO_V1(tarx_keys_display_mask);

/* Bytes of the characters, up to 4 of up to 4 bytes, that become one in normal form C */
#define LONGEST_DECOMPOSED	16

static TarxKeysQuery same_name_query = {
	.sql = "SELECT k.name FROM tarx_keys.project_llm_keys k"
	" WHERE k.project_id OPERATOR(pg_catalog.=) $1"
	" AND pg_catalog.lower(k.name COLLATE pg_catalog.\"C\")"
	" OPERATOR(pg_catalog.=) pg_catalog.lower($2 COLLATE pg_catalog.\"C\")",
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

static text *
make_mask(const TarxKeysText *value, const TarxKeysProvider *provider)
{
	char		mask[TARX_KEYS_MASK_MAX];
	TarxKeysSpan span = {value->data, value->len};

	return tarx_keys_from_utf8(mask, tarx_keys_mask(mask, span, provider->key_prefixes.items,
													provider->key_prefixes.count));
}

static void
set_text(TarxKeysRow *row, int column, text *value)
{
	tarx_keys_row_set(row, column, PointerGetDatum(value));
}

/*
 * A name in Unicode's normal form C, so that what looks alike is alike.  Only
 * databases in UTF8 can tell.  A longer one could not become short enough.
 */
static text *
normalize_name(text *name)
{
	if (GetDatabaseEncoding() != PG_UTF8 ||
		VARSIZE_ANY_EXHDR(name) > LONGEST_DECOMPOSED * TARX_KEYS_NAME_MAX_CHARS)
		return name;
	return DatumGetTextPP(DirectFunctionCall2(unicode_normalize_func, PointerGetDatum(name),
											  CStringGetTextDatum("NFC")));
}

/* Argument n, checked as a name, as it is to be stored */
static text *
arg_name(FunctionCallInfo fcinfo, int n)
{
	TarxKeysText given = tarx_keys_arg_utf8(fcinfo, n, "name");
	text	   *stored = normalize_name(tarx_keys_arg_text(fcinfo, n, "name"));

	if (tarx_keys_to_utf8(stored, &given))
		tarx_keys_check_name(&given, "name");
	return stored;
}

/* The name that a key's name collides with, as it may be shown; NULL if it is gone by now */
static char *
colliding_name(const TarxKeysRow *row)
{
	Datum		values[2] = {row->values[LLM_KEY_PROJECT_ID], row->values[LLM_KEY_NAME]};
	bool		isnull;

	if (tarx_keys_query_run_latest(&same_name_query, values, NULL) == 0)
		return NULL;
	return text_to_cstring(tarx_keys_shown_text(SPI_getbinval(SPI_tuptable->vals[0],
															  SPI_tuptable->tupdesc, 1, &isnull), TARX_KEYS_SHOWN_MAX_BYTES));
}

static void
fail_name_taken(const TarxKeysRow *row)
{
	char	   *name = colliding_name(row);

	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 tarx_keys_errarg("name"),
			 name != NULL ?
			 errmsg("the project has an LLM key with the name \"%s\" already", name) :
			 errmsg("an LLM key with this name exists already in the project"),
			 errhint("Choose another name, or delete the key that has it. Upper and lower case of A to Z make no difference.")));
}

/*
 * Check the arguments, seal the value and insert the key; returns its id.
 * fcinfo has the arguments of add_llm_key(), except for the value, which is
 * wiped.  An error about the value has the name of its argument, and calls it
 * what.
 */
static Datum
add_key(FunctionCallInfo fcinfo, const TarxKeysText *value, const char *argument,
		const char *what)
{
	pg_uuid_t  *id = DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	TarxKeysProvider provider;
	TarxKeysRow row;
	text	   *base_url;

	tarx_keys_row_clear(&row);
	tarx_keys_queries_begin();
	provider = tarx_keys_fetch_provider(tarx_keys_arg_text(fcinfo, 1, "provider"));
	tarx_keys_row_set(&row, LLM_KEY_PROJECT_ID, PG_GETARG_DATUM(0));
	tarx_keys_row_set(&row, LLM_KEY_ID, UUIDPGetDatum(id));
	set_text(&row, LLM_KEY_PROVIDER, tarx_keys_arg_text(fcinfo, 1, "provider"));
	set_text(&row, LLM_KEY_NAME, arg_name(fcinfo, 2));
	tarx_keys_check_key_value(value, argument, what);
	base_url = tarx_keys_arg_base_url(fcinfo, 4, &provider);
	if (!provider.is_elsewhere)
		tarx_keys_check_key_vendor(&provider, (TarxKeysSpan) {value->data, value->len},
								   argument, what);
	if (base_url != NULL)
		set_text(&row, LLM_KEY_BASE_URL, base_url);
	tarx_keys_row_set(&row, LLM_KEY_DESTINATION,
					  base_url != NULL ? PointerGetDatum(base_url) : provider.default_base_url);
	set_text(&row, LLM_KEY_MASKED_KEY, make_mask(value, &provider));
	set_text(&row, LLM_KEY_ADDED_BY, cstring_to_text(tarx_keys_acting_user()));
	tarx_keys_row_set(&row, LLM_KEY_CREATED_AT,
					  TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	tarx_keys_row_seal(&tarx_keys_llm_keys, &row, value);

	if (!tarx_keys_table_insert(&tarx_keys_llm_keys, &row))
		fail_name_taken(&row);
	/* the project cannot end any more; it may have ended before */
	tarx_keys_enter_as(PG_GETARG_UUID_P(0), TARX_KEYS_ROLE_ADMIN);
	tarx_keys_audit_project(PG_GETARG_UUID_P(0), "llm_key.add", id,
							DatumGetTextPP(row.values[LLM_KEY_NAME]), TARX_KEYS_NO_REVISION);
	tarx_keys_queries_end();
	tarx_keys_secret_wipe(value->secret);
	return UUIDPGetDatum(id);
}

/*
 * add_llm_key(project_id uuid, provider text, name text, key_value text,
 * base_url text) returns uuid: see sql/50_llm_keys.sql.
 */
Datum
tarx_keys_add_llm_key(PG_FUNCTION_ARGS)
{
	TarxKeysText value;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_add_llm_key);
	tarx_keys_enter_as(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), TARX_KEYS_ROLE_ADMIN);
	value = tarx_keys_arg_utf8(fcinfo, 3, "key_value");
	PG_RETURN_DATUM(add_key(fcinfo, &value, "key_value", "key_value"));
}

/* Bind a box to an argument that is not NULL. */
static void
bind_argument(TarxKeysBinding *header, FunctionCallInfo fcinfo, int n, const char *name)
{
	TarxKeysText argument = tarx_keys_arg_utf8(fcinfo, n, name);

	tarx_keys_binding_add(header, argument.data, argument.len);
}

/*
 * add_sealed_llm_key(project_id uuid, provider text, name text, sealed bytea,
 * base_url text) returns uuid: add_llm_key() with the value in a box that is
 * bound to the other arguments
 */
Datum
tarx_keys_add_sealed_llm_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	TarxKeysBinding header;
	TarxKeysText value;

	tarx_keys_enter_as(project_id, TARX_KEYS_ROLE_ADMIN);
	tarx_keys_binding_init(&header, TARX_KEYS_PURPOSE_BOX_LLM_KEY, project_id->data);
	bind_argument(&header, fcinfo, 1, "provider");
	bind_argument(&header, fcinfo, 2, "name");
	if (PG_ARGISNULL(4))
		tarx_keys_binding_add(&header, NULL, 0);
	else
		bind_argument(&header, fcinfo, 4, "base_url");
	value = tarx_keys_arg_sealed(fcinfo, 3, &header);
	PG_RETURN_DATUM(add_key(fcinfo, &value, "sealed", "the sealed value"));
}

/* Can the client show U+2026 and U+2022? */
static bool
client_shows_unicode(void)
{
	int			server = GetDatabaseEncoding();
	int			client = pg_get_client_encoding();

	return (server == PG_UTF8 || server == PG_SQL_ASCII) &&
		(client == PG_UTF8 || client == PG_SQL_ASCII);
}

/* display_mask(masked_key text) returns text: a stored mask as people see it */
Datum
tarx_keys_display_mask(PG_FUNCTION_ARGS)
{
	text	   *stored;
	TarxKeysSpan mask;
	TarxKeysSpan head;
	TarxKeysSpan tail;
	const char *sign;
	StringInfoData shown;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	stored = PG_GETARG_TEXT_PP(0);
	mask = tarx_keys_span(stored);
	if (!client_shows_unicode() || !tarx_keys_mask_split(mask, &head, &sign, &tail))
		PG_RETURN_TEXT_P(stored);
	initStringInfo(&shown);
	appendBinaryStringInfo(&shown, head.data, (int) head.len);
	appendStringInfoString(&shown, sign);
	appendBinaryStringInfo(&shown, tail.data, (int) tail.len);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(shown.data, shown.len));
}
