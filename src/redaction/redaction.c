/*
 * redaction.c
 *	  Which statements may carry a value, and so must leave no trace.
 *
 * There are three ways to know, because none is enough.  The text of a
 * statement names one of our functions: that is all there is before it is
 * understood, or if it never is.  Its plan calls one.  Or one of them runs,
 * which is how a wrapper is noticed whose caller names none of them.  The last
 * two mark the client's statement; redaction_log.c and redaction_statement.c
 * act upon it.  A redacted text names the function, with its schema, so that it
 * goes on to be known as one that may carry a value: EXECUTE has the values of a
 * statement that was redacted when it was prepared.
 *
 * A mark holds until the client's next message, which is longer than the
 * transaction: the line with a statement's duration is written after that.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"

#include "redaction/redaction.h"

/* The start of the statement marked last, 0 if none was, and the name that marked it */
static TimestampTz marked_statement = 0;
static const char *marked_name = NULL;

/* Whether a statement of this transaction was marked */
static bool marked_transaction = false;

/* What other sessions see of a statement that was hidden last */
static char shown[128];

static void
forget_transaction(XactEvent event, void *arg pg_attribute_unused())
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		marked_transaction = false;
}

/*
 * Replace what other sessions see of the client's statement.  All of it: a
 * shorter text would leave the end of the longer one in shared memory, behind
 * its own end.  Called while errors are reported, too: allocates nothing.
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
 * Mark the client's statement, because of a function of this name, a constant;
 * and hide it from other sessions.  Its text comes back with the next message
 * of the extended protocol, so this is done each time.
 */
void
tarx_keys_redaction_mark(const char *name)
{
	static bool registered = false;
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (!tarx_keys_setting_redact_logs())
		return;

	/*
	 * done already: when the plan started, or by an earlier call in the
	 * statement
	 */
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

/* The name that makes the client's statement one that may carry a value, or NULL */
const char *
tarx_keys_redaction_of_statement(void)
{
	if (marked_statement != 0 && marked_statement == GetCurrentStatementStartTimestamp())
		return marked_name;
	if (debug_query_string == NULL)
		return NULL;
	/* it may run what a marked statement has prepared */
	if (marked_statement != 0 && tarx_keys_has_execute(debug_query_string))
		return marked_name;
	return tarx_keys_sensitive_name(debug_query_string);
}

/*
 * Whether a statement of this transaction was marked.  A cursor of an earlier
 * one may end, and be reported, with any later statement.
 */
bool
tarx_keys_redaction_in_transaction(void)
{
	return marked_transaction;
}

/*
 * Called when all libraries have been loaded, so that our hooks are called
 * before theirs whatever the order in shared_preload_libraries; once, although
 * the postmaster comes by again after a crash.
 */
void
tarx_keys_redaction_install(void)
{
	static bool installed = false;

	if (installed)
		return;
	installed = true;
	tarx_keys_redaction_log_install();
	tarx_keys_redaction_statement_install();
}
