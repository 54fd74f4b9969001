/*
 * baseurl.c
 *	  Checks the base URL of a provider key and puts it into canonical form.
 *
 * Invariants:
 *
 * - A URL that is accepted can be read in one way only.  URL parsers are known to
 *	 disagree on user info, backslashes, white space, escaped host names, odd
 *	 spellings of addresses, dot segments and empty segments.  These are refused,
 *	 never repaired.  Only this is changed: scheme and host become lower case, the
 *	 scheme's default port is removed, an IPv6 address gets its canonical text.
 * - A canonical form is accepted again, unchanged, in the same mode.
 * - Nothing beyond the given bytes is read, nothing is allocated, no locale
 *	 matters and no name is looked up.
 * - No error message contains a byte of the input: a URL that is refused for its
 *	 user info or query may contain a credential.
 */
#include "pure/baseurl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "pure/public_host.h"
#include "pure/text_rules.h"

#define HOST_NAME_MAX_LEN	253
#define LABEL_MAX_LEN		63

typedef struct UrlParts
{
	bool		https;
	bool		bracketed;		/* there were brackets; host is without them */
	bool		has_port;
	TarxKeysSpan host;
	TarxKeysSpan port;			/* may be anything until check_port() */
	TarxKeysSpan path;			/* empty, or starts with a slash */
} UrlParts;

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char
to_lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char) (c - 'A' + 'a');
	return c;
}

static bool
is_alnum(char c)
{
	char		lower = to_lower(c);

	return is_digit(c) || (lower >= 'a' && lower <= 'z');
}

/* The value of a hexadecimal digit, or -1 if c is not one */
static int
hex_value(char c)
{
	char		lower = to_lower(c);

	if (is_digit(c))
		return c - '0';
	if (lower >= 'a' && lower <= 'f')
		return lower - 'a' + 10;
	return -1;
}

static bool
span_has(TarxKeysSpan span, char c)
{
	return span.len > 0 && memchr(span.data, c, span.len) != NULL;
}

/* Is span equal to a text in lower case, ignoring case? */
static bool
span_is(TarxKeysSpan span, const char *text)
{
	if (span.len != strlen(text))
		return false;
	for (size_t i = 0; i < span.len; i++)
	{
		if (to_lower(span.data[i]) != text[i])
			return false;
	}
	return true;
}

/* The rest of span after its first n bytes; it must have so many. */
static TarxKeysSpan
span_from(TarxKeysSpan span, size_t n)
{
	TarxKeysSpan rest = {span.data + n, span.len - n};

	return rest;
}

/*
 * Refuse characters that no part of a base URL may contain.  NUL is one of them,
 * and later steps treat the host as a C string.
 */
static TarxKeysBaseUrlStatus
check_characters(TarxKeysSpan url)
{
	for (size_t i = 0; i < url.len; i++)
	{
		unsigned char c = (unsigned char) url.data[i];

		if (c <= 0x20 || c >= 0x7f)
			return TARX_KEYS_BASEURL_CHARACTERS;
		if (c == '\\')
			return TARX_KEYS_BASEURL_SYNTAX;
	}
	return TARX_KEYS_BASEURL_OK;
}

/* Remove "scheme://" from the front of *rest. */
static TarxKeysBaseUrlStatus
take_scheme(TarxKeysSpan *rest, bool allow_insecure, bool *https)
{
	TarxKeysSpan scheme = {rest->data, 0};

	while (scheme.len < rest->len &&
		   (is_alnum(rest->data[scheme.len]) ||
			memchr("+-.", rest->data[scheme.len], 3) != NULL))
		scheme.len++;

	if (scheme.len == 0 || rest->len - scheme.len < 3 ||
		memcmp(rest->data + scheme.len, "://", 3) != 0)
		return TARX_KEYS_BASEURL_SYNTAX;

	*https = span_is(scheme, "https");
	if (!*https && !(allow_insecure && span_is(scheme, "http")))
		return TARX_KEYS_BASEURL_SCHEME;

	*rest = span_from(*rest, scheme.len + 3);
	return TARX_KEYS_BASEURL_OK;
}

/* Split "host", "host:port", "[host]" or "[host]:port". */
static TarxKeysBaseUrlStatus
split_authority(TarxKeysSpan authority, UrlParts *parts)
{
	bool		bracketed = authority.len > 0 && authority.data[0] == '[';
	char		end = bracketed ? ']' : ':';
	TarxKeysSpan rest = span_from(authority, bracketed ? 1 : 0);
	TarxKeysSpan host = {rest.data, 0};

	while (host.len < rest.len && rest.data[host.len] != end)
		host.len++;
	rest = span_from(rest, host.len);

	if (bracketed)
	{
		if (rest.len == 0)
			return TARX_KEYS_BASEURL_HOST;	/* never closed */
		rest = span_from(rest, 1);
		if (rest.len > 0 && rest.data[0] != ':')
			return TARX_KEYS_BASEURL_HOST;
	}

	parts->bracketed = bracketed;
	parts->host = host;
	parts->has_port = rest.len > 0;
	if (parts->has_port)
		parts->port = span_from(rest, 1);
	return TARX_KEYS_BASEURL_OK;
}

