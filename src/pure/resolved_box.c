/*
 * resolved_box.c
 *	  Writes what resolve calls return sealed.
 *
 * The payload of such a box is
 *
 *		format (1) | purpose (16) | project (16) | asked | provider | base URL |
 *		auth header | auth scheme | value | headers
 *
 * The last seven are fields (see fields.h), and the payload ends behind them.
 * Headers are a JSON object of texts.  So whoever opens a box finds out in it what
 * the value is for and where it goes, and needs to believe nothing beside it.
 */
#include "pure/resolved_box.h"

#include <string.h>

_Static_assert(sizeof(TARX_KEYS_PURPOSE_BOX_RESOLVED) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size");

/* A JSON string; header rules leave nothing else to escape. */
static void
put_string(TarxKeysFieldWriter *writer, TarxKeysSpan text)
{
	tarx_keys_fields_put_bytes(writer, "\"", 1);
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] == '"' || text.data[i] == '\\')
			tarx_keys_fields_put_bytes(writer, "\\", 1);
		tarx_keys_fields_put_bytes(writer, text.data + i, 1);
	}
	tarx_keys_fields_put_bytes(writer, "\"", 1);
}

static void
put_object(TarxKeysFieldWriter *writer, const TarxKeysHeaders *headers)
{
	tarx_keys_fields_put_bytes(writer, "{", 1);
	for (int i = 0; i < headers->count; i++)
	{
		if (i > 0)
			tarx_keys_fields_put_bytes(writer, ",", 1);
		put_string(writer, headers->items[i].name);
		tarx_keys_fields_put_bytes(writer, ":", 1);
		put_string(writer, headers->items[i].value);
	}
	tarx_keys_fields_put_bytes(writer, "}", 1);
}

static void
put_headers(TarxKeysFieldWriter *writer, const TarxKeysHeaders *headers)
{
	TarxKeysFieldWriter counter = {.size = SIZE_MAX};

	if (headers == NULL || headers->count == 0)
	{
		tarx_keys_fields_put(writer, NULL, 0);
		return;
	}
	put_object(&counter, headers);
	tarx_keys_fields_begin(writer, counter.len);
	put_object(writer, headers);
}

static void
put_payload(TarxKeysFieldWriter *writer, const TarxKeysResolvedBox *box)
{
	static const uint8_t format = TARX_KEYS_RESOLVED_BOX_FORMAT;

	tarx_keys_fields_put_bytes(writer, &format, 1);
	tarx_keys_fields_put_bytes(writer, TARX_KEYS_PURPOSE_BOX_RESOLVED, TARX_KEYS_PURPOSE_BYTES);
	tarx_keys_fields_put_bytes(writer, box->project_id, TARX_KEYS_SCOPE_BYTES);
	tarx_keys_fields_put_span(writer, box->asked);
	tarx_keys_fields_put_span(writer, box->provider);
	tarx_keys_fields_put_span(writer, box->base_url);
	tarx_keys_fields_put_span(writer, box->auth_header);
	tarx_keys_fields_put_span(writer, box->auth_scheme);
	tarx_keys_fields_put_span(writer, box->value);
	put_headers(writer, box->headers);
}

/* The size of a payload, in bytes */
size_t
tarx_keys_resolved_box_size(const TarxKeysResolvedBox *box)
{
	TarxKeysFieldWriter counter = {.size = SIZE_MAX};

	put_payload(&counter, box);
	return counter.len;
}

/* Write a payload to out[0 .. tarx_keys_resolved_box_size()). */
void
tarx_keys_resolved_box_write(uint8_t *out, const TarxKeysResolvedBox *box)
{
	TarxKeysFieldWriter writer = {.size = tarx_keys_resolved_box_size(box)};

	writer.out = out;
	put_payload(&writer, box);
}
