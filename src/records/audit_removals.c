/*
 * audit_removals.c
 *	  The audit log for calls that only take away.
 *
 * Who takes something away must never be kept from it by the log: not by chains
 * that somebody has broken or whose master key is missing, nor by others that
 * hold their lanes.  So what can fail or wait is tried in a subtransaction, where
 * it waits for a short time only.  If it fails, a line in the server log takes
 * the place of the row, and one in unlogged_removals, so that project_version() rises.
 *
 * What is cancelled is not tried any further: then the whole call is.  Nor is what
 * cannot be serialized: a transaction that goes on in spite of that could commit.
 * And want of memory, disk or room for locks is no fault of the log: without these the
 * removal itself, which needs a lock for its transaction at least, fails as well.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/resowner.h"

#include "identity/identity.h"
#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_record_removal);

/* As long as anybody waits for a lock of the log, in milliseconds */
#define LONGEST_WAIT	2000

/* Rows that are to be appended */
typedef struct Removals
{
	const TarxKeysChain *chain;
	const char *action;
	const TarxKeysAuditObject *objects;
	int			count;
} Removals;

/*
 * Trying
 */

/* Until the subtransaction ends; somebody who set a shorter time knows why. */
static void
wait_no_longer(int longest_wait)
{
	char		milliseconds[12];

	if (LockTimeout != 0 && LockTimeout <= longest_wait)
		return;
	pg_ltoa(longest_wait, milliseconds);
	(void) set_config_option("lock_timeout", milliseconds, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Does the error end the whole call, whatever was tried? */
static bool
ends_call(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		case ERRCODE_TRANSACTION_ROLLBACK:
			/* a lock that cannot be had */
			return sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED;
		default:
			return false;
	}
}

/* Take back what was tried; returns the error's SQLSTATE. */
static int
take_back(MemoryContext context, ResourceOwner owner)
{
	ErrorData  *error;
	int			sqlerrcode;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	sqlerrcode = error->sqlerrcode;
	if (ends_call(sqlerrcode))
		ReThrowError(error);
	FreeErrorData(error);
	return sqlerrcode;
}

/*
 * Run something, or nothing of it, and wait for each lock so many milliseconds at
 * most; returns the SQLSTATE, 0 if all went well.
 */
int
tarx_keys_audit_attempt(void (*run) (void *arg), void *arg, int longest_wait)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int sqlerrcode = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		int			level = NewGUCNestLevel();

		wait_no_longer(longest_wait);
		run(arg);
		AtEOXact_GUC(true, level);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		sqlerrcode = take_back(context, owner);
	}
	PG_END_TRY();
	return sqlerrcode;
}

static int
attempt(void (*run) (void *arg), void *arg)
{
	return tarx_keys_audit_attempt(run, arg, LONGEST_WAIT);
}

/*
 * Lanes
 */

static void
lock_lane(void *arg)
{
	(void) tarx_keys_audit_lock_lane(arg);
}

static void
take_any_lane(void *arg)
{
	if (!tarx_keys_audit_try_lane(arg))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("all lanes of the audit log are taken")));
}

static void
lock_generation(void *arg)
{
	tarx_keys_audit_lock_generation(arg);
}

/*
 * tarx_keys_audit_lock_lane() for a call that only takes away: if there is no
 * lane for it, it goes on without one.
 */
void
tarx_keys_audit_lock_lane_to_remove(const TarxKeysChain *chain)
{
	void	   *arg = unconstify(TarxKeysChain *, chain);

	PreventCommandIfReadOnly("DELETE");
	/* the one that we have waited for is not the only one */
	if (attempt(lock_lane, arg) != 0 && attempt(take_any_lane, arg) != 0)
		tarx_keys_audit_do_without_lane();
}

/*
 * The same for who takes away all: nobody else changes anything of the chain from
 * then on.  Returns false if others hold it.
 */
bool
tarx_keys_audit_lock_to_end(const TarxKeysChain *chain)
{
	bool		alone;

	PreventCommandIfReadOnly("DELETE");
	alone = attempt(lock_generation, unconstify(TarxKeysChain *, chain)) == 0;
	tarx_keys_audit_lock_lane_to_remove(chain);
	return alone;
}

/*
 * Rows
 */

static void
append(void *arg)
{
	const Removals *removals = arg;

	tarx_keys_queries_begin();
	tarx_keys_audit_objects(removals->chain, removals->action, removals->objects, removals->count);
	tarx_keys_queries_end();
}

/* A row of its own for each, so that nobody waits for a row of somebody else. */
static void
note_unlogged(void *arg)
{
	const Removals *removals = arg;

	tarx_keys_queries_begin();
	for (int i = 0; i < removals->count; i++)
	{
		TarxKeysRow row;

		tarx_keys_row_clear(&row);
		tarx_keys_row_set(&row, UNLOGGED_REMOVAL_PROJECT_ID, UUIDPGetDatum(&removals->chain->id));
		tarx_keys_row_set(&row, UNLOGGED_REMOVAL_ID, DirectFunctionCall1(gen_random_uuid, (Datum) 0));
		(void) tarx_keys_table_insert(&tarx_keys_unlogged_removals, &row);
	}
	tarx_keys_queries_end();
}

static void
log_line(const Removals *removals, const TarxKeysAuditObject *object, int sqlerrcode)
{
	tarx_keys_log_unlogged(removals->action,
						   removals->chain->personal ? NULL : &removals->chain->id, object->id,
						   unpack_sql_state(sqlerrcode));
}

/*
 * tarx_keys_audit_objects() for what was taken away: in the server log, if the
 * chain cannot be extended.  It opens an SPI connection itself.
 */
void
tarx_keys_audit_removals(const TarxKeysChain *chain, const char *action,
						 const TarxKeysAuditObject *objects, int count)
{
	Removals	removals = {chain, action, objects, count};
	int			sqlerrcode;

	/* that these are missing is no fault of the log */
	tarx_keys_check_audit_action(action);
	(void) tarx_keys_acting_user();
	sqlerrcode = attempt(append, &removals);
	if (sqlerrcode == 0)
		return;
	for (int i = 0; i < count; i++)
		log_line(&removals, &objects[i], sqlerrcode);
	/* personal rows are about no project */
	if (!chain->personal)
		(void) attempt(note_unlogged, &removals);
}

/* The same for one object */
void
tarx_keys_audit_removal(const TarxKeysChain *chain, const char *action,
						const pg_uuid_t *object_id, text *object_name, int32 revision)
{
	TarxKeysAuditObject object = {object_id, object_name, revision};

	tarx_keys_audit_removals(chain, action, &object, 1);
}

void
tarx_keys_audit_project_removal(const pg_uuid_t *project_id, const char *action,
								const pg_uuid_t *object_id, text *object_name, int32 revision)
{
	TarxKeysChain chain = tarx_keys_project_chain(project_id);

	tarx_keys_audit_removal(&chain, action, object_id, object_name, revision);
}

/* record_removal(project_id uuid, action text, object_id uuid, object_name text, revision integer) */
Datum
tarx_keys_record_removal(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	char	   *action = text_to_cstring(tarx_keys_arg_text(fcinfo, 1, "action"));

	tarx_keys_audit_project_removal(project_id, action,
									PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2),
									PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3),
									PG_ARGISNULL(4) ? TARX_KEYS_NO_REVISION : PG_GETARG_INT32(4));
	PG_RETURN_VOID();
}
