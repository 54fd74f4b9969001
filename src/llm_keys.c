/*
 * llm_keys.c
 *	  Adds project LLM keys and resolves them.
 *
 * A key's value is sealed before its row is first written, bound to everything
 * in the row that decides where the value goes and how people know it; and it
 * is opened only into the result of a resolve call.  Every copy that is made
 * in between is wiped, whatever happens.
 *
 * The destination is the base URL that a runner gets: the key's own, or the
 * provider's default as it was when the key was added.  It is stored and bound
 * with the key, so that a change of the provider's row redirects no key.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "baseurl.h"
#include "envelope.h"
#include "mask.h"
#include "tarx_keys.h"

PG_FUNCTION_INFO_V1(tarx_keys_add_llm_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key);
PG_FUNCTION_INFO_V1(tarx_keys_require_key);
PG_FUNCTION_INFO_V1(tarx_keys_fail_key);
PG_FUNCTION_INFO_V1(tarx_keys_fail_agent_sql);
PG_FUNCTION_INFO_V1(tarx_keys_display_mask);

/* What a key's ciphertext is bound to, as UTF-8; base_url may be NULL. */
typedef struct LlmKey
{
	pg_uuid_t	project_id;
	pg_uuid_t	id;
	TarxKeysText provider;
	TarxKeysText name;
	TarxKeysText base_url;
	TarxKeysText destination;
	TarxKeysText masked_key;
	TarxKeysText added_by;
} LlmKey;

/* A resolve call, for those that watch it from outside */
typedef struct ResolveCall
{
	const pg_uuid_t *project_id;
	pg_uuid_t	id;				/* the agent's, and the key's once it is known */
	bool		by_agent;
	Datum		row;			/* the result */
} ResolveCall;

/* A row of the provider catalogue, as UTF-8 */
typedef struct Provider
{
	TarxKeysText default_base_url;
	bool		base_url_required;
	TarxKeysSpan *host_suffixes;
	size_t		nhost_suffixes;
	TarxKeysSpan *key_prefixes;
	size_t		nkey_prefixes;
} Provider;

static TarxKeysQuery provider_query = {
	"SELECT p.default_base_url, p.base_url_required, p.base_url_host_suffixes, p.key_prefixes"
	" FROM tarx_keys.providers p WHERE p.slug OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}, NULL
};

static TarxKeysQuery provider_list_query = {
	"SELECT pg_catalog.string_agg(p.slug, ', ' ORDER BY p.slug) FROM tarx_keys.providers p",
	0, {0}, NULL
};

static TarxKeysQuery insert_query = {
	"INSERT INTO tarx_keys.project_llm_keys"
	" (project_id, id, provider, name, base_url, destination, masked_key, added_by, ciphertext)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	" ON CONFLICT (project_id, name) DO NOTHING",
	9, {UUIDOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID}, NULL
};

/* A tombstone outweighs a row: that row came back from somewhere. */
static TarxKeysQuery key_query = {
	"SELECT k.provider, k.name, k.base_url, k.destination, k.masked_key, k.added_by, k.ciphertext"
	" FROM tarx_keys.project_llm_keys k"
	" WHERE k.project_id OPERATOR(pg_catalog.=) $1 AND k.id OPERATOR(pg_catalog.=) $2"
	" AND NOT EXISTS (SELECT FROM tarx_keys.llm_key_tombstones t"
	" WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.id OPERATOR(pg_catalog.=) $2)",
	2, {UUIDOID, UUIDOID}, NULL
};

static TarxKeysQuery tombstone_query = {
	"SELECT 1 FROM tarx_keys.llm_key_tombstones t"
	" WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.id OPERATOR(pg_catalog.=) $2",
	2, {UUIDOID, UUIDOID}, NULL
};

static TarxKeysQuery agent_query = {
	"SELECT a.user_api_key_id FROM tarx_keys.agents a"
	" WHERE a.project_id OPERATOR(pg_catalog.=) $1 AND a.id OPERATOR(pg_catalog.=) $2",
	2, {UUIDOID, UUIDOID}, NULL
};

/* Column n (from 1) of the only row in SPI_tuptable */
static Datum
column(int n, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, isnull);
}

/* A text column as UTF-8; data == NULL for NULL.  False if it cannot be UTF-8. */
static bool
text_column(int n, TarxKeysText *result)
{
	bool		isnull;
	Datum		value = column(n, &isnull);

	*result = (TarxKeysText) {NULL, 0, NULL};
	return isnull || tarx_keys_to_utf8(DatumGetTextPP(value), result);
}

