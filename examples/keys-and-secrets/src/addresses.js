// Which addresses requests may go to. A name that was public when a key was
// bound to it can point into our own network later, so this is asked at each
// connection, of the address that it is made to.

import { lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';

// the special-purpose registries of IANA; of IPv6 only 2000::/3 is in general use
const special = new BlockList();
for (const [address, prefix] of [['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16],
  ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15],
  ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 3]]) special.addSubnet(address, prefix, 'ipv4');
for (const [address, prefix] of [['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20]]) special.addSubnet(address, prefix, 'ipv6');
const unicast = new BlockList();
unicast.addSubnet('2000::', 3, 'ipv6');

export class NotPublic extends Error {}

export function isPublic(address) {
  switch (isIP(address)) {
    case 4: return !special.check(address, 'ipv4');
    case 6: return !address.includes('%') && unicast.check(address, 'ipv6') && !special.check(address, 'ipv6');
    default: return false;
  }
}

// For a URL whose host is an address: no name is looked up there.
export function requirePublicHost({ hostname }) {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) && !isPublic(host)) throw new NotPublic();
}

// In place of dns.lookup: one address that is not public refuses the name
export function lookupPublic(hostname, options, callback) {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error);
    if (!addresses.every(({ address }) => isPublic(address))) return callback(new NotPublic());
    const [{ address, family }] = addresses;
    return options.all ? callback(null, addresses) : callback(null, address, family);
  });
}
