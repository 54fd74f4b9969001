/*
 * run_tickets.c
 *	  issue_run_ticket(), enter_run() and renew_run_ticket().
 *
 * None of them writes to a table, so all of them run on a standby.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_issue_run_ticket);
PG_FUNCTION_INFO_V1(tarx_keys_enter_run);
PG_FUNCTION_INFO_V1(tarx_keys_renew_run_ticket);

/* The arguments of issue_run_ticket() */
enum
{
	PROJECT_ID, AGENT_ID_ARG, LIFETIME, RENEWABLE, RUNNER_ROLE, RECIPIENT, SECRET_NAMES, KEY_ID
};

/* A call of one of the functions; the result is in the memory context of its caller. */
typedef struct TicketCall
{
	FunctionCallInfo fcinfo;
	MemoryContext context;
	TarxKeysRunTicket ticket;
	pg_uuid_t	epochs[2];		/* of the project and the agent */
	pg_uuid_t	platform_key_id;
	Datum		result;
} TicketCall;

/*
 * Arguments
 */

pg_noreturn static void
fail_duration(const char *name, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg(name),
			 errmsg("%s %s", name, problem),
			 errhint("%s", hint)));
}

/* An interval in microseconds, within limits in seconds */
static int64
arg_duration(FunctionCallInfo fcinfo, int n, const char *name, int least, int most, const char *setting)
{
	int64		duration;

	tarx_keys_require_arg(fcinfo, n, name);
	duration = tarx_keys_interval_usecs(PG_GETARG_INTERVAL_P(n));
	if (duration < least * USECS_PER_SEC)
		fail_duration(name, "is too short", least > 0 ? "Pass an interval of at least one second." :
					  "Pass an interval that is not negative.");
	if (duration > most * USECS_PER_SEC)
		fail_duration(name, "is too long", psprintf("The setting %s allows %d seconds.", setting, most));
	return duration;
}

static int64
arg_lifetime(FunctionCallInfo fcinfo, int n)
{
	return arg_duration(fcinfo, n, "lifetime", 1, tarx_keys_setting_run_ticket_max_lifetime(),
						"tarx_keys.run_ticket_max_lifetime");
}

/* The name of a role that there is, in UTF-8; its data is NULL for any */
static TarxKeysSpan
arg_runner_role(FunctionCallInfo fcinfo)
{
	TarxKeysSpan none = {NULL, 0};
	TarxKeysText utf8;
	char	   *name;

	if (PG_ARGISNULL(RUNNER_ROLE))
		return none;
	name = NameStr(*PG_GETARG_NAME(RUNNER_ROLE));
	if (!OidIsValid(get_role_oid(name, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 tarx_keys_errarg("runner_role"),
				 errmsg("runner_role is no role of this server"),
				 errhint("Pass the name of the runner's database login, or null for any.")));
	utf8 = tarx_keys_text_utf8(cstring_to_text(name), "runner_role");
	return (TarxKeysSpan) {utf8.data, utf8.len};
}

static const uint8 *
arg_recipient_hash(FunctionCallInfo fcinfo)
{
	uint8	   *hash;

	if (PG_ARGISNULL(RECIPIENT))
		return NULL;
	hash = palloc(TARX_KEYS_HASH_BYTES);
	tarx_keys_hash(hash, tarx_keys_arg_recipient(fcinfo, RECIPIENT), TARX_KEYS_BOX_KEY_BYTES);
	return hash;
}

static void
arg_secret_names(FunctionCallInfo fcinfo, TarxKeysRunTicket *ticket)
{
	TarxKeysTextList names;

	tarx_keys_require_arg(fcinfo, SECRET_NAMES, "secret_names");
	names = tarx_keys_arg_secret_names(fcinfo, SECRET_NAMES, "secret_names");
	if (names.count > TARX_KEYS_RUN_TICKET_MAX_SECRETS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("secret_names"),
				 errmsg("secret_names has too many names"),
				 errhint("A run ticket names at most %d secrets.", TARX_KEYS_RUN_TICKET_MAX_SECRETS)));
	if (names.count > 0 && ticket->kind == TARX_KEYS_RUN_OF_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("secret_names"),
				 errmsg("a run ticket for a key names no secrets"),
				 errhint("Leave secret_names out, or pass an agent_id in place of key_id.")));
	for (size_t i = 0; i < names.count; i++)
		ticket->secret_names[ticket->nsecrets++] = names.items[i].text;
}

