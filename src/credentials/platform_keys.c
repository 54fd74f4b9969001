/*
 * platform_keys.c
 *	  Platform API keys: personal tokens that prove who their user is.
 *
 * Stored is a hash of the token, and a stamp: a keyed MAC over everything that
 * the token allows.  Who can write the table can delete a key, but neither
 * mint one, nor give it another user, a later expiry or wider scopes.  A
 * token is 256 random bits, so a plain hash of it cannot be guessed.
 *
 * login() looks the hash up, checks the stamp, and makes the user the acting
 * one.  Whatever is wrong with a token, the error is the same.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/pg_crc.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_create_platform_key);
PG_FUNCTION_INFO_V1(tarx_keys_revoke_platform_key);
PG_FUNCTION_INFO_V1(tarx_keys_login);

/* A key narrowed to more projects than that would not fit its stamp. */
#define MAX_PROJECTS	100

/* What a platform key's stamp is over; expires_at and project_ids may be NULL. */
typedef struct PlatformKey
{
	pg_uuid_t	id;
	TarxKeysText user_id;		/* as UTF-8 */
	uint8		hash[TARX_KEYS_HASH_BYTES];
	bool		expires;
	TimestampTz expires_at;
	ArrayType  *project_ids;
	bool		read_only;
} PlatformKey;

static TarxKeysQuery insert_query = {
	"INSERT INTO tarx_keys.platform_api_keys"
	" (id, user_id, name, masked_key, token_hash, expires_at, project_ids, read_only, stamp)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	9, {UUIDOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID, UUIDARRAYOID, BOOLOID, BYTEAOID}, NULL
};

static TarxKeysQuery token_query = {
	"SELECT k.id, k.user_id, k.expires_at, k.project_ids, k.read_only, k.stamp"
	" FROM tarx_keys.platform_api_keys k WHERE k.token_hash OPERATOR(pg_catalog.=) $1",
	1, {BYTEAOID}, NULL
};

/* Without its hash and stamp no edit of the row brings a key back; only a copy of them would. */
static TarxKeysQuery revoke_query = {
	"UPDATE tarx_keys.platform_api_keys k"
	" SET token_hash = NULL, stamp = NULL, revoked_at = pg_catalog.now()"
	" WHERE k.id OPERATOR(pg_catalog.=) $1 AND k.user_id OPERATOR(pg_catalog.=) $2"
	" AND k.revoked_at IS NULL RETURNING k.name",
	2, {UUIDOID, TEXTOID}, NULL
};

static TarxKeysQuery membership_query = {
	"SELECT m.project_id FROM tarx_keys.project_members m"
	" WHERE m.user_id OPERATOR(pg_catalog.=) $1 AND m.project_id OPERATOR(pg_catalog.=) ANY ($2)",
	2, {TEXTOID, UUIDARRAYOID}, NULL
};

pg_noreturn static void
fail_login(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_LOGIN_FAILED),
			 errmsg("login failed"),
			 errhidestmt(true), /* it may have the better part of a token */
			 errhint("The platform key is wrong, expired or revoked. Create a new one with tarx_keys.create_platform_key().")));
}

/* Is it what a key can be narrowed to?  NULL is; a NULL in it has no bytes to bind. */
static bool
is_list_of_projects(ArrayType *array)
{
	int			count;

	if (array == NULL)
		return true;
	count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return ARR_NDIM(array) == 1 && count <= MAX_PROJECTS && !array_contains_nulls(array);
}

static void
bind_fields(TarxKeysBinding *binding, const PlatformKey *key)
{
	static const uint8 no_project[TARX_KEYS_SCOPE_BYTES] = {0};
	uint8		expires_at[8];
	uint64		moment = (uint64) key->expires_at;
	uint8		flags = key->read_only ? 1 : 0;

	for (int i = 0; i < 8; i++)
		expires_at[i] = (uint8) (moment >> (56 - 8 * i));
	tarx_keys_binding_init(binding, TARX_KEYS_PURPOSE_PLATFORM, no_project);
	tarx_keys_binding_add(binding, key->id.data, UUID_LEN);
	tarx_keys_binding_add(binding, key->user_id.data, key->user_id.len);
	tarx_keys_binding_add(binding, key->hash, sizeof(key->hash));
	tarx_keys_binding_add(binding, key->expires ? expires_at : NULL, sizeof(expires_at));
	tarx_keys_binding_add(binding, key->project_ids ? ARR_DATA_PTR(key->project_ids) : NULL,
						  key->project_ids ? (size_t) UUID_LEN * ArrayGetNItems(ARR_NDIM(key->project_ids), ARR_DIMS(key->project_ids)) : 0);
	tarx_keys_binding_add(binding, &flags, 1);
}

