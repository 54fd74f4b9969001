/*
 * report_keys.c
 *	  What runners report of LLM keys, and what people see of it.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_report_key);

static const char *const outcomes[] = {
	[TARX_KEYS_OUTCOME_OK] = "ok",
	[TARX_KEYS_OUTCOME_REJECTED] = "rejected",
	[TARX_KEYS_OUTCOME_QUOTA] = "quota",
	[TARX_KEYS_OUTCOME_RATE_LIMITED] = "rate_limited",
	[TARX_KEYS_OUTCOME_SERVER] = "server",
	[TARX_KEYS_OUTCOME_TIMEOUT] = "timeout",
};

/* A report */
typedef struct Report
{
	TarxKeysOutcome outcome;
	int64		retry_after;	/* in milliseconds; -1 for none */
} Report;

static TarxKeysOutcome
arg_outcome(FunctionCallInfo fcinfo, int n)
{
	char	   *word = text_to_cstring(tarx_keys_arg_text(fcinfo, n, "outcome"));

	for (int i = TARX_KEYS_OUTCOME_OK; i < (int) lengthof(outcomes); i++)
	{
		if (strcmp(word, outcomes[i]) == 0)
			return (TarxKeysOutcome) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("outcome"),
			 errmsg("unknown outcome"),
			 errhint("Outcomes are ok, rejected (401, 403), quota (402), rate_limited (429), server and timeout.")));
}

/* In milliseconds; -1 for none */
static int64
arg_retry_after(FunctionCallInfo fcinfo, int n)
{
	int64		microseconds;

	if (PG_ARGISNULL(n))
		return -1;
	microseconds = tarx_keys_interval_usecs(PG_GETARG_INTERVAL_P(n));
	if (microseconds < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("retry_after"),
				 errmsg("retry_after is negative"),
				 errhint("Pass the provider's Retry-After as an interval, or null if it said nothing.")));
	return microseconds / 1000;
}

static void
report(TarxKeysCall *call, void *arg)
{
	const Report *given = arg;
	TarxKeysRow row;

	tarx_keys_check_project(call->project_id);
	tarx_keys_run_admit_key(call, &call->object);
	tarx_keys_latest_key(call->project_id, &call->object, &row);
	tarx_keys_health_report(call->project_id, &call->object, DatumGetInt32(row.values[LLM_KEY_REVISION]),
							given->outcome, given->retry_after);
}

/*
 * report_key(project_id uuid, key_id uuid, outcome text, retry_after interval): see
 * sql/50_llm_keys.sql
 */
Datum
tarx_keys_report_key(PG_FUNCTION_ARGS)
{
	/* not a use, and nothing that is recorded */
	TarxKeysCall call = {.event = "report", .is_change = true, .resolves = fcinfo};
	Report		given;

	call.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	tarx_keys_call_object(&call, tarx_keys_arg_uuid(fcinfo, 1, "key_id"), false);
	given.outcome = arg_outcome(fcinfo, 2);
	given.retry_after = arg_retry_after(fcinfo, 3);
	tarx_keys_run_call(&call, report, &given);
	PG_RETURN_VOID();
}

static const char *
in_words(const TarxKeysHealth *health, TimestampTz now)
{
	if (health->outcome == TARX_KEYS_OUTCOME_REJECTED)
		return "rejected";
	if (tarx_keys_health_is_cooling(health, now))
		return health->outcome == TARX_KEYS_OUTCOME_QUOTA ? "quota" : "cooling";
	return health->is_proven ? "ok" : "unverified";
}

/* Form what people see of the health of a key in this revision. */
void
tarx_keys_form_health(const pg_uuid_t *project_id, const pg_uuid_t *id, int32 revision,
					  Datum *values, bool *nulls)
{
	TimestampTz now = GetCurrentTimestamp();
	TarxKeysHealth health = tarx_keys_health_of(project_id, id, revision);

	values[0] = CStringGetTextDatum(in_words(&health, now));
	nulls[0] = false;
	values[1] = TimestampTzGetDatum(health.at);
	nulls[1] = health.outcome == TARX_KEYS_OUTCOME_NONE;
	values[2] = TimestampTzGetDatum(health.cooling_until);
	nulls[2] = !tarx_keys_health_is_cooling(&health, now) || TIMESTAMP_NOT_FINITE(health.cooling_until);
}
