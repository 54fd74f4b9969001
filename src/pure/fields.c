/*
 * fields.c
 *	  Writes and reads fields one after the other.
 *
 * A field is 1 | length (4, big-endian) | bytes, or 0 for NULL.  The lengths keep
 * the end of one field from counting as the start of the next, and the leading
 * byte tells NULL from ''.
 */
#include "pure/fields.h"

#include <string.h>

/* Write a number to out[0 .. size), big-endian. */
void
tarx_keys_write_number(uint8_t *out, uint64_t number, size_t size)
{
	for (size_t i = size; i > 0; i--, number >>= 8)
		out[i - 1] = (uint8_t) number;
}

/* The number in so many bytes, at most eight, big-endian */
uint64_t
tarx_keys_read_number(const uint8_t *bytes, size_t size)
{
	uint64_t	number = 0;

	for (size_t i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

/* Write bytes as they are. */
void
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
void
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
void
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

/* The same for a field whose data is NULL for NULL */
void
tarx_keys_fields_put_span(TarxKeysFieldWriter *writer, TarxKeysSpan field)
{
	tarx_keys_fields_put(writer, field.data, field.len);
}

/* Read bytes as they are, which stay where they are; NULL if there are fewer. */
const uint8_t *
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
uint8_t
tarx_keys_fields_take_byte(TarxKeysFieldReader *reader)
{
	const uint8_t *byte = tarx_keys_fields_take_bytes(reader, 1);

	return byte != NULL ? *byte : 0;
}

/* Read a field, which stays where it is; its data is NULL for NULL. */
TarxKeysSpan
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
TarxKeysSpan
tarx_keys_fields_take_not_null(TarxKeysFieldReader *reader)
{
	TarxKeysSpan field = tarx_keys_fields_take(reader);

	if (field.data == NULL)
		reader->broken = true;
	return field;
}
