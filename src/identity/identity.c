/*
 * identity.c
 *	  Who acts in this transaction, in which project, and what that allows.
 *
 * The acting user and the active project are PGC_INTERNAL settings: only C
 * code sets them, they end with the transaction or ROLLBACK TO, and no SET,
 * ALTER ROLE or connection option reaches them.  Parallel workers do not have
 * them, so every function that asks is PARALLEL RESTRICTED at most.
 *
 * The enter_... functions stand at the head of our SECURITY DEFINER functions.
 * They check the acting user's rights as they are now, not as an old snapshot
 * has them, and make the project the active one until that function returns
 * (a GUC_ACTION_SAVE setting ends with the function, whose own SET search_path
 * gives it a settings level).  Row security for the owner compares each row's
 * project with the active one, so a function that forgot to enter a project
 * reaches no rows at all.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"

#include "identity/identity.h"
#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_act_as);
PG_FUNCTION_INFO_V1(tarx_keys_acting_user_id);
PG_FUNCTION_INFO_V1(tarx_keys_current_user_id);
PG_FUNCTION_INFO_V1(tarx_keys_current_project_id);
PG_FUNCTION_INFO_V1(tarx_keys_visible_project_ids);
PG_FUNCTION_INFO_V1(tarx_keys_enter_as_member_sql);
PG_FUNCTION_INFO_V1(tarx_keys_enter_as_admin_sql);
PG_FUNCTION_INFO_V1(tarx_keys_enter_new_project);
PG_FUNCTION_INFO_V1(tarx_keys_enter_maintenance);
PG_FUNCTION_INFO_V1(tarx_keys_in_maintenance);
PG_FUNCTION_INFO_V1(tarx_keys_enter_rotation);
PG_FUNCTION_INFO_V1(tarx_keys_in_rotation);
PG_FUNCTION_INFO_V1(tarx_keys_audited_project_id);
PG_FUNCTION_INFO_V1(tarx_keys_require_maintenance);
PG_FUNCTION_INFO_V1(tarx_keys_other_admin_exists);

#define ACTING_USER		"tarx_keys.acting_user"
#define ACTIVE_PROJECT	"tarx_keys.active_project"
#define ALLOWED_PROJECTS "tarx_keys.allowed_projects"
#define EXPIRES_AT		"tarx_keys.identity_expires_at"
#define PROVEN			"tarx_keys.proven"
#define READ_ONLY		"tarx_keys.read_only"
#define MAINTENANCE		"tarx_keys.maintenance"
#define ROTATION		"tarx_keys.rotation"

typedef enum MemberRole
{
	ROLE_NONE,
	ROLE_MEMBER,
	ROLE_ADMIN
} MemberRole;

/* What visible_project_ids() found, for the rest of one query. */
typedef struct VisibleProjects
{
	uint64		identity;
	Datum		project_ids;
} VisibleProjects;

static char *acting_user = NULL;
static char *active_project = NULL;
static char *allowed_projects = NULL;
static char *expires_at = NULL;
static bool proven = false;
static bool read_only = false;
static bool maintenance = false;
static bool rotation = false;

/* Advances whenever one of the settings may have changed. */
static uint64 identity_count = 0;

static TarxKeysQuery role_query = {
	"SELECT m.role FROM tarx_keys.project_members m"
	" WHERE m.project_id OPERATOR(pg_catalog.=) $1"
	" AND m.user_id OPERATOR(pg_catalog.=) $2",
	2, {UUIDOID, TEXTOID}, NULL
};

static TarxKeysQuery other_admin_query = {
	"SELECT 1 FROM tarx_keys.project_members m"
	" WHERE m.project_id OPERATOR(pg_catalog.=) $1"
	" AND m.user_id OPERATOR(pg_catalog.<>) $2"
	" AND m.role OPERATOR(pg_catalog.=) 'admin'",
	2, {UUIDOID, TEXTOID}, NULL
};

