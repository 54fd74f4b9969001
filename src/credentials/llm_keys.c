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
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_add_llm_key);
PG_FUNCTION_INFO_V1(tarx_keys_add_sealed_llm_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key_sealed);
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
	const uint8 *recipient;		/* the public key to seal to; NULL for a value
								 * in clear */
	TarxKeysKeyUse use;			/* makes something else of the key; NULL for a
								 * row */
	void	   *use_arg;
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

#define BY_PRIMARY_KEY \
	" WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.id OPERATOR(pg_catalog.=) $2", \
	2, {UUIDOID, UUIDOID}, NULL

static TarxKeysTable keys_table = {
	.schema = TARX_KEYS_SCHEMA,
	.name = "project_llm_keys",
	.query = {"SELECT t.project_id, t.id, t.provider, t.name, t.base_url, t.destination,"
	" t.masked_key, t.added_by, t.ciphertext FROM tarx_keys.project_llm_keys t" BY_PRIMARY_KEY},
	.ncolumns = 9,
	.columns = {{"project_id", UUIDOID}, {"id", UUIDOID}, {"provider", TEXTOID},
	{"name", TEXTOID}, {"base_url", TEXTOID}, {"destination", TEXTOID},
	{"masked_key", TEXTOID}, {"added_by", TEXTOID}, {"ciphertext", BYTEAOID}}
};

static TarxKeysTable tombstones_table = {
	.schema = TARX_KEYS_INTERNAL_SCHEMA,
	.name = "llm_key_tombstones",
	.query = {"SELECT t.project_id, t.id FROM tarx_keys_internal.llm_key_tombstones t" BY_PRIMARY_KEY},
	.ncolumns = 2,
	.columns = {{"project_id", UUIDOID}, {"id", UUIDOID}}
};

static TarxKeysTable agents_table = {
	.schema = TARX_KEYS_SCHEMA,
	.name = "agents",
	.query = {"SELECT t.project_id, t.id, t.user_api_key_id FROM tarx_keys.agents t" BY_PRIMARY_KEY},
	.ncolumns = 3,
	.columns = {{"project_id", UUIDOID}, {"id", UUIDOID}, {"user_api_key_id", UUIDOID}}
};

/* The tables that an LLM key is looked up in, open */
typedef struct KeyTables
{
	Relation	keys;
	Relation	tombstones;
} KeyTables;

/* Column n (from 1) of the only row in SPI_tuptable */
static Datum
column(int n, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, isnull);
}

/* A text Datum as UTF-8; data == NULL for NULL.  False if it cannot be UTF-8. */
static bool
text_value(Datum value, bool isnull, TarxKeysText *result)
{
	*result = (TarxKeysText) {NULL, 0, NULL};
	return isnull || tarx_keys_to_utf8(DatumGetTextPP(value), result);
}

