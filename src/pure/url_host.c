/*
 * url_host.c
 *	  The host and port of a URL: what they may look like, and what they name.
 *
 * A host is a name or an address.  It has one reading: what URL parsers and
 * resolvers are known to read in several ways is refused, never repaired.  No
 * name is looked up.
 */
#include "pure/url_host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "pure/ascii.h"

#define LABEL_MAX_LEN		63

_Static_assert(sizeof(((TarxKeysUrlHost *) NULL)->text) > INET6_ADDRSTRLEN, "any address fits");

/*
 * Copy a host name in lower case; false unless it is made of well-formed
 * labels.  A dot at the end is refused, because it would make an empty last
 * label.  So is any percent sign.
 */
static bool
copy_name(TarxKeysSpan name, TarxKeysUrlHost *host)
{
	size_t		label_len = 0;

	if (name.len == 0 || name.len > TARX_KEYS_HOST_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
	{
		char		c = tarx_keys_to_lower(name.data[i]);

		if (c == '.')
		{
			if (label_len == 0 || name.data[i - 1] == '-')
				return false;
			label_len = 0;
		}
		else
		{
			if (!tarx_keys_is_alnum(c) && c != '_' && !(c == '-' && label_len > 0))
				return false;
			if (++label_len > LABEL_MAX_LEN)
				return false;
		}
		host->underscores |= c == '_';
		host->text[i] = c;
	}
	host->text[name.len] = '\0';
	return label_len > 0 && name.data[name.len - 1] != '-';
}

/*
 * Would a URL parser or resolver take this host for an IPv4 address?  As in the
 * WHATWG URL standard, it does if the last label is all digits, or "0x" and
 * perhaps hexadecimal digits.  There is no such top-level domain.
 */
static bool
ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *label = dot != NULL ? dot + 1 : host;
	bool		hex = label[0] == '0' && label[1] == 'x';

	for (const char *c = hex ? label + 2 : label; *c != '\0'; c++)
	{
		if (hex ? tarx_keys_hex_value(*c) < 0 : !tarx_keys_is_digit(*c))
			return false;
	}
	return true;
}

/*
 * Read a host that ends in a number.  inet_aton() reads every spelling that a
 * resolver might read, so an address can be judged however it is written.  It
 * also ignores what follows after white space, but a host has none.
 */
static bool
read_ipv4(TarxKeysUrlHost *host)
{
	struct in_addr address;
	char		text[INET_ADDRSTRLEN];

	if (inet_aton(host->text, &address) == 0 ||
		inet_ntop(AF_INET, &address, text, sizeof(text)) == NULL)
		return false;
	host->kind = TARX_KEYS_HOST_IPV4;
	memcpy(host->address, &address, TARX_KEYS_IPV4_BYTES);
	host->canonical = strcmp(host->text, text) == 0;
	return true;
}

/*
 * Read what was in brackets, and write its canonical text.  Zone ids are
 * refused, because inet_pton() knows none.
 */
static bool
read_ipv6(TarxKeysSpan literal, TarxKeysUrlHost *host)
{
	char		text[INET6_ADDRSTRLEN];

	if (literal.len == 0 || literal.len >= sizeof(text))
		return false;
	memcpy(text, literal.data, literal.len);
	text[literal.len] = '\0';
	host->kind = TARX_KEYS_HOST_IPV6;
	host->canonical = true;
	return strlen(text) == literal.len &&
		inet_pton(AF_INET6, text, host->address) == 1 &&
		inet_ntop(AF_INET6, host->address, host->text, sizeof(host->text)) != NULL;
}

/*
 * Read a host, without the brackets that an IPv6 address stands in.  False if
 * it is malformed.
 */
bool
tarx_keys_url_host_read(TarxKeysSpan text, bool bracketed, TarxKeysUrlHost *host)
{
	memset(host, 0, sizeof(*host));
	if (bracketed)
		return read_ipv6(text, host);
	if (!copy_name(text, host))
		return false;
	if (ends_in_number(host->text))
		return read_ipv4(host);
	host->kind = TARX_KEYS_HOST_NAME;
	host->canonical = true;
	return true;
}