static TarxKeysQuery projects_query = {
	"SELECT m.project_id FROM tarx_keys.project_members m"
	" WHERE m.user_id OPERATOR(pg_catalog.=) $1"
	" AND ($2 IS NULL OR m.project_id OPERATOR(pg_catalog.=) $2)"
	" AND ($3 IS NULL OR m.project_id OPERATOR(pg_catalog.=) ANY ($3))",
	3, {TEXTOID, UUIDOID, UUIDARRAYOID}, NULL
};

static void
count_identity(const char *newval pg_attribute_unused(),
			   void *extra pg_attribute_unused())
{
	identity_count++;
}

static void
define_internal_string(const char *name, const char *description, char **variable)
{
	DefineCustomStringVariable(name, description, NULL, variable, "", PGC_INTERNAL,
							   GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   NULL, count_identity, NULL);
}

static void
define_internal_bool(const char *name, const char *description, bool *variable)
{
	DefineCustomBoolVariable(name, description, NULL, variable, false, PGC_INTERNAL,
							 GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							 NULL, NULL, NULL);
}

/* Define the settings that hold the identity, and close our prefix to others. */
void
tarx_keys_identity_init(void)
{
	define_internal_string(ACTING_USER,
						   "The acting user of this transaction, set by tarx_keys.act_as().",
						   &acting_user);
	define_internal_string(ACTIVE_PROJECT,
						   "The active project of this transaction, set by tarx_keys.act_as().",
						   &active_project);
	define_internal_string(ALLOWED_PROJECTS,
						   "The projects that the acting user's platform key is narrowed to.",
						   &allowed_projects);
	define_internal_string(EXPIRES_AT,
						   "When the acting user's platform key expires.",
						   &expires_at);
	define_internal_bool(PROVEN, "Whether login() has proven the acting user.", &proven);
	define_internal_bool(READ_ONLY, "Whether the acting user's platform key may only list.",
						 &read_only);
	define_internal_bool(MAINTENANCE,
						 "Whether a function of the extension looks at all projects.",
						 &maintenance);
	define_internal_bool(ROTATION,
						 "Whether a function of the extension seals rows of all projects again.",
						 &rotation);
	MarkGUCPrefixReserved("tarx_keys");
}

static void
set_internal(const char *name, const char *value, GucAction action)
{
	(void) set_config_option(name, value, PGC_INTERNAL, PGC_S_SESSION, action, true, 0,
							 false);
}

static bool
has_acting_user(void)
{
	return acting_user[0] != '\0';
}

static bool
has_active_project(void)
{
	return active_project[0] != '\0';
}

static Datum
active_project_datum(void)
{
	return DirectFunctionCall1(uuid_in, CStringGetDatum(active_project));
}

/* The projects that the acting user is narrowed to, as uuid[]; only if there are any */
static Datum
allowed_projects_datum(void)
{
	return OidFunctionCall3(F_ARRAY_IN, CStringGetDatum(allowed_projects),
							ObjectIdGetDatum(UUIDOID), Int32GetDatum(-1));
}

/* Is the acting user less than the user's membership would allow? */
bool
tarx_keys_identity_is_narrowed(void)
{
	return read_only || allowed_projects[0] != '\0';
}

/* Has login() proven the acting user? */
bool
tarx_keys_identity_is_proven(void)
{
	return proven;
}

/* When the acting user's platform key expires; false if it does not */
bool
tarx_keys_identity_expires(TimestampTz *when)
{
	if (expires_at[0] == '\0')
		return false;
	*when = (TimestampTz) strtoll(expires_at, NULL, 10);
	return true;
}

