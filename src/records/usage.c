/*
 * usage.c
 *	  Counts in shared memory how often each key is used, and refused.
 *
 * Counting writes to no table, so it works on a hot standby, and a ROLLBACK does
 * not undo it.  It never fails.
 *
 * The table in shared memory has a fixed number of entries.  If it is full, the
 * entries whose last use is longest ago are evicted.  But an entry stays until
 * tarx_keys_internal.last_used has its last use.  If that leaves none to evict, the
 * event is not counted.  Eviction and a restart of the server lose the counters of
 * an entry.  They do not lose last_used_at, because the flush worker writes it
 * down, in time: usage_room.c wakes it, and knows what was lost all the same.
 *
 * Callers count only uses of objects that exist or existed, so that nobody can
 * fill the table with guessed ids.
 *
 * Locking: a shared lock is enough to find an entry and to count in it, because
 * the counters are atomic.  To add or remove entries takes an exclusive lock.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_usage_in_memory);
PG_FUNCTION_INFO_V1(tarx_keys_usage_of);

/* Wait so long after a search that found nothing to evict. */
#define EVICT_AGAIN_MS	1000

/* This has no padding, because it is hashed and compared as bytes. */
typedef struct UsageKey
{
	Oid			database;
	uint32		kind;			/* TarxKeysUsageKind */
	pg_uuid_t	project_id;		/* zero for an object without a project */
	pg_uuid_t	id;
} UsageKey;

StaticAssertDecl(sizeof(UsageKey) == 2 * sizeof(uint32) + 2 * UUID_LEN,
				 "UsageKey has padding");

/* Times are TimestampTz, 0 for never. */
typedef struct UsageEntry
{
	UsageKey	key;
	pg_atomic_uint64 uses;
	pg_atomic_uint64 refused;
	pg_atomic_uint64 last_used_at;
	pg_atomic_uint64 flushed_at;	/* the last_used_at in last_used */
} UsageEntry;

typedef struct EvictionCandidate
{
	uint64		last_used_at;
	UsageEntry *entry;
} EvictionCandidate;

/* Memory for a search, under the exclusive lock */
typedef struct Eviction
{
	TimestampTz failed_at;		/* the last time there was nothing to evict */
	EvictionCandidate candidates[FLEXIBLE_ARRAY_MEMBER];
} Eviction;

static const char *const kind_names[] = {
	[TARX_KEYS_USAGE_LLM_KEY] = "llm_key",
	[TARX_KEYS_USAGE_SECRET] = "secret",
	[TARX_KEYS_USAGE_PLATFORM_KEY] = "platform_key",
};

static LWLock *lock = NULL;
static HTAB *table = NULL;
static Eviction *eviction = NULL;

/*
 * The table
 */

static Size
eviction_size(void)
{
	return add_size(offsetof(Eviction, candidates),
					mul_size(sizeof(EvictionCandidate), tarx_keys_setting_usage_entries()));
}

/* The shared memory that the counters need, in bytes */
Size
tarx_keys_usage_shmem_size(void)
{
	Size		size = hash_estimate_size(tarx_keys_setting_usage_entries(), sizeof(UsageEntry));

	size = add_size(size, eviction_size());
	return add_size(size, tarx_keys_usage_room_shmem_size());
}

