/*
 * call.c
 *	  The one way into every call: enter the project, run the call, record the
 *	  outcome.
 *
 * A call that changes a project enters it first.  This checks the acting user's
 * role and locks a lane of the audit log.  The lane must be locked before any
 * row is: a call that waits for a lane and has rows locked could be part of a
 * deadlock.  Rights may end while it waits, so they are checked again then.  A call
 * that only takes away does without a lane, if there is none for it: see
 * records/audit_removals.c.
 *
 * A call that resolves or logs in is logged and counted, whether it succeeds or
 * not.  A change that succeeds is in the audit log.  One that is refused rolls
 * back, and its rows in the audit log with it, so it gets a line in the server
 * log instead.
 */
#include "postgres.h"
#include "base/compat.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_enter_as_member);
PG_FUNCTION_INFO_V1(tarx_keys_enter_as_admin);
PG_FUNCTION_INFO_V1(tarx_keys_enter_to_remove_sql);
PG_FUNCTION_INFO_V1(tarx_keys_enter_new_project);

/* Who may enter, and what for */
typedef struct Entry
{
	TarxKeysRole least;
	bool		to_remove;		/* the call only takes away */
} Entry;

/* Say which object the call is about, and whether that exists or existed. */
void
tarx_keys_call_object(TarxKeysCall *call, const pg_uuid_t *id, bool exists)
{
	call->object = *id;
	call->has_object = true;
	call->object_exists = exists;
}

/*
 * Recording the outcome
 */

/*
 * Is the error a refusal?  A cancelled query is not, nor is a lack of memory.  A
 * change is refused only because of who acts, by a run ticket that does not count, or
 * by a membership that somebody has changed: its other errors are about its arguments.
 */
static bool
is_refusal(const TarxKeysCall *call, int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		return true;
	if (call->is_change)
		return sqlerrcode == ERRCODE_TK_NO_ACTING_USER || sqlerrcode == ERRCODE_TK_LOGIN_FAILED ||
			sqlerrcode == ERRCODE_TK_INTEGRITY || sqlerrcode == ERRCODE_TK_RUN_TICKET ||
			sqlerrcode == ERRCODE_TK_RUN_EXPIRED;
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TK_CLASS;
}

/* A use of a platform key is counted without the call's project: the key belongs to none. */
static void
count(const TarxKeysCall *call, const pg_uuid_t *id, bool allowed)
{
	tarx_keys_usage_count(call->kind,
						  call->kind == TARX_KEYS_USAGE_PLATFORM_KEY ? NULL : call->project_id,
						  id, allowed);
}

/* This runs while an error is handled, so it must not look anything up in a catalog. */
static void
note_refused(const TarxKeysCall *call, int sqlerrcode)
{
	TarxKeysLogLine line = {
		.event = call->event,
		.outcome = TARX_KEYS_REFUSED,
		.project_id = call->project_id,
		.object_id = call->has_object ? &call->object : NULL,
		.sqlstate = unpack_sql_state(sqlerrcode),
		.role = call->role,
		.reason = call->reason
	};

	if (!is_refusal(call, sqlerrcode))
		return;
	tarx_keys_count_refusal(sqlerrcode);
	if (call->is_login)
	{
		tarx_keys_count(TARX_KEYS_COUNT_REFUSED_LOGINS);
		tarx_keys_log_refused_login(&line, call->has_object || call->is_authentic);
	}
	else
		tarx_keys_log_line(&line);
	if (call->object_exists && !call->is_change)
		count(call, &call->object, false);
}

/* Log and count an object that the call leaves out, and goes on without. */
void
tarx_keys_call_leaves_out(const TarxKeysCall *call, const pg_uuid_t *id, int sqlerrcode)
{
	tarx_keys_log_event(call->event, TARX_KEYS_REFUSED, call->project_id, id,
						unpack_sql_state(sqlerrcode), call->role);
	tarx_keys_count_refusal(sqlerrcode);
	count(call, id, false);
}

static void
note_object(const TarxKeysCall *call, const pg_uuid_t *id)
{
	tarx_keys_log_event(call->event, TARX_KEYS_ALLOWED, call->project_id, id, NULL, call->role);
	count(call, id, true);
}

