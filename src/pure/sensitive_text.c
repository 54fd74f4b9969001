/*
 * sensitive_text.c
 *	  Which texts may carry a value: statements that name our functions.
 *
 * A statement that fails before it is parsed has only its text to judge by, and
 * so has a line of the log.  This is no parser.  It looks for names anywhere,
 * also in strings, comments and bodies of functions, and would rather take a
 * harmless text for a sensitive one than the other way round.
 *
 * After the name of our schema, every name is sensitive that is not known to be
 * harmless.  So a misspelt function is sensitive, too.  The schema
 * tarx_keys_internal is another word: nobody but us calls anything in it, and
 * nothing in it takes or returns a value.
 *
 * This runs in a log hook: it allocates nothing and never fails.
 */
#include "pure/sensitive_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define lengthof(array)	(sizeof(array) / sizeof((array)[0]))

#define SCHEMA	"tarx_keys"
/* what stands for a name that is not known */
#define UNKNOWN	"*"

const TarxKeysSensitiveFunction tarx_keys_sensitive_functions[] = {
#define NAME(name)	{#name, sizeof(#name) - 1},
#include "pure/sensitive_names.h"
#undef NAME
	{NULL, 0}
};

/* "login" is an ordinary word: only a call of it counts. */
#define LOGIN	tarx_keys_sensitive_functions[TARX_KEYS_SENSITIVE_login].name

/* What may follow "tarx_keys." without making a text sensitive, sorted */
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

/* Can it be part of a name?  The locale does not matter. */
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
 * Something may stand in front of the name: the n of an escape like \n, or more
 * of the name of a wrapper.
 */
static bool
ends_with_name(Word word, const char *name, size_t len)
{
	/* most words differ in the last character, which is a letter in names */
	return word.len >= len && (word.start[word.len - 1] | 0x20) == name[len - 1] &&
		strncasecmp(word.start + word.len - len, name, len) == 0;
}

/* The word around a character of it */
static Word
word_around(const char *text, const char *at)
{
	while (at > text && is_word_char((unsigned char) at[-1]))
		at--;
	return word_at(at);
}

/* Does a call of login() begin at its "("? */
static bool
is_call_of_login(const char *text, const char *at)
{
	while (at > text && is_blank_or_quote(at[-1]))
		at--;
	return at > text && is_word_char((unsigned char) at[-1]) &&
		is_name(word_around(text, at - 1), LOGIN);
}

/* For bsearch(): a word, and a name in the list */
static int
compare_to_name(const void *key, const void *element)
{
	const Word *word = key;
	const char *name = *(const char *const *) element;
	int			order = strncasecmp(word->start, name, word->len);

	/* a word that the name begins with comes before it */
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

/* Is the word our schema, and does a name follow that we do not know? */
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
	/* format() puts a name into the place of %I or %s */
	if (*next.start == '%')
		return false;
	if (is_name(next, LOGIN) && *skip_blanks_and_quotes(next.start + next.len) == '(')
		return false;
	return !is_harmless(next) && sensitive_function(next) == NULL;
}

/* The name with a "_" that makes a text sensitive, or NULL; all but login have one. */
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
 * The name that makes a text sensitive, a constant, or NULL.  A text that has
 * this name behind the schema's is sensitive again.
 *
 * This reads every statement: it leaps from "_" to "_", and then from "(" to
 * "(", because nothing is faster than strchr().
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

/* Is EXECUTE in a text?  It does not name the functions that it calls; PREPARE did. */
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
