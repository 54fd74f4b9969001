/*
 * platform_keys.c
 *	  Creates and revokes platform API keys: personal tokens that prove who
 *	  their user is.
 *
 * The table has a hash of the token and a stamp, which is a keyed MAC over
 * everything that the token allows, and all that its user knows it by.  Somebody
 * who can write the table can delete a key.  But they cannot make one, or give one
 * another user, a later expiry, wider scopes or another key's name.  A token is
 * 256 random bits, so nobody can find it by guessing what has this hash.
 *
 * A key names the key that made it.  So who revokes a stolen one can revoke what
 * was made with it.  What was made in a transaction that had not committed yet is
 * still to come then.  That is why the revoked key keeps ends_descendants: see
 * access/platform_key.c.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_crc.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_create_platform_key);
PG_FUNCTION_INFO_V1(tarx_keys_revoke_platform_key);

/* A stamp is made over a limited number of bytes; the ids of this many projects fit. */
#define MAX_PROJECTS	100

/*
 * Each login walks up from its key to the one that was made without another.  So the
 * way is short, whatever somebody makes with a stolen key.
 */
#define MAX_GENERATIONS	10

/*
 * Without its hash and stamp a key cannot be brought back by editing its row.  A key
 * that is revoked already may still have to end its descendants.
 */
static TarxKeysQuery revoke_query = {
	.sql = "UPDATE tarx_keys.platform_api_keys k"
	" SET token_hash = NULL, stamp = NULL, revoked_at = coalesce(k.revoked_at, pg_catalog.now()),"
	" ends_descendants = k.ends_descendants OR $3"
	" FROM (SELECT b.revoked_at IS NULL AS is_live FROM tarx_keys.platform_api_keys b"
	" WHERE b.id OPERATOR(pg_catalog.=) $1 AND b.user_id OPERATOR(pg_catalog.=) $2 FOR UPDATE) before"
	" WHERE k.id OPERATOR(pg_catalog.=) $1 AND k.user_id OPERATOR(pg_catalog.=) $2"
	" AND (k.revoked_at IS NULL OR ($3 AND NOT k.ends_descendants))"
	" RETURNING k.name, before.is_live",
	.nargs = 3, .argtypes = {UUIDOID, TEXTOID, BOOLOID}
};

static TarxKeysQuery revoke_descendants_query = {
	.sql = "SELECT r.revoked, r.held FROM tarx_keys_internal.revoke_platform_keys("
	"tarx_keys_internal.platform_key_descendants($1),"
	" pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) interval '2 s') r",
	.nargs = 1, .argtypes = {UUIDOID}
};

static TarxKeysQuery ancestors_query = {
	.sql = "SELECT a.id FROM tarx_keys_internal.platform_key_ancestors($1) a",
	.nargs = 1, .argtypes = {UUIDOID}
};

/* A change's arguments and result */
typedef struct ChangeArg
{
	FunctionCallInfo fcinfo;
	Datum		result;
} ChangeArg;

/* The checksum that a token ends with: CRC-32 of what stands before it */
static uint32
token_checksum(const char *token)
{
	pg_crc32	crc;

	INIT_TRADITIONAL_CRC32(crc);
	COMP_TRADITIONAL_CRC32(crc, token, TARX_KEYS_TOKEN_CHECKED_LEN);
	FIN_TRADITIONAL_CRC32(crc);
	return crc;
}

static bytea *
hash_of(TarxKeysSpan token)
{
	uint8		hash[TARX_KEYS_HASH_BYTES];

	tarx_keys_hash(hash, (const uint8 *) token.data, token.len);
	return tarx_keys_make_bytea(hash, sizeof(hash));
}

/*
 * The hash that a key is known by; NULL if a text has not the form and checksum of a
 * token.  A token is ASCII, so it is the same in any encoding.
 */
bytea *
tarx_keys_token_hash(TarxKeysSpan token)
{
	if (!tarx_keys_token_has_form(token.data, token.len) ||
		!tarx_keys_token_has_checksum(token.data, token_checksum(token.data)))
		return NULL;
	return hash_of(token);
}

