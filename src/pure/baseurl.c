/*
 * baseurl.c
 *	  Checks the base URL of a provider key and puts it into canonical form.
 *
 * Invariants:
 *
 * - What is accepted has one reading.  Anything on which URL parsers are known
 *	 to disagree (user info, backslashes, white space, escaped host names, odd
 *	 spellings of addresses, dot segments, empty segments) is refused, never
 *	 repaired.  The only changes are: scheme and host become lower case, the
 *	 scheme's default port goes, an IPv6 address gets its canonical text, and a
 *	 slash at the end goes, so that paths that begin with one can be appended.
 * - A canonical form is accepted again, unchanged, with the same list of
 *	 private hosts.
 * - No byte outside of the given ones is read, nothing is allocated, no locale
 *	 is consulted and no name is looked up.
 * - No byte of the input gets into an error message: a URL that is refused for
 *	 its user info or query may hold a credential.
 */
#include "pure/baseurl.h"

#include <string.h>

#include "pure/ascii.h"
#include "pure/private_hosts.h"
#include "pure/url_host.h"

typedef struct UrlParts
{
	bool		https;
	bool		bracketed;		/* there were brackets; host is without them */
	bool		has_port;
	TarxKeysSpan host;
	TarxKeysSpan port;
	TarxKeysSpan path;			/* empty, or starts with a slash */
	unsigned int port_number;	/* the scheme's own without a port; 0 if it is
								 * malformed */
} UrlParts;

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
take_scheme(TarxKeysSpan *rest, bool *https)
{
	TarxKeysSpan scheme = {rest->data, 0};

	while (scheme.len < rest->len &&
		   (tarx_keys_is_alnum(rest->data[scheme.len]) ||
			memchr("+-.", rest->data[scheme.len], 3) != NULL))
		scheme.len++;

	if (scheme.len == 0 || rest->len - scheme.len < 3 ||
		memcmp(rest->data + scheme.len, "://", 3) != 0)
		return TARX_KEYS_BASEURL_SYNTAX;

	*https = tarx_keys_span_is(scheme, "https");
	if (!*https && !tarx_keys_span_is(scheme, "http"))
		return TARX_KEYS_BASEURL_SCHEME;

	*rest = tarx_keys_span_from(*rest, scheme.len + 3);
	return TARX_KEYS_BASEURL_OK;
}

/* Split "host", "host:port", "[host]" or "[host]:port". */
static TarxKeysBaseUrlStatus
split_authority(TarxKeysSpan authority, UrlParts *parts)
{
	bool		bracketed = authority.len > 0 && authority.data[0] == '[';
	char		end = bracketed ? ']' : ':';
	TarxKeysSpan rest = tarx_keys_span_from(authority, bracketed ? 1 : 0);
	TarxKeysSpan host = {rest.data, 0};

	while (host.len < rest.len && rest.data[host.len] != end)
		host.len++;
	rest = tarx_keys_span_from(rest, host.len);

	if (bracketed)
	{
		if (rest.len == 0)
			return TARX_KEYS_BASEURL_HOST;	/* never closed */
		rest = tarx_keys_span_from(rest, 1);
		if (rest.len > 0 && rest.data[0] != ':')
			return TARX_KEYS_BASEURL_HOST;
	}

	parts->bracketed = bracketed;
	parts->host = host;
	parts->has_port = rest.len > 0;
	if (parts->has_port)
		parts->port = tarx_keys_span_from(rest, 1);
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
	parts->path = tarx_keys_span_from(rest, authority.len);

	if (tarx_keys_span_has(authority, '@'))
		return TARX_KEYS_BASEURL_USERINFO;
	if (tarx_keys_span_has(parts->path, '?') || tarx_keys_span_has(parts->path, '#'))
		return TARX_KEYS_BASEURL_QUERY;
	return split_authority(authority, parts);
}

/*
 * May requests go there?  A public host needs https; every other host, and http,
 * an entry in the list of private hosts, which can admit no metadata service.
 */
static TarxKeysBaseUrlStatus
check_destination(const UrlParts *parts, const TarxKeysUrlHost *host,
				  TarxKeysSpan private_hosts)
{
	if (tarx_keys_url_host_is_metadata(host))
		return TARX_KEYS_BASEURL_METADATA;
	if (!(parts->https && tarx_keys_url_host_is_public(host)) &&
		!tarx_keys_private_hosts_admit(private_hosts, host, parts->https, parts->port_number))
		return parts->https ? TARX_KEYS_BASEURL_PRIVATE : TARX_KEYS_BASEURL_SCHEME;
	return host->canonical ? TARX_KEYS_BASEURL_OK : TARX_KEYS_BASEURL_HOST;
}

