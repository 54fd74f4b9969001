/*
 * key_payload.c
 *	  Writes and reads what is inside the envelope of an LLM key.
 *
 * A payload is
 *
 *		version (1) | value | headers | requests
 *
 * Headers are a count (1), and the name and value of each.  Requests are auth
 * header, auth scheme, models path, deployments path, chat base path, model path,
 * probe method, probe path, and headers.  All these are fields (see fields.h), in
 * UTF-8, and they are the whole of the payload.
 *
 * Requests are sealed with the value, so that whoever can edit the catalogue of
 * providers cannot send a stored key elsewhere.
 */
#include "pure/key_payload.h"

static void
put_headers(TarxKeysFieldWriter *writer, const TarxKeysHeaders *headers)
{
	tarx_keys_fields_put_bytes(writer, &headers->count, 1);
	for (int i = 0; i < headers->count; i++)
	{
		tarx_keys_fields_put_span(writer, headers->items[i].name);
		tarx_keys_fields_put_span(writer, headers->items[i].value);
	}
}

static void
put_requests(TarxKeysFieldWriter *writer, const TarxKeysRequests *requests)
{
	tarx_keys_fields_put_span(writer, requests->auth_header);
	tarx_keys_fields_put_span(writer, requests->auth_scheme);
	tarx_keys_fields_put_span(writer, requests->models_path);
	tarx_keys_fields_put_span(writer, requests->deployments_path);
	tarx_keys_fields_put_span(writer, requests->chat_base_path);
	tarx_keys_fields_put_span(writer, requests->model_path);
	tarx_keys_fields_put_span(writer, requests->probe_method);
	tarx_keys_fields_put_span(writer, requests->probe_path);
	put_headers(writer, &requests->headers);
}

static void
put_payload(TarxKeysFieldWriter *writer, const TarxKeysPayload *payload)
{
	static const uint8_t version = TARX_KEYS_PAYLOAD_VERSION;

	tarx_keys_fields_put_bytes(writer, &version, 1);
	tarx_keys_fields_put_span(writer, payload->value);
	put_headers(writer, &payload->headers);
	put_requests(writer, &payload->requests);
}

/* The size of a payload, in bytes */
size_t
tarx_keys_payload_size(const TarxKeysPayload *payload)
{
	TarxKeysFieldWriter counter = {.size = SIZE_MAX};

	put_payload(&counter, payload);
	return counter.len;
}

/* Write a payload to out[0 .. tarx_keys_payload_size()). */
void
tarx_keys_payload_write(uint8_t *out, const TarxKeysPayload *payload)
{
	TarxKeysFieldWriter writer = {.size = tarx_keys_payload_size(payload)};

	writer.out = out;
	put_payload(&writer, payload);
}

static void
take_headers(TarxKeysFieldReader *reader, TarxKeysHeaders *headers)
{
	headers->count = tarx_keys_fields_take_byte(reader);
	if (headers->count > TARX_KEYS_HEADERS_MAX)
	{
		reader->broken = true;
		headers->count = 0;
	}
	for (int i = 0; i < headers->count; i++)
	{
		headers->items[i].name = tarx_keys_fields_take_not_null(reader);
		headers->items[i].value = tarx_keys_fields_take_not_null(reader);
	}
}

static void
take_requests(TarxKeysFieldReader *reader, TarxKeysRequests *requests)
{
	requests->auth_header = tarx_keys_fields_take_not_null(reader);
	requests->auth_scheme = tarx_keys_fields_take(reader);
	requests->models_path = tarx_keys_fields_take(reader);
	requests->deployments_path = tarx_keys_fields_take(reader);
	requests->chat_base_path = tarx_keys_fields_take_not_null(reader);
	requests->model_path = tarx_keys_fields_take(reader);
	requests->probe_method = tarx_keys_fields_take(reader);
	requests->probe_path = tarx_keys_fields_take(reader);
	take_headers(reader, &requests->headers);
}

/*
 * Read a payload; its fields stay where they are.  Returns false if these bytes
 * are no payload of a version that we know.
 */
bool
tarx_keys_payload_read(const char *bytes, size_t len, TarxKeysPayload *payload)
{
	TarxKeysFieldReader reader = {.at = (const uint8_t *) bytes, .left = len};

	if (tarx_keys_fields_take_byte(&reader) != TARX_KEYS_PAYLOAD_VERSION)
		return false;
	payload->value = tarx_keys_fields_take_not_null(&reader);
	take_headers(&reader, &payload->headers);
	take_requests(&reader, &payload->requests);
	return !reader.broken && reader.left == 0;
}
