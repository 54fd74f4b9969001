/*
 * resolve_llm_keys.c
 *	  Resolves project LLM keys: the only way to a key's value.
 *
 * A value is opened only for the result of a resolve call, after its row was
 * authenticated.  Every other copy is wiped, also after an error.  Nothing is
 * written to a table, so resolve calls run on a standby.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_resolve_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_keys);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_provider_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_keys_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_provider_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_require_key);
PG_FUNCTION_INFO_V1(tarx_keys_fail_key);

/* So many ids are enough for any list that somebody works through. */
#define KEY_IDS_MAX		10000

/* How a call says which key it is about */
typedef enum ResolveBy
{
	BY_KEY,
	BY_AGENT,
	BY_PROVIDER
} ResolveBy;

/* The argument that does so */
static const char *const second_argument[] = {
	[BY_KEY] = "key_id",
	[BY_AGENT] = "agent_id",
	[BY_PROVIDER] = "provider"
};

/* What a resolve call is to do, and its result */
typedef struct Resolve
{
	ResolveBy	by;
	text	   *provider;		/* for BY_PROVIDER */
	TarxKeysKeyRequest request;
	const uint8 *recipient;		/* the public key to seal to; NULL for a value
								 * in clear */
	pg_uuid_t	asked;			/* the id in the call: of the key, or of an
								 * agent; for BY_PROVIDER that of the chosen
								 * key */
	TarxKeysKeyUse use;			/* makes another result of the key; NULL for
								 * the usual row */
	void	   *use_arg;
	int			remaining;		/* usable keys of the provider besides it */
	Datum		row;
} Resolve;

/* The same for several keys */
typedef struct ResolveSeveral
{
	Resolve		one;			/* what is the same for each */
	TarxKeysTextList ids;		/* sorted, each once */
	TarxKeysTextList called;	/* the same, in the caller's order */
	Tuplestorestate *store;
	TupleDesc	desc;
} ResolveSeveral;

static const pg_uuid_t *
id_of(const TarxKeysTextList *ids, size_t n)
{
	return (const pg_uuid_t *) ids->items[n].text.data;
}

/* Fetch the long values of a row that was found; TK002 or TK004 if that is not to be had. */
static void
check_found(TarxKeysRow *row, const pg_uuid_t *key_id)
{
	if (tarx_keys_key_has_state(row, TARX_KEYS_STATE_DELETED))
		tarx_keys_fail_key_deleted(key_id);
	if (!tarx_keys_row_detoast(&tarx_keys_llm_keys, row))
		tarx_keys_fail_integrity(key_id);
}

/*
 * Fetch the row of a key, as the snapshot has it.  TK001 if there is none, TK002 if
 * the key was deleted: there is nothing left of it that could be authenticated.  If
 * exists is not NULL, *exists becomes true as soon as the key is known to exist or to
 * have existed.
 */
static void
fetch_key(Relation keys, const pg_uuid_t *project_id, const pg_uuid_t *key_id, Snapshot snapshot,
		  TarxKeysRow *row, bool *exists)
{
	if (!tarx_keys_table_find(&tarx_keys_llm_keys, keys, snapshot, project_id, UUIDPGetDatum(key_id), row))
		tarx_keys_fail_key_not_found(key_id);
	if (exists != NULL)
		*exists = true;
	check_found(row, key_id);
}

/* Fetch the row of the key that the call is about by now, and that the caller has not tried. */
static void
fetch_one(TarxKeysCall *call, const Resolve *resolve, Relation keys, Snapshot snapshot, TarxKeysRow *row)
{
	fetch_key(keys, call->project_id, &call->object, snapshot, row, &call->object_exists);
	tarx_keys_fail_if_tried(&resolve->request, &call->object);
}

