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

extern void tarx_keys_write_number(uint8_t *out, uint64_t number, size_t size);
extern uint64_t tarx_keys_read_number(const uint8_t *bytes, size_t size);
extern void tarx_keys_fields_put_bytes(TarxKeysFieldWriter *writer, const void *bytes, size_t len);
extern void tarx_keys_fields_begin(TarxKeysFieldWriter *writer, size_t len);
extern void tarx_keys_fields_put(TarxKeysFieldWriter *writer, const void *field, size_t len);
extern void tarx_keys_fields_put_span(TarxKeysFieldWriter *writer, TarxKeysSpan field);
extern const uint8_t *tarx_keys_fields_take_bytes(TarxKeysFieldReader *reader, size_t len);
extern uint8_t tarx_keys_fields_take_byte(TarxKeysFieldReader *reader);
extern TarxKeysSpan tarx_keys_fields_take(TarxKeysFieldReader *reader);
extern TarxKeysSpan tarx_keys_fields_take_not_null(TarxKeysFieldReader *reader);

#endif							/* TARX_KEYS_FIELDS_H */
