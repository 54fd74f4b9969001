/*
 * sensitive_text.h
 *	  Which texts may carry a value: those that name our functions.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 *
 * The names are not listed by hand.  make collects them in two headers, which
 * the scripts sensitive_names.sed and harmless_names.sed describe: one line
 * NAME(x) for each.
 */
#ifndef TARX_KEYS_SENSITIVE_TEXT_H
#define TARX_KEYS_SENSITIVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The functions that take or return a value */
typedef enum TarxKeysSensitive
{
#define NAME(name)	TARX_KEYS_SENSITIVE_##name,
#include "pure/sensitive_names.h"
#undef NAME
	TARX_KEYS_NUM_SENSITIVE
} TarxKeysSensitive;

typedef struct TarxKeysSensitiveFunction
{
	const char *name;
	size_t		len;
} TarxKeysSensitiveFunction;

/* In the order of the enum; ends with a name of NULL */
extern const TarxKeysSensitiveFunction tarx_keys_sensitive_functions[];

extern const char *tarx_keys_sensitive_name(const char *text);
extern bool tarx_keys_has_execute(const char *text);

#endif							/* TARX_KEYS_SENSITIVE_TEXT_H */
