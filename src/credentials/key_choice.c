/*
 * key_choice.c
 *	  Chooses one of a project's keys of a provider.
 *
 * Keys are tried in the order of priority and id.  Usable are those that are
 * enabled, not expired, for the model, not cooling, and not among those that the
 * caller has tried.  If all others are cooling, the one whose cooling ends first is
 * as good as usable: what runners report never switches the last key off.
 *
 * Each row is authenticated before it is judged.  One that is not what was written is
 * skipped, logged and counted, and the error names it if no other key is left.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

static TarxKeysQuery candidates_query = {
	TARX_KEYS_SELECT(tarx_keys_llm_keys,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.provider OPERATOR(pg_catalog.=) $2"
					 " AND coalesce(t.state, '') OPERATOR(pg_catalog.<>) 'deleted' ORDER BY t.priority, t.id"),
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

/* Why keys were left out, and how many for each reason */
typedef struct Reasons
{
	int			hindered[TARX_KEYS_KEY_NOT_FOR_MODEL + 1];
	int			tried;
	int			unopened;
	StringInfoData unopened_ids;
} Reasons;

/* The best so far of those that are cooling */
typedef struct Coolest
{
	const TarxKeysRow *row;
	TimestampTz until;
} Coolest;

static bool
is_tried(const TarxKeysKeyRequest *request, const pg_uuid_t *id)
{
	for (int i = 0; i < request->ntried; i++)
	{
		if (memcmp(DatumGetUUIDP(request->tried[i]), id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

static void
leave_unopened(Reasons *reasons, const TarxKeysCall *call, const pg_uuid_t *id, TarxKeysRowState state)
{
	if (reasons->unopened++ > 0)
		appendStringInfoString(&reasons->unopened_ids, ", ");
	appendStringInfo(&reasons->unopened_ids, "\"%s\"", tarx_keys_uuid_text(id));
	tarx_keys_call_leaves_out(call, id, state == TARX_KEYS_ROW_TAMPERED ? ERRCODE_TK_INTEGRITY :
							  ERRCODE_TK_MASTER_KEY_MISSING);
}

/* May this row be used, but for how it fared?  If not, the reason is counted. */
static bool
is_candidate(const TarxKeysKeyRequest *request, const TarxKeysRow *row, bool is_whole, Reasons *reasons)
{
	const pg_uuid_t *id = DatumGetUUIDP(row->values[LLM_KEY_ID]);
	TarxKeysRowState state = is_whole ? tarx_keys_row_state(&tarx_keys_llm_keys, row) : TARX_KEYS_ROW_TAMPERED;
	TarxKeysKeyHindrance hindrance;

	if (state != TARX_KEYS_ROW_OK)
	{
		leave_unopened(reasons, request->call, id, state);
		return false;
	}
	hindrance = tarx_keys_key_hindrance(row, &request->model);
	if (hindrance != TARX_KEYS_KEY_USABLE)
	{
		reasons->hindered[hindrance]++;
		return false;
	}
	if (is_tried(request, id))
	{
		reasons->tried++;
		return false;
	}
	return true;
}

/* Is a candidate cooling?  If so, it may be the coolest. */
static bool
is_cooling(const TarxKeysKeyRequest *request, const TarxKeysRow *row, TimestampTz now, Coolest *coolest)
{
	TarxKeysHealth health = tarx_keys_health_of(request->call->project_id, DatumGetUUIDP(row->values[LLM_KEY_ID]),
												DatumGetInt32(row->values[LLM_KEY_REVISION]));

	if (!tarx_keys_health_is_cooling(&health, now))
		return false;
	if (coolest->row == NULL || health.cooling_until < coolest->until)
		*coolest = (Coolest) {row, health.cooling_until};
	return true;
}

static void
append_reason(StringInfo detail, int count, const char *reason)
{
	if (count > 0)
		appendStringInfo(detail, "%s%d %s", detail->len > 0 ? ", " : "", count, reason);
}

/* TK014, which says why each key of the provider was left out */
pg_noreturn static void
fail_no_usable_key(const Reasons *reasons)
{
	StringInfoData detail;

	initStringInfo(&detail);
	append_reason(&detail, reasons->hindered[TARX_KEYS_KEY_DISABLED], "disabled");
	append_reason(&detail, reasons->hindered[TARX_KEYS_KEY_EXPIRED], "expired");
	append_reason(&detail, reasons->tried, "tried");
	append_reason(&detail, reasons->hindered[TARX_KEYS_KEY_NOT_FOR_MODEL], "not for this model");
	append_reason(&detail, reasons->unopened, "that do not open");
	if (reasons->unopened > 0)
		appendStringInfo(&detail, " (%s)", reasons->unopened_ids.data);
	ereport(ERROR,
			(errcode(ERRCODE_TK_NO_USABLE_KEY),
			 errmsg("the project has no usable LLM key of this provider"),
			 detail.len > 0 ? errdetail("Its keys: %s.", detail.data) :
			 errdetail("It has no key of this provider."),
			 errhint("tarx_keys.llm_keys lists the project's keys; have a key manager add, enable or replace one.")));
}

/*
 * Choose a key of the provider, as the snapshot has them; keys is the open table.
 * The chosen row is authentic, and in the current memory context.  *remaining becomes
 * the number of usable ones besides it.  TK014 if there is none to choose, TK005
 * without a keyring.
 */
TarxKeysRow *
tarx_keys_choose_key(const TarxKeysKeyRequest *request, text *provider, Relation keys, Snapshot snapshot,
					 int *remaining)
{
	Datum		values[2] = {UUIDPGetDatum(request->call->project_id), PointerGetDatum(provider)};
	TimestampTz now = GetCurrentTimestamp();
	Reasons		reasons = {0};
	Coolest		coolest = {NULL, 0};
	TarxKeysRow *chosen = NULL;
	TarxKeysRow *rows;
	bool	   *is_whole;
	uint64		count;

	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	initStringInfo(&reasons.unopened_ids);
	count = tarx_keys_table_search(&tarx_keys_llm_keys, keys, &candidates_query, values, snapshot,
								   &rows, &is_whole);
	*remaining = 0;
	for (uint64 i = 0; i < count; i++)
	{
		if (!is_candidate(request, &rows[i], is_whole[i], &reasons) ||
			is_cooling(request, &rows[i], now, &coolest))
			continue;
		if (chosen == NULL)
			chosen = &rows[i];
		else
			(*remaining)++;
	}
	if (chosen == NULL)
		chosen = unconstify(TarxKeysRow *, coolest.row);
	if (chosen == NULL)
		fail_no_usable_key(&reasons);
	return chosen;
}

/* TK014 for an agent's only key, which the caller has tried */
void
tarx_keys_fail_if_tried(const TarxKeysKeyRequest *request, const pg_uuid_t *key_id)
{
	Reasons		reasons = {.tried = 1};

	if (is_tried(request, key_id))
		fail_no_usable_key(&reasons);
}
