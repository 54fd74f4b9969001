/*
 * template.h
 *	  Templates: texts with references to secrets.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_TEMPLATE_H
#define TARX_KEYS_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "pure/text_rules.h"

typedef enum TarxKeysTokenKind
{
	TARX_KEYS_TOKEN_LITERAL,	/* text goes into the result */
	TARX_KEYS_TOKEN_REFERENCE,	/* text is the name of a secret */
	TARX_KEYS_TOKEN_MALFORMED	/* text is the reference, with its "${" */
} TarxKeysTokenKind;

/* A part of the template; its text points into the template. */
typedef struct TarxKeysToken
{
	TarxKeysTokenKind kind;
	TarxKeysSpan text;
} TarxKeysToken;

extern bool tarx_keys_template_next(TarxKeysSpan *rest, TarxKeysToken *token);

#endif							/* TARX_KEYS_TEMPLATE_H */