/* Choose a key of a provider.  From then on the call is about that key. */
static void
choose(TarxKeysCall *call, Resolve *resolve, text *provider, Relation keys, Snapshot snapshot, TarxKeysRow *row)
{
	*row = *tarx_keys_choose_key(&resolve->request, provider, keys, snapshot, &resolve->remaining);
	tarx_keys_call_object(call, DatumGetUUIDP(row->values[LLM_KEY_ID]), true);
	if (resolve->by == BY_PROVIDER)
		resolve->asked = call->object;
}

/* Fetch the key that an agent refers to, or one of its provider. */
static void
fetch_of_agent(TarxKeysCall *call, Resolve *resolve, Relation agents, Relation keys, Snapshot snapshot,
			   TarxKeysRow *row)
{
	TarxKeysAgentTarget target = tarx_keys_agent_target(agents, call->project_id, &call->object, snapshot);

	if (target.provider != NULL)
	{
		choose(call, resolve, target.provider, keys, snapshot, row);
		return;
	}
	call->object = target.key_id;
	fetch_one(call, resolve, keys, snapshot, row);
}

/*
 * Fetch the key that a call is about.  All look-ups use one snapshot, which is taken
 * when all tables are locked.  If they used two, a transaction that repoints the agent
 * and deletes its old key could commit in between.  The agent would then seem to have
 * no key, though it always had one.
 */
