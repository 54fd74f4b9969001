/*
 * test_header_rules.c
 *	  Which HTTP headers a key, or a provider's row, may bring.
 */
#include "pure/header_rules.h"

#include "pure/ascii.h"

#include "tap.h"

#define lengthof(array)	(sizeof(array) / sizeof((array)[0]))

typedef struct NameCase
{
	const char *name;
	TarxKeysHeaderProblem of_provider;
	TarxKeysHeaderProblem of_key;
} NameCase;

static const NameCase names[] = {
	{"x", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_OK},
	{"X-Portkey-Virtual-Key", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_OK},
	{"cf-aig-authorization", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_OK},
	{"!#$%&'*+-.^_`|~09azAZ", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_OK},
	{"", TARX_KEYS_HEADER_NO_TOKEN, TARX_KEYS_HEADER_NO_TOKEN},
	{"a b", TARX_KEYS_HEADER_NO_TOKEN, TARX_KEYS_HEADER_NO_TOKEN},
	{"a:", TARX_KEYS_HEADER_NO_TOKEN, TARX_KEYS_HEADER_NO_TOKEN},
	{"a\r\nHost", TARX_KEYS_HEADER_NO_TOKEN, TARX_KEYS_HEADER_NO_TOKEN},
	{"caf\xc3\xa9", TARX_KEYS_HEADER_NO_TOKEN, TARX_KEYS_HEADER_NO_TOKEN},
	{"host", TARX_KEYS_HEADER_ROUTES, TARX_KEYS_HEADER_ROUTES},
	{"HOST", TARX_KEYS_HEADER_ROUTES, TARX_KEYS_HEADER_ROUTES},
	{"hosts", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_OK},
	{"ghost", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_OK},
	{"X-Forwarded-For", TARX_KEYS_HEADER_ROUTES, TARX_KEYS_HEADER_ROUTES},
	{"x-forwarded-", TARX_KEYS_HEADER_ROUTES, TARX_KEYS_HEADER_ROUTES},
	{"x-forwarded", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_OK},
	{"Proxy-Authorization", TARX_KEYS_HEADER_ROUTES, TARX_KEYS_HEADER_ROUTES},
	{"Content-Length", TARX_KEYS_HEADER_ROUTES, TARX_KEYS_HEADER_ROUTES},
	{"transfer-encoding", TARX_KEYS_HEADER_ROUTES, TARX_KEYS_HEADER_ROUTES},
	{"X-HTTP-Method-Override", TARX_KEYS_HEADER_ROUTES, TARX_KEYS_HEADER_ROUTES},
	{"Authorization", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_IS_CREDENTIAL},
	{"Cookie", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_IS_CREDENTIAL},
	{"X-API-Key", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_IS_CREDENTIAL},
	{"api-key", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_IS_CREDENTIAL},
	{"x-goog-api-key", TARX_KEYS_HEADER_OK, TARX_KEYS_HEADER_IS_CREDENTIAL},
};

static void
check_names(void)
{
	for (size_t i = 0; i < lengthof(names); i++)
	{
		is_int(tarx_keys_check_header_name(tarx_keys_span_of(names[i].name)), names[i].of_provider,
			   "a provider's header \"%s\"", names[i].name);
		is_int(tarx_keys_check_key_header(tarx_keys_span_of(names[i].name), tarx_keys_span_of("v")), names[i].of_key,
			   "a key's header \"%s\"", names[i].name);
	}
	is_int(tarx_keys_check_header_name((TarxKeysSpan) {"a\0b", 3}), TARX_KEYS_HEADER_NO_TOKEN, "one with a NUL");
}

static void
check_lengths(void)
{
	char		text[TARX_KEYS_HEADER_VALUE_MAX + 1];
	TarxKeysSpan longest = {text, TARX_KEYS_HEADER_NAME_MAX};
	TarxKeysSpan longer = {text, TARX_KEYS_HEADER_NAME_MAX + 1};

	memset(text, 'a', sizeof(text));
	is_int(tarx_keys_check_header_name(longest), TARX_KEYS_HEADER_OK, "a name of 128 characters");
	is_int(tarx_keys_check_header_name(longer), TARX_KEYS_HEADER_TOO_LONG, "a name of 129 characters");
	is_int(tarx_keys_check_header(tarx_keys_span_of("Authorization"), tarx_keys_span_of("a b")), TARX_KEYS_HEADER_OK, "a provider's credential");
	is_int(tarx_keys_check_header(tarx_keys_span_of("Host"), tarx_keys_span_of("a")), TARX_KEYS_HEADER_ROUTES, "a provider's routing header");
	is_int(tarx_keys_check_header(tarx_keys_span_of("X"), tarx_keys_span_of("")), TARX_KEYS_HEADER_BAD_VALUE, "a provider's header without a value");
	is_int(tarx_keys_check_header(tarx_keys_span_of("X"), tarx_keys_span_of("a\r\nb")), TARX_KEYS_HEADER_BAD_VALUE, "a provider's header of two lines");
	longest.len = TARX_KEYS_HEADER_VALUE_MAX;
	longer.len = TARX_KEYS_HEADER_VALUE_MAX + 1;
	is_int(tarx_keys_check_key_header(tarx_keys_span_of("x"), longest), TARX_KEYS_HEADER_OK, "a value of 2048 characters");
	is_int(tarx_keys_check_key_header(tarx_keys_span_of("x"), longer), TARX_KEYS_HEADER_BAD_VALUE, "a value of 2049 characters");
}

static void
check_values(void)
{
	static const char *const bad[] = {"", "a\nb", "a\rb", "a\tb", "\x7f", "caf\xc3\xa9"};

	is_int(tarx_keys_check_key_header(tarx_keys_span_of("x"), tarx_keys_span_of(" ~")), TARX_KEYS_HEADER_OK, "the first and the last character");
	for (size_t i = 0; i < lengthof(bad); i++)
		is_int(tarx_keys_check_key_header(tarx_keys_span_of("x"), tarx_keys_span_of(bad[i])), TARX_KEYS_HEADER_BAD_VALUE,
			   "a value \"%s\"", bad[i]);
}

int
main(void)
{
	check_names();
	check_lengths();
	check_values();
	ok(tarx_keys_span_same(tarx_keys_span_of("X-Team"), tarx_keys_span_of("x-team")), "upper and lower case make no difference");
	ok(!tarx_keys_span_same(tarx_keys_span_of("x-team"), tarx_keys_span_of("x-teams")), "but a longer name does");
	ok(strcmp(tarx_keys_header_problem(TARX_KEYS_HEADER_OK), "is all right") == 0, "no problem, in words");
	return done_testing();
}
