/*-------------------------------------------------------------------------
 *
 * baseurl.c
 *		Check and canonicalise the base URL of a provider key.
 *
 * Invariants:
 *
 * - What is accepted has one reading.  Anything on which URL parsers are known
 *	 to disagree (user info, backslashes, whitespace, escaped host names, odd
 *	 spellings of addresses, dot segments, empty segments) is refused, never
 *	 repaired.  The only rewriting is lower-casing scheme and host, dropping
 *	 the scheme's default port and putting an IPv6 literal in canonical text.
 * - Accepted output is accepted again, unchanged, in the same mode.
 * - No byte outside the len given ones is read, nothing is allocated, no
 *	 locale is consulted and no name is looked up.
 * - No byte of the input reaches an error message: a URL refused for its user
 *	 info or query may hold a credential.
 *
 * Threat assumptions:
 *
 * - Whoever names the base URL may be hostile or mistaken.  Requests to it
 *	 carry the provider key and leave from inside the server's network, so a
 *	 host that is not plainly public is refused unless the caller says
 *	 otherwise: IPv4 by a list of what is not public, IPv6 by a list of what
 *	 is, because most of its space is unassigned.
 * - A public looking name may still resolve to a private address, at once or
 *	 later.  This file cannot see that; whoever connects must judge the address
 *	 connected to.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "pure/baseurl.h"

#define HOST_NAME_MAX_LEN	253
#define LABEL_MAX_LEN		63

/* A piece of the input; not NUL-terminated. */
typedef struct Span
{
	const char *p;
	size_t		len;
} Span;

typedef struct UrlParts
{
	bool		https;
	bool		bracketed;		/* host stood in brackets, which it lacks */
	bool		has_port;
	Span		host;
	Span		port;			/* digits only once check_port() is passed */
	Span		path;			/* empty, or starts with a slash */
} UrlParts;

/* An address prefix in network byte order. */
typedef struct AddressRange
{
	unsigned char prefix[16];
	unsigned int bits;
} AddressRange;

/*
 * IPv4 that is not global unicast, after the IANA special-purpose registry,
 * and one address that is not in it: Azure's host-side "wire server".
 */
static const AddressRange ipv4_not_public[] = {
	{{0}, 8},					/* "this" network */
	{{10}, 8},					/* private */
	{{100, 64}, 10},			/* carrier-grade NAT, some metadata services */
	{{127}, 8},					/* loopback */
	{{168, 63, 129, 16}, 32},	/* Azure wire server */
	{{169, 254}, 16},			/* link-local, most metadata services */
	{{172, 16}, 12},			/* private */
	{{192, 0, 0}, 24},			/* protocol assignments */
	{{192, 0, 2}, 24},			/* documentation */
	{{192, 88, 99}, 24},		/* 6to4 relays */
	{{192, 168}, 16},			/* private */
	{{198, 18}, 15},			/* benchmarking */
	{{198, 51, 100}, 24},		/* documentation */
	{{203, 0, 113}, 24},		/* documentation */
	{{224}, 4},					/* multicast */
	{{240}, 4}					/* reserved, broadcast */
};

/*
 * The only IPv6 space assigned as global unicast.  Loopback, unspecified,
 * unique local, link-local, site-local, multicast, IPv4-mapped and
 * -compatible, and both NAT64 prefixes are all outside it.
 */
static const AddressRange ipv6_public[] = {
	{{0x20}, 3}
};

/*
 * Exceptions within ipv6_public.  6to4 and Teredo hold an IPv4 address, which
 * need not be looked at: nobody needs them to reach a public host.
 */
static const AddressRange ipv6_not_public[] = {
	{{0x20, 0x01, 0x00}, 23},	/* protocol assignments, Teredo */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
	{{0x20, 0x02}, 16},			/* 6to4 */
	{{0x3f, 0xff}, 20}			/* documentation */
};

/*
 * Domains, themselves and all below, that are for local use.  Names of one
 * label need no entry, they are all private.
 */
static const char *const private_domains[] = {
	"localhost",
	"localdomain",
	"local",
	"internal",
	"intranet",
	"lan",
	"home",
	"home.arpa",
	"corp",
	"private",
	"svc",						/* short names within a Kubernetes cluster */
	"consul",
	"docker",
	"test",
	"invalid",
	"onion"
};

