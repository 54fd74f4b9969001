/*
 * test_key_payload.c
 *	  Unit tests of src/pure/fields.h and src/pure/key_payload.c: known bytes, round
 *	  trips, and refusal of everything that is not what was written.
 */
#include "pure/key_payload.h"

#include "guarded.h"
#include "tap.h"

static TarxKeysSpan
span(const char *text)
{
	return (TarxKeysSpan) {text, text != NULL ? strlen(text) : 0};
}

static bool
same(TarxKeysSpan a, TarxKeysSpan b)
{
	return (a.data == NULL) == (b.data == NULL) && a.len == b.len &&
		(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool
same_headers(const TarxKeysHeaders *a, const TarxKeysHeaders *b)
{
	bool		all = a->count == b->count;

	for (int i = 0; all && i < a->count; i++)
		all = same(a->items[i].name, b->items[i].name) && same(a->items[i].value, b->items[i].value);
	return all;
}

static bool
same_payload(const TarxKeysPayload *a, const TarxKeysPayload *b)
{
	const TarxKeysRequests *p = &a->requests;
	const TarxKeysRequests *q = &b->requests;

	return same(a->value, b->value) && same_headers(&a->headers, &b->headers) &&
		same(p->auth_header, q->auth_header) && same(p->auth_scheme, q->auth_scheme) &&
		same(p->models_path, q->models_path) && same(p->deployments_path, q->deployments_path) &&
		same(p->chat_base_path, q->chat_base_path) && same(p->model_path, q->model_path) &&
		same(p->probe_method, q->probe_method) && same(p->probe_path, q->probe_path) &&
		same_headers(&p->headers, &q->headers);
}

static TarxKeysPayload
example(void)
{
	TarxKeysPayload payload = {.value = span("sk-1234")};

	payload.headers.count = 1;
	payload.headers.items[0] = (TarxKeysHeader) {span("x"), span("yz")};
	payload.requests.auth_header = span("Authorization");
	payload.requests.auth_scheme = span("Bearer");
	payload.requests.models_path = span("/models");
	payload.requests.chat_base_path = span("");
	return payload;
}

static Bytes
written(const TarxKeysPayload *payload)
{
	Bytes		bytes = guarded_bytes(tarx_keys_payload_size(payload));

	tarx_keys_payload_write(bytes.data, payload);
	return bytes;
}

static void
check_known_bytes(void)
{
	TarxKeysPayload payload = example();
	Bytes		bytes = written(&payload);
	static const char known[] =
	"\x01"
	"\x01\0\0\0\x07sk-1234"
	"\x01\x01\0\0\0\x01x\x01\0\0\0\x02yz"
	"\x01\0\0\0\x0d" "Authorization"
	"\x01\0\0\0\x06" "Bearer"
	"\x01\0\0\0\x07/models"
	"\0"
	"\x01\0\0\0\0"
	"\0\0\0"
	"\0";

	ok(bytes.len == sizeof(known) - 1 && memcmp(bytes.data, known, bytes.len) == 0, "known bytes");
	sodium_free(bytes.data);
}

static void
check_round_trip(const TarxKeysPayload *payload, const char *name)
{
	Bytes		bytes = written(payload);
	TarxKeysPayload read;
	int			accepted = 0;

	ok(tarx_keys_payload_read((char *) bytes.data, bytes.len, &read) && same_payload(payload, &read),
	   "%s: what was written is read", name);
	for (size_t len = 0; len < bytes.len; len++)
	{
		Bytes		start = guarded_copy(bytes.data, len);

		accepted += tarx_keys_payload_read((char *) start.data, len, &read);
		sodium_free(start.data);
	}
	is_int(accepted, 0, "%s: none of its beginnings is a payload", name);
	sodium_free(bytes.data);
}

static void
check_one_byte_more(void)
{
	TarxKeysPayload payload = example();
	Bytes		bytes = written(&payload);
	Bytes		longer = guarded_bytes(bytes.len + 1);
	TarxKeysPayload read;

	memcpy(longer.data, bytes.data, bytes.len);
	longer.data[bytes.len] = 0;
	ok(!tarx_keys_payload_read((char *) longer.data, longer.len, &read), "nothing may follow");
	sodium_free(longer.data);
	sodium_free(bytes.data);
}

static void
check_changed(size_t at, uint8_t value, const char *name)
{
	TarxKeysPayload payload = example();
	Bytes		bytes = written(&payload);
	TarxKeysPayload read;

	bytes.data[at] = value;
	ok(!tarx_keys_payload_read((char *) bytes.data, bytes.len, &read), "%s", name);
	sodium_free(bytes.data);
}

/* A header more than there may be, and otherwise as it should be */
static void
check_too_many_headers(void)
{
	static const char header[] = "\x01\0\0\0\x01x\x01\0\0\0\x02yz";
	const size_t header_len = sizeof(header) - 1;
	const size_t count_at = 1 + 5 + strlen("sk-1234");
	TarxKeysPayload payload = example();
	TarxKeysPayload read;
	Bytes		bytes;
	Bytes		more;

	payload.headers.count = TARX_KEYS_HEADERS_MAX;
	for (int i = 0; i < TARX_KEYS_HEADERS_MAX; i++)
		payload.headers.items[i] = (TarxKeysHeader) {span("x"), span("yz")};
	bytes = written(&payload);
	more = guarded_bytes(bytes.len + header_len);
	memcpy(more.data, bytes.data, count_at);
	more.data[count_at] = TARX_KEYS_HEADERS_MAX + 1;
	memcpy(more.data + count_at + 1, header, header_len);
	memcpy(more.data + count_at + 1 + header_len, bytes.data + count_at + 1, bytes.len - count_at - 1);
	ok(!tarx_keys_payload_read((char *) more.data, more.len, &read), "no more headers than there may be");
	sodium_free(more.data);
	sodium_free(bytes.data);
}

static void
check_limits(void)
{
	TarxKeysPayload payload = example();
	uint8_t		small[4];
	TarxKeysFieldWriter writer = {.out = small, .size = sizeof(small)};

	payload.headers.count = TARX_KEYS_HEADERS_MAX;
	for (int i = 0; i < TARX_KEYS_HEADERS_MAX; i++)
		payload.headers.items[i] = (TarxKeysHeader) {span("name"), span("value")};
	payload.requests.headers = payload.headers;
	payload.requests.auth_scheme = span(NULL);
	payload.requests.probe_method = span("POST");
	check_round_trip(&payload, "as many headers as there may be");

	tarx_keys_fields_put(&writer, "", 0);
	ok(writer.overflow && writer.len == 0, "a field that does not fit sets overflow");
	tarx_keys_fields_put_bytes(&writer, "a", 1);
	ok(writer.overflow && writer.len == 0, "and nothing is written from then on");
}

int
main(void)
{
	TarxKeysPayload payload = example();

	if (sodium_init() < 0)
		return 1;
	check_known_bytes();
	check_round_trip(&payload, "an example");
	check_one_byte_more();
	check_changed(0, 0, "version 0");
	check_changed(0, 2, "version 2");
	check_changed(1, 2, "a field is NULL or not");
	check_changed(1, 0, "the value is not NULL");
	check_changed(2, 0xff, "a length beyond the end");
	check_changed(13, TARX_KEYS_HEADERS_MAX + 1, "more headers than there may be");
	check_changed(14, 0, "the name of a header is not NULL");
	check_changed(tarx_keys_payload_size(&payload) - 2, 2, "a field that is NULL has nothing else for it");
	check_too_many_headers();
	check_limits();
	return done_testing();
}
