/*
 * public_host.c
 *	  Which addresses and host names are public.
 *
 * Whoever chooses a host may be hostile or mistaken.  Requests carry a key and
 * leave from inside of somebody's network, so a host is public only if that is
 * plain.
 *
 * A name that looks public may resolve to a private address, now or later.  This
 * file looks up no name and cannot see that.  Whoever connects must check the
 * address of the connection.
 */
#include "pure/public_host.h"

#include <stddef.h>
#include <string.h>

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

typedef enum RangeKind
{
	IPV4_NOT_PUBLIC,
	IPV6_PUBLIC,
	IPV6_NOT_PUBLIC
} RangeKind;

typedef struct AddressRange
{
	RangeKind	kind;
	uint8_t		prefix[TARX_KEYS_IPV6_BYTES];
	unsigned int bits;
} AddressRange;

#define IPV4_RANGE(kind, a, b, c, d, bits, use) {IPV4_##kind, {a, b, c, d}, bits},
#define IPV6_RANGE(kind, g1, g2, bits, use) \
	{IPV6_##kind, {(g1) >> 8, (g1) & 0xff, (g2) >> 8, (g2) & 0xff}, bits},

static const AddressRange ranges[] = {
#include "pure/address_ranges.h"
};

/*
 * Domains for local use, and so all names below them.  Names of one label need no
 * entry: they are all private.
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
 * Clouds give their metadata service a name with such a first label, in domains
 * that are partly public, such as metadata.goog.
 */
static const char *const metadata_labels[] = {
	"instance-data",
	"metadata"
};

static bool
in_range(const uint8_t *address, const AddressRange *range)
{
	unsigned int whole = range->bits / 8;
	unsigned int rest = range->bits % 8;

	if (memcmp(address, range->prefix, whole) != 0)
		return false;
	return rest == 0 ||
		((address[whole] ^ range->prefix[whole]) >> (8 - rest)) == 0;
}

static bool
in_any_range(const uint8_t *address, RangeKind kind)
{
	for (size_t i = 0; i < lengthof(ranges); i++)
	{
		if (ranges[i].kind == kind && in_range(address, &ranges[i]))
			return true;
	}
	return false;
}

bool
tarx_keys_ipv4_is_public(const uint8_t *address)
{
	return !in_any_range(address, IPV4_NOT_PUBLIC);
}

bool
tarx_keys_ipv6_is_public(const uint8_t *address)
{
	return in_any_range(address, IPV6_PUBLIC) && !in_any_range(address, IPV6_NOT_PUBLIC);
}

/* Is host the domain or a name below it? */
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

/* The host is a name, not an address, of well-formed labels in lower case. */
bool
tarx_keys_host_name_is_public(const char *host)
{
	size_t		first = strcspn(host, ".");

	/* one label: a machine on the local network, or a search-list name */
	if (host[first] == '\0')
		return false;
	for (size_t i = 0; i < lengthof(private_domains); i++)
	{
		if (in_domain(host, private_domains[i]))
			return false;
	}
	for (size_t i = 0; i < lengthof(metadata_labels); i++)
	{
		if (strlen(metadata_labels[i]) == first &&
			memcmp(host, metadata_labels[i], first) == 0)
			return false;
	}
	return true;
}
