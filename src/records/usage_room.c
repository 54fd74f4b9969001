/*
 * usage_room.c
 *	  What the table of uses has room for, and what it had none for.
 *
 * Room is made of entries whose last use is written down.  So the worker is woken
 * when half of the entries wait for that, and again with each twentieth that comes
 * on top.  Counting never waits for it.  What could not be counted is counted here,
 * and so are the calls in counters that were dropped to make room.
 *
 * The numbers are atomic, and a pointer is written whole, so this needs no lock.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_usage_losses);

/* A line about what is not counted comes at most so often. */
#define REPORT_MS		60000

/* Beyond half of the entries the worker is woken by each such part of them. */
#define PART			20

/* Such a part of them is not worth a search. */
#define FEW				128

typedef struct Room
{
	pg_atomic_uint32 unflushed; /* entries whose last use is not written down */
	pg_atomic_uint32 flush_wanted;
	pg_atomic_uint64 uncounted; /* calls that nothing tells of */
	pg_atomic_uint64 dropped;	/* calls of which the last use is left */
	pg_atomic_uint64 reported;	/* of uncounted */
	Latch	   *worker;			/* NULL on a standby */
} Room;

static Room *room = NULL;

Size
tarx_keys_usage_room_shmem_size(void)
{
	return sizeof(Room);
}

void
tarx_keys_usage_room_shmem_startup(void)
{
	bool		found;

	room = ShmemInitStruct("tarx_keys usage room", sizeof(Room), &found);
	if (found)
		return;
	pg_atomic_init_u32(&room->unflushed, 0);
	pg_atomic_init_u32(&room->flush_wanted, 0);
	pg_atomic_init_u64(&room->uncounted, 0);
	pg_atomic_init_u64(&room->dropped, 0);
	pg_atomic_init_u64(&room->reported, 0);
	room->worker = NULL;
}

/* Wake this process when a flush is wanted. */
void
tarx_keys_usage_room_wakes(Latch * worker)
{
	room->worker = worker;
}

static void
want_flush(void)
{
	pg_atomic_write_u32(&room->flush_wanted, 1);
	/* a full barrier, so that the worker finds the flag when it wakes up */
	pg_memory_barrier();
	if (room->worker != NULL)
		SetLatch(room->worker);
}

static uint32
half_of_the_entries(void)
{
	return (uint32) tarx_keys_setting_usage_entries() / 2;
}

/* An entry waits for a flush from now on. */
void
tarx_keys_usage_room_unflushed(void)
{
	uint32		count = pg_atomic_add_fetch_u32(&room->unflushed, 1);

	if (count >= half_of_the_entries() &&
		count % ((uint32) tarx_keys_setting_usage_entries() / PART) == 0)
		want_flush();
}

/* An entry no longer waits. */
void
tarx_keys_usage_room_flushed(void)
{
	pg_atomic_fetch_sub_u32(&room->unflushed, 1);
}

/* Calls are counted nowhere. */
void
tarx_keys_usage_room_uncounted(uint64 calls)
{
	if (calls > 0 && pg_atomic_fetch_add_u64(&room->uncounted, (int64) calls) == 0)
		want_flush();
}

/* Calls are no longer counted, but the last use is written down. */
void
tarx_keys_usage_room_dropped(uint64 calls)
{
	pg_atomic_fetch_add_u64(&room->dropped, (int64) calls);
}

/* Do so many entries wait that a flush must not be long in coming? */
bool
tarx_keys_usage_room_is_short(void)
{
	return pg_atomic_read_u32(&room->unflushed) >= half_of_the_entries();
}

/* Do all entries wait for a flush, but for so few that nobody should look for these? */
bool
tarx_keys_usage_room_is_gone(void)
{
	uint32		entries = (uint32) tarx_keys_setting_usage_entries();

	return pg_atomic_read_u32(&room->unflushed) >= entries - entries / FEW;
}

/* Was a flush wanted since the last time that this was asked? */
bool
tarx_keys_usage_room_take_wanted(void)
{
	return pg_atomic_exchange_u32(&room->flush_wanted, 0) != 0;
}

/*
 * Log how many calls were not counted since the last such line; at most once a
 * minute, unless it is to be at once.
 */
void
tarx_keys_usage_room_report(bool at_once)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentTimestamp();
	uint64		uncounted = pg_atomic_read_u64(&room->uncounted);
	uint64		reported = pg_atomic_read_u64(&room->reported);

	if (uncounted == reported ||
		(!at_once && last <= now && last != 0 && !TimestampDifferenceExceeds(last, now, REPORT_MS)))
		return;
	last = now;
	pg_atomic_write_u64(&room->reported, uncounted);
	ereport(LOG,
			(errmsg_plural("tarx_keys: %llu call was not counted, because the table of uses was full",
						   "tarx_keys: %llu calls were not counted, because the table of uses was full",
						   (unsigned long) (uncounted - reported),
						   (unsigned long long) (uncounted - reported)),
			 errhint("If last uses could be written down meanwhile, increase tarx_keys.usage_entries.")));
}

/* usage_losses() returns a row: see sql/45_usage.sql */
Datum
tarx_keys_usage_losses(PG_FUNCTION_ARGS)
{
	Datum		values[2] = {
		Int64GetDatum((int64) pg_atomic_read_u64(&room->uncounted)),
		Int64GetDatum((int64) pg_atomic_read_u64(&room->dropped)),
	};
	bool		nulls[2] = {false, false};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
