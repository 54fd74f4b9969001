// Which addresses requests may go to. A name that was public when a key was
// bound to it can point into our own network later, so this is asked at each
// connection, of the address that it is made to.

import { lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { IPV4_NOT_PUBLIC, IPV6_NOT_PUBLIC, IPV6_PUBLIC, METADATA_IPV4, METADATA_IPV6, WELL_KNOWN_IPV4, WITH_IPV4 } from './address-ranges.js';

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
const isMetadataRangeIPv6 = rangesOf('ipv6', METADATA_IPV6);
const endsInIPv4 = rangesOf('ipv6', WITH_IPV4);
const WELL_KNOWN = WELL_KNOWN_IPV4.map((address) => Buffer.from(address.split('.').map(Number)));
const holdsWellKnown = (bytes) => WELL_KNOWN.some((address) => bytes.includes(address));

// The 16 bytes of an IPv6 address, which a URL has in hexadecimal groups, with "::" once at most
function bytesOf(address) {
  const [head, tail = []] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
    .map((part) => part.split(':').filter(Boolean).map((group) => parseInt(group, 16)));
  const groups = [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail];
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

// As the database has it: byte 8 may be a gap in the IPv4 address, and Teredo inverts the
// last four
function isMetadataIPv6(address) {
  const bytes = bytesOf(address);
  const last = bytes.subarray(12);
  return isMetadataRangeIPv6(address) || (endsInIPv4(address) && isMetadataIPv4(last.join('.')))
    || holdsWellKnown(bytes) || holdsWellKnown(Buffer.concat([bytes.subarray(0, 8), bytes.subarray(9)]))
    || holdsWellKnown(last.map((byte) => ~byte));
}

export class NotPublic extends Error {}

export function isPublic(address) {
  switch (isIP(address)) {
    case 4: return !isSpecialIPv4(address);
    case 6: return !address.includes('%') && isUnicastIPv6(address) && !isSpecialIPv6(address);
    default: return false;
  }
}

// Any address but those of metadata services, also where an IPv6 address holds them
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
