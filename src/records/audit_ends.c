/*
 * audit_ends.c
 *	  Where each chain of the audit log begins and ends.
 *
 * A row of audit_ends is sealed: its envelope contains the key of the chain's
 * stamps and is bound to the ends.  audit_lanes.c describes the locking.
 *
 * Each row is also bound to which lanes its writer saw.  So a lane that somebody has
 * removed, its rows and its ends, is missed from the next change on that was written
 * to another lane.  A generation begins with its first lane.  Another one begins when
 * a writer finds those that there are taken, and cannot tell their ends of it, which
 * other transactions hold.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "identity/identity.h"
#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_begin_audit);

#define LANES			TARX_KEYS_AUDIT_LANES

static TarxKeysQuery newest_query = {
	TARX_KEYS_SELECT(tarx_keys_audit_ends,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.personal OPERATOR(pg_catalog.=) $2"
					 " AND t.generation OPERATOR(pg_catalog.=) (SELECT pg_catalog.max(e.generation)"
					 " FROM tarx_keys_internal.audit_ends e"
					 " WHERE e.project_id OPERATOR(pg_catalog.=) $1 AND e.personal OPERATOR(pg_catalog.=) $2)"),
	.nargs = 2, .argtypes = {UUIDOID, BOOLOID}
};

static TarxKeysQuery chain_exists_query = {
	.sql = "SELECT 1 FROM tarx_keys_internal.audit_ends e"
	" WHERE e.project_id OPERATOR(pg_catalog.=) $1 AND e.personal OPERATOR(pg_catalog.=) $2"
	" UNION ALL (SELECT 1 FROM tarx_keys.audit_log a"
	" WHERE a.project_id OPERATOR(pg_catalog.=) $1 AND a.personal OPERATOR(pg_catalog.=) $2 LIMIT 1)",
	.nargs = 2, .argtypes = {UUIDOID, BOOLOID}
};

static TarxKeysQuery other_platform_key_query = {
	.sql = "SELECT 1 FROM tarx_keys.platform_api_keys k"
	" WHERE k.user_id OPERATOR(pg_catalog.=) $1 AND ($2 IS NULL OR k.id OPERATOR(pg_catalog.<>) $2) LIMIT 1",
	.nargs = 2, .argtypes = {TEXTOID, UUIDOID}
};

/* The table whose lock keeps writers and purges apart */
Oid
tarx_keys_audit_ends_oid(void)
{
	return get_relname_relid(tarx_keys_audit_ends.name,
							 get_namespace_oid(tarx_keys_audit_ends.schema, false));
}

/*
 * From a row to the ends, and back
 */

static bool
copy_stamp(uint8 *stamp, Datum value)
{
	bytea	   *bytes = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(bytes) != TARX_KEYS_MAC_BYTES)
		return false;
	memcpy(stamp, VARDATA_ANY(bytes), TARX_KEYS_MAC_BYTES);
	return true;
}

/* Read the ends from a row; returns false if they have not the form of ends. */
static bool
read_row(const TarxKeysRow *row, TarxKeysAuditEnds *ends)
{
	for (int i = AUDIT_ENDS_LANES_SEEN; i <= AUDIT_ENDS_LAST_STAMP; i++)
	{
		if (row->nulls[i])
			return false;
	}
	ends->lanes_seen = DatumGetInt32(row->values[AUDIT_ENDS_LANES_SEEN]);
	ends->first_at = DatumGetTimestampTz(row->values[AUDIT_ENDS_FIRST_AT]);
	ends->at.first_seq = DatumGetInt64(row->values[AUDIT_ENDS_FIRST_SEQ]);
	ends->at.last_seq = DatumGetInt64(row->values[AUDIT_ENDS_LAST_SEQ]);
	return copy_stamp(ends->at.first_stamp, row->values[AUDIT_ENDS_FIRST_STAMP]) &&
		copy_stamp(ends->at.last_stamp, row->values[AUDIT_ENDS_LAST_STAMP]);
}

static void
set_stamp(TarxKeysRow *row, int column, const uint8 *stamp)
{
	tarx_keys_row_set(row, column,
					  PointerGetDatum(tarx_keys_make_bytea(stamp, TARX_KEYS_MAC_BYTES)));
}