static void
fetch_called(TarxKeysCall *call, Resolve *resolve, TarxKeysRow *row)
{
	Relation	agents = resolve->by == BY_AGENT ? tarx_keys_table_open(&tarx_keys_agents, call->project_id) : NULL;
	Relation	keys = tarx_keys_table_open(&tarx_keys_llm_keys, call->project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();

	if (resolve->by == BY_AGENT)
		fetch_of_agent(call, resolve, agents, keys, snapshot, row);
	else if (resolve->by == BY_PROVIDER)
		choose(call, resolve, resolve->provider, keys, snapshot, row);
	else
		fetch_one(call, resolve, keys, snapshot, row);
	UnregisterSnapshot(snapshot);
	if (agents != NULL)
		tarx_keys_table_close(agents);
	tarx_keys_table_close(keys);
}

/*
 * Results
 */

/* The columns of the row of resolve_key(), or of a sealed form, and then attempt and remaining */
static const Oid clear_types[] = {UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, INT4OID, INT4OID};
static const Oid sealed_types[] = {UUIDOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, INT4OID, INT4OID};

#define CLEAR_COLUMNS	6
#define SEALED_COLUMNS	5
#define CHOICE_COLUMNS	2

/* A row of the result, whose secrets are to be wiped */
typedef struct ResultRow
{
	Datum		values[CLEAR_COLUMNS + CHOICE_COLUMNS];
	bool		nulls[CLEAR_COLUMNS + CHOICE_COLUMNS];
	TarxKeysSecret *value;
	TarxKeysSecret *headers;
} ResultRow;

static const Oid *
result_types(const Resolve *resolve)
{
	return resolve->recipient != NULL ? sealed_types : clear_types;
}

/* How many columns the result has, without attempt and remaining */
static int
result_columns(const Resolve *resolve)
{
	return resolve->recipient != NULL ? SEALED_COLUMNS : CLEAR_COLUMNS;
}

/* The value of a key, and its headers if it has any, as columns */
static void
set_clear_values(const TarxKeysPayload *payload, ResultRow *row)
{
	row->values[4] = PointerGetDatum(tarx_keys_clear_value(payload->value, &row->value));
	row->nulls[5] = payload->headers.count == 0;
	if (!row->nulls[5])
		row->values[5] = tarx_keys_own_headers(payload, &row->headers);
}

static ResultRow
make_row(const TarxKeysCall *call, const Resolve *resolve, const TarxKeysOpenKey *key)
{
	int			count = result_columns(resolve);
	ResultRow	row = {.value = NULL};

	row.values[0] = key->row->values[LLM_KEY_ID];
	row.values[1] = key->row->values[LLM_KEY_PROVIDER];
	row.values[2] = key->row->values[LLM_KEY_NAME];
	row.values[3] = key->row->values[LLM_KEY_DESTINATION];
	if (resolve->recipient != NULL)
		row.values[4] = PointerGetDatum(tarx_keys_sealed_key(resolve->recipient, call->project_id,
															 &resolve->asked, key));
	else
		set_clear_values(&key->payload, &row);
	row.values[count] = Int32GetDatum(resolve->request.ntried + 1);
	row.values[count + 1] = Int32GetDatum(resolve->remaining);
	return row;
}

static void
wipe_row(const ResultRow *row)
{
	tarx_keys_secret_wipe(row->value);
	tarx_keys_secret_wipe(row->headers);
}

/* The result, in this memory context; every other copy of the values is wiped. */
static HeapTuple
form_resolved(const TarxKeysCall *call, const Resolve *resolve, const TarxKeysOpenKey *key,
			  MemoryContext context)
{
	TupleDesc	desc = tarx_keys_result_desc(call->resolves, result_types(resolve), result_columns(resolve) +
											 (resolve->by == BY_PROVIDER ? CHOICE_COLUMNS : 0));
	ResultRow	row = make_row(call, resolve, key);
	MemoryContext old = MemoryContextSwitchTo(context);
	HeapTuple	tuple = heap_form_tuple(desc, row.values, row.nulls);

	MemoryContextSwitchTo(old);
	ReleaseTupleDesc(desc);
	wipe_row(&row);
	return tuple;
}

/* Is the key, which is authentic, usable now and for this model?  TK015 if not. */
static void
check_usable(const TarxKeysOpenKey *key, const TarxKeysSpan *model)
{
	TarxKeysKeyHindrance hindrance = tarx_keys_key_hindrance(key->row, model);

	if (hindrance != TARX_KEYS_KEY_USABLE)
		tarx_keys_fail_key_not_usable(DatumGetUUIDP(key->row->values[LLM_KEY_ID]), hindrance);
}

/*
 * One key
 */

/* 42501 if the call is part of a run that has no right to it */
static void
check_run(const TarxKeysCall *call, const Resolve *resolve)
{
	tarx_keys_run_admit_recipient(call, resolve->recipient);
	if (resolve->by == BY_AGENT)
		tarx_keys_run_admit_agent(call, &resolve->asked);
	else if (resolve->by == BY_PROVIDER)
		tarx_keys_run_admit_provider(call, resolve->provider);
	else if (resolve->use != NULL)
		tarx_keys_run_admit_key(call, &resolve->asked);
	else
		tarx_keys_run_admit_key_of_agent(call, &resolve->asked);
}

/* Resolve a key of a project. */
static void
run_resolve(TarxKeysCall *call, void *arg)
{
	Resolve    *resolve = arg;
	MemoryContext context = tarx_keys_begin_work();
	TarxKeysRow row;
	TarxKeysOpenKey key;

	tarx_keys_check_project(call->project_id);
	check_run(call, resolve);
	fetch_called(call, resolve, &row);
	if (!tarx_keys_key_open(&row, &key))
		tarx_keys_fail_integrity(&call->object);
	check_usable(&key, &resolve->request.model);
	if (resolve->use != NULL)
		resolve->use(&key, resolve->use_arg);
	else
		resolve->row = HeapTupleGetDatum(form_resolved(call, resolve, &key, context));
	tarx_keys_secret_wipe(key.plain.secret);
	tarx_keys_end_work(context);
}

/*
 * Several keys
 */

/* Find the rows of the keys, in the order of their ids; found says which there are. */
static void
fetch_several(const TarxKeysCall *call, const ResolveSeveral *several, Relation keys, Snapshot snapshot,
			  TarxKeysRow *rows, bool *found)
{
	Datum	   *ids = palloc(sizeof(Datum) * (several->ids.count + 1));

	for (size_t i = 0; i < several->ids.count; i++)
		ids[i] = UUIDPGetDatum(id_of(&several->ids, i));
	tarx_keys_table_find_each(&tarx_keys_llm_keys, keys, snapshot, call->project_id, ids,
							  several->ids.count, rows, found);
}

/* Open the key that the call is about by now. */
static void
open_one(TarxKeysCall *call, const ResolveSeveral *several, TarxKeysSubkey *subkey, TarxKeysRow *row,
		 TarxKeysOpenKey *key)
{
	check_found(row, &call->object);
	if (!tarx_keys_key_open_by(subkey, row, key))
		tarx_keys_fail_integrity(&call->object);
	check_usable(key, &several->one.request.model);
}

/* Find and open the keys, by one snapshot and one scan.  The keys are in the caller's order. */
static TarxKeysOpenKey *
open_several(TarxKeysCall *call, const ResolveSeveral *several)
{
	uint64		count = several->ids.count;
	TarxKeysRow *rows = palloc(sizeof(TarxKeysRow) * (count + 1));
	bool	   *found = palloc(sizeof(bool) * (count + 1));
	TarxKeysOpenKey *opened = palloc(sizeof(TarxKeysOpenKey) * (count + 1));
	TarxKeysSubkey *subkey = tarx_keys_keep_subkey();
	Relation	keys = tarx_keys_table_open(&tarx_keys_llm_keys, call->project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();

	fetch_several(call, several, keys, snapshot, rows, found);
	for (uint64 i = 0; i < count; i++)
	{
		ssize_t		n = tarx_keys_texts_find(&several->ids, several->called.items[i].text);

		CHECK_FOR_INTERRUPTS();
		tarx_keys_call_object(call, id_of(&several->called, i), found[n]);
		if (!found[n])
			tarx_keys_fail_key_not_found(&call->object);
		open_one(call, several, subkey, &rows[n], &opened[i]);
	}
	/* not earlier: a row's long values are fetched by it */
	UnregisterSnapshot(snapshot);
	tarx_keys_table_close(keys);
	tarx_keys_secret_wipe(subkey->secret);
	return opened;
}

/* Copy the rows to the store, and wipe every other copy of the values. */
static void
put_several(const TarxKeysCall *call, ResolveSeveral *several, TarxKeysOpenKey *opened)
{
	for (uint64 i = 0; i < several->ids.count; i++)
	{
		ResultRow	row;

		several->one.asked = *id_of(&several->called, i);
		row = make_row(call, &several->one, &opened[i]);
		tuplestore_putvalues(several->store, several->desc, row.values, row.nulls);
		wipe_row(&row);
		tarx_keys_secret_wipe(opened[i].plain.secret);
	}
}

/* Resolve several keys of a project, or none: all are open before the first is copied. */
static void
run_resolve_several(TarxKeysCall *call, void *arg)
{
	ResolveSeveral *several = arg;
	MemoryContext context = tarx_keys_begin_work();
	pg_uuid_t  *ids = MemoryContextAlloc(context, sizeof(pg_uuid_t) * (several->ids.count + 1));

	tarx_keys_check_project(call->project_id);
	for (size_t i = 0; i < several->called.count; i++)
	{
		ids[i] = *id_of(&several->called, i);
		several->one.asked = ids[i];
		tarx_keys_call_object(call, &ids[i], false);
		check_run(call, &several->one);
	}
	put_several(call, several, open_several(call, several));
	call->objects = ids;
	call->nobjects = several->ids.count;
	tarx_keys_end_work(context);
}

/*
 * The calls
 */

/* Run a call whose first argument is project_id, and whose second one says which key. */
static void
call_resolve(FunctionCallInfo fcinfo, Resolve *resolve)
{
	TarxKeysCall call = {.event = "resolve", .kind = TARX_KEYS_USAGE_LLM_KEY, .resolves = fcinfo};

	/* to open a key takes no rights, but what is made of it may read tables */
	if (resolve->use != NULL)
		call.owner = tarx_keys_owner_of_function(fcinfo);
	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	if (resolve->by == BY_PROVIDER)
		resolve->provider = tarx_keys_arg_text(fcinfo, 1, second_argument[BY_PROVIDER]);
	else
	{
		resolve->asked = *tarx_keys_arg_uuid(fcinfo, 1, second_argument[resolve->by]);
		tarx_keys_call_object(&call, &resolve->asked, false);
	}
	resolve->request.call = &call;
	tarx_keys_run_call(&call, run_resolve, resolve);
}

/* Argument n as the ids of keys that were tried */
static void
arg_tried(FunctionCallInfo fcinfo, int n, TarxKeysKeyRequest *request)
{
	ArrayType  *array;

	tarx_keys_require_arg(fcinfo, n, "tried");
	array = PG_GETARG_ARRAYTYPE_P(n);
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("tried"),
				 errmsg("tried must not have null elements"),
				 errhint("Pass the ids of the keys that this run has tried, or nothing.")));
	deconstruct_array(array, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &request->tried, NULL, &request->ntried);
}

