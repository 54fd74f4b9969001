/*
 * ending.c
 *	  What delete_project(), end_user() and restamp_members() need besides SQL.
 *
 * Nobody acts when a user is ended: the platform calls.  While end_user() runs, the
 * user who is ended is the acting one, so that row security shows it just this
 * user's memberships and platform keys, and it enters their projects without being
 * asked for a role.  The audit log says so by its action, member.end, and has the
 * database login that called.
 *
 * SQL sees what the transaction's snapshot has, which may be old.  So each ending
 * asks, when it is done, whether something is left by now.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_enter_end_of_user);
PG_FUNCTION_INFO_V1(tarx_keys_enter_left_project);
PG_FUNCTION_INFO_V1(tarx_keys_enter_restamping);
PG_FUNCTION_INFO_V1(tarx_keys_record_own_removal);
PG_FUNCTION_INFO_V1(tarx_keys_project_has_rest);
PG_FUNCTION_INFO_V1(tarx_keys_user_has_rest);
PG_FUNCTION_INFO_V1(tarx_keys_log_operation_sql);

static TarxKeysQuery project_rest_query = {
	.sql = "SELECT 1 FROM tarx_keys.project_llm_keys k WHERE k.project_id OPERATOR(pg_catalog.=) $1"
	" AND k.state OPERATOR(pg_catalog.<>) 'deleted'"
	" UNION ALL SELECT 1 FROM tarx_keys.project_secrets s WHERE s.project_id OPERATOR(pg_catalog.=) $1"
	" UNION ALL SELECT 1 FROM tarx_keys.agents a WHERE a.project_id OPERATOR(pg_catalog.=) $1"
	" UNION ALL SELECT 1 FROM tarx_keys.project_members m WHERE m.project_id OPERATOR(pg_catalog.=) $1"
	" LIMIT 1",
	.nargs = 1, .argtypes = {UUIDOID}
};

static TarxKeysQuery user_rest_query = {
	.sql = "SELECT 1 FROM tarx_keys.platform_api_keys k"
	" WHERE k.user_id OPERATOR(pg_catalog.=) $1 AND k.revoked_at IS NULL"
	" UNION ALL SELECT 1 FROM tarx_keys.project_members m WHERE m.user_id OPERATOR(pg_catalog.=) $1"
	" LIMIT 1",
	.nargs = 1, .argtypes = {TEXTOID}
};

/* The acting user's own chain in the audit log */
static TarxKeysChain
own_chain(void)
{
	TarxKeysText user_id;

	if (!tarx_keys_to_utf8(cstring_to_text(tarx_keys_acting_user()), &user_id))
		elog(ERROR, "acting user is not valid text");
	return tarx_keys_personal_chain_of(&user_id);
}

/*
 * enter_end_of_user(user_id text): makes the user the acting one until the calling
 * SQL function returns, with no active project, and locks a lane of the user's own
 * chain, if there is one
 */
Datum
tarx_keys_enter_end_of_user(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain;

	tarx_keys_assume_user(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "user_id")));
	chain = own_chain();
	tarx_keys_audit_lock_lane_to_remove(&chain);
	PG_RETURN_VOID();
}

/*
 * enter_left_project(project_id uuid): makes the project the active one until the
 * calling SQL function returns, and locks a lane, if there is one, whoever acts
 */
Datum
tarx_keys_enter_left_project(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	TarxKeysChain chain = tarx_keys_project_chain(project_id);

	tarx_keys_enter_project(project_id);
	tarx_keys_audit_lock_lane_to_remove(&chain);
	PG_RETURN_VOID();
}

/*
 * enter_restamping(project_id uuid): makes the project the active one until the calling
 * SQL function returns, and locks a lane.  If nobody acts, the session's login does:
 * it is a superuser's, and no member can vouch for it before the members have stamps.
 */
Datum
tarx_keys_enter_restamping(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	TarxKeysChain chain = tarx_keys_project_chain(project_id);

	if (tarx_keys_acting_user_or_null() == NULL)
		tarx_keys_assume_user(GetUserNameFromId(GetSessionUserId(), false));
	tarx_keys_enter_project(project_id);
	(void) tarx_keys_audit_lock_lane(&chain);
	PG_RETURN_VOID();
}

/*
 * record_own_removal(action text, object_id uuid, object_name text, revision integer):
 * record_removal() for the acting user's own chain
 */
Datum
tarx_keys_record_own_removal(PG_FUNCTION_ARGS)
{
	char	   *action = text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "action"));
	TarxKeysChain chain = own_chain();

	tarx_keys_audit_removal(&chain, action, PG_ARGISNULL(1) ? NULL : PG_GETARG_UUID_P(1),
							PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2),
							PG_ARGISNULL(3) ? TARX_KEYS_NO_REVISION : PG_GETARG_INT32(3));
	PG_RETURN_VOID();
}

static bool
finds_rows(TarxKeysQuery *query, Datum value)
{
	Datum		values[1] = {value};
	bool		found;

	tarx_keys_queries_begin();
	found = tarx_keys_query_run_latest(query, values, NULL) > 0;
	tarx_keys_queries_end();
	return found;
}

/*
 * project_has_rest(project_id uuid) returns boolean: whether the project, which the
 * caller has entered, now has keys, secrets, agents or members
 */
Datum
tarx_keys_project_has_rest(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(finds_rows(&project_rest_query,
							  UUIDPGetDatum(tarx_keys_arg_uuid(fcinfo, 0, "project_id"))));
}

/*
 * user_has_rest(user_id text) returns boolean: whether the user, who is the acting
 * one, now has memberships, or platform keys that are not revoked
 */
Datum
tarx_keys_user_has_rest(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(finds_rows(&user_rest_query,
							  PointerGetDatum(tarx_keys_arg_text(fcinfo, 0, "user_id"))));
}

/* log_operation(operation text): what a DBA has done, in the server log */
Datum
tarx_keys_log_operation_sql(PG_FUNCTION_ARGS)
{
	tarx_keys_log_operation(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "operation")));
	PG_RETURN_VOID();
}
