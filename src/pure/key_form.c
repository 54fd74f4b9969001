/*
 * key_form.c
 *	  What an LLM key may look like, and what people paste in its place.
 *
 * A key goes into an HTTP header, so it is printable ASCII without spaces.  The
 * rest is help for people: what is plainly no key, or more than one, is refused
 * with what to do about it, before somebody's provider gets it.  A real key must
 * never be refused for that: where in doubt a text is a key.
 *
 * Invariant: what is said of a text has no part of it, but for a position.
 */
#include "pure/key_form.h"

#include <string.h>

#include "pure/ascii.h"
#include "pure/key_placeholder.h"
#include "pure/key_wrapping.h"
#include "pure/mask.h"
#include "pure/run_ticket.h"
#include "pure/token.h"

/* What is cut off for looking at a text: also U+00A0, U+200B and U+FEFF */
static const char *const blanks[] = {
	" ", "\t", "\n", "\r", "\v", "\f", "\xc2\xa0", "\xe2\x80\x8b", "\xef\xbb\xbf"
};

static bool
trim_once(TarxKeysSpan *text)
{
	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
	{
		size_t		len = strlen(blanks[i]);

		if (tarx_keys_span_begins(*text, blanks[i]))
		{
			*text = tarx_keys_span_from(*text, len);
			return true;
		}
		if (tarx_keys_span_ends(*text, blanks[i]))
		{
			text->len -= len;
			return true;
		}
	}
	return false;
}

/* A platform key or a run ticket, in whatever stands around it */
static bool
has_token(TarxKeysSpan text)
{
	return tarx_keys_span_begins(text, TARX_KEYS_TOKEN_PREFIX) ||
		tarx_keys_span_begins(text, TARX_KEYS_RUN_TICKET_PREFIX) ||
		tarx_keys_check_token_text(text.data, text.len) != TARX_KEYS_TEXT_OK;
}

static TarxKeysSpan
skip_blanks(TarxKeysSpan text)
{
	while (text.len > 0 && memchr(" \t\r\n", text.data[0], 4) != NULL)
		text = tarx_keys_span_from(text, 1);
	return text;
}

/*
 * An object or array with something in double quotes right behind its bracket,
 * or an empty one.  That may be cut off anywhere.
 */
static bool
is_json(TarxKeysSpan text)
{
	TarxKeysSpan inside;

	if (text.len == 0 || (text.data[0] != '{' && text.data[0] != '['))
		return false;
	inside = skip_blanks(tarx_keys_span_from(text, 1));
	while (inside.len > 0 && (inside.data[0] == '{' || inside.data[0] == '['))
		inside = skip_blanks(tarx_keys_span_from(inside, 1));
	return inside.len > 0 &&
		(inside.data[0] == '"' || (text.data[0] == '{' && inside.data[0] == '}'));
}

