/*
 * audit.c
 *	  Writes, verifies and purges the audit log.
 *
 * The rows of a project form chains: each row has a stamp, a MAC over itself
 * and the stamp before it.  There is a fixed number of lanes, each with a chain
 * of its own, so that transactions that change the same project need not wait
 * for each other.  Row seq belongs to lane (seq - 1) % LANES and follows row
 * seq - LANES.  What users do with their platform keys belongs to no project;
 * it is in personal chains, under an id derived from the user's and marked
 * personal, so that no project can take their place.
 *
 * A lane's row in audit_ends says where its chain begins and ends, and has the
 * key of its stamps, sealed with the master key and bound to just these ends.
 * So rows can be missing neither in the middle nor at an end, no lane can be
 * missing as a whole, and a new master key changes only audit_ends.
 *
 * Threat: somebody who can write the tables, but has no master key.  Not found
 * out is who puts back an older state of a chain, its rows and its ends, or
 * removes a whole log together with what tells that there was one.
 *
 * Locking: a writer holds its lane from when it enters the project, before it
 * changes anything, to the end of its transaction; only then are the lane's
 * ends read, as they are by now.  The lock is one on an object that does not
 * exist, because no SQL command can take that.  Writers lock audit_ends as an
 * UPDATE does, purge_audit() against them and itself.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_begin_audit);
PG_FUNCTION_INFO_V1(tarx_keys_record_audit);
PG_FUNCTION_INFO_V1(tarx_keys_personal_chain);
PG_FUNCTION_INFO_V1(tarx_keys_verify_audit);
PG_FUNCTION_INFO_V1(tarx_keys_verify_personal_audit);
PG_FUNCTION_INFO_V1(tarx_keys_purge_audit);

/* More writers of one project at the same time than that wait for each other. */
#define LANES			4
#define ROWS_AT_ONCE	1000

/* More than any name that our functions accept has, and little enough to be bound. */
#define NAME_MAX_BYTES	1024

/*
 * Where a lane's chain begins and ends.  Row first_seq follows the stamp
 * first_stamp; in an empty chain last_seq is first_seq - LANES.
 */
typedef struct Ends
{
	TarxKeysChain chain;
	int32		lane;			/* from 0 */
	int64		first_seq;
	uint8		first_stamp[TARX_KEYS_MAC_BYTES];	/* zeros at first */
	int64		last_seq;
	uint8		last_stamp[TARX_KEYS_MAC_BYTES];
	bytea	   *sealed_key;
	TarxKeysText key;
} Ends;

/* The columns that a stamp is over, after project_id and personal, and the stamp */
#define ROW_COLUMNS \
	"a.seq, a.at, a.user_id, a.proven, a.login, a.client, a.action, a.object_id, a.object_name, a.outcome, a.stamp"
#define ROW_COLUMN_COUNT	11

#define ENDS_COLUMNS \
	"e.first_seq, e.first_stamp, e.last_seq, e.last_stamp, e.sealed_key"

#define CHAIN_IS(alias) \
	alias ".project_id OPERATOR(pg_catalog.=) $1 AND " alias ".personal OPERATOR(pg_catalog.=) $2"

#define LANE_IS(alias) \
	CHAIN_IS(alias) " AND " alias ".lane OPERATOR(pg_catalog.=) $3"

static TarxKeysQuery create_ends_query = {
	"INSERT INTO tarx_keys_internal.audit_ends"
	" (project_id, personal, lane, first_seq, first_stamp, last_seq, last_stamp, sealed_key)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (project_id, personal, lane) DO NOTHING",
	8, {UUIDOID, BOOLOID, INT4OID, INT8OID, BYTEAOID, INT8OID, BYTEAOID, BYTEAOID}, NULL
};

static TarxKeysQuery read_ends_query = {
	"SELECT " ENDS_COLUMNS " FROM tarx_keys_internal.audit_ends e WHERE " LANE_IS("e"),
	3, {UUIDOID, BOOLOID, INT4OID}, NULL
};

static TarxKeysQuery update_ends_query = {
	"UPDATE tarx_keys_internal.audit_ends e"
	" SET first_seq = $4, first_stamp = $5, last_seq = $6, last_stamp = $7, sealed_key = $8"
	" WHERE " LANE_IS("e"),
	8, {UUIDOID, BOOLOID, INT4OID, INT8OID, BYTEAOID, INT8OID, BYTEAOID, BYTEAOID}, NULL
};

