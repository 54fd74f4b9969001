// Public are IPv4 addresses in none of these ranges, and IPv6 addresses in a public
// one that are in none of the others. Written by test/lint/address_ranges of tarx_keys
// from src/pure/address_ranges.h: do not change it here.

export const IPV4_NOT_PUBLIC = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carrier-grade NAT, some metadata services
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // Azure's wire server, in no registry
  ['169.254.0.0', 16], // link-local, most metadata services
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarking
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
];

export const IPV6_PUBLIC = [
  ['2000::', 3], // global unicast
];

export const IPV6_NOT_PUBLIC = [
  ['2001::', 23], // protocol assignments, Teredo
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4
  ['3fff::', 20], // documentation
];

// What gives credentials to whoever asks from within, and the prefixes of IPv6 behind which
// the last 32 bits are an IPv4 address: from src/pure/public_host.c.
export const METADATA_IPV4 = [
  ['169.254.0.0', 16],
  ['168.63.129.16', 32],
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
];
export const METADATA_IPV6 = [
  ['fd00:ec2:0:0:0:0:0:0', 32],
  ['fd20:ce:0:0:0:0:0:254', 128],
  ['fd00:42:0:0:0:0:0:42', 128],
];
export const WITH_IPV4 = [
  ['0:0:0:0:0:0:0:0', 96],
  ['0:0:0:0:0:ffff:0:0', 96],
  ['0:0:0:0:ffff:0:0:0', 96],
  ['64:ff9b:0:0:0:0:0:0', 96],
  ['64:ff9b:1:0:0:0:0:0', 48],
];
// Wherever an IPv6 address holds one of these, it is another way to it.
export const WELL_KNOWN_IPV4 = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
];
