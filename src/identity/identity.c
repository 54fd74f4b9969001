/*
 * identity.c
 *	  Who acts in this transaction, and in which project.
 *
 * The acting user and the active project are PGC_INTERNAL settings.  Only C code
 * sets them: no SET, ALTER ROLE or connection option can.  They end with the
 * transaction or with ROLLBACK TO.  Parallel workers do not have them, so a
 * function that reads them must not be PARALLEL SAFE.
 *
 * A function that enters a project makes it the active one until it returns.
 * It has a SET clause for search_path, and so a settings level of its own; a
 * setting of GUC_ACTION_SAVE ends with that level.  The owner's policies compare
 * each row's project with the active one.  So a function that forgets to enter
 * a project reaches no rows at all.
 *
 * src/access decides what the acting user may do.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"

#include "identity/identity.h"

PG_FUNCTION_INFO_V1(tarx_keys_current_user_id);
PG_FUNCTION_INFO_V1(tarx_keys_current_project_id);
PG_FUNCTION_INFO_V1(tarx_keys_enter_maintenance);
PG_FUNCTION_INFO_V1(tarx_keys_in_maintenance);
PG_FUNCTION_INFO_V1(tarx_keys_require_maintenance);

/* An id and a hash, of which the setting has the hexadecimal digits */
#define KEY_BYTES		(UUID_LEN + TARX_KEYS_HASH_BYTES)

#define ACTING_USER		"tarx_keys.acting_user"
#define ACTIVE_PROJECT	"tarx_keys.active_project"
#define ALLOWED_PROJECTS "tarx_keys.allowed_projects"
#define EXPIRES_AT		"tarx_keys.identity_expires_at"
#define PLATFORM_KEY	"tarx_keys.platform_key"
#define TOKEN_TIMES		"tarx_keys.token_times"
#define PROVEN			"tarx_keys.proven"
#define READ_ONLY		"tarx_keys.read_only"
#define RUN				"tarx_keys.run"
#define MAINTENANCE		"tarx_keys.maintenance"

static char *acting_user = NULL;
static char *active_project = NULL;
static char *allowed_projects = NULL;
static char *expires_at = NULL;
static char *platform_key = NULL;
static char *run = NULL;
static char *token_times = NULL;
static bool proven = false;
static bool read_only = false;
static bool maintenance = false;

/* Goes up whenever one of the settings may have changed */
static uint64 identity_count = 0;

/* The active project as a uuid, because row security asks for it with every row */
static pg_uuid_t active_project_id;
static bool active_project_is_read = false;

static void
count_identity(const char *newval pg_attribute_unused(),
			   void *extra pg_attribute_unused())
{
	identity_count++;
}

static void
forget_active_project(const char *newval, void *extra)
{
	active_project_is_read = false;
	count_identity(newval, extra);
}

static void
define_internal_string(const char *name, const char *description, char **variable, int flags,
					   GucStringAssignHook assigned)
{
	DefineCustomStringVariable(name, description, NULL, variable, "", PGC_INTERNAL,
							   GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | flags,
							   NULL, assigned, NULL);
}

static void
define_internal_bool(const char *name, const char *description, bool *variable)
{
	DefineCustomBoolVariable(name, description, NULL, variable, false, PGC_INTERNAL,
							 GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							 NULL, NULL, NULL);
}

/* Define the settings that hold the identity, and reserve our prefix. */
void
tarx_keys_identity_init(void)
{
	define_internal_string(ACTING_USER,
						   "The acting user of this transaction, set by act_as(), login() or login_jwt().",
						   &acting_user, 0, count_identity);
	define_internal_string(ACTIVE_PROJECT,
						   "The active project of this transaction, set by act_as(), login() or login_jwt().",
						   &active_project, 0, forget_active_project);
	define_internal_string(ALLOWED_PROJECTS,
						   "The projects that the acting user's platform key is narrowed to.",
						   &allowed_projects, 0, count_identity);
	define_internal_string(EXPIRES_AT,
						   "When the acting user's platform key expires.",
						   &expires_at, 0, count_identity);
	/* the hash of a token is for nobody to see */
	define_internal_string(PLATFORM_KEY,
						   "The platform key that proved the acting user, and the hash of its token.",
						   &platform_key, GUC_SUPERUSER_ONLY, count_identity);
	define_internal_string(RUN, "What is in the run ticket that enter_run() has opened.",
						   &run, GUC_SUPERUSER_ONLY, NULL);
	define_internal_string(TOKEN_TIMES,
						   "When the acting user's token expires, and after what time it was issued.",
						   &token_times, 0, count_identity);
	define_internal_bool(PROVEN, "Whether login() or login_jwt() has proven the acting user.", &proven);
	define_internal_bool(READ_ONLY, "Whether the acting user's platform key may only list.",
						 &read_only);
	define_internal_bool(MAINTENANCE,
						 "Whether a function of the extension looks at all projects.",
						 &maintenance);
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

/* The active project, until another one is; NULL if there is none */
const pg_uuid_t *
tarx_keys_active_project(void)
{
	if (active_project[0] == '\0')
		return NULL;
	if (!active_project_is_read)
	{
		active_project_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(active_project)));
		active_project_is_read = true;
	}
	return &active_project_id;
}

