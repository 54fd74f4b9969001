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
 * asks, when it is done, what is left by now.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_enter_end_of_user);
PG_FUNCTION_INFO_V1(tarx_keys_enter_left_project);
PG_FUNCTION_INFO_V1(tarx_keys_enter_restamping);
PG_FUNCTION_INFO_V1(tarx_keys_record_own_removals);
PG_FUNCTION_INFO_V1(tarx_keys_project_has_rest);
PG_FUNCTION_INFO_V1(tarx_keys_user_rest);
PG_FUNCTION_INFO_V1(tarx_keys_log_operation_sql);

static TarxKeysQuery project_rest_query = {
	.sql = "SELECT 1 FROM tarx_keys.project_llm_keys k WHERE k.project_id OPERATOR(pg_catalog.=) $1"
	" AND coalesce(k.state, '') OPERATOR(pg_catalog.<>) 'deleted'"
	" UNION ALL SELECT 1 FROM tarx_keys.project_secrets s WHERE s.project_id OPERATOR(pg_catalog.=) $1"
	" UNION ALL SELECT 1 FROM tarx_keys.agents a WHERE a.project_id OPERATOR(pg_catalog.=) $1"
	" UNION ALL SELECT 1 FROM tarx_keys.project_members m WHERE m.project_id OPERATOR(pg_catalog.=) $1"
	" LIMIT 1",
	.nargs = 1, .argtypes = {UUIDOID}
};

static TarxKeysQuery user_rest_query = {
	.sql = "SELECT (SELECT pg_catalog.count(*) FROM tarx_keys.platform_api_keys k"
	" WHERE k.user_id OPERATOR(pg_catalog.=) $1 AND k.revoked_at IS NULL),"
	" ARRAY(SELECT m.project_id FROM tarx_keys.project_members m"
	" WHERE m.user_id OPERATOR(pg_catalog.=) $1 ORDER BY m.project_id)",
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
 * enter_end_of_user(user_id text) returns boolean: makes the user the acting one until
 * the calling SQL function returns, with no active project, and keeps others from
 * changing the user's platform keys; false if they are about to
 */
Datum
tarx_keys_enter_end_of_user(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain;

	tarx_keys_assume_user(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "user_id")));
	chain = own_chain();
	PG_RETURN_BOOL(tarx_keys_audit_lock_to_end(&chain));
}

/*
 * enter_left_project(project_id uuid, to_remove boolean): makes the project the active
 * one until the calling SQL function returns, whoever acts; to remove something, locks
 * a lane, if there is one
 */
Datum
tarx_keys_enter_left_project(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	TarxKeysChain chain = tarx_keys_project_chain(project_id);

	tarx_keys_require_arg(fcinfo, 1, "to_remove");
	tarx_keys_enter_project(project_id);
	if (PG_GETARG_BOOL(1))
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
 * record_own_removals(action text, ids uuid[], names text[]): record_removal() for
 * each of several objects, in the acting user's own chain
 */
Datum
tarx_keys_record_own_removals(PG_FUNCTION_ARGS)
{
	char	   *action = text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "action"));
	TarxKeysChain chain = own_chain();
	TarxKeysAuditObject *objects;
	Datum	   *ids;
	Datum	   *names;
	int			count;
	int			name_count;

	tarx_keys_require_arg(fcinfo, 1, "ids");
	tarx_keys_require_arg(fcinfo, 2, "names");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
					  &ids, NULL, &count);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, NULL, &name_count);
	if (count != name_count)
		elog(ERROR, "ids and names differ in number");
	objects = palloc(sizeof(TarxKeysAuditObject) * (count + 1));
	for (int i = 0; i < count; i++)
		objects[i] = (TarxKeysAuditObject) {DatumGetUUIDP(ids[i]), DatumGetTextPP(names[i]), TARX_KEYS_NO_REVISION};
	tarx_keys_audit_removals(&chain, action, objects, count);
	PG_RETURN_VOID();
}

/*
 * project_has_rest(project_id uuid) returns boolean: whether the project, which the
 * caller has entered, now has keys, secrets, agents or members
 */
Datum
tarx_keys_project_has_rest(PG_FUNCTION_ARGS)
{
	Datum		values[1] = {UUIDPGetDatum(tarx_keys_arg_uuid(fcinfo, 0, "project_id"))};
	bool		found;

	tarx_keys_queries_begin();
	found = tarx_keys_query_run_latest(&project_rest_query, values, NULL) > 0;
	tarx_keys_queries_end();
	PG_RETURN_BOOL(found);
}

/*
 * user_rest(user_id text) returns (keys bigint, projects uuid[]): what the user, who is
 * the acting one, now has: platform keys that are not revoked, and memberships
 */
Datum
tarx_keys_user_rest(PG_FUNCTION_ARGS)
{
	Datum		values[2] = {PointerGetDatum(tarx_keys_arg_text(fcinfo, 0, "user_id"))};
	bool		nulls[2];
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tarx_keys_queries_begin();
	(void) tarx_keys_query_run_latest(&user_rest_query, values, NULL);
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	values[1] = SPI_datumTransfer(values[1], false, -1);
	tarx_keys_queries_end();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* log_operation(operation text): what a DBA has done, in the server log */
Datum
tarx_keys_log_operation_sql(PG_FUNCTION_ARGS)
{
	tarx_keys_log_operation(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "operation")));
	PG_RETURN_VOID();
}
