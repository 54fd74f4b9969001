/*
 * redaction.h
 *	  Statements that may carry a value leave no trace in logs and statistics.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_REDACTION_H
#define TARX_KEYS_REDACTION_H

#include "nodes/plannodes.h"

#include "base/base.h"

/* marks.c: which messages of the client may carry a value */
extern void tarx_keys_redaction_mark(TarxKeysSensitive function);
extern void tarx_keys_redaction_mark_message(const TarxKeysSensitiveName *name);
extern void tarx_keys_redaction_mark_failure(void);
extern const TarxKeysSensitiveName *tarx_keys_redaction_of_failure(void);
extern void tarx_keys_redaction_hide(const TarxKeysSensitiveName *name);
extern const TarxKeysSensitiveName *tarx_keys_redaction_of_mark(void);
extern const TarxKeysSensitiveName *tarx_keys_redaction_of_message(void);
extern bool tarx_keys_redaction_is_message(const char *text);
extern const TarxKeysSensitiveName *tarx_keys_redaction_in_transaction(void);

/* functions.c: which calls may carry a value */
extern const TarxKeysSensitiveName *tarx_keys_redaction_of_plan(const PlannedStmt *plan);
extern void tarx_keys_redaction_functions_install(void);

/* log.c: the server log */
extern void tarx_keys_redaction_log_install(void);

/* blank_text.c: what stands in place of the text of a utility statement */
extern const char *tarx_keys_redaction_blank(const char *text, const char *notice,
											 PlannedStmt *pstmt, int level);
extern bool tarx_keys_redaction_is_blank(const char *text, int location, int len);

/* statements.c: statements as other libraries and sessions keep them */
extern void tarx_keys_redaction_statements_install(void);

#endif							/* TARX_KEYS_REDACTION_H */
