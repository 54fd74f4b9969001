/*
 * llm_key_list.c
 *	  What the view llm_keys shows of a key beside what its row has for all to see.
 *
 * The view reads the table under the row security of whoever asks, and calls this for
 * each row that is left.  So a list by id or name looks at no other key.  The row is
 * fetched again, because callers have no right to its ciphertext: it is checked, but
 * not opened.  It must be of a project that the acting user may see, whoever calls.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_llm_key_details);

/* The result's columns; those that are seldom NULL come first, to be found fast */
enum
{
	AGENT_COUNT,
	STATUS,
	PROVIDER,
	PROVIDER_LABEL,
	STATE,
	MASKED_KEY,
	ADDED_BY,
	DESTINATION,
	HEALTH,						/* and its time, and until when the key cools */
	LAST_USED_AT = HEALTH + TARX_KEYS_HEALTH_COLUMNS,
	BASE_URL,
	ALLOWED_MODELS,
	HEADER_NAMES,
	NCOLUMNS
};

/* What is kept from row to row of a statement */
typedef struct KeyList
{
	TarxKeysTally *agents;
	TarxKeysTally *last_uses;
	text	   *provider;		/* of the row before, with its label */
	text	   *label;
	MemoryContext context;
} KeyList;

/* A row of the list that is being made; the values may be those of the key's row */
typedef struct Details
{
	KeyList    *list;
	TupleDesc	desc;
	Datum		result;
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS];
} Details;

