import { BlockList, isIP, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

const LOOPBACKS = new BlockList();
LOOPBACKS.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACKS.addAddress('::1', 'ipv6');

/** Whether an IP address is this machine's own, which no other can reach. */
export function isLoopback(address: string): boolean {
  return LOOPBACKS.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** Whether nobody on the way can listen in: over TLS, a Unix socket or the loopback interface. */
export function isPrivate(client: Socket): boolean {
  const { remoteAddress } = client;
  return client instanceof TLSSocket || remoteAddress === undefined || isLoopback(remoteAddress);
}

/** What to do where a password would travel in the clear. */
export const PRIVACY_HINT =
  'Let the client use TLS (sslmode=require), which needs --local-tls-cert and --local-tls-key here, or have ' +
  'SCRAM-SHA-256 asked for.';
