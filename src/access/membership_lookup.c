/*
 * membership_lookup.c
 *	  Which role a user has in a project, and which projects a user has, as the
 *	  application's own relation says: see membership_relation.c.
 *
 * Two plans are saved, for as long as the relation and its columns are the same.  They
 * use a new snapshot instead of the transaction's, which may be old.
 *
 * An operator of the column's collation compares user ids, so that an index serves.  It
 * may take different ids for equal ones, so each row that it finds is compared again,
 * byte for byte.  Of several rows the one with the lowest role counts; a role that is
 * none, or NULL, makes nobody a member.
 *
 * A function in a view may be SECURITY DEFINER, and so call us again.  That look-up is
 * refused: it could free the plans of the one that goes on, or never end.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "access/access.h"

static TarxKeysQuery created_query = {
	.sql = "SELECT 1 FROM tarx_keys.projects p WHERE p.id OPERATOR(pg_catalog.=) $1",
	.nargs = 1, .argtypes = {UUIDOID}
};

/* The saved plans, and what they were made for */
static TarxKeysQuery role_query;
static TarxKeysQuery projects_query;
static MemoryContext plans_context = NULL;
static TarxKeysMembershipRelation planned_for;
static bool is_looking_up = false;

/*
 * Plans
 */

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

/* The condition that a row is one of the user's, who is parameter n */
static char *
user_condition(Oid type, int n)
{
	if (is_text(type) || type == UUIDOID)
		return psprintf("m.user_id OPERATOR(pg_catalog.=) $%d", n);
	/* no index serves it, and doctor() says so */
	return psprintf("m.user_id::pg_catalog.text OPERATOR(pg_catalog.=) $%d", n);
}

static char *
query_text(const TarxKeysMembershipRelation *relation, const char *more, int user_at)
{
	return psprintf("SELECT m.project_id, m.user_id::pg_catalog.text, m.role::pg_catalog.text FROM %s m WHERE %s%s",
					relation->name, more, user_condition(relation->user_type, user_at));
}

static void
forget_plan(TarxKeysQuery *query)
{
	if (query->plan != NULL)
		(void) SPI_freeplan(query->plan);
	query->plan = NULL;
}

static void
write_queries(const TarxKeysMembershipRelation *relation)
{
	Oid			user_type = relation->user_type == UUIDOID ? UUIDOID : TEXTOID;

	role_query = (TarxKeysQuery)
	{
		.sql = query_text(relation, "m.project_id OPERATOR(pg_catalog.=) $1 AND ", 2),
			.nargs = 2,.argtypes =
		{
			UUIDOID, user_type
		}
	};
	projects_query = (TarxKeysQuery)
	{
		.sql = query_text(relation, "", 1), .nargs = 1,.argtypes =
		{
			user_type
		}
	};
	planned_for = *relation;
	planned_for.name = pstrdup(relation->name);
}

/* Have queries for this relation. */
static void
prepare_queries(const TarxKeysMembershipRelation *relation)
{
	MemoryContext old;

	if (is_looking_up)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("members are being looked up in %s already", relation->name),
				 errhint("A function in it must not ask tarx_keys who is a member.")));
	if (planned_for.id == relation->id && planned_for.user_type == relation->user_type &&
		strcmp(planned_for.name, relation->name) == 0)
		return;
	forget_plan(&role_query);
	forget_plan(&projects_query);
	planned_for.id = InvalidOid;
	if (plans_context == NULL)
		plans_context = AllocSetContextCreate(TopMemoryContext, "tarx_keys membership", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(plans_context);
	old = MemoryContextSwitchTo(plans_context);
	write_queries(relation);
	MemoryContextSwitchTo(old);
}

/*
 * Look-ups
 */