/*
 * Split the part after "scheme://".  The authority ends at the first of "/?#", so
 * an '@' behind that is part of the path, not user info.
 */
static TarxKeysBaseUrlStatus
split_rest(TarxKeysSpan rest, UrlParts *parts)
{
	TarxKeysSpan authority = {rest.data, 0};

	while (authority.len < rest.len &&
		   memchr("/?#", rest.data[authority.len], 3) == NULL)
		authority.len++;
	parts->path = span_from(rest, authority.len);

	if (span_has(authority, '@'))
		return TARX_KEYS_BASEURL_USERINFO;
	if (span_has(parts->path, '?') || span_has(parts->path, '#'))
		return TARX_KEYS_BASEURL_QUERY;
	return split_authority(authority, parts);
}

/*
 * Copy a host name in lower case to host.  Returns false unless all its labels
 * are well-formed.  So a dot at the end is refused, because the last label would
 * be empty, and so is any percent sign.
 */
static bool
copy_host_name(TarxKeysSpan name, char *host)
{
	size_t		label_len = 0;

	if (name.len == 0 || name.len > HOST_NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < name.len; i++)
	{
		char		c = to_lower(name.data[i]);

		if (c == '.')
		{
			if (label_len == 0 || name.data[i - 1] == '-')
				return false;
			label_len = 0;
		}
		else
		{
			if (!is_alnum(c) && !(c == '-' && label_len > 0))
				return false;
			if (++label_len > LABEL_MAX_LEN)
				return false;
		}
		host[i] = c;
	}
	host[name.len] = '\0';
	return label_len > 0 && name.data[name.len - 1] != '-';
}

/*
 * Would a URL parser or resolver take this host for an IPv4 address?  By the
 * WHATWG URL standard it would if the last label is all digits, or "0x" with or
 * without hexadecimal digits.  There is no such top-level domain.
 */
static bool
ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *label = dot != NULL ? dot + 1 : host;
	bool		hex = label[0] == '0' && label[1] == 'x';

	for (const char *c = hex ? label + 2 : label; *c != '\0'; c++)
	{
		if (hex ? hex_value(*c) < 0 : !is_digit(*c))
			return false;
	}
	return true;
}

/*
 * Check a host that ends in a number.  inet_aton() reads every spelling that a
 * resolver might read, so a private address is called private in any spelling.
 * It also ignores everything after white space, but a host has none.  Only the
 * canonical spelling is accepted.
 */
static TarxKeysBaseUrlStatus
check_ipv4(const char *host, bool allow_insecure)
{
	struct in_addr address;
	char		text[INET_ADDRSTRLEN];

	if (inet_aton(host, &address) == 0)
		return TARX_KEYS_BASEURL_HOST;
	if (!allow_insecure && !tarx_keys_ipv4_is_public((const uint8_t *) &address))
		return TARX_KEYS_BASEURL_PRIVATE;
	if (inet_ntop(AF_INET, &address, text, sizeof(text)) == NULL ||
		strcmp(host, text) != 0)
		return TARX_KEYS_BASEURL_HOST;
	return TARX_KEYS_BASEURL_OK;
}

/*
 * Check the text between the brackets, and write the address in its canonical
 * form to host.  inet_pton() knows no zone ids, so they are refused.
 */
static TarxKeysBaseUrlStatus
canonicalize_ipv6(TarxKeysSpan literal, bool allow_insecure, char *host,
				  size_t host_size)
{
	struct in6_addr address;
	char		text[INET6_ADDRSTRLEN];

	if (literal.len >= sizeof(text))
		return TARX_KEYS_BASEURL_HOST;
	memcpy(text, literal.data, literal.len);
	text[literal.len] = '\0';
	if (inet_pton(AF_INET6, text, &address) != 1 ||
		inet_ntop(AF_INET6, &address, host, (socklen_t) host_size) == NULL)
		return TARX_KEYS_BASEURL_HOST;
	if (!allow_insecure && !tarx_keys_ipv6_is_public(address.s6_addr))
		return TARX_KEYS_BASEURL_PRIVATE;
	return TARX_KEYS_BASEURL_OK;
}

