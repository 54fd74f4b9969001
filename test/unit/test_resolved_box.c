/*
 * test_resolved_box.c
 *	  What resolve calls return sealed: known bytes.
 */
#include "pure/resolved_box.h"

#include "guarded.h"
#include "tap.h"

#define BOX_MAX	1024

static const uint8_t project[TARX_KEYS_SCOPE_BYTES] = {0xaa, 1, 2, 3};

static TarxKeysSpan
span(const char *text)
{
	return (TarxKeysSpan) {text, text != NULL ? strlen(text) : 0};
}

/* Does this box become the right front and these fields, and no byte more? */
static void
is_payload(const TarxKeysResolvedBox *box, const char *fields, size_t len, const char *what)
{
	static const char front[] = "\2tarx.box-out...2";
	size_t		size = tarx_keys_resolved_box_size(box);
	uint8_t    *payload = guarded(size);

	is_int((long long) size, (long long) (17 + sizeof(project) + len), "%s: size", what);
	tarx_keys_resolved_box_write(payload, box);
	ok(memcmp(payload, front, 17) == 0 && memcmp(payload + 17, project, sizeof(project)) == 0,
	   "%s: format, purpose and project", what);
	ok(size == 17 + sizeof(project) + len && memcmp(payload + 17 + sizeof(project), fields, len) == 0,
	   "%s: fields", what);
	sodium_free(payload);
}

#define FIELDS(literal)	(literal), sizeof(literal) - 1

static void
keys(void)
{
	TarxKeysHeaders headers = {0};
	TarxKeysResolvedBox box = {
		.project_id = project, .asked = span("0123456789abcdef"), .provider = span("openai"),
		.base_url = span("https://x"), .auth_header = span("Authorization"), .auth_scheme = span("Bearer"),
		.value = span("sk-1"), .headers = &headers
	};

	is_payload(&box, FIELDS("\1\0\0\0\0200123456789abcdef\1\0\0\0\6openai\1\0\0\0\11https://x"
							"\1\0\0\0\15Authorization\1\0\0\0\6Bearer\1\0\0\0\4sk-1\0"), "a key");
	box.auth_scheme = span(NULL);
	headers.count = 1;
	headers.items[0] = (TarxKeysHeader) {span("x-a"), span("v")};
	is_payload(&box, FIELDS("\1\0\0\0\0200123456789abcdef\1\0\0\0\6openai\1\0\0\0\11https://x"
							"\1\0\0\0\15Authorization\0\1\0\0\0\4sk-1\1\0\0\0\13{\"x-a\":\"v\"}"),
			   "no scheme, a header");
	headers.count = 2;
	headers.items[1] = (TarxKeysHeader) {span("x-b"), span("a\"b\\")};
	is_payload(&box, FIELDS("\1\0\0\0\0200123456789abcdef\1\0\0\0\6openai\1\0\0\0\11https://x"
							"\1\0\0\0\15Authorization\0\1\0\0\0\4sk-1"
							"\1\0\0\0\32{\"x-a\":\"v\",\"x-b\":\"a\\\"b\\\\\"}"),
			   "what JSON escapes");
}

static void
secrets(void)
{
	TarxKeysResolvedBox box = {.project_id = project, .asked = span("TOKEN"), .value = span("")};

	is_payload(&box, FIELDS("\1\0\0\0\5TOKEN\0\0\0\0\1\0\0\0\0\0"), "a secret");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	keys();
	secrets();
	return done_testing();
}