static TarxKeysQuery insert_query = {
	"INSERT INTO tarx_keys.audit_log"
	" (project_id, personal, seq, at, user_id, proven, login, client, action, object_id, object_name, outcome, stamp)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
	13, {UUIDOID, BOOLOID, INT8OID, TIMESTAMPTZOID, TEXTOID, BOOLOID, TEXTOID, TEXTOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, BYTEAOID}, NULL
};

static TarxKeysQuery rows_query = {
	"SELECT " ROW_COLUMNS " FROM tarx_keys.audit_log a WHERE " CHAIN_IS("a")
	" AND (a.seq OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.%) $4 OPERATOR(pg_catalog.=) $3"
	" ORDER BY a.seq",
	4, {UUIDOID, BOOLOID, INT4OID, INT4OID}, NULL
};

static TarxKeysQuery chain_exists_query = {
	"SELECT 1 FROM tarx_keys_internal.audit_ends e WHERE " CHAIN_IS("e")
	" UNION ALL (SELECT 1 FROM tarx_keys.audit_log a WHERE " CHAIN_IS("a") " LIMIT 1)",
	2, {UUIDOID, BOOLOID}, NULL
};

static TarxKeysQuery project_exists_query = {
	"SELECT 1 FROM tarx_keys.projects p WHERE p.id OPERATOR(pg_catalog.=) $1",
	1, {UUIDOID}, NULL
};

static TarxKeysQuery other_platform_key_query = {
	"SELECT 1 FROM tarx_keys.platform_api_keys k"
	" WHERE k.user_id OPERATOR(pg_catalog.=) $1 AND ($2 IS NULL OR k.id OPERATOR(pg_catalog.<>) $2) LIMIT 1",
	2, {TEXTOID, UUIDOID}, NULL
};

/*
 * Whose first row says that it is old enough; whether that is true is seen
 * then.  Also those that lack the first row, to warn of them.
 */
static TarxKeysQuery old_chains_query = {
	"SELECT e.project_id, e.personal, e.lane FROM tarx_keys_internal.audit_ends e"
	" LEFT JOIN tarx_keys.audit_log a ON a.project_id OPERATOR(pg_catalog.=) e.project_id"
	" AND a.personal OPERATOR(pg_catalog.=) e.personal AND a.seq OPERATOR(pg_catalog.=) e.first_seq"
	" WHERE a.at OPERATOR(pg_catalog.<) $1"
	" OR a.seq IS NULL AND e.first_seq OPERATOR(pg_catalog.<=) e.last_seq",
	1, {TIMESTAMPTZOID}, NULL
};

static TarxKeysQuery delete_query = {
	"DELETE FROM tarx_keys.audit_log a WHERE " CHAIN_IS("a")
	" AND (a.seq OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.%) $4 OPERATOR(pg_catalog.=) $3"
	" AND a.seq OPERATOR(pg_catalog.>=) $5 AND a.seq OPERATOR(pg_catalog.<=) $6",
	6, {UUIDOID, BOOLOID, INT4OID, INT4OID, INT8OID, INT8OID}, NULL
};

/* A user's own chain, for what belongs to no project */
static pg_uuid_t
personal_id(const TarxKeysText *user_id)
{
	uint8		hash[TARX_KEYS_HASH_BYTES];
	pg_uuid_t	id;

	tarx_keys_hash(hash, (const uint8 *) user_id->data, user_id->len);
	memcpy(id.data, hash, UUID_LEN);
	return id;
}

TarxKeysChain
tarx_keys_project_chain(const pg_uuid_t *project_id)
{
	return (TarxKeysChain) {*project_id, false};
}

/* user_id is in UTF-8. */
TarxKeysChain
tarx_keys_personal_chain_of(const TarxKeysText *user_id)
{
	return (TarxKeysChain) {personal_id(user_id), true};
}

/* personal_chain(user_id text) returns uuid: the id of a user's own chain */
Datum
tarx_keys_personal_chain(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id;
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	/* a policy asks for that of the acting user, whom there may not be */
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");
	*id = personal_id(&user_id);
	PG_RETURN_UUID_P(id);
}

/*
 * What is bound
 */

static void
bind_int64(TarxKeysBinding *binding, int64 number)
{
	uint8		bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8) ((uint64) number >> (56 - 8 * i));
	tarx_keys_binding_add(binding, bytes, sizeof(bytes));
}

static void
bind_bool(TarxKeysBinding *binding, bool value)
{
	uint8		byte = value ? 1 : 0;

	tarx_keys_binding_add(binding, &byte, 1);
}

