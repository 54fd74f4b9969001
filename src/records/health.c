/*
 * health.c
 *	  Remembers in shared memory how LLM keys fared last, and until when each is
 *	  better left alone.
 *
 * Runners report it.  It is written to no table, so it works on a hot standby, and a
 * restart forgets it.  It belongs to a revision of the key: any change by a key manager
 * makes the key as good as new, on every server.
 *
 * Threat: whoever has stolen a runner's login reports whatever they like.  So what is
 * here only decides which of several keys is tried first.
 *
 * The table has as many entries as that of uses.  If it is full, the entry whose
 * report is longest ago, among a few, makes room.
 */
#include "postgres.h"
#include "base/compat.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "records/records.h"

#define SECOND			INT64CONST(1000)	/* in milliseconds */
#define MINUTE			(60 * SECOND)

/* So many entries are looked at for one that makes room. */
#define LOOKED_AT		32

/* By then each time that doubles is the longest. */
#define MOST_REPEATS	10

/* This has no padding, because it is hashed and compared as bytes. */
typedef struct HealthKey
{
	Oid			database;
	pg_uuid_t	project_id;
	pg_uuid_t	id;
} HealthKey;

StaticAssertDecl(sizeof(HealthKey) == sizeof(Oid) + 2 * UUID_LEN, "HealthKey has padding");

typedef struct HealthEntry
{
	HealthKey	key;
	int32		revision;
	TarxKeysHealth health;
	int			repeats;		/* of the outcome, each after its cooling */
} HealthEntry;

/* How long a key is left alone; it doubles from the first to the longest. */
typedef struct Cooling
{
	int64		first;
	int64		longest;
} Cooling;

static const Cooling coolings[] = {
	[TARX_KEYS_OUTCOME_OK] = {0, 0},
	[TARX_KEYS_OUTCOME_REJECTED] = {0, 0},	/* without end */
	[TARX_KEYS_OUTCOME_QUOTA] = {5 * MINUTE, 60 * MINUTE},
	[TARX_KEYS_OUTCOME_RATE_LIMITED] = {30 * SECOND, 10 * MINUTE},
	[TARX_KEYS_OUTCOME_SERVER] = {10 * SECOND, 10 * SECOND},
	[TARX_KEYS_OUTCOME_TIMEOUT] = {10 * SECOND, 10 * SECOND},
};

static LWLock *lock = NULL;
static HTAB *table = NULL;

/* The shared memory that the table needs, in bytes */
Size
tarx_keys_health_shmem_size(void)
{
	return hash_estimate_size(tarx_keys_setting_usage_entries(), sizeof(HealthEntry));
}

