/*
 * sensitive_text.h
 *	  Which texts may carry a value: those that name our functions.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 *
 * The names are not listed by hand.  make collects them in two headers, which
 * the scripts sensitive_names.sed and known_names.sed describe.
 */
#ifndef TARX_KEYS_SENSITIVE_TEXT_H
#define TARX_KEYS_SENSITIVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The functions that take or return a value, then those that may get one by mistake */
typedef enum TarxKeysSensitive
{
#define CARRIES(name)	TARX_KEYS_SENSITIVE_##name,
#define TAKES(name)		TARX_KEYS_SENSITIVE_##name,
#include "pure/sensitive_names.h"
#undef CARRIES
#undef TAKES
	TARX_KEYS_NUM_SENSITIVE
} TarxKeysSensitive;

/* How each notice begins; in two pieces, because the indent program sees comments in texts */
#define TARX_KEYS_NOTICE_START	"/" "* statement redacted: it names "

typedef struct TarxKeysSensitiveName
{
	const char *name;
	size_t		len;

	/* stands in place of a text that has the name, and has it, too */
	const char *notice;
} TarxKeysSensitiveName;

/* In the order of the enum; ends with a name of NULL */
extern const TarxKeysSensitiveName tarx_keys_sensitive_names[];

extern const TarxKeysSensitiveName *tarx_keys_sensitive_name(const char *text, size_t len);

/* act_as(): it is logged as it is, but its errors are not */
extern const TarxKeysSensitiveName tarx_keys_sensitive_if_failed;
extern bool tarx_keys_is_sensitive_if_failed(const char *text, size_t len);

extern bool tarx_keys_has_execute(const char *text);

#endif							/* TARX_KEYS_SENSITIVE_TEXT_H */
