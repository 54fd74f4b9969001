/*
 * audit.c
 *	  Writes the audit log: rows at the ends of chains.
 *
 * The rows of a project form chains (see pure/audit_chain.c): the stamp of a row
 * is a MAC over the row and the stamp before it.  A project has a few lanes, each
 * with a chain of its own, so that transactions that change the same project need not
 * wait for each other.  There is one, and others begin when writers meet.
 *
 * What users do with their platform keys belongs to no project.  It is in personal
 * chains, whose id comes from that of the user.  They are marked as personal, so
 * that a project with the same id has chains of its own.
 *
 * Each lane has a row in audit_ends (see audit_ends.c).  It says where the chain
 * begins and ends, and contains the key of its stamps, sealed with the master key
 * and bound to these ends and to which lanes there are.  So a lane that is missing as
 * a whole is noticed, and a new master key changes only audit_ends.
 *
 * If a master key is lost, so is the key of the chains: nobody can extend or
 * verify them.  They stay as they are, and the next generation of chains begins,
 * with a row that notes their ends.
 *
 * Threat: somebody can write the tables, but has no master key.  We cannot detect
 * that somebody put back an older state of a chain, its rows and its ends, or
 * removed a whole log and everything that shows that there was one.  Where a lane
 * began while others held the rest, its absence is such a state until the next change.
 */
#include "postgres.h"
#include "base/compat.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "identity/identity.h"
#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_record_audit);

/*
 * Longer than any name that our functions accept, and short enough to be bound.
 * Whoever can write the tables can make a name longer, or put bytes into it that
 * are no character, but that must not prevent the removal of a key or a member.
 */
#define NAME_MAX_BYTES	1024

/* The address of the client, or [local] for a Unix socket */
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
 * Fail, because there is a row with the number of ours: TK004, or 55P03 if somebody has
 * extended the lane, which is ours.  That is a transaction which was prepared before the
 * server restarted: see audit_lanes.c.
 */
pg_noreturn static void
fail_number_taken(const TarxKeysAuditEnds *ends)
{
	TarxKeysAuditEnds by_now = {0};
	Snapshot	snapshot = tarx_keys_latest_snapshot();
	TarxKeysEndsState state = tarx_keys_audit_read_ends(&ends->chain, ends->generation, ends->lane, snapshot, &by_now);

	UnregisterSnapshot(snapshot);
	if (state == TARX_KEYS_ENDS_GOOD)
		tarx_keys_secret_wipe(by_now.key.secret);
	if (state != TARX_KEYS_ENDS_GOOD || by_now.at.last_seq < ends->at.last_seq)
		tarx_keys_fail_chain(&ends->chain);
	tarx_keys_audit_fail_in_use(&ends->chain,
								"A transaction that was prepared before the server restarted has written to it. Make the change again.");
}

static void
append_row(TarxKeysAuditEnds *ends, const char *action, const pg_uuid_t *object_id,
		   text *object_name, int32 revision)
{
	TimestampTz now = GetCurrentTimestamp();
	TarxKeysBinding binding;
	TarxKeysRow row;

	tarx_keys_row_clear(&row);
	tarx_keys_row_set(&row, AUDIT_LOG_PROJECT_ID, UUIDPGetDatum(&ends->chain.id));
	tarx_keys_row_set(&row, AUDIT_LOG_PERSONAL, BoolGetDatum(ends->chain.personal));
	tarx_keys_row_set(&row, AUDIT_LOG_GENERATION, Int32GetDatum(ends->generation));
	tarx_keys_row_set(&row, AUDIT_LOG_SEQ, Int64GetDatum(tarx_keys_chain_next(ends->at.last_seq)));
	tarx_keys_row_set(&row, AUDIT_LOG_AT, TimestampTzGetDatum(now));
	tarx_keys_row_set(&row, AUDIT_LOG_USER_ID, CStringGetTextDatum(tarx_keys_acting_user()));
	tarx_keys_row_set(&row, AUDIT_LOG_PROVEN, BoolGetDatum(tarx_keys_identity_is_proven()));
	tarx_keys_row_set(&row, AUDIT_LOG_LOGIN,
					  CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false)));
	tarx_keys_row_set(&row, AUDIT_LOG_CLIENT, client_address());
	tarx_keys_row_set(&row, AUDIT_LOG_ACTION, CStringGetTextDatum(action));
	if (object_id != NULL)
		tarx_keys_row_set(&row, AUDIT_LOG_OBJECT_ID, UUIDPGetDatum(object_id));
	if (object_name != NULL)
		tarx_keys_row_set(&row, AUDIT_LOG_OBJECT_NAME,
						  PointerGetDatum(tarx_keys_shown_text(PointerGetDatum(object_name), NAME_MAX_BYTES)));
	tarx_keys_row_set(&row, AUDIT_LOG_OUTCOME, CStringGetTextDatum("done"));
	if (revision != TARX_KEYS_NO_REVISION)
		tarx_keys_row_set(&row, AUDIT_LOG_REVISION, Int32GetDatum(revision));
	if (!tarx_keys_row_bind(&tarx_keys_audit_log, &row, &binding) ||
		!tarx_keys_chain_stamp(ends->at.last_stamp, (const uint8 *) ends->key.data,
							   ends->at.last_stamp, &binding))
		elog(ERROR, "a row of the audit log exceeds what can be bound");
	ends->at.last_seq = tarx_keys_chain_next(ends->at.last_seq);
	if (ends->first_at == DT_NOEND)
		ends->first_at = now;
	tarx_keys_row_set(&row, AUDIT_LOG_STAMP,
					  PointerGetDatum(tarx_keys_make_bytea(ends->at.last_stamp, TARX_KEYS_MAC_BYTES)));
	/* if there is a row with this number, we did not write it */
	if (!tarx_keys_table_insert(&tarx_keys_audit_log, &row))
		fail_number_taken(ends);
}

