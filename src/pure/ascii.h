/*
 * ascii.h
 *	  Characters and pieces of texts whose rules are about ASCII.
 *
 * Nothing here depends on a locale.
 */
#ifndef TARX_KEYS_ASCII_H
#define TARX_KEYS_ASCII_H

#include <string.h>

#include "pure/text_rules.h"

static inline bool
tarx_keys_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline char
tarx_keys_to_lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char) (c - 'A' + 'a');
	return c;
}

static inline bool
tarx_keys_is_letter(char c)
{
	char		lower = tarx_keys_to_lower(c);

	return lower >= 'a' && lower <= 'z';
}

static inline bool
tarx_keys_is_alnum(char c)
{
	return tarx_keys_is_digit(c) || tarx_keys_is_letter(c);
}

/* Of base64url (RFC 4648, section 5), without padding */
static inline bool
tarx_keys_is_base64url(char c)
{
	return tarx_keys_is_alnum(c) || c == '-' || c == '_';
}

static inline bool
tarx_keys_is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

/* Value of a hexadecimal digit, -1 if c is none. */
static inline int
tarx_keys_hex_value(char c)
{
	char		lower = tarx_keys_to_lower(c);

	if (tarx_keys_is_digit(c))
		return c - '0';
	if (lower >= 'a' && lower <= 'f')
		return lower - 'a' + 10;
	return -1;
}

/* What isspace() has in the C locale */
static inline bool
tarx_keys_is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline TarxKeysSpan
tarx_keys_span_of(const char *text)
{
	return (TarxKeysSpan) {text, strlen(text)};
}

/* The rest of a span behind its first n bytes, which it must have */
static inline TarxKeysSpan
tarx_keys_span_from(TarxKeysSpan span, size_t n)
{
	return (TarxKeysSpan) {span.data + n, span.len - n};
}

/* The first n bytes of a span, which it must have */
static inline TarxKeysSpan
tarx_keys_span_first(TarxKeysSpan span, size_t n)
{
	return (TarxKeysSpan) {span.data, n};
}

/* A span without the blanks around it */
static inline TarxKeysSpan
tarx_keys_span_trim(TarxKeysSpan span)
{
	while (span.len > 0 && tarx_keys_is_blank(span.data[0]))
		span = tarx_keys_span_from(span, 1);
	while (span.len > 0 && tarx_keys_is_blank(span.data[span.len - 1]))
		span.len--;
	return span;
}

static inline bool
tarx_keys_span_has(TarxKeysSpan span, char c)
{
	return span.len > 0 && memchr(span.data, c, span.len) != NULL;
}

/* Where c first is in a span, or the span's length */
static inline size_t
tarx_keys_span_find(TarxKeysSpan span, char c)
{
	const char *found = span.len > 0 ? memchr(span.data, c, span.len) : NULL;

	return found != NULL ? (size_t) (found - span.data) : span.len;
}

/* The order of bytes, which is that of collation "C" */
static inline int
tarx_keys_compare_spans(TarxKeysSpan a, TarxKeysSpan b)
{
	size_t		len = a.len < b.len ? a.len : b.len;
	int			order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

/* Are both the same, byte by byte? */
static inline bool
tarx_keys_span_equals(TarxKeysSpan a, TarxKeysSpan b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Are both the same but for the case of ASCII letters? */
static inline bool
tarx_keys_span_same(TarxKeysSpan a, TarxKeysSpan b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
	{
		if (tarx_keys_to_lower(a.data[i]) != tarx_keys_to_lower(b.data[i]))
			return false;
	}
	return true;
}

static inline bool
tarx_keys_span_is(TarxKeysSpan span, const char *text)
{
	return tarx_keys_span_same(span, tarx_keys_span_of(text));
}

/* Does a span begin with a text, in any case of ASCII letters? */
static inline bool
tarx_keys_span_begins(TarxKeysSpan span, const char *text)
{
	size_t		len = strlen(text);

	return span.len >= len &&
		tarx_keys_span_is(tarx_keys_span_first(span, len), text);
}

static inline bool
tarx_keys_span_ends(TarxKeysSpan span, const char *text)
{
	size_t		len = strlen(text);

	return span.len >= len &&
		tarx_keys_span_is(tarx_keys_span_from(span, span.len - len), text);
}

/* Is it a variable's name, as environments have them: A-Z, 0-9 and "_", no digit first? */
static inline bool
tarx_keys_is_variable_name(TarxKeysSpan name)
{
	for (size_t i = 0; i < name.len; i++)
	{
		char		c = name.data[i];

		if (!(c >= 'A' && c <= 'Z') && c != '_' && !(i > 0 && tarx_keys_is_digit(c)))
			return false;
	}
	return name.len > 0;
}

#endif							/* TARX_KEYS_ASCII_H */
