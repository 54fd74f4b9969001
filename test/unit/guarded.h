/*
 * guarded.h
 *	  Memory for unit tests that ends at an inaccessible page.
 *
 * A read or write of one byte too many ends the program.  What a function
 * writes to is filled beforehand, so that a test sees what was left alone.
 */
#ifndef TARX_KEYS_GUARDED_H
#define TARX_KEYS_GUARDED_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* What memory is filled with before a call */
#define LEFTOVER	0xa5

typedef struct Bytes
{
	uint8_t    *data;
	size_t		len;
} Bytes;

/* Memory of this size; the caller frees it with sodium_free(). */
static inline void *
guarded(size_t len)
{
	void	   *memory = sodium_malloc(len);

	if (memory == NULL)
	{
		fprintf(stderr, "# out of guarded memory\n");
		exit(EXIT_FAILURE);
	}
	memset(memory, LEFTOVER, len);
	return memory;
}

static inline Bytes
guarded_bytes(size_t len)
{
	return (Bytes) {guarded(len), len};
}

static inline Bytes
guarded_copy(const void *data, size_t len)
{
	Bytes		bytes = guarded_bytes(len);

	if (len > 0)
		memcpy(bytes.data, data, len);
	return bytes;
}

/* Bytes that a test has in hexadecimal digits */
static inline Bytes
from_hex(const char *hex)
{
	Bytes		bytes = guarded_bytes(strlen(hex) / 2);

	if (sodium_hex2bin(bytes.data, bytes.len, hex, strlen(hex), NULL, NULL, NULL) != 0)
	{
		fprintf(stderr, "# bad hexadecimal digits in a test: %s\n", hex);
		exit(EXIT_FAILURE);
	}
	return bytes;
}

static inline bool
is_all(const Bytes *bytes, uint8_t value)
{
	for (size_t i = 0; i < bytes->len; i++)
	{
		if (bytes->data[i] != value)
			return false;
	}
	return true;
}

#endif							/* TARX_KEYS_GUARDED_H */