/* Arguments n and n + 1 as model and tried */
static void
arg_request(FunctionCallInfo fcinfo, int n, TarxKeysKeyRequest *request)
{
	if (!PG_ARGISNULL(n))
		request->model = tarx_keys_span(PG_GETARG_TEXT_PP(n));
	arg_tried(fcinfo, n + 1, request);
}

/* The arguments of a call, and its row */
static Datum
resolve_row(FunctionCallInfo fcinfo, ResolveBy by, bool sealed)
{
	Resolve		resolve = {.by = by};

	tarx_keys_require_arg(fcinfo, 0, "project_id");
	tarx_keys_require_arg(fcinfo, 1, second_argument[by]);
	if (sealed)
		resolve.recipient = tarx_keys_arg_recipient(fcinfo, 2);
	if (by != BY_KEY)
		arg_request(fcinfo, sealed ? 3 : 2, &resolve.request);
	call_resolve(fcinfo, &resolve);
	return resolve.row;
}

/*
 * resolve_key(project_id uuid, key_id uuid) returns one row: see
 * sql/50_llm_keys.sql
 */
Datum
tarx_keys_resolve_key(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_resolve_key);
	PG_RETURN_DATUM(resolve_row(fcinfo, BY_KEY, false));
}

/* Argument 1 as ids of keys, each once */
static void
arg_key_ids(FunctionCallInfo fcinfo, ResolveSeveral *several)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	tarx_keys_require_arg(fcinfo, 1, "key_ids");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
					  &elements, &nulls, &count);
	if (count > KEY_IDS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 tarx_keys_errarg("key_ids"),
				 errmsg("key_ids has too many elements"),
				 errhint("Pass at most %d ids in one call.", KEY_IDS_MAX)));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 tarx_keys_errarg("key_ids"),
					 errmsg("an element of key_ids must not be null"),
					 errhint("Pass ids of keys only.")));
		tarx_keys_texts_add(&several->ids, (TarxKeysSpan) {(char *) DatumGetUUIDP(elements[i]), UUID_LEN});
	}
	tarx_keys_texts_sort(&several->ids);
	several->called = several->ids;
	if (count > 0)
	{
		several->called.items = palloc(sizeof(TarxKeysListed) * several->ids.count);
		memcpy(several->called.items, several->ids.items, sizeof(TarxKeysListed) * several->ids.count);
	}
	tarx_keys_texts_sort_by_place(&several->called);
}