/* A text Datum as UTF-8; false if it cannot be that, or is too long to look at. */
static bool
bind_text(TarxKeysBinding *binding, Datum value, bool isnull)
{
	TarxKeysText utf8 = {NULL, 0, NULL};

	if (!isnull && toast_raw_datum_size(value) > VARHDRSZ + TARX_KEYS_BINDING_MAX)
		return false;
	if (!isnull && !tarx_keys_to_utf8(DatumGetTextPP(value), &utf8))
		return false;
	tarx_keys_binding_add(binding, utf8.data, utf8.len);
	return true;
}

/* values and nulls are a row's ROW_COLUMNS, without the stamp. */
static bool
bind_row(TarxKeysBinding *binding, const TarxKeysChain *chain, const uint8 *previous,
		 const Datum *values, const bool *nulls)
{
	tarx_keys_binding_init(binding, TARX_KEYS_PURPOSE_AUDIT_ROW, chain->id.data);
	bind_bool(binding, chain->personal);
	tarx_keys_binding_add(binding, previous, TARX_KEYS_MAC_BYTES);
	bind_int64(binding, DatumGetInt64(values[0]));
	bind_int64(binding, DatumGetTimestampTz(values[1]));
	bind_bool(binding, DatumGetBool(values[3]));
	tarx_keys_binding_add(binding, nulls[7] ? NULL : DatumGetUUIDP(values[7])->data, UUID_LEN);
	return bind_text(binding, values[2], nulls[2]) &&
		bind_text(binding, values[4], nulls[4]) &&
		bind_text(binding, values[5], nulls[5]) &&
		bind_text(binding, values[6], nulls[6]) &&
		bind_text(binding, values[8], nulls[8]) &&
		bind_text(binding, values[9], nulls[9]) &&
		!binding->overflow;
}

static void
bind_ends(TarxKeysBinding *binding, const Ends *ends)
{
	tarx_keys_binding_init(binding, TARX_KEYS_PURPOSE_AUDIT_ENDS, ends->chain.id.data);
	bind_bool(binding, ends->chain.personal);
	bind_int64(binding, ends->lane);
	bind_int64(binding, ends->first_seq);
	tarx_keys_binding_add(binding, ends->first_stamp, TARX_KEYS_MAC_BYTES);
	bind_int64(binding, ends->last_seq);
	tarx_keys_binding_add(binding, ends->last_stamp, TARX_KEYS_MAC_BYTES);
}

static void
stamp_row(uint8 *stamp, const Ends *ends, const TarxKeysBinding *binding)
{
	tarx_keys_mac(stamp, (const uint8 *) ends->key.data, binding->aad, binding->len);
}

/*
 * Lanes
 */

static Oid
audit_ends_oid(void)
{
	return get_relname_relid("audit_ends", get_namespace_oid(TARX_KEYS_INTERNAL_SCHEMA, false));
}

static LOCKTAG
lane_tag(const TarxKeysChain *chain, int32 lane)
{
	LOCKTAG		tag;
	uint32		hash = hash_bytes(chain->id.data, UUID_LEN) + chain->personal;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, audit_ends_oid(), hash, lane);
	return tag;
}

static bool
has_lane(const TarxKeysChain *chain, int32 lane)
{
	LOCKTAG		tag = lane_tag(chain, lane);

	return tarx_keys_lock_held(&tag, ExclusiveLock);
}

static bool
lock_lane(const TarxKeysChain *chain, int32 lane, bool wait)
{
	LOCKTAG		tag = lane_tag(chain, lane);

	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Lock a lane of the chain that nobody else writes to, or wait for one; returns
 * which.  Once we have one it is that.  To be called before the transaction
 * changes anything of the chain's project: who waited for a lane with a row
 * locked could be waited for.
 */
int32
tarx_keys_audit_lock_lane(const TarxKeysChain *chain)
{
	int32		lane;

	PreventCommandIfReadOnly("INSERT");
	LockRelationOid(audit_ends_oid(), RowExclusiveLock);
	for (lane = 0; lane < LANES; lane++)
	{
		if (has_lane(chain, lane))
			return lane;
	}
	for (lane = 0; lane < LANES; lane++)
	{
		if (lock_lane(chain, lane, false))
			return lane;
	}
	lane = MyProcPid % LANES;
	(void) lock_lane(chain, lane, true);
	return lane;
}

/*
 * Ends
 */

static bytea *
stamp_bytea(const uint8 *stamp)
{
	bytea	   *result = palloc(VARHDRSZ + TARX_KEYS_MAC_BYTES);

	SET_VARSIZE(result, VARHDRSZ + TARX_KEYS_MAC_BYTES);
	memcpy(VARDATA(result), stamp, TARX_KEYS_MAC_BYTES);
	return result;
}

/* False if these bytes can be no stamp */
static bool
copy_stamp(uint8 *stamp, Datum value)
{
	bytea	   *bytes = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(bytes) != TARX_KEYS_MAC_BYTES)
		return false;
	memcpy(stamp, VARDATA_ANY(bytes), TARX_KEYS_MAC_BYTES);
	return true;
}