/*
 * First labels by which clouds name their metadata service, under domains
 * that are partly public (metadata.goog, for one).
 */
static const char *const metadata_labels[] = {
	"instance-data",
	"metadata"
};

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

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

/* Value of a hexadecimal digit, -1 if c is none. */
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
span_has(Span span, char c)
{
	return span.len > 0 && memchr(span.p, c, span.len) != NULL;
}

/* Does span equal the lower-case text, ignoring case? */
static bool
span_is(Span span, const char *text)
{
	if (span.len != strlen(text))
		return false;
	for (size_t i = 0; i < span.len; i++)
	{
		if (to_lower(span.p[i]) != text[i])
			return false;
	}
	return true;
}

/* The rest of span after its first n bytes; n must not exceed its length. */
static Span
span_from(Span span, size_t n)
{
	Span		rest = {span.p + n, span.len - n};

	return rest;
}

static bool
in_range(const unsigned char *address, const AddressRange *range)
{
	unsigned int whole = range->bits / 8;
	unsigned int rest = range->bits % 8;

	if (memcmp(address, range->prefix, whole) != 0)
		return false;
	return rest == 0 ||
		((address[whole] ^ range->prefix[whole]) >> (8 - rest)) == 0;
}

static bool
in_any_range(const unsigned char *address, const AddressRange *ranges,
			 size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (in_range(address, &ranges[i]))
			return true;
	}
	return false;
}

static bool
ipv4_is_public(const struct in_addr *address)
{
	unsigned char bytes[sizeof(*address)];

	memcpy(bytes, address, sizeof(bytes));
	return !in_any_range(bytes, ipv4_not_public, lengthof(ipv4_not_public));
}

static bool
ipv6_is_public(const struct in6_addr *address)
{
	return in_any_range(address->s6_addr, ipv6_public,
						lengthof(ipv6_public)) &&
		!in_any_range(address->s6_addr, ipv6_not_public,
					  lengthof(ipv6_not_public));
}

/*
 * Refuse what no part of a base URL may contain.  Later steps rely on there
 * being no NUL, since they treat the host as a C string.
 */
static TarxKeysBaseUrlStatus
check_characters(Span url)
{
	for (size_t i = 0; i < url.len; i++)
	{
		unsigned char c = (unsigned char) url.p[i];

		if (c <= 0x20 || c >= 0x7f)
			return TARX_KEYS_BASEURL_CHARACTERS;
		if (c == '\\')
			return TARX_KEYS_BASEURL_SYNTAX;
	}
	return TARX_KEYS_BASEURL_OK;
}

/* Take "scheme://" off the front of *rest. */
static TarxKeysBaseUrlStatus
take_scheme(Span *rest, bool allow_insecure, bool *https)
{
	Span		scheme = {rest->p, 0};

	while (scheme.len < rest->len &&
		   (is_alnum(rest->p[scheme.len]) ||
			memchr("+-.", rest->p[scheme.len], 3) != NULL))
		scheme.len++;

	if (scheme.len == 0 || rest->len - scheme.len < 3 ||
		memcmp(rest->p + scheme.len, "://", 3) != 0)
		return TARX_KEYS_BASEURL_SYNTAX;

	*https = span_is(scheme, "https");
	if (!*https && !(allow_insecure && span_is(scheme, "http")))
		return TARX_KEYS_BASEURL_SCHEME;

	*rest = span_from(*rest, scheme.len + 3);
	return TARX_KEYS_BASEURL_OK;
}

