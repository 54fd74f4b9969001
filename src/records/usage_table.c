/*
 * usage_table.c
 *	  The table of uses: a fixed number of entries in shared memory, found by key.
 *
 * It is divided as PostgreSQL divides its own: a key belongs to one of many
 * partitions, each with a lock.  A shared lock is enough to find an entry and to
 * count in it, because the counters are atomic.  To add or remove an entry takes
 * its partition's lock exclusively.  Nobody holds two of these locks at once.
 *
 * If the table is full, a new key takes the entry of one that was used long ago: of
 * some that a hand points to, as on a clock, the one used longest ago.  But an entry
 * stays until tarx_keys_internal.last_used has its last use.  So this takes
 * microseconds, however large the table is.
 *
 * The hash of an entry is 0 while it has no key.  It changes only under the lock of
 * the partition that it says.  So who has locked that partition, and finds the hash
 * unchanged, has the entry.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "records/records.h"

/* A hash that is in use has this bit, so that it is not 0. */
#define HASH_IN_USE		0x80000000

#define NO_PLACE		UINT32_MAX

/* Of so many entries the one used longest ago makes room. */
#define LOOKED_AT		16

/*
 * The hand goes this much further each time, so that it does not stay where a flush
 * is still to come.  A prime, so that it comes to each place.
 */
#define STRIDE			UINT64CONST(2654435761)

/* If none of them can, the next ones are looked at, this often at most. */
#define LOOKS			256

typedef struct UsageTable
{
	slock_t		free_lock;		/* for the next two, and the list itself */
	uint32		first_free;		/* entries that had a key once */
	uint32		nused;			/* places from here on never had one */
	pg_atomic_uint32 hand;
	uint32		buckets[FLEXIBLE_ARRAY_MEMBER]; /* places of first entries */
} UsageTable;

StaticAssertDecl(sizeof(TarxKeysUsageKey) == 2 * sizeof(uint32) + 2 * UUID_LEN,
				 "TarxKeysUsageKey has padding");
StaticAssertDecl(sizeof(TarxKeysUsageEntry) == PG_CACHE_LINE_SIZE,
				 "TarxKeysUsageEntry does not fill cache lines");

static LWLockPadded *locks = NULL;
static UsageTable *table = NULL;
static TarxKeysUsageEntry *entries = NULL;

/*
 * Memory
 */

static uint32
table_entries(void)
{
	return (uint32) tarx_keys_setting_usage_entries();
}

/* A power of two, so that a partition has whole buckets */
static uint32
table_buckets(void)
{
	return pg_nextpower2_32(Max(table_entries(), TARX_KEYS_USAGE_PARTITIONS));
}

static Size
buckets_size(void)
{
	return add_size(offsetof(UsageTable, buckets), mul_size(sizeof(uint32), table_buckets()));
}

static Size
entries_size(void)
{
	return mul_size(sizeof(TarxKeysUsageEntry), table_entries());
}

/* The shared memory that the table needs, in bytes */
Size
tarx_keys_usage_table_shmem_size(void)
{
	/* and a cache line for the alignment of each */
	return add_size(add_size(buckets_size(), entries_size()), 2 * PG_CACHE_LINE_SIZE);
}

/* Make the table, or find the one that is there; each partition has one of the locks. */
void
tarx_keys_usage_table_shmem_startup(LWLockPadded *partition_locks)
{
	bool		found;

	locks = partition_locks;
	entries = ShmemInitStruct("tarx_keys usage entries", entries_size(), &found);
	table = ShmemInitStruct("tarx_keys usage", buckets_size(), &found);
	if (found)
		return;
	SpinLockInit(&table->free_lock);
	table->first_free = NO_PLACE;
	table->nused = 0;
	pg_atomic_init_u32(&table->hand, 0);
	memset(table->buckets, 0xff, sizeof(uint32) * table_buckets());
}

/*
 * Finding
 */

/* An id is random or a hash, so all that is left to do is to take all of it. */
static uint32
hash_of(const TarxKeysUsageKey *key)
{
	uint32		words[UUID_LEN / sizeof(uint32)];

	memcpy(words, &key->id, UUID_LEN);
	return murmurhash32(words[0] ^ words[1] ^ words[2] ^ words[3]) | HASH_IN_USE;
}

static LWLock *
lock_of(uint32 hash)
{
	return &locks[hash % TARX_KEYS_USAGE_PARTITIONS].lock;
}