static TarxKeysSpan *
text_array_column(int n, size_t *count)
{
	bool		isnull;
	Datum		array = column(n, &isnull);
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	TarxKeysSpan *spans;

	*count = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &nelements);
	spans = palloc(sizeof(TarxKeysSpan) * (nelements + 1));
	for (int i = 0; i < nelements; i++)
	{
		TarxKeysText element;

		if (!nulls[i] && tarx_keys_to_utf8(DatumGetTextPP(elements[i]), &element))
			spans[(*count)++] = (TarxKeysSpan) {element.data, element.len};
	}
	return spans;
}

static void
bind_fields(TarxKeysBinding *binding, const LlmKey *key)
{
	tarx_keys_binding_init(binding, TARX_KEYS_PURPOSE_LLM_KEY, key->project_id.data);
	tarx_keys_binding_add(binding, key->id.data, UUID_LEN);
	tarx_keys_binding_add(binding, key->provider.data, key->provider.len);
	tarx_keys_binding_add(binding, key->name.data, key->name.len);
	tarx_keys_binding_add(binding, key->base_url.data, key->base_url.len);
	tarx_keys_binding_add(binding, key->destination.data, key->destination.len);
	tarx_keys_binding_add(binding, key->masked_key.data, key->masked_key.len);
	tarx_keys_binding_add(binding, key->added_by.data, key->added_by.len);
}

static bytea *
seal(const LlmKey *key, const TarxKeysText *value)
{
	TarxKeysBinding binding;

	bind_fields(&binding, key);
	return tarx_keys_seal(&binding, value);
}

/* The value of a key; TK004 if the row is not what was sealed. */
static TarxKeysText
open_envelope(const LlmKey *key, bytea *envelope)
{
	TarxKeysBinding binding;
	TarxKeysText value;

	bind_fields(&binding, key);
	if (!tarx_keys_open(&binding, envelope, &value))
		tarx_keys_fail_integrity(&key->id);
	return value;
}

/* TK002 if the key has been deleted, else TK001.  In an SPI connection. */
pg_noreturn static void
fail_key(const pg_uuid_t *project_id, const pg_uuid_t *key_id, Snapshot snapshot)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), UUIDPGetDatum(key_id)};

	if (tarx_keys_query_run_at(&tombstone_query, values, snapshot) > 0)
		tarx_keys_fail_key_deleted(key_id);
	tarx_keys_fail_key_not_found(key_id);
}

/* Fetch the row of a key that the snapshot has; its envelope is the result. */
static bytea *
fetch_key(const pg_uuid_t *project_id, const pg_uuid_t *key_id, Snapshot snapshot,
		  LlmKey *key)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), UUIDPGetDatum(key_id)};
	Datum		envelope;
	bool		isnull;

	if (tarx_keys_query_run_at(&key_query, values, snapshot) == 0)
		fail_key(project_id, key_id, snapshot);
	key->project_id = *project_id;
	key->id = *key_id;
	envelope = column(7, &isnull);
	if (isnull ||
		!text_column(1, &key->provider) ||
		!text_column(2, &key->name) ||
		!text_column(3, &key->base_url) ||
		!text_column(4, &key->destination) ||
		!text_column(5, &key->masked_key) ||
		!text_column(6, &key->added_by))
		tarx_keys_fail_integrity(key_id);
	return DatumGetByteaPP(envelope);
}

/*
 * add_llm_key
 */

static void
fail_unknown_provider(void)
{
	char	   *list = NULL;

	if (tarx_keys_query_run(&provider_list_query, NULL, NULL, true) > 0)
		list = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown provider"),
			 errhint("Known providers: %s.", list != NULL ? list : "none")));
}

static Provider
fetch_provider(text *slug)
{
	Datum		values[1] = {PointerGetDatum(slug)};
	Provider	provider;
	bool		isnull;

	if (tarx_keys_query_run(&provider_query, values, NULL, true) == 0)
		fail_unknown_provider();
	(void) text_column(1, &provider.default_base_url);
	provider.base_url_required = DatumGetBool(column(2, &isnull));
	provider.host_suffixes = text_array_column(3, &provider.nhost_suffixes);
	provider.key_prefixes = text_array_column(4, &provider.nkey_prefixes);
	return provider;
}

