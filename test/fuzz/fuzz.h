/*
 * fuzz.h
 *	  What the fuzz targets have in common.
 *
 * A target is one file, fuzz_NAME.c, with an LLVMFuzzerTestOneInput(): libFuzzer
 * calls it with inputs that it makes from those in corpus/NAME, and replay.c,
 * as a unit test, with these only.  An input is taken apart from its start:
 * bytes that choose, and pieces with their length in front.  What is left over
 * is as good a piece.
 */
#ifndef TARX_KEYS_FUZZ_H
#define TARX_KEYS_FUZZ_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct FuzzInput
{
	const uint8_t *data;
	size_t		len;
} FuzzInput;

/* In memory of its own, so that a sanitizer sees what is read beyond it */
typedef struct FuzzPiece
{
	uint8_t    *data;
	size_t		len;
} FuzzPiece;

#define must(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: must be so: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

static inline void
fuzz_init(void)
{
	must(sodium_init() >= 0);
}

static inline FuzzPiece
fuzz_copy(const void *data, size_t len)
{
	FuzzPiece	piece = {calloc(1, len > 0 ? len : 1), len};

	must(piece.data != NULL);
	if (len > 0)
		memcpy(piece.data, data, len);
	return piece;
}

/* 0 at the end */
static inline uint8_t
fuzz_byte(FuzzInput *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->data++;
}

/* The next len bytes, or as many as there are */
static inline FuzzPiece
fuzz_bytes(FuzzInput *in, size_t len)
{
	FuzzPiece	piece = fuzz_copy(in->data, len < in->len ? len : in->len);

	in->data += piece.len;
	in->len -= piece.len;
	return piece;
}

static inline FuzzPiece
fuzz_piece(FuzzInput *in)
{
	return fuzz_bytes(in, fuzz_byte(in));
}

static inline FuzzPiece
fuzz_rest(FuzzInput *in)
{
	return fuzz_bytes(in, in->len);
}

/* Whether the part [data, data + len) is within the piece */
static inline bool
fuzz_within(const FuzzPiece *piece, const void *data, size_t len)
{
	const uint8_t *start = data;

	return start >= piece->data && len <= piece->len &&
		start <= piece->data + (piece->len - len);
}

#endif							/* TARX_KEYS_FUZZ_H */
