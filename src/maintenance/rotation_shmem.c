/*
 * rotation_shmem.c
 *	  What the sessions of a rotation know of each other, in shared memory.
 *
 * Each takes the next range of blocks of a table, so that they do not meet, and adds
 * up what it has done, for rotation_progress.  Nothing depends on that: at the end
 * each session looks itself whether a row was left out, for instance because a session
 * was cancelled with a range that it had taken.
 *
 * A rotation is to one master key.  Where another one has become the active one since
 * it began, who comes now begins a rotation of its own.
 *
 * A session takes part until it leaves, its transaction aborts, or it ends.  After
 * a crash this memory is empty, and the rotation starts over.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "maintenance/maintenance.h"
#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_join_rotation);
PG_FUNCTION_INFO_V1(tarx_keys_leave_rotation);
PG_FUNCTION_INFO_V1(tarx_keys_running_rotation);

/* Where there is no more room, a session works as if it were alone. */
#define DATABASES	16
#define PARTS		64
#define TABLES		16

/* A session takes so many blocks at once. */
#define RANGE		128

typedef struct Part
{
	Oid			relid;
	BlockNumber next;			/* nobody has taken this one yet */
	BlockNumber end;			/* as it was when the first session came here */
} Part;

typedef struct Rotation
{
	Oid			database;
	uint8		active[TARX_KEYS_FINGERPRINT_BYTES];	/* the master key that
														 * it seals with */
	int			sessions;		/* 0 if this place is free */
	int			nparts;
	Part		parts[PARTS];
	int64		total[TABLES];	/* sealed rows, when it began */
	int64		due[TABLES];	/* of these, rows that needed another key */
	int64		resealed[TABLES];
} Rotation;

static Rotation *rotations = NULL;
static LWLock *lock = NULL;

/* That of this session; NULL unless it takes part */
static Rotation *mine = NULL;

Size
tarx_keys_rotation_shmem_size(void)
{
	return mul_size(DATABASES, sizeof(Rotation));
}

void
tarx_keys_rotation_shmem_startup(LWLock *rotation_lock)
{
	bool		found;

	lock = rotation_lock;
	rotations = ShmemInitStruct("tarx_keys rotations", tarx_keys_rotation_shmem_size(), &found);
	if (!found)
		memset(rotations, 0, tarx_keys_rotation_shmem_size());
}

/* The rotation of this database to this master key, or NULL.  The caller has the lock. */
static Rotation *
running_rotation(const uint8 active[TARX_KEYS_FINGERPRINT_BYTES])
{
	for (int i = 0; i < DATABASES; i++)
	{
		if (rotations[i].sessions > 0 && rotations[i].database == MyDatabaseId &&
			memcmp(rotations[i].active, active, TARX_KEYS_FINGERPRINT_BYTES) == 0)
			return &rotations[i];
	}
	return NULL;
}

static Rotation *
free_rotation(void)
{
	for (int i = 0; i < DATABASES; i++)
	{
		if (rotations[i].sessions == 0)
			return &rotations[i];
	}
	return NULL;
}

/*
 * Taking part
 */

static void
leave(void)
{
	if (mine == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	mine->sessions--;
	LWLockRelease(lock);
	mine = NULL;
}

static void
leave_at_abort(XactEvent event, void *arg pg_attribute_unused())
{
	if (event == XACT_EVENT_ABORT)
		leave();
}

static void
leave_at_exit(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	leave();
}

static void
watch_for_the_end(void)
{
	static bool is_watching = false;

	if (is_watching)
		return;
	RegisterXactCallback(leave_at_abort, NULL);
	before_shmem_exit(leave_at_exit, (Datum) 0);
	is_watching = true;
}

/* The numbers of an argument, one for each table */
static void
read_counts(FunctionCallInfo fcinfo, int n, const char *name, int64 counts[TABLES])
{
	ArrayType  *array;
	Datum	   *elements;
	int			count;

	tarx_keys_require_arg(fcinfo, n, name);
	array = PG_GETARG_ARRAYTYPE_P(n);
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, NULL, &count);
	if (count > TABLES)
		elog(ERROR, "there are more than %d tables", TABLES);
	for (int i = 0; i < count; i++)
		counts[i] = DatumGetInt64(elements[i]);
}

