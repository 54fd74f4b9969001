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
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_resolve_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_agent_key_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_require_key);
PG_FUNCTION_INFO_V1(tarx_keys_fail_key);

/* What a resolve call is to do, and its result */
typedef struct Resolve
{
	bool		by_agent;
	const uint8 *recipient;		/* the public key to seal to; NULL for a value
								 * in clear */
	pg_uuid_t	asked;			/* the id in the call: of the key, or of an
								 * agent */
	TarxKeysKeyUse use;			/* makes another result of the key; NULL for
								 * the usual row */
	void	   *use_arg;
	TarxKeysSpan model;			/* that the key is for; NULL for any */
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
	if (!tarx_keys_table_find(&tarx_keys_llm_keys, keys, snapshot, project_id, key_id, row))
		tarx_keys_fail_key_not_found(key_id);
	if (exists != NULL)
		*exists = true;
	if (tarx_keys_key_has_state(row, TARX_KEYS_STATE_DELETED))
		tarx_keys_fail_key_deleted(key_id);
	if (!tarx_keys_row_detoast(&tarx_keys_llm_keys, row))
		tarx_keys_fail_integrity(key_id);
}

/*
 * Fetch the key that a call names, or that its agent refers to.  All look-ups use
 * one snapshot, which is taken when all tables are locked.  If they used two, a
 * transaction that repoints the agent and deletes its old key could commit in
 * between.  The agent would then seem to have no key, though it always had one.
 */