/* The fields are id, user_id, token_hash, expires_at, project_ids and read_only. */
bool
tarx_keys_bind_platform_key(TarxKeysBinding *binding, const NullableDatum *fields)
{
	PlatformKey key;
	bytea	   *hash;

	if (fields[0].isnull || fields[1].isnull || fields[2].isnull || fields[5].isnull)
		return false;
	hash = DatumGetByteaPP(fields[2].value);
	if (VARSIZE_ANY_EXHDR(hash) != TARX_KEYS_HASH_BYTES ||
		!tarx_keys_to_utf8(DatumGetTextPP(fields[1].value), &key.user_id))
		return false;
	memcpy(key.hash, VARDATA_ANY(hash), TARX_KEYS_HASH_BYTES);
	key.id = *DatumGetUUIDP(fields[0].value);
	key.expires = !fields[3].isnull;
	key.expires_at = fields[3].isnull ? 0 : DatumGetTimestampTz(fields[3].value);
	key.project_ids = fields[4].isnull ? NULL : DatumGetArrayTypeP(fields[4].value);
	key.read_only = DatumGetBool(fields[5].value);
	if (!is_list_of_projects(key.project_ids))
		return false;
	bind_fields(binding, &key);
	return true;
}

/* Column n (from 1) of the key's row */
static Datum
key_column(int n, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, isnull);
}

static uint32
checksum_of(const char *token)
{
	pg_crc32	crc;

	INIT_TRADITIONAL_CRC32(crc);
	COMP_TRADITIONAL_CRC32(crc, token, TARX_KEYS_TOKEN_CHECKED_LEN);
	FIN_TRADITIONAL_CRC32(crc);
	return crc;
}

static bytea *
hash_bytea(const uint8 *hash)
{
	bytea	   *result = palloc(VARHDRSZ + TARX_KEYS_HASH_BYTES);

	SET_VARSIZE(result, VARHDRSZ + TARX_KEYS_HASH_BYTES);
	memcpy(VARDATA(result), hash, TARX_KEYS_HASH_BYTES);
	return result;
}

/*
 * create_platform_key
 */

/* A new token: a text that is a registered secret, because it is the result's copy. */
static text *
make_token(TarxKeysSecret **secret)
{
	text	   *token = palloc(VARHDRSZ + TARX_KEYS_TOKEN_LEN);
	uint8		random[TARX_KEYS_TOKEN_RANDOM_BYTES];

	*secret = tarx_keys_secret_register(token, VARHDRSZ + TARX_KEYS_TOKEN_LEN);
	SET_VARSIZE(token, VARHDRSZ + TARX_KEYS_TOKEN_LEN);
	randombytes_buf(random, sizeof(random));
	tarx_keys_token_write_body(VARDATA(token), random);
	sodium_memzero(random, sizeof(random));
	tarx_keys_token_write_checksum(VARDATA(token), checksum_of(VARDATA(token)));
	return token;
}

static void
check_expiry(PlatformKey *key, FunctionCallInfo fcinfo, int n)
{
	TimestampTz latest;

	key->expires = !PG_ARGISNULL(n);
	key->expires_at = key->expires ? PG_GETARG_TIMESTAMPTZ(n) : 0;
	if (key->expires && key->expires_at <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("expires_at"),
				 errmsg("expires_at is in the past"),
				 errhint("Pass a time to come, or leave it out for a key that does not expire.")));
	/* a key that expires must not make one that outlives it */
	if (tarx_keys_identity_expires(&latest) && (!key->expires || key->expires_at > latest))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 tarx_keys_errarg("expires_at"),
				 errmsg("a platform key cannot create one that expires later than itself"),
				 errhint("Pass expires_at, no later than that of the key you logged in with.")));
}

