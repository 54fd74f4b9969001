/*
 * test_template.c
 *	  Unit tests of the template scanner, in TAP.
 *
 * Every template is copied to memory that ends at an inaccessible page, so
 * that one byte read too many ends the program.  Expected tokens are written
 * down one after the other: a literal as ='text', a reference as @name, a
 * malformed one as !text, with a bar between them.  All short texts over the
 * characters that matter are compared with a second scanner, which is slow and
 * plain.
 */
#include "pure/template.h"

#include <time.h>

#include "guarded.h"
#include "tap.h"

#define SHOWN_MAX	65536

typedef struct TemplateCase
{
	const char *template;
	const char *tokens;
} TemplateCase;

static const TemplateCase cases[] = {
	/* literals */
	{"", ""},
	{"plain", "=plain"},
	{"$", "=$"},
	{"$$", "=$$"},
	{"a$", "=a$"},
	{"$a {b} $1 }", "=$a {b} $1 }"},
	{"$ {secrets.A}", "=$ {secrets.A}"},
	{"{secrets.A}", "={secrets.A}"},
	{"$secrets.A", "=$secrets.A"},
	{"$}{", "=$}{"},
	{"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", "=\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87"},
	/* the escape */
	{"$${", "=${"},
	{"$${secrets.A}", "=${secrets.A}"},
	{"a$${b", "=a|=${b"},
	{"$$${", "=$|=${"},
	{"$$$${", "=$$|=${"},
	{"$${$${", "=${|=${"},
	{"$${${secrets.A}}", "=${|@A|=}"},
	{"$$${secrets.A}", "=$|=${secrets.A}"},
	/* references */
	{"${secrets.A}", "@A"},
	{"${secrets._}", "@_"},
	{"${secrets.aZ_09}", "@aZ_09"},
	{"${secrets.secrets}", "@secrets"},
	{"a${secrets.A}b", "=a|@A|=b"},
	{"${secrets.A}${secrets.B}", "@A|@B"},
	{"${secrets.A}$${secrets.B}$", "@A|=${secrets.B}$"},
	{"${secrets.A}}", "@A|=}"},
	{"${secrets.A}$", "@A|=$"},
	/* other namespaces, other spellings */
	{"${}", "!${}"},
	{"${A}", "!${A}"},
	{"${env.A}", "!${env.A}"},
	{"${secret.A}", "!${secret.A}"},
	{"${Secrets.A}", "!${Secrets.A}"},
	{"${secrets}", "!${secrets}"},
	{"${secrets.}", "!${secrets.}"},
	{"${secrets:A}", "!${secrets:A}"},
	{"${secrets..A}", "!${secrets..A}"},
	{"${secrets.A.B}", "!${secrets.A.B}"},
	{"${secrets.1A}", "!${secrets.1A}"},
	{"${secrets.A-B}", "!${secrets.A-B}"},
	{"${secrets.A:-b}", "!${secrets.A:-b}"},
	{"${ secrets.A}", "!${ secrets.A}"},
	{"${secrets.A }", "!${secrets.A }"},
	{"${secrets. A}", "!${secrets. A}"},
	{"${secrets.\xc3\xa9}", "!${secrets.\xc3\xa9}"},
	{"a${x}b${secrets.A}", "=a|!${x}|=b|@A"},
	/* unterminated: as far as it can be a reference */
	{"${", "!${"},
	{"${s", "!${s"},
	{"${secrets.", "!${secrets."},
	{"${secrets.A", "!${secrets.A"},
	{"${secrets.A and more", "!${secrets.A|= and more"},
	{"${secrets.A\n}", "!${secrets.A|=\n}"},
	{"${secrets.A\r}", "!${secrets.A|=\r}"},
	{"${\n}", "!${|=\n}"},
	{"${a b\n}", "!${a|= b\n}"},
	{"${secrets.${secrets.A}}", "!${secrets.|@A|=}"},
	{"${secrets.A ${secrets.B}", "!${secrets.A|= |@B"},
	{"${$${}", "!${|=${}"},
	{"${${", "!${|!${"},
	{"${$}", "!${$}"},
	{"${$$}", "!${$$}"},
	{"${{}", "!${{}"},
	{"${ hunter2", "!${|= hunter2"},
};

/* Add one token to a list of them. */
static size_t
show(char *shown, size_t at, char kind, const char *data, size_t len)
{
	if (at + len + 2 >= SHOWN_MAX)
	{
		fprintf(stderr, "# too many tokens to show\n");
		exit(EXIT_FAILURE);
	}
	if (at > 0)
		shown[at++] = '|';
	shown[at++] = kind;
	memcpy(shown + at, data, len);
	shown[at + len] = '\0';
	return at + len;
}

/* All tokens of a template; false if one points outside it. */
static bool
scan(const char *template, size_t len, char *shown)
{
	char	   *copy = guarded(len);
	TarxKeysSpan rest = {copy, len};
	TarxKeysToken token;
	size_t		at = 0;
	bool		inside = true;

	if (len > 0)
		memcpy(copy, template, len);
	shown[0] = '\0';
	while (tarx_keys_template_next(&rest, &token))
	{
		char		kind = token.kind == TARX_KEYS_TOKEN_LITERAL ? '=' :
		token.kind == TARX_KEYS_TOKEN_REFERENCE ? '@' : '!';

		inside &= token.text.data >= copy && token.text.len > 0 &&
			token.text.data + token.text.len <= rest.data &&
			rest.data + rest.len == copy + len;
		at = show(shown, at, kind, token.text.data, token.text.len);
	}
	/* it stays at its end */
	inside &= rest.len == 0 && !tarx_keys_template_next(&rest, &token);
	sodium_free(copy);
	return inside;
}