static uint32 *
bucket_of(uint32 hash)
{
	return &table->buckets[hash & (table_buckets() - 1)];
}

static uint32
place_of(const TarxKeysUsageEntry *entry)
{
	return (uint32) (entry - entries);
}

/* The entry of a key, with its partition locked; NULL if there is none */
static TarxKeysUsageEntry *
search(const TarxKeysUsageKey *key, uint32 hash)
{
	for (uint32 place = *bucket_of(hash); place != NO_PLACE; place = entries[place].next)
	{
		if (memcmp(&entries[place].key, key, sizeof(TarxKeysUsageKey)) == 0)
			return &entries[place];
	}
	return NULL;
}

/* Find and lock the entry of a key; NULL, and nothing is locked, if there is none. */
TarxKeysUsageEntry *
tarx_keys_usage_find(const TarxKeysUsageKey *key, LWLockMode mode)
{
	uint32		hash = hash_of(key);
	LWLock	   *lock = lock_of(hash);
	TarxKeysUsageEntry *entry;

	LWLockAcquire(lock, mode);
	entry = search(key, hash);
	if (entry == NULL)
		LWLockRelease(lock);
	return entry;
}

void
tarx_keys_usage_unlock(TarxKeysUsageEntry *entry)
{
	LWLockRelease(lock_of(pg_atomic_read_u32(&entry->hash)));
}

/* Lock an entry; false, and nothing is locked, if it has no key. */
static bool
lock_entry(TarxKeysUsageEntry *entry, LWLockMode mode)
{
	uint32		hash = pg_atomic_read_u32(&entry->hash);

	if (hash == 0)
		return false;
	LWLockAcquire(lock_of(hash), mode);
	if (pg_atomic_read_u32(&entry->hash) == hash)
		return true;
	LWLockRelease(lock_of(hash));
	return false;
}

/*
 * Find and lock the next entry, from this place on, that has uses to flush, or any;
 * NULL, and nothing is locked, if there is none.
 */
TarxKeysUsageEntry *
tarx_keys_usage_next(uint32 *place, bool any, LWLockMode mode)
{
	uint32		end;

	SpinLockAcquire(&table->free_lock);
	end = table->nused;
	SpinLockRelease(&table->free_lock);
	while (*place < end)
	{
		TarxKeysUsageEntry *entry = &entries[(*place)++];

		if (!any && tarx_keys_usage_is_flushed(entry))
			continue;
		if (!lock_entry(entry, mode))
			continue;
		if (any || !tarx_keys_usage_is_flushed(entry))
			return entry;
		tarx_keys_usage_unlock(entry);
	}
	return NULL;
}

bool
tarx_keys_usage_is_flushed(TarxKeysUsageEntry *entry)
{
	return pg_atomic_read_u64(&entry->last_used_at) == pg_atomic_read_u64(&entry->flushed_at);
}

/*
 * Removing
 */

/* Take an entry from its key; it must be locked exclusively, and is unlocked. */
static void
take_out(TarxKeysUsageEntry *entry)
{
	uint32		hash = pg_atomic_read_u32(&entry->hash);
	uint32	   *at = bucket_of(hash);

	if (!tarx_keys_usage_is_flushed(entry))
		tarx_keys_usage_room_flushed();
	while (*at != place_of(entry))
		at = &entries[*at].next;
	*at = entry->next;
	pg_atomic_write_u32(&entry->hash, 0);
	LWLockRelease(lock_of(hash));
}

/* Count what is lost with an entry that somebody could still ask for. */
static void
note_loss(TarxKeysUsageEntry *entry)
{
	uint64		calls = pg_atomic_read_u64(&entry->uses) + pg_atomic_read_u64(&entry->refused);

	if (tarx_keys_usage_is_flushed(entry))
		tarx_keys_usage_room_dropped(calls);
	else
		tarx_keys_usage_room_uncounted(calls);
}

static void
give_back(TarxKeysUsageEntry *entry)
{
	SpinLockAcquire(&table->free_lock);
	entry->next = table->first_free;
	table->first_free = place_of(entry);
	SpinLockRelease(&table->free_lock);
}

/*
 * Remove an entry, which must be locked exclusively, and unlock it.  is_loss says
 * that somebody could still ask for it.
 */