/*
 * create_platform_key
 */

/* A new token, as a text that is a registered secret; the caller wipes it. */
static text *
make_token(TarxKeysSecret **secret)
{
	text	   *token = palloc(VARHDRSZ + TARX_KEYS_TOKEN_LEN);
	uint8		random[TARX_KEYS_TOKEN_RANDOM_BYTES];

	*secret = tarx_keys_secret_register(token, VARHDRSZ + TARX_KEYS_TOKEN_LEN);
	SET_VARSIZE(token, VARHDRSZ + TARX_KEYS_TOKEN_LEN);
	randombytes_buf(random, sizeof(random));
	tarx_keys_token_write_body(VARDATA(token), random);
	tarx_keys_token_write_checksum(VARDATA(token), token_checksum(VARDATA(token)));
	return token;
}

/* A key that expires must not create one that outlives it. */
static void
check_outlives_none(FunctionCallInfo fcinfo, int n)
{
	TimestampTz latest;

	if (tarx_keys_identity_expires(&latest) &&
		(PG_ARGISNULL(n) || PG_GETARG_TIMESTAMPTZ(n) > latest))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 tarx_keys_errarg("expires_at"),
				 errmsg("a platform key cannot create one that expires later than itself"),
				 errhint("Pass expires_at, no later than that of the key you logged in with.")));
}

static void
set_expiry(TarxKeysRow *key, FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return;
	if (PG_GETARG_TIMESTAMPTZ(n) <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("expires_at"),
				 errmsg("expires_at is in the past"),
				 errhint("Pass a time to come, or leave it out for a key that does not expire.")));
	tarx_keys_row_set(key, PLATFORM_KEY_EXPIRES_AT, PG_GETARG_DATUM(n));
}

/*
 * The scope of a key: 1 to 100 projects.  Whether the user is a member of one is looked
 * up whenever the key is used, and not here: it may be on another server.
 */
static void
set_projects(TarxKeysRow *key, FunctionCallInfo fcinfo, int n)
{
	ArrayType  *array;
	int			count;

	if (PG_ARGISNULL(n))
		return;
	array = PG_GETARG_ARRAYTYPE_P_COPY(n);
	count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (ARR_NDIM(array) != 1 || count > MAX_PROJECTS || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("project_ids"),
				 errmsg("project_ids is not a list of projects"),
				 errhint("Pass 1 to %d project ids, or leave it out for all projects.", MAX_PROJECTS)));
	ARR_LBOUND(array)[0] = 1;
	tarx_keys_row_set(key, PLATFORM_KEY_PROJECT_IDS, PointerGetDatum(array));
}

/* The mask of a token */
text *
tarx_keys_token_mask(TarxKeysSpan token)
{
	TarxKeysSpan prefix = {TARX_KEYS_TOKEN_PREFIX, sizeof(TARX_KEYS_TOKEN_PREFIX) - 1};
	char		mask[TARX_KEYS_MASK_MAX];
	size_t		masklen = tarx_keys_mask(mask, token, &prefix, 1);

	return tarx_keys_from_utf8(mask, masklen);
}

/* What the key is known by: the token's mask and hash */
static void
set_token(TarxKeysRow *key, const text *token)
{
	TarxKeysSpan value = {VARDATA_ANY(token), TARX_KEYS_TOKEN_LEN};

	tarx_keys_row_set(key, PLATFORM_KEY_MASKED_KEY, PointerGetDatum(tarx_keys_token_mask(value)));
	tarx_keys_row_set(key, PLATFORM_KEY_TOKEN_HASH, PointerGetDatum(hash_of(value)));
}

