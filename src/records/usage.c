/*
 * usage.c
 *	  Counts in shared memory how often each key is used, and refused.
 *
 * Counting writes to no table, so it works on a hot standby, and a ROLLBACK does
 * not undo it.  It never fails.
 *
 * The table in shared memory has a fixed number of entries: see usage_table.c.  If
 * none is left for a key, the event is not counted.  When a key loses its entry to
 * another one, and when the server restarts, its counters begin anew.  Its
 * last_used_at does not, because the flush worker writes it down, in time:
 * usage_room.c wakes it, and knows what was lost all the same.
 *
 * Callers count only uses of objects that exist or existed, so that nobody can
 * fill the table with guessed ids.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_usage_in_memory);
PG_FUNCTION_INFO_V1(tarx_keys_usage_of);

static const char *const kind_names[] = {
	[TARX_KEYS_USAGE_LLM_KEY] = "llm_key",
	[TARX_KEYS_USAGE_SECRET] = "secret",
	[TARX_KEYS_USAGE_PLATFORM_KEY] = "platform_key",
};

/* The shared memory that the counters need, in bytes */
Size
tarx_keys_usage_shmem_size(void)
{
	return add_size(tarx_keys_usage_table_shmem_size(), tarx_keys_usage_room_shmem_size());
}

/* Make the table, or find the one that is there. */
void
tarx_keys_usage_shmem_startup(LWLockPadded *partition_locks)
{
	tarx_keys_usage_table_shmem_startup(partition_locks);
	tarx_keys_usage_room_shmem_startup();
}

static TarxKeysUsageKey
make_key(TarxKeysUsageKind kind, const pg_uuid_t *project_id, const pg_uuid_t *id)
{
	TarxKeysUsageKey key = {.database = MyDatabaseId, .kind = kind, .id = *id};

	if (project_id != NULL)
		key.project_id = *project_id;
	return key;
}

static void
count_in(TarxKeysUsageEntry *entry, bool allowed, TimestampTz now)
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
	TarxKeysUsageKey key = make_key(kind, project_id, id);
	TimestampTz now = GetCurrentTimestamp();
	TarxKeysUsageEntry *entry = tarx_keys_usage_find(&key, LW_SHARED);

	if (entry == NULL)
		entry = tarx_keys_usage_find_or_add(&key);
	if (entry == NULL)
	{
		tarx_keys_usage_room_uncounted(1);
		return;
	}
	count_in(entry, allowed, now);
	tarx_keys_usage_unlock(entry);
}

/* When an object was last used, as this server's memory has it; 0 if that does not know. */
TimestampTz
tarx_keys_usage_last_use(TarxKeysUsageKind kind, const pg_uuid_t *project_id, const pg_uuid_t *id)
{
	TarxKeysUsageKey key = make_key(kind, project_id, id);
	TarxKeysUsageEntry *entry = tarx_keys_usage_find(&key, LW_SHARED);
	TimestampTz last;

	if (entry == NULL)
		return 0;
	last = (TimestampTz) pg_atomic_read_u64(&entry->last_used_at);
	tarx_keys_usage_unlock(entry);
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
	TarxKeysUsageEntry *entry;
	uint32		place = 0;

	*count = 0;
	while ((entry = tarx_keys_usage_next(&place, false, LW_SHARED)) != NULL)
	{
		databases[(*count)++] = entry->key.database;
		tarx_keys_usage_unlock(entry);
	}
	qsort(databases, *count, sizeof(Oid), oid_cmp);
	*count = (int) qunique(databases, *count, sizeof(Oid), oid_cmp);
	return databases;
}

/*
 * Copy uses of this database that are to be flushed, at most max; returns how many.
 * It looks from *place on, which is 0 at first, and sets that to where the next call
 * is to go on.
 */
int
tarx_keys_usage_unflushed(TarxKeysLastUse *uses, int max, uint32 *place)
{
	int			count = 0;
	TarxKeysUsageEntry *entry;

	while (count < max && (entry = tarx_keys_usage_next(place, false, LW_SHARED)) != NULL)
	{
		if (entry->key.database == MyDatabaseId)
		{
			uses[count].kind = entry->key.kind;
			uses[count].project_id = entry->key.project_id;
			uses[count].id = entry->key.id;
			uses[count].last_used_at = (TimestampTz) pg_atomic_read_u64(&entry->last_used_at);
			count++;
		}
		tarx_keys_usage_unlock(entry);
	}
	return count;
}

