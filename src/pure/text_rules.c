/*
 * text_rules.c
 *	  Rules for names, user ids and secrets, over UTF-8 bytes.
 *
 * Names are shown to other people, so they must not be able to hide or reorder
 * anything.  A secret is anything that a text can hold, and its name what an environment
 * variable's is.  Nothing here depends on a locale.
 *
 * Names, user ids and descriptions stand in lists, messages and logs.  So a platform
 * key that somebody has pasted in the wrong place is refused.
 */
#include "pure/text_rules.h"

#include <string.h>

#include "pure/run_ticket.h"
#include "pure/token.h"

/* The properties of a text, gathered in one pass */
typedef struct TextFacts
{
	bool		valid;
	bool		control;
	bool		layout;			/* tab, line feed, carriage return */
	bool		misleading;
	bool		blank_ends;
	size_t		chars;
} TextFacts;

/*
 * Decode the first UTF-8 character of s[0 .. len) (RFC 3629: no surrogates, no
 * overlong forms).  Returns its length in bytes, or 0 if it is invalid or len
 * is 0.
 */
size_t
tarx_keys_utf8_next(const char *s, size_t len, uint32_t *codepoint)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *b = (const uint8_t *) s;
	size_t		need;
	uint32_t	c;

	if (len == 0)
		return 0;
	if (b[0] < 0x80)
	{
		*codepoint = b[0];
		return 1;
	}
	if (b[0] < 0xc0 || b[0] > 0xf7)
		return 0;
	need = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	if (len < need)
		return 0;
	c = b[0] & (0x7f >> need);
	for (size_t i = 1; i < need; i++)
	{
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		c = (c << 6) | (b[i] & 0x3f);
	}
	if (c < least[need] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*codepoint = c;
	return need;
}

/* Unicode's category Cc, and the two separators that end a line, too */
static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029;
}

/*
 * Unicode's Bidi_Control characters, and invisible characters: with these one
 * name could look like another.  The joiners U+200C and U+200D are allowed,
 * because scripts and emoji need them.
 */