/* The parameters of create_ends_query and update_ends_query: the ends as they are now, sealed */
static void
form_ends(const Ends *ends, Datum *values)
{
	TarxKeysBinding binding;

	bind_ends(&binding, ends);
	values[0] = UUIDPGetDatum(&ends->chain.id);
	values[1] = BoolGetDatum(ends->chain.personal);
	values[2] = Int32GetDatum(ends->lane);
	values[3] = Int64GetDatum(ends->first_seq);
	values[4] = PointerGetDatum(stamp_bytea(ends->first_stamp));
	values[5] = Int64GetDatum(ends->last_seq);
	values[6] = PointerGetDatum(stamp_bytea(ends->last_stamp));
	values[7] = PointerGetDatum(tarx_keys_seal(&binding, &ends->key));
}

typedef enum EndsState
{
	ENDS_GOOD,
	ENDS_MISSING,
	ENDS_CHANGED,
	ENDS_WITHOUT_MASTER_KEY
} EndsState;

/*
 * The fields are project_id, personal, lane, first_seq, first_stamp, last_seq
 * and last_stamp.
 */
bool
tarx_keys_bind_audit_ends(TarxKeysBinding *binding, const NullableDatum *fields)
{
	Ends		ends;

	for (int i = 0; i < 7; i++)
	{
		if (fields[i].isnull)
			return false;
	}
	ends.chain = (TarxKeysChain) {*DatumGetUUIDP(fields[0].value), DatumGetBool(fields[1].value)};
	ends.lane = DatumGetInt32(fields[2].value);
	ends.first_seq = DatumGetInt64(fields[3].value);
	ends.last_seq = DatumGetInt64(fields[5].value);
	if (!copy_stamp(ends.first_stamp, fields[4].value) ||
		!copy_stamp(ends.last_stamp, fields[6].value))
		return false;
	bind_ends(binding, &ends);
	return true;
}

/*
 * The ends of a lane in this snapshot.  The key is a registered secret in the
 * current memory context.  TK005 without a keyring.
 */
static EndsState
read_ends(const TarxKeysChain *chain, int32 lane, Snapshot snapshot, Ends *ends)
{
	Datum		values[5] = {UUIDPGetDatum(&chain->id), BoolGetDatum(chain->personal), Int32GetDatum(lane)};
	bool		nulls[5];
	TarxKeysBinding binding;

	if (tarx_keys_query_run_at(&read_ends_query, values, snapshot) != 1)
		return ENDS_MISSING;
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	ends->chain = *chain;
	ends->lane = lane;
	ends->first_seq = DatumGetInt64(values[0]);
	ends->last_seq = DatumGetInt64(values[2]);
	if (!copy_stamp(ends->first_stamp, values[1]) || !copy_stamp(ends->last_stamp, values[3]))
		return ENDS_CHANGED;
	ends->sealed_key = DatumGetByteaPP(values[4]);
	if (tarx_keys_master_key_is_missing(ends->sealed_key))
		return ENDS_WITHOUT_MASTER_KEY;
	bind_ends(&binding, ends);
	if (!tarx_keys_open_utf8(&binding, ends->sealed_key, &ends->key) ||
		ends->key.len != TARX_KEYS_SUBKEY_BYTES)
		return ENDS_CHANGED;
	return ENDS_GOOD;
}

pg_noreturn static void
fail_chain(const TarxKeysChain *chain)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_INTEGRITY),
			 errmsg("the audit log of %s \"%s\" failed its integrity check",
					chain->personal ? "user" : "project", tarx_keys_uuid_text(&chain->id)),
			 errhint("What could not be logged is not done. Call tarx_keys.verify_audit(), and ask the database administrator who changed the tables audit_log and audit_ends.")));
}

/* What is wrong with the ends, or NULL.  TK006 if the master key is missing. */
static const char *
problem_of(EndsState state, const Ends *ends)
{
	switch (state)
	{
		case ENDS_GOOD:
			return NULL;
		case ENDS_MISSING:
			return "the record of its ends is missing";
		case ENDS_WITHOUT_MASTER_KEY:
			tarx_keys_fail_master_key_missing(tarx_keys_envelope_fingerprint((uint8 *) VARDATA_ANY(ends->sealed_key),
																			 VARSIZE_ANY_EXHDR(ends->sealed_key)));
		case ENDS_CHANGED:
			break;
	}
	return "the record of its ends changed";
}