static TarxKeysBaseUrlStatus
canonicalize_host(const UrlParts *parts, bool allow_insecure,
				  TarxKeysBaseUrl *out)
{
	if (parts->bracketed)
		return canonicalize_ipv6(parts->host, allow_insecure, out->host,
								 sizeof(out->host));
	if (!copy_host_name(parts->host, out->host))
		return TARX_KEYS_BASEURL_HOST;
	if (ends_in_number(out->host))
		return check_ipv4(out->host, allow_insecure);
	if (!allow_insecure && !tarx_keys_host_name_is_public(out->host))
		return TARX_KEYS_BASEURL_PRIVATE;
	return TARX_KEYS_BASEURL_OK;
}

/* Leading zeros are refused, so each number has one spelling. */
static bool
check_port(TarxKeysSpan port)
{
	unsigned int value = 0;

	if (port.len == 0 || port.len > 5 || port.data[0] == '0')
		return false;
	for (size_t i = 0; i < port.len; i++)
	{
		if (!is_digit(port.data[i]))
			return false;
		value = value * 10 + (unsigned int) (port.data[i] - '0');
	}
	return value <= 65535;
}

/*
 * May a path contain this byte in its escaped form?  Not if a program that decodes
 * the path too early, or once too often, would read it in another way.
 */
static bool
escaped_byte_ok(int byte)
{
	return byte >= 0x20 && byte != 0x7f &&
		byte != '/' && byte != '\\' && byte != '%';
}

/*
 * Check one segment: it has only characters that RFC 3986 allows (pchar), and is
 * not "." or "..", not with escaped dots either.
 */
static bool
check_segment(TarxKeysSpan segment)
{
	static const char punctuation[] = "-._~!$&'()*+,;=:@";
	size_t		bytes = 0;
	size_t		dots = 0;

	for (size_t i = 0; i < segment.len; i++)
	{
		int			byte = (unsigned char) segment.data[i];

		if (byte == '%')
		{
			if (segment.len - i < 3 || hex_value(segment.data[i + 1]) < 0 ||
				hex_value(segment.data[i + 2]) < 0)
				return false;
			byte = hex_value(segment.data[i + 1]) * 16 +
				hex_value(segment.data[i + 2]);
			if (!escaped_byte_ok(byte))
				return false;
			i += 2;
		}
		else if (!is_alnum(segment.data[i]) &&
				 memchr(punctuation, byte, sizeof(punctuation) - 1) == NULL)
			return false;
		bytes++;
		if (byte == '.')
			dots++;
	}

	/* three dots or more are an ordinary name */
	return dots != bytes || (bytes != 1 && bytes != 2);
}

/* Only the last segment may be empty: "/" and "/v1/" are fine, "//" is not. */
static bool
check_path(TarxKeysSpan path)
{
	while (path.len > 0)
	{
		TarxKeysSpan segment = {path.data + 1, 0};

		while (segment.len < path.len - 1 && segment.data[segment.len] != '/')
			segment.len++;
		path = span_from(path, segment.len + 1);
		if (segment.len == 0 && path.len > 0)
			return false;
		if (!check_segment(segment))
			return false;
	}
	return true;
}

/* Append to out->url; returns false if that would exceed TARX_KEYS_BASEURL_MAX. */
static bool
append(TarxKeysBaseUrl *out, const char *text, size_t len)
{
	if (len > TARX_KEYS_BASEURL_MAX - out->len)
		return false;
	if (len > 0)
		memcpy(out->url + out->len, text, len);
	out->len += len;
	out->url[out->len] = '\0';
	return true;
}

/*
 * Put the canonical URL together.  It can be longer than the given one, because an
 * IPv6 address can grow: "::ffff:7f00:1" becomes "::ffff:127.0.0.1".
 */
static TarxKeysBaseUrlStatus
assemble(const UrlParts *parts, TarxKeysBaseUrl *out)
{
	const char *scheme = parts->https ? "https://" : "http://";
	bool		keep_port = parts->has_port &&
	!span_is(parts->port, parts->https ? "443" : "80");

	if (!append(out, scheme, strlen(scheme)) ||
		(parts->bracketed && !append(out, "[", 1)) ||
		!append(out, out->host, strlen(out->host)) ||
		(parts->bracketed && !append(out, "]", 1)) ||
		(keep_port && !append(out, ":", 1)) ||
		(keep_port && !append(out, parts->port.data, parts->port.len)) ||
		!append(out, parts->path.data, parts->path.len))
		return TARX_KEYS_BASEURL_TOO_LONG;
	return TARX_KEYS_BASEURL_OK;
}

