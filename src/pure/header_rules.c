/*
 * header_rules.c
 *	  Which HTTP headers a key, or a provider's row, may bring.
 *
 * A name is a token of RFC 9110.  Headers that say where a request goes, or where
 * it ends, are refused: they could make a proxy send it, and the key with it,
 * elsewhere.
 */
#include "pure/header_rules.h"

#include "pure/ascii.h"

#define lengthof(array)	(sizeof(array) / sizeof((array)[0]))

/* They say where a request goes or where it ends; those with a "*" stand for all that begin so. */
static const char *const routing[] = {
	"connection", "content-length", "forwarded", "host", "http2-settings", "keep-alive", "proxy-*",
	"te", "trailer", "transfer-encoding", "upgrade", "x-forwarded-*", "x-host",
	"x-http-host-override", "x-http-method-override", "x-original-host", "x-original-url",
	"x-rewrite-url"
};

/* These carry keys, or what a browser would add. */
static const char *const credentials[] = {
	"api-key", "authorization", "cookie", "set-cookie", "x-api-key", "x-goog-api-key"
};

static bool
is_token_char(char c)
{
	return tarx_keys_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_listed(TarxKeysSpan name, const char *entry)
{
	TarxKeysSpan start = tarx_keys_span_of(entry);

	if (!tarx_keys_span_ends(start, "*"))
		return tarx_keys_span_same(name, start);
	start.len--;
	return name.len >= start.len &&
		tarx_keys_span_same(tarx_keys_span_first(name, start.len), start);
}

static bool
is_in(TarxKeysSpan name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (is_listed(name, list[i]))
			return true;
	}
	return false;
}

/* May a provider's row name this header? */
TarxKeysHeaderProblem
tarx_keys_check_header_name(TarxKeysSpan name)
{
	if (name.len > TARX_KEYS_HEADER_NAME_MAX)
		return TARX_KEYS_HEADER_TOO_LONG;
	for (size_t i = 0; i < name.len; i++)
	{
		if (!is_token_char(name.data[i]))
			return TARX_KEYS_HEADER_NO_TOKEN;
	}
	if (name.len == 0)
		return TARX_KEYS_HEADER_NO_TOKEN;
	return is_in(name, routing, lengthof(routing)) ? TARX_KEYS_HEADER_ROUTES : TARX_KEYS_HEADER_OK;
}

static bool
is_printable(TarxKeysSpan value)
{
	for (size_t i = 0; i < value.len; i++)
	{
		if (!tarx_keys_is_printable(value.data[i]))
			return false;
	}
	return value.len > 0;
}

/* May a provider's row have this header? */
TarxKeysHeaderProblem
tarx_keys_check_header(TarxKeysSpan name, TarxKeysSpan value)
{
	TarxKeysHeaderProblem problem = tarx_keys_check_header_name(name);

	if (problem == TARX_KEYS_HEADER_OK &&
		(value.len > TARX_KEYS_HEADER_VALUE_MAX || !is_printable(value)))
		return TARX_KEYS_HEADER_BAD_VALUE;
	return problem;
}

/* May a key bring this header? */
TarxKeysHeaderProblem
tarx_keys_check_key_header(TarxKeysSpan name, TarxKeysSpan value)
{
	if (is_in(name, credentials, lengthof(credentials)))
		return TARX_KEYS_HEADER_IS_CREDENTIAL;
	return tarx_keys_check_header(name, value);
}

/* What is wrong with a header, to follow its name in a message */
const char *
tarx_keys_header_problem(TarxKeysHeaderProblem problem)
{
	switch (problem)
	{
		case TARX_KEYS_HEADER_OK:
			break;
		case TARX_KEYS_HEADER_NO_TOKEN:
			return "has a name that is no HTTP token";
		case TARX_KEYS_HEADER_TOO_LONG:
			return "has a name of more than 128 characters";
		case TARX_KEYS_HEADER_ROUTES:
			return "decides where a request goes, and so is not allowed";
		case TARX_KEYS_HEADER_IS_CREDENTIAL:
			return "carries a credential of its own, and so is not allowed";
		case TARX_KEYS_HEADER_BAD_VALUE:
			return "must have 1 to 2048 characters of printable ASCII as its value";
	}
	return "is all right";
}
