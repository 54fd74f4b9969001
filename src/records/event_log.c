/*
 * event_log.c
 *	  Writes to the server log who resolved what, who logged in, who was refused,
 *	  and what could not be written to the audit log.
 *
 * Each event is one line, and all lines have the same fields.  A ROLLBACK does not
 * undo them.  A value that could look like another field is quoted, so that nobody
 * can forge a field or a line.
 *
 * This also runs while an error is being handled, before its transaction is
 * cleaned up.  So nothing here looks anything up in a catalog.
 */
#include "postgres.h"
#include "base/compat.h"

#include <ctype.h>

#include "common/ip.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/guc.h"

#include "identity/identity.h"
#include "records/records.h"

#define NO_VALUE	"-"

/* Can this value stand without quotes? */
static bool
is_plain(const char *value)
{
	if (value[0] == '\0' || strcmp(value, NO_VALUE) == 0)
		return false;
	for (const char *at = value; *at != '\0'; at++)
	{
		if (!isascii((unsigned char) *at) ||
			(!isalnum((unsigned char) *at) && strchr("-_.:@/%[]", *at) == NULL))
			return false;
	}
	return true;
}

static void
append_quoted(StringInfo line, const char *value)
{
	appendStringInfoChar(line, '"');
	for (const char *at = value; *at != '\0'; at++)
	{
		if (iscntrl((unsigned char) *at) && isascii((unsigned char) *at))
			appendStringInfo(line, "\\x%02x", (unsigned char) *at);
		else
		{
			if (*at == '"' || *at == '\\')
				appendStringInfoChar(line, '\\');
			appendStringInfoChar(line, *at);
		}
	}
	appendStringInfoChar(line, '"');
}

/* Append a value as it stands in lines; NULL stands for no value. */
void
tarx_keys_log_append_value(StringInfo line, const char *value)
{
	if (value == NULL)
		appendStringInfoString(line, NO_VALUE);
	else if (is_plain(value))
		appendStringInfoString(line, value);
	else
		append_quoted(line, value);
}

/* Append " name=value". */
static void
append_field(StringInfo line, const char *name, const char *value)
{
	appendStringInfo(line, " %s=", name);
	tarx_keys_log_append_value(line, value);
}

static void
append_uuid_field(StringInfo line, const char *name, const pg_uuid_t *id)
{
	append_field(line, name, id == NULL ? NULL : tarx_keys_uuid_text(id));
}

/* The name of the session's login; NULL if it has none */
const char *
tarx_keys_log_login_name(void)
{
	const char *name = GetConfigOption("session_authorization", true, false);

	return name == NULL || name[0] == '\0' ? NULL : name;
}

/*
 * The name of the role with whose right a call is made; NULL if it is the session's
 * login.  This looks the name up, so ask for it before an error can be handled.
 */
const char *
tarx_keys_log_role_name(Oid role)
{
	return role == GetSessionUserId() ? NULL : GetUserNameFromId(role, true);
}

/* The client's address as in the server log; NULL if there is none */
static const char *
client_address(char *buffer, size_t size)
{
	SockAddr	address;

	if (MyBEEntry == NULL)
		return NULL;
	address = MyBEEntry->st_clientaddr;
	if (address.addr.ss_family == AF_UNIX)
		return "[local]";
	if ((address.addr.ss_family != AF_INET && address.addr.ss_family != AF_INET6) ||
		pg_getnameinfo_all(&address.addr, (int) address.salen, buffer, (int) size, NULL, 0,
						   NI_NUMERICHOST) != 0)
		return NULL;
	return buffer;
}

static bool
is_logged(const char *outcome)
{
	switch (tarx_keys_setting_log_resolves())
	{
		case TARX_KEYS_LOG_OFF:
			return false;
		case TARX_KEYS_LOG_REFUSED:
			return strcmp(outcome, TARX_KEYS_ALLOWED) != 0;
		case TARX_KEYS_LOG_ALL:
			break;
	}
	return true;
}

