import { BlockList, isIP } from 'node:net';

const LOOPBACKS = new BlockList();
LOOPBACKS.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACKS.addAddress('::1', 'ipv6');

/** Whether only this machine can reach an address: an IP address, or `localhost`. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || LOOPBACKS.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