static void
note_allowed(const TarxKeysCall *call)
{
	if (call->is_change)
		return;
	tarx_keys_count(call->is_login ? TARX_KEYS_COUNT_LOGINS : TARX_KEYS_COUNT_RESOLVES);
	if (call->objects == NULL && call->has_object)
		note_object(call, &call->object);
	/* a token is no object */
	if (call->is_login && !call->has_object)
		tarx_keys_log_event(call->event, TARX_KEYS_ALLOWED, call->project_id, NULL, NULL, call->role);
	for (uint64 i = 0; i < call->nobjects; i++)
		note_object(call, &call->objects[i]);
}

/*
 * Who makes the call.  SQL functions that change something are SECURITY DEFINER.  So
 * the caller is not known any more, but what SET ROLE has chosen is.
 */
static Oid
caller(const TarxKeysCall *call)
{
	return call->is_change ? GetOuterUserId() : GetUserId();
}

static void
run_as(TarxKeysCall *call, void (*run) (TarxKeysCall *call, void *arg), void *arg)
{
	TarxKeysAsOwner as_owner;

	if (!OidIsValid(call->owner))
	{
		run(call, arg);
		return;
	}
	tarx_keys_begin_as_owner(&as_owner, call->owner);
	run(call, arg);
	tarx_keys_end_as_owner(&as_owner);
}

/* Run a call; log and count it, whether it succeeds or not. */
void
tarx_keys_run_call(TarxKeysCall *call, void (*run) (TarxKeysCall *call, void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;

	call->role = tarx_keys_log_role_name(caller(call));
	PG_TRY();
	{
		if (call->resolves != NULL)
			call->run = tarx_keys_run_of_call(call);
		run_as(call, run, arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		note_refused(call, geterrcode());
		PG_RE_THROW();
	}
	PG_END_TRY();
	note_allowed(call);
}

/*
 * Entering
 */

/* For calls that change something: who acts may do so by now. */
static void
require_manager(void)
{
	tarx_keys_require_manager();
	tarx_keys_check_login();
}

static void
require_role(const pg_uuid_t *project_id, const char *user_id, const Entry *entry)
{
	TarxKeysRole role = entry->to_remove ? tarx_keys_stated_role_of(project_id, user_id) :
	tarx_keys_role_of(project_id, user_id);

	if (role == TARX_KEYS_ROLE_NONE)
		tarx_keys_deny_project(project_id);
	if (role < entry->least)
		tarx_keys_deny_lesser_role(project_id, entry->least);
}

/*
 * Enter a project that is about to be created.  Any acting user may, but where the
 * application says who is a member of which project.
 */
static void
enter_new_project(const pg_uuid_t *project_id)
{
	require_manager();
	if (!tarx_keys_identity_admits(project_id))
		tarx_keys_deny_project(project_id);
	/* who made it a project there is the one who makes it one here */
	if (tarx_keys_members_are_elsewhere())
		require_role(project_id, tarx_keys_acting_user(), &(Entry) {TARX_KEYS_ROLE_ADMIN, false});
	tarx_keys_enter_project(project_id);
}

static void
lock_lane(const TarxKeysChain *chain, bool to_remove)
{
	if (to_remove)
		tarx_keys_audit_lock_lane_to_remove(chain);
	else
		(void) tarx_keys_audit_lock_lane(chain);
}

/* The acting user may change what this role may, by now. */
static void
check_entry(const pg_uuid_t *project_id, const Entry *entry)
{
	char	   *user_id = tarx_keys_acting_user();

	require_manager();
	tarx_keys_check_project(project_id);
	if (!tarx_keys_identity_admits(project_id))
		tarx_keys_deny_project(project_id);
	require_role(project_id, user_id, entry);
}

/*
 * For a call that writes nothing: TK007, TK010 or 42501 unless the acting user may
 * change what this role may in the project.  As the owner.
 */
void
tarx_keys_require_role(const pg_uuid_t *project_id, TarxKeysRole least)
{
	check_entry(project_id, &(Entry) {least, false});
}

static void
enter_with_role(const pg_uuid_t *project_id, const Entry *entry)
{
	char	   *user_id = tarx_keys_acting_user();
	TarxKeysChain chain = tarx_keys_project_chain(project_id);

	/* nobody else takes lanes of the project */
	check_entry(project_id, entry);
	tarx_keys_enter_project(project_id);
	if (tarx_keys_members_are_elsewhere())
		tarx_keys_require_created_project(project_id);
	lock_lane(&chain, entry->to_remove);
	tarx_keys_check_login();
	require_role(project_id, user_id, entry);
}

static void
enter(TarxKeysCall *call, void *arg)
{
	const Entry *entry = arg;

	if (entry->least == TARX_KEYS_ROLE_NONE)
		enter_new_project(call->project_id);
	else
		enter_with_role(call->project_id, entry);
}

static void
run_enter(const pg_uuid_t *project_id, Entry entry)
{
	TarxKeysCall call = {.event = "manage", .is_change = true, .project_id = project_id};

	tarx_keys_run_call(&call, enter, &entry);
}

/*
 * Enter a project to change something.  The acting user must have at least this
 * role in it; with TARX_KEYS_ROLE_NONE the project is about to be created.  It
 * is the active project until the calling SQL function returns.
 */
void
tarx_keys_enter_as(const pg_uuid_t *project_id, TarxKeysRole least)
{
	run_enter(project_id, (Entry) {least, false});
}

/*
 * The same for a call that only takes away, which the audit log keeps from
 * nothing.  The call logs it by tarx_keys_audit_removal().
 */
void
tarx_keys_enter_to_remove(const pg_uuid_t *project_id, TarxKeysRole least)
{
	run_enter(project_id, (Entry) {least, true});
}

/* enter_as_admin(project_id uuid): see sql/15_access.sql */
Datum
tarx_keys_enter_as_admin(PG_FUNCTION_ARGS)
{
	tarx_keys_enter_as(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), TARX_KEYS_ROLE_ADMIN);
	PG_RETURN_VOID();
}

/* enter_as_member(project_id uuid): see sql/15_access.sql */
Datum
tarx_keys_enter_as_member(PG_FUNCTION_ARGS)
{
	tarx_keys_enter_as(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), TARX_KEYS_ROLE_MEMBER);
	PG_RETURN_VOID();
}