/* The result row (id uuid, token text), in the caller's memory */
static HeapTuple
form_created(FunctionCallInfo fcinfo, Datum id, text *token, MemoryContext context)
{
	Datum		values[2] = {id, PointerGetDatum(token)};
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

/* The key that the user has logged in with, if any, makes this one. */
static void
set_creator(TarxKeysRow *key)
{
	pg_uuid_t  *creator = palloc(sizeof(pg_uuid_t));
	uint8		hash[TARX_KEYS_HASH_BYTES];
	Datum		values[1] = {UUIDPGetDatum(creator)};

	if (!tarx_keys_identity_platform_key(creator, hash))
		return;

	/*
	 * the new key has its creator's ancestors before it, the creator, and
	 * itself
	 */
	if (tarx_keys_query_run(&ancestors_query, values, NULL, true) + 2 > MAX_GENERATIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("platform keys are made with one another for at most %d generations",
						MAX_GENERATIONS),
				 errhint("Log in with a key of an earlier generation, or call tarx_keys.act_as() instead of tarx_keys.login().")));
	tarx_keys_row_set(key, PLATFORM_KEY_CREATED_WITH, UUIDPGetDatum(creator));
}

/*
 * A row of all but the key's user, its scope, who made it and its token.  The name is
 * argument name_at, and expires_at the one behind it.
 */
void
tarx_keys_platform_key_form(TarxKeysRow *key, FunctionCallInfo fcinfo, int name_at)
{
	TarxKeysText name = tarx_keys_arg_utf8(fcinfo, name_at, "name");

	tarx_keys_row_clear(key);
	tarx_keys_check_name(&name, "name");
	tarx_keys_row_set(key, PLATFORM_KEY_ID, DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	tarx_keys_row_set(key, PLATFORM_KEY_NAME, PointerGetDatum(PG_GETARG_TEXT_PP(name_at)));
	tarx_keys_row_set(key, PLATFORM_KEY_READ_ONLY, BoolGetDatum(false));
	tarx_keys_row_set(key, PLATFORM_KEY_CREATED_AT,
					  TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	tarx_keys_row_set(key, PLATFORM_KEY_ENDS_DESCENDANTS, BoolGetDatum(false));
	set_expiry(key, fcinfo, name_at + 1);
}

/*
 * Give a key a token, and store it as one of the acting user, whose chain in the audit
 * log this is, and a lane of it locked.  Returns (id uuid, token text) in this memory
 * context.
 */
Datum
tarx_keys_platform_key_store(TarxKeysRow *key, FunctionCallInfo fcinfo, const TarxKeysChain *chain,
							 MemoryContext context)
{
	const pg_uuid_t *id = DatumGetUUIDP(key->values[PLATFORM_KEY_ID]);
	TarxKeysSecret *secret;
	text	   *token = make_token(&secret);
	HeapTuple	created;

	tarx_keys_row_set(key, PLATFORM_KEY_USER_ID, CStringGetTextDatum(tarx_keys_acting_user()));
	set_token(key, token);
	tarx_keys_row_stamp(&tarx_keys_platform_keys, key);
	if (!tarx_keys_table_insert(&tarx_keys_platform_keys, key))
		elog(ERROR, "a random id or token exists already");
	tarx_keys_audit_begin_personal(chain, DatumGetTextPP(key->values[PLATFORM_KEY_USER_ID]), id);
	tarx_keys_audit(chain, "platform_key.create", id, DatumGetTextPP(key->values[PLATFORM_KEY_NAME]),
					TARX_KEYS_NO_REVISION);
	created = form_created(fcinfo, UUIDPGetDatum(id), token, context);
	tarx_keys_secret_wipe(secret);
	return HeapTupleGetDatum(created);
}

/* Check the arguments of create_platform_key(), and make a row of all but the token. */
static void
form_key(FunctionCallInfo fcinfo, TarxKeysRow *key)
{
	tarx_keys_platform_key_form(key, fcinfo, 0);
	check_outlives_none(fcinfo, 1);
	tarx_keys_require_arg(fcinfo, 3, "read_only");
	tarx_keys_row_set(key, PLATFORM_KEY_READ_ONLY, BoolGetDatum(PG_GETARG_BOOL(3)));
	set_creator(key);
	set_projects(key, fcinfo, 2);
}

static void
create_key(TarxKeysCall *call pg_attribute_unused(), void *arg)
{
	FunctionCallInfo fcinfo = ((ChangeArg *) arg)->fcinfo;
	MemoryContext context = CurrentMemoryContext;
	TarxKeysChain chain = tarx_keys_enter_own_keys(false);
	TarxKeysRow key;

	tarx_keys_queries_begin();
	form_key(fcinfo, &key);
	((ChangeArg *) arg)->result = tarx_keys_platform_key_store(&key, fcinfo, &chain, context);
	tarx_keys_queries_end();
}

/* Run a change.  If it is refused, the server log says so. */
static Datum
change_keys(FunctionCallInfo fcinfo, TarxKeysCall *call,
			void (*change) (TarxKeysCall *call, void *arg))
{
	ChangeArg	arg = {.fcinfo = fcinfo};

	tarx_keys_run_call(call, change, &arg);
	return arg.result;
}

/*
 * create_platform_key(name text, expires_at timestamptz, project_ids uuid[],
 * read_only boolean) returns (id uuid, token text): see
 * sql/60_platform_keys.sql.
 */
Datum
tarx_keys_create_platform_key(PG_FUNCTION_ARGS)
{
	TarxKeysCall call = {.event = "manage", .is_change = true};

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_create_platform_key);
	PG_RETURN_DATUM(change_keys(fcinfo, &call, create_key));
}

/*
 * revoke_platform_key
 */

/* Revoke the key itself; returns whether it was not revoked yet. */
static bool
revoke_one(const TarxKeysChain *chain, const pg_uuid_t *id, bool with_descendants)
{
	Datum		values[3] = {UUIDPGetDatum(id), CStringGetTextDatum(tarx_keys_acting_user()),
	BoolGetDatum(with_descendants)};
	TupleDesc	desc;
	HeapTuple	row;
	Datum		name;
	bool		isnull;

	if (tarx_keys_query_run(&revoke_query, values, NULL, false) == 0)
		return false;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	if (!DatumGetBool(SPI_getbinval(row, desc, 2, &isnull)))
		return false;
	name = SPI_getbinval(row, desc, 1, &isnull);
	tarx_keys_audit_removal(chain, "platform_key.revoke", id, isnull ? NULL : DatumGetTextPP(name),
							TARX_KEYS_NO_REVISION);
	return true;
}

/*
 * Revoke all that was made with the key; returns whether there was anything.  What
 * others hold ends anyway, because the key says so.
 */
static bool
revoke_descendants(const pg_uuid_t *id)
{
	Datum		values[1] = {UUIDPGetDatum(id)};
	int32		revoked;
	int32		held;
	bool		isnull;

	(void) tarx_keys_query_run(&revoke_descendants_query, values, NULL, false);
	revoked = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	held = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	if (held > 0)
		ereport(WARNING,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("other transactions hold platform keys that were made with this one: %d", held),
				 errhint("Commit: then nobody can log in with them. Call tarx_keys.revoke_platform_key() again when the others are over.")));
	return revoked + held > 0;
}

