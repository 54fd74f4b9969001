/*
 * resolve_llm_keys.c
 *	  Resolves project LLM keys one by one: with resolve_key_lists.c the only way to
 *	  a key's value.
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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_resolve_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_provider_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_provider_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_require_key);
PG_FUNCTION_INFO_V1(tarx_keys_fail_key);

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
	tarx_keys_check_found_key(row, key_id);
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

/* The result, in this memory context; every other copy of the values is wiped. */
static HeapTuple
form_resolved(const TarxKeysCall *call, const Resolve *resolve, const TarxKeysOpenKey *key,
			  MemoryContext context)
{
	bool		chosen = resolve->by == BY_PROVIDER;
	TupleDesc	desc = tarx_keys_resolved_desc(call->resolves, resolve->recipient, chosen);
	TarxKeysResolvedRow row = tarx_keys_resolved_row(resolve->recipient, call->project_id,
													 &resolve->asked, key);
	MemoryContext old = MemoryContextSwitchTo(context);
	HeapTuple	tuple;

	if (chosen)
		tarx_keys_resolved_row_choice(&row, resolve->request.ntried + 1, resolve->remaining);
	tuple = heap_form_tuple(desc, row.values, row.nulls);
	MemoryContextSwitchTo(old);
	ReleaseTupleDesc(desc);
	tarx_keys_resolved_row_wipe(&row);
	return tuple;
}

/*
 * The calls
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
	tarx_keys_check_key_usable(&row, &resolve->request.model);
	if (resolve->use != NULL)
		resolve->use(&key, resolve->use_arg);
	else
		resolve->row = HeapTupleGetDatum(form_resolved(call, resolve, &key, context));
	tarx_keys_secret_wipe(key.plain.secret);
	tarx_keys_end_work(context);
}

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
