// Which addresses requests may go to. A name that was public when a key was
// bound to it can point into our own network later, so this is asked at each
// connection, of the address that it is made to.

import { lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { IPV4_NOT_PUBLIC, IPV6_NOT_PUBLIC, IPV6_PUBLIC, METADATA_IPV4, METADATA_IPV6, WITH_IPV4 } from './address-ranges.js';

function rangesOf(family, ranges) {
  const list = new BlockList();
  for (const [prefix, bits] of ranges) list.addSubnet(prefix, bits, family);
  return (address) => list.check(address, family);
}

const isSpecialIPv4 = rangesOf('ipv4', IPV4_NOT_PUBLIC);
const isSpecialIPv6 = rangesOf('ipv6', IPV6_NOT_PUBLIC);
const isUnicastIPv6 = rangesOf('ipv6', IPV6_PUBLIC);

// What gives credentials to whoever asks from within: no setting admits it, as
// the database does not.
const isMetadataIPv4 = rangesOf('ipv4', METADATA_IPV4);
const isMetadataIPv6 = rangesOf('ipv6', [...METADATA_IPV6, ...WITH_IPV4.flatMap(([before]) =>
  METADATA_IPV4.map(([prefix, bits]) => [before.replace(/0:0$/, prefix), 96 + bits]))]);

export class NotPublic extends Error {}

export function isPublic(address) {
  switch (isIP(address)) {
    case 4: return !isSpecialIPv4(address);
    case 6: return !address.includes('%') && isUnicastIPv6(address) && !isSpecialIPv6(address);
    default: return false;
  }
}

// Any address but those of metadata services, also where IPv6 has them at its end
export function isAdmitted(address) {
  switch (isIP(address)) {
    case 4: return !isMetadataIPv4(address);
    case 6: return !address.includes('%') && !isMetadataIPv6(address);
    default: return false;
  }
}

// For a URL whose host is an address: no name is looked up there.
export function requireHost({ hostname }, admits) {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) && !admits(host)) throw new NotPublic();
}

// In place of dns.lookup: one address that is not admitted refuses the name
export const lookupWhere = (admits) => (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error);
    if (!addresses.every(({ address }) => admits(address))) return callback(new NotPublic());
    const [{ address, family }] = addresses;
    return options.all ? callback(null, addresses) : callback(null, address, family);
  });
};