/* Does the acting user's platform key admit the project? */
static bool
is_allowed(const pg_uuid_t *project_id)
{
	ArrayType  *array;
	const pg_uuid_t *ids;

	if (allowed_projects[0] == '\0')
		return true;
	array = DatumGetArrayTypeP(allowed_projects_datum());
	ids = (const pg_uuid_t *) ARR_DATA_PTR(array);
	for (int i = 0; i < ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)); i++)
	{
		if (memcmp(&ids[i], project_id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/* The acting user's id, in the database's encoding; TK007 if there is none. */
char *
tarx_keys_acting_user(void)
{
	if (!has_acting_user())
		tarx_keys_fail_no_acting_user();
	return acting_user;
}

/* The same for those that do not ask for one */
const char *
tarx_keys_acting_user_or_null(void)
{
	return has_acting_user() ? acting_user : NULL;
}

/* For whatever changes something: TK007, or 42501 for a key that may only list. */
void
tarx_keys_require_manager(void)
{
	(void) tarx_keys_acting_user();
	if (read_only)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("this platform key may only list"),
				 errhint("Log in with a platform key that was not created read-only.")));
}

/* Denied if another project is active. */
void
tarx_keys_check_project(const pg_uuid_t *project_id)
{
	if (has_active_project() &&
		memcmp(DatumGetUUIDP(active_project_datum()), project_id, UUID_LEN) != 0)
		tarx_keys_deny_project(project_id);
}

/*
 * Make the project the active one until the calling SQL function returns;
 * denied if another one is active.
 */
void
tarx_keys_enter_project(const pg_uuid_t *project_id)
{
	tarx_keys_check_project(project_id);
	if (!has_active_project())
		set_internal(ACTIVE_PROJECT, tarx_keys_uuid_text(project_id), GUC_ACTION_SAVE);
}

static MemberRole
role_of(const pg_uuid_t *project_id, const char *user_id)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), CStringGetTextDatum(user_id)};
	MemberRole	role = ROLE_NONE;

	tarx_keys_queries_begin();
	if (tarx_keys_query_run_latest(&role_query, values) > 0)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

		role = strcmp(name, "admin") == 0 ? ROLE_ADMIN : ROLE_MEMBER;
	}
	tarx_keys_queries_end();
	return role;
}

/*
 * Every change of a project begins here, and so has its lane of the audit log
 * before it locks any row.
 */
static void
enter_with_role(const pg_uuid_t *project_id, MemberRole least)
{
	char	   *user_id = tarx_keys_acting_user();
	TarxKeysChain chain = tarx_keys_project_chain(project_id);
	MemberRole	role;

	tarx_keys_require_manager();
	if (has_active_project())
		tarx_keys_enter_project(project_id);
	if (!is_allowed(project_id))
		tarx_keys_deny_project(project_id);
	role = role_of(project_id, user_id);
	if (role == ROLE_NONE)
		tarx_keys_deny_project(project_id);
	if (role < least)
		tarx_keys_deny_not_admin(project_id);
	tarx_keys_enter_project(project_id);
	(void) tarx_keys_audit_lock_lane(&chain);
}

/* Enter a project that is about to be created; any acting user may. */
static void
enter_new_project(const pg_uuid_t *project_id)
{
	tarx_keys_require_manager();
	if (!is_allowed(project_id))
		tarx_keys_deny_project(project_id);
	tarx_keys_enter_project(project_id);
}

/*
 * Enter the project, in which the acting user must have this role at least,
 * or which is new, to change something; log it if that is refused.
 */
static void
enter_to_change(const pg_uuid_t *project_id, MemberRole least)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		if (least == ROLE_NONE)
			enter_new_project(project_id);
		else
			enter_with_role(project_id, least);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		tarx_keys_log_refused_change(project_id, NULL);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Enter the project, whose admin the acting user must be. */
void
tarx_keys_enter_as_admin(const pg_uuid_t *project_id)
{
	enter_to_change(project_id, ROLE_ADMIN);
}

Datum
tarx_keys_enter_as_admin_sql(PG_FUNCTION_ARGS)
{
	enter_to_change(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), ROLE_ADMIN);
	PG_RETURN_VOID();
}

