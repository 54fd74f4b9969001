/*
 * visibility.c
 *	  Who asks, and which projects they may see.  Row security asks for it.
 *
 * A query may call these functions for every row.  So the calling expression keeps
 * an answer.  It may outlive its query: PL/pgSQL keeps an expression for the whole
 * transaction.  So an answer counts only for the snapshot and the identity that it
 * was found with.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_acting_user_id);
PG_FUNCTION_INFO_V1(tarx_keys_find_visible_project_ids);
PG_FUNCTION_INFO_V1(tarx_keys_visible_project_ids);
PG_FUNCTION_INFO_V1(tarx_keys_audited_project_id);

/*
 * What an answer depends on.  Of two snapshots with the same end, the later one has
 * fewer transactions in progress, unless none has ended between them.  So the
 * numbers tell which transactions of others a snapshot sees.  The command tells
 * which changes of our own it sees, unless a subtransaction was rolled back.  A
 * transaction that ends takes its identity with it, so the next one has another.
 */
typedef struct Circumstances
{
	uint64		identity;
	SubTransactionId subtransaction;
	CommandId	command;
	TransactionId xmax;
	uint32		in_progress;	/* transactions */
	int64		in_progress_too;	/* subtransactions; on a standby all.  64
									 * bits leave no gap. */
} Circumstances;

/* What a function has found; no answer yet if that is 0 */
typedef struct KeptAnswer
{
	Circumstances found_in;
	Datum		answer;
	TarxKeysBelongings belongings;
} KeptAnswer;

static TarxKeysQuery projects_query = {
	.sql = "SELECT m.project_id FROM tarx_keys.project_members m"
	" WHERE m.user_id OPERATOR(pg_catalog.=) $1"
	" AND ($2 IS NULL OR m.project_id OPERATOR(pg_catalog.=) ANY ($2))",
	.nargs = 2, .argtypes = {TEXTOID, UUIDARRAYOID}
};

/* Of these projects, those that have not ended, and that the identity admits */
static TarxKeysQuery admitted_query = {
	.sql = "SELECT p.id FROM pg_catalog.unnest($1) p (id)"
	" WHERE ($2 IS NULL OR p.id OPERATOR(pg_catalog.=) ANY ($2))"
	" AND NOT EXISTS (SELECT FROM tarx_keys.projects e"
	" WHERE e.id OPERATOR(pg_catalog.=) p.id AND e.ended_at IS NOT NULL)",
	.nargs = 2, .argtypes = {UUIDARRAYOID, UUIDARRAYOID}
};