static void
check_host_suffix(const Provider *provider, const char *host)
{
	StringInfoData known;

	if (provider->nhost_suffixes == 0)
		return;
	initStringInfo(&known);
	for (size_t i = 0; i < provider->nhost_suffixes; i++)
	{
		char	   *suffix = pnstrdup(provider->host_suffixes[i].data,
									  provider->host_suffixes[i].len);

		if (tarx_keys_baseurl_host_has_suffix(host, suffix))
			return;
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", suffix);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the base URL's host is not one of this provider"),
			 errhint("The host must end in one of: %s.", known.data)));
}

/* Check what the provider says about base URLs; canonical, or NULL if there is none. */
static TarxKeysText
check_base_url(const Provider *provider, FunctionCallInfo fcinfo, int n)
{
	TarxKeysText result = {NULL, 0, NULL};
	TarxKeysText given;
	TarxKeysBaseUrl *canonical;
	TarxKeysBaseUrlStatus status;

	if (PG_ARGISNULL(n))
	{
		if (provider->base_url_required)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("this provider needs a base URL"),
					 errhint("Pass base_url, the https address of your own endpoint at the provider.")));
		return result;
	}
	if (!provider->base_url_required)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this provider takes no base URL"),
				 errhint("Leave base_url out, or use the provider openai_compatible.")));

	given = tarx_keys_arg_utf8(fcinfo, n, "base_url");
	canonical = palloc(sizeof(TarxKeysBaseUrl));
	status = tarx_keys_baseurl_canonicalize(given.data, given.len,
											tarx_keys_setting_insecure_urls(), canonical);
	if (status != TARX_KEYS_BASEURL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", tarx_keys_baseurl_problem(status)),
				 errhint("A base URL is like https://host.example/v1: https, a public host, no user, query or fragment. A superuser can admit http and private hosts with tarx_keys.allow_insecure_base_urls.")));
	check_host_suffix(provider, canonical->host);
	result.data = canonical->url;
	result.len = canonical->len;
	return result;
}

static void
check_not_masked(const TarxKeysText *value)
{
	TarxKeysSpan span = {value->data, value->len};

	if (tarx_keys_looks_masked(span))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key_value is a mask, not a key"),
				 errhint("Pass the key as the provider shows it when it is created.")));
}

static TarxKeysText
make_mask(const TarxKeysText *value, const Provider *provider)
{
	TarxKeysText mask = {palloc(TARX_KEYS_MASK_MAX), 0, NULL};
	TarxKeysSpan span = {value->data, value->len};

	mask.len = tarx_keys_mask(mask.data, span, provider->key_prefixes,
							  provider->nkey_prefixes);
	return mask;
}

static Datum
text_or_null(const TarxKeysText *value, char *null_flag)
{
	*null_flag = value->data == NULL ? 'n' : ' ';
	return value->data == NULL ? (Datum) 0 :
		PointerGetDatum(tarx_keys_from_utf8(value->data, value->len));
}

static void
insert_key(const LlmKey *key, Datum envelope)
{
	Datum		values[9];
	char		nulls[10] = "         ";

	values[0] = UUIDPGetDatum(&key->project_id);
	values[1] = UUIDPGetDatum(&key->id);
	values[2] = text_or_null(&key->provider, &nulls[2]);
	values[3] = text_or_null(&key->name, &nulls[3]);
	values[4] = text_or_null(&key->base_url, &nulls[4]);
	values[5] = text_or_null(&key->destination, &nulls[5]);
	values[6] = text_or_null(&key->masked_key, &nulls[6]);
	values[7] = text_or_null(&key->added_by, &nulls[7]);
	values[8] = envelope;
	if (tarx_keys_query_run(&insert_query, values, nulls, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("an LLM key with this name exists already in the project"),
				 errhint("Choose another name, or delete the key that has it.")));
}

/* Check everything, seal, insert; *id becomes the new key's id. */
static void
add_key(FunctionCallInfo fcinfo, const TarxKeysText *value, pg_uuid_t *id)
{
	LlmKey		key;
	Provider	provider = fetch_provider(tarx_keys_arg_text(fcinfo, 1, "provider"));

	key.project_id = *PG_GETARG_UUID_P(0);
	key.id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	key.provider = tarx_keys_arg_utf8(fcinfo, 1, "provider");
	key.name = tarx_keys_arg_utf8(fcinfo, 2, "name");
	tarx_keys_check_name(&key.name, "name");
	tarx_keys_check_value(value, "key_value");
	check_not_masked(value);
	key.base_url = check_base_url(&provider, fcinfo, 4);
	key.destination = key.base_url.data != NULL ? key.base_url : provider.default_base_url;
	key.masked_key = make_mask(value, &provider);
	if (!tarx_keys_to_utf8(cstring_to_text(tarx_keys_acting_user()), &key.added_by))
		elog(ERROR, "acting user is not valid text");

	insert_key(&key, PointerGetDatum(seal(&key, value)));
	tarx_keys_audit_project(&key.project_id, "llm_key.add", &key.id,
							tarx_keys_from_utf8(key.name.data, key.name.len));
	*id = key.id;
}