/* The ends of a lane that we have locked, as they are by now */
static void
read_locked_ends(const TarxKeysChain *chain, int32 lane, Ends *ends)
{
	Snapshot	snapshot = tarx_keys_latest_snapshot();

	if (problem_of(read_ends(chain, lane, snapshot, ends), ends) != NULL)
		fail_chain(chain);
	UnregisterSnapshot(snapshot);
}

/* By the latest snapshot, because that is what they were read by */
static void
write_ends(const Ends *ends)
{
	Datum		values[8];

	form_ends(ends, values);
	if (tarx_keys_query_change_latest(&update_ends_query, values, NULL) != 1)
		fail_chain(&ends->chain);
}

/* Begin the chains, each with a key of its own, unless there are any. */
static void
begin_chains(const TarxKeysChain *chain)
{
	for (int32 lane = 0; lane < LANES; lane++)
	{
		Ends		ends = {.chain = *chain, .lane = lane};
		Datum		values[8];

		ends.first_seq = lane + 1;
		ends.last_seq = ends.first_seq - LANES;
		ends.key.len = TARX_KEYS_SUBKEY_BYTES;
		ends.key.data = palloc(ends.key.len);
		ends.key.secret = tarx_keys_secret_register(ends.key.data, ends.key.len);
		randombytes_buf(ends.key.data, ends.key.len);
		form_ends(&ends, values);
		tarx_keys_secret_wipe(ends.key.secret);
		(void) tarx_keys_query_run(&create_ends_query, values, NULL, false);
	}
}

/* Is there anything of these chains? */
static bool
chain_exists(const TarxKeysChain *chain)
{
	Datum		values[2] = {UUIDPGetDatum(&chain->id), BoolGetDatum(chain->personal)};

	return tarx_keys_query_run_latest(&chain_exists_query, values) > 0;
}

/* What leaves no row in the log itself leaves a line in the server's. */
static void
log_operation(const char *operation)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg("tarx_keys: role \"%s\" %s",
					GetUserNameFromId(GetSessionUserId(), false), operation),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * begin_audit(project_id uuid): for create_project(), and for a DBA who has
 * removed what no longer opens.
 */
Datum
tarx_keys_begin_audit(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain = tarx_keys_project_chain(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));

	tarx_keys_queries_begin();
	if (!chain_exists(&chain))
	{
		begin_chains(&chain);
		/* create_project() has its own row */
		if (tarx_keys_acting_user_or_null() == NULL)
			log_operation(psprintf("begins the audit log of project %s", tarx_keys_uuid_text(&chain.id)));
	}
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}

/*
 * Begin a user's chains with the first platform key; if there was one before,
 * missing chains have been taken away.
 */
void
tarx_keys_audit_begin_personal(const TarxKeysChain *chain, text *user_id, const pg_uuid_t *first)
{
	Datum		values[2] = {PointerGetDatum(user_id), UUIDPGetDatum(first)};

	if (tarx_keys_query_run_latest(&other_platform_key_query, values) == 0 &&
		!chain_exists(chain))
		begin_chains(chain);
}

/*
 * Writing
 */

/* Where the client is: an address, or [local] for a Unix socket */
static Datum
client_address(void)
{
	LOCAL_FCINFO(call, 0);
	Datum		address;

	InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
	address = inet_client_addr(call);
	return call->isnull ? CStringGetTextDatum("[local]") :
		DirectFunctionCall1(network_host, address);
}

/*
 * A name as far as it can be bound.  Somebody who can write the tables can make
 * it longer, but must not thereby keep a key or a member from being removed.
 */
static Datum
clipped_name(text *name)
{
	int			len = pg_mbcliplen(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), NAME_MAX_BYTES);

	return PointerGetDatum(cstring_to_text_with_len(VARDATA_ANY(name), len));
}

