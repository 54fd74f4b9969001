/*
 * marks.c
 *	  Which statements may carry a value, and so must leave no trace.
 *
 * There are three ways to know, because none is enough:
 *
 * - The text of a statement names one of our functions.  Before a statement is
 *	 parsed, and if it cannot be parsed, there is nothing but its text.
 * - The plan of a statement calls one of our functions.
 * - One of our functions runs.  So a wrapper is noticed whose caller names none
 *	 of them.
 *
 * The last two mark the client's statement; log.c and statements.c act upon the
 * mark.  A redacted text names the function, with its schema, so that the text
 * itself is known as sensitive from then on: EXECUTE has the values of a
 * statement that was redacted when it was prepared.
 *
 * A mark holds until the client's next message.  That is longer than the
 * transaction, because the server logs the duration of a statement after it.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"

#include "redaction/redaction.h"

/* When the statement started that was marked last, or 0, and the name that marked it */
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
 * Mark the client's statement because it has this name, which is a constant, and
 * hide it from other sessions.  The next message of the extended protocol shows
 * its text again, so this is done each time.
 */
void
tarx_keys_redaction_mark_statement(const char *name)
{
	static bool registered = false;
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (!tarx_keys_setting_redact_logs())
		return;

	/* the plan, or an earlier call in the statement, has done it already */
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

/* A function that carries a value runs. */
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
	/* it may execute what a marked statement has prepared */
	if (marked_statement != 0 && tarx_keys_has_execute(debug_query_string))
		return marked_name;
	return tarx_keys_sensitive_name(debug_query_string);
}

/*
 * Was a statement of this transaction marked?  The cursor of an earlier one may
 * end, and be reported, with any later statement.
 */
bool
tarx_keys_redaction_in_transaction(void)
{
	return marked_transaction;
}