static bool
text_field(const NullableDatum *field, TarxKeysText *result)
{
	return text_value(field->value, field->isnull, result);
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

/* The fields are those of LlmKey, in that order. */
bool
tarx_keys_bind_llm_key(TarxKeysBinding *binding, const NullableDatum *fields)
{
	LlmKey		key;

	if (fields[0].isnull || fields[1].isnull ||
		!text_field(&fields[2], &key.provider) ||
		!text_field(&fields[3], &key.name) ||
		!text_field(&fields[4], &key.base_url) ||
		!text_field(&fields[5], &key.destination) ||
		!text_field(&fields[6], &key.masked_key) ||
		!text_field(&fields[7], &key.added_by))
		return false;
	key.project_id = *DatumGetUUIDP(fields[0].value);
	key.id = *DatumGetUUIDP(fields[1].value);
	bind_fields(binding, &key);
	return true;
}

static bytea *
seal(const LlmKey *key, const TarxKeysText *value)
{
	TarxKeysBinding binding;

	bind_fields(&binding, key);
	return tarx_keys_seal(&binding, value);
}

/*
 * The value of a key, in UTF-8 or the database's encoding; TK004 if the row is
 * not what was sealed.
 */
static TarxKeysText
open_envelope(const LlmKey *key, bytea *envelope, bool as_utf8)
{
	TarxKeysBinding binding;
	TarxKeysText value;

	bind_fields(&binding, key);
	if (!tarx_keys_open(&binding, envelope, as_utf8, &value))
		tarx_keys_fail_integrity(&key->id);
	return value;
}

static KeyTables
open_tables(const pg_uuid_t *project_id)
{
	KeyTables	tables;

	tables.keys = tarx_keys_table_open(&keys_table, project_id);
	tables.tombstones = tarx_keys_table_open(&tombstones_table, project_id);
	return tables;
}

static void
close_tables(const KeyTables *tables)
{
	tarx_keys_table_close(tables->keys);
	tarx_keys_table_close(tables->tombstones);
}

static bool
is_deleted(const KeyTables *tables, const pg_uuid_t *project_id, const pg_uuid_t *key_id,
		   Snapshot snapshot)
{
	Datum		values[TARX_KEYS_TABLE_MAX_COLUMNS];
	bool		nulls[TARX_KEYS_TABLE_MAX_COLUMNS];

	return tarx_keys_table_find(&tombstones_table, tables->tombstones, snapshot, project_id,
								key_id, values, nulls);
}

/*
 * Fetch the row of a key that the snapshot has; its envelope is the result.
 * TK001 or TK002 if there is none.  A tombstone outweighs a row: that row came
 * back from somewhere.
 */
static bytea *
fetch_key(const KeyTables *tables, const pg_uuid_t *project_id, const pg_uuid_t *key_id,
		  Snapshot snapshot, LlmKey *key)
{
	Datum		values[TARX_KEYS_TABLE_MAX_COLUMNS];
	bool		nulls[TARX_KEYS_TABLE_MAX_COLUMNS];

	if (is_deleted(tables, project_id, key_id, snapshot))
		tarx_keys_fail_key_deleted(key_id);
	if (!tarx_keys_table_find(&keys_table, tables->keys, snapshot, project_id, key_id, values,
							  nulls))
		tarx_keys_fail_key_not_found(key_id);
	key->project_id = *project_id;
	key->id = *key_id;
	if (nulls[8] ||
		!text_value(values[2], nulls[2], &key->provider) ||
		!text_value(values[3], nulls[3], &key->name) ||
		!text_value(values[4], nulls[4], &key->base_url) ||
		!text_value(values[5], nulls[5], &key->destination) ||
		!text_value(values[6], nulls[6], &key->masked_key) ||
		!text_value(values[7], nulls[7], &key->added_by))
		tarx_keys_fail_integrity(key_id);
	return DatumGetByteaPP(values[8]);
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
			 tarx_keys_errarg("provider"),
			 errmsg("unknown provider"),
			 errhint("Known providers: %s.", list != NULL ? list : "none")));
}

static Provider
fetch_provider(text *slug)
{
	Datum		values[1] = {PointerGetDatum(slug)};
	Provider	provider;
	Datum		value;
	bool		isnull;

	if (tarx_keys_query_run(&provider_query, values, NULL, true) == 0)
		fail_unknown_provider();
	value = column(1, &isnull);
	(void) text_value(value, isnull, &provider.default_base_url);
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
			 tarx_keys_errarg("base_url"),
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
					 tarx_keys_errarg("base_url"),
					 errmsg("this provider needs a base URL"),
					 errhint("Pass base_url, the https address of your own endpoint at the provider.")));
		return result;
	}
	if (!provider->base_url_required)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("base_url"),
				 errmsg("this provider takes no base URL"),
				 errhint("Leave base_url out, or use the provider openai_compatible.")));

	given = tarx_keys_arg_utf8(fcinfo, n, "base_url");
	canonical = palloc(sizeof(TarxKeysBaseUrl));
	status = tarx_keys_baseurl_canonicalize(given.data, given.len,
											tarx_keys_setting_insecure_urls(), canonical);
	if (status != TARX_KEYS_BASEURL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("base_url"),
				 errmsg("%s", tarx_keys_baseurl_problem(status)),
				 errhint("A base URL is like https://host.example/v1: https, a public host, no user, query or fragment. A superuser can admit http and private hosts with tarx_keys.allow_insecure_base_urls.")));
	check_host_suffix(provider, canonical->host);
	result.data = canonical->url;
	result.len = canonical->len;
	return result;
}