static bool
has_seen(int32 lanes, int32 lane)
{
	return (lanes & TARX_KEYS_LANE_BIT(lane)) != 0;
}

/*
 * The next generation
 */

/*
 * Can it be that nothing is wrong with the generation but a missing master key?
 * If anything else is, nothing may begin that would go on in spite of it.
 */
static bool
is_only_closed(TarxKeysAuditGeneration *generation)
{
	for (int32 lane = 0; lane < TARX_KEYS_AUDIT_LANES; lane++)
	{
		TarxKeysEndsState state = tarx_keys_audit_check_lane(generation, lane);

		if (state == TARX_KEYS_ENDS_CHANGED ||
			(state == TARX_KEYS_ENDS_MISSING && has_seen(generation->lanes_seen, lane)))
			return false;
	}
	return true;
}

/*
 * What the numbers of the next generation must be above: the sum over the lanes,
 * so that it does not fall.  False if that is more than it can be.
 */
static bool
sum_of_last(const TarxKeysAuditGeneration *former, int64 *sum)
{
	*sum = 0;
	for (int lane = 0; lane < TARX_KEYS_AUDIT_LANES; lane++)
	{
		int64		last = former->lanes[lane].at.last_seq;

		if (last > TARX_KEYS_AUDIT_MAX_SEQ)
			return false;
		*sum += Max(last, 0);
	}
	return true;
}

static const uint8 *
master_key_of(const TarxKeysAuditEnds *ends)
{
	return tarx_keys_envelope_fingerprint((uint8 *) VARDATA_ANY(ends->sealed_key),
										  VARSIZE_ANY_EXHDR(ends->sealed_key));
}

/* The ends of all lanes as they are stored, which nobody vouches for */
static char *
notes_of(const TarxKeysAuditGeneration *former)
{
	StringInfoData notes;

	initStringInfo(&notes);
	for (int lane = 0; lane < TARX_KEYS_AUDIT_LANES; lane++)
	{
		const TarxKeysAuditEnds *ends = &former->lanes[lane];
		char		note[TARX_KEYS_CHAIN_NOTE_BYTES];

		if (former->states[lane] == TARX_KEYS_ENDS_MISSING)
			continue;
		tarx_keys_chain_note(note, lane, master_key_of(ends), &ends->at);
		appendStringInfo(&notes, "%s%s", notes.len > 0 ? "; " : "", note);
	}
	return notes.data;
}

/* TK006, for a lane whose master key is missing */
pg_noreturn static void
fail_without_master_key(const TarxKeysAuditGeneration *generation)
{
	int			lane = 0;

	while (generation->states[lane] != TARX_KEYS_ENDS_WITHOUT_MASTER_KEY)
		lane++;
	tarx_keys_fail_master_key_missing(master_key_of(&generation->lanes[lane]));
}

/*
 * Begin the generation behind one whose master key is missing; returns the notes
 * of that one.  Only if nobody else writes to it: see audit_lanes.c.
 */
static char *
begin_next(TarxKeysAuditGeneration *former)
{
	TarxKeysAuditEnds ends = {.chain = former->chain, .lane = TARX_KEYS_FIRST_LANE};
	int64		sum;

	if (!tarx_keys_audit_has_generation(&former->chain))
		fail_without_master_key(former);
	if (!is_only_closed(former) || !sum_of_last(former, &sum) || former->number == PG_INT32_MAX)
		tarx_keys_fail_chain(&former->chain);
	ends.generation = former->number + 1;
	if (!tarx_keys_chain_start_above(&ends.at, ends.lane, sum) || !tarx_keys_audit_insert_ends(&ends))
		tarx_keys_fail_chain(&former->chain);
	return notes_of(former);
}

