/*
 * test_public_host.c
 *	  Unit tests of what is public, in TAP.
 */
#include <arpa/inet.h>

#include "pure/public_host.h"
#include "tap.h"

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* The edges of every range, on both sides */
static const char *const public_addresses[] = {
	"1.0.0.0",
	"9.255.255.255", "11.0.0.0",
	"100.63.255.255", "100.128.0.0",
	"126.255.255.255", "128.0.0.0",
	"168.63.129.15", "168.63.129.17",
	"169.253.255.255", "169.255.0.0",
	"172.15.255.255", "172.32.0.0",
	"191.255.255.255", "192.0.1.0",
	"192.0.1.255", "192.0.3.0",
	"192.88.98.255", "192.88.100.0",
	"192.167.255.255", "192.169.0.0",
	"198.17.255.255", "198.20.0.0",
	"198.51.99.255", "198.51.101.0",
	"203.0.112.255", "203.0.114.0",
	"223.255.255.255",
	"2000::",
	"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::",
	"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::",
	"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::",
	"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::",
	"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};

static const char *const private_addresses[] = {
	"0.0.0.0", "0.255.255.255",
	"10.0.0.0", "10.255.255.255",
	"100.64.0.0", "100.127.255.255", "100.100.100.200",
	"127.0.0.0", "127.255.255.255",
	"168.63.129.16",
	"169.254.0.0", "169.254.255.255",
	"172.16.0.0", "172.31.255.255",
	"192.0.0.0", "192.0.0.255",
	"192.0.2.0", "192.0.2.255",
	"192.88.99.0", "192.88.99.255",
	"192.168.0.0", "192.168.255.255",
	"198.18.0.0", "198.19.255.255",
	"198.51.100.0", "198.51.100.255",
	"203.0.113.0", "203.0.113.255",
	"224.0.0.0", "239.255.255.255",
	"240.0.0.0", "255.255.255.255",
	/* outside of 2000::/3 */
	"::", "::1", "::2",
	"::ffff:0.0.0.0", "::ffff:255.255.255.255",
	"64:ff9b::", "64:ff9b::ffff:ffff",
	"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
	"100::", "100::ffff:ffff:ffff:ffff",
	"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"4000::",
	"5f00::",
	"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"fe00::",
	"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	/* inside of it */
	"2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
	"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
	"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
};

static const char *const public_names[] = {
	"api.openai.com", "a.b", "1.2.3.4.example.com",
	/* look like private ones, but are not */
	"localhost.example.com", "a.notlocalhost", "a.mylocal", "a.locale",
	"local.example.com", "internal.example.com", "myhome.arpa",
	"home.arpa.example.com", "arpa.home.example", "a.svc2", "a.xtest",
	"a.defaults", "default.example.com",
	"instance-database.example.com", "instance-dat.example.com",
	"x.instance-data.example.com", "metadata2.example.com",
	"api.metadata.example.com", "metadat.goog",
};

static const char *const private_names[] = {
	/* one label */
	"localhost", "ollama", "com", "metadata", "instance-data", "",
	/* each domain for local use */
	"a.localhost", "a.b.localhost", "localhost.localdomain", "printer.local",
	"localhost4.localdomain4", "localhost6.localdomain6",
	"x.svc.cluster.local", "metadata.google.internal", "vm.example.internal",
	"wiki.intranet", "nas.lan", "nas.home", "home.arpa", "nas.home.arpa",
	"llm.corp", "llm.private", "llm.team.svc", "kubernetes.default", "llm.service.consul",
	"host.docker", "llm.test", "llm.invalid", "llm.onion",
	/* metadata services */
	"instance-data.ec2.example.com", "metadata.goog", "metadata.example.com",
};

/* What hands out rights, and neighbours that do not */
static const char *const metadata_addresses[] = {
	"169.254.169.254", "169.254.0.0", "169.254.255.255", "168.63.129.16", "100.100.100.200",
	"192.0.0.192",
	"fd00:ec2::", "fd00:ec2::254", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", "fd20:ce::254",
	"fd00:42::42",
	"::ffff:169.254.1.1", "::169.254.1.1", "::ffff:0:169.254.1.1", "64:ff9b::169.254.1.1",
	"64:ff9b:1::169.254.1.1", "2002:a9fe:a9fe::", "2001::5601:5601", "fd12::a9fe:a9fe:0:0:0",
	"fd12:0:0:a9:fe:a9fe::", "fd12:0:a9fe:a9fe::1", "fd12::a83f:8110", "fd12::6464:64c8",
	"fd12::c000:c0", "fd12::a9fe:aa02", "fd12::a9fe:aa17",
};

static const char *const other_addresses[] = {
	"169.253.255.255", "169.255.0.0", "168.63.129.15", "168.63.129.17", "100.100.100.199",
	"192.0.0.191", "10.0.0.1", "127.0.0.1", "8.8.8.8",
	"fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:ec3::", "fd20:ce::255", "fd00:42::43",
	"::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "fd12::a9fe:1:1", "fe80::1", "2600::1",
};

static const char *const metadata_names[] = {
	"metadata", "metadata.google.internal", "metadata.goog", "instance-data",
	"instance-data.ec2.internal", "metadata.azure.internal", "metadata.tencentyun.com",
	"metadata.cloud.ibm.com", "api.metadata.cloud.ibm.com",
};

static const char *const other_names[] = {
	"metadata2", "a.metadata", "api.metadata.example", "my-metadata", "my_metadata", "metadat",
	"instance", "instance-data2", "llm", "", "google.internal", "cloud.ibm.com", "api.mymetadata.cloud.ibm.com",
	"us-south.ml.cloud.ibm.com",
};

static bool
address_is_metadata(const char *text)
{
	uint8_t		address[TARX_KEYS_IPV6_BYTES];

	if (inet_pton(AF_INET, text, address) == 1)
		return tarx_keys_ipv4_is_metadata(address);
	if (inet_pton(AF_INET6, text, address) == 1)
		return tarx_keys_ipv6_is_metadata(address);
	fprintf(stderr, "# no address: %s\n", text);
	exit(EXIT_FAILURE);
}

/* None of these is public, either. */
static void
check_metadata(void)
{
	for (size_t i = 0; i < lengthof(metadata_addresses); i++)
		ok(address_is_metadata(metadata_addresses[i]), "%s is a metadata service", metadata_addresses[i]);
	for (size_t i = 0; i < lengthof(other_addresses); i++)
		ok(!address_is_metadata(other_addresses[i]), "%s is none", other_addresses[i]);
	for (size_t i = 0; i < lengthof(metadata_names); i++)
		ok(tarx_keys_host_name_is_metadata(metadata_names[i]) &&
		   !tarx_keys_host_name_is_public(metadata_names[i]),
		   "%s is a metadata service", metadata_names[i]);
	for (size_t i = 0; i < lengthof(other_names); i++)
		ok(!tarx_keys_host_name_is_metadata(other_names[i]), "%s is none", other_names[i]);
}

static bool
address_is_public(const char *text)
{
	uint8_t		address[TARX_KEYS_IPV6_BYTES];

	if (inet_pton(AF_INET, text, address) == 1)
		return tarx_keys_ipv4_is_public(address);
	if (inet_pton(AF_INET6, text, address) == 1)
		return tarx_keys_ipv6_is_public(address);
	fprintf(stderr, "# no address: %s\n", text);
	exit(EXIT_FAILURE);
}

static void
check_addresses(const char *const *addresses, size_t count, bool expected)
{
	for (size_t i = 0; i < count; i++)
		ok(address_is_public(addresses[i]) == expected, "%s is %s", addresses[i],
		   expected ? "public" : "not public");
}

static void
check_names(const char *const *names, size_t count, bool expected)
{
	for (size_t i = 0; i < count; i++)
		ok(tarx_keys_host_name_is_public(names[i]) == expected, "%s is %s",
		   names[i], expected ? "public" : "not public");
}

/*
 * A prefix has no bits behind its length: other programs that read the table
 * may not ignore them as we do.
 */
static void
check_prefix(const char *use, uint32_t prefix, unsigned int bits)
{
	ok(bits >= 1 && bits <= 32 && (bits == 32 || prefix << bits == 0),
	   "%08x/%u: a prefix (%s)", prefix, bits, use);
}

static void
check_table(void)
{
#define IPV4_RANGE(kind, a, b, c, d, bits, use) \
	check_prefix(use, (uint32_t) (a) << 24 | (b) << 16 | (c) << 8 | (d), bits);
#define IPV6_RANGE(kind, g1, g2, bits, use) \
	check_prefix(use, (uint32_t) (g1) << 16 | (g2), bits);

#include "pure/address_ranges.h"
}

int
main(void)
{
	check_addresses(public_addresses, lengthof(public_addresses), true);
	check_addresses(private_addresses, lengthof(private_addresses), false);
	check_names(public_names, lengthof(public_names), true);
	check_names(private_names, lengthof(private_names), false);
	check_table();
	check_metadata();

	return done_testing();
}
