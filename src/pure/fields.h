/*
 * fields.h
 *	  Fields one after the other, each with its length: the form of what values are
 *	  bound to, and of what is inside envelopes and boxes.
 *
 * A field is 1 | length (4, big-endian) | bytes, or 0 for NULL.  The lengths keep
 * the end of one field from counting as the start of the next, and the leading
 * byte tells NULL from ''.
 *
 * All of it is in line, because each resolve call binds a row of many small fields.
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

/* Write a field whose data is NULL for NULL. */
static inline void
tarx_keys_fields_put_span(TarxKeysFieldWriter *writer, TarxKeysSpan field)
{
	tarx_keys_fields_put(writer, field.data, field.len);
}

/* The number in so many bytes, at most eight, big-endian */
static inline uint64_t
tarx_keys_read_number(const uint8_t *bytes, size_t size)
{
	uint64_t	number = 0;

	for (size_t i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

/* Read bytes as they are, which stay where they are; NULL if there are fewer. */
static inline const uint8_t *
tarx_keys_fields_take_bytes(TarxKeysFieldReader *reader, size_t len)
{
	const uint8_t *bytes = reader->at;

	if (reader->broken || len > reader->left)
	{
		reader->broken = true;
		return NULL;
	}
	reader->at += len;
	reader->left -= len;
	return bytes;
}

/* Read a byte; 0 if there is none. */
static inline uint8_t
tarx_keys_fields_take_byte(TarxKeysFieldReader *reader)
{
	const uint8_t *byte = tarx_keys_fields_take_bytes(reader, 1);

	return byte != NULL ? *byte : 0;
}

/* Read a field, which stays where it is; its data is NULL for NULL. */
static inline TarxKeysSpan
tarx_keys_fields_take(TarxKeysFieldReader *reader)
{
	TarxKeysSpan field = {NULL, 0};
	uint8_t		tag = tarx_keys_fields_take_byte(reader);
	const uint8_t *prefix;

	if (tag > 1)
		reader->broken = true;
	if (tag != 1)
		return field;
	prefix = tarx_keys_fields_take_bytes(reader, TARX_KEYS_FIELD_OVERHEAD - 1);
	if (prefix == NULL)
		return field;
	field.len = (size_t) tarx_keys_read_number(prefix, TARX_KEYS_FIELD_OVERHEAD - 1);
	field.data = (const char *) tarx_keys_fields_take_bytes(reader, field.len);
	if (field.data == NULL)
		field.len = 0;
	return field;
}

/* Read a field that must not be NULL. */
static inline TarxKeysSpan
tarx_keys_fields_take_not_null(TarxKeysFieldReader *reader)
{
	TarxKeysSpan field = tarx_keys_fields_take(reader);

	if (field.data == NULL)
		reader->broken = true;
	return field;
}

#endif							/* TARX_KEYS_FIELDS_H */
