/*
 * replace_llm_keys.c
 *	  Puts a new LLM key into the place of another one.
 *
 * The old key is renamed and disabled, the new one takes its name, and the agents
 * of the one go to the other: all in one transaction, so that no resolve call
 * finds an agent without a key.
 *
 * From a row that does not open nothing is taken over: somebody may have written
 * it who wants the next key to be sent to their host.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_replace_llm_key);
PG_FUNCTION_INFO_V1(tarx_keys_replace_sealed_llm_key);

/* In one minute the same name can be replaced so often. */
#define MOST_OF_A_NAME	1000

/* A key that is to be replaced */
typedef struct OldKey
{
	const pg_uuid_t *project_id;
	const pg_uuid_t *id;
	TarxKeysRow row;
	bool		opens;
	TarxKeysOpenKey open;		/* if it does */
} OldKey;

static TarxKeysQuery delete_query = {
	.sql = "SELECT 1 FROM tarx_keys_internal.end_llm_keys($1, $2, tarx_keys.current_user_id())",
	.nargs = 2, .argtypes = {UUIDOID, UUIDOID}
};

static TarxKeysQuery repoint_query = {
	.sql = "SELECT tarx_keys.repoint_agents($1, $2, $3)",
	.nargs = 3, .argtypes = {UUIDOID, UUIDOID, UUIDOID}
};

static void
fetch_old(OldKey *old)
{
	bool		is_row = tarx_keys_lock_key(old->project_id, old->id, &old->row);

	old->opens = is_row && tarx_keys_row_state(&tarx_keys_llm_keys, &old->row) == TARX_KEYS_ROW_OK &&
		tarx_keys_key_open(&old->row, &old->open);
}

/*
 * What the new key is like
 */

pg_noreturn static void
fail_incomplete(const char *missing)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("options"),
			 errmsg("options lack %s, and the stored key does not open", missing),
			 errhint("Nothing can be taken over from it. Pass options with name, provider and, where the provider takes one, base_url.")));
}

static text *
text_of(const TarxKeysRow *row, int column)
{
	return row->nulls[column] ? NULL : DatumGetTextPP(row->values[column]);
}

/*
 * The old key's provider, name and headers where the options say nothing else, and
 * its base URL with its provider
 */
static void
take_over(TarxKeysNewKey *key, const OldKey *old)
{
	text	   *provider = text_of(&old->row, LLM_KEY_PROVIDER);

	if (!tarx_keys_option_given(&key->options, TARX_KEYS_OPTION_PROVIDER))
		key->provider = provider;
	if (tarx_keys_compare_spans(tarx_keys_span(key->provider), tarx_keys_span(provider)) == 0)
		key->base_url = text_of(&old->row, LLM_KEY_BASE_URL);
	if (!tarx_keys_option_given(&key->options, TARX_KEYS_OPTION_NAME))
		key->name = text_of(&old->row, LLM_KEY_NAME);
	if (!tarx_keys_option_given(&key->options, TARX_KEYS_OPTION_HEADERS))
	{
		key->options.headers = old->open.payload.headers;
		key->headers_of = &old->row;
	}
}

static void
require_complete(const TarxKeysNewKey *key)
{
	if (!tarx_keys_option_given(&key->options, TARX_KEYS_OPTION_PROVIDER))
		fail_incomplete("provider");
	if (!tarx_keys_option_given(&key->options, TARX_KEYS_OPTION_NAME))
		fail_incomplete("name");
	if (!tarx_keys_option_given(&key->options, TARX_KEYS_OPTION_BASE_URL) &&
		tarx_keys_fetch_provider(key->options.provider).base_url_allowed)
		fail_incomplete("base_url");
}

static void
describe_new(TarxKeysNewKey *key, const OldKey *old)
{
	key->provider = key->options.provider;
	key->name = key->options.name;
	if (old->opens)
		take_over(key, old);
	else
		require_complete(key);
	if (tarx_keys_option_given(&key->options, TARX_KEYS_OPTION_BASE_URL))
		key->base_url = key->options.base_url;
}

/*
 * What becomes of the old one
 */

