/*
 * mask.c
 *	  Masks a key value so that people can tell keys apart.
 *
 * A mask is the provider's public prefix, 3 more characters, a sign, and the
 * last 4 characters.  Without a known prefix it starts with 2 characters.  If
 * that would hide fewer than 16 characters, or show more than a third of what
 * follows the prefix, the mask is the prefix and a row of bullets.  The sign has
 * a fixed length, so a mask does not tell how long the value is.
 *
 * Masks are stored in ASCII, with "..." and "********" as signs.  The encoding of
 * the database, or of one that a dump is restored into, may lack U+2026 and
 * U+2022.  The list shows these two if the client's encoding has them.
 */
#include "pure/mask.h"

#include <string.h>

#define ELLIPSIS		"..."
#define STARS			"********"
#define ELLIPSIS_SHOWN	"\xe2\x80\xa6"
#define BULLET			"\xe2\x80\xa2"
#define BULLETS_SHOWN	BULLET BULLET BULLET BULLET BULLET BULLET BULLET BULLET

#define TAIL_CHARS		4
#define HIDDEN_MIN		16

/* So many in a row are a mask. */
#define STARS_MIN		3
#define HASHES_MIN		4

/* hiding that many also keeps what is shown below a third */
_Static_assert(3 * (3 + TAIL_CHARS) <= (3 + TAIL_CHARS) + HIDDEN_MIN, "a third");
_Static_assert(3 * (2 + TAIL_CHARS) <= (2 + TAIL_CHARS) + HIDDEN_MIN, "a third");

static size_t
count_chars(TarxKeysSpan s)
{
	size_t		chars = 0;
	uint32_t	c;

	for (size_t pos = 0; pos < s.len; chars++)
	{
		size_t		step = tarx_keys_utf8_next(s.data + pos, s.len - pos, &c);

		pos += step > 0 ? step : 1;
	}
	return chars;
}

/* The length in bytes of the first chars characters; s has at least so many. */
static size_t
bytes_of(TarxKeysSpan s, size_t chars)
{
	size_t		pos = 0;
	uint32_t	c;

	while (chars-- > 0 && pos < s.len)
	{
		size_t		step = tarx_keys_utf8_next(s.data + pos, s.len - pos, &c);

		pos += step > 0 ? step : 1;
	}
	return pos;
}

static bool
starts_with(TarxKeysSpan s, const char *prefix, size_t len)
{
	return s.len >= len && memcmp(s.data, prefix, len) == 0;
}

static bool
equals(TarxKeysSpan s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* The longest known prefix that the value starts with: its length, or 0. */
static size_t
known_prefix(TarxKeysSpan value, const TarxKeysSpan *prefixes, size_t nprefixes)
{
	size_t		longest = 0;

	for (size_t i = 0; i < nprefixes; i++)
	{
		if (prefixes[i].len > longest && prefixes[i].len < TARX_KEYS_MASK_PREFIX_MAX &&
			starts_with(value, prefixes[i].data, prefixes[i].len))
			longest = prefixes[i].len;
	}
	return longest;
}

static TarxKeysSpan
behind(TarxKeysSpan s, size_t len)
{
	TarxKeysSpan rest = {s.data + len, s.len - len};

	return rest;
}

static size_t
put(char *out, size_t at, const char *data, size_t len)
{
	memcpy(out + at, data, len);
	return at + len;
}

/*
 * Write the mask of a value, in UTF-8, to out, without a final NUL.  prefixes are
 * the provider's public ones.  Returns the mask's length in bytes.
 */
size_t
tarx_keys_mask(char out[TARX_KEYS_MASK_MAX], TarxKeysSpan value,
			   const TarxKeysSpan *prefixes, size_t nprefixes)
{
	size_t		prefix = known_prefix(value, prefixes, nprefixes);
	TarxKeysSpan rest = behind(value, prefix);
	size_t		chars = count_chars(rest);
	size_t		head = prefix > 0 ? 3 : 2;
	size_t		shown = head + TAIL_CHARS;
	size_t		at = put(out, 0, value.data, prefix);
	size_t		tail;

	if (chars < shown + HIDDEN_MIN)
		return put(out, at, STARS, strlen(STARS));
	tail = bytes_of(rest, chars - TAIL_CHARS);
	at = put(out, at, rest.data, bytes_of(rest, head));
	at = put(out, at, ELLIPSIS, strlen(ELLIPSIS));
	return put(out, at, rest.data + tail, rest.len - tail);
}

static bool
contains(TarxKeysSpan s, const char *needle)
{
	size_t		len = strlen(needle);

	for (size_t pos = 0; pos + len <= s.len; pos++)
	{
		if (memcmp(s.data + pos, needle, len) == 0)
			return true;
	}
	return false;
}

/*
 * Divide a stored mask into the text before its sign, the sign as people see it,
 * and the text behind it.  Returns false if this is not a mask.
 */
bool
tarx_keys_mask_split(TarxKeysSpan mask, TarxKeysSpan *head, const char **sign,
					 TarxKeysSpan *tail)
{
	size_t		chars = count_chars(mask);

	if (chars >= TAIL_CHARS + strlen(ELLIPSIS))
	{
		size_t		at = bytes_of(mask, chars - TAIL_CHARS - strlen(ELLIPSIS));

		if (starts_with(behind(mask, at), ELLIPSIS, strlen(ELLIPSIS)))
		{
			*head = (TarxKeysSpan) {mask.data, at};
			*sign = ELLIPSIS_SHOWN;
			*tail = behind(mask, at + strlen(ELLIPSIS));
			return true;
		}
	}
	if (mask.len >= strlen(STARS) &&
		equals(behind(mask, mask.len - strlen(STARS)), STARS))
	{
		*head = (TarxKeysSpan) {mask.data, mask.len - strlen(STARS)};
		*sign = BULLETS_SHOWN;
		*tail = behind(mask, mask.len);
		return true;
	}
	return false;
}

/* Is there a run of so many of one character? */
static bool
has_run(TarxKeysSpan s, char c, size_t wanted)
{
	size_t		run = 0;

	for (size_t pos = 0; pos < s.len; pos++)
	{
		run = s.data[pos] == c ? run + 1 : 0;
		if (run == wanted)
			return true;
	}
	return false;
}

/*
 * Would somebody who copied a mask from a list have this in hand, from ours or
 * from another's?  No key has the signs that lists show in place of characters.
 */
bool
tarx_keys_looks_masked(TarxKeysSpan value)
{
	static const char *const signs[] = {
		ELLIPSIS, ELLIPSIS_SHOWN, "\xe2\x8b\xaf", BULLET, "\xe2\x97\x8f", "\xe2\xac\xa4",
		"\xe2\x88\x99", "\xe2\x88\x97", "\xef\xbc\x8a", "\xe2\x96\x88", "\xe2\x96\xa0"
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
	{
		if (contains(value, signs[i]))
			return true;
	}
	return has_run(value, '*', STARS_MIN) || has_run(value, '#', HASHES_MIN);
}
