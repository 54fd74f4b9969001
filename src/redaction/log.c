/*
 * log.c
 *	  Keeps values out of the server log.
 *
 * The hook sees each message on its way to the log, whatever the format of the
 * log is.  The statement may carry a value, or the message may repeat a text
 * that does.  Then the log gets only what cannot carry one: the fixed format of
 * the message instead of its text, no detail, no context, no statement.  The
 * client gets the message as it is.  If a message goes to both, the log gets a
 * redacted copy of it, its twin.
 *
 * The hook also runs in the postmaster, outside transactions and while memory
 * is short.  So it looks nothing up in a catalog, and allocates little.
 */
#include "postgres.h"
#include "base/compat.h"

#include "redaction/redaction.h"

static emit_log_hook_type prev_emit_log_hook = NULL;

/* The next message is the twin of this one; this name is why it is redacted. */
static const ErrorData *twin_of = NULL;
static const TarxKeysSensitiveName *twin_name = NULL;

static bool
starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The message's format, a constant; '' if there is none */
static const char *
format_of(const ErrorData *edata)
{
	return edata->message_id != NULL ? edata->message_id : "";
}

static bool
is_about_locks(const ErrorData *edata)
{
	return edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		starts_with(format_of(edata), "process %d ");
}

/*
 * Our own errors have no values: they name ids.  One is different: that a secret
 * is not found.  It has the name that the caller gave, which may be a value by
 * mistake.
 */
static bool
is_own(const ErrorData *edata)
{
	return ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_TK_CLASS &&
		edata->sqlerrcode != ERRCODE_TK_SECRET_NOT_FOUND;
}

static bool
is_line_of_ours(const ErrorData *edata)
{
	return starts_with(format_of(edata), "tarx_keys: ") ||
		starts_with(format_of(edata), "tarx_keys:%");
}

/*
 * A message whose format has no place for a value carries none.  The format "%s"
 * says nothing about a message, whatever its code: the text is the caller's.  That a
 * setting cannot be changed names the setting, and not what it was to be set to.
 */
static bool
message_is_safe(const ErrorData *edata)
{
	const char *format = format_of(edata);

	if (format[0] == '\0' || strcmp(format, "%s") == 0)
		return false;
	return strchr(format, '%') == NULL || is_own(edata) || is_about_locks(edata) ||
		edata->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		edata->sqlerrcode == ERRCODE_CANT_CHANGE_RUNTIME_PARAM ||
		is_line_of_ours(edata) ||
		starts_with(format, "temporary file: ") || starts_with(format, "%s (PID %d) ");
}

/* The detail that a client gets about a deadlock has no statements. */
static bool
detail_is_safe(const ErrorData *edata)
{
	return message_is_safe(edata) &&
		(is_own(edata) || is_line_of_ours(edata) || is_about_locks(edata));
}

static const TarxKeysSensitiveName *
name_in(const char *text)
{
	return text == NULL ? NULL : tarx_keys_sensitive_name(text, strlen(text));
}

/* The sensitive name in one of the message's texts, or NULL */
static const TarxKeysSensitiveName *
name_in_message(const ErrorData *edata)
{
	const TarxKeysSensitiveName *name = NULL;

	if (!message_is_safe(edata))
		name = name_in(edata->message);
	if (name == NULL && !detail_is_safe(edata))
		name = name_in(edata->detail);
	if (name == NULL)
		name = name_in(edata->detail_log);
	if (name == NULL)
		name = name_in(edata->context);
	if (name == NULL)
		name = name_in(edata->internalquery);
	return name;
}

/*
 * The name for which an error has to be redacted, or NULL: the client's statement, or
 * one that it runs, calls act_as().
 */
static const TarxKeysSensitiveName *
name_of_failure(const ErrorData *edata)
{
	const char *const texts[] = {edata->message, edata->context, edata->internalquery};

	for (size_t i = 0; i < lengthof(texts); i++)
	{
		if (texts[i] != NULL && tarx_keys_is_sensitive_if_failed(texts[i], strlen(texts[i])))
			return &tarx_keys_sensitive_if_failed;
	}
	return tarx_keys_redaction_of_failure();
}

/* The name for which a message has to be redacted, or NULL */
static const TarxKeysSensitiveName *
name_of(const ErrorData *edata)
{
	const TarxKeysSensitiveName *name = tarx_keys_redaction_of_message();

	if (name == NULL)
		name = name_in_message(edata);
	if (name == NULL && strstr(format_of(edata), "plan:") != NULL)
		name = tarx_keys_redaction_in_transaction();
	if (name == NULL && edata->elevel >= ERROR)
		name = name_of_failure(edata);
	return name;
}

/*
 * How many bytes of a message may stay, in place of its format: a duration, or
 * the fields of an audit line up to the command.  The format must be that of such
 * a message, because the text alone could be anybody's.  The text must look like
 * one, too, because it may be translated.
 */
