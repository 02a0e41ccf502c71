import { BlockList, isIP } from 'node:net';
import { isLoopback } from '../loopback.ts';

/** Who can use an address. */
export type Reach = 'this machine' | 'this link' | 'private' | 'public';

/** RFC 1918, RFC 6598 (carriers' and cloud networks' own), RFC 4193. */
const PRIVATE = new BlockList();
PRIVATE.addSubnet('10.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('172.16.0.0', 12, 'ipv4');
PRIVATE.addSubnet('192.168.0.0', 16, 'ipv4');
PRIVATE.addSubnet('100.64.0.0', 10, 'ipv4');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');

/** RFC 3927, RFC 4291. */
const LINK = new BlockList();
LINK.addSubnet('169.254.0.0', 16, 'ipv4');
LINK.addSubnet('fe80::', 10, 'ipv6');

/** @param address - an IP address. */
export function reachOf(address: string): Reach {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (isLoopback(address)) return 'this machine';
  if (LINK.check(address, family)) return 'this link';
  return PRIVATE.check(address, family) ? 'private' : 'public';
}

/** Address and port as people write them. */
export function place(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