static void
append_row(Ends *ends, const char *action, const pg_uuid_t *object_id, text *object_name)
{
	TarxKeysBinding binding;
	Datum		values[13];
	bool		nulls[13] = {false};
	char		flags[14] = "             ";

	values[0] = UUIDPGetDatum(&ends->chain.id);
	values[1] = BoolGetDatum(ends->chain.personal);
	values[2] = Int64GetDatum(ends->last_seq + LANES);
	values[3] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[4] = CStringGetTextDatum(tarx_keys_acting_user());
	values[5] = BoolGetDatum(tarx_keys_identity_is_proven());
	values[6] = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	values[7] = client_address();
	values[8] = CStringGetTextDatum(action);
	values[9] = UUIDPGetDatum(object_id);
	nulls[9] = object_id == NULL;
	values[10] = object_name == NULL ? (Datum) 0 : clipped_name(object_name);
	nulls[10] = object_name == NULL;
	values[11] = CStringGetTextDatum("done");
	/* Only record_audit() has a long action, from who may call it directly */
	if (!bind_row(&binding, &ends->chain, ends->last_stamp, &values[2], &nulls[2]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("action"),
				 errmsg("action is too long")));
	stamp_row(ends->last_stamp, ends, &binding);
	ends->last_seq += LANES;
	values[12] = PointerGetDatum(stamp_bytea(ends->last_stamp));
	for (int i = 0; i < 13; i++)
		flags[i] = nulls[i] ? 'n' : ' ';
	/* a row that is there already nobody has written with us */
	if (tarx_keys_query_run(&insert_query, values, flags, false) != 1)
		fail_chain(&ends->chain);
}

/*
 * Append a row for the acting user to a chain, in the caller's transaction;
 * object_id and object_name may be NULL.  In an SPI connection.
 */
void
tarx_keys_audit(const TarxKeysChain *chain, const char *action, const pg_uuid_t *object_id,
				text *object_name)
{
	Ends		ends;

	read_locked_ends(chain, tarx_keys_audit_lock_lane(chain), &ends);
	append_row(&ends, action, object_id, object_name);
	write_ends(&ends);
	tarx_keys_secret_wipe(ends.key.secret);
}

void
tarx_keys_audit_project(const pg_uuid_t *project_id, const char *action,
						const pg_uuid_t *object_id, text *object_name)
{
	TarxKeysChain chain = tarx_keys_project_chain(project_id);

	tarx_keys_audit(&chain, action, object_id, object_name);
}

/* record_audit(project_id uuid, action text, object_id uuid, object_name text) */
Datum
tarx_keys_record_audit(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	char	   *action = text_to_cstring(tarx_keys_arg_text(fcinfo, 1, "action"));

	tarx_keys_queries_begin();
	tarx_keys_audit_project(project_id, action,
							PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2),
							PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3));
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}

/*
 * Verifying
 */

typedef struct Verdict
{
	bool		ok;
	int64		broken_at;		/* a seq, if not ok; 0 for the ends */
	const char *reason;
} Verdict;

/* How far a chain was followed, and when to stop */
typedef struct Walk
{
	const Ends *ends;
	int64		seq;			/* of the last good row */
	uint8		stamp[TARX_KEYS_MAC_BYTES]; /* its stamp */
	bool		only_old;		/* stop at a row that is not older */
	TimestampTz before;
	bool		stopped;
	Verdict		verdict;
} Walk;

static Verdict
broken(int64 at, const char *reason)
{
	return (Verdict) {false, at, reason};
}

/* Take the next row; false if that was the last to look at. */
static bool
walk_row(Walk *walk, HeapTuple row, TupleDesc desc)
{
	int64		expected = walk->seq + LANES;
	Datum		values[ROW_COLUMN_COUNT];
	bool		nulls[ROW_COLUMN_COUNT];
	uint8		stored[TARX_KEYS_MAC_BYTES];
	uint8		right[TARX_KEYS_MAC_BYTES];
	TarxKeysBinding binding;

	heap_deform_tuple(row, desc, values, nulls);
	if (DatumGetInt64(values[0]) != expected)
	{
		walk->verdict = broken(expected, "row missing or reordered");
		return false;
	}
	if (!copy_stamp(stored, values[10]) ||
		!bind_row(&binding, &walk->ends->chain, walk->stamp, values, nulls))
	{
		walk->verdict = broken(expected, "row changed");
		return false;
	}
	stamp_row(right, walk->ends, &binding);
	if (sodium_memcmp(stored, right, TARX_KEYS_MAC_BYTES) != 0)
	{
		walk->verdict = broken(expected, "row changed, or not the one that followed");
		return false;
	}
	if (walk->only_old && DatumGetTimestampTz(values[1]) >= walk->before)
	{
		walk->stopped = true;
		return false;
	}
	walk->seq = expected;
	memcpy(walk->stamp, stored, TARX_KEYS_MAC_BYTES);
	return true;
}