static void
check_cases(void)
{
	static char shown[SHOWN_MAX];

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		bool		inside = scan(cases[i].template, strlen(cases[i].template), shown);

		is_str(shown, cases[i].tokens, "tokens of \"%s\"", cases[i].template);
		ok(inside, "they lie in \"%s\"", cases[i].template);
	}
}

/* NUL is a character like any other, though no text of PostgreSQL has one. */
static void
check_nul(void)
{
	static const char template[] = "a\0${secrets.A}${secrets.A\0}";
	TarxKeysSpan rest = {template, sizeof(template) - 1};
	TarxKeysToken token;

	ok(tarx_keys_template_next(&rest, &token) && token.kind == TARX_KEYS_TOKEN_LITERAL &&
	   token.text.len == 2, "a literal with a NUL");
	ok(tarx_keys_template_next(&rest, &token) && token.kind == TARX_KEYS_TOKEN_REFERENCE,
	   "a reference behind it");
	ok(tarx_keys_template_next(&rest, &token) && token.kind == TARX_KEYS_TOKEN_MALFORMED &&
	   token.text.len == 13, "no name with a NUL");
	ok(!tarx_keys_template_next(&rest, &token), "and no more");
}

/* Names up to their limit */
static void
check_long_names(void)
{
	for (size_t len = 127; len <= 130; len++)
	{
		char		template[256] = "${secrets.";
		char		expected[sizeof(template) + 1];
		static char shown[SHOWN_MAX];
		size_t		before = strlen(template);

		memset(template + before, 'N', len);
		strcpy(template + before + len, "}");
		if (len <= 128)
			snprintf(expected, sizeof(expected), "@%.*s", (int) len, template + before);
		else
			snprintf(expected, sizeof(expected), "!%s", template);
		ok(scan(template, strlen(template), shown), "a name of %zu characters", len);
		is_str(shown, expected, "its token");
	}
}

static bool
starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool
is_name(const char *s, size_t len)
{
	return len > 0 && len <= 128 && strchr("0123456789", s[0]) == NULL &&
		strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") >= len;
}

/* The same from the description of the syntax, by strings, character by character */
static void
scan_plainly(const char *s, char *shown)
{
	size_t		at = 0;

	shown[0] = '\0';
	while (*s != '\0')
	{
		if (starts(s, "${"))
		{
			const char *brace = strchr(s, '}');
			const char *stop = s + 2;
			size_t		len;

			while (*stop != '\0' && *stop != '\n' && *stop != '\r' &&
				   !starts(stop, "${") && !starts(stop, "$${"))
				stop++;
			if (brace != NULL && brace < stop)
				len = (size_t) (brace + 1 - s);
			else
				len = 2 + strspn(s + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
			if (brace != NULL && brace < stop && starts(s, "${secrets.") &&
				is_name(s + 10, (size_t) (brace - s) - 10))
				at = show(shown, at, '@', s + 10, (size_t) (brace - s) - 10);
			else
				at = show(shown, at, '!', s, len);
			s += len;
		}
		else
		{
			const char *start = starts(s, "$${") ? s + 1 : s;

			s = start > s ? s + 3 : s;
			while (*s != '\0' && !starts(s, "${") && !starts(s, "$${"))
				s++;
			at = show(shown, at, '=', start, (size_t) (s - start));
		}
	}
}

/* All texts of up to so many pieces */
static void
check_all(const char *const *pieces, size_t npieces, int most)
{
	static char shown[SHOWN_MAX];
	static char expected[SHOWN_MAX];
	size_t		combinations = 1;
	size_t		tried = 0;
	size_t		wrong = 0;

	for (int length = 0; length <= most; length++, combinations *= npieces)
	{
		for (size_t i = 0; i < combinations; i++)
		{
			char		template[256] = "";
			size_t		number = i;

			for (int j = 0; j < length; j++, number /= npieces)
				strcat(template, pieces[number % npieces]);
			scan_plainly(template, expected);
			tried++;
			if (!scan(template, strlen(template), shown) || strcmp(shown, expected) != 0)
			{
				if (wrong++ < 10)
				{
					tap_diag("template", template);
					tap_diag("got", shown);
					tap_diag("expected", expected);
				}
			}
		}
	}
	is_int((long long) wrong, 0, "%zu texts of up to %d pieces", tried, most);
}

static void
check_combinations(void)
{
	static const char *const characters[] = {"$", "{", "}", "s", ".", "\n", " "};
	static const char *const words[] = {"${secrets.", "A", "}", "$", "$${", "${", "\r", "1", "-"};

	check_all(characters, lengthof(characters), 5);
	check_all(words, lengthof(words), 5);
}

/* The time that a template takes grows with its length only. */
static void
check_time(void)
{
	static const char *const pieces[] = {"$", "${", "$${", "${a ", "${secrets.A", "$$$", "{$"};

	for (size_t i = 0; i < lengthof(pieces); i++)
	{
		size_t		width = strlen(pieces[i]);
		size_t		len = 4 * 1024 * 1024 / width * width;
		char	   *template = guarded(len);
		TarxKeysSpan rest = {template, len};
		TarxKeysToken token;
		clock_t		start = clock();
		size_t		sum = 0;

		for (size_t pos = 0; pos < len; pos += width)
			memcpy(template + pos, pieces[i], width);
		while (tarx_keys_template_next(&rest, &token))
			sum += token.text.len;
		/* a square would take hours */
		ok(clock() - start < 20 * CLOCKS_PER_SEC, "4 MiB of \"%s\" are soon scanned", pieces[i]);
		ok(sum > 0 && sum <= len, "and all of them");
		sodium_free(template);
	}
}

int
main(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	check_cases();
	check_nul();
	check_long_names();
	check_combinations();
	check_time();

	return done_testing();
}
