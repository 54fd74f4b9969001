/*
 * key_placeholder.c
 *	  What stands for a key in examples and settings.
 *
 * People choose keys for servers of their own: "EMPTY", "my-secret-key" and
 * "changeme" are keys somewhere, so no words but those that speak to a reader
 * make a placeholder.
 */
#include "pure/key_placeholder.h"

#include <string.h>

#include "pure/ascii.h"

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* So many "x" in a row are no accident. */
#define LONG_RUN	10

#define MOST_WORDS	64

typedef struct Pair
{
	const char *open;
	const char *close;
} Pair;

static const Pair brackets[] = {
	{"(", ")"}, {"[", "]"}, {"{", "}"}, {"<", ">"},
	{"\xe2\x9f\xa8", "\xe2\x9f\xa9"}, {"\xe2\x80\xb9", "\xe2\x80\xba"},
	{"\xe3\x80\x88", "\xe3\x80\x89"}, {"\xe3\x80\x90", "\xe3\x80\x91"},
	{"\xe3\x80\x8c", "\xe3\x80\x8d"}, {"\xef\xbc\x88", "\xef\xbc\x89"}, {"\xc2\xab", "\xc2\xbb"}
};

static bool
is_between(TarxKeysSpan text, const char *open, const char *close)
{
	return text.len >= strlen(open) + strlen(close) &&
		tarx_keys_span_begins(text, open) && tarx_keys_span_ends(text, close);
}

static bool
is_in_brackets(TarxKeysSpan text)
{
	for (size_t i = 0; i < lengthof(brackets); i++)
	{
		if (is_between(text, brackets[i].open, brackets[i].close))
			return true;
	}
	return false;
}

/* "OPENAI_API_KEY": the name of the variable that should have the key */
static bool
names_variable(TarxKeysSpan text)
{
	static const char *const ends[] = {"_KEY", "_TOKEN", "_SECRET", "_PAT"};

	if (!tarx_keys_is_variable_name(text) || text.data[0] == '_')
		return false;
	for (size_t i = 0; i < lengthof(ends); i++)
	{
		if (tarx_keys_span_ends(text, ends[i]))
			return true;
	}
	return false;
}

/* How programs and workflows get at a variable or a store of secrets */
static bool
is_reference(TarxKeysSpan text)
{
	static const char *const starts[] = {
		"process.env", "import.meta.env", "os.environ", "os.getenv", "getenv(", "System.getenv",
		"Deno.env", "ENV[", "env(", "$env:", "secrets.", "op://", "arn:aws:secretsmanager:",
		"arn:aws:ssm:", "projects/"
	};

	for (size_t i = 0; i < lengthof(starts); i++)
	{
		if (tarx_keys_span_begins(text, starts[i]))
			return !tarx_keys_span_has(text, '=');
	}
	return false;
}

static bool
is_variable(TarxKeysSpan text)
{
	if (is_between(text, "${", "}") || is_between(text, "$(", ")") || is_between(text, "{{", "}}"))
		return true;
	if (text.len > 2 && text.data[0] == '%' && text.data[text.len - 1] == '%')
		return tarx_keys_is_variable_name(tarx_keys_span_first(tarx_keys_span_from(text, 1), text.len - 2));
	if (text.len > 1 && text.data[0] == '$')
		return tarx_keys_is_variable_name(tarx_keys_span_from(text, 1)) || is_reference(text);
	return names_variable(text) || is_reference(text);
}

static bool
contains(TarxKeysSpan text, const char *word)
{
	for (size_t at = 0; at < text.len; at++)
	{
		if (tarx_keys_span_begins(tarx_keys_span_from(text, at), word))
			return true;
	}
	return false;
}

static bool
speaks_of_key(TarxKeysSpan text)
{
	return contains(text, "key") || contains(text, "token") || contains(text, "secret");
}

/* The letters and separators that a text begins with, as many as a reader takes in */
static TarxKeysSpan
words_at(TarxKeysSpan text)
{
	size_t		len = 0;

	while (len < text.len && len < MOST_WORDS &&
		   (tarx_keys_is_letter(text.data[len]) || memchr("-_. ", text.data[len], 4) != NULL))
		len++;
	return tarx_keys_span_first(text, len);
}

/* Does text begin with a word that ends there, or has a word for a key right behind it? */
static bool
begins_with_word(TarxKeysSpan text, const char *word)
{
	TarxKeysSpan rest;

	if (!tarx_keys_span_begins(text, word))
		return false;
	rest = tarx_keys_span_from(text, strlen(word));
	return rest.len == 0 || !tarx_keys_is_letter(rest.data[0]) ||
		tarx_keys_span_begins(rest, "api") || tarx_keys_span_begins(rest, "key") ||
		tarx_keys_span_begins(rest, "token") || tarx_keys_span_begins(rest, "secret");
}

/* "your-key", "INSERT_TOKEN": what a reader is told to do, and with what */
static bool
tells_reader(TarxKeysSpan text)
{
	static const char *const starts[] = {"your", "insert", "paste", "enter", "replace"};

	for (size_t i = 0; i < lengthof(starts); i++)
	{
		if (begins_with_word(text, starts[i]))
			return speaks_of_key(words_at(text));
	}
	return false;
}

/* "sk-key-here" */
static bool
ends_in_here(TarxKeysSpan text)
{
	return text.len > strlen("-here") && tarx_keys_span_ends(text, "here") &&
		!tarx_keys_is_alnum(text.data[text.len - strlen("-here")]) && speaks_of_key(text);
}

static bool
has_telling_words(TarxKeysSpan text)
{
	for (size_t at = 0; at < text.len; at++)
	{
		if ((at == 0 || !tarx_keys_is_alnum(text.data[at - 1])) &&
			tells_reader(tarx_keys_span_from(text, at)))
			return true;
	}
	return ends_in_here(text);
}

/* Behind the first separator, nothing but "x" in one case and separators: "sk-xxxx-xxxx" */
static bool
is_filled(TarxKeysSpan text, char x)
{
	size_t		count = 0;
	size_t		at = 0;

	while (at < text.len && tarx_keys_is_alnum(text.data[at]))
		at++;
	for (; at < text.len; at++)
	{
		if (text.data[at] == x)
			count++;
		else if (text.data[at] != '-' && text.data[at] != '_')
			return false;
	}
	return count >= 3;
}

/* Many "x" in a row, with something around them */
static bool
has_long_run(TarxKeysSpan text, char x)
{
	size_t		run = 0;
	size_t		longest = 0;

	for (size_t at = 0; at < text.len; at++)
	{
		run = text.data[at] == x ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	return longest >= LONG_RUN && longest < text.len;
}

static bool
is_placeholder(TarxKeysSpan text)
{
	return tarx_keys_span_is(text, "undefined") || has_telling_words(text) ||
		is_filled(text, 'x') || is_filled(text, 'X') ||
		has_long_run(text, 'x') || has_long_run(text, 'X');
}

TarxKeysKeyProblem
tarx_keys_recognize_placeholder(TarxKeysSpan text)
{
	if (is_placeholder(text))
		return TARX_KEYS_KEY_PLACEHOLDER;
	if (is_variable(text))
		return TARX_KEYS_KEY_VARIABLE;
	return is_in_brackets(text) ? TARX_KEYS_KEY_BRACKETS : TARX_KEYS_KEY_OK;
}
