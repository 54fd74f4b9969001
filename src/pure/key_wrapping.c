/*
 * key_wrapping.c
 *	  What stands around a key where people copy it.
 *
 * A header, a line of a shell or a program, a URL, quotation marks.  All of these
 * have signs that keys do not have there; keys may have an equals sign at their
 * end, as base64 does, and a colon between two parts.
 */
#include "pure/key_wrapping.h"

#include <string.h>

#include "pure/ascii.h"

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* What the names of keys end in, in headers and programs */
static const char *const key_words[] = {
	"key", "keys", "token", "secret", "auth", "authorization", "password", "passwd",
	"bearer", "credential", "credentials", "_pat"
};

static const char *const quotes[] = {
	"\"", "'", "`", "\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x9e", "\xe2\x80\x9f",
	"\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\x9a", "\xe2\x80\x9b", "\xc2\xab", "\xc2\xbb",
	"\xe2\x80\xb9", "\xe2\x80\xba", "\xc2\xb4", "\xef\xbc\x82", "\xef\xbc\x87"
};

/* How long the blank is that a text begins with, 0 if there is none; some are copied from pages */
static size_t
blank_at(TarxKeysSpan text)
{
	if (text.len > 0 && memchr(" \t\r\n", text.data[0], 4) != NULL)
		return 1;
	if (tarx_keys_span_begins(text, "\xc2\xa0"))
		return 2;
	return tarx_keys_span_begins(text, "%20") ? 3 : 0;
}

static TarxKeysSpan
skip_blanks(TarxKeysSpan text)
{
	size_t		len;

	while ((len = blank_at(text)) > 0)
		text = tarx_keys_span_from(text, len);
	return text;
}

static TarxKeysSpan
skip_quote(TarxKeysSpan text)
{
	for (size_t i = 0; i < lengthof(quotes); i++)
	{
		if (tarx_keys_span_begins(text, quotes[i]))
			return tarx_keys_span_from(text, strlen(quotes[i]));
	}
	return text;
}

static bool
ends_in_quote(TarxKeysSpan text)
{
	for (size_t i = 0; i < lengthof(quotes); i++)
	{
		if (tarx_keys_span_ends(text, quotes[i]))
			return true;
	}
	return false;
}

static bool
ends_in_key_word(TarxKeysSpan name)
{
	for (size_t i = 0; i < lengthof(key_words); i++)
	{
		if (tarx_keys_span_ends(name, key_words[i]))
			return true;
	}
	return false;
}

/* Is one of the words the first, with a blank behind it? */
static bool
first_word_is(TarxKeysSpan text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (tarx_keys_span_begins(text, words[i]) &&
			blank_at(tarx_keys_span_from(text, strlen(words[i]))) > 0)
			return true;
	}
	return false;
}

static bool
is_command(TarxKeysSpan text)
{
	static const char *const words[] = {
		"$", ">", "PS>", "curl", "wget", "http", "https", "echo", "printf", "sudo", "docker",
		"npx", "gh", "aws", "az", "gcloud", "kubectl", "Invoke-RestMethod", "-H", "--header",
		"-u", "--user"
	};

	return first_word_is(text, words, lengthof(words));
}

/* Does it begin with "scheme://"? */
static bool
has_scheme(TarxKeysSpan text)
{
	size_t		at = 0;

	while (at < text.len && (tarx_keys_is_alnum(text.data[at]) ||
							 memchr("+-.", text.data[at], 3) != NULL))
		at++;
	return at > 0 && tarx_keys_span_begins(tarx_keys_span_from(text, at), "://");
}

/* Is there a parameter whose name is a key's, as in "?key=" or "&api_key="? */
static bool
has_parameter(TarxKeysSpan text)
{
	for (size_t at = 0; at < text.len; at++)
	{
		TarxKeysSpan rest = tarx_keys_span_from(text, at);
		size_t		equals;

		if (rest.data[0] != '?' && rest.data[0] != '&')
			continue;
		equals = tarx_keys_span_find(rest, '=');
		if (equals < rest.len && ends_in_key_word(tarx_keys_span_first(rest, equals)))
			return true;
	}
	return false;
}

static bool
is_url(TarxKeysSpan text)
{
	return has_scheme(skip_quote(text)) || has_parameter(text);
}