static ArrayType *
make_uuid_array(Datum *ids, uint64 count)
{
	return construct_array(ids, (int) count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/* The acting user's projects as the application has them by now, as uuid[] */
static ArrayType *
find_projects_elsewhere(void)
{
	const pg_uuid_t *active = tarx_keys_active_project();
	Datum	   *ids = NULL;
	uint64		count;

	if (active == NULL)
	{
		count = tarx_keys_projects_elsewhere(tarx_keys_acting_user(), &ids);
		return make_uuid_array(ids, count);
	}
	ids = palloc(sizeof(Datum));
	ids[0] = UUIDPGetDatum(active);
	count = tarx_keys_role_elsewhere(active, tarx_keys_acting_user()) == TARX_KEYS_ROLE_NONE ? 0 : 1;
	return make_uuid_array(ids, count);
}

/* The first column of what a query has found, as uuid[] in this memory context */
static Datum
fetched_ids(uint64 count, MemoryContext context)
{
	Datum	   *ids = palloc(sizeof(Datum) * (count + 1));
	ArrayType  *array;
	MemoryContext spi_context;

	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;

		ids[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
	}
	spi_context = MemoryContextSwitchTo(context);
	array = make_uuid_array(ids, count);
	MemoryContextSwitchTo(spi_context);
	return PointerGetDatum(array);
}

/*
 * The acting user's projects, as uuid[]: those in our table as the query's snapshot has
 * them.  An active project that is in our table is for find_active_project().
 */
static Datum
find_visible_projects(MemoryContext context)
{
	Datum		values[2] = {(Datum) 0, (Datum) 0};
	char		nulls[2] = {' ', 'n'};
	bool		elsewhere = tarx_keys_members_are_elsewhere() &&
	!tarx_keys_is_service_account(tarx_keys_acting_user());
	Datum		found;

	if (tarx_keys_allowed_projects(&values[1]))
		nulls[1] = ' ';
	tarx_keys_queries_begin();
	values[0] = elsewhere ? PointerGetDatum(find_projects_elsewhere()) :
		CStringGetTextDatum(tarx_keys_acting_user());
	found = fetched_ids(tarx_keys_query_run(elsewhere ? &admitted_query : &projects_query, values, nulls, true),
						context);
	tarx_keys_queries_end();
	return found;
}

static Datum
find_acting_user(MemoryContext context)
{
	MemoryContext old;
	Datum		user_id;

	tarx_keys_check_login();
	old = MemoryContextSwitchTo(context);
	user_id = CStringGetTextDatum(tarx_keys_acting_user());
	MemoryContextSwitchTo(old);
	return user_id;
}

/* find_visible_project_ids() returns uuid[]: see sql/15_access.sql */
Datum
tarx_keys_find_visible_project_ids(PG_FUNCTION_ARGS)
{
	tarx_keys_check_login();
	PG_RETURN_DATUM(find_visible_projects(CurrentMemoryContext));
}

/* The SQL function, because that runs as the owner.  Callers may not see its schema. */
static Datum
find_as_owner(void)
{
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
										   CStringGetDatum("find_visible_project_ids"),
										   PointerGetDatum(buildoidvector(NULL, 0)),
										   ObjectIdGetDatum(get_namespace_oid(TARX_KEYS_INTERNAL_SCHEMA, false)));

	if (!OidIsValid(function))
		elog(ERROR, "find_visible_project_ids() does not exist");
	return OidFunctionCall0(function);
}

static void
observe(Circumstances *now)
{
	Snapshot	snapshot = GetActiveSnapshot();

	/* they are compared byte by byte */
	memset(now, 0, sizeof(*now));
	now->identity = tarx_keys_identity_count();
	now->subtransaction = GetCurrentSubTransactionId();
	now->command = snapshot->curcid;
	now->xmax = snapshot->xmax;
	now->in_progress = snapshot->xcnt;
	now->in_progress_too = snapshot->subxcnt;
}

/* Is the acting user a member of the active project, in our table as the query's snapshot has it? */
static bool
is_member_of_active(const pg_uuid_t *active, const char *user_id)
{
	/* row security and a list's function ask for the same */
	static Circumstances found_in;
	static bool is_member;
	Datum		key[2] = {UUIDPGetDatum(active), CStringGetTextDatum(user_id)};
	Circumstances now;
	TarxKeysRow member;

	observe(&now);
	if (memcmp(&found_in, &now, sizeof(now)) != 0)
	{
		is_member = tarx_keys_find(&tarx_keys_members, key, GetActiveSnapshot(), &member);
		found_in = now;
	}
	return is_member;
}

/*
 * The active project, if the acting user may see it; NULL if more than our table is to
 * be asked, or if there is no active project
 */
static ArrayType *
find_active_project(void)
{
	const pg_uuid_t *active = tarx_keys_active_project();
	const char *user_id = tarx_keys_acting_user();
	Datum		ids[1] = {UUIDPGetDatum(active)};

	if (active == NULL || (tarx_keys_members_are_elsewhere() && !tarx_keys_is_service_account(user_id)))
		return NULL;
	return make_uuid_array(ids, tarx_keys_identity_admits(active) && is_member_of_active(active, user_id) ? 1 : 0);
}

static Datum
find_visible(MemoryContext context)
{
	ArrayType  *found;
	MemoryContext old;
	Datum		kept;

	tarx_keys_check_login();
	found = find_active_project();
	old = MemoryContextSwitchTo(context);
	kept = datumCopy(found != NULL ? PointerGetDatum(found) : find_as_owner(), false, -1);
	MemoryContextSwitchTo(old);
	return kept;
}

static void
forget(TarxKeysBelongings *belongings)
{
	if (belongings->context != NULL)
		MemoryContextDelete(belongings->context);
	*belongings = (TarxKeysBelongings) {NULL, NULL};
}

/* The kept answer, or a new one.  TK010 if the acting user's platform key has ended. */
static Datum
answer(FunctionCallInfo fcinfo, Datum (*find) (MemoryContext context))
{
	KeptAnswer *kept = fcinfo->flinfo->fn_extra;
	Circumstances now;

	if (kept == NULL)
	{
		kept = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(KeptAnswer));
		fcinfo->flinfo->fn_extra = kept;
	}
	observe(&now);
	if (kept->answer == (Datum) 0 || memcmp(&kept->found_in, &now, sizeof(now)) != 0)
	{
		Datum		found = find(fcinfo->flinfo->fn_mcxt);

		if (kept->answer != (Datum) 0)
			pfree(DatumGetPointer(kept->answer));
		kept->answer = found;
		kept->found_in = now;
		forget(&kept->belongings);
	}
	return kept->answer;
}

