/*
 * fields.h
 *	  Fields one after the other, each with its length: the form of what values are
 *	  bound to, and of what is inside envelopes and boxes.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_FIELDS_H
#define TARX_KEYS_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pure/text_rules.h"

/* What a field takes beside its own bytes */
#define TARX_KEYS_FIELD_OVERHEAD	5

/* A field that does not fit sets overflow, and nothing is written from then on. */
typedef struct TarxKeysFieldWriter
{
	uint8_t    *out;			/* NULL only counts what would be written */
	size_t		size;
	size_t		len;
	bool		overflow;
} TarxKeysFieldWriter;

/* What is no field sets broken, and nothing is read from then on. */
typedef struct TarxKeysFieldReader
{
	const uint8_t *at;
	size_t		left;
	bool		broken;
} TarxKeysFieldReader;

extern uint64_t tarx_keys_read_number(const uint8_t *bytes, size_t size);
extern void tarx_keys_fields_put_span(TarxKeysFieldWriter *writer, TarxKeysSpan field);
extern const uint8_t *tarx_keys_fields_take_bytes(TarxKeysFieldReader *reader, size_t len);
extern uint8_t tarx_keys_fields_take_byte(TarxKeysFieldReader *reader);
extern TarxKeysSpan tarx_keys_fields_take(TarxKeysFieldReader *reader);
extern TarxKeysSpan tarx_keys_fields_take_not_null(TarxKeysFieldReader *reader);

/* Writing is in line, because each resolve call binds a row of many small fields. */

/* Write a number to out[0 .. size), big-endian. */
static inline void
tarx_keys_write_number(uint8_t *out, uint64_t number, size_t size)
{
	for (size_t i = size; i > 0; i--, number >>= 8)
		out[i - 1] = (uint8_t) number;
}

/* Write bytes as they are. */
static inline void
tarx_keys_fields_put_bytes(TarxKeysFieldWriter *writer, const void *bytes, size_t len)
{
	if (writer->overflow || len > writer->size - writer->len)
	{
		writer->overflow = true;
		return;
	}
	if (writer->out != NULL)
		memcpy(writer->out + writer->len, bytes, len);
	writer->len += len;
}

/* Begin a field whose bytes the caller writes next. */
static inline void
tarx_keys_fields_begin(TarxKeysFieldWriter *writer, size_t len)
{
	uint8_t		prefix[TARX_KEYS_FIELD_OVERHEAD] = {1};

	if (len > writer->size)
	{
		writer->overflow = true;
		return;
	}
	tarx_keys_write_number(prefix + 1, len, TARX_KEYS_FIELD_OVERHEAD - 1);
	tarx_keys_fields_put_bytes(writer, prefix, sizeof(prefix));
}

/* Write a field.  NULL differs from any bytes. */
static inline void
tarx_keys_fields_put(TarxKeysFieldWriter *writer, const void *field, size_t len)
{
	if (field == NULL)
	{
		tarx_keys_fields_put_bytes(writer, "", 1);
		return;
	}
	tarx_keys_fields_begin(writer, len);
	tarx_keys_fields_put_bytes(writer, field, len);
}

#endif							/* TARX_KEYS_FIELDS_H */