/* This must have the entry for itself: see count_in(). */
static void
note_flush(TarxKeysUsageEntry *entry, TimestampTz last_used_at)
{
	if (tarx_keys_usage_is_flushed(entry))
		return;
	pg_atomic_write_u64(&entry->flushed_at, (uint64) last_used_at);
	if (tarx_keys_usage_is_flushed(entry))
		tarx_keys_usage_room_flushed();
}

/*
 * Note that these uses are flushed.  If a key was used again meanwhile, it is
 * flushed again later.  From now on there may be entries to evict.
 */
void
tarx_keys_usage_flushed(const TarxKeysLastUse *uses, int count)
{
	for (int i = 0; i < count; i++)
	{
		TarxKeysUsageKey key = make_key(uses[i].kind, &uses[i].project_id, &uses[i].id);
		TarxKeysUsageEntry *entry = tarx_keys_usage_find(&key, LW_EXCLUSIVE);

		if (entry == NULL)
			continue;
		note_flush(entry, uses[i].last_used_at);
		tarx_keys_usage_unlock(entry);
	}
}

/*
 * Forget a database: either it is gone or no longer has the extension, or
 * somebody can still ask for its uses, which count as lost then.
 */
void
tarx_keys_usage_forget(Oid database, bool is_loss)
{
	TarxKeysUsageEntry *entry;
	uint32		place = 0;

	while ((entry = tarx_keys_usage_next(&place, true, LW_EXCLUSIVE)) != NULL)
	{
		if (entry->key.database == database)
			tarx_keys_usage_remove(entry, is_loss);
		else
			tarx_keys_usage_unlock(entry);
	}
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
form_counts(TarxKeysUsageEntry *entry, Datum *values, bool *nulls)
{
	TimestampTz last = entry == NULL ? 0 : (TimestampTz) pg_atomic_read_u64(&entry->last_used_at);

	values[0] = Int64GetDatum(entry == NULL ? 0 : (int64) pg_atomic_read_u64(&entry->uses));
	values[1] = Int64GetDatum(entry == NULL ? 0 : (int64) pg_atomic_read_u64(&entry->refused));
	values[2] = TimestampTzGetDatum(last);
	nulls[0] = nulls[1] = false;
	nulls[2] = last == 0;
}

/* Put the row of an entry, which is locked, and unlock it. */
static void
put_row(ReturnSetInfo *rsinfo, TarxKeysUsageEntry *entry)
{
	pg_uuid_t	project_id = entry->key.project_id;
	pg_uuid_t	id = entry->key.id;
	Datum		values[5];
	bool		nulls[5] = {false};

	form_counts(entry, &values[2], &nulls[2]);
	tarx_keys_usage_unlock(entry);
	values[0] = UUIDPGetDatum(&project_id);
	values[1] = UUIDPGetDatum(&id);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* usage_in_memory(kind text, project_ids uuid[]): see sql/45_usage.sql */
Datum
tarx_keys_usage_in_memory(PG_FUNCTION_ARGS)
{
	TarxKeysUsageKind kind = kind_of_name(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "kind")));
	size_t		nprojects;
	pg_uuid_t  *project_ids = arg_sorted_uuids(fcinfo, 1, &nprojects);
	TarxKeysUsageEntry *entry;
	uint32		place = 0;

	InitMaterializedSRF(fcinfo, 0);
	while ((entry = tarx_keys_usage_next(&place, true, LW_SHARED)) != NULL)
	{
		if (entry->key.database == MyDatabaseId && entry->key.kind == kind && nprojects > 0 &&
			bsearch(&entry->key.project_id, project_ids, nprojects, sizeof(pg_uuid_t),
					compare_uuids) != NULL)
			put_row((ReturnSetInfo *) fcinfo->resultinfo, entry);
		else
			tarx_keys_usage_unlock(entry);
	}
	return (Datum) 0;
}

/* usage_of(kind text, project_id uuid, id uuid) returns a row: see sql/45_usage.sql */
Datum
tarx_keys_usage_of(PG_FUNCTION_ARGS)
{
	TarxKeysUsageKey key = make_key(kind_of_name(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "kind"))),
									tarx_keys_arg_uuid(fcinfo, 1, "project_id"),
									tarx_keys_arg_uuid(fcinfo, 2, "id"));
	TarxKeysUsageEntry *entry = tarx_keys_usage_find(&key, LW_SHARED);
	Datum		values[3];
	bool		nulls[3];
	TupleDesc	desc;

	form_counts(entry, values, nulls);
	if (entry != NULL)
		tarx_keys_usage_unlock(entry);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