/* The scope of a key: 1 to 100 projects, all of them the user's. */
static void
check_projects(PlatformKey *key, FunctionCallInfo fcinfo, int n)
{
	Datum		values[2];
	int			count;

	key->project_ids = NULL;
	if (PG_ARGISNULL(n))
		return;
	key->project_ids = PG_GETARG_ARRAYTYPE_P(n);
	count = ArrayGetNItems(ARR_NDIM(key->project_ids), ARR_DIMS(key->project_ids));
	if (!is_list_of_projects(key->project_ids))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("project_ids"),
				 errmsg("project_ids is not a list of projects"),
				 errhint("Pass 1 to %d project ids, or leave it out for all projects.", MAX_PROJECTS)));
	values[0] = CStringGetTextDatum(tarx_keys_acting_user());
	values[1] = PointerGetDatum(key->project_ids);
	(void) tarx_keys_query_run_latest(&membership_query, values);
	for (int i = 0; i < count; i++)
	{
		const pg_uuid_t *id = &((const pg_uuid_t *) ARR_DATA_PTR(key->project_ids))[i];
		bool		found = false;

		for (uint64 row = 0; row < SPI_processed && !found; row++)
		{
			bool		isnull;
			Datum		mine = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull);

			found = memcmp(DatumGetUUIDP(mine), id, UUID_LEN) == 0;
		}
		if (!found)
			tarx_keys_deny_project(id);
	}
}

/*
 * A key that can do less must not make one that can do more, nor take away
 * one that can.
 */
static void
check_key_manager(void)
{
	tarx_keys_require_manager();
	if (tarx_keys_identity_is_narrowed())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a platform key that is narrowed to projects cannot create or revoke platform keys"),
				 errhint("Log in with a platform key for all of your projects.")));
}

static void
insert_key(const PlatformKey *key, const TarxKeysText *name, const text *token)
{
	TarxKeysBinding binding;
	TarxKeysSpan value = {VARDATA_ANY(token), TARX_KEYS_TOKEN_LEN};
	TarxKeysSpan prefix = {TARX_KEYS_TOKEN_PREFIX, sizeof(TARX_KEYS_TOKEN_PREFIX) - 1};
	char		mask[TARX_KEYS_MASK_MAX];
	size_t		masklen = tarx_keys_mask(mask, value, &prefix, 1);
	Datum		values[9];
	char		nulls[10] = "         ";

	bind_fields(&binding, key);
	values[0] = UUIDPGetDatum(&key->id);
	values[1] = CStringGetTextDatum(tarx_keys_acting_user());
	values[2] = PointerGetDatum(tarx_keys_from_utf8(name->data, name->len));
	values[3] = PointerGetDatum(tarx_keys_from_utf8(mask, masklen));
	values[4] = PointerGetDatum(hash_bytea(key->hash));
	values[5] = TimestampTzGetDatum(key->expires_at);
	nulls[5] = key->expires ? ' ' : 'n';
	values[6] = PointerGetDatum(key->project_ids);
	nulls[6] = key->project_ids != NULL ? ' ' : 'n';
	values[7] = BoolGetDatum(key->read_only);
	values[8] = PointerGetDatum(tarx_keys_stamp(&binding));
	(void) tarx_keys_query_run(&insert_query, values, nulls, false);
}

/* The result row (id uuid, token text), in the caller's memory */
static HeapTuple
form_created(FunctionCallInfo fcinfo, const PlatformKey *key, text *token, MemoryContext context)
{
	Datum		values[2] = {UUIDPGetDatum(&key->id), PointerGetDatum(token)};
	bool		nulls[2] = {false, false};
	TupleDesc	desc;
	HeapTuple	tuple;
	MemoryContext old = MemoryContextSwitchTo(context);

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tuple = heap_form_tuple(BlessTupleDesc(desc), values, nulls);
	MemoryContextSwitchTo(old);
	return tuple;
}

/*
 * Create or revoke a key, which id names if it is revoked; log it if that is
 * refused.
 */
static Datum
change_keys(FunctionCallInfo fcinfo, PGFunction change,
			const pg_uuid_t *id)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		result;

	PG_TRY();
	{
		result = change(fcinfo);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		tarx_keys_log_refused_change(NULL, id);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return result;
}