/* The arguments of a call for several keys, and its rows */
static void
resolve_rows(FunctionCallInfo fcinfo, bool sealed)
{
	TarxKeysCall call = {.event = "resolve", .kind = TARX_KEYS_USAGE_LLM_KEY, .resolves = fcinfo};
	ResolveSeveral several = {.one.by = BY_KEY};

	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	arg_key_ids(fcinfo, &several);
	if (sealed)
		several.one.recipient = tarx_keys_arg_recipient(fcinfo, 2);
	/* no limit like work_mem: a store that exceeds its limit goes to a file */
	several.store = tarx_keys_begin_typed_rows(fcinfo, MAX_KILOBYTES, result_types(&several.one),
											   result_columns(&several.one));
	several.desc = ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc;
	several.one.request.call = &call;
	tarx_keys_run_call(&call, run_resolve_several, &several);
}

/* resolve_keys(project_id uuid, key_ids uuid[]) returns a set of rows of resolve_key() */
Datum
tarx_keys_resolve_keys(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_resolve_keys);
	resolve_rows(fcinfo, false);
	return (Datum) 0;
}

/*
 * resolve_agent_key(project_id uuid, agent_id uuid, model text, tried uuid[]):
 * resolve_key() for the agent's key, or for one of its provider
 */
Datum
tarx_keys_resolve_agent_key(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_resolve_agent_key);
	PG_RETURN_DATUM(resolve_row(fcinfo, BY_AGENT, false));
}

