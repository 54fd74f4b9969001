/*
 * public_host.c
 *	  Which addresses and host names are public, and which hand out rights.
 *
 * Whoever chooses a host may be hostile or mistaken.  Requests carry a key and
 * leave from inside of somebody's network, so a host is public only if that is
 * plain.
 *
 * A name that looks public may still resolve to a private address, at once or
 * later.  This file looks up no name and cannot see that: who connects has to
 * judge the address that the connection is made to.
 *
 * A cloud's metadata service gives credentials to whoever asks from within.  A
 * superuser may admit hosts that are not public, but never such a service.
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
	"localdomain4",				/* Red Hat's names of this host */
	"localdomain6",
	"local",
	"internal",
	"intranet",
	"lan",
	"home",
	"home.arpa",
	"corp",
	"private",
	"svc",						/* short names within a Kubernetes cluster */
	"default",					/* shorter ones, kubernetes.default among them */
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

/* Domains that have such a service below them, under another first label: IBM's */
static const char *const metadata_domains[] = {
	"metadata.cloud.ibm.com"
};

/*
 * Addresses of such services: all of IPv4's link-local range, which serves for
 * little else, Azure's wire server, Alibaba's and an older one of Oracle's.
 * test/lint/address_ranges copies these and what IPv6 has of them to the example.
 */
static const AddressRange metadata_ipv4[] = {
	{IPV4_NOT_PUBLIC, {169, 254}, 16},
	{IPV4_NOT_PUBLIC, {168, 63, 129, 16}, 32},
	{IPV4_NOT_PUBLIC, {100, 100, 100, 200}, 32},
	{IPV4_NOT_PUBLIC, {192, 0, 0, 192}, 32}
};

/* Amazon's, Google's and Scaleway's */
static const AddressRange metadata_ipv6[] = {
	{IPV6_NOT_PUBLIC, {0xfd, 0x00, 0x0e, 0xc2}, 32},
	{IPV6_NOT_PUBLIC, {0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128},
	{IPV6_NOT_PUBLIC, {0xfd, 0x00, 0x00, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x42}, 128}
};

/*
 * An IPv6 address that holds one of these is another way to it: as a mapped or
 * translated address (RFC 6052), or as some clouds' own addresses do.
 */
static const uint8_t well_known_ipv4[][TARX_KEYS_IPV4_BYTES] = {
	{169, 254, 169, 254},
	{169, 254, 170, 2},			/* containers at Amazon */
	{169, 254, 170, 23},
	{168, 63, 129, 16},
	{100, 100, 100, 200},
	{192, 0, 0, 192}
};

/* Prefixes behind which the last 32 bits are an IPv4 address */
static const AddressRange with_ipv4[] = {
	{IPV6_NOT_PUBLIC, {0}, 96},
	{IPV6_NOT_PUBLIC, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},
	{IPV6_NOT_PUBLIC, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},
	{IPV6_NOT_PUBLIC, {0x00, 0x64, 0xff, 0x9b}, 96},
	{IPV6_NOT_PUBLIC, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48}
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
in_one_of(const uint8_t *address, const AddressRange *some, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (in_range(address, &some[i]))
			return true;
	}
	return false;
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

bool
tarx_keys_ipv4_is_metadata(const uint8_t *address)
{
	return in_one_of(address, metadata_ipv4, lengthof(metadata_ipv4));
}

static bool
holds_well_known(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < lengthof(well_known_ipv4); i++)
	{
		for (size_t at = 0; at + TARX_KEYS_IPV4_BYTES <= len; at++)
		{
			if (memcmp(bytes + at, well_known_ipv4[i], TARX_KEYS_IPV4_BYTES) == 0)
				return true;
		}
	}
	return false;
}

/* Byte 8 may be a gap in the IPv4 address, and Teredo inverts its last 32 bits. */
bool
tarx_keys_ipv6_is_metadata(const uint8_t *address)
{
	enum
	{
		GAP = 8,
		TAIL = TARX_KEYS_IPV6_BYTES - TARX_KEYS_IPV4_BYTES
	};
	uint8_t		without_gap[TARX_KEYS_IPV6_BYTES - 1];
	uint8_t		inverted[TARX_KEYS_IPV4_BYTES];

	memcpy(without_gap, address, GAP);
	memcpy(without_gap + GAP, address + GAP + 1, sizeof(without_gap) - GAP);
	for (size_t i = 0; i < sizeof(inverted); i++)
		inverted[i] = (uint8_t) ~address[TAIL + i];
	return in_one_of(address, metadata_ipv6, lengthof(metadata_ipv6)) ||
		(in_one_of(address, with_ipv4, lengthof(with_ipv4)) &&
		 tarx_keys_ipv4_is_metadata(address + TAIL)) ||
		holds_well_known(address, TARX_KEYS_IPV6_BYTES) ||
		holds_well_known(without_gap, sizeof(without_gap)) ||
		holds_well_known(inverted, sizeof(inverted));
}

/* As for tarx_keys_host_name_is_public() */
bool
tarx_keys_host_name_is_metadata(const char *host)
{
	size_t		first = strcspn(host, ".");

	for (size_t i = 0; i < lengthof(metadata_labels); i++)
	{
		if (strlen(metadata_labels[i]) == first &&
			memcmp(host, metadata_labels[i], first) == 0)
			return true;
	}
	for (size_t i = 0; i < lengthof(metadata_domains); i++)
	{
		if (in_domain(host, metadata_domains[i]))
			return true;
	}
	return false;
}

/* The host is in lower case, made of well-formed labels, and no address. */
bool
tarx_keys_host_name_is_public(const char *host)
{
	/* one label: a machine on the local network, or a search-list name */
	if (strchr(host, '.') == NULL)
		return false;
	for (size_t i = 0; i < lengthof(private_domains); i++)
	{
		if (in_domain(host, private_domains[i]))
			return false;
	}
	return !tarx_keys_host_name_is_metadata(host);
}