/* Make the table, or find the one that is there; the lock protects it. */
void
tarx_keys_usage_shmem_startup(LWLock *usage_lock)
{
	HASHCTL		info = {.keysize = sizeof(UsageKey), .entrysize = sizeof(UsageEntry)};
	bool		found;

	lock = usage_lock;
	table = tarx_keys_shmem_hash("tarx_keys usage", tarx_keys_setting_usage_entries(), &info,
								 HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	eviction = ShmemInitStruct("tarx_keys usage eviction", eviction_size(), &found);
	if (!found)
		eviction->failed_at = 0;
	tarx_keys_usage_room_shmem_startup();
}

static UsageKey
make_key(TarxKeysUsageKind kind, const pg_uuid_t *project_id, const pg_uuid_t *id)
{
	UsageKey	key = {.database = MyDatabaseId, .kind = kind, .id = *id};

	if (project_id != NULL)
		key.project_id = *project_id;
	return key;
}

static UsageEntry *
find(const UsageKey *key)
{
	return hash_search(table, key, HASH_FIND, NULL);
}

static bool
is_flushed(UsageEntry *entry)
{
	return pg_atomic_read_u64(&entry->last_used_at) == pg_atomic_read_u64(&entry->flushed_at);
}

static void
remove_entry(UsageEntry *entry)
{
	if (!is_flushed(entry))
		tarx_keys_usage_room_flushed();
	hash_search(table, &entry->key, HASH_REMOVE, NULL);
}

/* Remove an entry that somebody could still ask for. */
static void
drop(UsageEntry *entry)
{
	uint64		calls = pg_atomic_read_u64(&entry->uses) + pg_atomic_read_u64(&entry->refused);

	if (is_flushed(entry))
		tarx_keys_usage_room_dropped(calls);
	else
		tarx_keys_usage_room_uncounted(calls);
	remove_entry(entry);
}

static int
compare_candidates(const void *a, const void *b)
{
	uint64		left = ((const EvictionCandidate *) a)->last_used_at;
	uint64		right = ((const EvictionCandidate *) b)->last_used_at;

	return (left > right) - (left < right);
}

/* Find the entries that may be evicted: on a standby, which flushes none, all. */
static size_t
find_candidates(void)
{
	bool		flushing = !RecoveryInProgress();
	size_t		count = 0;
	HASH_SEQ_STATUS scan;
	UsageEntry *entry;

	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (flushing && !is_flushed(entry))
			continue;
		eviction->candidates[count].last_used_at = pg_atomic_read_u64(&entry->last_used_at);
		eviction->candidates[count].entry = entry;
		count++;
	}
	return count;
}

/* Make room in a full table, if possible. */
static void
evict(TimestampTz now)
{
	size_t		count;

	if (eviction->failed_at <= now &&
		!TimestampDifferenceExceeds(eviction->failed_at, now, EVICT_AGAIN_MS))
		return;
	count = find_candidates();
	if (count == 0)
		eviction->failed_at = now;
	qsort(eviction->candidates, count, sizeof(EvictionCandidate), compare_candidates);
	count = Min(count, (size_t) tarx_keys_setting_usage_entries() / TARX_KEYS_USAGE_PART);
	for (size_t i = 0; i < count; i++)
		drop(eviction->candidates[i].entry);
}

/* Find or add the entry of a key; returns NULL if there is no room. */
static UsageEntry *
find_or_add(const UsageKey *key, TimestampTz now)
{
	UsageEntry *entry = find(key);

	if (entry != NULL)
		return entry;
	if (hash_get_num_entries(table) >= tarx_keys_setting_usage_entries())
		evict(now);
	if (hash_get_num_entries(table) >= tarx_keys_setting_usage_entries())
		return NULL;
	entry = hash_search(table, key, HASH_ENTER_NULL, NULL);
	if (entry != NULL)
	{
		pg_atomic_init_u64(&entry->uses, 0);
		pg_atomic_init_u64(&entry->refused, 0);
		pg_atomic_init_u64(&entry->last_used_at, 0);
		pg_atomic_init_u64(&entry->flushed_at, 0);
	}
	return entry;
}

static void
count_in(UsageEntry *entry, bool allowed, TimestampTz now)
{
	uint64		last;

	if (!allowed)
	{
		pg_atomic_fetch_add_u64(&entry->refused, 1);
		return;
	}
	pg_atomic_fetch_add_u64(&entry->uses, 1);
	/* others may write a later time; an exchange that fails fetches theirs */
	last = pg_atomic_read_u64(&entry->last_used_at);
	while (last < (uint64) now)
	{
		if (!pg_atomic_compare_exchange_u64(&entry->last_used_at, &last, (uint64) now))
			continue;
		/* of all who write, only one finds the time that is written down */
		if (last == pg_atomic_read_u64(&entry->flushed_at))
			tarx_keys_usage_room_unflushed();
		return;
	}
}