/* "Bearer ", alone as well, and what else a header may have in front of a key */
static bool
has_auth_scheme(TarxKeysSpan text)
{
	static const char *const words[] = {
		"Bearer", "Basic", "Token", "ApiKey", "Api-Key", "Api_Key", "Key", "Digest"
	};
	TarxKeysSpan rest;

	text = skip_quote(text);
	if (first_word_is(text, words, lengthof(words)))
		return true;
	if (!tarx_keys_span_begins(text, "bearer"))
		return false;
	rest = tarx_keys_span_from(text, strlen("bearer"));
	return rest.len == 0 || memchr(":=+,", rest.data[0], 4) != NULL;
}

/*
 * "api-key: ...", also with quotation marks around the name.  The name has no
 * digits: what is in front of the colon of a key with two parts mostly has.
 */
static bool
is_header(TarxKeysSpan text)
{
	TarxKeysSpan name = skip_quote(text);
	TarxKeysSpan rest = name;

	while (rest.len > 0 &&
		   (tarx_keys_is_letter(rest.data[0]) || memchr("-_ ", rest.data[0], 3) != NULL))
		rest = tarx_keys_span_from(rest, 1);
	name.len -= rest.len;
	while (name.len > 0 && name.data[name.len - 1] == ' ')
		name.len--;
	rest = skip_blanks(skip_quote(rest));
	if (name.len == 0 || rest.len == 0 || rest.data[0] != ':')
		return false;
	rest = tarx_keys_span_from(rest, 1);
	return rest.len == 0 || blank_at(rest) > 0 || skip_quote(rest).len < rest.len ||
		ends_in_key_word(name);
}

/* The name in front of an equals sign, without what programs have behind it */
static TarxKeysSpan
assigned_name(TarxKeysSpan left)
{
	while (left.len > 0 && memchr(" \t:+?\"'])}", left.data[left.len - 1], 10) != NULL)
		left.len--;
	return left;
}

/*
 * "NAME=...", as shells and programs have it.  Equals signs at the end belong
 * to base64.
 */
static bool
is_assignment(TarxKeysSpan text)
{
	static const char *const words[] = {
		"export", "set", "setx", "setenv", "env", "declare", "local", "readonly", "let", "const",
		"var", "arg"
	};
	size_t		equals = tarx_keys_span_find(text, '=');
	TarxKeysSpan left = tarx_keys_span_first(text, equals);
	TarxKeysSpan rest = tarx_keys_span_from(text, equals);
	TarxKeysSpan name = assigned_name(left);

	if (first_word_is(text, words, lengthof(words)))
		return true;
	while (rest.len > 0 && rest.data[0] == '=')
		rest = tarx_keys_span_from(rest, 1);
	if (equals == text.len || rest.len == 0)
		return false;
	return name.len == 0 || tarx_keys_is_variable_name(name) || ends_in_key_word(name) ||
		(left.len > 0 && left.data[left.len - 1] == ' ') ||
		blank_at(rest) > 0 || skip_quote(rest).len < rest.len;
}

/* Also where code goes on behind the closing one */
static bool
has_quotes(TarxKeysSpan text)
{
	if (skip_quote(text).len < text.len || tarx_keys_span_begins(text, "\\\""))
		return true;
	if (tarx_keys_span_begins(text, "**") && tarx_keys_span_ends(text, "**"))
		return true;
	while (text.len > 0 && memchr(" ,;)]}", text.data[text.len - 1], 6) != NULL)
		text.len--;
	return ends_in_quote(text);
}

/* A backslash is from a line that goes on, or from "\n" in a quoted text. */
static bool
has_punctuation(TarxKeysSpan text)
{
	return tarx_keys_span_ends(text, ",") || tarx_keys_span_ends(text, ";") ||
		tarx_keys_span_ends(text, "\\") || tarx_keys_span_ends(text, "\\n") ||
		tarx_keys_span_ends(text, "\\r");
}

TarxKeysKeyProblem
tarx_keys_recognize_wrapping(TarxKeysSpan text)
{
	/* of a list in Markdown or YAML */
	if (tarx_keys_span_begins(text, "- ") || tarx_keys_span_begins(text, "* "))
		text = skip_blanks(tarx_keys_span_from(text, 1));
	if (is_command(text))
		return TARX_KEYS_KEY_COMMAND;
	if (is_url(text))
		return TARX_KEYS_KEY_URL;
	if (has_auth_scheme(text))
		return TARX_KEYS_KEY_SCHEME;
	if (is_header(text))
		return TARX_KEYS_KEY_HEADER;
	if (is_assignment(text))
		return TARX_KEYS_KEY_ASSIGNMENT;
	if (has_quotes(text))
		return TARX_KEYS_KEY_QUOTES;
	if (has_punctuation(text))
		return TARX_KEYS_KEY_PUNCTUATION;
	return TARX_KEYS_KEY_OK;
}
