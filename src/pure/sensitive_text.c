/*
 * sensitive_text.c
 *	  Which texts may carry a value: those that name our functions.
 *
 * A statement that fails before it is parsed is only a text, and so is a line of
 * the log.  This file is not a parser.  It looks for names anywhere, in strings,
 * comments and bodies of functions too.  It is safe to call a harmless text
 * sensitive, but not the other way round.
 *
 * - A function that takes or returns a value counts wherever its name stands, also
 *	 at the end of another name, as that of a wrapper.
 * - The names of the others, and "login", are words that applications use as well.
 *	 They count if they are called, or stand after the name of our schema.
 * - The setting that is the master key itself counts wherever it stands, unless it
 *	 is only shown.
 * - What has the form of a platform key or a run ticket counts as a value, whatever
 *	 stands around it.  Part of one is enough, in either case.
 * - So does what begins like a token of login_jwt(): two objects of JSON in base64url,
 *	 with a dot between them.
 * - After the name of our schema, a name that is not known counts, because it may
 *	 be misspelt.  The schema tarx_keys_internal does not count: only our own code
 *	 calls the functions in it.
 *
 * This runs in a log hook, so it allocates nothing and cannot fail.
 */
#include "pure/sensitive_text.h"

#include <stdlib.h>
#include <string.h>

#include "pure/ascii.h"
#include "pure/run_ticket.h"
#include "pure/token.h"

#define lengthof(array)	(sizeof(array) / sizeof((array)[0]))

#define SCHEMA	"tarx_keys"
#define NAMED(name)	{name, sizeof(name) - 1, TARX_KEYS_NOTICE_START SCHEMA "." name " */"}

const TarxKeysSensitiveName tarx_keys_sensitive_names[] = {
#define CARRIES(name)	NAMED(#name),
#define TAKES(name)		NAMED(#name),
#include "pure/sensitive_names.h"
#undef CARRIES
#undef TAKES
	{NULL, 0, NULL}
};

/* How many of them take or return a value; they come first */
enum
{
#define CARRIES(name)	CARRIER_##name,
#define TAKES(name)
#include "pure/sensitive_names.h"
#undef CARRIES
#undef TAKES
	NUM_CARRIERS
};

#define LOGIN	(&tarx_keys_sensitive_names[TARX_KEYS_SENSITIVE_login])

/* The setting */
static const TarxKeysSensitiveName master_key = NAMED("master_key");

const TarxKeysSensitiveName tarx_keys_sensitive_if_failed = NAMED("act_as");

/* So many characters of a platform key or a run ticket count: more than a list shows of one. */
#define TOKEN_PART	16

/* Base64url of an object of JSON begins with this.  A header has so many characters at least. */
#define JSON_START		"eyJ"
#define JWT_HEADER		12

/* The result for a name that is not known, and for a platform key, a run ticket or a token */
static const TarxKeysSensitiveName unknown = NAMED("*");

/* The names that may follow "tarx_keys." in a harmless text, sorted */
static const char *const known[] = {
#define NAME(name)	#name,
#include "pure/known_names.h"
#undef NAME
};

/* A word of a text, or its end */
typedef struct Word
{
	const char *start;
	size_t		len;
	const char *end_of_text;
} Word;

/* Can this character be part of a name, in any locale? */
static inline bool
is_word_char(char c)
{
	unsigned char byte = (unsigned char) c;
	unsigned char lower = byte | 0x20;

	return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') ||
		byte == '_' || byte == '$' || byte >= 0x80;
}

static inline bool
is_blank_or_quote(char c)
{
	return tarx_keys_is_blank(c) || c == '"' || c == '\\';
}

static Word
word_at(const char *at, const char *end)
{
	Word		word = {at, 0, end};

	while (at + word.len < end && is_word_char(at[word.len]))
		word.len++;
	return word;
}

/* The word that the character at this place is part of */
static Word
word_around(const char *text, const char *at, const char *end)
{
	Word		word = word_at(at, end);

	while (word.start > text && is_word_char(word.start[-1]))
		word.start--;
	word.len += (size_t) (at - word.start);
	return word;
}

/* Where the text goes on after a word, with blanks and quotes left out */
static const char *
after(Word word)
{
	const char *at = word.start + word.len;

	while (at < word.end_of_text && is_blank_or_quote(*at))
		at++;
	return at;
}

