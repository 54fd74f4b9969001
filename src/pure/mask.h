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

/* A known public prefix is shorter than this; a longer one counts as unknown. */
#define TARX_KEYS_MASK_PREFIX_MAX	32
/* prefix, 3 characters, separator, 4 characters, all of up to 4 bytes */
#define TARX_KEYS_MASK_MAX			(TARX_KEYS_MASK_PREFIX_MAX + 64)

extern size_t tarx_keys_mask(char out[TARX_KEYS_MASK_MAX], TarxKeysSpan value,
							 const TarxKeysSpan *prefixes, size_t nprefixes);
extern bool tarx_keys_looks_masked(TarxKeysSpan value);
extern bool tarx_keys_mask_split(TarxKeysSpan mask, TarxKeysSpan *head,
								 const char **sign, TarxKeysSpan *tail);

#endif							/* TARX_KEYS_MASK_H */
