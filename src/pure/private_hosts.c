/*
 * private_hosts.c
 *	  The list of hosts in one's own network that base URLs may name.
 *
 * Entries are separated by commas, with blanks around them if need be:
 *
 *		[http://] host | *.suffix | address | address/bits [:port]
 *
 * An entry admits https, and with http:// in front of it http as well.  Without
 * a port it admits any.  Addresses match addresses and names match names: no
 * name is looked up.  An IPv6 address may stand in brackets, and must if a port
 * follows it.
 *
 * Invariants:
 *
 * - A list that is malformed in any place admits nothing.
 * - No list admits a metadata service.
 */
#include "pure/private_hosts.h"

#include <string.h>

#include "pure/ascii.h"

typedef enum EntryKind
{
	ENTRY_HOST,
	ENTRY_SUFFIX,
	ENTRY_RANGE
} EntryKind;

typedef struct Entry
{
	EntryKind	kind;
	bool		http;
	unsigned int port;			/* 0 for any */
	unsigned int bits;			/* of a range's prefix */
	char		suffix[TARX_KEYS_HOST_NAME_MAX + 3];	/* with its dot */
	TarxKeysUrlHost host;
} Entry;

/* The parts of an entry behind its scheme */
typedef struct Parts
{
	bool		bracketed;
	bool		has_bits;
	bool		has_port;
	TarxKeysSpan host;
	TarxKeysSpan bits;
	TarxKeysSpan port;
} Parts;

/* Take the next entry off the list; false at its end. */
static bool
next_entry(TarxKeysSpan *rest, TarxKeysSpan *entry)
{
	size_t		comma;

	if (rest->data == NULL)
		return false;
	comma = tarx_keys_span_find(*rest, ',');
	*entry = tarx_keys_span_trim(tarx_keys_span_first(*rest, comma));
	if (comma < rest->len)
		*rest = tarx_keys_span_from(*rest, comma + 1);
	else
		*rest = (TarxKeysSpan) {NULL, 0};
	return true;
}

static bool
has_scheme(TarxKeysSpan text)
{
	for (size_t i = 0; i + 3 <= text.len; i++)
	{
		if (memcmp(text.data + i, "://", 3) == 0)
			return true;
	}
	return false;
}

static TarxKeysPrivateHostsProblem
take_scheme(TarxKeysSpan *text, bool *http)
{
	*http = tarx_keys_span_begins(*text, "http://");
	if (*http)
		*text = tarx_keys_span_from(*text, strlen("http://"));
	else if (tarx_keys_span_begins(*text, "https://"))
		*text = tarx_keys_span_from(*text, strlen("https://"));
	return has_scheme(*text) ? TARX_KEYS_HOSTS_SCHEME : TARX_KEYS_HOSTS_OK;
}

/* How often c is in a span */
static size_t
count(TarxKeysSpan span, char c)
{
	size_t		found = 0;

	for (size_t i = 0; i < span.len; i++)
		found += span.data[i] == c;
	return found;
}

/* Split off what stands behind the first c, if it is there. */
static bool
split(TarxKeysSpan *text, char c, TarxKeysSpan *behind)
{
	size_t		at = tarx_keys_span_find(*text, c);

	if (at == text->len)
		return false;
	*behind = tarx_keys_span_from(*text, at + 1);
	text->len = at;
	return true;
}

/* "[address]", "[address/bits]", "[address]/bits", and a port behind each */
static bool
split_bracketed(TarxKeysSpan text, Parts *parts)
{
	TarxKeysSpan rest;

	parts->bracketed = true;
	text = tarx_keys_span_from(text, 1);
	if (!split(&text, ']', &rest))
		return false;
	parts->host = text;
	parts->has_bits = split(&parts->host, '/', &parts->bits);
	parts->has_port = split(&rest, ':', &parts->port);
	if (rest.len == 0)
		return true;
	if (parts->has_bits || rest.data[0] != '/')
		return false;
	parts->has_bits = true;
	parts->bits = tarx_keys_span_from(rest, 1);
	return true;
}

/*
 * Without brackets.  Two colons before a slash make an IPv6 address; a port can
 * follow only its bits.
 */
