/*
 * tap.h
 *	  The few functions a unit test needs to report in TAP.
 *
 * For programs of one source file each: the counters are static.  Test names
 * and strings under test are escaped, so that no input can break a line or
 * pass for a TAP directive.  Diagnostics go to standard error.
 */
#ifndef TARX_KEYS_TAP_H
#define TARX_KEYS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	tap_run = 0;
static int	tap_failed = 0;

/* Longest name or string shown; what is beyond is cut off. */
#define TAP_TEXT_MAX 512

static inline void
tap_escaped(FILE *stream, const char *text)
{
	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;

		if (c == '#' || c == '\\')
			fprintf(stream, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(stream, "\\x%02x", c);
		else
			fputc(c, stream);
	}
}

static inline void
tap_diag(const char *label, const char *text)
{
	fprintf(stderr, "#   %s: ", label);
	if (text == NULL)
		fputs("(null)", stderr);
	else
	{
		char		cut[TAP_TEXT_MAX];

		snprintf(cut, sizeof(cut), "%.*s", TAP_TEXT_MAX - 1, text);
		fputc('"', stderr);
		tap_escaped(stderr, cut);
		fputc('"', stderr);
	}
	fputc('\n', stderr);
}

static inline bool tap_vok(bool pass, const char *format, va_list args)
			__attribute__((format(printf, 2, 0)));

static inline bool
tap_vok(bool pass, const char *format, va_list args)
{
	char		name[TAP_TEXT_MAX];

	vsnprintf(name, sizeof(name), format, args);
	printf("%s %d - ", pass ? "ok" : "not ok", ++tap_run);
	tap_escaped(stdout, name);
	putchar('\n');
	/* A test that crashes is to be found by the last line it printed. */
	fflush(stdout);
	if (!pass)
		tap_failed++;
	return pass;
}

static inline bool ok(bool pass, const char *format,...)
			__attribute__((format(printf, 2, 3)));
static inline bool is_str(const char *got, const char *expected,
						  const char *format,...)
			__attribute__((format(printf, 3, 4)));
static inline bool is_int(long long got, long long expected,
						  const char *format,...)
			__attribute__((format(printf, 3, 4)));

static inline bool
ok(bool pass, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	tap_vok(pass, format, args);
	va_end(args);
	return pass;
}

/* NULL equals only NULL. */
static inline bool
is_str(const char *got, const char *expected, const char *format,...)
{
	va_list		args;
	bool		pass;

	if (got == NULL || expected == NULL)
		pass = got == expected;
	else
		pass = strcmp(got, expected) == 0;

	va_start(args, format);
	tap_vok(pass, format, args);
	va_end(args);
	if (!pass)
	{
		tap_diag("got", got);
		tap_diag("expected", expected);
	}
	return pass;
}

static inline bool
is_int(long long got, long long expected, const char *format,...)
{
	va_list		args;
	bool		pass = got == expected;

	va_start(args, format);
	tap_vok(pass, format, args);
	va_end(args);
	if (!pass)
		fprintf(stderr, "#   got: %lld\n#   expected: %lld\n", got, expected);
	return pass;
}

/* Print the plan; the result is the program's exit status. */
static inline int
done_testing(void)
{
	printf("1..%d\n", tap_run);
	if (tap_failed > 0)
		fprintf(stderr, "# %d of %d tests failed\n", tap_failed, tap_run);
	if (tap_run == 0 || tap_failed > 0 || fflush(stdout) != 0 ||
		ferror(stdout))
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

#endif							/* TARX_KEYS_TAP_H */
