/*
 * wiped.h
 *	  What a unit test's program wipes, by functions in the place of libsodium's.
 */
#ifndef TARX_KEYS_WIPED_H
#define TARX_KEYS_WIPED_H

#include <sodium.h>
#include <stdint.h>
#include <string.h>

/* The secret that is watched, and how often memory that has just this was wiped */
static const void *watched = NULL;
static size_t watched_len = 0;
static int	wiped = 0;

/* How often the stack was wiped, and how many bytes of it the last time */
static int	wiped_stacks = 0;
static size_t wiped_stack_bytes = 0;

/* Count from now on how often this is wiped.  It must stay as it is. */
static inline void
watch(const void *secret, size_t len)
{
	watched = secret;
	watched_len = len;
	wiped = 0;
}

/* They do what libsodium's own do, but for the stack, where nobody looks. */
void
sodium_memzero(void *const memory, const size_t len)
{
	volatile uint8_t *bytes = memory;

	if (watched != NULL && len == watched_len && memcmp(memory, watched, watched_len) == 0)
		wiped++;
	for (size_t i = 0; i < len; i++)
		bytes[i] = 0;
}

void
sodium_stackzero(const size_t len)
{
	wiped_stacks++;
	wiped_stack_bytes = len;
}

#endif							/* TARX_KEYS_WIPED_H */
