/*
 * audit_removals.c
 *	  The audit log for calls that only take away.
 *
 * Who takes something away must never be kept from it by the log: not by chains
 * that somebody has broken or whose master key is missing, nor by others that
 * hold their lanes.  So what can fail or wait is tried in a subtransaction, where
 * it waits for a short time only.  If it fails, a line in the server log takes
 * the place of the row.
 *
 * What is cancelled is not tried any further: then the whole call is.
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

/* A row that is to be appended */
typedef struct Removal
{
	const TarxKeysChain *chain;
	const char *action;
	const pg_uuid_t *object_id;
	text	   *object_name;
} Removal;

/*
 * Trying
 */

/* Until the subtransaction ends; somebody who set a shorter time knows why. */
static void
wait_no_longer(void)
{
	if (LockTimeout == 0 || LockTimeout > LONGEST_WAIT)
		(void) set_config_option("lock_timeout", CppAsString2(LONGEST_WAIT), PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
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
	if (ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	FreeErrorData(error);
	return sqlerrcode;
}

/* Run something, or nothing of it; returns the SQLSTATE, 0 if all went well. */
static int
attempt(void (*run) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int sqlerrcode = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		int			level = NewGUCNestLevel();

		wait_no_longer();
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
 * Rows
 */

static void
append(void *arg)
{
	const Removal *removal = arg;

	tarx_keys_queries_begin();
	tarx_keys_audit(removal->chain, removal->action, removal->object_id, removal->object_name);
	tarx_keys_queries_end();
}

/* What has a name and no id is logged under a hash of the name. */
static void
log_line(const Removal *removal, int sqlerrcode)
{
	pg_uuid_t	hash;
	const pg_uuid_t *object_id = removal->object_id;
	text	   *name = removal->object_name;

	if (object_id == NULL && name != NULL)
	{
		tarx_keys_usage_name_id(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), hash.data);
		object_id = &hash;
	}
	tarx_keys_log_event("manage", TARX_KEYS_UNLOGGED,
						removal->chain->personal ? NULL : &removal->chain->id, object_id,
						unpack_sql_state(sqlerrcode), tarx_keys_log_role_name(GetOuterUserId()));
}

/*
 * tarx_keys_audit() for what was taken away: in the server log, if the chain
 * cannot be extended.  It opens an SPI connection itself.
 */
void
tarx_keys_audit_removal(const TarxKeysChain *chain, const char *action,
						const pg_uuid_t *object_id, text *object_name)
{
	Removal		removal = {chain, action, object_id, object_name};
	int			sqlerrcode;

	/* that these are missing is no fault of the log */
	tarx_keys_check_audit_action(action);
	(void) tarx_keys_acting_user();
	sqlerrcode = attempt(append, &removal);
	if (sqlerrcode != 0)
		log_line(&removal, sqlerrcode);
}

void
tarx_keys_audit_project_removal(const pg_uuid_t *project_id, const char *action,
								const pg_uuid_t *object_id, text *object_name)
{
	TarxKeysChain chain = tarx_keys_project_chain(project_id);

	tarx_keys_audit_removal(&chain, action, object_id, object_name);
}

/* record_removal(project_id uuid, action text, object_id uuid, object_name text) */
Datum
tarx_keys_record_removal(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	char	   *action = text_to_cstring(tarx_keys_arg_text(fcinfo, 1, "action"));

	tarx_keys_audit_project_removal(project_id, action,
									PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2),
									PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3));
	PG_RETURN_VOID();
}