static void
revoke_key(TarxKeysCall *call, void *arg)
{
	const pg_uuid_t *id = &call->object;
	bool		with_descendants = DatumGetBool(((ChangeArg *) arg)->fcinfo->args[1].value);
	TarxKeysChain chain = tarx_keys_enter_own_keys(true);
	bool		revoked;

	tarx_keys_queries_begin();
	revoked = revoke_one(&chain, id, with_descendants);
	if (with_descendants && revoke_descendants(id))
		revoked = true;
	if (!revoked)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 tarx_keys_errarg("id"),
				 errmsg("you have no platform key \"%s\" to revoke", tarx_keys_uuid_text(id)),
				 errhint("tarx_keys.platform_keys lists your keys.")));
	tarx_keys_queries_end();
}

/* revoke_platform_key(id uuid, descendants boolean): see sql/60_platform_keys.sql */
Datum
tarx_keys_revoke_platform_key(PG_FUNCTION_ARGS)
{
	TarxKeysCall call = {.event = "manage", .is_change = true};

	tarx_keys_call_object(&call, tarx_keys_arg_uuid(fcinfo, 0, "id"), false);
	tarx_keys_require_arg(fcinfo, 1, "descendants");
	(void) change_keys(fcinfo, &call, revoke_key);
	PG_RETURN_VOID();
}