/* acting_user_id() returns text: TK007 if there is none */
Datum
tarx_keys_acting_user_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(answer(fcinfo, find_acting_user));
}

/*
 * visible_project_ids() returns uuid[]: the projects whose rows row security shows.
 * It is not SECURITY DEFINER itself, because that would cost more than all else.
 */
Datum
tarx_keys_visible_project_ids(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(answer(fcinfo, find_visible));
}

/* audited_project_id() returns uuid: see sql/75_audit.sql */
Datum
tarx_keys_audited_project_id(PG_FUNCTION_ARGS)
{
	const char *user_id = tarx_keys_acting_user();
	const pg_uuid_t *project_id = tarx_keys_active_project();

	if (project_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("there is no active project"),
				 errhint("Name the project in tarx_keys.%s().", tarx_keys_identity_call())));
	tarx_keys_check_login();
	if (tarx_keys_role_of(project_id, user_id) != TARX_KEYS_ROLE_ADMIN)
		tarx_keys_deny_lesser_role(project_id, TARX_KEYS_ROLE_ADMIN);
	PG_RETURN_DATUM(datumCopy(UUIDPGetDatum(project_id), false, UUID_LEN));
}

/* What the function keeps with its answer */
static TarxKeysBelongings *
belongings_of(FunctionCallInfo fcinfo)
{
	TarxKeysBelongings *belongings = &((KeptAnswer *) fcinfo->flinfo->fn_extra)->belongings;

	if (belongings->context == NULL)
		belongings->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "tarx_keys list",
													ALLOCSET_SMALL_SIZES);
	return belongings;
}

/*
 * For a function that a list calls for each row: whether the acting user may see the
 * project.  *belongings is what it keeps from row to row, in memory of its own.
 */
bool
tarx_keys_project_is_visible(FunctionCallInfo fcinfo, const pg_uuid_t *project_id,
							 TarxKeysBelongings **belongings)
{
	ArrayType  *visible = DatumGetArrayTypeP(answer(fcinfo, find_visible));
	const pg_uuid_t *ids = (const pg_uuid_t *) ARR_DATA_PTR(visible);
	int			count = ArrayGetNItems(ARR_NDIM(visible), ARR_DIMS(visible));

	*belongings = belongings_of(fcinfo);
	for (int i = 0; i < count; i++)
	{
		if (memcmp(&ids[i], project_id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/* The same for a list of what a user has: the acting user, whose login counts */
text *
tarx_keys_kept_acting_user(FunctionCallInfo fcinfo, TarxKeysBelongings **belongings)
{
	text	   *user_id = DatumGetTextPP(answer(fcinfo, find_acting_user));

	*belongings = belongings_of(fcinfo);
	return user_id;
}
