/*
 * membership.c
 *	  Which role a user has in a project.
 *
 * The look-ups use a new snapshot instead of the transaction's, which may be old.
 * So a user who was removed a moment ago is not a member.  A project that has ended
 * has no members, even if somebody puts back a row that says otherwise.
 *
 * Where the application says who is a member, it is asked instead, for all but service
 * accounts: see membership_relation.c.
 *
 * A membership has a stamp, which is checked with each look-up, so nobody becomes
 * an admin by an edit of the table.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_other_admin_exists);
PG_FUNCTION_INFO_V1(tarx_keys_member_stamp);
PG_FUNCTION_INFO_V1(tarx_keys_next_member_revision);

static TarxKeysQuery other_admin_query = {
	TARX_KEYS_SELECT(tarx_keys_members,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1"
					 " AND t.user_id OPERATOR(pg_catalog.<>) $2"
					 " AND t.role OPERATOR(pg_catalog.=) 'admin'"
					 " AND NOT pg_catalog.starts_with(t.user_id, '" TARX_KEYS_SERVICE_ACCOUNT_PREFIX "')"),
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

/*
 * TK004 for a row that somebody has changed; TK005 or TK006 if nobody can tell, unless
 * that is admitted
 */
static void
check_member(const TarxKeysRow *member, const pg_uuid_t *project_id, const char *user_id,
			 bool unverifiable_too)
{
	bool		good = unverifiable_too ?
	tarx_keys_row_state(&tarx_keys_members, member) != TARX_KEYS_ROW_TAMPERED :
	tarx_keys_row_is_stamped(&tarx_keys_members, member);

	if (!good)
		tarx_keys_fail_member_integrity(project_id, user_id);
}

static TarxKeysRole
stated_role(const TarxKeysRow *member)
{
	if (member->nulls[MEMBER_ROLE])
		return TARX_KEYS_ROLE_NONE;
	return tarx_keys_role_named(TextDatumGetCString(member->values[MEMBER_ROLE]));
}

static TarxKeysRole
look_up_role(const pg_uuid_t *project_id, const char *user_id, bool unverifiable_too)
{
	Datum		key[2] = {UUIDPGetDatum(project_id), CStringGetTextDatum(user_id)};
	TarxKeysRow member;

	if (tarx_keys_members_are_elsewhere() && !tarx_keys_is_service_account(user_id))
		return tarx_keys_role_elsewhere(project_id, user_id);
	/* of a project that ends between the two, nobody is a member */
	if (!tarx_keys_find(&tarx_keys_members, key, NULL, &member) || tarx_keys_project_has_ended(project_id))
		return TARX_KEYS_ROLE_NONE;
	check_member(&member, project_id, user_id, unverifiable_too);
	return stated_role(&member);
}

/*
 * The user's role in the project; TARX_KEYS_ROLE_NONE if the user is not a member.
 * TK004 if the row is not what was written, TK005 or TK006 if its master key is
 * missing.
 */
TarxKeysRole
tarx_keys_role_of(const pg_uuid_t *project_id, const char *user_id)
{
	return look_up_role(project_id, user_id, false);
}

/*
 * The same for those who only take away, or see lists: if the master key is missing,
 * it takes the row's word.  Whoever could make use of that writes the table, and so
 * could take away and see as much without us.
 */
TarxKeysRole
tarx_keys_stated_role_of(const pg_uuid_t *project_id, const char *user_id)
{
	return look_up_role(project_id, user_id, true);
}

/*
 * other_admin_exists(project_id uuid, user_id text) returns boolean: whether
 * the project now has an admin other than this user.  The caller has locked the
 * project's row, because the answer could change otherwise.
 *
 * A service account does not count: a project needs a person who answers for it.
 * Nor does a row that somebody has changed, because nobody can act by it.  One whose
 * master key is missing does: otherwise nobody could be removed meanwhile.
 */
Datum
tarx_keys_other_admin_exists(PG_FUNCTION_ARGS)
{
	Datum		values[2];
	uint64		count;
	bool		found = false;

	values[0] = UUIDPGetDatum(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	values[1] = PointerGetDatum(tarx_keys_arg_text(fcinfo, 1, "user_id"));
	tarx_keys_queries_begin();
	count = tarx_keys_query_run_latest(&other_admin_query, values, NULL);
	for (uint64 i = 0; i < count && !found; i++)
	{
		TarxKeysRow member;

		tarx_keys_fetched_row(&tarx_keys_members, i, &member);
		found = tarx_keys_row_state(&tarx_keys_members, &member) != TARX_KEYS_ROW_TAMPERED;
	}
	tarx_keys_queries_end();
	PG_RETURN_BOOL(found);
}

/* member_stamp(project_id uuid, user_id text, ...) returns bytea: see sql/15_access.sql */
Datum
tarx_keys_member_stamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(tarx_keys_stamp_of_arguments(fcinfo, &tarx_keys_members));
}

/* next_member_revision(project_id uuid, user_id text, ..., stamp bytea) returns integer */
Datum
tarx_keys_next_member_revision(PG_FUNCTION_ARGS)
{
	int32		revision = tarx_keys_next_revision(fcinfo, &tarx_keys_members);

	if (revision == 0)
	{
		text	   *user_id = tarx_keys_arg_text(fcinfo, MEMBER_USER_ID, "user_id");

		tarx_keys_fail_member_integrity(tarx_keys_arg_uuid(fcinfo, MEMBER_PROJECT_ID, "project_id"),
										text_to_cstring(tarx_keys_shown_text(PointerGetDatum(user_id),
																			 TARX_KEYS_SHOWN_MAX_BYTES)));
	}
	PG_RETURN_INT32(revision);
}
