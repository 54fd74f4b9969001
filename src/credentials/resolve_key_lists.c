/*
 * resolve_key_lists.c
 *	  Resolves several LLM keys of a project in one call, all or none.
 *
 * All are open before the first is copied to the result.  One snapshot and one scan
 * find them, and one subkey opens them, which is wiped when the last one is open.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_resolve_keys);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_keys_sealed);

/* So many ids are enough for any list that somebody works through. */
#define KEY_IDS_MAX		10000

/* What a call is to do */
typedef struct ResolveList
{
	TarxKeysTextList ids;		/* sorted, each once */
	TarxKeysTextList called;	/* the same, in the caller's order */
	const uint8 *recipient;		/* the public key to seal to; NULL for values
								 * in clear */
	Tuplestorestate *store;
	TupleDesc	desc;
} ResolveList;

static const pg_uuid_t *
id_of(const TarxKeysTextList *ids, size_t n)
{
	return (const pg_uuid_t *) ids->items[n].text.data;
}

/* 42501 if the call is part of a run that has no right to one of the keys */
static void
check_run(TarxKeysCall *call, const ResolveList *list)
{
	tarx_keys_run_admit_recipient(call, list->recipient);
	for (size_t i = 0; i < list->called.count; i++)
	{
		tarx_keys_call_object(call, id_of(&list->called, i), false);
		tarx_keys_run_admit_key_of_agent(call, &call->object);
	}
}

/* Find the rows of the keys, in the order of their ids; found says which there are. */
static void
find_rows(const TarxKeysCall *call, const ResolveList *list, Relation keys, Snapshot snapshot,
		  TarxKeysRow *rows, bool *found)
{
	Datum	   *ids = palloc(sizeof(Datum) * (list->ids.count + 1));

	for (size_t i = 0; i < list->ids.count; i++)
		ids[i] = UUIDPGetDatum(id_of(&list->ids, i));
	tarx_keys_table_find_each(&tarx_keys_llm_keys, keys, snapshot, call->project_id, ids,
							  list->ids.count, rows, found);
}

/* Open the key that the call is about by now. */
static void
open_row(const TarxKeysCall *call, TarxKeysSubkey *subkey, TarxKeysRow *row, TarxKeysOpenKey *key)
{
	static const TarxKeysSpan any_model = {NULL, 0};

	tarx_keys_check_found_key(row, &call->object);
	if (!tarx_keys_key_open_by(subkey, row, key))
		tarx_keys_fail_integrity(&call->object);
	tarx_keys_check_key_usable(row, &any_model);
}

/* Find and open the keys.  They are in the caller's order. */
static TarxKeysOpenKey *
open_keys(TarxKeysCall *call, const ResolveList *list)
{
	uint64		count = list->ids.count;
	TarxKeysRow *rows = palloc(sizeof(TarxKeysRow) * (count + 1));
	bool	   *found = palloc(sizeof(bool) * (count + 1));
	TarxKeysOpenKey *opened = palloc(sizeof(TarxKeysOpenKey) * (count + 1));
	TarxKeysSubkey *subkey = tarx_keys_keep_subkey();
	Relation	keys = tarx_keys_table_open(&tarx_keys_llm_keys, call->project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();

	find_rows(call, list, keys, snapshot, rows, found);
	for (uint64 i = 0; i < count; i++)
	{
		ssize_t		n = tarx_keys_texts_find(&list->ids, list->called.items[i].text);

		CHECK_FOR_INTERRUPTS();
		tarx_keys_call_object(call, id_of(&list->called, i), found[n]);
		if (!found[n])
			tarx_keys_fail_key_not_found(&call->object);
		open_row(call, subkey, &rows[n], &opened[i]);
	}
	/* not earlier: a row's long values are fetched by it */
	UnregisterSnapshot(snapshot);
	tarx_keys_table_close(keys);
	tarx_keys_secret_wipe(subkey->secret);
	return opened;
}

/* Copy the rows to the store, and wipe every other copy of the values. */
static void
put_rows(const TarxKeysCall *call, const ResolveList *list, TarxKeysOpenKey *opened)
{
	for (uint64 i = 0; i < list->ids.count; i++)
	{
		TarxKeysResolvedRow row = tarx_keys_resolved_row(list->recipient, call->project_id,
														 id_of(&list->called, i), &opened[i]);

		tuplestore_putvalues(list->store, list->desc, row.values, row.nulls);
		tarx_keys_resolved_row_wipe(&row);
		tarx_keys_secret_wipe(opened[i].plain.secret);
	}
}

static void
run_resolve(TarxKeysCall *call, void *arg)
{
	const ResolveList *list = arg;
	MemoryContext context = tarx_keys_begin_work();
	pg_uuid_t  *ids = MemoryContextAlloc(context, sizeof(pg_uuid_t) * (list->ids.count + 1));

	tarx_keys_check_project(call->project_id);
	check_run(call, list);
	put_rows(call, list, open_keys(call, list));
	for (size_t i = 0; i < list->called.count; i++)
		ids[i] = *id_of(&list->called, i);
	call->objects = ids;
	call->nobjects = list->called.count;
	tarx_keys_end_work(context);
}

/* An element of key_ids as an id; 22023 for NULL */
static TarxKeysSpan
element_id(Datum element, bool isnull)
{
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("key_ids"),
				 errmsg("an element of key_ids must not be null"),
				 errhint("Pass ids of keys only.")));
	return (TarxKeysSpan) {(const char *) DatumGetUUIDP(element)->data, UUID_LEN};
}

/* Argument 1 as ids of keys, each once, sorted and in their order */
static void
arg_key_ids(FunctionCallInfo fcinfo, ResolveList *list)
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
		tarx_keys_texts_add(&list->ids, element_id(elements[i], nulls[i]));
	tarx_keys_texts_sort(&list->ids);
	for (size_t i = 0; i < list->ids.count; i++)
	{
		tarx_keys_texts_add(&list->called, list->ids.items[i].text);
		list->called.items[i].place = list->ids.items[i].place;
	}
	tarx_keys_texts_sort_by_place(&list->called);
}

/* The arguments of a call, and its rows */
static void
resolve_list(FunctionCallInfo fcinfo, bool sealed)
{
	TarxKeysCall call = {.event = "resolve", .kind = TARX_KEYS_USAGE_LLM_KEY, .resolves = fcinfo};
	ResolveList list = {.recipient = NULL};

	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	arg_key_ids(fcinfo, &list);
	if (sealed)
		list.recipient = tarx_keys_arg_recipient(fcinfo, 2);
	list.store = tarx_keys_begin_resolved_rows(fcinfo, list.recipient);
	list.desc = ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc;
	tarx_keys_run_call(&call, run_resolve, &list);
}

/* resolve_keys(project_id uuid, key_ids uuid[]) returns a set of rows of resolve_key() */
Datum
tarx_keys_resolve_keys(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_resolve_keys);
	resolve_list(fcinfo, false);
	return (Datum) 0;
}

/* resolve_keys_sealed(project_id uuid, key_ids uuid[], recipient_public_key bytea) */
Datum
tarx_keys_resolve_keys_sealed(PG_FUNCTION_ARGS)
{
	resolve_list(fcinfo, true);
	return (Datum) 0;
}