/*
 * Count a use of an object, or an attempt that was refused.  project_id is NULL
 * for an object without a project.  This never fails.
 */
void
tarx_keys_usage_count(TarxKeysUsageKind kind, const pg_uuid_t *project_id,
					  const pg_uuid_t *id, bool allowed)
{
	UsageKey	key = make_key(kind, project_id, id);
	TimestampTz now = GetCurrentTimestamp();
	UsageEntry *entry;

	LWLockAcquire(lock, LW_SHARED);
	entry = find(&key);
	if (entry == NULL)
	{
		LWLockRelease(lock);
		LWLockAcquire(lock, LW_EXCLUSIVE);
		entry = find_or_add(&key, now);
	}
	if (entry != NULL)
		count_in(entry, allowed, now);
	else
		tarx_keys_usage_room_uncounted(1);
	LWLockRelease(lock);
}

/* When an object was last used, as this server's memory has it; 0 if that does not know. */
TimestampTz
tarx_keys_usage_last_use(TarxKeysUsageKind kind, const pg_uuid_t *project_id, const pg_uuid_t *id)
{
	UsageKey	key = make_key(kind, project_id, id);
	UsageEntry *entry;
	TimestampTz last;

	LWLockAcquire(lock, LW_SHARED);
	entry = find(&key);
	last = entry == NULL ? 0 : (TimestampTz) pg_atomic_read_u64(&entry->last_used_at);
	LWLockRelease(lock);
	return last;
}

/*
 * For the flush worker
 */

/* Find the databases that have uses to flush, each once, in order. */
Oid *
tarx_keys_usage_unflushed_databases(int *count)
{
	Oid		   *databases = palloc(sizeof(Oid) * tarx_keys_setting_usage_entries());
	HASH_SEQ_STATUS scan;
	UsageEntry *entry;

	*count = 0;
	LWLockAcquire(lock, LW_SHARED);
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (!is_flushed(entry))
			databases[(*count)++] = entry->key.database;
	}
	LWLockRelease(lock);
	qsort(databases, *count, sizeof(Oid), oid_cmp);
	*count = (int) qunique(databases, *count, sizeof(Oid), oid_cmp);
	return databases;
}

/* Copy the uses of this database to flush, at most max; returns how many. */
int
tarx_keys_usage_unflushed(TarxKeysLastUse *uses, int max)
{
	int			count = 0;
	HASH_SEQ_STATUS scan;
	UsageEntry *entry;

	LWLockAcquire(lock, LW_SHARED);
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (count == max)
		{
			hash_seq_term(&scan);
			break;
		}
		if (entry->key.database != MyDatabaseId || is_flushed(entry))
			continue;
		uses[count].kind = entry->key.kind;
		uses[count].project_id = entry->key.project_id;
		uses[count].id = entry->key.id;
		uses[count].last_used_at = (TimestampTz) pg_atomic_read_u64(&entry->last_used_at);
		count++;
	}
	LWLockRelease(lock);
	return count;
}

/*
 * Note that these uses are flushed.  If a key was used again meanwhile, it is
 * flushed again later.  From now on there may be entries to evict.
 */
void
tarx_keys_usage_flushed(const TarxKeysLastUse *uses, int count)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	eviction->failed_at = 0;
	for (int i = 0; i < count; i++)
	{
		UsageKey	key = make_key(uses[i].kind, &uses[i].project_id, &uses[i].id);
		UsageEntry *entry = find(&key);

		if (entry == NULL || is_flushed(entry))
			continue;
		pg_atomic_write_u64(&entry->flushed_at, (uint64) uses[i].last_used_at);
		if (is_flushed(entry))
			tarx_keys_usage_room_flushed();
	}
	LWLockRelease(lock);
}

/*
 * Forget a database: either it is gone or no longer has the extension, or
 * somebody can still ask for its uses, which count as lost then.
 */