static bool
is_followed_by(Word word, char c)
{
	const char *at = after(word);

	return at < word.end_of_text && *at == c;
}

/* The word after a word and the character that follows it */
static Word
word_after(Word word)
{
	Word		separator = {after(word), 1, word.end_of_text};

	return word_at(after(separator), word.end_of_text);
}

static bool
is_name(Word word, const char *name)
{
	return tarx_keys_span_is((TarxKeysSpan) {word.start, word.len}, name);
}

/*
 * Does the word end with the name?  Other characters may come before it: the n of
 * an escape like \n, or the start of the name of a wrapper function.
 */
static bool
ends_with_name(Word word, const char *name)
{
	return tarx_keys_span_ends((TarxKeysSpan) {word.start, word.len}, name);
}

/* The order of a word and a name, for bsearch() */
static int
compare_to(const Word *word, const char *name)
{
	for (size_t i = 0; i < word->len; i++)
	{
		int			order = (unsigned char) tarx_keys_to_lower(word->start[i]) - (unsigned char) name[i];

		if (order != 0)
			return order;
	}
	/* a word that is the start of the name comes before the name */
	return -(int) name[word->len];
}

static int
compare_to_known(const void *key, const void *element)
{
	return compare_to(key, *(const char *const *) element);
}

static int
compare_to_sensitive(const void *key, const void *element)
{
	return compare_to(key, ((const TarxKeysSensitiveName *) element)->name);
}

static bool
is_known(Word word)
{
	return bsearch(&word, known, lengthof(known), sizeof(known[0]), compare_to_known) != NULL;
}

/* The function that takes or returns values whose name the word ends with, or NULL */
static const TarxKeysSensitiveName *
carrier(Word word)
{
	/* most words differ in the last character; that of a name is a letter */
	int			last = word.len == 0 ? 0 : word.start[word.len - 1] | 0x20;

	for (size_t i = 0; i < NUM_CARRIERS; i++)
	{
		const TarxKeysSensitiveName *name = &tarx_keys_sensitive_names[i];

		if (name->name[name->len - 1] == last && ends_with_name(word, name->name) &&
			name != LOGIN)
			return name;
	}
	return NULL;
}

/* The function with this name that counts if it is called, or NULL */
static const TarxKeysSensitiveName *
taker(Word word)
{
	if (is_name(word, LOGIN->name))
		return LOGIN;
	return bsearch(&word, tarx_keys_sensitive_names + NUM_CARRIERS,
				   TARX_KEYS_NUM_SENSITIVE - NUM_CARRIERS, sizeof(TarxKeysSensitiveName),
				   compare_to_sensitive);
}

/* Is the setting that is named from this place on only shown, or reset? */
static bool
is_only_shown(const char *text, const char *at, const char *end)
{
	Word		before;

	while (at > text && (is_blank_or_quote(at[-1]) || at[-1] == '\'' || at[-1] == '('))
		at--;
	if (at == text)
		return false;
	before = word_around(text, at - 1, end);
	return is_name(before, "show") || is_name(before, "reset") ||
		is_name(before, "current_setting");
}

/* What makes the name after that of our schema sensitive, or NULL */
static const TarxKeysSensitiveName *
name_in_schema(const char *text, Word schema)
{
	Word		word = word_after(schema);
	const TarxKeysSensitiveName *name = carrier(word);

	/* format() replaces %I or %s with a name */
	if (word.start < word.end_of_text && *word.start == '%')
		return NULL;
	if (name == NULL)
		name = taker(word);
	if (name != NULL)
		return name;
	if (is_name(word, master_key.name))
		return is_only_shown(text, schema.start, schema.end_of_text) ? NULL : &master_key;
	return is_known(word) ? NULL : &unknown;
}

/* What makes a word of the text sensitive, or NULL */
static const TarxKeysSensitiveName *
name_of_word(const char *text, Word word)
{
	const TarxKeysSensitiveName *name = carrier(word);

	if (name == NULL && is_followed_by(word, '('))
		name = taker(word);
	if (name == NULL && ends_with_name(word, SCHEMA) && is_followed_by(word, '.'))
		name = name_in_schema(text, word);
	return name;
}

/* The next such character, or NULL */
static const char *
next(const char *at, const char *end, char c)
{
	return memchr(at, c, (size_t) (end - at));
}

