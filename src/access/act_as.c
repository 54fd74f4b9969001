/*
 * act_as.c
 *	  Makes a user the acting one: act_as(), and what login() shares with it.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "access/access.h"
#include "redaction/redaction.h"

PG_FUNCTION_INFO_V1(tarx_keys_act_as);
PG_FUNCTION_INFO_V1(tarx_keys_act_on_router);

/*
 * Make this the identity until the transaction ends, or until ROLLBACK TO an
 * earlier savepoint.  Returns the user's role in the active project, or NULL if
 * there is no active project.  42501 if the user is not a member of the project,
 * or if the user's platform key does not admit it.
 *
 * The identity is set before the membership is looked up, because row security
 * on that look-up depends on the acting user.  If the user is refused, the error
 * undoes the identity.
 */
const char *
tarx_keys_become(const TarxKeysIdentity *identity)
{
	TarxKeysRole role;

	tarx_keys_set_identity(identity);
	if (identity->project_id == NULL)
		return NULL;

	/* login() says which role the user has; all others look it up again */
	role = identity->proven ? tarx_keys_role_of(identity->project_id, identity->user_id) :
		tarx_keys_stated_role_of(identity->project_id, identity->user_id);
	if (role == TARX_KEYS_ROLE_NONE || !tarx_keys_identity_admits(identity->project_id))
		tarx_keys_deny_project(identity->project_id);
	tarx_keys_set_active_project(identity->project_id);
	return tarx_keys_role_name(role);
}

/*
 * Does a function or a DO block run that uses SPI?  Its cursors have portals that look
 * like the client's.  No relation has an empty name, so this asks just for that.
 */
static bool
is_inside_spi(void)
{
	return SPI_unregister_relation("") != SPI_ERROR_UNCONNECTED;
}

/* Is it an argument of CALL or EXECUTE, whose procedure or statement runs afterwards? */
static bool
is_argument_of_command(void)
{
	return ActivePortal != NULL &&
		(ActivePortal->commandTag == CMDTAG_CALL || ActivePortal->commandTag == CMDTAG_EXECUTE);
}

/*
 * Does the client's own statement call the function, with nothing to follow?  Its
 * expressions live with its executor, right below the portal's memory, or in that of
 * the message if it is a call without a statement.  Those of functions, procedures and
 * DO blocks live elsewhere, but for those of their cursors.
 */
static bool
is_called_by_client(const FmgrInfo * function)
{
	if (is_inside_spi() || is_argument_of_command())
		return false;
	return function->fn_mcxt == MessageContext ||
		(PortalContext != NULL && MemoryContextGetParent(function->fn_mcxt) == PortalContext);
}

/*
 * Warn if there is no transaction block, because the identity ends with the
 * statement.  In a function or a DO block it serves what follows there.
 */
void
tarx_keys_warn_without_transaction(FunctionCallInfo fcinfo, const char *function)
{
	if (!IsTransactionBlock() && is_called_by_client(fcinfo->flinfo))
		ereport(WARNING,
				(errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s lasts only for this statement, because there is no transaction block",
						function),
				 errhint("Call it after BEGIN, in the transaction that it is meant for.")));
}

static void
check_assertion_allowed(void)
{
	if (tarx_keys_setting_require_login())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("tarx_keys.act_as() is refused by tarx_keys.require_login"),
				 errhint("Call tarx_keys.login() with the user's platform key.")));
	if (tarx_keys_identity_is_proven())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a proven identity cannot be replaced by tarx_keys.act_as()"),
				 errhint("Use another transaction.")));
}

/* Argument user_id, if it is that of a person */
static const char *
arg_person(FunctionCallInfo fcinfo)
{
	TarxKeysText user_id;

	/* a wrapper's caller may have given a value in place of the user's id */
	tarx_keys_redaction_mark_failure();
	user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");
	tarx_keys_check_person(&user_id, "user_id");
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/* act_as(user_id text, project_id uuid): see sql/15_access.sql */
Datum
tarx_keys_act_as(PG_FUNCTION_ARGS)
{
	TarxKeysIdentity identity = {.allowed_projects = "", .expires_at = "", .platform_key = ""};

	identity.user_id = arg_person(fcinfo);
	check_assertion_allowed();
	tarx_keys_warn_without_transaction(fcinfo, "tarx_keys.act_as()");
	if (!PG_ARGISNULL(1))
		identity.project_id = PG_GETARG_UUID_P(1);
	(void) tarx_keys_become(&identity);
	PG_RETURN_VOID();
}

/*
 * act_on_router(user_id text, project_id uuid): see sql/15_access.sql.  A router has no
 * members.  A shard looks them up, before this and then with each call.
 */
Datum
tarx_keys_act_on_router(PG_FUNCTION_ARGS)
{
	TarxKeysIdentity identity = {.allowed_projects = "", .expires_at = "", .platform_key = ""};

	identity.user_id = arg_person(fcinfo);
	tarx_keys_set_identity(&identity);
	if (!PG_ARGISNULL(1))
		tarx_keys_set_active_project(PG_GETARG_UUID_P(1));
	PG_RETURN_VOID();
}