/*
 * The projects that the acting user's platform key is narrowed to, as uuid[];
 * false if it is not narrowed to any
 */
bool
tarx_keys_allowed_projects(Datum *projects)
{
	if (allowed_projects[0] == '\0')
		return false;
	*projects = OidFunctionCall3(F_ARRAY_IN, CStringGetDatum(allowed_projects),
								 ObjectIdGetDatum(UUIDOID), Int32GetDatum(-1));
	return true;
}

/* Is the acting user's platform key narrowed to projects? */
bool
tarx_keys_identity_is_narrowed(void)
{
	return allowed_projects[0] != '\0';
}

/* Has login() or login_jwt() proven the acting user? */
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

/*
 * The platform key by which login() proved the acting user: its id and the hash
 * of its token.  False if there is none.
 */
bool
tarx_keys_identity_platform_key(pg_uuid_t *id, uint8 hash[TARX_KEYS_HASH_BYTES])
{
	uint8		bytes[KEY_BYTES];

	if (platform_key[0] == '\0')
		return false;
	if (strlen(platform_key) != 2 * sizeof(bytes))
		elog(ERROR, "the identity has a malformed platform key");
	(void) hex_decode(platform_key, 2 * sizeof(bytes), (char *) bytes);
	memcpy(id->data, bytes, UUID_LEN);
	memcpy(hash, bytes + UUID_LEN, TARX_KEYS_HASH_BYTES);
	return true;
}

/* The times of the token by which login_jwt() proved the acting user; false if none did */
bool
tarx_keys_identity_token(TarxKeysTokenTimes *times)
{
	char	   *second;

	if (token_times[0] == '\0')
		return false;
	times->expires_at = (TimestampTz) strtoll(token_times, &second, 10);
	times->issued_after = (TimestampTz) strtoll(second, NULL, 10);
	return true;
}

static char *
text_of_times(const TarxKeysTokenTimes *times)
{
	return times == NULL ? pstrdup("") :
		psprintf(INT64_FORMAT " " INT64_FORMAT, (int64) times->expires_at, (int64) times->issued_after);
}

/* What set_identity() takes for such a key, in the current memory context */
char *
tarx_keys_identity_key_text(const pg_uuid_t *id, const bytea *hash)
{
	uint8		bytes[KEY_BYTES];
	char	   *hex = palloc0(2 * sizeof(bytes) + 1);

	if (VARSIZE_ANY_EXHDR(hash) != TARX_KEYS_HASH_BYTES)
		elog(ERROR, "the hash of a token has a wrong length");
	memcpy(bytes, id->data, UUID_LEN);
	memcpy(bytes + UUID_LEN, VARDATA_ANY(hash), TARX_KEYS_HASH_BYTES);
	(void) hex_encode((char *) bytes, sizeof(bytes), hex);
	return hex;
}