static TarxKeysBaseUrlStatus
check_host(UrlParts *parts, TarxKeysSpan private_hosts, TarxKeysBaseUrl *out)
{
	TarxKeysUrlHost host;
	TarxKeysBaseUrlStatus status;

	if (!tarx_keys_url_host_read(parts->host, parts->bracketed, &host))
		return TARX_KEYS_BASEURL_HOST;
	parts->port_number = parts->https ? 443 : 80;
	if (parts->has_port && !tarx_keys_url_port_read(parts->port, &parts->port_number))
		parts->port_number = 0;
	status = check_destination(parts, &host, private_hosts);
	if (status == TARX_KEYS_BASEURL_OK && parts->port_number == 0)
		status = TARX_KEYS_BASEURL_PORT;
	memcpy(out->host, host.text, sizeof(out->host));
	return status;
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
 * not empty, "." or ".." in front of a semicolon, not with escaped dots either.  Some
 * servers cut off what a semicolon begins, and then read "/..;x/" as "/../".
 */
static bool
check_segment(TarxKeysSpan segment)
{
	static const char punctuation[] = "-._~!$&'()*+,;=:@";
	bool		is_cut_off = false;
	size_t		bytes = 0;
	size_t		dots = 0;

	for (size_t i = 0; i < segment.len; i++)
	{
		int			byte = (unsigned char) segment.data[i];

		if (byte == '%')
		{
			if (segment.len - i < 3 || tarx_keys_hex_value(segment.data[i + 1]) < 0 ||
				tarx_keys_hex_value(segment.data[i + 2]) < 0)
				return false;
			byte = tarx_keys_hex_value(segment.data[i + 1]) * 16 +
				tarx_keys_hex_value(segment.data[i + 2]);
			if (!escaped_byte_ok(byte))
				return false;
			i += 2;
		}
		else if (!tarx_keys_is_alnum(segment.data[i]) &&
				 memchr(punctuation, byte, sizeof(punctuation) - 1) == NULL)
			return false;
		is_cut_off = is_cut_off || byte == ';';
		if (is_cut_off)
			continue;
		bytes++;
		if (byte == '.')
			dots++;
	}

	/* three dots or more are an ordinary name */
	return segment.len == 0 || dots != bytes || bytes > 2;
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
		path = tarx_keys_span_from(path, segment.len + 1);
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
	parts->port_number != (parts->https ? 443 : 80);
	TarxKeysSpan path = parts->path;

	if (path.len > 0 && path.data[path.len - 1] == '/')
		path.len--;
	if (!append(out, scheme, strlen(scheme)) ||
		(parts->bracketed && !append(out, "[", 1)) ||
		!append(out, out->host, strlen(out->host)) ||
		(parts->bracketed && !append(out, "]", 1)) ||
		(keep_port && !append(out, ":", 1)) ||
		(keep_port && !append(out, parts->port.data, parts->port.len)))
		return TARX_KEYS_BASEURL_TOO_LONG;
	out->path_at = out->len;
	return append(out, path.data, path.len) ?
		TARX_KEYS_BASEURL_OK : TARX_KEYS_BASEURL_TOO_LONG;
}

/* Does the work of tarx_keys_baseurl_canonicalize(); *out is zero at first. */
static TarxKeysBaseUrlStatus
canonicalize(TarxKeysSpan url, TarxKeysSpan private_hosts, TarxKeysBaseUrl *out)
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
	status = take_scheme(&url, &parts.https);
	if (status != TARX_KEYS_BASEURL_OK)
		return status;
	status = split_rest(url, &parts);
	if (status != TARX_KEYS_BASEURL_OK)
		return status;
	status = check_host(&parts, private_hosts, out);
	if (status != TARX_KEYS_BASEURL_OK)
		return status;
	if (!check_path(parts.path))
		return TARX_KEYS_BASEURL_PATH;
	return assemble(&parts, out);
}

/*
 * Check the len bytes at url, which need no terminator, and write the
 * canonical form to *out.  private_hosts is the list of hosts that are admitted
 * though they are not public; it relaxes no other rule.  On any status but
 * TARX_KEYS_BASEURL_OK every byte of *out is zero.  out must not be NULL nor
 * overlap url.
 */
TarxKeysBaseUrlStatus
tarx_keys_baseurl_canonicalize(const char *url, size_t len,
							   TarxKeysSpan private_hosts, TarxKeysBaseUrl *out)
{
	TarxKeysSpan given = {url, len};
	TarxKeysBaseUrlStatus status;

	memset(out, 0, sizeof(*out));
	status = canonicalize(given, private_hosts, out);

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
		case TARX_KEYS_BASEURL_METADATA:
			return "base URL must not name the metadata service of a cloud";
		case TARX_KEYS_BASEURL_UNKNOWN_PATH:
			return "base URL has a path that this provider does not know";
	}
	return "base URL is not valid";
}