static void
fetch_called(TarxKeysCall *call, bool by_agent, TarxKeysRow *row)
{
	Relation	agents = by_agent ? tarx_keys_table_open(&tarx_keys_agents, call->project_id) : NULL;
	Relation	keys = tarx_keys_table_open(&tarx_keys_llm_keys, call->project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();

	if (by_agent)
	{
		call->object = tarx_keys_agent_key_id(agents, call->project_id, &call->object, snapshot);
		tarx_keys_table_close(agents);
	}
	fetch_key(keys, call->project_id, &call->object, snapshot, row, &call->object_exists);
	UnregisterSnapshot(snapshot);
	tarx_keys_table_close(keys);
}

/*
 * Results
 */

#define RESOLVED_COLUMNS	6

/* The descriptor of a resolve call's row, made once in a session */
static TupleDesc
resolved_desc(bool sealed)
{
	static TupleDesc descs[2] = {NULL, NULL};
	TupleDesc  *desc = &descs[sealed];

	if (*desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	fresh = CreateTemplateTupleDesc(sealed ? RESOLVED_COLUMNS - 1 : RESOLVED_COLUMNS);

		TupleDescInitEntry(fresh, 1, "key_id", UUIDOID, -1, 0);
		TupleDescInitEntry(fresh, 2, "provider", TEXTOID, -1, 0);
		TupleDescInitEntry(fresh, 3, "name", TEXTOID, -1, 0);
		TupleDescInitEntry(fresh, 4, "base_url", TEXTOID, -1, 0);
		if (sealed)
			TupleDescInitEntry(fresh, 5, "sealed", BYTEAOID, -1, 0);
		else
		{
			TupleDescInitEntry(fresh, 5, "key_value", TEXTOID, -1, 0);
			TupleDescInitEntry(fresh, 6, "headers", JSONBOID, -1, 0);
		}
		*desc = BlessTupleDesc(fresh);
		MemoryContextSwitchTo(old);
	}
	return *desc;
}

/* The value of a key, and its headers if it has any, as columns of the result */
static void
set_clear_values(const TarxKeysPayload *payload, Datum *values, bool *nulls,
				 TarxKeysSecret **copy, TarxKeysSecret **header_copy)
{
	values[4] = PointerGetDatum(tarx_keys_clear_value(payload->value, copy));
	nulls[5] = payload->headers.count == 0;
	if (!nulls[5])
		values[5] = tarx_keys_own_headers(payload, header_copy);
}

/* The result row, in this memory context; every other copy of the values is wiped. */
static HeapTuple
form_resolved(const Resolve *resolve, const pg_uuid_t *project_id, const TarxKeysOpenKey *key,
			  MemoryContext context)
{
	Datum		values[RESOLVED_COLUMNS];
	bool		nulls[RESOLVED_COLUMNS] = {false};
	TarxKeysSecret *copy = NULL;
	TarxKeysSecret *header_copy = NULL;
	HeapTuple	tuple;
	MemoryContext old;

	values[0] = key->row->values[LLM_KEY_ID];
	values[1] = key->row->values[LLM_KEY_PROVIDER];
	values[2] = key->row->values[LLM_KEY_NAME];
	values[3] = key->row->values[LLM_KEY_DESTINATION];
	if (resolve->recipient != NULL)
		values[4] = PointerGetDatum(tarx_keys_sealed_key(resolve->recipient, project_id, &resolve->asked,
														 key));
	else
		set_clear_values(&key->payload, values, nulls, &copy, &header_copy);
	old = MemoryContextSwitchTo(context);
	tuple = heap_form_tuple(resolved_desc(resolve->recipient != NULL), values, nulls);
	MemoryContextSwitchTo(old);
	tarx_keys_secret_wipe(copy);
	tarx_keys_secret_wipe(header_copy);
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
 * The calls
 */

/*
 * Resolve a key, or an agent's key, of a project.  It works in a memory context
 * of its own, so what it leaves does not pile up in the caller's.
 */
static void
run_resolve(TarxKeysCall *call, void *arg)
{
	Resolve    *resolve = arg;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(context, "tarx_keys resolve",
											   ALLOCSET_SMALL_SIZES);
	TarxKeysRow row;
	TarxKeysOpenKey key;

	MemoryContextSwitchTo(work);
	tarx_keys_check_project(call->project_id);
	fetch_called(call, resolve->by_agent, &row);
	if (!tarx_keys_key_open(&row, &key))
		tarx_keys_fail_integrity(&call->object);
	check_usable(&key, resolve->model.data != NULL ? &resolve->model : NULL);
	if (resolve->use != NULL)
		resolve->use(&key, resolve->use_arg);
	else
		resolve->row = HeapTupleGetDatum(form_resolved(resolve, call->project_id, &key, context));
	tarx_keys_secret_wipe(key.plain.secret);
	MemoryContextSwitchTo(context);
	MemoryContextDelete(work);
}

/* Run a call with the arguments (project_id uuid, key_id uuid), or agent_id as the second. */
static void
call_resolve(FunctionCallInfo fcinfo, Resolve *resolve)
{
	TarxKeysCall call = {.event = "resolve", .kind = TARX_KEYS_USAGE_LLM_KEY};

	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	resolve->asked = *tarx_keys_arg_uuid(fcinfo, 1, resolve->by_agent ? "agent_id" : "key_id");
	tarx_keys_call_object(&call, &resolve->asked, false);
	tarx_keys_run_call(&call, run_resolve, resolve);
}

static Datum
resolve_row(FunctionCallInfo fcinfo, bool by_agent, bool sealed)
{
	Resolve		resolve = {.by_agent = by_agent};

	tarx_keys_require_arg(fcinfo, 0, "project_id");
	tarx_keys_require_arg(fcinfo, 1, by_agent ? "agent_id" : "key_id");
	if (sealed)
		resolve.recipient = tarx_keys_arg_recipient(fcinfo, 2);
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
	PG_RETURN_DATUM(resolve_row(fcinfo, false, false));
}

/* resolve_agent_key(project_id uuid, agent_id uuid): resolve_key() for the agent's key */
Datum
tarx_keys_resolve_agent_key(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_resolve_agent_key);
	PG_RETURN_DATUM(resolve_row(fcinfo, true, false));
}

/* resolve_key_sealed(project_id uuid, key_id uuid, recipient_public_key bytea) */
Datum
tarx_keys_resolve_key_sealed(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(resolve_row(fcinfo, false, true));
}

/* resolve_agent_key_sealed(project_id uuid, agent_id uuid, recipient_public_key bytea) */
Datum
tarx_keys_resolve_agent_key_sealed(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(resolve_row(fcinfo, true, true));
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
