/*
 * sensitive_text.c
 *	  Which texts may carry a value: those that name our functions.
 *
 * A statement that fails before it is parsed is only a text, and so is a line of
 * the log.  This file is not a parser.  It looks for names anywhere, in strings,
 * comments and bodies of functions too.  It is safe to call a harmless text
 * sensitive, but not the other way round.
 *
 * After the name of our schema, a name is sensitive unless it is known to be
 * harmless.  So a misspelt function is sensitive, too.  The schema
 * tarx_keys_internal does not count: only our own code calls the functions in it,
 * and none of them takes or returns a value.
 *
 * This runs in a log hook, so it allocates nothing and cannot fail.
 */
#include "pure/sensitive_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define lengthof(array)	(sizeof(array) / sizeof((array)[0]))

#define SCHEMA	"tarx_keys"
/* The result for a name that is not known */
#define UNKNOWN	"*"

const TarxKeysSensitiveFunction tarx_keys_sensitive_functions[] = {
#define NAME(name)	{#name, sizeof(#name) - 1},
#include "pure/sensitive_names.h"
#undef NAME
	{NULL, 0}
};

/* "login" is an ordinary word: only a call of it counts. */
#define LOGIN	tarx_keys_sensitive_functions[TARX_KEYS_SENSITIVE_login].name

/* The names that may follow "tarx_keys." in a harmless text, sorted */
static const char *const harmless[] = {
#define NAME(name)	#name,
#include "pure/harmless_names.h"
#undef NAME
};

typedef struct Word
{
	const char *start;
	size_t		len;
} Word;

/* Can this character be part of a name, in any locale? */
static inline bool
is_word_char(unsigned char c)
{
	unsigned char lower = c | 0x20;

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
		c == '_' || c == '$' || c >= 0x80;
}

static Word
word_at(const char *at)
{
	Word		word = {at, 0};

	while (is_word_char((unsigned char) at[word.len]))
		word.len++;
	return word;
}

static bool
is_blank_or_quote(char c)
{
	return c != '\0' && strchr(" \t\r\n\f\v\"\\", c) != NULL;
}

static const char *
skip_blanks_and_quotes(const char *at)
{
	while (is_blank_or_quote(*at))
		at++;
	return at;
}

static bool
is_name(Word word, const char *name)
{
	return word.len == strlen(name) && strncasecmp(word.start, name, word.len) == 0;
}

/*
 * Does the word end with the name?  Other characters may come before it: the n of
 * an escape like \n, or the start of the name of a wrapper function.
 */
static bool
ends_with_name(Word word, const char *name, size_t len)
{
	/* most words differ in the last character; that of a name is a letter */
	return word.len >= len && (word.start[word.len - 1] | 0x20) == name[len - 1] &&
		strncasecmp(word.start + word.len - len, name, len) == 0;
}

/* The word that the character at this place is part of */
static Word
word_around(const char *text, const char *at)
{
	while (at > text && is_word_char((unsigned char) at[-1]))
		at--;
	return word_at(at);
}

/* Is the "(" at this place that of a call of login()? */
static bool
is_call_of_login(const char *text, const char *at)
{
	while (at > text && is_blank_or_quote(at[-1]))
		at--;
	return at > text && is_word_char((unsigned char) at[-1]) &&
		is_name(word_around(text, at - 1), LOGIN);
}

/* For bsearch(): compares a word with a name in the list. */
static int
compare_to_name(const void *key, const void *element)
{
	const Word *word = key;
	const char *name = *(const char *const *) element;
	int			order = strncasecmp(word->start, name, word->len);

	/* a word that is the start of the name comes before the name */
	return order != 0 ? order : -(int) name[word->len];
}

static bool
is_harmless(Word word)
{
	return bsearch(&word, harmless, lengthof(harmless), sizeof(harmless[0]),
				   compare_to_name) != NULL;
}

static const char *
sensitive_function(Word word)
{
	const TarxKeysSensitiveFunction *function;

	for (function = tarx_keys_sensitive_functions; function->name != NULL; function++)
	{
		if (ends_with_name(word, function->name, function->len) && function->name != LOGIN)
			return function->name;
	}
	return NULL;
}

/* Is the word our schema, and is it followed by a name that we do not know? */
static bool
is_unknown_in_schema(Word word)
{
	const char *at;
	Word		next;

	if (!ends_with_name(word, SCHEMA, sizeof(SCHEMA) - 1))
		return false;
	at = skip_blanks_and_quotes(word.start + word.len);
	if (*at != '.')
		return false;
	next = word_at(skip_blanks_and_quotes(at + 1));
	/* format() replaces %I or %s with a name */
	if (*next.start == '%')
		return false;
	if (is_name(next, LOGIN) && *skip_blanks_and_quotes(next.start + next.len) == '(')
		return false;
	return !is_harmless(next) && sensitive_function(next) == NULL;
}

/*
 * The name that makes a text sensitive, or NULL, among the names with a "_": that
 * is all of them but login.
 */
static const char *
name_with_underscore(const char *text)
{
	for (const char *at = strchr(text, '_'); at != NULL;)
	{
		Word		word = word_around(text, at);
		const char *name = sensitive_function(word);

		if (name != NULL)
			return name;
		if (is_unknown_in_schema(word))
			return UNKNOWN;
		at = strchr(word.start + word.len, '_');
	}
	return NULL;
}

/*
 * The name that makes a text sensitive, which is a constant, or NULL if the text
 * is harmless.  A text with this name after that of the schema is sensitive, too.
 *
 * This reads every statement, so it must be fast: strchr() takes it from one "_"
 * to the next, and then from one "(" to the next.
 */
const char *
tarx_keys_sensitive_name(const char *text)
{
	const char *name = name_with_underscore(text);

	for (const char *at = strchr(text, '('); name == NULL && at != NULL; at = strchr(at + 1, '('))
	{
		if (is_call_of_login(text, at))
			name = LOGIN;
	}
	return name;
}

/*
 * Does a text contain EXECUTE?  The names of the functions that it calls are in
 * another text, that of PREPARE.
 */
bool
tarx_keys_has_execute(const char *text)
{
	for (const char *at = text; *at != '\0';)
	{
		Word		word = word_at(at);

		if (ends_with_name(word, "execute", strlen("execute")))
			return true;
		at += word.len > 0 ? word.len : 1;
	}
	return false;
}
