/*
 * key_form.h
 *	  What an LLM key may look like, and what people paste in its place.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_KEY_FORM_H
#define TARX_KEYS_KEY_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "pure/text_rules.h"

#define TARX_KEYS_VALUE_MIN_BYTES		4
#define TARX_KEYS_VALUE_MAX_BYTES		8192

typedef enum TarxKeysKeyProblem
{
	TARX_KEYS_KEY_OK = 0,
	TARX_KEYS_KEY_TOO_SHORT,
	TARX_KEYS_KEY_TOO_LONG,
	/* something else, whole */
	TARX_KEYS_KEY_TOKEN,		/* a platform key of ours */
	TARX_KEYS_KEY_JSON,
	TARX_KEYS_KEY_PEM,
	TARX_KEYS_KEY_MASK,
	TARX_KEYS_KEY_BRACKETS,
	TARX_KEYS_KEY_PLACEHOLDER,
	TARX_KEYS_KEY_VARIABLE,
	/* something around it */
	TARX_KEYS_KEY_URL,
	TARX_KEYS_KEY_COMMAND,
	TARX_KEYS_KEY_SCHEME,
	TARX_KEYS_KEY_HEADER,
	TARX_KEYS_KEY_ASSIGNMENT,
	TARX_KEYS_KEY_QUOTES,
	TARX_KEYS_KEY_PUNCTUATION,
	/* characters, which have a position */
	TARX_KEYS_KEY_SPACE,
	TARX_KEYS_KEY_CONTROL,
	TARX_KEYS_KEY_NOT_ASCII
} TarxKeysKeyProblem;

extern TarxKeysKeyProblem tarx_keys_check_key(TarxKeysSpan value, size_t *position);
extern const char *tarx_keys_key_problem(TarxKeysKeyProblem problem);
extern const char *tarx_keys_key_advice(TarxKeysKeyProblem problem);

#endif							/* TARX_KEYS_KEY_FORM_H */
