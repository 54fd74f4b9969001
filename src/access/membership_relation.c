/*
 * membership_relation.c
 *	  The relation of the application that says who is a member of which project, if
 *	  tarx_keys.membership names one.
 *
 * It is found anew for each look-up, and locked, so that its owner and columns stay
 * what they are until the look-up is over.  What is wrong with it is an error: nothing
 * else takes its place.
 *
 * A function in a view runs as whoever queries the view.  So look-ups run as the
 * relation's own owner, in a security-restricted operation, as REFRESH MATERIALIZED
 * VIEW does: whoever can change the function can do no more than the owner, and no role
 * or setting outlives the look-up.  For the same reason the owner must have no role of
 * ours.  A superuser's relation will do, though a superuser could take any: doctor()
 * warns of a view.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_members_are_elsewhere_sql);
PG_FUNCTION_INFO_V1(tarx_keys_our_roles);

static const char *const our_roles[] = {
	"tarx_keys_owner", "tarx_keys_backend", "tarx_keys_login", "tarx_keys_agent", "tarx_keys_auditor"
};

/* our_roles() returns text[]: see sql/00_roles.sql */
Datum
tarx_keys_our_roles(PG_FUNCTION_ARGS)
{
	Datum		names[lengthof(our_roles)];

	for (size_t i = 0; i < lengthof(our_roles); i++)
		names[i] = CStringGetTextDatum(our_roles[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(names, lengthof(our_roles), TEXTOID, -1, false, TYPALIGN_INT));
}

/* Has the application a relation that takes the place of our table, but for service accounts? */
bool
tarx_keys_members_are_elsewhere(void)
{
	return tarx_keys_setting_membership()[0] != '\0';
}

/* members_are_elsewhere() returns boolean: see sql/15_access.sql */
Datum
tarx_keys_members_are_elsewhere_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tarx_keys_members_are_elsewhere());
}

static Oid
look_up(const char *schema, const char *name)
{
	Oid			namespace = get_namespace_oid(schema, true);

	return OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
}

/* Find the relation and lock it; it may get another name while we wait for the lock. */
static Oid
find_and_lock(const char *schema, const char *name)
{
	Oid			locked = InvalidOid;

	for (;;)
	{
		Oid			found = look_up(schema, name);

		if (found == locked)
			return found;
		if (OidIsValid(locked))
			UnlockRelationOid(locked, AccessShareLock);
		if (OidIsValid(found))
			LockRelationOid(found, AccessShareLock);
		locked = found;
	}
}

/* The type of a column, that of the domain's values for a domain; InvalidOid without it */
static Oid
column_type(Oid relation, const char *column)
{
	AttrNumber	number = get_attnum(relation, column);

	return number > 0 ? getBaseType(get_atttype(relation, number)) : InvalidOid;
}

/* Is the role one of ours, or has it been granted one? */
static bool
holds_our_role(Oid role)
{
	for (size_t i = 0; i < lengthof(our_roles); i++)
	{
		Oid			our_role = get_role_oid(our_roles[i], true);

		if (OidIsValid(our_role) && is_member_of_role_nosuper(role, our_role))
			return true;
	}
	return false;
}

static void
read_class(TarxKeysMembershipRelation *relation, char *kind)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation->id));
	Form_pg_class class;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation->id);
	class = (Form_pg_class) GETSTRUCT(tuple);
	relation->owner = class->relowner;
	*kind = class->relkind;
	ReleaseSysCache(tuple);
}

static const char *
problem_of(TarxKeysMembershipRelation *relation)
{
	char		kind;

	if (!OidIsValid(relation->id))
		return "it does not exist";
	read_class(relation, &kind);
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_VIEW)
		return "it is neither a table nor a view";
	if (column_type(relation->id, "project_id") != UUIDOID)
		return "it has no column project_id of type uuid";
	relation->user_type = column_type(relation->id, "user_id");
	if (!OidIsValid(relation->user_type))
		return "it has no column user_id";
	if (!OidIsValid(column_type(relation->id, "role")))
		return "it has no column role";
	if (holds_our_role(relation->owner))
		return "its owner has a role of tarx_keys";
	return NULL;
}

/* The relation, locked, and what is wrong with it, if anything */
TarxKeysMembershipRelation
tarx_keys_membership_relation(void)
{
	TarxKeysMembershipRelation relation = {.id = InvalidOid};
	char	   *setting = pstrdup(tarx_keys_setting_membership());
	List	   *names;

	if (!SplitIdentifierString(setting, '.', &names) || list_length(names) != 2)
		elog(ERROR, "tarx_keys.membership is malformed");
	relation.name = quote_qualified_identifier(linitial(names), lsecond(names));
	relation.id = find_and_lock(linitial(names), lsecond(names));
	relation.problem = problem_of(&relation);
	return relation;
}

/* The same; 55000 if something is wrong with it */
TarxKeysMembershipRelation
tarx_keys_good_membership_relation(void)
{
	TarxKeysMembershipRelation relation = tarx_keys_membership_relation();

	if (relation.problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("members cannot be looked up in %s: %s", relation.name, relation.problem),
				 errhint("Ask the database administrator to correct it, or to set tarx_keys.membership to the right table or view.")));
	return relation;
}

/* What a function in a view may not do then is PostgreSQL's to say. */
void
tarx_keys_begin_as_relation_owner(TarxKeysAsOwner *as_owner, Oid owner)
{
	tarx_keys_begin_as(as_owner, owner, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

/* Whatever a function in a view has set ends here. */
void
tarx_keys_end_as_relation_owner(const TarxKeysAsOwner *as_owner)
{
	AtEOXact_GUC(false, as_owner->guc_level);
	SetUserIdAndSecContext(as_owner->user_id, as_owner->security_context);
}