/* Make the sealed row of these ends. */
static void
form_row(const TarxKeysAuditEnds *ends, TarxKeysRow *row)
{
	tarx_keys_row_clear(row);
	tarx_keys_row_set(row, AUDIT_ENDS_PROJECT_ID, UUIDPGetDatum(&ends->chain.id));
	tarx_keys_row_set(row, AUDIT_ENDS_PERSONAL, BoolGetDatum(ends->chain.personal));
	tarx_keys_row_set(row, AUDIT_ENDS_GENERATION, Int32GetDatum(ends->generation));
	tarx_keys_row_set(row, AUDIT_ENDS_LANE, Int32GetDatum(ends->lane));
	tarx_keys_row_set(row, AUDIT_ENDS_LANES_SEEN,
					  Int32GetDatum(ends->lanes_seen | TARX_KEYS_LANE_BIT(ends->lane)));
	tarx_keys_row_set(row, AUDIT_ENDS_FIRST_SEQ, Int64GetDatum(ends->at.first_seq));
	tarx_keys_row_set(row, AUDIT_ENDS_FIRST_AT, TimestampTzGetDatum(ends->first_at));
	tarx_keys_row_set(row, AUDIT_ENDS_LAST_SEQ, Int64GetDatum(ends->at.last_seq));
	set_stamp(row, AUDIT_ENDS_FIRST_STAMP, ends->at.first_stamp);
	set_stamp(row, AUDIT_ENDS_LAST_STAMP, ends->at.last_stamp);
	tarx_keys_row_seal(&tarx_keys_audit_ends, row, &ends->key);
}

/*
 * Reading and writing
 */

/*
 * Read the ends from a row, with the key still closed.  GOOD means that the master
 * key that opens it is there.  Raises TK005 without a keyring.
 */
TarxKeysEndsState
tarx_keys_audit_read_closed(const TarxKeysChain *chain, TarxKeysRow *row, TarxKeysAuditEnds *ends)
{
	*ends = (TarxKeysAuditEnds) {.chain = *chain};
	if (row->nulls[AUDIT_ENDS_GENERATION] || row->nulls[AUDIT_ENDS_LANE])
		return TARX_KEYS_ENDS_CHANGED;
	ends->generation = DatumGetInt32(row->values[AUDIT_ENDS_GENERATION]);
	ends->lane = DatumGetInt32(row->values[AUDIT_ENDS_LANE]);
	/* what says that it is one more lane is nobody's, whatever its master key */
	if (ends->lane < 0 || ends->lane >= LANES)
		return TARX_KEYS_ENDS_CHANGED;
	if (!tarx_keys_row_detoast(&tarx_keys_audit_ends, row) || !read_row(row, ends))
		return TARX_KEYS_ENDS_CHANGED;
	ends->sealed_key = DatumGetByteaPP(row->values[AUDIT_ENDS_SEALED_KEY]);
	return tarx_keys_master_key_is_missing(ends->sealed_key) ?
		TARX_KEYS_ENDS_WITHOUT_MASTER_KEY : TARX_KEYS_ENDS_GOOD;
}

/* Do the same, and open the key. */
static TarxKeysEndsState
read_open(const TarxKeysChain *chain, TarxKeysRow *row, TarxKeysAuditEnds *ends)
{
	TarxKeysEndsState state = tarx_keys_audit_read_closed(chain, row, ends);

	if (state != TARX_KEYS_ENDS_GOOD)
		return state;
	if (!tarx_keys_row_open(&tarx_keys_audit_ends, row, true, &ends->key) ||
		ends->key.len != TARX_KEYS_SUBKEY_BYTES)
		return TARX_KEYS_ENDS_CHANGED;
	return TARX_KEYS_ENDS_GOOD;
}

/*
 * Read the ends of a lane that this snapshot sees.  The key is a registered secret
 * in the current memory context; the caller wipes it.  Raises TK005 without a
 * keyring.
 */
