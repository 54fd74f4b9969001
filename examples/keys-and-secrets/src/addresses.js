// Which addresses requests may go to. A name that was public when a key was
// bound to it can point into our own network later, so this is asked at each
// connection, of the address that it is made to.

import { lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { IPV4_NOT_PUBLIC, IPV6_NOT_PUBLIC, IPV6_PUBLIC } from './address-ranges.js';

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
const isMetadata = new BlockList();
isMetadata.addSubnet('169.254.0.0', 16, 'ipv4');
isMetadata.addAddress('168.63.129.16', 'ipv4');
isMetadata.addAddress('100.100.100.200', 'ipv4');
isMetadata.addSubnet('fd00:ec2::', 32, 'ipv6');

export class NotPublic extends Error {}

export function isPublic(address) {
  switch (isIP(address)) {
    case 4: return !isSpecialIPv4(address);
    case 6: return !address.includes('%') && isUnicastIPv6(address) && !isSpecialIPv6(address);
    default: return false;
  }
}

// Any address but those of metadata services, also where they are mapped to IPv6
export function isAdmitted(address) {
  return isIP(address) > 0 && !isMetadata.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
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