static void
check_not_masked(const TarxKeysText *value, const char *argument, const char *what)
{
	TarxKeysSpan span = {value->data, value->len};

	if (tarx_keys_looks_masked(span))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg(argument),
				 errmsg("%s is a mask, not a key", what),
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
				 tarx_keys_errarg("name"),
				 errmsg("an LLM key with this name exists already in the project"),
				 errhint("Choose another name, or delete the key that has it.")));
}

/*
 * Check everything, seal, insert; returns the new key's id.  The arguments are
 * those of add_llm_key(), but for the value, which is wiped: argument is what it
 * came in, what says the same in words.
 */
static pg_uuid_t *
add_key(FunctionCallInfo fcinfo, const TarxKeysText *value, const char *argument,
		const char *what)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	LlmKey		key;
	Provider	provider;

	tarx_keys_queries_begin();
	provider = fetch_provider(tarx_keys_arg_text(fcinfo, 1, "provider"));
	key.project_id = *PG_GETARG_UUID_P(0);
	key.id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	key.provider = tarx_keys_arg_utf8(fcinfo, 1, "provider");
	key.name = tarx_keys_arg_utf8(fcinfo, 2, "name");
	tarx_keys_check_name(&key.name, "name");
	tarx_keys_check_value(value, argument, what);
	check_not_masked(value, argument, what);
	key.base_url = check_base_url(&provider, fcinfo, 4);
	key.destination = key.base_url.data != NULL ? key.base_url : provider.default_base_url;
	key.masked_key = make_mask(value, &provider);
	if (!tarx_keys_to_utf8(cstring_to_text(tarx_keys_acting_user()), &key.added_by))
		elog(ERROR, "acting user is not valid text");

	insert_key(&key, PointerGetDatum(seal(&key, value)));
	tarx_keys_audit_project(&key.project_id, "llm_key.add", &key.id,
							tarx_keys_from_utf8(key.name.data, key.name.len));
	tarx_keys_queries_end();
	tarx_keys_secret_wipe(value->secret);
	*id = key.id;
	return id;
}

/*
 * add_llm_key(project_id uuid, provider text, name text, key_value text,
 * base_url text) returns uuid: see sql/50_llm_keys.sql.
 */
Datum
tarx_keys_add_llm_key(PG_FUNCTION_ARGS)
{
	TarxKeysText value;

	tarx_keys_redaction_mark("add_llm_key");
	tarx_keys_enter_as_admin(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	value = tarx_keys_arg_utf8(fcinfo, 3, "key_value");
	PG_RETURN_UUID_P(add_key(fcinfo, &value, "key_value", "key_value"));
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
 * base_url text) returns uuid: the same with the value in a box for the other
 * arguments
 */
Datum
tarx_keys_add_sealed_llm_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	TarxKeysBinding header;
	TarxKeysText value;

	tarx_keys_enter_as_admin(project_id);
	tarx_keys_binding_init(&header, TARX_KEYS_PURPOSE_BOX_LLM_KEY, project_id->data);
	bind_argument(&header, fcinfo, 1, "provider");
	bind_argument(&header, fcinfo, 2, "name");
	if (PG_ARGISNULL(4))
		tarx_keys_binding_add(&header, NULL, 0);
	else
		bind_argument(&header, fcinfo, 4, "base_url");
	value = tarx_keys_arg_sealed(fcinfo, 3, &header);
	PG_RETURN_UUID_P(add_key(fcinfo, &value, "sealed", "the sealed value"));
}

