/*
 * membership.c
 *	  Which role a user has in a project.
 *
 * The queries use a new snapshot instead of the transaction's, which may be old.
 * So a user who was removed a moment ago is not a member.  A project that has ended
 * has no members, even if somebody puts back a row that says otherwise.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_other_admin_exists);

static TarxKeysQuery role_query = {
	.sql = "SELECT m.role FROM tarx_keys.project_members m"
	" WHERE m.project_id OPERATOR(pg_catalog.=) $1"
	" AND m.user_id OPERATOR(pg_catalog.=) $2"
	" AND NOT EXISTS (SELECT FROM tarx_keys.projects p"
	" WHERE p.id OPERATOR(pg_catalog.=) m.project_id AND p.ended_at IS NOT NULL)",
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

static TarxKeysQuery other_admin_query = {
	.sql = "SELECT 1 FROM tarx_keys.project_members m"
	" WHERE m.project_id OPERATOR(pg_catalog.=) $1"
	" AND m.user_id OPERATOR(pg_catalog.<>) $2"
	" AND m.role OPERATOR(pg_catalog.=) 'admin'",
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

/* The user's role in the project; TARX_KEYS_ROLE_NONE if the user is not a member */
TarxKeysRole
tarx_keys_role_of(const pg_uuid_t *project_id, const char *user_id)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), CStringGetTextDatum(user_id)};
	TarxKeysRole role = TARX_KEYS_ROLE_NONE;

	tarx_keys_queries_begin();
	if (tarx_keys_query_run_latest(&role_query, values, NULL) > 0)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

		role = strcmp(name, "admin") == 0 ? TARX_KEYS_ROLE_ADMIN : TARX_KEYS_ROLE_MEMBER;
	}
	tarx_keys_queries_end();
	return role;
}

/*
 * other_admin_exists(project_id uuid, user_id text) returns boolean: whether
 * the project now has an admin other than this user.  The caller has locked the
 * project's row, because the answer could change otherwise.
 */
Datum
tarx_keys_other_admin_exists(PG_FUNCTION_ARGS)
{
	Datum		values[2];
	bool		found;

	values[0] = UUIDPGetDatum(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	values[1] = PointerGetDatum(tarx_keys_arg_text(fcinfo, 1, "user_id"));
	tarx_keys_queries_begin();
	found = tarx_keys_query_run_latest(&other_admin_query, values, NULL) > 0;
	tarx_keys_queries_end();
	PG_RETURN_BOOL(found);
}