/* Leading zeros are refused, so the digits are themselves canonical. */
bool
tarx_keys_url_port_read(TarxKeysSpan text, unsigned int *port)
{
	*port = 0;
	if (text.len == 0 || text.len > 5 || text.data[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		if (!tarx_keys_is_digit(text.data[i]))
			return false;
		*port = *port * 10 + (unsigned int) (text.data[i] - '0');
	}
	return *port <= 65535;
}

bool
tarx_keys_url_host_is_public(const TarxKeysUrlHost *host)
{
	switch (host->kind)
	{
		case TARX_KEYS_HOST_NAME:
			return !host->underscores && tarx_keys_host_name_is_public(host->text);
		case TARX_KEYS_HOST_IPV4:
			return tarx_keys_ipv4_is_public(host->address);
		case TARX_KEYS_HOST_IPV6:
			return tarx_keys_ipv6_is_public(host->address);
	}
	return false;
}

/* Does it name a cloud's metadata service, or whatever else hands out rights? */
bool
tarx_keys_url_host_is_metadata(const TarxKeysUrlHost *host)
{
	switch (host->kind)
	{
		case TARX_KEYS_HOST_NAME:
			return tarx_keys_host_name_is_metadata(host->text);
		case TARX_KEYS_HOST_IPV4:
			return tarx_keys_ipv4_is_metadata(host->address);
		case TARX_KEYS_HOST_IPV6:
			return tarx_keys_ipv6_is_metadata(host->address);
	}
	return true;
}

/*
 * Is host a name below suffix?  A suffix is a dot and a domain name, such as
 * ".openai.azure.com"; any other form matches nothing.  At least one label must
 * stand before it, and none of those labels may be empty.  ASCII case does not
 * matter, as in the DNS.
 */
bool
tarx_keys_host_has_suffix(const char *host, const char *suffix)
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
		if (tarx_keys_to_lower(host[before + i]) != tarx_keys_to_lower(suffix[i]))
			return false;
	}

	/* each label before the suffix ends at a dot, the last one at the suffix */
	for (size_t i = 0; i <= before; i++)
	{
		if (host[i] == '.' && (i == 0 || host[i - 1] == '.'))
			return false;
	}
	return true;
}

/*
 * Is this label the name of a cloud's region, such as us-east-1?  Two to four
 * letters, then one or more parts of letters, then digits, with hyphens between
 * them.  What else such clouds have in that place, as s3-us-west-2, is none.
 */
static bool
is_region(TarxKeysSpan label)
{
	size_t		parts = 0;
	size_t		start = 0;

	for (size_t at = 0; at <= label.len; at++)
	{
		bool		is_last = at == label.len;

		if (is_last || label.data[at] == '-')
		{
			size_t		len = at - start;

			if (len == 0 || (parts == 0 && (len < 2 || len > 4)))
				return false;
			if (tarx_keys_is_digit(label.data[start]) != is_last)
				return false;
			parts++;
			start = at + 1;
		}
		else if (!tarx_keys_is_alnum(label.data[at]) ||
				 tarx_keys_is_digit(label.data[at]) != tarx_keys_is_digit(label.data[start]))
			return false;
	}
	return parts >= 3;
}

/*
 * Is host what the pattern says?  A pattern with a dot in front is a suffix.  Any
 * other is a whole host, in which the label {region} stands for a region's name.
 */
bool
tarx_keys_host_matches(const char *host, const char *pattern)
{
	if (host == NULL || pattern == NULL || pattern[0] == '\0')
		return false;
	if (pattern[0] == '.')
		return tarx_keys_host_has_suffix(host, pattern);
	for (;;)
	{
		TarxKeysSpan label = {host, strcspn(host, ".")};
		TarxKeysSpan expected = {pattern, strcspn(pattern, ".")};

		if (label.len == 0)
			return false;
		if (tarx_keys_span_is(expected, "{region}") ? !is_region(label) : !tarx_keys_span_same(label, expected))
			return false;
		host += label.len;
		pattern += expected.len;
		if (*host == '\0' || *pattern == '\0')
			return *host == *pattern;
		host++;
		pattern++;
	}
}
