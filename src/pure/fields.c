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

/* Write a field.  NULL differs from any bytes. */
void
tarx_keys_fields_put(TarxKeysFieldWriter *writer, const void *field, size_t len)
{
	uint8_t		prefix[TARX_KEYS_FIELD_OVERHEAD] = {1};

	if (field == NULL)
	{
		tarx_keys_fields_put_bytes(writer, "", 1);
		return;
	}
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
	tarx_keys_fields_put_bytes(writer, field, len);
}

static const uint8_t *
take_bytes(TarxKeysFieldReader *reader, size_t len)
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
	const uint8_t *byte = take_bytes(reader, 1);

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
	prefix = take_bytes(reader, 4);
	if (prefix == NULL)
		return field;
	field.len = (size_t) prefix[0] << 24 | (size_t) prefix[1] << 16 | (size_t) prefix[2] << 8 | prefix[3];
	field.data = (const char *) take_bytes(reader, field.len);
	if (field.data == NULL)
		field.len = 0;
	return field;
}