/*
 * resolve_provider_key(project_id uuid, provider text, model text, tried uuid[]): the
 * row of resolve_key(), attempt and remaining
 */
Datum
tarx_keys_resolve_provider_key(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_resolve_provider_key);
	PG_RETURN_DATUM(resolve_row(fcinfo, BY_PROVIDER, false));
}

/* resolve_key_sealed(project_id uuid, key_id uuid, recipient_public_key bytea) */
Datum
tarx_keys_resolve_key_sealed(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(resolve_row(fcinfo, BY_KEY, true));
}

/* resolve_keys_sealed(project_id uuid, key_ids uuid[], recipient_public_key bytea) */
Datum
tarx_keys_resolve_keys_sealed(PG_FUNCTION_ARGS)
{
	resolve_rows(fcinfo, true);
	return (Datum) 0;
}

/*
 * resolve_agent_key_sealed(project_id uuid, agent_id uuid, recipient_public_key bytea,
 * model text, tried uuid[])
 */
Datum
tarx_keys_resolve_agent_key_sealed(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(resolve_row(fcinfo, BY_AGENT, true));
}

/*
 * resolve_provider_key_sealed(project_id uuid, provider text, recipient_public_key
 * bytea, model text, tried uuid[])
 */
Datum
tarx_keys_resolve_provider_key_sealed(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(resolve_row(fcinfo, BY_PROVIDER, true));
}

/*
 * Run a resolve call with the arguments (project_id uuid, key_id uuid) that makes
 * another result of the key.  If use fails, the call is refused.
 */
void
tarx_keys_use_key(FunctionCallInfo fcinfo, TarxKeysKeyUse use, void *arg)
{
	Resolve		resolve = {.use = use, .use_arg = arg};

	call_resolve(fcinfo, &resolve);
}

/*
 * Helpers of the SQL functions
 */

/*
 * Fetch the row of a key as it is by now.  TK001 or TK002 if the project does not have
 * it.
 */
void
tarx_keys_latest_key(const pg_uuid_t *project_id, const pg_uuid_t *key_id, TarxKeysRow *row)
{
	Relation	keys = tarx_keys_table_open(&tarx_keys_llm_keys, project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();

	fetch_key(keys, project_id, key_id, snapshot, row, NULL);
	UnregisterSnapshot(snapshot);
	tarx_keys_table_close(keys);
}

/* require_key(project_id uuid, key_id uuid): TK001 or TK002 unless the project has it */
Datum
tarx_keys_require_key(PG_FUNCTION_ARGS)
{
	TarxKeysRow row;

	tarx_keys_latest_key(tarx_keys_arg_uuid(fcinfo, 0, "project_id"),
						 tarx_keys_arg_uuid(fcinfo, 1, "key_id"), &row);
	PG_RETURN_VOID();
}

/* fail_key(project_id uuid, key_id uuid): TK002 if it was deleted, else TK001 */
Datum
tarx_keys_fail_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *key_id = tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	TarxKeysRow row;

	tarx_keys_latest_key(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), key_id, &row);
	/* it has come back meanwhile */
	tarx_keys_fail_key_not_found(key_id);
}
