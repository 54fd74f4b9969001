/*
 * marks.c
 *	  Which statements may carry a value, and so must leave no trace.
 *
 * There are three ways to know, because no single one is enough:
 *
 * - The text of a statement names one of our functions.  Before a statement is
 *	 parsed, and if it cannot be parsed, there is nothing but its text.
 * - The plan of a statement calls one of our functions.
 * - One of our functions runs.  The statement may have called a wrapper, and name
 *	 no function of ours.
 *
 * The last two mark the client's statement; log.c and statements.c act on the
 * mark.  A redacted text names the function with its schema, so it is itself
 * known as sensitive.  This matters to prepared statements: PREPARE was redacted,
 * and EXECUTE brings the values.
 *
 * A mark holds until the client's next message.  The end of the transaction would
 * be too early: the server logs the duration of a statement after that.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"

#include "redaction/redaction.h"

/* The statement that was marked last: its start, or 0, and the name that it was marked with */
static TimestampTz marked_statement = 0;
static const char *marked_name = NULL;

/* Whether a statement of this transaction was marked */
static bool marked_transaction = false;

/* What other sessions see of the statement that was hidden last */
static char shown[128];

static void
forget_transaction(XactEvent event, void *arg pg_attribute_unused())
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		marked_transaction = false;
}

/*
 * Replace what other sessions see of the client's statement.  The old text is
 * overwritten first: a shorter text would leave the rest of it in shared
 * memory.  This also runs while an error is reported, so it allocates nothing.
 */
void
tarx_keys_redaction_hide_activity(const char *name)
{
	if (MyBEEntry == NULL)
		return;
	snprintf(shown, sizeof(shown), TARX_KEYS_REDACTED_QUERY, "statement", name);
	PGSTAT_BEGIN_WRITE_ACTIVITY(MyBEEntry);
	memset(MyBEEntry->st_activity_raw, 0, strlen(MyBEEntry->st_activity_raw));
	PGSTAT_END_WRITE_ACTIVITY(MyBEEntry);
	pgstat_report_activity(STATE_RUNNING, shown);
}

/*
 * Mark the client's statement with this name, and hide it from other sessions.
 * The name must be a constant, because it is kept.  The next message of the
 * extended protocol shows the text again, so each call hides it again.
 */
void
tarx_keys_redaction_mark_statement(const char *name)
{
	static bool registered = false;
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (!tarx_keys_setting_redact_logs())
		return;

	/* its plan, or an earlier call, has marked and hidden it already */
	if (marked_transaction && statement == marked_statement && strcmp(name, marked_name) == 0 &&
		MyBEEntry != NULL && strcmp(MyBEEntry->st_activity_raw, shown) == 0)
		return;
	if (!registered)
	{
		RegisterXactCallback(forget_transaction, NULL);
		registered = true;
	}
	marked_statement = statement;
	marked_name = name;
	marked_transaction = true;
	tarx_keys_redaction_hide_activity(name);
}

/* Mark the client's statement, because this function runs in it. */
void
tarx_keys_redaction_mark(TarxKeysSensitive function)
{
	tarx_keys_redaction_mark_statement(tarx_keys_sensitive_functions[function].name);
}

/* The name that makes the client's statement sensitive, or NULL */
const char *
tarx_keys_redaction_of_statement(void)
{
	if (marked_statement != 0 && marked_statement == GetCurrentStatementStartTimestamp())
		return marked_name;
	if (debug_query_string == NULL)
		return NULL;
	/* it may execute what the marked statement prepared */
	if (marked_statement != 0 && tarx_keys_has_execute(debug_query_string))
		return marked_name;
	return tarx_keys_sensitive_name(debug_query_string);
}

/*
 * Was any statement of this transaction marked?  It may have opened a cursor,
 * which can end, and be logged, in a later statement.
 */
bool
tarx_keys_redaction_in_transaction(void)
{
	return marked_transaction;
}
