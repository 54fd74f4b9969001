/*
 * other_lists.c
 *	  What the views secrets and platform_keys show beside what a row has for all to see.
 *
 * As in llm_key_list.c, a view calls these for each row that row security and the
 * conditions have left.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_secret_last_use);
PG_FUNCTION_INFO_V1(tarx_keys_platform_key_details);

/* What is kept from row to row of platform_keys */
typedef struct PlatformKeyList
{
	TarxKeysTally *last_uses;
	ArrayType  *ended;			/* the keys that have ended with another one;
								 * NULL before they were looked up */
	MemoryContext context;
} PlatformKeyList;

/* A row of platform_keys that is being made: last_used_at timestamptz, status text */
typedef struct PlatformKeyDetails
{
	text	   *acting_user;
	PlatformKeyList *list;
	Datum		values[2];
	bool		nulls[2];
} PlatformKeyDetails;

/* Each step is a look-up by index, as in platform_key_descendants(). */
static TarxKeysQuery ended_query = {
	.sql = "WITH RECURSIVE ended (id) AS ("
	" SELECT n.id FROM tarx_keys.platform_api_keys p, LATERAL (SELECT k.id FROM tarx_keys.platform_api_keys k"
	" WHERE k.created_with OPERATOR(pg_catalog.=) p.id OFFSET 0) n"
	" WHERE p.user_id OPERATOR(pg_catalog.=) $1 AND p.ends_descendants"
	" UNION SELECT n.id FROM ended e, LATERAL (SELECT k.id FROM tarx_keys.platform_api_keys k"
	" WHERE k.created_with OPERATOR(pg_catalog.=) e.id OFFSET 0) n)"
	" SELECT coalesce(pg_catalog.array_agg(e.id ORDER BY e.id), '{}') FROM ended e",
	.nargs = 1, .argtypes = {TEXTOID}
};

/* secret_last_use(project_id uuid, id uuid) returns timestamptz: see sql/55_project_secrets.sql */
Datum
tarx_keys_secret_last_use(PG_FUNCTION_ARGS)
{
	TarxKeysBelongings *belongings;
	TimestampTz last_use;

	/* whatever somebody has written there, it must not end the list */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) ||
		!tarx_keys_project_is_visible(fcinfo, PG_GETARG_UUID_P(0), &belongings))
		PG_RETURN_NULL();
	if (belongings->data == NULL)
		belongings->data = tarx_keys_last_uses(TARX_KEYS_USAGE_SECRET, belongings->context);
	if (!tarx_keys_last_use(belongings->data, TARX_KEYS_USAGE_SECRET,
							PG_GETARG_UUID_P(0), PG_GETARG_UUID_P(1), &last_use))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(last_use);
}

/* The acting user's keys that have ended with another one, as the query's snapshot has them */
static void
look_up_ended(PlatformKeyDetails *details)
{
	Datum		values[1] = {PointerGetDatum(details->acting_user)};
	TarxKeysAsOwner as_owner;
	MemoryContext spi_context;
	bool		isnull;

	tarx_keys_begin_look_up_as_owner(&as_owner, &tarx_keys_platform_keys);
	tarx_keys_queries_begin();
	(void) tarx_keys_query_run(&ended_query, values, NULL, true);
	spi_context = MemoryContextSwitchTo(details->list->context);
	details->list->ended = DatumGetArrayTypePCopy(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	MemoryContextSwitchTo(spi_context);
	tarx_keys_queries_end();
	tarx_keys_end_as_owner(&as_owner);
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

static bool
has_ended(PlatformKeyDetails *details, const TarxKeysRow *key)
{
	ArrayType  *ended;

	if (key->nulls[PLATFORM_KEY_CREATED_WITH] || key->nulls[PLATFORM_KEY_ID])
		return false;
	if (details->list->ended == NULL)
		look_up_ended(details);
	ended = details->list->ended;
	return bsearch(DatumGetUUIDP(key->values[PLATFORM_KEY_ID]), ARR_DATA_PTR(ended),
				   ArrayGetNItems(ARR_NDIM(ended), ARR_DIMS(ended)), UUID_LEN, compare_ids) != NULL;
}

static const char *
status_of(PlatformKeyDetails *details, const TarxKeysRow *key)
{
	switch (tarx_keys_row_state(&tarx_keys_platform_keys, key))
	{
		case TARX_KEYS_ROW_OK:
			return has_ended(details, key) ? "ended" : "ok";
		case TARX_KEYS_ROW_WITHOUT_MASTER_KEY:
			return "missing master key";
		default:
			return "tampered";
	}
}

static bool
show_platform_key(const TarxKeysRow *key, void *arg)
{
	static const pg_uuid_t no_project;
	PlatformKeyDetails *details = arg;
	TimestampTz last_use;

	if (key->nulls[PLATFORM_KEY_USER_ID] ||
		!tarx_keys_span_equals(tarx_keys_span(DatumGetTextPP(key->values[PLATFORM_KEY_USER_ID])),
							   tarx_keys_span(details->acting_user)))
		return false;
	details->nulls[0] = key->nulls[PLATFORM_KEY_ID] ||
		!tarx_keys_last_use(details->list->last_uses, TARX_KEYS_USAGE_PLATFORM_KEY, &no_project,
							DatumGetUUIDP(key->values[PLATFORM_KEY_ID]), &last_use);
	if (!details->nulls[0])
		details->values[0] = TimestampTzGetDatum(last_use);
	details->nulls[1] = !key->nulls[PLATFORM_KEY_REVOKED_AT];
	if (!details->nulls[1])
		details->values[1] = CStringGetTextDatum(status_of(details, key));
	return false;
}

static PlatformKeyList *
new_platform_key_list(MemoryContext context)
{
	PlatformKeyList *list = MemoryContextAllocZero(context, sizeof(PlatformKeyList));

	list->last_uses = tarx_keys_last_uses(TARX_KEYS_USAGE_PLATFORM_KEY, context);
	list->context = context;
	return list;
}

/* platform_key_details(id uuid, place tid) returns a row: see sql/60_platform_keys.sql */
Datum
tarx_keys_platform_key_details(PG_FUNCTION_ARGS)
{
	Datum		key[1] = {PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0)};
	PlatformKeyDetails details = {.nulls = {true, true}};
	static TupleDesc desc = NULL;
	TarxKeysBelongings *belongings;

	tarx_keys_require_arg(fcinfo, 1, "place");
	details.acting_user = tarx_keys_kept_acting_user(fcinfo, &belongings);
	if (belongings->data == NULL)
		belongings->data = new_platform_key_list(belongings->context);
	details.list = belongings->data;
	tarx_keys_row_at(&tarx_keys_platform_keys, key, (ItemPointer) PG_GETARG_POINTER(1), show_platform_key, &details);
	if (desc == NULL)
		desc = tarx_keys_kept_result(fcinfo);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, details.values, details.nulls)));
}