TarxKeysEndsState
tarx_keys_audit_read_ends(const TarxKeysChain *chain, int32 generation, int32 lane,
						  Snapshot snapshot, TarxKeysAuditEnds *ends)
{
	TarxKeysQuery *query = tarx_keys_table_find_query(&tarx_keys_audit_ends);
	Datum		key[4] = {UUIDPGetDatum(&chain->id), BoolGetDatum(chain->personal),
	Int32GetDatum(generation), Int32GetDatum(lane)};
	TarxKeysRow row;

	if (tarx_keys_query_run_at(query, key, snapshot) != 1)
		return TARX_KEYS_ENDS_MISSING;
	tarx_keys_fetched_row(&tarx_keys_audit_ends, 0, &row);
	return read_open(chain, &row, ends);
}

/* A snapshot of what tarx_keys_audit_newest() reads; the caller unregisters it. */
Snapshot
tarx_keys_audit_snapshot(void)
{
	tarx_keys_query_lock(&newest_query);
	return tarx_keys_latest_snapshot();
}

/* The newest generation of the chain in this snapshot.  TK005 without a keyring. */
void
tarx_keys_audit_newest(const TarxKeysChain *chain, Snapshot snapshot,
					   TarxKeysAuditGeneration *newest)
{
	Datum		key[2] = {UUIDPGetDatum(&chain->id), BoolGetDatum(chain->personal)};
	uint64		rows = tarx_keys_query_run_at(&newest_query, key, snapshot);

	*newest = (TarxKeysAuditGeneration) {.chain = *chain, .lanes_seen = TARX_KEYS_LANE_BIT(TARX_KEYS_FIRST_LANE)};
	for (int lane = 0; lane < LANES; lane++)
		newest->states[lane] = TARX_KEYS_ENDS_MISSING;
	for (uint64 i = 0; i < rows; i++)
	{
		TarxKeysRow row;
		TarxKeysAuditEnds ends;
		TarxKeysEndsState state;

		tarx_keys_fetched_row(&tarx_keys_audit_ends, i, &row);
		state = tarx_keys_audit_read_closed(chain, &row, &ends);
		newest->number = ends.generation;
		if (ends.lane < 0 || ends.lane >= LANES)
			continue;
		newest->states[ends.lane] = state;
		newest->lanes[ends.lane] = ends;
		newest->rows[ends.lane] = row;
		newest->lanes_seen |= ends.lanes_seen;
		newest->lacks_master_key |= state == TARX_KEYS_ENDS_WITHOUT_MASTER_KEY;
	}
}

/* The ends of one of its lanes, open: as tarx_keys_audit_read_ends() */
TarxKeysEndsState
tarx_keys_audit_open_lane(TarxKeysAuditGeneration *generation, int32 lane, TarxKeysAuditEnds *ends)
{
	if (generation->states[lane] != TARX_KEYS_ENDS_GOOD)
		return generation->states[lane];
	return read_open(&generation->chain, &generation->rows[lane], ends);
}

/* The state of the ends of one of its lanes, with all that their key tells */
TarxKeysEndsState
tarx_keys_audit_check_lane(TarxKeysAuditGeneration *generation, int32 lane)
{
	TarxKeysAuditEnds ends = {0};
	TarxKeysEndsState state = tarx_keys_audit_open_lane(generation, lane, &ends);

	if (state == TARX_KEYS_ENDS_GOOD)
		tarx_keys_secret_wipe(ends.key.secret);
	return state;
}

/* Raise TK004 for a change that cannot be logged. */
void
tarx_keys_fail_chain(const TarxKeysChain *chain)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_INTEGRITY),
			 errmsg("the audit log of %s \"%s\" failed its integrity check",
					chain->personal ? "user" : "project", tarx_keys_uuid_text(&chain->id)),
			 errhint("What could not be logged is not done. Call tarx_keys.verify_audit(), and ask the database administrator who changed the tables audit_log and audit_ends.")));
}

/* The problem of the ends in words, or NULL if there is none. */
const char *
tarx_keys_audit_ends_problem(TarxKeysEndsState state)
{
	switch (state)
	{
		case TARX_KEYS_ENDS_GOOD:
			return NULL;
		case TARX_KEYS_ENDS_MISSING:
			return "the record of its ends is missing";
		case TARX_KEYS_ENDS_WITHOUT_MASTER_KEY:
			return "master key missing";
		case TARX_KEYS_ENDS_CHANGED:
			break;
	}
	return "the record of its ends changed";
}

