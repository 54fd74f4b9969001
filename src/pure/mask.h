/*
 * mask.h
 *	  What people see instead of a key.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_MASK_H
#define TARX_KEYS_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "pure/text_rules.h"

/* In bytes; a public prefix that is not shorter counts as unknown. */
#define TARX_KEYS_MASK_PREFIX_MAX	32
/* In bytes: the prefix, 3 characters, the sign and 4 characters */
#define TARX_KEYS_MASK_MAX			(TARX_KEYS_MASK_PREFIX_MAX + 64)

extern size_t tarx_keys_mask(char out[TARX_KEYS_MASK_MAX], TarxKeysSpan value,
							 const TarxKeysSpan *prefixes, size_t nprefixes);
extern bool tarx_keys_looks_masked(TarxKeysSpan value);
extern bool tarx_keys_mask_split(TarxKeysSpan mask, TarxKeysSpan *head,
								 const char **sign, TarxKeysSpan *tail);

#endif							/* TARX_KEYS_MASK_H */
