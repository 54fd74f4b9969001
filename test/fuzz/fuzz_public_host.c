/*
 * fuzz_public_host.c
 *	  Hosts: an address is public as the table says, read in another way, and
 *	  a name below a public one is public unless it is that of a metadata
 *	  service.  No such service is public, however IPv6 holds its address.
 *
 * Input: 16 bytes, of which the first 4 are an IPv4 address as well; the name.
 */
#include "pure/public_host.h"
#include "fuzz.h"

/* The ranges that 32 bits are in, as an IPv4 address and as an IPv6 address's start */
typedef struct Verdict
{
	bool		IPV4_NOT_PUBLIC;
	bool		IPV6_PUBLIC;
	bool		IPV6_NOT_PUBLIC;
} Verdict;

static Verdict
judge(uint32_t start)
{
	Verdict		in = {false, false, false};

#define MATCHES(prefix, bits) (((start ^ (prefix)) >> (32 - (bits))) == 0)
#define IPV4_RANGE(kind, a, b, c, d, bits, use) \
	in.IPV4_##kind |= MATCHES((uint32_t) (a) << 24 | (b) << 16 | (c) << 8 | (d), bits);
#define IPV6_RANGE(kind, g1, g2, bits, use) \
	in.IPV6_##kind |= MATCHES((uint32_t) (g1) << 16 | (g2), bits);

#include "pure/address_ranges.h"

	return in;
}

static void
check_addresses(const uint8_t *address)
{
	Verdict		in = judge((uint32_t) address[0] << 24 | (uint32_t) address[1] << 16 |
						   (uint32_t) address[2] << 8 | address[3]);

	must(tarx_keys_ipv4_is_public(address) == !in.IPV4_NOT_PUBLIC);
	must(tarx_keys_ipv6_is_public(address) ==
		 (in.IPV6_PUBLIC && !in.IPV6_NOT_PUBLIC));
	if (tarx_keys_ipv4_is_metadata(address))
	{
		uint8_t		mapped[TARX_KEYS_IPV6_BYTES] = {[10] = 0xff,[11] = 0xff};

		must(!tarx_keys_ipv4_is_public(address));
		memcpy(mapped + 12, address, TARX_KEYS_IPV4_BYTES);
		must(tarx_keys_ipv6_is_metadata(mapped));
	}
}

static void
check_name(const FuzzPiece *given)
{
	char	   *below = calloc(1, given->len + sizeof("a."));
	char	   *name = below + 2;

	must(below != NULL);
	memcpy(below, "a.", 2);
	memcpy(name, given->data, given->len);
	if (tarx_keys_host_name_is_public(name))
		must(strchr(name, '.') != NULL && tarx_keys_host_name_is_public(below) &&
			 !tarx_keys_host_name_is_metadata(name));
	free(below);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	uint8_t		address[TARX_KEYS_IPV6_BYTES] = {0};
	FuzzPiece	bytes = fuzz_bytes(&in, sizeof(address));
	FuzzPiece	name = fuzz_rest(&in);

	memcpy(address, bytes.data, bytes.len);
	check_addresses(address);
	check_name(&name);
	free(bytes.data);
	free(name.data);
	return 0;
}
