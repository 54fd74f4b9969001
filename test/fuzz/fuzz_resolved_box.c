/*
 * fuzz_resolved_box.c
 *	  What resolve calls return sealed: a reader of its own gets back what was
 *	  written, to the last byte, and no two contents have the same payload.
 *
 * Input: which fields are NULL (1 byte), the number of headers (1 byte), the project
 * (16 bytes), the fields, names and values of headers, where and how to change the
 * payload (1 byte each).
 */
#include "pure/resolved_box.h"
#include "fuzz.h"

#define FIELDS	6

/* What is written, and what is read */
typedef struct Content
{
	uint8_t		project[TARX_KEYS_SCOPE_BYTES];
	FuzzPiece	fields[FIELDS];
	bool		isnull[FIELDS];
	FuzzPiece	names[TARX_KEYS_HEADERS_MAX];
	FuzzPiece	values[TARX_KEYS_HEADERS_MAX];
	int			nheaders;
} Content;

static Content
choose(FuzzInput *in)
{
	Content		content = {.nheaders = 0};
	uint8_t		nulls = fuzz_byte(in);
	FuzzPiece	project;

	content.nheaders = fuzz_byte(in) % (TARX_KEYS_HEADERS_MAX + 1);
	project = fuzz_bytes(in, TARX_KEYS_SCOPE_BYTES);
	memcpy(content.project, project.data, project.len);
	free(project.data);
	for (int i = 0; i < FIELDS; i++)
	{
		content.isnull[i] = (nulls >> i & 1) != 0;
		content.fields[i] = content.isnull[i] ? fuzz_copy("", 0) : fuzz_piece(in);
	}
	for (int i = 0; i < content.nheaders; i++)
	{
		content.names[i] = fuzz_piece(in);
		content.values[i] = fuzz_piece(in);
	}
	return content;
}

static TarxKeysSpan
span_of(const Content *content, int field)
{
	const FuzzPiece *piece = &content->fields[field];

	return (TarxKeysSpan) {content->isnull[field] ? NULL : (const char *) piece->data, piece->len};
}

static FuzzPiece
write_box(const Content *content)
{
	TarxKeysHeaders headers = {.count = (uint8_t) content->nheaders};
	TarxKeysResolvedBox box = {
		content->project, span_of(content, 0), span_of(content, 1), span_of(content, 2), span_of(content, 3),
		span_of(content, 4), span_of(content, 5), &headers
	};
	FuzzPiece	payload;

	for (int i = 0; i < content->nheaders; i++)
	{
		headers.items[i].name = (TarxKeysSpan) {(const char *) content->names[i].data, content->names[i].len};
		headers.items[i].value = (TarxKeysSpan) {(const char *) content->values[i].data, content->values[i].len};
	}
	payload.len = tarx_keys_resolved_box_size(&box);
	payload.data = calloc(1, payload.len);
	must(payload.data != NULL);
	tarx_keys_resolved_box_write(payload.data, &box);
	return payload;
}

/* Read so many bytes as they are expected. */
static bool
expect(FuzzInput *in, const void *bytes, size_t len)
{
	if (in->len < len || memcmp(in->data, bytes, len) != 0)
		return false;
	in->data += len;
	in->len -= len;
	return true;
}

static bool
expect_string(FuzzInput *in, const FuzzPiece *text)
{
	bool		ok = expect(in, "\"", 1);

	for (size_t i = 0; ok && i < text->len; i++)
	{
		if (text->data[i] == '"' || text->data[i] == '\\')
			ok = expect(in, "\\", 1);
		ok = ok && expect(in, text->data + i, 1);
	}
	return ok && expect(in, "\"", 1);
}

static bool
expect_object(FuzzInput *in, const Content *content)
{
	bool		ok = expect(in, "{", 1);

	for (int i = 0; ok && i < content->nheaders; i++)
		ok = (i == 0 || expect(in, ",", 1)) && expect_string(in, &content->names[i]) &&
			expect(in, ":", 1) && expect_string(in, &content->values[i]);
	return ok && expect(in, "}", 1);
}

static bool
expect_length(FuzzInput *in, size_t *len)
{
	*len = 0;
	if (in->len < 4)
		return false;
	for (int i = 0; i < 4; i++)
		*len = *len << 8 | fuzz_byte(in);
	return *len <= in->len;
}

static bool
expect_field(FuzzInput *in, const Content *content, int field)
{
	size_t		len;

	if (content->isnull[field])
		return expect(in, "\0", 1);
	return expect(in, "\1", 1) && expect_length(in, &len) && len == content->fields[field].len &&
		expect(in, content->fields[field].data, len);
}

static bool
expect_headers(FuzzInput *in, const Content *content)
{
	size_t		len;
	size_t		before;

	if (content->nheaders == 0)
		return expect(in, "\0", 1);
	if (!expect(in, "\1", 1) || !expect_length(in, &len))
		return false;
	before = in->len;
	return expect_object(in, content) && before - in->len == len;
}

/* Is this the payload of this content, and nothing else? */
static bool
is_payload_of(const FuzzPiece *payload, const Content *content)
{
	FuzzInput	in = {payload->data, payload->len};
	bool		ok = expect(&in, "\2tarx.box-out...2", 17) &&
	expect(&in, content->project, sizeof(content->project));

	for (int i = 0; ok && i < FIELDS; i++)
		ok = expect_field(&in, content, i);
	return ok && expect_headers(&in, content) && in.len == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	Content		content;
	FuzzPiece	payload;
	uint8_t		where;
	uint8_t		change;

	fuzz_init();
	content = choose(&in);
	where = fuzz_byte(&in);
	change = fuzz_byte(&in);
	payload = write_box(&content);
	must(is_payload_of(&payload, &content));
	payload.data[where % payload.len] ^= change;
	must(is_payload_of(&payload, &content) == (change == 0));
	free(payload.data);
	for (int i = 0; i < FIELDS; i++)
		free(content.fields[i].data);
	for (int i = 0; i < content.nheaders; i++)
	{
		free(content.names[i].data);
		free(content.values[i].data);
	}
	return 0;
}
