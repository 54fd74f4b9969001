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
	prefix[1] = (uint8_t) (len >> 24);
	prefix[2] = (uint8_t) (len >> 16);
	prefix[3] = (uint8_t) (len >> 8);
	prefix[4] = (uint8_t) len;
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
	prefix = tarx_keys_fields_take_bytes(reader, 4);
	if (prefix == NULL)
		return field;
	field.len = (size_t) prefix[0] << 24 | (size_t) prefix[1] << 16 | (size_t) prefix[2] << 8 | prefix[3];
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