static void
split_plain(TarxKeysSpan text, Parts *parts)
{
	TarxKeysSpan rest = {NULL, 0};

	parts->has_bits = split(&text, '/', &rest);
	parts->host = text;
	parts->bracketed = count(text, ':') > 1;
	if (parts->has_bits)
	{
		parts->bits = rest;
		parts->has_port = split(&parts->bits, ':', &parts->port);
	}
	else if (!parts->bracketed)
		parts->has_port = split(&parts->host, ':', &parts->port);
}

static TarxKeysPrivateHostsProblem
read_bits(TarxKeysSpan text, Entry *entry)
{
	unsigned int most = entry->host.kind == TARX_KEYS_HOST_IPV4 ? 32 : 128;

	entry->bits = 0;
	if (text.len == 0 || text.len > 3 || (text.data[0] == '0' && text.len > 1))
		return TARX_KEYS_HOSTS_BITS;
	for (size_t i = 0; i < text.len; i++)
	{
		if (!tarx_keys_is_digit(text.data[i]))
			return TARX_KEYS_HOSTS_BITS;
		entry->bits = entry->bits * 10 + (unsigned int) (text.data[i] - '0');
	}
	if (entry->bits > most)
		return TARX_KEYS_HOSTS_BITS;
	for (unsigned int bit = entry->bits; bit < most; bit++)
	{
		if ((entry->host.address[bit / 8] >> (7 - bit % 8) & 1) != 0)
			return TARX_KEYS_HOSTS_HOST_BITS;
	}
	return TARX_KEYS_HOSTS_OK;
}

/* "*.suffix": the suffix is a name, with at least one label */
static TarxKeysPrivateHostsProblem
read_suffix(TarxKeysSpan text, Entry *entry)
{
	if (text.len < 3 || text.data[1] != '.' ||
		!tarx_keys_url_host_read(tarx_keys_span_from(text, 2), false, &entry->host) ||
		entry->host.kind != TARX_KEYS_HOST_NAME)
		return TARX_KEYS_HOSTS_SUFFIX;
	entry->kind = ENTRY_SUFFIX;
	entry->suffix[0] = '.';
	memcpy(entry->suffix + 1, entry->host.text, strlen(entry->host.text) + 1);
	return TARX_KEYS_HOSTS_OK;
}

static TarxKeysPrivateHostsProblem
read_host(const Parts *parts, Entry *entry)
{
	if (!parts->bracketed && tarx_keys_span_has(parts->host, '*'))
		return parts->has_bits ? TARX_KEYS_HOSTS_PATH : read_suffix(parts->host, entry);
	if (!tarx_keys_url_host_read(parts->host, parts->bracketed, &entry->host) ||
		!entry->host.canonical)
		return TARX_KEYS_HOSTS_HOST;
	entry->kind = ENTRY_HOST;
	if (!parts->has_bits)
		return TARX_KEYS_HOSTS_OK;
	if (entry->host.kind == TARX_KEYS_HOST_NAME)
		return TARX_KEYS_HOSTS_PATH;
	entry->kind = ENTRY_RANGE;
	return read_bits(parts->bits, entry);
}

static TarxKeysPrivateHostsProblem
check_characters(TarxKeysSpan text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if (!tarx_keys_is_printable(text.data[i]) || text.data[i] == ' ')
			return TARX_KEYS_HOSTS_CHARACTERS;
		if (memchr("?#@\\", text.data[i], 4) != NULL)
			return TARX_KEYS_HOSTS_PATH;
	}
	return TARX_KEYS_HOSTS_OK;
}

static TarxKeysPrivateHostsProblem
read_entry(TarxKeysSpan text, Entry *entry)
{
	Parts		parts = {0};
	TarxKeysPrivateHostsProblem problem;

	memset(entry, 0, sizeof(*entry));
	if (text.len == 0)
		return TARX_KEYS_HOSTS_EMPTY_ENTRY;
	problem = check_characters(text);
	if (problem == TARX_KEYS_HOSTS_OK)
		problem = take_scheme(&text, &entry->http);
	if (problem != TARX_KEYS_HOSTS_OK)
		return problem;
	if (text.len == 0 || text.data[0] != '[')
		split_plain(text, &parts);
	else if (!split_bracketed(text, &parts))
		return TARX_KEYS_HOSTS_HOST;
	problem = read_host(&parts, entry);
	if (problem == TARX_KEYS_HOSTS_OK && parts.has_port &&
		!tarx_keys_url_port_read(parts.port, &entry->port))
		problem = TARX_KEYS_HOSTS_PORT;
	return problem;
}

