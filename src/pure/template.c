/*
 * template.c
 *	  Takes a template apart into literals and references, in one pass.
 *
 *		${secrets.NAME}		a reference, NAME as tarx_keys_check_secret_name_text has it
 *		$${					a literal "${"
 *		${...				anything else that starts so: malformed
 *
 * All the rest is literal, a "$" before any other character too.  What is
 * first from the left counts: "$$${" is a literal "$${".
 *
 * A malformed reference ends with its "}".  If the line ends or another one
 * starts before that, it is unterminated, and counts only as far as it can be
 * a reference, so that an error that shows it shows nothing else of the
 * template.
 *
 * The bytes that matter are ASCII, and no encoding that a database can have
 * uses those within other characters, so templates need not be UTF-8.
 * Invariants: nothing is allocated, nothing is read beyond the template, every
 * byte of it is looked at a bounded number of times.
 */
#include "pure/template.h"

#include <string.h>

#define NAMESPACE	"secrets."

/* Does "${" stand at pos, which may be the end? */
static bool
opens(TarxKeysSpan s, size_t pos)
{
	return s.len - pos >= 2 && s.data[pos] == '$' && s.data[pos + 1] == '{';
}

/* Does "$${" stand at pos, which is before the end? */
static bool
is_escape(TarxKeysSpan s, size_t pos)
{
	return s.data[pos] == '$' && opens(s, pos + 1);
}

/* Where the literal that starts at pos ends */
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

/* Where the "}" of the reference at the start is; 0 if it is unterminated. */
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

/* How far an unterminated reference at the start can be one */
static size_t
unterminated_end(TarxKeysSpan s)
{
	size_t		pos = 2;

	while (pos < s.len &&
		   (s.data[pos] == '.' || tarx_keys_is_word(s.data[pos])))
		pos++;
	return pos;
}

/* The reference that "${" at the start begins; returns how long it is. */
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
 * Take the next token off *rest, which is the whole template at first.  False
 * at the end.
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
		/* of "$${" the first "$" is left out */
		size_t		start = is_escape(*rest, 0) ? 1 : 0;

		end = literal_end(*rest, start > 0 ? 3 : 0);
		token->kind = TARX_KEYS_TOKEN_LITERAL;
		token->text = (TarxKeysSpan) {rest->data + start, end - start};
	}
	rest->data += end;
	rest->len -= end;
	return true;
}
