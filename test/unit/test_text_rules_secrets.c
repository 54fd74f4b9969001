/*
 * test_text_rules_secrets.c
 *	  Unit tests of the rules for secrets, and of excerpts, in TAP.
 *
 * Every text is in memory that ends at an inaccessible page, and so is the
 * room for an excerpt.
 */
#include "pure/run_ticket.h"
#include "pure/text_rules.h"
#include "guarded.h"
#include "tap.h"

/* Short names, for the tables to be readable. */
#define OK			TARX_KEYS_TEXT_OK
#define NOT_UTF8	TARX_KEYS_TEXT_NOT_UTF8
#define EMPTY		TARX_KEYS_TEXT_EMPTY
#define TOO_LONG	TARX_KEYS_TEXT_TOO_LONG
#define CONTROL		TARX_KEYS_TEXT_CONTROL
#define MISLEADING	TARX_KEYS_TEXT_MISLEADING
#define HAS_NUL		TARX_KEYS_TEXT_NUL
#define HAS_TOKEN	TARX_KEYS_TEXT_TOKEN
#define HAS_TICKET	TARX_KEYS_TEXT_TICKET
#define NO_NAME		TARX_KEYS_TEXT_NOT_IDENTIFIER

/* Characters of two, three and four bytes. */
#define UUML		"\xc3\xbc"
#define EURO		"\xe2\x82\xac"
#define FACE		"\xf0\x9f\x98\x80"

typedef TarxKeysTextProblem (*Rule) (const char *s, size_t len);

typedef struct TextCase
{
	const char *text;
	TarxKeysTextProblem expected;
} TextCase;

static const TextCase names[] = {
	{"A", OK}, {"z", OK}, {"_", OK}, {"__", OK}, {"_1", OK}, {"A1", OK},
	{"DATABASE_URL", OK}, {"aZ09_", OK},
	{"", EMPTY},
	{"1", NO_NAME}, {"1A", NO_NAME}, {"0_", NO_NAME}, {"9", NO_NAME},
	{"A-B", NO_NAME}, {"A.B", NO_NAME}, {"A B", NO_NAME}, {" A", NO_NAME},
	{"A ", NO_NAME}, {"A\n", NO_NAME}, {"A}", NO_NAME}, {"$A", NO_NAME},
	{UUML, NO_NAME}, {"A" UUML, NO_NAME}, {"A\xff", NO_NAME},
	/* a Cyrillic letter that looks like a Latin one */
	{"\xd0\x90", NO_NAME},
};

static const TextCase values[] = {
	{"x", OK}, {" ", OK}, {"\n", OK}, {"\t\r\n", OK}, {"\x01\x7f", OK},
	{"-----BEGIN CERTIFICATE-----\nMII=\n", OK}, {"{\"a\": \"" EURO "\"}", OK},
	{"\xe2\x80\xae", OK}, {"\xc2\x85", OK}, {FACE, OK},
	{"", EMPTY},
	{"\xff", NOT_UTF8}, {"a\xc3", NOT_UTF8}, {"\xed\xa0\x80", NOT_UTF8},
	{"\xc0\x80", NOT_UTF8},
};

static const TextCase descriptions[] = {
	{"", OK}, {"of the shop", OK}, {"two\nlines\r\n\twith a tab", OK}, {" x ", OK},
	{UUML EURO FACE, OK},
	{"a\x01", CONTROL}, {"a\x7f", CONTROL}, {"\x1b[2J", CONTROL}, {"\xc2\x85", CONTROL},
	{"\xe2\x80\xa8", CONTROL}, {"a\x0b", CONTROL},
	{"\xe2\x80\xae", MISLEADING}, {"\xef\xbb\xbf", MISLEADING},
	{"\xff", NOT_UTF8},
};

static void
check(Rule rule, const char *what, const char *name, const char *bytes, size_t len,
	  TarxKeysTextProblem expected)
{
	char	   *copy = guarded(len);

	if (len > 0)
		memcpy(copy, bytes, len);
	is_str(tarx_keys_text_problem(rule(copy, len)), tarx_keys_text_problem(expected),
		   "%s: %s", what, name);
	sodium_free(copy);
}

static void
check_cases(Rule rule, const char *what, const TextCase *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(rule, what, cases[i].text, cases[i].text, strlen(cases[i].text),
			  cases[i].expected);
}

