/*
 * marks.c
 *	  Which messages of the client may carry a value, and so must leave no trace.
 *
 * There are three ways to know, because no single one is enough:
 *
 * - The text of a statement names one of our functions.  Before a statement is
 *	 parsed, and if it cannot be parsed, there is nothing but its text.
 * - The plan of a statement calls one of our functions.
 * - One of our functions runs.  The statement may have called a wrapper, and name
 *	 no function of ours.
 *
 * Each marks the client's message; log.c and statements.c act on the mark.  A
 * redacted text names the function with its schema, so it is itself known as
 * sensitive.  This matters to prepared statements: PREPARE was redacted, and
 * EXECUTE brings the values.
 *
 * A mark holds for all that the message starts, until the client's next message.
 * The end of the transaction would be too early: the server logs the duration of a
 * statement after that.
 *
 * A message may have thousands of statements, so its text is read only once.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"

#include "redaction/redaction.h"

/* The message that was marked last: its start, or 0, and the name that it was marked with */
static TimestampTz marked_message = 0;
static const TarxKeysSensitiveName *marked_name = NULL;

/* The message whose errors are redacted, marked or not: its start, or 0 */
static TimestampTz failing_message = 0;

/* Whether a message of this transaction was marked */
static bool marked_transaction = false;

/* The text of the client's message, or NULL while we do not know it, and its name */
static const char *message_text = NULL;
static const TarxKeysSensitiveName *message_name = NULL;

/*
 * The client's text
 */

static void
forget_message(void *arg pg_attribute_unused())
{
	message_text = NULL;
	message_name = NULL;
}

/*
 * Keep what we know of the client's text for as long as the message lasts.  Then
 * another text may be in the same place.  A parallel worker has one text for all
 * its life, and of other background workers nobody tells when a text ends.  This
 * also runs in a log hook, so it allocates nothing.
 */
static void
know_message(const char *text, const TarxKeysSensitiveName *name)
{
	static MemoryContextCallback end_of_message = {forget_message, NULL, NULL};

	if (MessageContext == NULL && !IsParallelWorker())
		return;
	if (message_text == NULL && MessageContext != NULL)
		MemoryContextRegisterResetCallback(MessageContext, &end_of_message);
	message_text = text;
	message_name = name;
}

static const TarxKeysSensitiveName *
name_in_message(const char *text)
{
	const TarxKeysSensitiveName *name = tarx_keys_sensitive_name(text, strlen(text));

	/* it may execute what a marked message prepared */
	if (name == NULL && marked_name != NULL && tarx_keys_has_execute(text))
		name = marked_name;
	return name;
}

/* Is this the client's text? */
bool
tarx_keys_redaction_is_message(const char *text)
{
	return text == debug_query_string || text == message_text;
}

/* The name that makes the client's message sensitive, or NULL */
const TarxKeysSensitiveName *
tarx_keys_redaction_of_message(void)
{
	const TarxKeysSensitiveName *name = tarx_keys_redaction_of_mark();

	if (name != NULL || debug_query_string == NULL)
		return name;
	if (debug_query_string == message_text)
		return message_name;
	name = name_in_message(debug_query_string);
	know_message(debug_query_string, name);
	return name;
}

/*
 * Marks
 */

static void
forget_transaction(XactEvent event, void *arg pg_attribute_unused())
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		marked_transaction = false;
}

/*
 * Replace the client's text where others find it: other sessions, and parallel
 * workers, which show and log what they get.  Other sessions' view is overwritten
 * first: a shorter text would leave the rest of it in shared memory.  This also
 * runs while an error is reported, so it allocates nothing.
 */
void
tarx_keys_redaction_hide(const TarxKeysSensitiveName *name)
{
	if (debug_query_string != NULL)
		debug_query_string = name->notice;
	if (MyBEEntry == NULL)
		return;
	PGSTAT_BEGIN_WRITE_ACTIVITY(MyBEEntry);
	memset(MyBEEntry->st_activity_raw, 0, strlen(MyBEEntry->st_activity_raw));
	PGSTAT_END_WRITE_ACTIVITY(MyBEEntry);
	pgstat_report_activity(STATE_RUNNING, name->notice);
}

static bool
is_hidden(const TarxKeysSensitiveName *name)
{
	return (debug_query_string == NULL || debug_query_string == name->notice) &&
		MyBEEntry != NULL && strcmp(MyBEEntry->st_activity_raw, name->notice) == 0;
}

/*
 * Mark the client's message, unless it has a mark, and hide it.  The next message of
 * the extended protocol shows the text again, so each call looks whether it is
 * hidden.
 */
void
tarx_keys_redaction_mark_message(const TarxKeysSensitiveName *name)
{
	static bool registered = false;

	if (!tarx_keys_setting_redact_logs())
		return;
	if (!registered)
	{
		RegisterXactCallback(forget_transaction, NULL);
		registered = true;
	}
	if (tarx_keys_redaction_of_mark() == NULL)
	{
		marked_message = GetCurrentStatementStartTimestamp();
		marked_name = name;
	}
	marked_transaction = true;
	if (is_hidden(marked_name))
		return;
	if (debug_query_string != NULL && debug_query_string != marked_name->notice)
		know_message(debug_query_string, marked_name);
	tarx_keys_redaction_hide(marked_name);
}

/* Mark the client's message, because this function runs in it. */
void
tarx_keys_redaction_mark(TarxKeysSensitive function)
{
	tarx_keys_redaction_mark_message(&tarx_keys_sensitive_names[function]);
}

/* The name that the client's message is marked with, or NULL */
const TarxKeysSensitiveName *
tarx_keys_redaction_of_mark(void)
{
	if (marked_message != 0 && marked_message == GetCurrentStatementStartTimestamp())
		return marked_name;
	return NULL;
}

/* The client's message calls act_as(): redact its errors, and nothing else. */
void
tarx_keys_redaction_mark_failure(void)
{
	failing_message = GetCurrentStatementStartTimestamp();
}

/* The name for which an error of the client's message is redacted, or NULL */
const TarxKeysSensitiveName *
tarx_keys_redaction_of_failure(void)
{
	const char *text = debug_query_string;

	if ((failing_message != 0 && failing_message == GetCurrentStatementStartTimestamp()) ||
		(text != NULL && tarx_keys_is_sensitive_if_failed(text, strlen(text))))
		return &tarx_keys_sensitive_if_failed;
	return NULL;
}

/*
 * The name that a message of this transaction was marked with, or NULL.  It may have
 * opened a cursor, which can end, and be logged, in a later message.
 */
const TarxKeysSensitiveName *
tarx_keys_redaction_in_transaction(void)
{
	return marked_transaction ? marked_name : NULL;
}