void
tarx_keys_usage_forget(Oid database, bool is_loss)
{
	HASH_SEQ_STATUS scan;
	UsageEntry *entry;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database != database)
			continue;
		if (is_loss)
			drop(entry);
		else
			remove_entry(entry);
	}
	LWLockRelease(lock);
}

/*
 * For SQL
 */

/* The name of a kind in SQL */
const char *
tarx_keys_usage_kind_name(TarxKeysUsageKind kind)
{
	return kind_names[kind];
}

static TarxKeysUsageKind
kind_of_name(const char *name)
{
	for (size_t i = 0; i < lengthof(kind_names); i++)
	{
		if (strcmp(kind_names[i], name) == 0)
			return (TarxKeysUsageKind) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("kind"),
			 errmsg("unknown kind of usage"),
			 errhint("A kind is llm_key, secret or platform_key.")));
}

static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/* The elements of argument n, a uuid[] that may be NULL, sorted */
static pg_uuid_t *
arg_sorted_uuids(FunctionCallInfo fcinfo, int n, size_t *count)
{
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	pg_uuid_t  *uuids;

	*count = 0;
	if (PG_ARGISNULL(n))
		return NULL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
					  &elements, &nulls, &nelements);
	uuids = palloc(sizeof(pg_uuid_t) * (nelements + 1));
	for (int i = 0; i < nelements; i++)
	{
		if (!nulls[i])
			uuids[(*count)++] = *DatumGetUUIDP(elements[i]);
	}
	qsort(uuids, *count, sizeof(pg_uuid_t), compare_uuids);
	return uuids;
}

/* Form uses, refused and last_used_at; entry may be NULL. */
static void
form_counts(UsageEntry *entry, Datum *values, bool *nulls)
{
	TimestampTz last = entry == NULL ? 0 : (TimestampTz) pg_atomic_read_u64(&entry->last_used_at);

	values[0] = Int64GetDatum(entry == NULL ? 0 : (int64) pg_atomic_read_u64(&entry->uses));
	values[1] = Int64GetDatum(entry == NULL ? 0 : (int64) pg_atomic_read_u64(&entry->refused));
	values[2] = TimestampTzGetDatum(last);
	nulls[0] = nulls[1] = false;
	nulls[2] = last == 0;
}

static void
put_row(ReturnSetInfo *rsinfo, UsageEntry *entry)
{
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = UUIDPGetDatum(&entry->key.project_id);
	values[1] = UUIDPGetDatum(&entry->key.id);
	form_counts(entry, &values[2], &nulls[2]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* usage_in_memory(kind text, project_ids uuid[]): see sql/45_usage.sql */
Datum
tarx_keys_usage_in_memory(PG_FUNCTION_ARGS)
{
	TarxKeysUsageKind kind = kind_of_name(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "kind")));
	size_t		nprojects;
	pg_uuid_t  *project_ids = arg_sorted_uuids(fcinfo, 1, &nprojects);
	HASH_SEQ_STATUS scan;
	UsageEntry *entry;

	InitMaterializedSRF(fcinfo, 0);
	LWLockAcquire(lock, LW_SHARED);
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database == MyDatabaseId && entry->key.kind == kind && nprojects > 0 &&
			bsearch(&entry->key.project_id, project_ids, nprojects, sizeof(pg_uuid_t),
					compare_uuids) != NULL)
			put_row((ReturnSetInfo *) fcinfo->resultinfo, entry);
	}
	LWLockRelease(lock);
	return (Datum) 0;
}

/* usage_of(kind text, project_id uuid, id uuid) returns a row: see sql/45_usage.sql */
Datum
tarx_keys_usage_of(PG_FUNCTION_ARGS)
{
	UsageKey	key = make_key(kind_of_name(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "kind"))),
							   tarx_keys_arg_uuid(fcinfo, 1, "project_id"),
							   tarx_keys_arg_uuid(fcinfo, 2, "id"));
	Datum		values[3];
	bool		nulls[3];
	TupleDesc	desc;

	LWLockAcquire(lock, LW_SHARED);
	form_counts(find(&key), values, nulls);
	LWLockRelease(lock);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
