/*
 * fields.c
 *	  Writes and reads fields one after the other.
 *
 * A field is 1 | length (4, big-endian) | bytes, or 0 for NULL.  The lengths keep
 * the end of one field from counting as the start of the next, and the leading
 * byte tells NULL from ''.
 */
#include "pure/fields.h"


/* The number in so many bytes, at most eight, big-endian */
uint64_t
tarx_keys_read_number(const uint8_t *bytes, size_t size)
{
	uint64_t	number = 0;

	for (size_t i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

/* Write a field whose data is NULL for NULL. */
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