/* A service account's JSON in base64: {"type": "service_account", laid out in three ways */
static bool
is_json_in_base64(TarxKeysSpan text)
{
	static const char *const starts[] = {
		"eyJ0eXBlIjoic2VydmljZV9hY2NvdW50",
		"eyJ0eXBlIjogInNlcnZpY2VfYWNjb3Vud",
		"eyAidHlwZSI6ICJzZXJ2aWNlX2FjY291bnQi",
		"ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIs",
		"ewogICAgInR5cGUiOiAic2VydmljZV9hY2NvdW50Iiw",
		"ew0KICAidHlwZSI6ICJzZXJ2aWNlX2FjY291bnQiL"
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
	{
		if (text.len >= strlen(starts[i]) && memcmp(text.data, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

/* What a text is instead of a key, if that can be seen */
static TarxKeysKeyProblem
recognize(TarxKeysSpan text)
{
	TarxKeysKeyProblem problem;

	if (has_token(text))
		return TARX_KEYS_KEY_TOKEN;
	if (is_json(text) || is_json_in_base64(text))
		return TARX_KEYS_KEY_JSON;
	if (tarx_keys_span_begins(text, "-----BEGIN "))
		return TARX_KEYS_KEY_PEM;
	if (text.len > TARX_KEYS_VALUE_MAX_BYTES)
		return TARX_KEYS_KEY_TOO_LONG;
	problem = tarx_keys_recognize_placeholder(text);
	if (problem != TARX_KEYS_KEY_OK)
		return problem;
	if (tarx_keys_looks_masked(text))
		return TARX_KEYS_KEY_MASK;
	return tarx_keys_recognize_wrapping(text);
}

/*
 * The first byte that is not printable ASCII, counted from 1.  All before it
 * are, so that is the place of the first such character, too.
 */
static TarxKeysKeyProblem
check_characters(TarxKeysSpan value, size_t *position)
{
	for (size_t i = 0; i < value.len; i++)
	{
		unsigned char c = (unsigned char) value.data[i];

		if (c > ' ' && c < 0x7f)
			continue;
		*position = i + 1;
		return c == ' ' ? TARX_KEYS_KEY_SPACE :
			c < 0x80 ? TARX_KEYS_KEY_CONTROL : TARX_KEYS_KEY_NOT_ASCII;
	}
	return TARX_KEYS_KEY_OK;
}

/*
 * Check a key value.  Where the problem is a character, *position is its place,
 * counted from 1 in characters; else 0.
 */
TarxKeysKeyProblem
tarx_keys_check_key(TarxKeysSpan value, size_t *position)
{
	TarxKeysSpan text = value;
	TarxKeysKeyProblem problem;

	*position = 0;
	if (value.len < TARX_KEYS_VALUE_MIN_BYTES)
		return TARX_KEYS_KEY_TOO_SHORT;
	while (trim_once(&text))
		;
	problem = recognize(text);
	if (problem != TARX_KEYS_KEY_OK)
		return problem;
	if (value.len > TARX_KEYS_VALUE_MAX_BYTES)
		return TARX_KEYS_KEY_TOO_LONG;
	return check_characters(value, position);
}

/*
 * What is wrong, to follow what the text is called: "key_value is a mask".  The
 * last three are followed by the position.
 */
const char *
tarx_keys_key_problem(TarxKeysKeyProblem problem)
{
	switch (problem)
	{
		case TARX_KEYS_KEY_OK:
			return "is valid";
		case TARX_KEYS_KEY_TOO_SHORT:
			return "is too short";
		case TARX_KEYS_KEY_TOO_LONG:
			return "is too long";
		case TARX_KEYS_KEY_TOKEN:
			return "is a platform key or run ticket of tarx_keys, not an LLM key";
		case TARX_KEYS_KEY_JSON:
			return "is a JSON document, not a key";
		case TARX_KEYS_KEY_PEM:
			return "is a certificate or private key in PEM, not an LLM key";
		case TARX_KEYS_KEY_MASK:
			return "is a mask, not a key";
		case TARX_KEYS_KEY_BRACKETS:
			return "stands in brackets";
		case TARX_KEYS_KEY_PLACEHOLDER:
			return "is a placeholder, not a key";
		case TARX_KEYS_KEY_VARIABLE:
			return "names a variable instead of its value";
		case TARX_KEYS_KEY_URL:
			return "is a URL, not only a key";
		case TARX_KEYS_KEY_COMMAND:
			return "is a command, not only a key";
		case TARX_KEYS_KEY_SCHEME:
			return "begins with the scheme of an HTTP header";
		case TARX_KEYS_KEY_HEADER:
			return "begins with a name and a colon, as a header does";
		case TARX_KEYS_KEY_ASSIGNMENT:
			return "is an assignment, not only a key";
		case TARX_KEYS_KEY_QUOTES:
			return "has quotation marks or the like around it";
		case TARX_KEYS_KEY_PUNCTUATION:
			return "ends with a sign that belongs to no key";
		case TARX_KEYS_KEY_SPACE:
			return "has a space at position";
		case TARX_KEYS_KEY_CONTROL:
			return "has a control character at position";
		case TARX_KEYS_KEY_NOT_ASCII:
			return "has a character that is not ASCII at position";
	}
	return "is not valid";
}

/* What to do about it: sentences */
const char *
tarx_keys_key_advice(TarxKeysKeyProblem problem)
{
	switch (problem)
	{
		case TARX_KEYS_KEY_OK:
		case TARX_KEYS_KEY_TOO_SHORT:
		case TARX_KEYS_KEY_TOO_LONG:
			break;
		case TARX_KEYS_KEY_TOKEN:
			return "Pass the key that the LLM provider has issued. Platform keys are for login(), and run tickets for enter_run(); they go to no provider.";
		case TARX_KEYS_KEY_JSON:
			return "Such a thing is a project secret: store it with set_secret(), and let workflows get it by its name. If there is an LLM key in it, pass that alone.";
		case TARX_KEYS_KEY_PEM:
			return "Such a thing is a project secret: store it with set_secret(), and let workflows get it by its name.";
		case TARX_KEYS_KEY_MASK:
		case TARX_KEYS_KEY_PLACEHOLDER:
			return "Pass the key as the provider shows it when it is created.";
		case TARX_KEYS_KEY_BRACKETS:
			return "Leave out the brackets. If what is in them only describes a key, pass the key as the provider shows it when it is created.";
		case TARX_KEYS_KEY_VARIABLE:
			return "Pass the value of the variable, not its name: nothing is expanded here.";
		case TARX_KEYS_KEY_URL:
			return "Leave out the URL, and pass only the key that is in it, behind \"key=\" for example. The address of an endpoint is the argument base_url.";
		case TARX_KEYS_KEY_COMMAND:
			return "Leave out the command, and pass only the key that is in it.";
		case TARX_KEYS_KEY_SCHEME:
			return "Leave out \"Bearer\" or whatever the first word is, and the space behind it: pass only the key.";
		case TARX_KEYS_KEY_HEADER:
			return "Leave out the name and the colon, and \"Bearer\" if it follows: pass only the key.";
		case TARX_KEYS_KEY_ASSIGNMENT:
			return "Leave out the name and the equals sign, \"export\" before them, and quotation marks around the key: pass only the key.";
		case TARX_KEYS_KEY_QUOTES:
			return "Leave out the quotation marks or asterisks, and what stands outside of them: pass only the key.";
		case TARX_KEYS_KEY_PUNCTUATION:
			return "Leave out the comma, semicolon or backslash at the end: pass only the key.";
		case TARX_KEYS_KEY_SPACE:
		case TARX_KEYS_KEY_CONTROL:
			return "A key is printable ASCII without spaces. Leave out white space and whatever stands around the key: pass only the key.";
		case TARX_KEYS_KEY_NOT_ASCII:
			return "A key is printable ASCII without spaces, because no HTTP header carries anything else. Copy it again from where the provider shows it.";
	}
	return "A key has 4 to 8192 bytes of printable ASCII without spaces.";
}
