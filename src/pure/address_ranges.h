/*
 * address_ranges.h
 *	  The table of address ranges that says which addresses are public.
 *
 * An IPv4 address is public unless it is in a range here, because most of that
 * space is in use.  Most of IPv6 is assigned to nobody, so an IPv6 address is
 * public only if it is in a PUBLIC range and in no NOT_PUBLIC one.  The ranges
 * follow IANA's registries of special-purpose addresses.
 *
 * Whoever includes this file defines IPV4_RANGE(kind, a, b, c, d, bits, use) with
 * the four bytes of the prefix, and IPV6_RANGE(kind, g1, g2, bits, use) with its
 * first two groups of 16 bits.  There is no guard against a second inclusion,
 * because another place may define these two in another way.
 *
 * examples/keys-and-secrets has a copy of its own, because people copy the
 * example.  After a change here, run "test/lint/address_ranges --write", which
 * reads one range from each line.
 */

IPV4_RANGE(NOT_PUBLIC, 0, 0, 0, 0, 8, "this network")
IPV4_RANGE(NOT_PUBLIC, 10, 0, 0, 0, 8, "private")
IPV4_RANGE(NOT_PUBLIC, 100, 64, 0, 0, 10, "carrier-grade NAT, some metadata services")
IPV4_RANGE(NOT_PUBLIC, 127, 0, 0, 0, 8, "loopback")
IPV4_RANGE(NOT_PUBLIC, 168, 63, 129, 16, 32, "Azure's wire server, in no registry")
IPV4_RANGE(NOT_PUBLIC, 169, 254, 0, 0, 16, "link-local, most metadata services")
IPV4_RANGE(NOT_PUBLIC, 172, 16, 0, 0, 12, "private")
IPV4_RANGE(NOT_PUBLIC, 192, 0, 0, 0, 24, "protocol assignments")
IPV4_RANGE(NOT_PUBLIC, 192, 0, 2, 0, 24, "documentation")
IPV4_RANGE(NOT_PUBLIC, 192, 88, 99, 0, 24, "6to4 relays")
IPV4_RANGE(NOT_PUBLIC, 192, 168, 0, 0, 16, "private")
IPV4_RANGE(NOT_PUBLIC, 198, 18, 0, 0, 15, "benchmarking")
IPV4_RANGE(NOT_PUBLIC, 198, 51, 100, 0, 24, "documentation")
IPV4_RANGE(NOT_PUBLIC, 203, 0, 113, 0, 24, "documentation")
IPV4_RANGE(NOT_PUBLIC, 224, 0, 0, 0, 4, "multicast")
IPV4_RANGE(NOT_PUBLIC, 240, 0, 0, 0, 4, "reserved, broadcast")

/*
 * This leaves out loopback, unspecified, unique local, link-local, site-local,
 * multicast, IPv4-mapped and -compatible addresses, and both NAT64 prefixes.
 */
IPV6_RANGE(PUBLIC, 0x2000, 0x0000, 3, "global unicast")

/*
 * A Teredo or 6to4 address contains an IPv4 address, which may be private.  Nobody
 * needs such an address to reach a public host, so all of them are refused.
 */
IPV6_RANGE(NOT_PUBLIC, 0x2001, 0x0000, 23, "protocol assignments, Teredo")
IPV6_RANGE(NOT_PUBLIC, 0x2001, 0x0db8, 32, "documentation")
IPV6_RANGE(NOT_PUBLIC, 0x2002, 0x0000, 16, "6to4")
IPV6_RANGE(NOT_PUBLIC, 0x3fff, 0x0000, 20, "documentation")