void
tarx_keys_usage_remove(TarxKeysUsageEntry *entry, bool is_loss)
{
	if (is_loss)
		note_loss(entry);
	take_out(entry);
	give_back(entry);
}

/*
 * Adding
 */

/* Before anybody looks at the entry */
static TarxKeysUsageEntry *
init_entry(TarxKeysUsageEntry *entry)
{
	pg_atomic_init_u32(&entry->hash, 0);
	pg_atomic_init_u64(&entry->uses, 0);
	pg_atomic_init_u64(&entry->refused, 0);
	pg_atomic_init_u64(&entry->last_used_at, 0);
	pg_atomic_init_u64(&entry->flushed_at, 0);
	return entry;
}

/* An entry without a key, for the caller alone; NULL if there is none left */
static TarxKeysUsageEntry *
take_free(void)
{
	TarxKeysUsageEntry *entry = NULL;

	SpinLockAcquire(&table->free_lock);
	if (table->first_free != NO_PLACE)
	{
		entry = &entries[table->first_free];
		table->first_free = entry->next;
	}
	else if (table->nused < table_entries())
		entry = init_entry(&entries[table->nused++]);
	SpinLockRelease(&table->free_lock);
	return entry;
}

/* May this entry make room? A standby, which flushes none, may take any. */
static bool
may_go(TarxKeysUsageEntry *entry, bool flushing)
{
	return (!flushing || tarx_keys_usage_is_flushed(entry)) && pg_atomic_read_u32(&entry->hash) != 0;
}

/* Of the next entries, the one used longest ago that may go; NULL if none may */
static TarxKeysUsageEntry *
look_for_oldest(bool flushing)
{
	uint32		start = pg_atomic_fetch_add_u32(&table->hand, LOOKED_AT);
	TarxKeysUsageEntry *oldest = NULL;
	uint64		oldest_use = UINT64_MAX;

	for (uint32 i = 0; i < LOOKED_AT; i++)
	{
		TarxKeysUsageEntry *entry = &entries[(start + i) * STRIDE % table_entries()];
		uint64		last_use = pg_atomic_read_u64(&entry->last_used_at);

		if (last_use < oldest_use && may_go(entry, flushing))
		{
			oldest = entry;
			oldest_use = last_use;
		}
	}
	return oldest;
}

/* Take the entry of another key; NULL if that is not possible, or not soon. */
static TarxKeysUsageEntry *
evict(void)
{
	bool		flushing = !RecoveryInProgress();

	for (int i = 0; i < LOOKS; i++)
	{
		TarxKeysUsageEntry *entry;

		if (flushing && tarx_keys_usage_room_is_gone())
			return NULL;
		entry = look_for_oldest(flushing);
		if (entry == NULL || !lock_entry(entry, LW_EXCLUSIVE))
			continue;
		if (may_go(entry, flushing))
		{
			note_loss(entry);
			take_out(entry);
			return entry;
		}
		tarx_keys_usage_unlock(entry);
	}
	return NULL;
}

/* Give an entry to a key, whose partition must be locked. */
static void
put_in(TarxKeysUsageEntry *entry, const TarxKeysUsageKey *key, uint32 hash)
{
	uint32	   *bucket = bucket_of(hash);

	entry->key = *key;
	pg_atomic_write_u64(&entry->uses, 0);
	pg_atomic_write_u64(&entry->refused, 0);
	pg_atomic_write_u64(&entry->last_used_at, 0);
	pg_atomic_write_u64(&entry->flushed_at, 0);
	entry->next = *bucket;
	*bucket = place_of(entry);
	pg_atomic_write_u32(&entry->hash, hash);
}

/*
 * Find or add the entry of a key, and lock it exclusively; NULL, and nothing is
 * locked, if there is no room.
 */
TarxKeysUsageEntry *
tarx_keys_usage_find_or_add(const TarxKeysUsageKey *key)
{
	uint32		hash = hash_of(key);
	TarxKeysUsageEntry *new = take_free();
	TarxKeysUsageEntry *entry;

	/* before the lock, because it takes another one */
	if (new == NULL)
		new = evict();
	if (new == NULL)
		return NULL;
	LWLockAcquire(lock_of(hash), LW_EXCLUSIVE);
	entry = search(key, hash);
	if (entry == NULL)
	{
		put_in(new, key, hash);
		return new;
	}
	/* somebody else has added it meanwhile */
	give_back(new);
	return entry;
}
