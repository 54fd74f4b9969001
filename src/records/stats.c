/*
 * stats.c
 *	  Counts in shared memory what the view stats shows: calls since the server
 *	  started.
 *
 * What counts as refused is what may have a line in the server log as refused,
 * whether tarx_keys.log_resolves lets it have one or not.
 *
 * Counting takes no lock.  There are several sets of counters, each with cache lines
 * of its own, so that processes rarely meet; a reader adds them up.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_server_counters);
PG_FUNCTION_INFO_V1(tarx_keys_server_refusals);

#define NUM_SETS	16

/* All SQLSTATEs that a refusal can have */
static const int refusals[] = {
	ERRCODE_INSUFFICIENT_PRIVILEGE,
	ERRCODE_TK_KEY_NOT_FOUND,
	ERRCODE_TK_KEY_DELETED,
	ERRCODE_TK_AGENT_WITHOUT_KEY,
	ERRCODE_TK_INTEGRITY,
	ERRCODE_TK_NO_KEYRING,
	ERRCODE_TK_MASTER_KEY_MISSING,
	ERRCODE_TK_NO_ACTING_USER,
	ERRCODE_TK_LOGIN_FAILED,
	ERRCODE_TK_SECRET_NOT_FOUND,
	ERRCODE_TK_SEALED_BOX,
	ERRCODE_TK_NO_USABLE_KEY,
	ERRCODE_TK_KEY_NOT_USABLE,
	ERRCODE_TK_RUN_TICKET,
	ERRCODE_TK_RUN_EXPIRED,
};

#define NUM_COUNTERS	(TARX_KEYS_COUNT_REFUSALS + (int) lengthof(refusals))

/* As many as fill whole cache lines */
#define SET_LENGTH		TYPEALIGN(PG_CACHE_LINE_SIZE / sizeof(pg_atomic_uint64), NUM_COUNTERS)

typedef struct ServerStats
{
	pg_atomic_uint64 sets[NUM_SETS][SET_LENGTH];
	TimestampTz since;
} ServerStats;

static ServerStats *stats = NULL;

Size
tarx_keys_stats_shmem_size(void)
{
	return sizeof(ServerStats);
}

void
tarx_keys_stats_shmem_startup(void)
{
	bool		found;

	stats = ShmemInitStruct("tarx_keys stats", sizeof(ServerStats), &found);
	if (found)
		return;
	for (int i = 0; i < NUM_SETS; i++)
	{
		for (int n = 0; n < NUM_COUNTERS; n++)
			pg_atomic_init_u64(&stats->sets[i][n], 0);
	}
	stats->since = GetCurrentTimestamp();
}

/* Count a call. */
void
tarx_keys_count(TarxKeysCounter counter)
{
	pg_atomic_fetch_add_u64(&stats->sets[MyProcPid % NUM_SETS][counter], 1);
}

/* Count a refusal. */
void
tarx_keys_count_refusal(int sqlerrcode)
{
	for (int i = 0; i < (int) lengthof(refusals); i++)
	{
		if (refusals[i] == sqlerrcode)
			tarx_keys_count(TARX_KEYS_COUNT_REFUSALS + i);
	}
}

static Datum
count_of(int counter)
{
	uint64		count = 0;

	for (int i = 0; i < NUM_SETS; i++)
		count += pg_atomic_read_u64(&stats->sets[i][counter]);
	return Int64GetDatum((int64) count);
}

/* server_counters() returns a row: see sql/72_stats.sql */
Datum
tarx_keys_server_counters(PG_FUNCTION_ARGS)
{
	Datum		values[] = {
		TimestampTzGetDatum(stats->since),
		count_of(TARX_KEYS_COUNT_RESOLVES),
		count_of(TARX_KEYS_COUNT_LOGINS),
		count_of(TARX_KEYS_COUNT_REFUSED_LOGINS),
		count_of(TARX_KEYS_COUNT_TICKETS),
	};
	bool		nulls[lengthof(values)] = {false};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* server_refusals() returns rows: see sql/72_stats.sql */
Datum
tarx_keys_server_refusals(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(refusals); i++)
	{
		Datum		values[] = {
			CStringGetTextDatum(unpack_sql_state(refusals[i])),
			count_of(TARX_KEYS_COUNT_REFUSALS + i),
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