/*
 * resolve_key, resolve_agent_key, and their sealed forms
 */

/* The shapes of a resolve call's row, made once in a session. */
static TupleDesc
resolved_desc(bool sealed)
{
	static TupleDesc descs[2] = {NULL, NULL};
	TupleDesc  *desc = &descs[sealed];

	if (*desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	fresh = CreateTemplateTupleDesc(5);

		TupleDescInitEntry(fresh, 1, "key_id", UUIDOID, -1, 0);
		TupleDescInitEntry(fresh, 2, "provider", TEXTOID, -1, 0);
		TupleDescInitEntry(fresh, 3, "name", TEXTOID, -1, 0);
		TupleDescInitEntry(fresh, 4, "base_url", TEXTOID, -1, 0);
		if (sealed)
			TupleDescInitEntry(fresh, 5, "sealed", BYTEAOID, -1, 0);
		else
			TupleDescInitEntry(fresh, 5, "key_value", TEXTOID, -1, 0);
		*desc = BlessTupleDesc(fresh);
		MemoryContextSwitchTo(old);
	}
	return *desc;
}

/* The result row, in the caller's memory; the value is wiped. */
static HeapTuple
form_resolved(const ResolveCall *call, const LlmKey *key, const TarxKeysText *value,
			  MemoryContext context)
{
	Datum		values[5];
	bool		nulls[5] = {false};
	TarxKeysSecret *copy;
	HeapTuple	tuple;
	MemoryContext old;

	values[0] = UUIDPGetDatum(&key->id);
	values[1] = PointerGetDatum(tarx_keys_from_utf8(key->provider.data, key->provider.len));
	values[2] = PointerGetDatum(tarx_keys_from_utf8(key->name.data, key->name.len));
	values[3] = PointerGetDatum(tarx_keys_from_utf8(key->destination.data, key->destination.len));
	values[4] = tarx_keys_value_result(call->recipient, value, &copy);
	old = MemoryContextSwitchTo(context);
	tuple = heap_form_tuple(resolved_desc(call->recipient != NULL), values, nulls);
	MemoryContextSwitchTo(old);
	tarx_keys_secret_wipe(copy);
	return tuple;
}

static void
use_opened(const ResolveCall *call, const LlmKey *key, const TarxKeysText *value)
{
	TarxKeysOpenKey opened = {key->provider, key->destination, *value};

	tarx_keys_queries_begin();
	call->use(&opened, call->use_arg);
	tarx_keys_queries_end();
	tarx_keys_secret_wipe(value->secret);
}

/* The key id that an agent refers to; TK003 if there is none */
static pg_uuid_t
agent_key_id(Relation agents, const pg_uuid_t *project_id, const pg_uuid_t *agent_id,
			 Snapshot snapshot)
{
	Datum		values[TARX_KEYS_TABLE_MAX_COLUMNS];
	bool		nulls[TARX_KEYS_TABLE_MAX_COLUMNS];

	if (!tarx_keys_table_find(&agents_table, agents, snapshot, project_id, agent_id, values,
							  nulls) ||
		nulls[2])
		tarx_keys_fail_agent(agent_id);
	return *DatumGetUUIDP(values[2]);
}

/*
 * Fetch the key of a call, or of its agent.  One snapshot for all look-ups,
 * taken when all tables are locked: with two, a rotation that commits in
 * between would leave an agent without a key that has had one all the time.
 */