/*
 * join_rotation(total bigint[], due bigint[]): the first session says what there is
 * to do
 */
Datum
tarx_keys_join_rotation(PG_FUNCTION_ARGS)
{
	Rotation	fresh = {.database = MyDatabaseId};

	read_counts(fcinfo, 0, "total", fresh.total);
	read_counts(fcinfo, 1, "due", fresh.due);
	tarx_keys_page_active_fingerprint(fresh.active);
	leave();
	watch_for_the_end();
	LWLockAcquire(lock, LW_EXCLUSIVE);
	mine = running_rotation(fresh.active);
	if (mine == NULL && (mine = free_rotation()) != NULL)
		*mine = fresh;
	if (mine != NULL)
		mine->sessions++;
	LWLockRelease(lock);
	PG_RETURN_VOID();
}

/* leave_rotation() */
Datum
tarx_keys_leave_rotation(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	leave();
	PG_RETURN_VOID();
}

/*
 * Ranges of blocks, which begin at multiples of RANGE
 */

/* The part in the rotation that we take part in, or NULL.  The caller has the lock. */
static Part *
shared_part(Oid relid, BlockNumber nblocks)
{
	for (int i = 0; mine != NULL && i < mine->nparts; i++)
	{
		if (mine->parts[i].relid == relid)
			return &mine->parts[i];
	}
	if (mine == NULL || mine->nparts == PARTS)
		return NULL;
	mine->parts[mine->nparts] = (Part) {.relid = relid, .end = nblocks};
	return &mine->parts[mine->nparts++];
}

static TarxKeysBlockRange
range_with(BlockNumber block, BlockNumber nblocks)
{
	TarxKeysBlockRange range = {.first = block / RANGE * RANGE};

	range.end = Min(range.first + RANGE, nblocks);
	return range;
}

/* The range that has a block, which this session has taken */
TarxKeysBlockRange
tarx_keys_rotation_range(Oid part, BlockNumber nblocks, BlockNumber block)
{
	const Part *shared;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	shared = shared_part(part, nblocks);
	if (shared != NULL)
		nblocks = shared->end;
	LWLockRelease(lock);
	return range_with(block, nblocks);
}

/*
 * Take the next range of a part; if we are alone, that is the one behind the last, or
 * the first one if that is NULL.  Returns false if there is none left.
 */
bool
tarx_keys_rotation_claim(Oid part, BlockNumber nblocks, const TarxKeysBlockRange *last,
						 TarxKeysBlockRange *next)
{
	BlockNumber first = last != NULL ? last->end : 0;
	Part	   *shared;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	shared = shared_part(part, nblocks);
	if (shared != NULL)
	{
		first = shared->next;
		nblocks = shared->end;
		shared->next = range_with(first, nblocks).end;
	}
	LWLockRelease(lock);
	*next = range_with(first, nblocks);
	return first < nblocks;
}

/*
 * Progress
 */

/* Rows of a table, by its place among the sealed ones, were sealed again. */
void
tarx_keys_rotation_note(int table, int64 resealed)
{
	if (mine == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	mine->resealed[table] += resealed;
	LWLockRelease(lock);
}

/* running_rotation() returns rows: see sql/77_rotation.sql */
Datum
tarx_keys_running_rotation(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const Rotation *running;
	Rotation	rotation;
	uint8		active[TARX_KEYS_FINGERPRINT_BYTES];

	tarx_keys_page_active_fingerprint(active);
	InitMaterializedSRF(fcinfo, 0);
	LWLockAcquire(lock, LW_SHARED);
	running = running_rotation(active);
	if (running != NULL)
		rotation = *running;
	LWLockRelease(lock);
	for (int i = 0; running != NULL && tarx_keys_sealed_tables[i]->seal != TARX_KEYS_CHAIN; i++)
	{
		/* others add and delete rows meanwhile */
		int64		left = Max(rotation.due[i] - rotation.resealed[i], 0);
		Datum		values[3] = {Int32GetDatum(i + 1), Int64GetDatum(rotation.total[i]), Int64GetDatum(left)};
		bool		nulls[3] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
