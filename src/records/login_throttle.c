/*
 * login_throttle.c
 *	  Counts the failed logins of each database login, and slows them down.
 *
 * The counters are in shared memory, so that a ROLLBACK or a new session does not
 * reset them.  A minute begins with the first failure in it.  Sessions that try at
 * the same time may all pass before the first of them has failed, so they can
 * exceed the limit by their number.
 *
 * An entry whose minute is over makes room for another.  If there are more roles
 * than entries in a minute, the roles without an entry share one.
 */
#include "postgres.h"
#include "base/compat.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "records/records.h"

#define MINUTE_MS		60000
#define MAX_ROLES		1024

/* So many failures a minute are typing errors, and cause no wait. */
#define FREE_FAILURES	5
#define DELAY_STEP_MS	50
#define DELAY_MAX_MS	1000

/* The role in the entry that roles without an entry share */
#define OTHER_ROLES		InvalidOid

typedef struct ThrottleEntry
{
	Oid			role;
	uint32		failures;
	TimestampTz since;			/* when the minute began */
} ThrottleEntry;

static LWLock *lock = NULL;
static HTAB *table = NULL;

/* The shared memory that the counters need, in bytes */
Size
tarx_keys_throttle_shmem_size(void)
{
	return hash_estimate_size(MAX_ROLES, sizeof(ThrottleEntry));
}

static ThrottleEntry *
find(Oid role)
{
	return hash_search(table, &role, HASH_FIND, NULL);
}

static ThrottleEntry *
add(Oid role)
{
	ThrottleEntry *entry = hash_search(table, &role, HASH_ENTER_NULL, NULL);

	if (entry != NULL)
	{
		entry->failures = 0;
		entry->since = 0;
	}
	return entry;
}

/* Make the table, or find the one that is there; the lock protects it. */
void
tarx_keys_throttle_shmem_startup(LWLock *throttle_lock)
{
	HASHCTL		info = {.keysize = sizeof(Oid), .entrysize = sizeof(ThrottleEntry)};

	lock = throttle_lock;
	table = tarx_keys_shmem_hash("tarx_keys login throttle", MAX_ROLES, &info,
								 HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	if (find(OTHER_ROLES) == NULL)
		(void) add(OTHER_ROLES);
}

/*
 * Is the minute of an entry over?  It is also over if it begins in the future,
 * because then somebody has set the clock back.
 */
static bool
is_over(const ThrottleEntry *entry, TimestampTz now)
{
	return now < entry->since || TimestampDifferenceExceeds(entry->since, now, MINUTE_MS);
}

static void
remove_old_entries(TimestampTz now)
{
	HASH_SEQ_STATUS scan;
	ThrottleEntry *entry;

	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->role != OTHER_ROLES && is_over(entry, now))
			hash_search(table, &entry->role, HASH_REMOVE, NULL);
	}
}

static ThrottleEntry *
find_or_add(Oid role, TimestampTz now)
{
	ThrottleEntry *entry = find(role);

	if (entry == NULL && hash_get_num_entries(table) >= MAX_ROLES)
		remove_old_entries(now);
	if (entry == NULL && hash_get_num_entries(table) < MAX_ROLES)
		entry = add(role);
	return entry != NULL ? entry : find(OTHER_ROLES);
}

/* Count a failure of the role; returns the number of its failures this minute. */
static uint32
count_failure(Oid role)
{
	TimestampTz now = GetCurrentTimestamp();
	ThrottleEntry *entry;
	uint32		failures;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = find_or_add(role, now);
	if (is_over(entry, now))
	{
		entry->since = now;
		entry->failures = 0;
	}
	if (entry->failures < PG_UINT32_MAX)
		entry->failures++;
	failures = entry->failures;
	LWLockRelease(lock);
	return failures;
}

/* May the role try another login this minute? */
bool
tarx_keys_throttle_allows(Oid role)
{
	uint32		limit = (uint32) tarx_keys_setting_login_failures();
	TimestampTz now = GetCurrentTimestamp();
	ThrottleEntry *entry;
	bool		allowed;

	if (limit == 0)
		return true;
	LWLockAcquire(lock, LW_SHARED);
	entry = find(role);
	if (entry == NULL)
		entry = find(OTHER_ROLES);
	allowed = is_over(entry, now) || entry->failures < limit;
	LWLockRelease(lock);
	return allowed;
}

/* Wait so many milliseconds; a cancel or a shutdown ends the wait. */
static void
wait_for(long ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);

	while ((ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until)) > 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Count a failed login of the role, and wait: the more failures this minute, the
 * longer.  Without a limit this does nothing.
 */
void
tarx_keys_throttle_failed(Oid role)
{
	uint32		failures;

	if (tarx_keys_setting_login_failures() == 0)
		return;
	failures = count_failure(role);
	if (failures > FREE_FAILURES)
		wait_for(Min((int64) (failures - FREE_FAILURES) * DELAY_STEP_MS, DELAY_MAX_MS));
}