/*
 * What is wrong with a list, and with which of its entries, counted from 1.
 * Nothing is wrong with an empty one.
 */
TarxKeysPrivateHostsProblem
tarx_keys_private_hosts_check(TarxKeysSpan list, size_t *entry)
{
	TarxKeysSpan rest = tarx_keys_span_trim(list);
	TarxKeysSpan text;

	*entry = 0;
	if (rest.len == 0)
		return TARX_KEYS_HOSTS_OK;
	while (next_entry(&rest, &text))
	{
		Entry		read;
		TarxKeysPrivateHostsProblem problem = read_entry(text, &read);

		++*entry;
		if (problem != TARX_KEYS_HOSTS_OK)
			return problem;
	}
	*entry = 0;
	return TARX_KEYS_HOSTS_OK;
}

/* What is wrong, to follow the number of an entry: "entry 2 is empty" */
const char *
tarx_keys_private_hosts_problem(TarxKeysPrivateHostsProblem problem)
{
	switch (problem)
	{
		case TARX_KEYS_HOSTS_OK:
			return "is valid";
		case TARX_KEYS_HOSTS_EMPTY_ENTRY:
			return "is empty";
		case TARX_KEYS_HOSTS_CHARACTERS:
			return "has a space, a control character or a character that is not ASCII";
		case TARX_KEYS_HOSTS_SCHEME:
			return "has another scheme than http:// or https://";
		case TARX_KEYS_HOSTS_PATH:
			return "has more than a host and a port";
		case TARX_KEYS_HOSTS_SUFFIX:
			return "has an asterisk, but is not like *.example.com";
		case TARX_KEYS_HOSTS_HOST:
			return "names no host, or an address that is not in its canonical form";
		case TARX_KEYS_HOSTS_BITS:
			return "has a prefix length that addresses of its kind do not have";
		case TARX_KEYS_HOSTS_HOST_BITS:
			return "has bits set behind its prefix length";
		case TARX_KEYS_HOSTS_PORT:
			return "has a port that is not a number from 1 to 65535 without leading zeros";
	}
	return "is not valid";
}

static bool
in_range(const Entry *entry, const TarxKeysUrlHost *host)
{
	for (unsigned int bit = 0; bit < entry->bits; bit++)
	{
		if (((entry->host.address[bit / 8] ^ host->address[bit / 8]) >> (7 - bit % 8) & 1) != 0)
			return false;
	}
	return true;
}

static bool
names_host(const Entry *entry, const TarxKeysUrlHost *host)
{
	switch (entry->kind)
	{
		case ENTRY_HOST:
			if (host->kind != entry->host.kind)
				return false;
			return host->kind == TARX_KEYS_HOST_NAME ?
				strcmp(host->text, entry->host.text) == 0 :
				memcmp(host->address, entry->host.address, sizeof(host->address)) == 0;
		case ENTRY_SUFFIX:
			return host->kind == TARX_KEYS_HOST_NAME &&
				tarx_keys_host_has_suffix(host->text, entry->suffix);
		case ENTRY_RANGE:
			return host->kind == entry->host.kind && in_range(entry, host);
	}
	return false;
}

/*
 * Does the list admit requests to this host and port, over https or else over
 * http?  An address counts in any spelling; which one may be used is for the
 * caller to say.
 */
bool
tarx_keys_private_hosts_admit(TarxKeysSpan list, const TarxKeysUrlHost *host,
							  bool https, unsigned int port)
{
	TarxKeysSpan rest = tarx_keys_span_trim(list);
	TarxKeysSpan text;
	size_t		place;
	Entry		entry;

	if (rest.len == 0 || tarx_keys_url_host_is_metadata(host) ||
		tarx_keys_private_hosts_check(list, &place) != TARX_KEYS_HOSTS_OK)
		return false;
	while (next_entry(&rest, &text))
	{
		if (read_entry(text, &entry) == TARX_KEYS_HOSTS_OK &&
			names_host(&entry, host) && (https || entry.http) &&
			(entry.port == 0 || entry.port == port))
			return true;
	}
	return false;
}
