/*
 * sensitive_text.h
 *	  Which texts may carry a value: statements that name our functions.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_SENSITIVE_TEXT_H
#define TARX_KEYS_SENSITIVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct TarxKeysSensitiveFunction
{
	const char *name;
	size_t		len;
} TarxKeysSensitiveFunction;

/* The functions whose arguments or results are values; ends with a name of NULL */
extern const TarxKeysSensitiveFunction tarx_keys_sensitive_functions[];

extern const char *tarx_keys_sensitive_name(const char *text);
extern bool tarx_keys_has_execute(const char *text);

#endif							/* TARX_KEYS_SENSITIVE_TEXT_H */