static TarxKeysQuery agents_of_key_query = {
	TARX_KEYS_SELECT(tarx_keys_agents,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.user_api_key_id OPERATOR(pg_catalog.=) $2"),
	.nargs = 2, .argtypes = {UUIDOID, UUIDOID}
};

static TarxKeysQuery agents_query = {
	TARX_KEYS_SELECT(tarx_keys_agents, "WHERE t.project_id OPERATOR(pg_catalog.=) $1"),
	.nargs = 1, .argtypes = {UUIDOID}
};

static const TarxKeysTallySource agents_source = {
	.table = &tarx_keys_agents, .of_one = &agents_of_key_query, .of_all = &agents_query, .by_other = true,
	.id = AGENT_USER_API_KEY_ID, .number = -1
};

static KeyList *
new_list(MemoryContext context)
{
	KeyList    *list = MemoryContextAllocZero(context, sizeof(KeyList));

	list->context = context;
	list->agents = tarx_keys_tally_new(&agents_source, context);
	list->last_uses = tarx_keys_last_uses(TARX_KEYS_USAGE_LLM_KEY, context);
	return list;
}

static void
set(Details *details, int column, Datum value)
{
	details->values[column] = value;
	details->nulls[column] = false;
}

/* Show a text of the row; returns it, or NULL if there is none. */
static text *
show(Details *details, int column, const TarxKeysRow *row, int from)
{
	text	   *shown;

	if (row->nulls[from])
		return NULL;
	shown = tarx_keys_shown_text(row->values[from], TARX_KEYS_SHOWN_MAX_BYTES);
	set(details, column, PointerGetDatum(shown));
	return shown;
}

static void
show_list(Details *details, int column, const TarxKeysRow *row, int from)
{
	ArrayType  *shown = row->nulls[from] ? NULL : tarx_keys_shown_texts(row->values[from]);

	if (shown != NULL)
		set(details, column, PointerGetDatum(shown));
}

/* Keys of a list often have the same provider. */
static void
show_provider(Details *details, const TarxKeysRow *row)
{
	KeyList    *list = details->list;
	text	   *provider = show(details, PROVIDER, row, LLM_KEY_PROVIDER);

	if (provider == NULL)
		return;
	if (list->provider == NULL || !tarx_keys_span_equals(tarx_keys_span(provider), tarx_keys_span(list->provider)))
	{
		text	   *label = tarx_keys_provider_label(provider);
		MemoryContext old = MemoryContextSwitchTo(list->context);

		if (list->provider != NULL)
		{
			pfree(list->provider);
			pfree(list->label);
		}
		list->provider = DatumGetTextPCopy(PointerGetDatum(provider));
		list->label = DatumGetTextPCopy(PointerGetDatum(label));
		MemoryContextSwitchTo(old);
	}
	set(details, PROVIDER_LABEL, PointerGetDatum(list->label));
}

static void
show_state(Details *details, const TarxKeysRow *row)
{
	if (tarx_keys_key_has_state(row, TARX_KEYS_STATE_ENABLED) && !row->nulls[LLM_KEY_EXPIRES_AT] &&
		DatumGetTimestampTz(row->values[LLM_KEY_EXPIRES_AT]) <= GetCurrentTransactionStartTimestamp())
		set(details, STATE, CStringGetTextDatum("expired"));
	else
		(void) show(details, STATE, row, LLM_KEY_STATE);
}

/* What only an authentic row may say */
static void
show_where_it_goes(Details *details, const TarxKeysRow *row)
{
	(void) show(details, BASE_URL, row, LLM_KEY_BASE_URL);
	(void) show(details, DESTINATION, row, LLM_KEY_DESTINATION);
}

/* What is known of the key elsewhere */
static void
show_uses(Details *details, const TarxKeysRow *row)
{
	static const pg_uuid_t no_id;
	KeyList    *list = details->list;
	const pg_uuid_t *project_id = DatumGetUUIDP(row->values[LLM_KEY_PROJECT_ID]);
	const pg_uuid_t *id = row->nulls[LLM_KEY_ID] ? &no_id : DatumGetUUIDP(row->values[LLM_KEY_ID]);
	TimestampTz last_use;

	set(details, AGENT_COUNT, Int64GetDatum(tarx_keys_tally_of(list->agents, project_id, id)));
	if (tarx_keys_last_use(list->last_uses, TARX_KEYS_USAGE_LLM_KEY, project_id, id, &last_use))
		set(details, LAST_USED_AT, TimestampTzGetDatum(last_use));
	tarx_keys_form_health(project_id, id, DatumGetInt32(row->values[LLM_KEY_REVISION]),
						  &details->values[HEALTH], &details->nulls[HEALTH]);
}

static void
form_result(Details *details)
{
	details->result = HeapTupleGetDatum(heap_form_tuple(details->desc, details->values, details->nulls));
}

static bool
show_key(const TarxKeysRow *row, void *arg)
{
	Details    *details = arg;
	text	   *mask;
	bool		is_good = tarx_keys_row_state(&tarx_keys_llm_keys, row) == TARX_KEYS_ROW_OK;

	show_provider(details, row);
	mask = show(details, MASKED_KEY, row, LLM_KEY_MASKED_KEY);
	if (mask != NULL)
		set(details, MASKED_KEY, PointerGetDatum(tarx_keys_mask_for_client(mask)));
	(void) show(details, ADDED_BY, row, LLM_KEY_ADDED_BY);
	show_state(details, row);
	if (is_good)
		show_where_it_goes(details, row);
	show_list(details, ALLOWED_MODELS, row, LLM_KEY_ALLOWED_MODELS);
	show_list(details, HEADER_NAMES, row, LLM_KEY_HEADER_NAMES);
	show_uses(details, row);
	set(details, STATUS, CStringGetTextDatum(is_good ? "ok" : "needs_reentry"));
	form_result(details);
	return false;
}

/*
 * llm_key_details(project_id uuid, id uuid, place tid) returns a row: see
 * sql/50_llm_keys.sql
 */
Datum
tarx_keys_llm_key_details(PG_FUNCTION_ARGS)
{
	static TupleDesc desc = NULL;
	TarxKeysBelongings *belongings;
	Details		details = {.result = (Datum) 0};
	Datum		key[2];

	/* whatever somebody has written there, it must not end the list */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	key[0] = PG_GETARG_DATUM(0);
	key[1] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	if (!tarx_keys_project_is_visible(fcinfo, DatumGetUUIDP(key[0]), &belongings))
		PG_RETURN_NULL();
	if (desc == NULL)
		desc = tarx_keys_kept_result(fcinfo);
	if (belongings->data == NULL)
		belongings->data = new_list(belongings->context);
	details.list = belongings->data;
	details.desc = desc;
	memset(details.nulls, true, sizeof(details.nulls));
	tarx_keys_row_at(&tarx_keys_llm_keys, key, (ItemPointer) PG_GETARG_POINTER(2), show_key, &details);
	if (details.result == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(details.result);
}
