import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { isLoopback } from '../loopback.ts';

/** Whether nobody on the way can listen in: over TLS, a Unix socket or the loopback interface. */
export function isPrivate(client: Socket): boolean {
  const { remoteAddress } = client;
  return client instanceof TLSSocket || remoteAddress === undefined || isLoopback(remoteAddress);
}

/** What to do where a password would travel in the clear. */
export const PRIVACY_HINT =
  'Let the client use TLS (sslmode=require), which needs --local-tls-cert and --local-tls-key here, or have ' +
  'SCRAM-SHA-256 asked for.';