static bool
is_misleading(uint32_t c)
{
	static const struct
	{
		uint32_t	first;
		uint32_t	last;
	}			ranges[] = {
		{0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c}, {0x115f, 0x1160},
		{0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200b}, {0x200e, 0x200f},
		{0x202a, 0x202e}, {0x2060, 0x206f}, {0x2800, 0x2800}, {0x3164, 0x3164},
		{0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
	{
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

/* Unicode's White_Space, and the joiners, which join nothing at an end */
static bool
is_blank(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 ||
		c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x200c ||
		c == 0x200d || c == 0x2028 || c == 0x2029 || c == 0x202f ||
		c == 0x205f || c == 0x3000;
}

/* Control characters that a text of several lines needs */
static bool
is_layout(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r';
}

static TextFacts
gather(const char *s, size_t len)
{
	TextFacts	facts = {.valid = true};
	uint32_t	c = 0;

	for (size_t pos = 0; pos < len;)
	{
		size_t		step = tarx_keys_utf8_next(s + pos, len - pos, &c);

		if (step == 0)
		{
			facts.valid = false;
			return facts;
		}
		if (is_layout(c))
			facts.layout = true;
		else
			facts.control |= is_control(c);
		facts.misleading |= is_misleading(c);
		facts.blank_ends |= pos == 0 && is_blank(c);
		facts.chars++;
		pos += step;
	}
	facts.blank_ends |= len > 0 && is_blank(c);
	return facts;
}

/* No platform key, and no run ticket */
TarxKeysTextProblem
tarx_keys_check_token_text(const char *s, size_t len)
{
	if (tarx_keys_token_is_within(s, len))
		return TARX_KEYS_TEXT_TOKEN;
	return tarx_keys_run_ticket_is_within(s, len) ? TARX_KEYS_TEXT_TICKET : TARX_KEYS_TEXT_OK;
}

/* A name: 1 to 100 visible characters, without white space at its ends */
TarxKeysTextProblem
tarx_keys_check_name_text(const char *s, size_t len)
{
	TextFacts	facts = gather(s, len);

	if (!facts.valid)
		return TARX_KEYS_TEXT_NOT_UTF8;
	if (len == 0)
		return TARX_KEYS_TEXT_EMPTY;
	if (facts.chars > TARX_KEYS_NAME_MAX_CHARS)
		return TARX_KEYS_TEXT_TOO_LONG;
	if (facts.control || facts.layout)
		return TARX_KEYS_TEXT_CONTROL;
	if (facts.misleading)
		return TARX_KEYS_TEXT_MISLEADING;
	if (facts.blank_ends)
		return TARX_KEYS_TEXT_BLANKS;
	return tarx_keys_check_token_text(s, len);
}

/* A user id, which the application chooses: 1 to 200 characters, no controls */
TarxKeysTextProblem
tarx_keys_check_user_id_text(const char *s, size_t len)
{
	TextFacts	facts = gather(s, len);

	if (!facts.valid)
		return TARX_KEYS_TEXT_NOT_UTF8;
	if (len == 0)
		return TARX_KEYS_TEXT_EMPTY;
	if (facts.chars > TARX_KEYS_USER_ID_MAX_CHARS)
		return TARX_KEYS_TEXT_TOO_LONG;
	if (facts.control || facts.layout)
		return TARX_KEYS_TEXT_CONTROL;
	return tarx_keys_check_token_text(s, len);
}

/* Is a user id that of a service account? */
bool
tarx_keys_is_service_account_id(const char *s, size_t len)
{
	const size_t prefix = sizeof(TARX_KEYS_SERVICE_ACCOUNT_PREFIX) - 1;

	return len >= prefix && memcmp(s, TARX_KEYS_SERVICE_ACCOUNT_PREFIX, prefix) == 0;
}

/* One of A-Z, a-z, 0-9 and "_" */
bool
tarx_keys_is_word(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		(c >= '0' && c <= '9') || c == '_';
}

/* A secret's name: 1 to 128 of these characters, of which the first is no digit */
TarxKeysTextProblem
tarx_keys_check_secret_name_text(const char *s, size_t len)
{
	if (len == 0)
		return TARX_KEYS_TEXT_EMPTY;
	if (s[0] >= '0' && s[0] <= '9')
		return TARX_KEYS_TEXT_NOT_IDENTIFIER;
	for (size_t i = 0; i < len; i++)
	{
		if (!tarx_keys_is_word(s[i]))
			return TARX_KEYS_TEXT_NOT_IDENTIFIER;
	}
	return len > TARX_KEYS_SECRET_NAME_MAX_CHARS ? TARX_KEYS_TEXT_TOO_LONG : TARX_KEYS_TEXT_OK;
}

/* A secret: 1 to 65536 bytes of UTF-8 without NUL */
TarxKeysTextProblem
tarx_keys_check_secret_value_text(const char *s, size_t len)
{
	if (len == 0)
		return TARX_KEYS_TEXT_EMPTY;
	if (len > TARX_KEYS_SECRET_MAX_BYTES)
		return TARX_KEYS_TEXT_TOO_LONG;
	if (memchr(s, '\0', len) != NULL)
		return TARX_KEYS_TEXT_NUL;
	return gather(s, len).valid ? TARX_KEYS_TEXT_OK : TARX_KEYS_TEXT_NOT_UTF8;
}

/* A description: up to 1000 characters, which may be several lines */
TarxKeysTextProblem
tarx_keys_check_description_text(const char *s, size_t len)
{
	TextFacts	facts = gather(s, len);

	if (!facts.valid)
		return TARX_KEYS_TEXT_NOT_UTF8;
	if (facts.chars > TARX_KEYS_DESCRIPTION_MAX_CHARS)
		return TARX_KEYS_TEXT_TOO_LONG;
	if (facts.control)
		return TARX_KEYS_TEXT_CONTROL;
	if (facts.misleading)
		return TARX_KEYS_TEXT_MISLEADING;
	return tarx_keys_check_token_text(s, len);
}

/*
 * Write the part that a message may show of a text that broke a rule: its first
 * TARX_KEYS_EXCERPT_CHARS characters, with "?" for those that could mislead a
 * reader, and "..." if there are more.  Returns the length in bytes; there is no
 * final NUL.
 */
size_t
tarx_keys_excerpt(char out[TARX_KEYS_EXCERPT_MAX], const char *s, size_t len)
{
	size_t		at = 0;
	size_t		pos = 0;
	uint32_t	c = 0;

	for (int chars = 0; pos < len && chars < TARX_KEYS_EXCERPT_CHARS; chars++)
	{
		size_t		step = tarx_keys_utf8_next(s + pos, len - pos, &c);

		if (step == 0 || is_control(c) || is_misleading(c))
			out[at++] = '?';
		else
		{
			memcpy(out + at, s + pos, step);
			at += step;
		}
		pos += step > 0 ? step : 1;
	}
	if (pos < len)
	{
		memcpy(out + at, "...", 3);
		at += 3;
	}
	return at;
}

/* The problem, to follow the name of an argument: "name is empty" */
const char *
tarx_keys_text_problem(TarxKeysTextProblem problem)
{
	switch (problem)
	{
		case TARX_KEYS_TEXT_OK:
			return "is valid";
		case TARX_KEYS_TEXT_NOT_UTF8:
			return "is not valid UTF-8";
		case TARX_KEYS_TEXT_EMPTY:
			return "is empty";
		case TARX_KEYS_TEXT_TOO_LONG:
			return "is too long";
		case TARX_KEYS_TEXT_CONTROL:
			return "contains control characters";
		case TARX_KEYS_TEXT_MISLEADING:
			return "contains invisible or direction-changing characters";
		case TARX_KEYS_TEXT_BLANKS:
			return "starts or ends with white space";
		case TARX_KEYS_TEXT_NUL:
			return "contains a NUL character";
		case TARX_KEYS_TEXT_TOKEN:
			return "contains a platform key";
		case TARX_KEYS_TEXT_TICKET:
			return "contains a run ticket";
		case TARX_KEYS_TEXT_NOT_IDENTIFIER:
			return "is not a valid secret name";
	}
	return "is not valid";
}