/* Make the table, or find the one that is there; the lock protects it. */
void
tarx_keys_health_shmem_startup(LWLock *health_lock)
{
	HASHCTL		info = {.keysize = sizeof(HealthKey), .entrysize = sizeof(HealthEntry)};

	lock = health_lock;
	table = tarx_keys_shmem_hash("tarx_keys health", tarx_keys_setting_usage_entries(), &info,
								 HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

static HealthKey
key_of(const pg_uuid_t *project_id, const pg_uuid_t *id)
{
	return (HealthKey) {.database = MyDatabaseId, .project_id = *project_id, .id = *id};
}

static void
make_room(void)
{
	HASH_SEQ_STATUS scan;
	HealthEntry *entry;
	HealthEntry *oldest = NULL;
	int			left = LOOKED_AT;

	hash_seq_init(&scan, table);
	while (left-- > 0 && (entry = hash_seq_search(&scan)) != NULL)
	{
		if (oldest == NULL || entry->health.at < oldest->health.at)
			oldest = entry;
	}
	if (left < 0)
		hash_seq_term(&scan);
	if (oldest != NULL)
		(void) hash_search(table, &oldest->key, HASH_REMOVE, NULL);
}

/* The entry of a key in this revision, fresh if there was none; NULL if there is no room */
static HealthEntry *
entry_of(const HealthKey *key, int32 revision)
{
	bool		found;
	HealthEntry *entry = hash_search(table, key, HASH_FIND, &found);

	if (entry == NULL)
	{
		if (hash_get_num_entries(table) >= tarx_keys_setting_usage_entries())
			make_room();
		entry = hash_search(table, key, HASH_ENTER_NULL, &found);
	}
	if (entry != NULL && (!found || entry->revision != revision))
	{
		entry->revision = revision;
		entry->health = (TarxKeysHealth) {.outcome = TARX_KEYS_OUTCOME_NONE};
		entry->repeats = 0;
	}
	return entry;
}

/*
 * Is the key to be left alone now?  A cooling that began in the future is over: the
 * clock was set back, by more than it was to take perhaps.
 */
bool
tarx_keys_health_is_cooling(const TarxKeysHealth *health, TimestampTz now)
{
	return health->outcome != TARX_KEYS_OUTCOME_NONE && health->cooling_until > now &&
		(health->at <= now || TIMESTAMP_NOT_FINITE(health->cooling_until));
}

/* repeats: how often the outcome has come again, each time after its cooling */
static TimestampTz
cooling_end(TarxKeysOutcome outcome, int repeats, int64 retry_after, TimestampTz now)
{
	const Cooling *cooling = &coolings[outcome];
	int64		time = Min(cooling->first << repeats, cooling->longest);

	if (outcome == TARX_KEYS_OUTCOME_REJECTED)
		return DT_NOEND;
	if (outcome == TARX_KEYS_OUTCOME_RATE_LIMITED && retry_after >= 0)
		time = Min(retry_after, TARX_KEYS_RETRY_AFTER_MAX);
	return TimestampTzPlusMilliseconds(now, time);
}

/*
 * Runs that began before the last report have outcomes of their own: of those that
 * are not the same, only ok ends a cooling early.
 */
static void
apply(HealthEntry *entry, TarxKeysOutcome outcome, int64 retry_after, TimestampTz now)
{
	TarxKeysHealth *health = &entry->health;
	bool		again = health->outcome == outcome;
	int			repeats = again ? entry->repeats : 0;
	TimestampTz until;

	/* many runs report the same at once: that is no repetition */
	if (again && !tarx_keys_health_is_cooling(health, now))
		repeats = Min(repeats + 1, MOST_REPEATS);
	until = cooling_end(outcome, repeats, retry_after, now);
	if (!again && outcome != TARX_KEYS_OUTCOME_OK && until < health->cooling_until &&
		tarx_keys_health_is_cooling(health, now))
		return;
	health->is_proven = outcome == TARX_KEYS_OUTCOME_OK ||
		(health->is_proven && outcome != TARX_KEYS_OUTCOME_REJECTED);
	health->outcome = outcome;
	health->at = now;
	health->cooling_until = until;
	entry->repeats = repeats;
}

/*
 * Note how a key fared.  retry_after is in milliseconds, -1 if the provider did not
 * say.
 */
void
tarx_keys_health_report(const pg_uuid_t *project_id, const pg_uuid_t *id, int32 revision,
						TarxKeysOutcome outcome, int64 retry_after)
{
	HealthKey	key = key_of(project_id, id);
	HealthEntry *entry;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = entry_of(&key, revision);
	if (entry != NULL)
		apply(entry, outcome, retry_after, GetCurrentTimestamp());
	LWLockRelease(lock);
}

/* How a key in this revision fared last; the outcome is none if nobody has reported. */
TarxKeysHealth
tarx_keys_health_of(const pg_uuid_t *project_id, const pg_uuid_t *id, int32 revision)
{
	TarxKeysHealth health = {.outcome = TARX_KEYS_OUTCOME_NONE};
	HealthKey	key = key_of(project_id, id);
	const HealthEntry *entry;

	LWLockAcquire(lock, LW_SHARED);
	entry = hash_search(table, &key, HASH_FIND, NULL);
	if (entry != NULL && entry->revision == revision)
		health = entry->health;
	LWLockRelease(lock);
	return health;
}