/* The id of the ticket whose run the transaction has entered; false if there is none */
static bool
entered_run(pg_uuid_t *id)
{
	TarxKeysRunTicket ticket;
	size_t		len;
	const uint8 *bytes = tarx_keys_entered_run(&len);

	if (bytes == NULL || !tarx_keys_run_ticket_read(bytes, len, &ticket))
		return false;
	memcpy(id->data, ticket.id, UUID_LEN);
	return true;
}

static void
write_line(const TarxKeysLogLine *line)
{
	StringInfoData text;
	char		client[NI_MAXHOST];

	initStringInfo(&text);
	append_field(&text, "event", line->event);
	append_field(&text, "outcome", line->outcome);
	append_uuid_field(&text, "project", line->project_id);
	append_uuid_field(&text, "object", line->object_id);
	append_field(&text, "sqlstate", line->sqlstate);
	append_field(&text, "login", tarx_keys_log_login_name());
	append_field(&text, "role", line->role);
	append_field(&text, "user", tarx_keys_acting_user_or_null());
	append_field(&text, "client", client_address(client, sizeof(client)));
	if (line->action != NULL)
		append_field(&text, "action", line->action);
	if (line->reason != NULL)
		append_field(&text, "reason", line->reason);
	if (line->run != NULL)
		append_uuid_field(&text, "run", line->run);
	/* not to the client, and without the statement, which may carry a value */
	ereport(LOG_SERVER_ONLY,
			(errmsg_internal("tarx_keys:%s", text.data),
			 errhidestmt(true),
			 errhidecontext(true)));
	pfree(text.data);
}

/* Log a line, if tarx_keys.log_resolves says so; in a run it names the ticket. */
void
tarx_keys_log_line(const TarxKeysLogLine *line)
{
	TarxKeysLogLine with_run = *line;
	pg_uuid_t	run;

	if (!is_logged(line->outcome))
		return;
	if (entered_run(&run))
		with_run.run = &run;
	write_line(&with_run);
}

/*
 * Log an event, if tarx_keys.log_resolves says so.  outcome is TARX_KEYS_ALLOWED or
 * TARX_KEYS_REFUSED; project_id, object_id and sqlstate may be NULL; role is from
 * tarx_keys_log_role_name().
 */
void
tarx_keys_log_event(const char *event, const char *outcome, const pg_uuid_t *project_id,
					const pg_uuid_t *object_id, const char *sqlstate, const char *role)
{
	TarxKeysLogLine line = {
		.event = event,
		.outcome = outcome,
		.project_id = project_id,
		.object_id = object_id,
		.sqlstate = sqlstate,
		.role = role
	};

	tarx_keys_log_line(&line);
}

/* Log and count that a run ticket was made; no setting hides it, because nothing else is left of it. */
void
tarx_keys_log_ticket(const char *event, const pg_uuid_t *project_id, const pg_uuid_t *object_id,
					 const char *role, const pg_uuid_t *ticket_id)
{
	TarxKeysLogLine line = {
		.event = event,
		.outcome = TARX_KEYS_ALLOWED,
		.project_id = project_id,
		.object_id = object_id,
		.role = role,
		.run = ticket_id
	};

	tarx_keys_count(TARX_KEYS_COUNT_TICKETS);
	write_line(&line);
}

/* The line that stands in place of a row of the audit log; no setting hides it. */
void
tarx_keys_log_unlogged(const char *action, const pg_uuid_t *project_id,
					   const pg_uuid_t *object_id, const char *sqlstate)
{
	TarxKeysLogLine line = {
		.event = "manage",
		.outcome = "unlogged",
		.project_id = project_id,
		.object_id = object_id,
		.sqlstate = sqlstate,
		.role = tarx_keys_log_role_name(GetOuterUserId()),
		.action = action
	};

	write_line(&line);
}

/* Log an operation of a DBA on the audit log, which has no row in that log itself. */
void
tarx_keys_log_operation(const char *operation)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg("tarx_keys: role \"%s\" %s",
					GetUserNameFromId(GetSessionUserId(), false), operation),
			 errhidestmt(true), errhidecontext(true)));
}