/* Does the work of tarx_keys_baseurl_canonicalize(); *out is zero at first. */
static TarxKeysBaseUrlStatus
canonicalize(TarxKeysSpan url, bool allow_insecure, TarxKeysBaseUrl *out)
{
	UrlParts	parts = {0};
	TarxKeysBaseUrlStatus status;

	if (url.data == NULL || url.len == 0)
		return TARX_KEYS_BASEURL_EMPTY;
	if (url.len > TARX_KEYS_BASEURL_MAX)
		return TARX_KEYS_BASEURL_TOO_LONG;
	status = check_characters(url);
	if (status != TARX_KEYS_BASEURL_OK)
		return status;
	status = take_scheme(&url, allow_insecure, &parts.https);
	if (status != TARX_KEYS_BASEURL_OK)
		return status;
	status = split_rest(url, &parts);
	if (status != TARX_KEYS_BASEURL_OK)
		return status;
	status = canonicalize_host(&parts, allow_insecure, out);
	if (status != TARX_KEYS_BASEURL_OK)
		return status;
	if (parts.has_port && !check_port(parts.port))
		return TARX_KEYS_BASEURL_PORT;
	if (!check_path(parts.path))
		return TARX_KEYS_BASEURL_PATH;
	return assemble(&parts, out);
}

/*
 * Check the len bytes at url, which need no terminator, and write the canonical
 * form to *out.  allow_insecure admits http, and hosts that are not public; it
 * relaxes no other rule.  With any other status than TARX_KEYS_BASEURL_OK every
 * byte of *out is zero.  out must not be NULL, and must not overlap url.
 */
TarxKeysBaseUrlStatus
tarx_keys_baseurl_canonicalize(const char *url, size_t len,
							   bool allow_insecure, TarxKeysBaseUrl *out)
{
	TarxKeysSpan given = {url, len};
	TarxKeysBaseUrlStatus status;

	memset(out, 0, sizeof(*out));
	status = canonicalize(given, allow_insecure, out);

	/* a caller that ignores the status must not find a host half checked */
	if (status != TARX_KEYS_BASEURL_OK)
		memset(out, 0, sizeof(*out));
	return status;
}

/*
 * The text for an error message, never NULL.  It is a constant, so it contains no
 * part of the input.
 */
const char *
tarx_keys_baseurl_problem(TarxKeysBaseUrlStatus status)
{
	/* no default, so that the compiler reports a status without a text */
	switch (status)
	{
		case TARX_KEYS_BASEURL_OK:
			return "base URL is acceptable";
		case TARX_KEYS_BASEURL_EMPTY:
			return "base URL is empty";
		case TARX_KEYS_BASEURL_TOO_LONG:
			return "base URL is too long";
		case TARX_KEYS_BASEURL_CHARACTERS:
			return "base URL must not contain spaces, control characters or non-ASCII characters";
		case TARX_KEYS_BASEURL_SYNTAX:
			return "base URL must have the form https://host/path, without backslashes";
		case TARX_KEYS_BASEURL_SCHEME:
			return "base URL must use https";
		case TARX_KEYS_BASEURL_USERINFO:
			return "base URL must not contain a user name or password";
		case TARX_KEYS_BASEURL_QUERY:
			return "base URL must not contain a query or fragment";
		case TARX_KEYS_BASEURL_HOST:
			return "base URL host is malformed, or an address not in its canonical form";
		case TARX_KEYS_BASEURL_PORT:
			return "base URL port must be a number from 1 to 65535 without leading zeros";
		case TARX_KEYS_BASEURL_PATH:
			return "base URL path is malformed, or has empty, \".\" or \"..\" segments";
		case TARX_KEYS_BASEURL_PRIVATE:
			return "base URL must name a public host";
	}
	return "base URL is not valid";
}

/*
 * Is host a name below suffix?  A suffix is a dot and a domain name, such as
 * ".openai.azure.com"; any other form matches nothing.  The host has at least one
 * label before the suffix, and none of these labels is empty.  ASCII case does not
 * matter, as in the DNS.
 */
bool
tarx_keys_baseurl_host_has_suffix(const char *host, const char *suffix)
{
	size_t		host_len;
	size_t		suffix_len;
	size_t		before;

	if (host == NULL || suffix == NULL)
		return false;
	host_len = strlen(host);
	suffix_len = strlen(suffix);
	if (suffix_len < 2 || suffix[0] != '.' || host_len <= suffix_len)
		return false;
	before = host_len - suffix_len;

	for (size_t i = 0; i < suffix_len; i++)
	{
		if (to_lower(host[before + i]) != to_lower(suffix[i]))
			return false;
	}

	/* a dot ends each label before the suffix; the suffix ends the last one */
	for (size_t i = 0; i <= before; i++)
	{
		if (host[i] == '.' && (i == 0 || host[i - 1] == '.'))
			return false;
	}
	return true;
}