static bytea *
fetch_called(ResolveCall *call, LlmKey *key)
{
	Relation	agents = call->by_agent ? tarx_keys_table_open(&agents_table, call->project_id) : NULL;
	KeyTables	tables = open_tables(call->project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();
	bytea	   *envelope;

	if (call->by_agent)
	{
		call->id = agent_key_id(agents, call->project_id, &call->id, snapshot);
		tarx_keys_table_close(agents);
	}
	envelope = fetch_key(&tables, call->project_id, &call->id, snapshot, key);
	UnregisterSnapshot(snapshot);
	close_tables(&tables);
	return envelope;
}

/*
 * Resolve a key, or an agent's key, of a project.  In memory of its own, so
 * that what is left of it does not pile up with the caller.
 */
static void
resolve(ResolveCall *call)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(context, "tarx_keys resolve",
											   ALLOCSET_SMALL_SIZES);
	LlmKey		key;
	bytea	   *envelope;
	TarxKeysText value;

	MemoryContextSwitchTo(work);
	tarx_keys_check_project(call->project_id);
	envelope = fetch_called(call, &key);
	value = open_envelope(&key, envelope, call->recipient != NULL);
	if (call->use != NULL)
		use_opened(call, &key, &value);
	else
		call->row = HeapTupleGetDatum(form_resolved(call, &key, &value, context));
	MemoryContextSwitchTo(context);
	MemoryContextDelete(work);
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

/* The four resolve calls, by what they have in common */
static Datum
resolve_call(FunctionCallInfo fcinfo, bool by_agent, bool sealed)
{
	ResolveCall call = {.by_agent = by_agent};

	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	call.id = *tarx_keys_arg_uuid(fcinfo, 1, by_agent ? "agent_id" : "key_id");
	if (sealed)
		call.recipient = tarx_keys_arg_recipient(fcinfo, 2);
	resolve_and_note(&call);
	return call.row;
}

/*
 * resolve_key(project_id uuid, key_id uuid) returns one row: see
 * sql/50_llm_keys.sql.  Writes to no table, so that it runs on a standby.
 */
Datum
tarx_keys_resolve_key(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark("resolve_key");
	PG_RETURN_DATUM(resolve_call(fcinfo, false, false));
}

/* resolve_agent_key(project_id uuid, agent_id uuid): the same by the agent's key */
Datum
tarx_keys_resolve_agent_key(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark("resolve_agent_key");
	PG_RETURN_DATUM(resolve_call(fcinfo, true, false));
}

/* resolve_key_sealed(project_id uuid, key_id uuid, recipient_public_key bytea) */
Datum
tarx_keys_resolve_key_sealed(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(resolve_call(fcinfo, false, true));
}

/* resolve_agent_key_sealed(project_id uuid, agent_id uuid, recipient_public_key bytea) */
Datum
tarx_keys_resolve_agent_key_sealed(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(resolve_call(fcinfo, true, true));
}

/*
 * A resolve call with the arguments (project_id uuid, key_id uuid) that makes
 * something else of the key than a row.  It does so in an SPI connection, and
 * if that fails, the call has failed.
 */
void
tarx_keys_use_key(FunctionCallInfo fcinfo, TarxKeysKeyUse use, void *arg)
{
	ResolveCall call = {.use = use, .use_arg = arg};

	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	call.id = *tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	resolve_and_note(&call);
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
	KeyTables	tables = open_tables(project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();
	LlmKey		key;

	(void) fetch_key(&tables, project_id, key_id, snapshot, &key);
	UnregisterSnapshot(snapshot);
	close_tables(&tables);
	PG_RETURN_VOID();
}

/* fail_key(project_id uuid, key_id uuid): TK002 if it was deleted, else TK001 */
Datum
tarx_keys_fail_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	const pg_uuid_t *key_id = tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	KeyTables	tables = open_tables(project_id);

	if (is_deleted(&tables, project_id, key_id, tarx_keys_latest_snapshot()))
		tarx_keys_fail_key_deleted(key_id);
	tarx_keys_fail_key_not_found(key_id);
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
