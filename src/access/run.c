/*
 * run.c
 *	  Whether the run that the transaction has entered, or a run ticket, counts.
 *
 * A ticket is a right that a member has given away for a while.  Nothing of it is
 * stored.  So each call looks up anew what it hangs on: the epochs of the project and
 * the agent, that the agent is there, the member's role, that the member was not ended
 * since, and the platform key by which the member had logged in.  All of this reads, so
 * it works on a standby.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/access.h"

static TarxKeysQuery epoch_query = {
	.sql = "SELECT p.run_epoch FROM tarx_keys.projects p"
	" WHERE p.id OPERATOR(pg_catalog.=) $1 AND p.ended_at IS NULL",
	.nargs = 1, .argtypes = {UUIDOID}
};

static TarxKeysQuery agent_query = {
	TARX_KEYS_SELECT(tarx_keys_agents,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.id OPERATOR(pg_catalog.=) $2"),
	.nargs = 2, .argtypes = {UUIDOID, UUIDOID}
};

/* TK016.  Whatever is wrong with a ticket, the error is the same. */
void
tarx_keys_fail_ticket(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_RUN_TICKET),
			 errmsg("a valid run ticket is required"),
			 errhint("Call tarx_keys.enter_run() first, in the same transaction, with a ticket that tarx_keys.issue_run_ticket() has issued for this run.")));
}

pg_noreturn static void
fail_expired(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_RUN_EXPIRED),
			 errmsg("the run ticket has expired"),
			 errhint("Renew tickets by tarx_keys.renew_run_ticket() before they expire, or have a new one issued.")));
}

/* 42501: the run has a right, but not to this. */
void
tarx_keys_deny_run(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the run ticket is for another %s", what),
			 errhint("A run resolves what its ticket was issued for, and nothing else.")));
}

static const pg_uuid_t *
as_uuid(const uint8 *id)
{
	return (const pg_uuid_t *) id;
}

/* Is it the session's login that the ticket was issued for? */
static bool
is_for_login(const TarxKeysRunTicket *ticket)
{
	char	   *login = GetUserNameFromId(GetSessionUserId(), false);
	text	   *role;

	if (ticket->runner_role.data == NULL)
		return true;
	role = tarx_keys_from_utf8(ticket->runner_role.data, ticket->runner_role.len);
	return tarx_keys_span_equals((TarxKeysSpan) {VARDATA_ANY(role), VARSIZE_ANY_EXHDR(role)},
								 tarx_keys_span_of(login));
}

/*
 * The epoch of a project by now; false if there is no such project, or if it has
 * ended.  In an SPI connection, as the owner, in maintenance.
 */
bool
tarx_keys_project_epoch(const pg_uuid_t *project_id, pg_uuid_t *epoch)
{
	Datum		values[1] = {UUIDPGetDatum(project_id)};
	bool		isnull;
	Datum		found;

	if (tarx_keys_query_look_up(&epoch_query, values) != 1)
		return false;
	found = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
		return false;
	*epoch = *DatumGetUUIDP(found);
	return true;
}

/*
 * The epoch of an agent by now; false if the project has no such agent.  TK004 if its
 * row is not what was written, TK005 or TK006 if nobody can tell.  In an SPI connection,
 * as the owner, in maintenance.
 */
bool
tarx_keys_agent_epoch(const pg_uuid_t *project_id, const pg_uuid_t *agent_id, pg_uuid_t *epoch)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), UUIDPGetDatum(agent_id)};
	TarxKeysRow agent;

	if (tarx_keys_query_look_up(&agent_query, values) != 1)
		return false;
	tarx_keys_fetched_row(&tarx_keys_agents, 0, &agent);
	if (!tarx_keys_row_is_stamped(&tarx_keys_agents, &agent) || agent.nulls[AGENT_RUN_EPOCH])
		tarx_keys_fail_agent_integrity(agent_id);
	*epoch = *DatumGetUUIDP(agent.values[AGENT_RUN_EPOCH]);
	return true;
}