/* The user's id as the queries take it; false if no row can have it */
static bool
user_parameter(Oid type, const char *user_id, Datum *value)
{
	if (type != UUIDOID)
	{
		*value = CStringGetTextDatum(user_id);
		return true;
	}
	/* other ways to write a uuid are other users */
	if (strlen(user_id) != 36 || strspn(user_id, "0123456789abcdef-") != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if ((user_id[i] == '-') != dash)
			return false;
	}
	*value = DirectFunctionCall1(uuid_in, CStringGetDatum(user_id));
	return true;
}

/* Run a query as the relation's owner; the number of rows, which are in SPI_tuptable */
static uint64
run(const TarxKeysMembershipRelation *relation, TarxKeysQuery *query, Datum *values)
{
	TarxKeysAsOwner as_owner;
	uint64		rows;

	tarx_keys_begin_as_relation_owner(&as_owner, relation->owner);
	is_looking_up = true;
	PG_TRY();
	{
		rows = tarx_keys_query_look_up(query, values);
	}
	PG_FINALLY();
	{
		is_looking_up = false;
	}
	PG_END_TRY();
	tarx_keys_end_as_relation_owner(&as_owner);
	return rows;
}

static bool
is_text_of_row(uint64 row, int column, const char *string)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	text	   *found;

	if (isnull)
		return false;
	found = DatumGetTextPP(value);
	return tarx_keys_span_equals((TarxKeysSpan) {VARDATA_ANY(found), VARSIZE_ANY_EXHDR(found)},
								 tarx_keys_span_of(string));
}

static TarxKeysRole
role_of_row(uint64 row)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3, &isnull);

	return isnull ? TARX_KEYS_ROLE_NONE : tarx_keys_role_named(TextDatumGetCString(value));
}

/* The project of a row; NULL if it has none */
static const pg_uuid_t *
project_of_row(uint64 row)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull);

	return isnull ? NULL : DatumGetUUIDP(value);
}

/* The lowest role of the rows that are the user's */
static TarxKeysRole
lowest_role(uint64 rows, const char *user_id)
{
	TarxKeysRole lowest = TARX_KEYS_ROLE_NONE;
	bool		found = false;

	for (uint64 row = 0; row < rows; row++)
	{
		if (!is_text_of_row(row, 2, user_id))
			continue;
		lowest = found ? Min(lowest, role_of_row(row)) : role_of_row(row);
		found = true;
	}
	return lowest;
}

/*
 * The user's role in the project; TARX_KEYS_ROLE_NONE if the user is not a member, or
 * the project has ended here.
 */
TarxKeysRole
tarx_keys_role_elsewhere(const pg_uuid_t *project_id, const char *user_id)
{
	TarxKeysMembershipRelation relation = tarx_keys_good_membership_relation();
	Datum		values[2] = {UUIDPGetDatum(project_id)};
	TarxKeysRole role;

	if (!user_parameter(relation.user_type, user_id, &values[1]) || tarx_keys_project_has_ended(project_id))
		return TARX_KEYS_ROLE_NONE;
	tarx_keys_queries_begin();
	prepare_queries(&relation);
	role = lowest_role(run(&relation, &role_query, values), user_id);
	tarx_keys_queries_end();
	return role;
}

/* A project, and the role that a row gives the user in it */
typedef struct Membership
{
	pg_uuid_t	project_id;
	TarxKeysRole role;
} Membership;

/* By project, the lowest role first */
static int
compare_memberships(const void *a, const void *b)
{
	const Membership *left = a;
	const Membership *right = b;
	int			order = memcmp(&left->project_id, &right->project_id, UUID_LEN);

	return order != 0 ? order : (int) left->role - (int) right->role;
}

/* Keep the projects of the first rows of each, if these give a role; returns their number. */
static uint64
keep_lowest(Membership *memberships, uint64 count)
{
	uint64		kept = 0;
	const pg_uuid_t *last = NULL;

	qsort(memberships, count, sizeof(Membership), compare_memberships);
	for (uint64 i = 0; i < count; i++)
	{
		pg_uuid_t  *project = &memberships[i].project_id;

		if (last != NULL && memcmp(last, project, UUID_LEN) == 0)
			continue;
		last = project;
		if (memberships[i].role != TARX_KEYS_ROLE_NONE)
			memberships[kept++] = memberships[i];
	}
	return kept;
}

