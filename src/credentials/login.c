/*
 * login.c
 *	  login(): a platform key makes its user the acting one.
 *
 * It looks the token's hash up, checks the row's stamp, and makes the user the
 * acting one.  Whatever is wrong with a token, the error is the same.  It writes
 * to no table, so it runs on a standby.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_login);

/* A login's arguments and result */
typedef struct Login
{
	FunctionCallInfo fcinfo;
	Datum		row;
} Login;

pg_noreturn static void
fail_login(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_LOGIN_FAILED),
			 errmsg(TARX_KEYS_LOGIN_FAILED),
			 errhidestmt(true), /* it may have most of a token */
			 errhint("The platform key is wrong, expired or revoked. Create a new one with tarx_keys.create_platform_key().")));
}

/*
 * Only the server log says why login fails here; the error is the same as ever.
 * It says so once a session, however often the session tries.
 */
static void
log_missing_master_key(const TarxKeysRow *key)
{
	static char logged[TARX_KEYS_FINGERPRINT_HEX];
	bytea	   *stamp = DatumGetByteaPP(key->values[PLATFORM_KEY_STAMP]);
	char		hex[TARX_KEYS_FINGERPRINT_HEX];

	tarx_keys_fingerprint_hex(tarx_keys_stamp_fingerprint((const uint8 *) VARDATA_ANY(stamp),
														  VARSIZE_ANY_EXHDR(stamp)), hex);
	if (strcmp(logged, hex) == 0)
		return;
	strlcpy(logged, hex, sizeof(logged));
	ereport(LOG_SERVER_ONLY,
			(errmsg("tarx_keys: a stamp cannot be checked, because the master key with fingerprint %s is not in the keyring", hex),
			 errhidestmt(true)));
}

/*
 * Fetch the row of a token's key by the token's hash.  Login fails unless there is one
 * whose stamp is right and which has not expired.  If there is one, the call knows its
 * id even if login fails.
 */
static void
fetch_key(TarxKeysCall *call, bytea *hash, TarxKeysRow *key)
{
	Datum		values[1] = {PointerGetDatum(hash)};
	TarxKeysRowState state;

	if (!tarx_keys_find_by_other(&tarx_keys_platform_keys, values, NULL, key) ||
		key->nulls[PLATFORM_KEY_ID])
		fail_login();
	tarx_keys_call_object(call, DatumGetUUIDP(key->values[PLATFORM_KEY_ID]), true);
	state = tarx_keys_row_state(&tarx_keys_platform_keys, key);
	if (state == TARX_KEYS_ROW_WITHOUT_MASTER_KEY)
		log_missing_master_key(key);
	if (state != TARX_KEYS_ROW_OK)
		fail_login();
	if (tarx_keys_platform_key_is_over(key))
		fail_login();
}

/* The identity that an authenticated key proves */
static TarxKeysIdentity
identity_of(const TarxKeysRow *key)
{
	TarxKeysIdentity identity = {.proven = true, .allowed_projects = "", .expires_at = ""};

	identity.user_id = TextDatumGetCString(key->values[PLATFORM_KEY_USER_ID]);
	identity.read_only = DatumGetBool(key->values[PLATFORM_KEY_READ_ONLY]);
	if (!key->nulls[PLATFORM_KEY_PROJECT_IDS])
		identity.allowed_projects = OidOutputFunctionCall(F_ARRAY_OUT,
														  key->values[PLATFORM_KEY_PROJECT_IDS]);
	if (!key->nulls[PLATFORM_KEY_EXPIRES_AT])
		identity.expires_at = psprintf(INT64_FORMAT,
									   (int64) DatumGetTimestampTz(key->values[PLATFORM_KEY_EXPIRES_AT]));
	identity.platform_key = tarx_keys_identity_key_text(DatumGetUUIDP(key->values[PLATFORM_KEY_ID]),
														DatumGetByteaPP(key->values[PLATFORM_KEY_TOKEN_HASH]));
	return identity;
}

/* The result row (user_id text, role text) of a login.  The session keeps its description. */
Datum
tarx_keys_form_login(FunctionCallInfo fcinfo, const char *user_id, const char *role)
{
	static TupleDesc desc = NULL;
	Datum		values[2];
	bool		nulls[2] = {false, role == NULL};

	if (desc == NULL)
		desc = tarx_keys_kept_result(fcinfo);
	values[0] = CStringGetTextDatum(user_id);
	values[1] = role == NULL ? (Datum) 0 : CStringGetTextDatum(role);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

static void
log_in(TarxKeysCall *call, void *arg)
{
	Login	   *login = arg;
	FunctionCallInfo fcinfo = login->fcinfo;
	TarxKeysIdentity identity;
	TarxKeysRow key;
	bytea	   *hash;

	tarx_keys_log_left_out(false);
	/* the token is not at fault, so this error may be another one */
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	hash = tarx_keys_token_hash(tarx_keys_span(tarx_keys_arg_text(fcinfo, 0, "token")));
	if (hash == NULL)
		fail_login();
	fetch_key(call, hash, &key);
	identity = identity_of(&key);

	tarx_keys_warn_without_transaction(fcinfo, "tarx_keys.login()");
	identity.project_id = call->project_id;
	login->row = tarx_keys_form_login(fcinfo, identity.user_id, tarx_keys_become(&identity));
}

/*
 * login(token text, project_id uuid) returns (user_id text, role text): see
 * sql/60_platform_keys.sql
 */
Datum
tarx_keys_login(PG_FUNCTION_ARGS)
{
	TarxKeysCall call = {.event = "login", .is_login = true, .kind = TARX_KEYS_USAGE_PLATFORM_KEY};
	Login		login = {.fcinfo = fcinfo};

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_login);
	if (!PG_ARGISNULL(1))
		call.project_id = PG_GETARG_UUID_P(1);
	tarx_keys_run_call(&call, log_in, &login);
	PG_RETURN_DATUM(login.row);
}