/* Does the acting user's platform key admit the project?  True without a key. */
bool
tarx_keys_identity_admits(const pg_uuid_t *project_id)
{
	Datum		projects;
	ArrayType  *array;
	const pg_uuid_t *ids;

	if (!tarx_keys_allowed_projects(&projects))
		return true;
	array = DatumGetArrayTypeP(projects);
	ids = (const pg_uuid_t *) ARR_DATA_PTR(array);
	for (int i = 0; i < ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)); i++)
	{
		if (memcmp(&ids[i], project_id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/* A number that changes whenever the identity may have changed */
uint64
tarx_keys_identity_count(void)
{
	return identity_count;
}

/* The acting user's id, in the database's encoding; TK007 if there is none. */
char *
tarx_keys_acting_user(void)
{
	if (!has_acting_user())
		tarx_keys_fail_no_acting_user();
	return acting_user;
}

/* The acting user's id, or NULL if there is none */
const char *
tarx_keys_acting_user_or_null(void)
{
	return has_acting_user() ? acting_user : NULL;
}

/*
 * For calls that change something: TK007 without an acting user, 42501 if the
 * user's platform key may only list
 */
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

/* 42501 if another project is active */
void
tarx_keys_check_project(const pg_uuid_t *project_id)
{
	const pg_uuid_t *active = tarx_keys_active_project();

	if (active != NULL && memcmp(active, project_id, UUID_LEN) != 0)
		tarx_keys_deny_project(project_id);
}

/*
 * Make the project the active one until the calling SQL function returns;
 * 42501 if another one is active
 */
void
tarx_keys_enter_project(const pg_uuid_t *project_id)
{
	tarx_keys_check_project(project_id);
	if (tarx_keys_active_project() == NULL)
		set_internal(ACTIVE_PROJECT, tarx_keys_uuid_text(project_id), GUC_ACTION_SAVE);
}

/* Most settings have the value already, and to set one takes its time. */
static void
change_string(const char *name, const char *present, const char *value, GucAction action)
{
	if (action != GUC_ACTION_LOCAL || strcmp(present, value) != 0)
		set_internal(name, value, action);
}

static void
change_bool(const char *name, bool present, bool value, GucAction action)
{
	if (action != GUC_ACTION_LOCAL || present != value)
		set_internal(name, value ? "on" : "off", action);
}

static void
set_identity(const TarxKeysIdentity *identity, GucAction action)
{
	change_string(ACTING_USER, acting_user, identity->user_id, action);
	change_string(ACTIVE_PROJECT, active_project, "", action);
	change_string(ALLOWED_PROJECTS, allowed_projects, identity->allowed_projects, action);
	change_string(EXPIRES_AT, expires_at, identity->expires_at, action);
	change_string(PLATFORM_KEY, platform_key, identity->platform_key, action);
	change_string(TOKEN_TIMES, token_times, text_of_times(identity->token), action);
	change_bool(PROVEN, proven, identity->proven, action);
	change_bool(READ_ONLY, read_only, identity->read_only, action);
}

/*
 * Make this the identity until the transaction ends, or until ROLLBACK TO an
 * earlier savepoint.  There is no active project yet.
 */
void
tarx_keys_set_identity(const TarxKeysIdentity *identity)
{
	tarx_keys_check_no_run();
	set_identity(identity, GUC_ACTION_LOCAL);
}

/*
 * Make this user the acting one until the calling SQL function returns, with no
 * active project.
 */
void
tarx_keys_assume_user(const char *user_id)
{
	TarxKeysIdentity identity = {.user_id = user_id, .allowed_projects = "", .expires_at = "",
	.platform_key = ""};

	set_identity(&identity, GUC_ACTION_SAVE);
}

/*
 * The run
 *
 * A run is no acting user: it narrows what resolve calls return, and allows nothing
 * else.  So a transaction has one or the other.
 */

/* What is in the ticket of the run that was entered, in the current memory context; NULL if none was */
const uint8 *
tarx_keys_entered_run(size_t *len)
{
	uint8	   *bytes;

	if (run[0] == '\0')
		return NULL;
	*len = strlen(run) / 2;
	bytes = palloc(*len);
	(void) hex_decode(run, 2 * *len, (char *) bytes);
	return bytes;
}

/* 42501 if the transaction has entered a run */
void
tarx_keys_check_no_run(void)
{
	if (run[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("this transaction has entered a run"),
				 errhint("Use another transaction.")));
}

/*
 * Enter a run until the transaction ends, or until ROLLBACK TO an earlier savepoint.
 * 42501 if the transaction has a run or an acting user.
 */
void
tarx_keys_set_run(const uint8 *bytes, size_t len)
{
	char	   *hex = palloc0(2 * len + 1);

	tarx_keys_check_no_run();
	if (has_acting_user())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a run cannot be entered in a transaction that has an acting user"),
				 errhint("Use another transaction.")));
	(void) hex_encode((const char *) bytes, len, hex);
	set_internal(RUN, hex, GUC_ACTION_LOCAL);
	pfree(hex);
}

/* Make the project the active one for as long as the identity lasts. */
void
tarx_keys_set_active_project(const pg_uuid_t *project_id)
{
	set_internal(ACTIVE_PROJECT, tarx_keys_uuid_text(project_id), GUC_ACTION_LOCAL);
}

/* Let the calling SQL function read the rows of all projects until it returns. */
void
tarx_keys_enter_maintenance_mode(void)
{
	set_internal(MAINTENANCE, "on", GUC_ACTION_SAVE);
}

/* enter_maintenance(): see sql/10_identity.sql */
Datum
tarx_keys_enter_maintenance(PG_FUNCTION_ARGS)
{
	tarx_keys_enter_maintenance_mode();
	PG_RETURN_VOID();
}

/* in_maintenance() returns boolean */
Datum
tarx_keys_in_maintenance(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(maintenance);
}

/* require_maintenance() returns boolean: true, or 42501 outside maintenance */
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

/* current_user_id() returns text: NULL if there is none */
Datum
tarx_keys_current_user_id(PG_FUNCTION_ARGS)
{
	if (!has_acting_user())
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(acting_user));
}

/* current_project_id() returns uuid: NULL if there is none */
Datum
tarx_keys_current_project_id(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *active = tarx_keys_active_project();

	if (active == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(datumCopy(UUIDPGetDatum(active), false, UUID_LEN));
}
