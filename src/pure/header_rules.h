/*
 * header_rules.h
 *	  Which HTTP headers a key may bring.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_HEADER_RULES_H
#define TARX_KEYS_HEADER_RULES_H

#include "pure/text_rules.h"

#define TARX_KEYS_HEADER_NAME_MAX	128
#define TARX_KEYS_HEADER_VALUE_MAX	2048

typedef enum TarxKeysHeaderProblem
{
	TARX_KEYS_HEADER_OK = 0,
	TARX_KEYS_HEADER_NO_TOKEN,
	TARX_KEYS_HEADER_TOO_LONG,
	TARX_KEYS_HEADER_ROUTES,
	TARX_KEYS_HEADER_IS_CREDENTIAL,
	TARX_KEYS_HEADER_BAD_VALUE
} TarxKeysHeaderProblem;

extern TarxKeysHeaderProblem tarx_keys_check_header_name(TarxKeysSpan name);
extern TarxKeysHeaderProblem tarx_keys_check_header(TarxKeysSpan name, TarxKeysSpan value);
extern TarxKeysHeaderProblem tarx_keys_check_key_header(TarxKeysSpan name, TarxKeysSpan value);
extern const char *tarx_keys_header_problem(TarxKeysHeaderProblem problem);

#endif							/* TARX_KEYS_HEADER_RULES_H */