/*
 * add_llm_key(project_id uuid, provider text, name text, key_value text,
 * base_url text) returns uuid: see sql/50_llm_keys.sql.
 */
Datum
tarx_keys_add_llm_key(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	TarxKeysText value;

	tarx_keys_enter_as_admin(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	value = tarx_keys_arg_utf8(fcinfo, 3, "key_value");
	tarx_keys_queries_begin();
	add_key(fcinfo, &value, id);
	tarx_keys_queries_end();
	tarx_keys_secret_wipe(value.secret);
	PG_RETURN_UUID_P(id);
}

/*
 * resolve_key, resolve_agent_key
 */

/* The shape of a resolve call's row, made once in a session. */
static TupleDesc
resolved_desc(void)
{
	static TupleDesc desc = NULL;

	if (desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	fresh = CreateTemplateTupleDesc(5);

		TupleDescInitEntry(fresh, 1, "key_id", UUIDOID, -1, 0);
		TupleDescInitEntry(fresh, 2, "provider", TEXTOID, -1, 0);
		TupleDescInitEntry(fresh, 3, "name", TEXTOID, -1, 0);
		TupleDescInitEntry(fresh, 4, "base_url", TEXTOID, -1, 0);
		TupleDescInitEntry(fresh, 5, "key_value", TEXTOID, -1, 0);
		desc = BlessTupleDesc(fresh);
		MemoryContextSwitchTo(old);
	}
	return desc;
}

/* The result row, in the caller's memory */
static HeapTuple
form_resolved(const LlmKey *key, const TarxKeysText *value, MemoryContext context)
{
	Datum		values[5];
	bool		nulls[5] = {false};
	text	   *copy = palloc(VARHDRSZ + value->len);
	TarxKeysSecret *secret = tarx_keys_secret_register(copy, VARHDRSZ + value->len);
	HeapTuple	tuple;
	MemoryContext old;

	SET_VARSIZE(copy, VARHDRSZ + value->len);
	memcpy(VARDATA(copy), value->data, value->len);
	values[0] = UUIDPGetDatum(&key->id);
	values[1] = PointerGetDatum(tarx_keys_from_utf8(key->provider.data, key->provider.len));
	values[2] = PointerGetDatum(tarx_keys_from_utf8(key->name.data, key->name.len));
	values[3] = PointerGetDatum(tarx_keys_from_utf8(key->destination.data, key->destination.len));
	values[4] = PointerGetDatum(copy);
	old = MemoryContextSwitchTo(context);
	tuple = heap_form_tuple(resolved_desc(), values, nulls);
	MemoryContextSwitchTo(old);
	tarx_keys_secret_wipe(secret);
	return tuple;
}

/*
 * The key id that an agent refers to; TK003 if there is none.  Copied, because
 * the row goes with the next query.
 */
static pg_uuid_t
agent_key_id(const pg_uuid_t *project_id, const pg_uuid_t *agent_id, Snapshot snapshot)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), UUIDPGetDatum(agent_id)};
	Datum		key_id;
	bool		isnull;

	if (tarx_keys_query_run_at(&agent_query, values, snapshot) == 0)
		tarx_keys_fail_agent(agent_id);
	key_id = column(1, &isnull);
	if (isnull)
		tarx_keys_fail_agent(agent_id);
	return *DatumGetUUIDP(key_id);
}

/*
 * Resolve a key, or an agent's key, of a project.  One snapshot for all
 * look-ups: with two, a rotation that commits in between would leave an agent
 * without a key that has had one all the time.
 */
static void
resolve(ResolveCall *call)
{
	MemoryContext context = CurrentMemoryContext;
	Snapshot	snapshot;
	LlmKey		key;
	bytea	   *envelope;
	TarxKeysText value;
	HeapTuple	tuple;

	tarx_keys_enter_project(call->project_id);
	tarx_keys_queries_begin();
	if (call->by_agent)
		tarx_keys_query_lock(&agent_query);
	tarx_keys_query_lock(&key_query);	/* of tombstones, too */
	snapshot = tarx_keys_latest_snapshot();
	if (call->by_agent)
		call->id = agent_key_id(call->project_id, &call->id, snapshot);
	envelope = fetch_key(call->project_id, &call->id, snapshot, &key);
	UnregisterSnapshot(snapshot);
	value = open_envelope(&key, envelope);
	tuple = form_resolved(&key, &value, context);
	tarx_keys_secret_wipe(value.secret);
	tarx_keys_queries_end();
	call->row = HeapTupleGetDatum(tuple);
}

