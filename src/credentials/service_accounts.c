/*
 * service_accounts.c
 *	  Makes the platform keys of service accounts.
 *
 * A service account belongs to a project, and so do its keys: each is narrowed to the
 * project.  They are no descendants of the key that the admin has logged in with, and
 * may outlive it, so that programs go on when the admin has left.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_create_service_account_key);
PG_FUNCTION_INFO_V1(tarx_keys_enter_service_accounts);

static TarxKeysQuery lock_members_query = {
	.sql = "SELECT tarx_keys_internal.lock_members($1)",
	.nargs = 1, .argtypes = {UUIDOID}
};

/* 42501 for a service account: a stolen key of one must not make itself another. */
static void
check_acts_for_person(void)
{
	if (tarx_keys_is_service_account(tarx_keys_acting_user()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a service account cannot make service accounts or their keys"),
				 errhint("Have an admin of the project who is none do this.")));
}

/*
 * Enter a project as an admin, to make a service account or a key of one.  Its members
 * are locked, so that no account ends meanwhile.
 */
static void
enter_service_accounts(const pg_uuid_t *project_id)
{
	Datum		values[1] = {UUIDPGetDatum(project_id)};

	tarx_keys_enter_as(project_id, TARX_KEYS_ROLE_ADMIN);
	check_acts_for_person();
	tarx_keys_queries_begin();
	(void) tarx_keys_query_run(&lock_members_query, values, NULL, false);
	tarx_keys_queries_end();
	/* rights may have ended while it waited */
	tarx_keys_enter_as(project_id, TARX_KEYS_ROLE_ADMIN);
}

/* enter_service_accounts(project_id uuid): see sql/62_service_accounts.sql */
Datum
tarx_keys_enter_service_accounts(PG_FUNCTION_ARGS)
{
	enter_service_accounts(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	PG_RETURN_VOID();
}

static void
require_service_account(const pg_uuid_t *project_id, const char *user_id)
{
	if (!tarx_keys_is_service_account(user_id) ||
		tarx_keys_role_of(project_id, user_id) == TARX_KEYS_ROLE_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 tarx_keys_errarg("user_id"),
				 errmsg("the project has no such service account"),
				 errhint("tarx_keys.project_members lists the project's service accounts.")));
}

/* The project's audit log says which account has the key; the key's row says it is the account's. */
static void
audit_key(const pg_uuid_t *project_id, const TarxKeysRow *key)
{
	tarx_keys_audit_project(project_id, "service_account.create_key",
							DatumGetUUIDP(key->values[PLATFORM_KEY_ID]),
							DatumGetTextPP(key->values[PLATFORM_KEY_NAME]), TARX_KEYS_NO_REVISION);
}

/*
 * create_service_account_key(project_id uuid, user_id text, name text, expires_at
 * timestamptz) returns (id uuid, token text): see sql/62_service_accounts.sql
 */
Datum
tarx_keys_create_service_account_key(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	const pg_uuid_t *project_id;
	char	   *user_id;
	TarxKeysRow key;
	TarxKeysChain chain;
	Datum		projects[1];
	Datum		created;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_create_service_account_key);
	project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	enter_service_accounts(project_id);
	user_id = text_to_cstring(tarx_keys_arg_text(fcinfo, 1, "user_id"));
	require_service_account(project_id, user_id);
	tarx_keys_queries_begin();
	tarx_keys_platform_key_form(&key, fcinfo, 2);
	projects[0] = UUIDPGetDatum(project_id);
	tarx_keys_row_set(&key, PLATFORM_KEY_PROJECT_IDS,
					  PointerGetDatum(construct_array(projects, 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR)));
	audit_key(project_id, &key);

	/* row security admits only the acting user's keys */
	tarx_keys_assume_user(user_id);
	chain = tarx_keys_lock_own_chain(false);
	created = tarx_keys_platform_key_store(&key, fcinfo, &chain, context);
	tarx_keys_queries_end();
	PG_RETURN_DATUM(created);
}
