/*
 * audit.c
 *	  Writes the audit log: chains, lanes, and rows at their ends.
 *
 * The rows of a project form chains, see pure/audit_chain.c: each row has a
 * stamp, a MAC over itself and the stamp before it.  There is a fixed number of
 * lanes, each with a chain of its own, so that transactions that change the same
 * project need not wait for each other.  What users do with their platform keys
 * belongs to no project; it is in personal chains, under an id derived from the
 * user's and marked personal, so that no project can take their place.
 *
 * A lane's row in audit_ends says where its chain begins and ends, and has the
 * key of its stamps, sealed with the master key and bound to just these ends:
 * see audit_ends.c.  So no lane can be missing as a whole, and a new master key
 * changes only audit_ends.
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

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "identity/identity.h"
#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_record_audit);
PG_FUNCTION_INFO_V1(tarx_keys_personal_chain);

#define LANES			TARX_KEYS_AUDIT_LANES

/* More than any name that our functions accept has, and little enough to be bound. */
#define NAME_MAX_BYTES	1024

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
 * Lanes
 */

/* The table whose lock keeps writers and purge_audit() apart */
Oid
tarx_keys_audit_ends_oid(void)
{
	return get_relname_relid(tarx_keys_audit_ends.name,
							 get_namespace_oid(tarx_keys_audit_ends.schema, false));
}

static LOCKTAG
lane_tag(const TarxKeysChain *chain, int32 lane)
{
	LOCKTAG		tag;
	uint32		hash = hash_bytes(chain->id.data, UUID_LEN) + chain->personal;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, tarx_keys_audit_ends_oid(), hash, lane);
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
	LockRelationOid(tarx_keys_audit_ends_oid(), RowExclusiveLock);
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
append_row(TarxKeysAuditEnds *ends, const char *action, const pg_uuid_t *object_id,
		   text *object_name)
{
	TarxKeysBinding binding;
	TarxKeysRow row;

	tarx_keys_row_clear(&row);
	tarx_keys_row_set(&row, AUDIT_LOG_PROJECT_ID, UUIDPGetDatum(&ends->chain.id));
	tarx_keys_row_set(&row, AUDIT_LOG_PERSONAL, BoolGetDatum(ends->chain.personal));
	tarx_keys_row_set(&row, AUDIT_LOG_SEQ, Int64GetDatum(tarx_keys_chain_next(ends->at.last_seq)));
	tarx_keys_row_set(&row, AUDIT_LOG_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
	tarx_keys_row_set(&row, AUDIT_LOG_USER_ID, CStringGetTextDatum(tarx_keys_acting_user()));
	tarx_keys_row_set(&row, AUDIT_LOG_PROVEN, BoolGetDatum(tarx_keys_identity_is_proven()));
	tarx_keys_row_set(&row, AUDIT_LOG_LOGIN,
					  CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false)));
	tarx_keys_row_set(&row, AUDIT_LOG_CLIENT, client_address());
	tarx_keys_row_set(&row, AUDIT_LOG_ACTION, CStringGetTextDatum(action));
	if (object_id != NULL)
		tarx_keys_row_set(&row, AUDIT_LOG_OBJECT_ID, UUIDPGetDatum(object_id));
	if (object_name != NULL)
		tarx_keys_row_set(&row, AUDIT_LOG_OBJECT_NAME, clipped_name(object_name));
	tarx_keys_row_set(&row, AUDIT_LOG_OUTCOME, CStringGetTextDatum("done"));
	if (!tarx_keys_row_bind(&tarx_keys_audit_log, &row, &binding) ||
		!tarx_keys_chain_stamp(ends->at.last_stamp, (const uint8 *) ends->key.data,
							   ends->at.last_stamp, &binding))
		elog(ERROR, "a row of the audit log exceeds what can be bound");
	ends->at.last_seq = tarx_keys_chain_next(ends->at.last_seq);
	tarx_keys_row_set(&row, AUDIT_LOG_STAMP,
					  PointerGetDatum(tarx_keys_make_bytea(ends->at.last_stamp, TARX_KEYS_MAC_BYTES)));
	/* a row that is there already nobody has written with us */
	if (!tarx_keys_table_insert(&tarx_keys_audit_log, &row))
		tarx_keys_fail_chain(&ends->chain);
}

/*
 * Append a row for the acting user to a chain, in the caller's transaction;
 * object_id and object_name may be NULL.  In an SPI connection.
 */
void
tarx_keys_audit(const TarxKeysChain *chain, const char *action, const pg_uuid_t *object_id,
				text *object_name)
{
	TarxKeysAuditEnds ends;

	tarx_keys_check_audit_action(action);
	tarx_keys_audit_read_locked_ends(chain, tarx_keys_audit_lock_lane(chain), &ends);
	append_row(&ends, action, object_id, object_name);
	tarx_keys_audit_write_ends(&ends);
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