/*
 * Lanes
 */

/* Begin a lane that there is not, unless it was seen, or anything else is wrong. */
static void
begin_lane(TarxKeysAuditGeneration *newest, int32 lane)
{
	TarxKeysAuditEnds ends = {.chain = newest->chain, .generation = newest->number, .lane = lane};
	int64		above = newest->lanes[TARX_KEYS_FIRST_LANE].at.last_seq;

	if (!is_only_closed(newest) ||
		!tarx_keys_chain_start_above(&ends.at, lane, Max(above, 0)) || !tarx_keys_audit_insert_ends(&ends))
		tarx_keys_fail_chain(&newest->chain);
}

/* Have these ends seen the lanes that there are, for as long as somebody writes here. */
static void
see_lanes(TarxKeysAuditGeneration *newest, TarxKeysAuditEnds *ends)
{
	for (int32 lane = 0; lane < TARX_KEYS_AUDIT_LANES; lane++)
	{
		if (!has_seen(ends->lanes_seen, lane) &&
			tarx_keys_audit_check_lane(newest, lane) == TARX_KEYS_ENDS_GOOD)
			ends->lanes_seen |= TARX_KEYS_LANE_BIT(lane);
	}
}

/*
 * Open the ends of a lane that we have locked, as they are by now.  If they are
 * those of a generation that begins with us, it has its first row.
 */
static void
open_lane(const TarxKeysChain *chain, int32 lane, TarxKeysAuditEnds *ends)
{
	Snapshot	snapshot = tarx_keys_audit_snapshot();
	TarxKeysAuditGeneration newest;
	char	   *notes = NULL;

	tarx_keys_audit_newest(chain, snapshot, &newest);
	if (newest.lacks_master_key)
	{
		notes = begin_next(&newest);
		tarx_keys_audit_newest(chain, snapshot, &newest);
	}
	if (newest.states[lane] == TARX_KEYS_ENDS_MISSING)
	{
		begin_lane(&newest, lane);
		tarx_keys_audit_newest(chain, snapshot, &newest);
	}
	UnregisterSnapshot(snapshot);
	if (tarx_keys_audit_open_lane(&newest, lane, ends) != TARX_KEYS_ENDS_GOOD)
		tarx_keys_fail_chain(chain);
	see_lanes(&newest, ends);
	if (notes != NULL)
		append_row(ends, TARX_KEYS_NEW_GENERATION, NULL, cstring_to_text(notes),
				   TARX_KEYS_NO_REVISION);
}

/*
 * Appending
 */

/*
 * Append a row for the acting user to a chain for each object, in the caller's
 * transaction and SPI connection.  Raises TK004 if the chain was tampered with,
 * TK005 without a keyring, and TK006 if the master key is missing.
 */
void
tarx_keys_audit_objects(const TarxKeysChain *chain, const char *action,
						const TarxKeysAuditObject *objects, int count)
{
	TarxKeysAuditEnds ends;

	tarx_keys_check_audit_action(action);
	open_lane(chain, tarx_keys_audit_lock_lane(chain), &ends);
	for (int i = 0; i < count; i++)
		append_row(&ends, action, objects[i].id, objects[i].name, objects[i].revision);
	if (!tarx_keys_audit_write_ends(&ends))
		tarx_keys_fail_chain(chain);
	tarx_keys_secret_wipe(ends.key.secret);
}

/* The same for one object; object_id and object_name may be NULL. */
void
tarx_keys_audit(const TarxKeysChain *chain, const char *action, const pg_uuid_t *object_id,
				text *object_name, int32 revision)
{
	TarxKeysAuditObject object = {object_id, object_name, revision};

	tarx_keys_audit_objects(chain, action, &object, 1);
}

/* The same for a project */
void
tarx_keys_audit_project(const pg_uuid_t *project_id, const char *action,
						const pg_uuid_t *object_id, text *object_name, int32 revision)
{
	TarxKeysChain chain = tarx_keys_project_chain(project_id);

	tarx_keys_audit(&chain, action, object_id, object_name, revision);
}

/* record_audit(project_id uuid, action text, object_id uuid, object_name text, revision integer) */
Datum
tarx_keys_record_audit(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	char	   *action = text_to_cstring(tarx_keys_arg_text(fcinfo, 1, "action"));

	tarx_keys_queries_begin();
	tarx_keys_audit_project(project_id, action,
							PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2),
							PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3),
							PG_ARGISNULL(4) ? TARX_KEYS_NO_REVISION : PG_GETARG_INT32(4));
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}