/*
 * Write the ends of a lane that we have locked; returns false if they are gone.
 * They were read by the latest snapshot, so the update uses the latest one, too.
 */
bool
tarx_keys_audit_write_ends(const TarxKeysAuditEnds *ends)
{
	TarxKeysRow row;
	char		flags[TARX_KEYS_MAX_COLUMNS];

	form_row(ends, &row);
	tarx_keys_row_null_flags(&row, flags);
	return tarx_keys_query_run_latest(tarx_keys_table_update_query(&tarx_keys_audit_ends),
									  row.values, flags) == 1;
}

/*
 * Beginning chains
 */

/* A new key, which has stamped nothing yet */
static void
draw_key(TarxKeysAuditEnds *ends)
{
	ends->key.len = TARX_KEYS_SUBKEY_BYTES;
	ends->key.data = palloc(ends->key.len);
	ends->key.secret = tarx_keys_secret_register(ends->key.data, ends->key.len);
	tarx_keys_chain_draw_key((uint8 *) ends->key.data);
}

/* Write the ends of a chain that has no rows with a new key; false if they are gone. */
bool
tarx_keys_audit_renew_ends(TarxKeysAuditEnds *ends)
{
	bool		written;

	ends->first_at = DT_NOEND;
	draw_key(ends);
	written = tarx_keys_audit_write_ends(ends);
	tarx_keys_secret_wipe(ends->key.secret);
	return written;
}

/* Begin a chain that has no rows; returns false if there is one in its place. */
bool
tarx_keys_audit_insert_ends(TarxKeysAuditEnds *ends)
{
	TarxKeysRow row;

	ends->first_at = DT_NOEND;
	draw_key(ends);
	form_row(ends, &row);
	tarx_keys_secret_wipe(ends->key.secret);
	return tarx_keys_table_insert(&tarx_keys_audit_ends, &row);
}

static void
begin_chain(const TarxKeysChain *chain)
{
	TarxKeysAuditEnds ends = {.chain = *chain, .generation = 1, .lane = TARX_KEYS_FIRST_LANE};

	tarx_keys_chain_start(&ends.at, ends.lane);
	(void) tarx_keys_audit_insert_ends(&ends);
}

/* Does anything of these chains exist, a row or an end? */
bool
tarx_keys_audit_chain_exists(const TarxKeysChain *chain)
{
	Datum		values[2] = {UUIDPGetDatum(&chain->id), BoolGetDatum(chain->personal)};

	return tarx_keys_query_run_latest(&chain_exists_query, values, NULL) > 0;
}

/*
 * Does the user have a platform key, revoked or not, other than this one?  besides
 * may be NULL.
 */
bool
tarx_keys_audit_has_platform_key(text *user_id, const pg_uuid_t *besides)
{
	Datum		values[2] = {PointerGetDatum(user_id), UUIDPGetDatum(besides)};
	char		flags[2] = {' ', besides == NULL ? 'n' : ' '};

	return tarx_keys_query_run_latest(&other_platform_key_query, values, flags) > 0;
}

/*
 * Begin the log of a user with the first platform key.  If the user had one before,
 * there was a log: somebody has removed it, and a new one would hide that.
 */
void
tarx_keys_audit_begin_personal(const TarxKeysChain *chain, text *user_id, const pg_uuid_t *first)
{
	if (!tarx_keys_audit_has_platform_key(user_id, first) && !tarx_keys_audit_chain_exists(chain))
		begin_chain(chain);
}

/*
 * begin_audit(project_id uuid): for create_project(), and for a DBA who has
 * removed chains that no longer open.
 */
Datum
tarx_keys_begin_audit(PG_FUNCTION_ARGS)
{
	TarxKeysChain chain = tarx_keys_project_chain(tarx_keys_arg_uuid(fcinfo, 0, "project_id"));

	tarx_keys_queries_begin();
	if (!tarx_keys_audit_chain_exists(&chain))
	{
		begin_chain(&chain);
		/* create_project() writes a row of its own */
		if (tarx_keys_acting_user_or_null() == NULL)
			tarx_keys_log_operation(psprintf("begins the audit log of project %s",
											 tarx_keys_uuid_text(&chain.id)));
	}
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}