Datum
tarx_keys_enter_as_member_sql(PG_FUNCTION_ARGS)
{
	enter_to_change(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), ROLE_MEMBER);
	PG_RETURN_VOID();
}

Datum
tarx_keys_enter_new_project(PG_FUNCTION_ARGS)
{
	enter_to_change(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), ROLE_NONE);
	PG_RETURN_VOID();
}

/* Let the calling SQL function read the rows of all projects until it returns. */
void
tarx_keys_enter_maintenance_mode(void)
{
	set_internal(MAINTENANCE, "on", GUC_ACTION_SAVE);
}

Datum
tarx_keys_enter_maintenance(PG_FUNCTION_ARGS)
{
	tarx_keys_enter_maintenance_mode();
	PG_RETURN_VOID();
}

Datum
tarx_keys_in_maintenance(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(maintenance);
}

/* Let the calling SQL function read and change the rows of all projects until it returns. */
Datum
tarx_keys_enter_rotation(PG_FUNCTION_ARGS)
{
	tarx_keys_enter_maintenance_mode();
	set_internal(ROTATION, "on", GUC_ACTION_SAVE);
	PG_RETURN_VOID();
}

Datum
tarx_keys_in_rotation(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(rotation);
}

/*
 * Make this the identity of the transaction, or of what remains of the
 * savepoint; returns the user's role in the active project, or NULL if there
 * is none.  42501 if the user is no member of that project, or may not be in
 * it.
 *
 * The settings come first, because the look-up of the membership is itself
 * subject to row security by the acting user.  If it is refused, the error
 * takes them back.
 */
const char *
tarx_keys_become(const TarxKeysIdentity *identity)
{
	MemberRole	role;

	set_internal(ACTING_USER, identity->user_id, GUC_ACTION_LOCAL);
	set_internal(ACTIVE_PROJECT, "", GUC_ACTION_LOCAL);
	set_internal(ALLOWED_PROJECTS, identity->allowed_projects, GUC_ACTION_LOCAL);
	set_internal(EXPIRES_AT, identity->expires_at, GUC_ACTION_LOCAL);
	set_internal(PROVEN, identity->proven ? "on" : "off", GUC_ACTION_LOCAL);
	set_internal(READ_ONLY, identity->read_only ? "on" : "off", GUC_ACTION_LOCAL);
	if (identity->project_id == NULL)
		return NULL;

	role = role_of(identity->project_id, identity->user_id);
	if (role == ROLE_NONE || !is_allowed(identity->project_id))
		tarx_keys_deny_project(identity->project_id);
	set_internal(ACTIVE_PROJECT, tarx_keys_uuid_text(identity->project_id), GUC_ACTION_LOCAL);
	return role == ROLE_ADMIN ? "admin" : "member";
}

/* Warn who sets an identity where it cannot last. */
void
tarx_keys_warn_without_transaction(const char *function)
{
	if (!IsTransactionBlock())
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
	if (proven)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a proven identity cannot be replaced by tarx_keys.act_as()"),
				 errhint("Use another transaction.")));
}

/* act_as(user_id text, project_id uuid): see sql/10_identity.sql */
Datum
tarx_keys_act_as(PG_FUNCTION_ARGS)
{
	TarxKeysIdentity identity = {NULL, NULL, false, false, "", ""};
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");

	tarx_keys_check_user_id(&user_id);
	check_assertion_allowed();
	tarx_keys_warn_without_transaction("tarx_keys.act_as()");
	identity.user_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(1))
		identity.project_id = PG_GETARG_UUID_P(1);
	(void) tarx_keys_become(&identity);
	PG_RETURN_VOID();
}

/* acting_user_id() returns text: TK007 if there is none */
Datum
tarx_keys_acting_user_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(tarx_keys_acting_user()));
}