/* enter_to_remove(project_id uuid, role text): see sql/15_access.sql */
Datum
tarx_keys_enter_to_remove_sql(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	TarxKeysRole least = tarx_keys_role_named(text_to_cstring(tarx_keys_arg_text(fcinfo, 1, "role")));

	/* what is no role asks for the most */
	tarx_keys_enter_to_remove(project_id, least == TARX_KEYS_ROLE_NONE ? TARX_KEYS_ROLE_ADMIN : least);
	PG_RETURN_VOID();
}

/* enter_new_project(project_id uuid): see sql/15_access.sql */
Datum
tarx_keys_enter_new_project(PG_FUNCTION_ARGS)
{
	tarx_keys_enter_as(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), TARX_KEYS_ROLE_NONE);
	PG_RETURN_VOID();
}

/* Lock a lane of the acting user's own chain in the audit log, and return the chain. */
TarxKeysChain
tarx_keys_lock_own_chain(bool to_remove)
{
	TarxKeysChain chain;
	TarxKeysText user_id;

	if (!tarx_keys_to_utf8(cstring_to_text(tarx_keys_acting_user()), &user_id))
		elog(ERROR, "acting user is not valid text");
	chain = tarx_keys_personal_chain_of(&user_id);
	lock_lane(&chain, to_remove);
	return chain;
}

/*
 * Begin a change of the acting user's own platform keys, which belong to no
 * project.  Locks a lane of the user's chain in the audit log, and returns that
 * chain; to_remove says that the change only takes away.  42501 for a service
 * account, whose keys are the project's, and for a user who logged in with a
 * narrowed key: such a key must neither create nor revoke one that allows more.
 */
TarxKeysChain
tarx_keys_enter_own_keys(bool to_remove)
{
	TarxKeysChain chain;

	require_manager();
	if (tarx_keys_is_service_account(tarx_keys_acting_user()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a service account cannot create or revoke platform keys"),
				 errhint("Have an admin of the project call tarx_keys.create_service_account_key() or tarx_keys.delete_service_account().")));
	if (tarx_keys_identity_is_narrowed())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a platform key that is narrowed to projects cannot create or revoke platform keys"),
				 errhint("Log in with a platform key for all of your projects.")));
	chain = tarx_keys_lock_own_chain(to_remove);
	tarx_keys_check_login();
	return chain;
}