/* Among the names with a "_": that is all of them but login */
static const TarxKeysSensitiveName *
name_with_underscore(const char *text, const char *end)
{
	for (const char *at = next(text, end, '_'); at != NULL;)
	{
		Word		word = word_around(text, at, end);
		const TarxKeysSensitiveName *name = name_of_word(text, word);

		if (name != NULL)
			return name;
		at = next(word.start + word.len, end, '_');
	}
	return NULL;
}

/* Is the "(" at this place that of a call of login()? */
static bool
is_call_of_login(const char *text, const char *at, const char *end)
{
	while (at > text && is_blank_or_quote(at[-1]))
		at--;
	return at > text && is_word_char(at[-1]) && is_name(word_around(text, at - 1, end), LOGIN->name);
}

/* Is the first "-" of what begins so, and goes on for long enough, at this place? */
static bool
is_in_token(const char *text, const char *at, const char *end, const char *begin)
{
	const size_t before = strcspn(begin, "-");
	const size_t prefix = strlen(begin);

	if ((size_t) (at - text) < before || (size_t) (end - at) + before < prefix + TOKEN_PART)
		return false;
	at -= before;
	if (!tarx_keys_span_begins((TarxKeysSpan) {at, prefix}, begin))
		return false;
	for (size_t i = 0; i < TOKEN_PART; i++)
	{
		if (!is_word_char(at[prefix + i]) && at[prefix + i] != '-')
			return false;
	}
	return true;
}

static bool
has_token(const char *text, const char *end)
{
	for (const char *at = next(text, end, '-'); at != NULL; at = next(at + 1, end, '-'))
	{
		if (is_in_token(text, at, end, TARX_KEYS_TOKEN_PREFIX) ||
			is_in_token(text, at, end, TARX_KEYS_RUN_TICKET_PREFIX))
			return true;
	}
	return false;
}

/* Is the first dot of a token of login_jwt() at this place? */
static bool
is_in_jwt(const char *text, const char *at, const char *end)
{
	const size_t start = sizeof(JSON_START) - 1;
	const char *header = at;

	if ((size_t) (end - at) <= start ||
		!tarx_keys_span_begins((TarxKeysSpan) {at + 1, start}, JSON_START))
		return false;
	while (header > text && tarx_keys_is_base64url(header[-1]))
		header--;
	return at - header >= JWT_HEADER;
}

static bool
has_jwt(const char *text, const char *end)
{
	for (const char *at = next(text, end, '.'); at != NULL; at = next(at + 1, end, '.'))
	{
		if (is_in_jwt(text, at, end))
			return true;
	}
	return false;
}

/*
 * The name that makes a text sensitive, or NULL if the text is harmless.  A text
 * with this name after that of the schema is sensitive, too.
 *
 * This reads every statement, so it must be fast: memchr() takes it from one "_"
 * to the next, then from one "(" to the next, from one "-" and from one "." to the
 * next.  It looks at no character more often than a few times, whatever the text is.
 */
const TarxKeysSensitiveName *
tarx_keys_sensitive_name(const char *text, size_t len)
{
	const char *end = text + len;
	const TarxKeysSensitiveName *name = name_with_underscore(text, end);

	for (const char *at = next(text, end, '('); name == NULL && at != NULL;
		 at = next(at + 1, end, '('))
	{
		if (is_call_of_login(text, at, end))
			name = LOGIN;
	}
	if (name == NULL && (has_token(text, end) || has_jwt(text, end)))
		name = &unknown;
	return name;
}

/* Does a text name act_as(), so that it may carry a value if it fails? */
bool
tarx_keys_is_sensitive_if_failed(const char *text, size_t len)
{
	const TarxKeysSensitiveName *name = &tarx_keys_sensitive_if_failed;
	const char *end = text + len;

	for (const char *at = next(text, end, '_'); at != NULL;)
	{
		Word		word = word_around(text, at, end);

		if (ends_with_name(word, name->name))
			return true;
		at = next(word.start + word.len, end, '_');
	}
	return false;
}

/*
 * Does a text contain EXECUTE?  The names of the functions that it calls are in
 * another text, that of PREPARE.
 */
bool
tarx_keys_has_execute(const char *text)
{
	const char *end = text + strlen(text);

	for (const char *at = text; at < end;)
	{
		Word		word = word_at(at, end);

		if (ends_with_name(word, "execute"))
			return true;
		at += word.len > 0 ? word.len : 1;
	}
	return false;
}