/* "NAME (until 2027-01-31 14:03)", with a number from the second on, cut to fit */
static text *
retired_name(const TarxKeysRow *row, int n)
{
	char	   *name = text_to_cstring(DatumGetTextPP(row->values[LLM_KEY_NAME]));
	pg_time_t	now = timestamptz_to_time_t(GetCurrentTransactionStartTimestamp());
	char		until[64];
	int			chars;

	(void) pg_strftime(until, sizeof(until), " (until %Y-%m-%d %H:%M", pg_gmtime(&now));
	snprintf(until + strlen(until), sizeof(until) - strlen(until), n > 1 ? ", %d)" : ")", n);
	chars = TARX_KEYS_NAME_MAX_CHARS - (int) strlen(until);
	return cstring_to_text(psprintf("%.*s%s", pg_mbcharcliplen(name, (int) strlen(name), chars), name, until));
}

/* Returns its new revision. */
static int32
retire(OldKey *old)
{
	TarxKeysRow row = old->row;
	int			n = 1;

	do
	{
		tarx_keys_key_set_text(&row, LLM_KEY_NAME, retired_name(&old->row, n));
	} while (tarx_keys_key_name_is_taken(&row) && n++ < MOST_OF_A_NAME);
	tarx_keys_key_set_text(&row, LLM_KEY_STATE, cstring_to_text(TARX_KEYS_STATE_DISABLED));
	tarx_keys_write_changed_key(&row, &old->open.payload);
	return DatumGetInt32(row.values[LLM_KEY_REVISION]);
}

static int32
remove_old(OldKey *old)
{
	Datum		values[2] = {UUIDPGetDatum(old->project_id), UUIDPGetDatum(old->id)};

	if (old->opens)
		return retire(old);
	(void) tarx_keys_query_run(&delete_query, values, NULL, false);
	return TARX_KEYS_NO_REVISION;
}

/*
 * Replace a key by one whose value and options are known; returns the id of the new
 * one, in the caller's memory.  The value is wiped.
 */
static Datum
replace_key(OldKey *old, TarxKeysNewKey *key)
{
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));
	int32		revision;
	Datum		values[3] = {UUIDPGetDatum(old->project_id), UUIDPGetDatum(old->id), UUIDPGetDatum(result)};

	tarx_keys_queries_begin();
	fetch_old(old);
	describe_new(key, old);
	revision = remove_old(old);
	*result = *tarx_keys_insert_key(key, old->opens ? &old->row : NULL);
	(void) tarx_keys_query_run(&repoint_query, values, NULL, false);
	tarx_keys_audit_project(old->project_id, old->opens ? "llm_key.replace" : "llm_key.delete", old->id,
							cstring_to_text(tarx_keys_uuid_text(result)), revision);
	if (old->opens)
		tarx_keys_secret_wipe(old->open.plain.secret);
	tarx_keys_queries_end();
	return UUIDPGetDatum(result);
}

/*
 * replace_llm_key(project_id uuid, key_id uuid, key_value text, options jsonb)
 * returns uuid: see sql/50_llm_keys.sql
 */
Datum
tarx_keys_replace_llm_key(PG_FUNCTION_ARGS)
{
	TarxKeysNewKey key = {.argument = "key_value", .what = "key_value"};
	OldKey		old;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_replace_llm_key);
	old.project_id = key.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	tarx_keys_enter_as(key.project_id, TARX_KEYS_ROLE_KEY_MANAGER);
	old.id = tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	key.value = tarx_keys_arg_utf8(fcinfo, 2, "key_value");
	tarx_keys_arg_options(fcinfo, 3, "options", TARX_KEYS_OPTIONS_OF_REPLACE, &key.options);
	PG_RETURN_DATUM(replace_key(&old, &key));
}

/*
 * replace_sealed_llm_key(project_id uuid, key_id uuid, sealed bytea) returns uuid:
 * replace_llm_key() with the value, and the options, in a box that is bound to the old
 * key's id and to where the new one goes
 */
Datum
tarx_keys_replace_sealed_llm_key(PG_FUNCTION_ARGS)
{
	TarxKeysNewKey key = {.argument = "sealed", .what = "the sealed value"};
	OldKey		old;

	old.project_id = key.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	tarx_keys_enter_as(key.project_id, TARX_KEYS_ROLE_KEY_MANAGER);
	old.id = tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	tarx_keys_arg_sealed_replacement(fcinfo, 2, old.id, &key);
	PG_RETURN_DATUM(replace_key(&old, &key));
}