static Datum
create_key(FunctionCallInfo fcinfo)
{
	MemoryContext context = CurrentMemoryContext;
	PlatformKey key;
	TarxKeysChain chain;
	TarxKeysText name;
	TarxKeysSecret *secret;
	text	   *token;
	HeapTuple	tuple;

	check_key_manager();
	name = tarx_keys_arg_utf8(fcinfo, 0, "name");
	tarx_keys_check_name(&name, "name");
	if (PG_ARGISNULL(3))
		(void) tarx_keys_arg_text(fcinfo, 3, "read_only");
	key.read_only = PG_GETARG_BOOL(3);
	check_expiry(&key, fcinfo, 1);
	key.id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	if (!tarx_keys_to_utf8(cstring_to_text(tarx_keys_acting_user()), &key.user_id))
		elog(ERROR, "acting user is not valid text");
	chain = tarx_keys_personal_chain_of(&key.user_id);
	(void) tarx_keys_audit_lock_lane(&chain);

	tarx_keys_queries_begin();
	check_projects(&key, fcinfo, 2);
	token = make_token(&secret);
	tarx_keys_hash(key.hash, (const uint8 *) VARDATA(token), TARX_KEYS_TOKEN_LEN);
	insert_key(&key, &name, token);
	tarx_keys_audit_begin_personal(&chain, cstring_to_text(tarx_keys_acting_user()), &key.id);
	tarx_keys_audit(&chain, "platform_key.create", &key.id,
					tarx_keys_from_utf8(name.data, name.len));
	tuple = form_created(fcinfo, &key, token, context);
	tarx_keys_secret_wipe(secret);
	tarx_keys_queries_end();
	return HeapTupleGetDatum(tuple);
}

/*
 * create_platform_key(name text, expires_at timestamptz, project_ids uuid[],
 * read_only boolean) returns (id uuid, token text): see
 * sql/60_platform_keys.sql.
 */
Datum
tarx_keys_create_platform_key(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark("create_platform_key");
	return change_keys(fcinfo, create_key, NULL);
}

static Datum
revoke_key(FunctionCallInfo fcinfo)
{
	const pg_uuid_t *id = PG_GETARG_UUID_P(0);
	Datum		values[2];
	TarxKeysText user_id;
	TarxKeysChain chain;
	bool		isnull;

	check_key_manager();
	values[0] = UUIDPGetDatum(id);
	values[1] = CStringGetTextDatum(tarx_keys_acting_user());
	tarx_keys_queries_begin();
	if (!tarx_keys_to_utf8(DatumGetTextPP(values[1]), &user_id))
		elog(ERROR, "acting user is not valid text");
	chain = tarx_keys_personal_chain_of(&user_id);
	(void) tarx_keys_audit_lock_lane(&chain);
	if (tarx_keys_query_run(&revoke_query, values, NULL, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 tarx_keys_errarg("id"),
				 errmsg("you have no platform key \"%s\" to revoke", tarx_keys_uuid_text(id)),
				 errhint("tarx_keys.platform_keys lists your keys.")));
	tarx_keys_audit(&chain, "platform_key.revoke", id, DatumGetTextPP(key_column(1, &isnull)));
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}

/* revoke_platform_key(id uuid): see sql/60_platform_keys.sql */
Datum
tarx_keys_revoke_platform_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *id = tarx_keys_arg_uuid(fcinfo, 0, "id");

	return change_keys(fcinfo, revoke_key, id);
}

/*
 * login
 */

/*
 * The hash of a token that has the form and its checksum; else login fails.
 * A token is ASCII, so it is the same in any encoding.
 */
static void
hash_token(const text *token, uint8 *hash)
{
	const char *data = VARDATA_ANY(token);
	size_t		len = VARSIZE_ANY_EXHDR(token);

	if (!tarx_keys_token_has_form(data, len) ||
		!tarx_keys_token_has_checksum(data, checksum_of(data)))
		fail_login();
	tarx_keys_hash(hash, (const uint8 *) data, len);
}

/*
 * The key with this hash, if its stamp is right; else login fails.  *found
 * says whether there is one, also then.  Returns the user in the database's
 * encoding.  All in SPI's memory.
 */
static char *
fetch_key(PlatformKey *key, bool *found)
{
	Datum		values[1] = {PointerGetDatum(hash_bytea(key->hash))};
	TarxKeysBinding binding;
	Datum		value;
	bool		isnull;
	char	   *user_id;

	if (tarx_keys_query_run_latest(&token_query, values) != 1)
		fail_login();
	key->id = *DatumGetUUIDP(key_column(1, &isnull));
	*found = true;
	value = key_column(2, &isnull);
	if (!tarx_keys_to_utf8(DatumGetTextPP(value), &key->user_id))
		fail_login();
	user_id = TextDatumGetCString(value);
	value = key_column(3, &isnull);
	key->expires = !isnull;
	key->expires_at = isnull ? 0 : DatumGetTimestampTz(value);
	value = key_column(4, &isnull);
	key->project_ids = isnull ? NULL : DatumGetArrayTypeP(value);
	if (!is_list_of_projects(key->project_ids))
		fail_login();
	key->read_only = DatumGetBool(key_column(5, &isnull));
	value = key_column(6, &isnull);
	bind_fields(&binding, key);
	if (isnull || !tarx_keys_stamp_is_valid(&binding, DatumGetByteaPP(value)))
		fail_login();
	return user_id;
}