/* An agent, or a key */
static void
arg_object(FunctionCallInfo fcinfo, TarxKeysRunTicket *ticket)
{
	int			n = PG_ARGISNULL(KEY_ID) ? AGENT_ID_ARG : KEY_ID;

	if (PG_ARGISNULL(KEY_ID) == PG_ARGISNULL(AGENT_ID_ARG))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg(n == KEY_ID ? "key_id" : "agent_id"),
				 errmsg("a run ticket is for an agent or for a key"),
				 errhint("Pass either agent_id or key_id, and null for the other one.")));
	ticket->kind = n == KEY_ID ? TARX_KEYS_RUN_OF_KEY : TARX_KEYS_RUN_OF_AGENT;
	ticket->object_id = PG_GETARG_UUID_P(n)->data;
}

/*
 * Issuing
 */

/*
 * Look up what the ticket is for, which the acting user may give away.  TK003, TK001 or
 * TK002 unless the project has it.
 */
static void
look_up(TicketCall *call, const pg_uuid_t *project_id)
{
	TarxKeysRunTicket *ticket = &call->ticket;
	const pg_uuid_t *object_id = (const pg_uuid_t *) ticket->object_id;
	TarxKeysRow key;

	tarx_keys_queries_begin();
	if (ticket->kind == TARX_KEYS_RUN_OF_KEY)
		tarx_keys_latest_key(project_id, object_id, &key);
	else if (tarx_keys_agent_epoch(project_id, object_id, &call->epochs[1]))
		ticket->agent_epoch = call->epochs[1].data;
	else
		tarx_keys_fail_agent(object_id);
	if (!tarx_keys_project_epoch(project_id, &call->epochs[0]))
		tarx_keys_deny_project(project_id);
	ticket->project_epoch = call->epochs[0].data;
	tarx_keys_queries_end();
}

/* Who issues it, and until when it can count at most */
static void
set_issuer(TicketCall *call)
{
	TarxKeysRunTicket *ticket = &call->ticket;
	TarxKeysText user_id = tarx_keys_text_utf8(cstring_to_text(tarx_keys_acting_user()), "user_id");
	uint8		hash[TARX_KEYS_HASH_BYTES];
	TimestampTz end;

	ticket->user_id = (TarxKeysSpan) {user_id.data, user_id.len};
	ticket->proven = tarx_keys_identity_is_proven() ? 1 : 0;
	if (!tarx_keys_identity_platform_key(&call->platform_key_id, hash))
		return;
	ticket->platform_key_id = call->platform_key_id.data;
	if (!tarx_keys_identity_expires(&end))
		return;
	ticket->expires = Min(ticket->expires, end);
	ticket->renewable_until = Min(ticket->renewable_until, end);
}

static void
issue(TarxKeysCall *call, void *arg)
{
	TicketCall *issued = arg;
	TarxKeysRunTicket *ticket = &issued->ticket;
	uint8		id[TARX_KEYS_RUN_ID_BYTES];

	tarx_keys_enter_maintenance_mode();
	tarx_keys_require_role(call->project_id, ticket->kind == TARX_KEYS_RUN_OF_AGENT ? TARX_KEYS_ROLE_MEMBER :
						   TARX_KEYS_ROLE_KEY_MANAGER);
	look_up(issued, call->project_id);
	set_issuer(issued);
	randombytes_buf(id, sizeof(id));
	ticket->id = id;
	issued->result = PointerGetDatum(tarx_keys_run_ticket_seal(ticket));
	tarx_keys_log_ticket(call->event, call->project_id, &call->object, call->role, (const pg_uuid_t *) id);
}

/*
 * issue_run_ticket(project_id uuid, agent_id uuid, ...) returns text: see
 * sql/62_run_tickets.sql
 */