static int
safe_length(const ErrorData *edata)
{
	const char *at = edata->message;
	int			commas = 0;

	if (at == NULL)
		return 0;
	if (starts_with(format_of(edata), "duration: ") && starts_with(at, "duration: "))
	{
		const char *end = strstr(at, " ms");

		return end == NULL ? 0 : (int) (end - at) + 3;
	}
	if (!starts_with(format_of(edata), "AUDIT: "))
		return 0;
	for (; *at != '\0' && commas < 5; at++)
		commas += *at == ',';
	return (int) (at - edata->message);
}

/* The format, as a text that can stand in place of the message */
static const char *
format_in_words(const ErrorData *edata)
{
	const char *format = format_of(edata);

	/* log_statement has this one for the extended protocol */
	return strcmp(format, "%s %s%s%s: %s") == 0 ? "execute:" : format;
}

static char *
redacted_message(const ErrorData *edata, const TarxKeysSensitiveName *name)
{
	int			len = safe_length(edata);
	const char *format = len > 0 ? "" : format_in_words(edata);

	return psprintf("%.*s%s <redacted: tarx_keys.%s>", len, edata->message, format, name->name);
}

static char *
copy_or_null(const char *text)
{
	return text == NULL ? NULL : pstrdup(text);
}

/* Must anything but the statement be taken from the message? */
static bool
has_more(const ErrorData *edata)
{
	return !message_is_safe(edata) || edata->context != NULL || edata->detail_log != NULL ||
		(edata->detail != NULL && !detail_is_safe(edata)) || edata->internalquery != NULL;
}

/* Not all messages end with their memory: errors do, but notices do not. */
static void
put(char **field, char *text)
{
	if (*field != NULL)
		pfree(*field);
	*field = text;
}

/* Write to one message what may be logged of another; they may be the same. */
static void
redact_into(ErrorData *to, const ErrorData *from, const TarxKeysSensitiveName *name)
{
	MemoryContext old = MemoryContextSwitchTo(to->assoc_context);
	bool		keeps_message = message_is_safe(from);

	put(&to->detail, detail_is_safe(from) ? copy_or_null(from->detail) : NULL);
	put(&to->hint, keeps_message ? copy_or_null(from->hint) : NULL);
	put(&to->message, keeps_message ? copy_or_null(from->message) : redacted_message(from, name));
	put(&to->detail_log, NULL);
	put(&to->context, NULL);
	put(&to->internalquery, NULL);
	to->internalpos = 0;
	to->cursorpos = 0;
	to->hide_stmt = true;
	to->hide_ctx = true;
	MemoryContextSwitchTo(old);
}

/* This is the message that log_twin() has reported: turn it into the twin. */
static void
become_twin(ErrorData *edata)
{
	const ErrorData *original = twin_of;

	twin_of = NULL;
	edata->elevel = original->elevel;
	edata->sqlerrcode = original->sqlerrcode;
	edata->filename = original->filename;
	edata->lineno = original->lineno;
	edata->funcname = original->funcname;
	redact_into(edata, original, twin_name);
}

/*
 * Log a redacted copy of a message, its twin, and leave the message itself to
 * the client.  The twin is reported as a LOG: whatever log_min_messages is, it
 * lets a LOG through if it lets the message through.
 */
static void
log_twin(ErrorData *edata, const TarxKeysSensitiveName *name)
{
	ErrorContextCallback *callbacks = error_context_stack;

	edata->output_to_server = false;
	twin_of = edata;
	twin_name = name;
	error_context_stack = NULL;
	PG_TRY();
	{
		ereport(LOG_SERVER_ONLY, (errmsg_internal("redacted")));
	}
	PG_FINALLY();
	{
		twin_of = NULL;
		error_context_stack = callbacks;
	}
	PG_END_TRY();
}

static void
redact(ErrorData *edata)
{
	const TarxKeysSensitiveName *name = name_of(edata);

	if (name == NULL)
		return;

	/*
	 * A statement may fail before it is marked.  Until the next one, other
	 * sessions see it as the last statement of this session.
	 */
	if (edata->elevel >= ERROR)
		tarx_keys_redaction_hide(name);
	if (!has_more(edata))
		edata->hide_stmt = true;
	else if (edata->output_to_client && edata->elevel < FATAL)
		log_twin(edata, name);
	else
		redact_into(edata, edata, name);
}

static void
emit_log(ErrorData *edata)
{
	if (twin_of != NULL)
		become_twin(edata);
	else if (edata->output_to_server && tarx_keys_setting_redact_logs())
		redact(edata);
	if (prev_emit_log_hook != NULL && edata->output_to_server)
		prev_emit_log_hook(edata);
}

/* Install the hook.  A hook that is installed later is called earlier. */
void
tarx_keys_redaction_log_install(void)
{
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = emit_log;
}