/* So many characters of one kind */
static void
check_filled(Rule rule, const char *what, const char *character, size_t count,
			 TarxKeysTextProblem expected)
{
	size_t		width = strlen(character);
	char	   *text = guarded(count * width);
	char		name[64];

	for (size_t i = 0; i < count; i++)
		memcpy(text + i * width, character, width);
	snprintf(name, sizeof(name), "%zu characters of %zu bytes", count, width);
	check(rule, what, name, text, count * width, expected);
	sodium_free(text);
}

static void
check_lengths(void)
{
	check_filled(tarx_keys_check_secret_name_text, "name", "N", 128, OK);
	check_filled(tarx_keys_check_secret_name_text, "name", "N", 129, TOO_LONG);
	check_filled(tarx_keys_check_secret_name_text, "name", "-", 129, NO_NAME);
	check_filled(tarx_keys_check_secret_value_text, "value", "v", 65536, OK);
	check_filled(tarx_keys_check_secret_value_text, "value", "v", 65537, TOO_LONG);
	/* bytes, not characters */
	check_filled(tarx_keys_check_secret_value_text, "value", UUML, 32768, OK);
	check_filled(tarx_keys_check_secret_value_text, "value", UUML, 32769, TOO_LONG);
	check_filled(tarx_keys_check_secret_value_text, "value", FACE, 16384, OK);
	check_filled(tarx_keys_check_secret_value_text, "value", FACE, 16385, TOO_LONG);
	/* characters, not bytes */
	check_filled(tarx_keys_check_description_text, "description", "d", 1000, OK);
	check_filled(tarx_keys_check_description_text, "description", "d", 1001, TOO_LONG);
	check_filled(tarx_keys_check_description_text, "description", FACE, 1000, OK);
	check_filled(tarx_keys_check_description_text, "description", FACE, 1001, TOO_LONG);
}

static void
check_nul(void)
{
	check(tarx_keys_check_secret_value_text, "value", "NUL", "", 1, HAS_NUL);
	check(tarx_keys_check_secret_value_text, "value", "NUL first", "\0a", 2, HAS_NUL);
	check(tarx_keys_check_secret_value_text, "value", "NUL within", "a\0b", 3, HAS_NUL);
	check(tarx_keys_check_secret_value_text, "value", "NUL last", "a\0", 2, HAS_NUL);
	check(tarx_keys_check_secret_name_text, "name", "NUL last", "A\0", 2, NO_NAME);
	check(tarx_keys_check_description_text, "description", "NUL", "a\0", 2, CONTROL);
}

/* Every byte, first in a name and behind a letter */
static void
check_name_bytes(void)
{
	size_t		wrong = 0;

	for (int byte = 0; byte < 256; byte++)
	{
		bool		letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '_';
		bool		digit = byte >= '0' && byte <= '9';
		char		text[2] = {'A', (char) byte};

		wrong += (tarx_keys_check_secret_name_text(text + 1, 1) == OK) != letter;
		wrong += (tarx_keys_check_secret_name_text(text, 2) == OK) != (letter || digit);
		wrong += tarx_keys_is_word((char) byte) != (letter || digit);
	}
	is_int((long long) wrong, 0, "every byte in a name");
}

static void
check_excerpt(const char *name, const char *text, size_t len, const char *expected)
{
	char	   *copy = guarded(len);

	/* just the room that is promised, up to an inaccessible page */
	char	   *out = guarded(TARX_KEYS_EXCERPT_MAX);
	char		got[TARX_KEYS_EXCERPT_MAX + 1];
	size_t		length;

	if (len > 0)
		memcpy(copy, text, len);
	length = tarx_keys_excerpt(out, copy, len);
	memcpy(got, out, length);
	got[length] = '\0';
	is_str(got, expected, "excerpt: %s", name);
	sodium_free(copy);
	sodium_free(out);
}

#define FORTY_NINE	"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"
#define TOKEN		"sk-tarx-" FORTY_NINE

#define TICKET		TARX_KEYS_RUN_TICKET_PREFIX FORTY_NINE

#define EIGHT(x)	x x x x x x x x
#define TWENTY_FOUR(x) EIGHT(x) EIGHT(x) EIGHT(x)