/*
 * Whether an error says that the key exists, or did: only then it is counted,
 * or guessing ids would fill the table.
 */
static bool
key_is_known(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_TK_KEY_DELETED ||
		sqlerrcode == ERRCODE_TK_INTEGRITY ||
		sqlerrcode == ERRCODE_TK_NO_KEYRING ||
		sqlerrcode == ERRCODE_TK_MASTER_KEY_MISSING;
}

static void
note_refused(const ResolveCall *call, int sqlerrcode)
{
	if (!tarx_keys_is_refusal(sqlerrcode))
		return;
	tarx_keys_log_event("resolve", TARX_KEYS_REFUSED, call->project_id, &call->id,
						unpack_sql_state(sqlerrcode));
	if (key_is_known(sqlerrcode))
		tarx_keys_usage_count(TARX_KEYS_USAGE_LLM_KEY, call->project_id, &call->id, false);
}

static void
note_allowed(const ResolveCall *call)
{
	tarx_keys_log_event("resolve", TARX_KEYS_ALLOWED, call->project_id, &call->id, NULL);
	tarx_keys_usage_count(TARX_KEYS_USAGE_LLM_KEY, call->project_id, &call->id, true);
}

/* Resolve; log and count it, whether it succeeds or not. */
static void
resolve_and_note(ResolveCall *call)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		resolve(call);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		note_refused(call, geterrcode());
		PG_RE_THROW();
	}
	PG_END_TRY();
	note_allowed(call);
}

/*
 * resolve_key(project_id uuid, key_id uuid) returns one row: see
 * sql/50_llm_keys.sql.  Writes to no table, so that it runs on a standby.
 */
Datum
tarx_keys_resolve_key(PG_FUNCTION_ARGS)
{
	ResolveCall call = {.by_agent = false};

	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	call.id = *tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	resolve_and_note(&call);
	PG_RETURN_DATUM(call.row);
}

/* resolve_agent_key(project_id uuid, agent_id uuid): the same by the agent's key */
Datum
tarx_keys_resolve_agent_key(PG_FUNCTION_ARGS)
{
	ResolveCall call = {.by_agent = true};

	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	call.id = *tarx_keys_arg_uuid(fcinfo, 1, "agent_id");
	resolve_and_note(&call);
	PG_RETURN_DATUM(call.row);
}

/*
 * Helpers of the SQL functions
 */

/* require_key(project_id uuid, key_id uuid): TK001 or TK002 unless it can be used */
Datum
tarx_keys_require_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	const pg_uuid_t *key_id = tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	Snapshot	snapshot;
	LlmKey		key;

	tarx_keys_queries_begin();
	tarx_keys_query_lock(&key_query);
	snapshot = tarx_keys_latest_snapshot();
	(void) fetch_key(project_id, key_id, snapshot, &key);
	UnregisterSnapshot(snapshot);
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}

/* fail_key(project_id uuid, key_id uuid): TK002 if it was deleted, else TK001 */
Datum
tarx_keys_fail_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	const pg_uuid_t *key_id = tarx_keys_arg_uuid(fcinfo, 1, "key_id");

	tarx_keys_queries_begin();
	tarx_keys_query_lock(&tombstone_query);
	fail_key(project_id, key_id, tarx_keys_latest_snapshot());
}

/* fail_agent(agent_id uuid): TK003 */
Datum
tarx_keys_fail_agent_sql(PG_FUNCTION_ARGS)
{
	tarx_keys_fail_agent(tarx_keys_arg_uuid(fcinfo, 0, "agent_id"));
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
	text	   *stored = tarx_keys_arg_text(fcinfo, 0, "masked_key");
	TarxKeysSpan mask = {VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)};
	TarxKeysSpan head;
	TarxKeysSpan tail;
	const char *sign;
	StringInfoData shown;

	if (!client_shows_unicode() || !tarx_keys_mask_split(mask, &head, &sign, &tail))
		PG_RETURN_TEXT_P(stored);
	initStringInfo(&shown);
	appendBinaryStringInfo(&shown, head.data, (int) head.len);
	appendStringInfoString(&shown, sign);
	appendBinaryStringInfo(&shown, tail.data, (int) tail.len);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(shown.data, shown.len));
}
