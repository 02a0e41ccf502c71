import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { Upstream } from '../upstream/dial.ts';
import { onConnection } from './connection.ts';
import { requestTls } from './ssl-request.ts';

/** What whoever answers there has shown of itself. Nothing of it is proven. */
export interface Look {
  /** Such as `TLSv1.3`. */
  readonly protocol: string | null;
  /** In the order in which they were sent, the server's own first. */
  readonly chain: readonly X509Certificate[];
}

/** More than any chain has; nobody has checked that it ends. */
const MAX_CHAIN_LENGTH = 10;

/**
 * Shakes hands with whoever answers where the server should be, looks at the certificates and hangs up: for
 * saying whose they are, once a verified handshake has failed. The connection is a new one, does not leave
 * this function, and carries nothing but the handshake: no startup packet, no token.
 *
 * @throws Error if there are none to be seen.
 */
export function lookUnverified(upstream: Upstream): Promise<Look> {
  return onConnection(upstream, async (tcp, signal) => {
    const { byte } = await requestTls(tcp, upstream, signal);
    if (byte !== 'S') throw new Error('no TLS is offered this time');
    const { serverName } = upstream.trust;
    const socket = connect({
      socket: tcp,
      ...(isIP(serverName) === 0 ? { servername: serverName } : { host: serverName }),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    });
    socket.on('error', () => {});
    try {
      await once(socket, 'secureConnect', { signal });
      return { protocol: socket.getProtocol(), chain: chainOf(socket.getPeerX509Certificate()) };
    } finally {
      socket.destroy();
    }
  });
}

/** A certificate and those that were sent behind it. */
export function chainOf(own: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = own;
  while (next !== undefined && chain.length < MAX_CHAIN_LENGTH) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}