/* The user's rows, in this SPI connection */
static uint64
read_memberships(uint64 rows, const char *user_id, Membership *memberships)
{
	uint64		count = 0;

	for (uint64 row = 0; row < rows; row++)
	{
		const pg_uuid_t *project = project_of_row(row);

		if (project != NULL && is_text_of_row(row, 2, user_id))
			memberships[count++] = (Membership)
		{
			*project, role_of_row(row)
		};
	}
	return count;
}

/*
 * The projects in which the user has a role, also those that have ended here, in the
 * current SPI connection; returns their number
 */
uint64
tarx_keys_projects_elsewhere(const char *user_id, Datum **ids)
{
	TarxKeysMembershipRelation relation = tarx_keys_good_membership_relation();
	Datum		values[1];
	Membership *memberships;
	uint64		count;

	if (!user_parameter(relation.user_type, user_id, &values[0]))
		return 0;
	prepare_queries(&relation);
	count = run(&relation, &projects_query, values);
	memberships = palloc(sizeof(Membership) * (count + 1));
	count = keep_lowest(memberships, read_memberships(count, user_id, memberships));
	*ids = palloc(sizeof(Datum) * (count + 1));
	for (uint64 i = 0; i < count; i++)
		(*ids)[i] = UUIDPGetDatum(&memberships[i].project_id);
	return count;
}

static char *
explain(const TarxKeysMembershipRelation *relation, TarxKeysQuery *query, Datum *values)
{
	/* what is not by index; it is chosen all the same where there is none */
	static const char *const unwanted[] = {"enable_seqscan", "enable_hashjoin", "enable_mergejoin"};
	TarxKeysAsOwner as_owner;
	char	   *plan;

	tarx_keys_begin_as_relation_owner(&as_owner, relation->owner);
	for (size_t i = 0; i < lengthof(unwanted); i++)
		(void) set_config_option(unwanted[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (SPI_execute_with_args(psprintf("EXPLAIN (FORMAT json, COSTS off) %s", query->sql), query->nargs,
							  query->argtypes, values, NULL, false, 1) != SPI_OK_UTILITY || SPI_processed != 1)
		elog(ERROR, "could not explain a look-up of members");
	plan = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	tarx_keys_end_as_relation_owner(&as_owner);
	return plan;
}

/*
 * How the two look-ups would read a relation with nothing wrong with it, if they could
 * have indexes for it, as JSON: for doctor().  In the current SPI connection.
 */
void
tarx_keys_explain_memberships(const TarxKeysMembershipRelation *relation, char **of_role, char **of_projects)
{
	static const pg_uuid_t no_project;
	Datum		values[2] = {UUIDPGetDatum(&no_project)};

	(void) user_parameter(relation->user_type, "00000000-0000-0000-0000-000000000000", &values[1]);
	prepare_queries(relation);
	*of_role = explain(relation, &role_query, values);
	*of_projects = explain(relation, &projects_query, &values[1]);
}

/*
 * 42704 unless the project, which is the active one, has been created here: the
 * application may know it before we do.
 */
void
tarx_keys_require_created_project(const pg_uuid_t *project_id)
{
	Datum		values[1] = {UUIDPGetDatum(project_id)};
	uint64		count;

	tarx_keys_queries_begin();
	count = tarx_keys_query_look_up(&created_query, values);
	tarx_keys_queries_end();
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 tarx_keys_errarg("project_id"),
				 errmsg("project \"%s\" has not been created here yet", tarx_keys_uuid_text(project_id)),
				 errhint("Have an admin of the project call tarx_keys.create_project() with this id.")));
}