static void
check_excerpts(void)
{
	static const char *const characters[] = {"a", UUML, EURO, FACE};
	static const char *const of_24[] = {TWENTY_FOUR("a"), TWENTY_FOUR(UUML), TWENTY_FOUR(EURO), TWENTY_FOUR(FACE)};

	check_excerpt("nothing", "", 0, "");
	check_excerpt("a reference", "${env.HOME}", 11, "${env.HOME}");
	check_excerpt("control characters", "a\tb\nc\x1b[2J\x7f", 9 + 1, "a?b?c?[2J?");
	check_excerpt("NUL", "a\0b", 3, "a?b");
	check_excerpt("one of two bytes", "a\xc2\x9b" "b", 4, "a?b");
	check_excerpt("direction", "a\xe2\x80\xae" "b", 5, "a?b");
	check_excerpt("invalid bytes", "a\xff\xc3", 3, "a??");
	for (size_t i = 0; i < lengthof(characters); i++)
	{
		char		text[25 * 4 + 1];
		char		expected[24 * 4 + 4];

		check_excerpt("24 characters", of_24[i], strlen(of_24[i]), of_24[i]);
		snprintf(text, sizeof(text), "%s%s", of_24[i], characters[i]);
		snprintf(expected, sizeof(expected), "%s...", of_24[i]);
		check_excerpt("25 characters", text, strlen(text), expected);
	}
}

/* Platform keys and run tickets where others see them; and what only looks a little like one */
static const TextCase tokens[] = {
	{TOKEN, HAS_TOKEN}, {"key " TOKEN, HAS_TOKEN}, {UUML TOKEN UUML, HAS_TOKEN}, {"x" TOKEN "0", HAS_TOKEN},
	{"sk-tarx-" TOKEN, HAS_TOKEN},
	{"sk-tarx-", OK}, {"sk-tarx-abc...wxyz", OK}, {"k-tarx-" FORTY_NINE, OK}, {"SK-TARX-" FORTY_NINE, OK},
	{"sk-tarx-" "12345678901234567890123456789012345678901234567-", OK},
	{TICKET, HAS_TICKET}, {"ticket " TICKET, HAS_TICKET}, {UUML TICKET UUML, HAS_TICKET},
	{TARX_KEYS_RUN_TICKET_PREFIX, OK}, {TARX_KEYS_RUN_TICKET_PREFIX "abc...wxyz", OK},
};

static void
check_service_accounts(void)
{
	static const char id[] = "sa:0";

	for (size_t len = 0; len < sizeof(id); len++)
	{
		Bytes		copy = guarded_copy(id, len);

		ok(tarx_keys_is_service_account_id((const char *) copy.data, len) == (len >= 3),
		   "%.*s: whether it is a service account's", (int) len, id);
		sodium_free(copy.data);
	}
	ok(!tarx_keys_is_service_account_id("SA:0", 4) && !tarx_keys_is_service_account_id("xsa:", 4), "what others have");
}

static void
check_problems(void)
{
	for (int problem = OK; problem <= NO_NAME; problem++)
	{
		const char *text = tarx_keys_text_problem((TarxKeysTextProblem) problem);

		ok(strcmp(text, "is not valid") != 0, "text of problem %d is its own", problem);
		for (int other = OK; other < problem; other++)
			ok(strcmp(text, tarx_keys_text_problem((TarxKeysTextProblem) other)) != 0,
			   "texts of problems %d and %d differ", problem, other);
	}
	/* One that has no name. */
	is_str(tarx_keys_text_problem((TarxKeysTextProblem) (NO_NAME + 1)), "is not valid",
		   "text of an unknown problem");
}

int
main(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	/* These tests are about these very limits. */
	is_int(TARX_KEYS_SECRET_NAME_MAX_CHARS, 128, "the limit of names");
	is_int(TARX_KEYS_SECRET_MAX_BYTES, 65536, "the limit of values");
	is_int(TARX_KEYS_DESCRIPTION_MAX_CHARS, 1000, "the limit of descriptions");
	is_int(TARX_KEYS_EXCERPT_CHARS, 24, "the limit of excerpts");

	check_cases(tarx_keys_check_secret_name_text, "name", names, lengthof(names));
	check_cases(tarx_keys_check_secret_value_text, "value", values, lengthof(values));
	check_cases(tarx_keys_check_description_text, "description", descriptions, lengthof(descriptions));
	check_cases(tarx_keys_check_name_text, "name with a token", tokens, lengthof(tokens));
	check_cases(tarx_keys_check_user_id_text, "user id with a token", tokens, lengthof(tokens));
	check_cases(tarx_keys_check_description_text, "description with a token", tokens, lengthof(tokens));
	check_lengths();
	check_nul();
	check_name_bytes();
	check_excerpts();
	check_service_accounts();
	check_problems();

	return done_testing();
}
