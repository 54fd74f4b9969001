/*
 * template.c
 *	  Divides a template into literals and references, in one pass.
 *
 *		${secrets.NAME}		a reference; NAME is a valid name of a secret
 *		$${					a literal "${"
 *		${...				anything else that starts like this: malformed
 *
 * The rest is literal, also a "$" before any other character.  The template is
 * read from left to right: "$$${" is a literal "$${".
 *
 * A malformed reference ends with its "}".  If the line ends or another reference
 * starts first, it is unterminated.  Then it ends before the first character that
 * no reference contains, so that an error that shows it shows nothing else of the
 * template.
 *
 * Templates need not be UTF-8.  The bytes that matter are ASCII, and no encoding
 * that a database can have uses these within other characters.
 *
 * Invariants: nothing is allocated, nothing beyond the template is read, and each
 * of its bytes is read a bounded number of times.
 */
#include "pure/template.h"

#include <string.h>

#define NAMESPACE	"secrets."

/* Is there a "${" at pos, which may be the end? */
static bool
opens(TarxKeysSpan s, size_t pos)
{
	return s.len - pos >= 2 && s.data[pos] == '$' && s.data[pos + 1] == '{';
}

/* Is there a "$${" at pos, which is before the end? */
static bool
is_escape(TarxKeysSpan s, size_t pos)
{
	return s.data[pos] == '$' && opens(s, pos + 1);
}

/* The end of the literal that starts at pos */
static size_t
literal_end(TarxKeysSpan s, size_t pos)
{
	while (pos < s.len)
	{
		const char *dollar = memchr(s.data + pos, '$', s.len - pos);

		if (dollar == NULL)
			return s.len;
		pos = (size_t) (dollar - s.data);
		if (opens(s, pos) || is_escape(s, pos))
			return pos;
		pos++;
	}
	return pos;
}

/* The place of the "}" of the reference at the start; 0 if it is unterminated */
static size_t
closing_brace(TarxKeysSpan s)
{
	for (size_t pos = 2; pos < s.len; pos++)
	{
		if (s.data[pos] == '}')
			return pos;
		if (s.data[pos] == '\n' || s.data[pos] == '\r' || opens(s, pos))
			return 0;
	}
	return 0;
}

/* The end of the unterminated reference at the start */
static size_t
unterminated_end(TarxKeysSpan s)
{
	size_t		pos = 2;

	while (pos < s.len &&
		   (s.data[pos] == '.' || tarx_keys_is_word(s.data[pos])))
		pos++;
	return pos;
}

/* Make a token of the reference at the start, and return its length. */
static size_t
reference(TarxKeysSpan s, TarxKeysToken *token)
{
	const size_t before = 2 + strlen(NAMESPACE);
	size_t		brace = closing_brace(s);
	size_t		end = brace > 0 ? brace + 1 : unterminated_end(s);

	token->kind = TARX_KEYS_TOKEN_MALFORMED;
	token->text = (TarxKeysSpan) {s.data, end};
	if (brace >= before && memcmp(s.data + 2, NAMESPACE, strlen(NAMESPACE)) == 0 &&
		tarx_keys_check_secret_name_text(s.data + before, brace - before) == TARX_KEYS_TEXT_OK)
	{
		token->kind = TARX_KEYS_TOKEN_REFERENCE;
		token->text = (TarxKeysSpan) {s.data + before, brace - before};
	}
	return end;
}

/*
 * Take the next token from the front of *rest, which is the whole template at
 * first.  Returns false at the end.
 */
bool
tarx_keys_template_next(TarxKeysSpan *rest, TarxKeysToken *token)
{
	size_t		end;

	if (rest->len == 0)
		return false;
	if (opens(*rest, 0))
		end = reference(*rest, token);
	else
	{
		/* the first "$" of "$${" is left out */
		size_t		start = is_escape(*rest, 0) ? 1 : 0;

		end = literal_end(*rest, start > 0 ? 3 : 0);
		token->kind = TARX_KEYS_TOKEN_LITERAL;
		token->text = (TarxKeysSpan) {rest->data + start, end - start};
	}
	rest->data += end;
	rest->len -= end;
	return true;
}
