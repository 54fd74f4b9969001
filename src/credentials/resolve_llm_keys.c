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
	TarxKeysKeyUse use;			/* makes another result of the key; NULL for
								 * the usual row */
	void	   *use_arg;
	Datum		row;
} Resolve;

/* The tables that an LLM key is looked up in, open */
typedef struct KeyTables
{
	Relation	keys;
	Relation	tombstones;
} KeyTables;

static KeyTables
open_tables(const pg_uuid_t *project_id)
{
	KeyTables	tables;

	tables.keys = tarx_keys_table_open(&tarx_keys_llm_keys, project_id);
	tables.tombstones = tarx_keys_table_open(&tarx_keys_tombstones, project_id);
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
	TarxKeysRow row;

	return tarx_keys_table_find(&tarx_keys_tombstones, tables->tombstones, snapshot, project_id,
								key_id, &row);
}

/*
 * Fetch the row of a key, as the snapshot has it.  TK002 if the key was deleted,
 * TK001 if there is none.  A tombstone counts more than a row, because such a row
 * came back from somewhere, a backup say.  If exists is not NULL, *exists becomes
 * true as soon as the key is known to exist or to have existed.
 */
static void
fetch_key(const KeyTables *tables, const pg_uuid_t *project_id, const pg_uuid_t *key_id,
		  Snapshot snapshot, TarxKeysRow *row, bool *exists)
{
	bool		deleted = is_deleted(tables, project_id, key_id, snapshot);

	if (!deleted && !tarx_keys_table_find(&tarx_keys_llm_keys, tables->keys, snapshot, project_id,
										  key_id, row))
		tarx_keys_fail_key_not_found(key_id);
	if (exists != NULL)
		*exists = true;
	if (deleted)
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
	KeyTables	tables = open_tables(call->project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();

	if (by_agent)
	{
		call->object = tarx_keys_agent_key_id(agents, call->project_id, &call->object, snapshot);
		tarx_keys_table_close(agents);
	}
	fetch_key(&tables, call->project_id, &call->object, snapshot, row, &call->object_exists);
	UnregisterSnapshot(snapshot);
	close_tables(&tables);
}

/*
 * Results
 */

/* The descriptor of a resolve call's row, made once in a session */
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

/* The result row, in this memory context; the value is wiped. */
static HeapTuple
form_resolved(const uint8 *recipient, const TarxKeysRow *key, const TarxKeysText *value,
			  MemoryContext context)
{
	Datum		values[5];
	bool		nulls[5] = {false};
	TarxKeysSecret *copy;
	HeapTuple	tuple;
	MemoryContext old;

	values[0] = key->values[LLM_KEY_ID];
	values[1] = key->values[LLM_KEY_PROVIDER];
	values[2] = key->values[LLM_KEY_NAME];
	values[3] = key->values[LLM_KEY_DESTINATION];
	values[4] = tarx_keys_value_result(recipient, value, &copy);
	old = MemoryContextSwitchTo(context);
	tuple = heap_form_tuple(resolved_desc(recipient != NULL), values, nulls);
	MemoryContextSwitchTo(old);
	tarx_keys_secret_wipe(copy);
	return tuple;
}

static void
use_opened(const Resolve *resolve, const TarxKeysRow *key, const TarxKeysText *value)
{
	TarxKeysOpenKey opened = {DatumGetTextPP(key->values[LLM_KEY_PROVIDER]),
	DatumGetTextPP(key->values[LLM_KEY_DESTINATION]), *value};

	tarx_keys_queries_begin();
	resolve->use(&opened, resolve->use_arg);
	tarx_keys_queries_end();
	tarx_keys_secret_wipe(value->secret);
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
	TarxKeysText value;

	MemoryContextSwitchTo(work);
	tarx_keys_check_project(call->project_id);
	fetch_called(call, resolve->by_agent, &row);
	if (!tarx_keys_row_open(&tarx_keys_llm_keys, &row, resolve->recipient != NULL, &value))
		tarx_keys_fail_integrity(&call->object);
	if (resolve->use != NULL)
		use_opened(resolve, &row, &value);
	else
		resolve->row = HeapTupleGetDatum(form_resolved(resolve->recipient, &row, &value, context));
	MemoryContextSwitchTo(context);
	MemoryContextDelete(work);
}

/* Run a call with the arguments (project_id uuid, key_id uuid), or agent_id as the second. */
static void
call_resolve(FunctionCallInfo fcinfo, Resolve *resolve)
{
	TarxKeysCall call = {.event = "resolve", .kind = TARX_KEYS_USAGE_LLM_KEY};

	/* to open a key takes no rights, but what is made of it may read tables */
	if (resolve->use != NULL)
		call.owner = tarx_keys_owner_of_function(fcinfo);
	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	tarx_keys_call_object(&call, tarx_keys_arg_uuid(fcinfo, 1, resolve->by_agent ? "agent_id" : "key_id"),
						  false);
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
 * another result of the key.  use runs in an SPI connection; if it fails, the
 * call is refused.
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

/* require_key(project_id uuid, key_id uuid): TK001 or TK002 unless the project has it */
Datum
tarx_keys_require_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	const pg_uuid_t *key_id = tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	KeyTables	tables = open_tables(project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();
	TarxKeysRow row;

	fetch_key(&tables, project_id, key_id, snapshot, &row, NULL);
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