static bool
project_counts(const TarxKeysRunTicket *ticket)
{
	pg_uuid_t	epoch;

	return tarx_keys_project_epoch(as_uuid(ticket->project_id), &epoch) &&
		memcmp(&epoch, ticket->project_epoch, UUID_LEN) == 0;
}

static bool
agent_counts(const TarxKeysRunTicket *ticket)
{
	pg_uuid_t	epoch;

	if (ticket->kind != TARX_KEYS_RUN_OF_AGENT)
		return true;
	return tarx_keys_agent_epoch(as_uuid(ticket->project_id), as_uuid(ticket->object_id), &epoch) &&
		memcmp(&epoch, ticket->agent_epoch, UUID_LEN) == 0;
}

/* Where the application says who is a member, end_user() ends no membership. */
static bool
issuer_counts(const TarxKeysRunTicket *ticket)
{
	char	   *user_id = text_to_cstring(tarx_keys_from_utf8(ticket->user_id.data, ticket->user_id.len));
	TarxKeysRole least = ticket->kind == TARX_KEYS_RUN_OF_AGENT ? TARX_KEYS_ROLE_MEMBER : TARX_KEYS_ROLE_KEY_MANAGER;

	return (ticket->platform_key_id == NULL ||
			tarx_keys_platform_key_counts(as_uuid(ticket->platform_key_id), NULL)) &&
		tarx_keys_role_of(as_uuid(ticket->project_id), user_id) >= least &&
		!tarx_keys_user_has_ended_since(user_id, ticket->issued);
}

/*
 * TK016 unless the ticket, which is authentic, counts by now; TK017 if it has expired.
 * In an SPI connection; looks up with the rights of this owner.
 */
void
tarx_keys_check_ticket(const TarxKeysRunTicket *ticket, Oid owner)
{
	TarxKeysAsOwner as_owner;
	bool		good;

	if (ticket->expires <= GetCurrentTimestamp())
		fail_expired();
	if (!is_for_login(ticket))
		tarx_keys_fail_ticket();
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	tarx_keys_begin_as_owner(&as_owner, owner);
	tarx_keys_enter_maintenance_mode();
	good = project_counts(ticket) && agent_counts(ticket) && issuer_counts(ticket);
	tarx_keys_end_as_owner(&as_owner);
	if (!good)
		tarx_keys_fail_ticket();
}

/*
 * Lock the table that the call resolves from.  The lock may have to wait, and what is
 * committed meanwhile may end the run.  What the run hangs on is locked since it was
 * entered.
 */
static void
lock_table_of_call(const TarxKeysCall *call)
{
	TarxKeysTable *table = call->kind == TARX_KEYS_USAGE_SECRET ? &tarx_keys_secrets : &tarx_keys_llm_keys;

	tarx_keys_table_close(tarx_keys_table_open(table, call->project_id));
}

/*
 * The run that a call of a resolving function is part of, which counts by now, in the
 * current memory context.  NULL if none was entered; TK016 then, if tickets are
 * required.  42501 if the call is about another project than the run.
 */
const TarxKeysRunTicket *
tarx_keys_run_of_call(const TarxKeysCall *call)
{
	TarxKeysRunTicket *ticket;
	const uint8 *bytes;
	size_t		len;

	bytes = tarx_keys_entered_run(&len);
	if (bytes == NULL)
	{
		if (tarx_keys_setting_require_run_ticket())
			tarx_keys_fail_ticket();
		return NULL;
	}
	ticket = palloc(sizeof(TarxKeysRunTicket));
	if (!tarx_keys_run_ticket_read(bytes, len, ticket))
		elog(ERROR, "the run that was entered is malformed");
	lock_table_of_call(call);
	tarx_keys_queries_begin();
	tarx_keys_check_ticket(ticket, tarx_keys_owner_of_function(call->resolves));
	tarx_keys_queries_end();
	if (memcmp(ticket->project_id, call->project_id, UUID_LEN) != 0)
		tarx_keys_deny_run("project");
	return ticket;
}