Datum
tarx_keys_current_user_id(PG_FUNCTION_ARGS)
{
	if (!has_acting_user())
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(acting_user));
}

Datum
tarx_keys_current_project_id(PG_FUNCTION_ARGS)
{
	if (!has_active_project())
		PG_RETURN_NULL();
	PG_RETURN_DATUM(active_project_datum());
}

/* The project ids that the query's snapshot gives the acting user, as uuid[]. */
static Datum
find_visible_projects(MemoryContext context)
{
	Datum		values[3] = {(Datum) 0, (Datum) 0, (Datum) 0};
	char		nulls[3] = {' ', 'n', 'n'};
	uint64		count;
	Datum	   *ids;
	ArrayType  *array;
	MemoryContext spi_context;

	values[0] = CStringGetTextDatum(tarx_keys_acting_user());
	if (has_active_project())
	{
		values[1] = active_project_datum();
		nulls[1] = ' ';
	}
	if (allowed_projects[0] != '\0')
	{
		values[2] = allowed_projects_datum();
		nulls[2] = ' ';
	}
	tarx_keys_queries_begin();
	count = tarx_keys_query_run(&projects_query, values, nulls, true);
	ids = palloc(sizeof(Datum) * (count + 1));
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;

		ids[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
	}
	spi_context = MemoryContextSwitchTo(context);
	array = construct_array(ids, (int) count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
	MemoryContextSwitchTo(spi_context);
	tarx_keys_queries_end();
	return PointerGetDatum(array);
}

/*
 * visible_project_ids() returns uuid[]: what row security compares with.  It
 * is STABLE, and one query may ask for every row or rescan: the answer is kept
 * for as long as the calling expression is, unless the identity changes.
 */
Datum
tarx_keys_visible_project_ids(PG_FUNCTION_ARGS)
{
	VisibleProjects *cache = fcinfo->flinfo->fn_extra;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(VisibleProjects));
		fcinfo->flinfo->fn_extra = cache;
	}
	if (cache->project_ids == (Datum) 0 || cache->identity != identity_count)
	{
		cache->project_ids = find_visible_projects(fcinfo->flinfo->fn_mcxt);
		cache->identity = identity_count;
	}
	PG_RETURN_DATUM(cache->project_ids);
}

/* audited_project_id() returns uuid: see sql/75_audit.sql */
Datum
tarx_keys_audited_project_id(PG_FUNCTION_ARGS)
{
	Datum		project_id;

	(void) tarx_keys_acting_user();
	if (!has_active_project())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("there is no active project"),
				 errhint("Name the project in tarx_keys.act_as() or tarx_keys.login().")));
	project_id = active_project_datum();
	if (role_of(DatumGetUUIDP(project_id), acting_user) != ROLE_ADMIN)
		tarx_keys_deny_not_admin(DatumGetUUIDP(project_id));
	PG_RETURN_DATUM(project_id);
}

/* require_maintenance() returns boolean: true, or 42501 */
Datum
tarx_keys_require_maintenance(PG_FUNCTION_ARGS)
{
	if (!maintenance)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("rows of the audit log are not deleted one by one"),
				 errhint("Call tarx_keys.purge_audit().")));
	PG_RETURN_BOOL(true);
}

/*
 * other_admin_exists(project_id uuid, user_id text) returns boolean: whether
 * the project has an admin besides this user by now.  To be called with the
 * project's row locked, so that the answer stays true.
 */
Datum
tarx_keys_other_admin_exists(PG_FUNCTION_ARGS)
{
	Datum		values[2];
	bool		found;

	values[0] = UUIDPGetDatum(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	values[1] = PointerGetDatum(tarx_keys_arg_text(fcinfo, 1, "user_id"));
	tarx_keys_queries_begin();
	found = tarx_keys_query_run_latest(&other_admin_query, values) > 0;
	tarx_keys_queries_end();
	PG_RETURN_BOOL(found);
}