Datum
tarx_keys_issue_run_ticket(PG_FUNCTION_ARGS)
{
	/* a change, because it is recorded otherwise than a use */
	TarxKeysCall call = {.event = "issue_run_ticket", .is_change = true};
	TicketCall	issued = {.fcinfo = fcinfo};
	TarxKeysRunTicket *ticket = &issued.ticket;
	int64		lifetime;
	int64		renewable;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_issue_run_ticket);
	call.project_id = tarx_keys_arg_uuid(fcinfo, PROJECT_ID, "project_id");
	call.owner = tarx_keys_owner_of_function(fcinfo);
	arg_object(fcinfo, ticket);
	tarx_keys_call_object(&call, (const pg_uuid_t *) ticket->object_id, false);
	lifetime = arg_lifetime(fcinfo, LIFETIME);
	renewable = arg_duration(fcinfo, RENEWABLE, "renewable", 0, tarx_keys_setting_run_ticket_max_renewal(),
							 "tarx_keys.run_ticket_max_renewal");
	ticket->project_id = call.project_id->data;
	ticket->issued = GetCurrentTimestamp();
	ticket->expires = ticket->issued + lifetime;
	ticket->renewable_until = ticket->issued + Max(renewable, lifetime);
	ticket->runner_role = arg_runner_role(fcinfo);
	ticket->recipient_hash = arg_recipient_hash(fcinfo);
	arg_secret_names(fcinfo, ticket);
	tarx_keys_run_call(&call, issue, &issued);
	PG_RETURN_DATUM(issued.result);
}

/*
 * Entering and renewing
 */

/* The row (project_id uuid, agent_id uuid, user_id text, expires_at timestamptz) */
static Datum
form_run(FunctionCallInfo fcinfo, const TarxKeysRunTicket *ticket)
{
	Datum		values[4];
	bool		nulls[4] = {false, ticket->kind != TARX_KEYS_RUN_OF_AGENT};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = UUIDPGetDatum((const pg_uuid_t *) ticket->project_id);
	values[1] = UUIDPGetDatum((const pg_uuid_t *) ticket->object_id);
	values[2] = PointerGetDatum(tarx_keys_from_utf8(ticket->user_id.data, ticket->user_id.len));
	values[3] = TimestampTzGetDatum(ticket->expires);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* Open the ticket that is argument 0, and check that it counts. */
static TarxKeysText
open_ticket(TarxKeysCall *call, TicketCall *given)
{
	TarxKeysRunTicket *ticket = &given->ticket;
	TarxKeysText plain = tarx_keys_run_ticket_open(given->fcinfo, 0, ticket);

	call->project_id = (const pg_uuid_t *) ticket->project_id;
	tarx_keys_call_object(call, (const pg_uuid_t *) ticket->object_id, false);
	tarx_keys_queries_begin();
	tarx_keys_check_ticket(ticket, tarx_keys_owner_of_function(given->fcinfo));
	tarx_keys_queries_end();
	return plain;
}

static void
enter(TarxKeysCall *call, void *arg)
{
	TicketCall *entered = arg;
	TarxKeysText plain;

	tarx_keys_check_no_run();
	plain = open_ticket(call, entered);
	tarx_keys_set_run((const uint8 *) plain.data, plain.len);
	entered->result = form_run(entered->fcinfo, &entered->ticket);
	tarx_keys_secret_wipe(plain.secret);
}

/*
 * enter_run(ticket text) returns (project_id uuid, agent_id uuid, user_id text,
 * expires_at timestamptz): see sql/62_run_tickets.sql
 */
Datum
tarx_keys_enter_run(PG_FUNCTION_ARGS)
{
	TarxKeysCall call = {.event = "enter_run", .is_change = true};
	TicketCall	entered = {.fcinfo = fcinfo};

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_enter_run);
	tarx_keys_run_call(&call, enter, &entered);
	PG_RETURN_DATUM(entered.result);
}

static void
renew(TarxKeysCall *call, void *arg)
{
	TicketCall *renewed = arg;
	TarxKeysRunTicket *ticket = &renewed->ticket;
	int64		lifetime = arg_lifetime(renewed->fcinfo, 1);
	TarxKeysText plain = open_ticket(call, renewed);

	ticket->expires = Min(GetCurrentTimestamp() + lifetime, ticket->renewable_until);
	renewed->result = PointerGetDatum(tarx_keys_run_ticket_seal(ticket));
	tarx_keys_log_ticket(call->event, call->project_id, &call->object, call->role, (const pg_uuid_t *) ticket->id);
	tarx_keys_secret_wipe(plain.secret);
}

/* renew_run_ticket(ticket text, lifetime interval) returns text: see sql/62_run_tickets.sql */
Datum
tarx_keys_renew_run_ticket(PG_FUNCTION_ARGS)
{
	TarxKeysCall call = {.event = "renew_run_ticket", .is_change = true};
	TicketCall	renewed = {.fcinfo = fcinfo};

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_renew_run_ticket);
	tarx_keys_run_call(&call, renew, &renewed);
	PG_RETURN_DATUM(renewed.result);
}