/* Split "host", "host:port", "[host]" or "[host]:port". */
static TarxKeysBaseUrlStatus
split_authority(Span authority, UrlParts *parts)
{
	bool		bracketed = authority.len > 0 && authority.p[0] == '[';
	char		end = bracketed ? ']' : ':';
	Span		rest = span_from(authority, bracketed ? 1 : 0);
	Span		host = {rest.p, 0};

	while (host.len < rest.len && rest.p[host.len] != end)
		host.len++;
	rest = span_from(rest, host.len);

	if (bracketed)
	{
		if (rest.len == 0)
			return TARX_KEYS_BASEURL_HOST;	/* never closed */
		rest = span_from(rest, 1);
		if (rest.len > 0 && rest.p[0] != ':')
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
 * Split what follows "scheme://".  The authority ends at the first of "/?#";
 * an '@' behind that is part of the path, not user info.
 */
static TarxKeysBaseUrlStatus
split_rest(Span rest, UrlParts *parts)
{
	Span		authority = {rest.p, 0};

	while (authority.len < rest.len &&
		   memchr("/?#", rest.p[authority.len], 3) == NULL)
		authority.len++;
	parts->path = span_from(rest, authority.len);

	if (span_has(authority, '@'))
		return TARX_KEYS_BASEURL_USERINFO;
	if (span_has(parts->path, '?') || span_has(parts->path, '#'))
		return TARX_KEYS_BASEURL_QUERY;
	return split_authority(authority, parts);
}

/*
 * Copy a host name in lower case to host, if it is made of well-formed labels.
 * A trailing dot would make an empty last label and so is refused, as is any
 * percent sign.
 */
static bool
copy_host_name(Span name, char *host)
{
	size_t		label_len = 0;

	if (name.len == 0 || name.len > HOST_NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < name.len; i++)
	{
		char		c = to_lower(name.p[i]);

		if (c == '.')
		{
			if (label_len == 0 || name.p[i - 1] == '-')
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
	return label_len > 0 && name.p[name.len - 1] != '-';
}

/*
 * Would a URL parser or resolver take this host for an IPv4 address?  Its last
 * label decides, as in the WHATWG URL standard: all digits, or "0x" and
 * hexadecimal digits, if any.  There is no such top-level domain.
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
 * Check a host that ends in a number.  inet_aton() reads every spelling that
 * a resolver might, so that a private address is reported as such however it
 * is written.  It would also skip whitespace and what follows, but a host has
 * none.  Only the canonical spelling is ever accepted.
 */
static TarxKeysBaseUrlStatus
check_ipv4(const char *host, bool allow_insecure)
{
	struct in_addr address;
	char		text[INET_ADDRSTRLEN];

	if (inet_aton(host, &address) == 0)
		return TARX_KEYS_BASEURL_HOST;
	if (!allow_insecure && !ipv4_is_public(&address))
		return TARX_KEYS_BASEURL_PRIVATE;
	if (inet_ntop(AF_INET, &address, text, sizeof(text)) == NULL ||
		strcmp(host, text) != 0)
		return TARX_KEYS_BASEURL_HOST;
	return TARX_KEYS_BASEURL_OK;
}

/* Is host, in lower case, the domain or a name below it? */
static bool
in_domain(const char *host, const char *domain)
{
	size_t		host_len = strlen(host);
	size_t		domain_len = strlen(domain);

	if (host_len < domain_len ||
		strcmp(host + host_len - domain_len, domain) != 0)
		return false;
	return host_len == domain_len || host[host_len - domain_len - 1] == '.';
}

static bool
name_is_public(const char *host)
{
	Span		first = {host, strcspn(host, ".")};

	/* One label: a machine on the local network, or a search-list name. */
	if (host[first.len] == '\0')
		return false;
	for (size_t i = 0; i < lengthof(private_domains); i++)
	{
		if (in_domain(host, private_domains[i]))
			return false;
	}
	for (size_t i = 0; i < lengthof(metadata_labels); i++)
	{
		if (span_is(first, metadata_labels[i]))
			return false;
	}
	return true;
}

/*
 * Check the inside of "[...]" and write its canonical text to host.  Zone ids
 * are refused because inet_pton() knows none.
 */
static TarxKeysBaseUrlStatus
canonicalize_ipv6(Span literal, bool allow_insecure, char *host,
				  size_t host_size)
{
	struct in6_addr address;
	char		text[INET6_ADDRSTRLEN];

	if (literal.len >= sizeof(text))
		return TARX_KEYS_BASEURL_HOST;
	memcpy(text, literal.p, literal.len);
	text[literal.len] = '\0';
	if (inet_pton(AF_INET6, text, &address) != 1 ||
		inet_ntop(AF_INET6, &address, host, (socklen_t) host_size) == NULL)
		return TARX_KEYS_BASEURL_HOST;
	if (!allow_insecure && !ipv6_is_public(&address))
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
	if (!allow_insecure && !name_is_public(out->host))
		return TARX_KEYS_BASEURL_PRIVATE;
	return TARX_KEYS_BASEURL_OK;
}

/* Leading zeros are refused, so the digits are themselves canonical. */
static bool
check_port(Span port)
{
	unsigned int value = 0;

	if (port.len == 0 || port.len > 5 || port.p[0] == '0')
		return false;
	for (size_t i = 0; i < port.len; i++)
	{
		if (!is_digit(port.p[i]))
			return false;
		value = value * 10 + (unsigned int) (port.p[i] - '0');
	}
	return value <= 65535;
}

/*
 * May an escaped byte stand in a path?  Not if decoding it once too often or
 * too early would change how the path is split or decoded.
 */
static bool
escaped_byte_ok(int byte)
{
	return byte >= 0x20 && byte != 0x7f &&
		byte != '/' && byte != '\\' && byte != '%';
}

/*
 * Check one segment: pchars of RFC 3986, and not a dot segment, also not with
 * its dots escaped.
 */
static bool
check_segment(Span segment)
{
	static const char punctuation[] = "-._~!$&'()*+,;=:@";
	size_t		bytes = 0;
	size_t		dots = 0;

	for (size_t i = 0; i < segment.len; i++)
	{
		int			byte = (unsigned char) segment.p[i];

		if (byte == '%')
		{
			if (segment.len - i < 3 || hex_value(segment.p[i + 1]) < 0 ||
				hex_value(segment.p[i + 2]) < 0)
				return false;
			byte = hex_value(segment.p[i + 1]) * 16 +
				hex_value(segment.p[i + 2]);
			if (!escaped_byte_ok(byte))
				return false;
			i += 2;
		}
		else if (!is_alnum(segment.p[i]) &&
				 memchr(punctuation, byte, sizeof(punctuation) - 1) == NULL)
			return false;
		bytes++;
		if (byte == '.')
			dots++;
	}

	/* Neither "." nor ".."; more dots are a name like any other. */
	return dots != bytes || (bytes != 1 && bytes != 2);
}

/* Only the last segment may be empty: "/" and "/v1/" are fine, "//" is not. */
static bool
check_path(Span path)
{
	while (path.len > 0)
	{
		Span		segment = {path.p + 1, 0};

		while (segment.len < path.len - 1 && segment.p[segment.len] != '/')
			segment.len++;
		path = span_from(path, segment.len + 1);
		if (segment.len == 0 && path.len > 0)
			return false;
		if (!check_segment(segment))
			return false;
	}
	return true;
}

/* Append to out->url; false if it would exceed TARX_KEYS_BASEURL_MAX. */
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
 * Put the canonical URL together.  It can be longer than what was given, as an
 * IPv6 address may be: "::ffff:7f00:1" is "::ffff:127.0.0.1" in full.
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
		(keep_port && !append(out, parts->port.p, parts->port.len)) ||
		!append(out, parts->path.p, parts->path.len))
		return TARX_KEYS_BASEURL_TOO_LONG;
	return TARX_KEYS_BASEURL_OK;
}

/* The work of tarx_keys_baseurl_canonicalize(), with *out zero on entry. */
static TarxKeysBaseUrlStatus
canonicalize(Span url, bool allow_insecure, TarxKeysBaseUrl *out)
{
	UrlParts	parts = {0};
	TarxKeysBaseUrlStatus status;

	if (url.p == NULL || url.len == 0)
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

TarxKeysBaseUrlStatus
tarx_keys_baseurl_canonicalize(const char *url, size_t len,
							   bool allow_insecure, TarxKeysBaseUrl *out)
{
	Span		given = {url, len};
	TarxKeysBaseUrlStatus status;

	memset(out, 0, sizeof(*out));
	status = canonicalize(given, allow_insecure, out);

	/* Leave no half-checked host behind for a caller that ignores status. */
	if (status != TARX_KEYS_BASEURL_OK)
		memset(out, 0, sizeof(*out));
	return status;
}

const char *
tarx_keys_baseurl_problem(TarxKeysBaseUrlStatus status)
{
	/* No default: the compiler is to report a status without a text. */
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

	/* Each label before the suffix ends at a dot, the last at its first. */
	for (size_t i = 0; i <= before; i++)
	{
		if (host[i] == '.' && (i == 0 || host[i - 1] == '.'))
			return false;
	}
	return true;
}