static char *
projects_as_text(const PlatformKey *key)
{
	if (key->project_ids == NULL)
		return "";
	return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(key->project_ids));
}

/* The result row (user_id text, role text) */
static Datum
form_login(FunctionCallInfo fcinfo, const char *user_id, const char *role)
{
	Datum		values[2];
	bool		nulls[2] = {false, role == NULL};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(user_id);
	values[1] = role == NULL ? (Datum) 0 : CStringGetTextDatum(role);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* A login, for those that watch it from outside */
typedef struct LoginCall
{
	FunctionCallInfo fcinfo;
	PlatformKey key;
	bool		key_is_known;	/* key.id is that of the token's row */
	Datum		row;			/* the result */
} LoginCall;

static void
check_throttle(void)
{
	if (!tarx_keys_throttle_allows(GetSessionUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_TK_TOO_MANY_LOGINS),
				 errmsg("too many failed logins"),
				 errhint("Try again in a minute. The server log tells which logins failed; tarx_keys.login_failures_per_minute is the limit.")));
}

static void
log_in(LoginCall *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	MemoryContext context = CurrentMemoryContext;
	TarxKeysIdentity identity = {NULL, NULL, true, false, "", ""};

	check_throttle();
	/* no fault of the token, and the same for any */
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	hash_token(tarx_keys_arg_text(fcinfo, 0, "token"), call->key.hash);
	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	identity.user_id = MemoryContextStrdup(context, fetch_key(&call->key, &call->key_is_known));
	identity.allowed_projects = MemoryContextStrdup(context, projects_as_text(&call->key));
	identity.read_only = call->key.read_only;
	tarx_keys_queries_end();
	if (call->key.expires)
		identity.expires_at = psprintf(INT64_FORMAT, (int64) call->key.expires_at);
	if (call->key.expires && call->key.expires_at <= GetCurrentTimestamp())
		fail_login();

	tarx_keys_warn_without_transaction("tarx_keys.login()");
	if (!PG_ARGISNULL(1))
		identity.project_id = PG_GETARG_UUID_P(1);
	call->row = form_login(fcinfo, identity.user_id, tarx_keys_become(&identity));
}

static const pg_uuid_t *
project_of(const LoginCall *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;

	return PG_ARGISNULL(1) ? NULL : PG_GETARG_UUID_P(1);
}

/* A platform key is counted as one of no project. */
static void
count_use(const LoginCall *call, bool allowed)
{
	tarx_keys_usage_count(TARX_KEYS_USAGE_PLATFORM_KEY, NULL, &call->key.id, allowed);
}

static void
note_refused(const LoginCall *call, int sqlerrcode)
{
	if (!tarx_keys_is_refusal(sqlerrcode))
		return;
	tarx_keys_log_event("login", TARX_KEYS_REFUSED, project_of(call),
						call->key_is_known ? &call->key.id : NULL,
						unpack_sql_state(sqlerrcode));
	if (call->key_is_known)
		count_use(call, false);
	if (sqlerrcode == ERRCODE_TK_LOGIN_FAILED)
		tarx_keys_throttle_failed(GetSessionUserId());
}

static void
note_allowed(const LoginCall *call)
{
	tarx_keys_log_event("login", TARX_KEYS_ALLOWED, project_of(call), &call->key.id, NULL);
	count_use(call, true);
}

/* Log in; log and count it, whether it succeeds or not. */
static void
log_in_and_note(LoginCall *call)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		log_in(call);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		note_refused(call, geterrcode());
		PG_RE_THROW();
	}
	PG_END_TRY();
	note_allowed(call);
}

/*
 * login(token text, project_id uuid) returns (user_id text, role text): see
 * sql/60_platform_keys.sql.  Writes to no table, so that it runs on a standby.
 */
Datum
tarx_keys_login(PG_FUNCTION_ARGS)
{
	LoginCall	call = {.fcinfo = fcinfo};

	tarx_keys_redaction_mark("login");
	log_in_and_note(&call);
	PG_RETURN_DATUM(call.row);
}
