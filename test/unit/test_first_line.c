/*
 * test_first_line.c
 *	  The first line of what a program says: whole or in pieces, cut, printable.
 */
#include <string.h>

#include "pure/first_line.h"
#include "tap.h"

typedef struct LineCase
{
	const char *label;
	const char *text;
	const char *line;
} LineCase;

#define TEN		"0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const LineCase cases[] = {
	{"nothing", "", ""},
	{"a line", "locked\n", "locked"},
	{"a line without its end", "locked", "locked"},
	{"two lines", "locked\ntoken=abc\n", "locked"},
	{"blank lines in front", "\n \t\r\n  locked\ntoken=abc\n", "locked"},
	{"blank lines only", "\n\n \n", ""},
	{"a carriage return", "locked\rtoken=abc", "locked"},
	{"spaces inside", "it is\tlocked \n", "it is locked "},
	{"escape sequences", "\033[31mlocked\033[0m\n", "?[31mlocked?[0m"},
	{"beyond ASCII", "gesch\xc3\xbctzt \xff\x80\n", "gesch??tzt ??"},
	{"a control character", "a\x01\x7f" "b\n", "a??b"},
	{"200 characters", HUNDRED HUNDRED "\n", HUNDRED HUNDRED},
	{"201 characters", HUNDRED HUNDRED "x\n", HUNDRED HUNDRED},
};

static void
check(const LineCase *test)
{
	size_t		len = strlen(test->text);

	for (size_t size = 1; size <= len + 1; size++)
	{
		TarxKeysFirstLine line = {0};

		for (size_t at = 0; at < len; at += size)
			tarx_keys_first_line_add(&line, test->text + at, len - at < size ? len - at : size);
		is_str(line.text, test->line, "%s, in pieces of %zu", test->label, size);
		is_int((long) line.len, (long) strlen(test->line), "%s, in pieces of %zu: length", test->label, size);
	}
}

int
main(void)
{
	TarxKeysFirstLine line = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i]);
	tarx_keys_first_line_add(&line, "a\0b\n", 4);
	is_str(line.text, "a?b", "a NUL");
	return done_testing();
}
