/*
 * redaction.h
 *	  Statements that may carry a value leave no trace in logs and statistics.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_REDACTION_H
#define TARX_KEYS_REDACTION_H

#include "base/base.h"

/* marks.c: which statements may carry a value */

/* what a text is replaced with; takes the kind of statement and the function's name */
#define TARX_KEYS_REDACTED_QUERY	"/* %s redacted: it names tarx_keys.%s */"

extern void tarx_keys_redaction_mark(TarxKeysSensitive function);
extern void tarx_keys_redaction_mark_statement(const char *name);
extern void tarx_keys_redaction_hide_activity(const char *name);
extern const char *tarx_keys_redaction_of_statement(void);
extern bool tarx_keys_redaction_in_transaction(void);

/* log.c: the server log */
extern void tarx_keys_redaction_log_install(void);

/* statements.c: statements as other libraries and sessions keep them */
extern void tarx_keys_redaction_statements_install(void);

#endif							/* TARX_KEYS_REDACTION_H */
