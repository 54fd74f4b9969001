/*
 * report_keys.c
 *	  What runners report of LLM keys, and what people see of it.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_report_key);
PG_FUNCTION_INFO_V1(tarx_keys_key_health);

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

/* An interval in milliseconds, where a month has 30 days; more than counts is as good as that */
static int64
arg_retry_after(FunctionCallInfo fcinfo, int n)
{
	const Interval *interval;
	int64		days;
	int64		milliseconds;

	if (PG_ARGISNULL(n))
		return -1;
	interval = PG_GETARG_INTERVAL_P(n);
	days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	if (days > 1)
		return TARX_KEYS_RETRY_AFTER_MAX;
	milliseconds = interval->time / 1000 + days * (USECS_PER_DAY / 1000);
	if (days < -1 || milliseconds < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("retry_after"),
				 errmsg("retry_after is negative"),
				 errhint("Pass the provider's Retry-After as an interval, or null if it said nothing.")));
	return milliseconds;
}

static void
report(TarxKeysCall *call, void *arg)
{
	const Report *given = arg;
	TarxKeysRow row;

	tarx_keys_check_project(call->project_id);
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
	TarxKeysCall call = {.event = "report", .is_change = true};
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

/*
 * key_health(project_id uuid, id uuid, revision integer) returns (health text,
 * health_at timestamptz, cooling_until timestamptz): see sql/50_llm_keys.sql
 */
Datum
tarx_keys_key_health(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	TarxKeysHealth health = {.outcome = TARX_KEYS_OUTCOME_NONE};
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		health = tarx_keys_health_of(PG_GETARG_UUID_P(0), PG_GETARG_UUID_P(1), PG_GETARG_INT32(2));
	values[0] = CStringGetTextDatum(in_words(&health, now));
	values[1] = TimestampTzGetDatum(health.at);
	nulls[1] = health.outcome == TARX_KEYS_OUTCOME_NONE;
	values[2] = TimestampTzGetDatum(health.cooling_until);
	nulls[2] = !tarx_keys_health_is_cooling(&health, now) || TIMESTAMP_NOT_FINITE(health.cooling_until);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