/* Take the next rows, in a memory context that is reset after them. */
static bool
walk_rows(Walk *walk, Portal cursor, MemoryContext batch)
{
	bool		more = true;

	SPI_cursor_fetch(cursor, true, ROWS_AT_ONCE);
	/* not before: each call of SPI leaves us in its own context */
	MemoryContextSwitchTo(batch);
	if (SPI_processed == 0)
		more = false;
	for (uint64 i = 0; more && i < SPI_processed; i++)
		more = walk_row(walk, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	SPI_freetuptable(SPI_tuptable);
	return more;
}

/* Follow the chain from its first row to its end, or to where walk says. */
static void
walk_chain(Walk *walk, Snapshot snapshot)
{
	const Ends *ends = walk->ends;
	Datum		values[4] = {UUIDPGetDatum(&ends->chain.id), BoolGetDatum(ends->chain.personal),
	Int32GetDatum(ends->lane), Int32GetDatum(LANES)};
	Portal		cursor = tarx_keys_query_open(&rows_query, values, snapshot);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys audit rows",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;

	walk->seq = ends->first_seq - LANES;
	memcpy(walk->stamp, ends->first_stamp, TARX_KEYS_MAC_BYTES);
	walk->verdict = (Verdict) {true, 0, NULL};
	while (walk_rows(walk, cursor, batch))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(batch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(batch);
	SPI_cursor_close(cursor);
	if (!walk->verdict.ok || walk->stopped)
		return;
	if (walk->seq != ends->last_seq)
		walk->verdict = broken(Min(walk->seq, ends->last_seq) + LANES,
							   walk->seq < ends->last_seq ? "row missing at the end" : "row beyond the end");
	else if (sodium_memcmp(walk->stamp, ends->last_stamp, TARX_KEYS_MAC_BYTES) != 0)
		walk->verdict = broken(walk->seq, "row is not the one that was the last");
}

static Verdict
verify_lane(const TarxKeysChain *chain, int32 lane, Snapshot snapshot)
{
	Ends		ends;
	Walk		walk = {.ends = &ends};
	const char *problem = problem_of(read_ends(chain, lane, snapshot, &ends), &ends);

	if (problem != NULL)
		return broken(0, problem);
	walk_chain(&walk, snapshot);
	tarx_keys_secret_wipe(ends.key.secret);
	return walk.verdict;
}

/*
 * All lanes in one snapshot; of several breaks the first lane's, because which
 * was the first in time is not known.
 */
static Verdict
verify_lanes(const TarxKeysChain *chain)
{
	Verdict		verdict = {true, 0, NULL};
	Snapshot	snapshot;

	tarx_keys_query_lock(&rows_query);
	tarx_keys_query_lock(&read_ends_query);
	snapshot = tarx_keys_latest_snapshot();
	for (int32 lane = 0; lane < LANES && verdict.ok; lane++)
		verdict = verify_lane(chain, lane, snapshot);
	UnregisterSnapshot(snapshot);
	return verdict;
}

/* The result row (ok boolean, broken_at bigint, reason text) */
static Datum
form_verdict(FunctionCallInfo fcinfo, const Verdict *verdict)
{
	Datum		values[3];
	bool		nulls[3] = {false, verdict->ok, verdict->ok};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(verdict->ok);
	values[1] = Int64GetDatum(verdict->broken_at);
	values[2] = verdict->ok ? (Datum) 0 : CStringGetTextDatum(verdict->reason);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * verify_audit(project_id uuid) returns (ok boolean, broken_at bigint, reason
 * text): see sql/75_audit.sql.  A project has its chains from its creation on.
 */
Datum
tarx_keys_verify_audit(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain = tarx_keys_project_chain(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));
	Datum		values[1] = {UUIDPGetDatum(&chain.id)};
	Verdict		verdict = {true, 0, NULL};

	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	if (tarx_keys_query_run_latest(&project_exists_query, values) > 0 || chain_exists(&chain))
		verdict = verify_lanes(&chain);
	tarx_keys_queries_end();
	PG_RETURN_DATUM(form_verdict(fcinfo, &verdict));
}

/*
 * verify_personal_audit(user_id text): the same for what a user did with
 * platform keys, which has its chains from the first one on
 */
Datum
tarx_keys_verify_personal_audit(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");
	TarxKeysChain chain = tarx_keys_personal_chain_of(&user_id);
	Datum		values[2] = {PG_GETARG_DATUM(0), (Datum) 0};
	Verdict		verdict = {true, 0, NULL};

	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	if (tarx_keys_query_run(&other_platform_key_query, values, " n", true) > 0 ||
		chain_exists(&chain))
		verdict = verify_lanes(&chain);
	tarx_keys_queries_end();
	PG_RETURN_DATUM(form_verdict(fcinfo, &verdict));
}

/*
 * Purging
 */

static void
warn_not_purged(const TarxKeysChain *chain, const char *reason)
{
	ereport(WARNING,
			(errcode(ERRCODE_TK_INTEGRITY),
			 errmsg("rows of the audit log of %s \"%s\" are kept: %s",
					chain->personal ? "user" : "project", tarx_keys_uuid_text(&chain->id), reason),
			 errhint("Call tarx_keys.verify_audit(), and find out who changed the tables audit_log and audit_ends.")));
}

/* Delete the rows that walk has found good, and let the chain begin behind them. */
static uint64
delete_rows(Ends *ends, const Walk *walk)
{
	Datum		values[6] = {UUIDPGetDatum(&ends->chain.id), BoolGetDatum(ends->chain.personal),
		Int32GetDatum(ends->lane), Int32GetDatum(LANES),
	Int64GetDatum(ends->first_seq), Int64GetDatum(walk->seq)};

	ends->first_seq = walk->seq + LANES;
	memcpy(ends->first_stamp, walk->stamp, TARX_KEYS_MAC_BYTES);
	write_ends(ends);
	return tarx_keys_query_change_latest(&delete_query, values, NULL);
}

/*
 * Delete a chain's rows from before a time: only those that are what was
 * written, up to the first that is to stay, so that nothing that was tampered
 * with goes unnoticed, and a clock that was set back tears no hole.
 */
static uint64
purge_lane(const TarxKeysChain *chain, int32 lane, TimestampTz before, Snapshot snapshot)
{
	Ends		ends = {0};
	Walk		walk = {.ends = &ends, .only_old = true, .before = before};
	EndsState	state = read_ends(chain, lane, snapshot, &ends);
	uint64		count = 0;

	if (state != ENDS_GOOD)
	{
		warn_not_purged(chain, state == ENDS_WITHOUT_MASTER_KEY ?
						"the master key of their chain is missing" : problem_of(state, &ends));
		return 0;
	}
	walk_chain(&walk, snapshot);
	if (!walk.verdict.ok)
		warn_not_purged(chain, walk.verdict.reason);
	else if (walk.seq >= ends.first_seq)
		count = delete_rows(&ends, &walk);
	tarx_keys_secret_wipe(ends.key.secret);
	return count;
}

/* Purge the chains in SPI_tuptable, each in an SPI connection that frees all it took. */
static uint64
purge_lanes(TimestampTz before, Snapshot snapshot)
{
	SPITupleTable *table = SPI_tuptable;
	uint64		rows = SPI_processed;
	uint64		count = 0;

	for (uint64 i = 0; i < rows; i++)
	{
		Datum		values[3];
		bool		nulls[3];
		TarxKeysChain chain;

		heap_deform_tuple(table->vals[i], table->tupdesc, values, nulls);
		chain.id = *DatumGetUUIDP(values[0]);
		chain.personal = DatumGetBool(values[1]);
		tarx_keys_queries_begin();
		count += purge_lane(&chain, DatumGetInt32(values[2]), before, snapshot);
		tarx_keys_queries_end();
	}
	SPI_freetuptable(table);
	return count;
}

/*
 * purge_audit(before timestamptz) returns bigint: see sql/75_audit.sql.  The
 * lock keeps writers and other purges away, so one snapshot serves to its end.
 */
Datum
tarx_keys_purge_audit(PG_FUNCTION_ARGS)
{
	Datum		values[1] = {PG_GETARG_DATUM(0)};
	uint64		count = 0;
	Snapshot	snapshot;
	Portal		cursor;

	if (PG_ARGISNULL(0))
		(void) tarx_keys_arg_text(fcinfo, 0, "before");
	/* a standby refuses the lock as well, but with another error */
	PreventCommandIfReadOnly("DELETE");
	tarx_keys_enter_maintenance_mode();
	LockRelationOid(audit_ends_oid(), ShareRowExclusiveLock);
	tarx_keys_queries_begin();
	tarx_keys_query_lock(&old_chains_query);
	tarx_keys_query_lock(&rows_query);
	snapshot = tarx_keys_latest_snapshot();
	cursor = tarx_keys_query_open(&old_chains_query, values, snapshot);
	for (;;)
	{
		SPI_cursor_fetch(cursor, true, ROWS_AT_ONCE);
		if (SPI_processed == 0)
			break;
		count += purge_lanes(DatumGetTimestampTz(values[0]), snapshot);
	}
	SPI_cursor_close(cursor);
	UnregisterSnapshot(snapshot);
	tarx_keys_queries_end();
	log_operation(psprintf("purges " UINT64_FORMAT " rows of the audit log, from before %s",
						   count, timestamptz_to_str(DatumGetTimestampTz(values[0]))));
	PG_RETURN_INT64((int64) count);
}
