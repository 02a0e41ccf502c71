import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { isLoopback } from '../loopback.ts';

/** Names that no public DNS has: an attacker cannot make one of them point here. */
const PRIVATE_NAME = /^[^.]+$|\.(?:localhost|local|internal|svc|home\.arpa)$/;

/**
 * Whether a Host header names this listener. A page whose own name was made to point here (DNS rebinding)
 * is of one origin with it, for a browser; but it comes with that name.
 *
 * On a loopback address only loopback names will do. One that other machines reach goes by names that are not
 * known here (a service of Docker or Kubernetes), so there any address will do, and any name that only a
 * private network can have.
 *
 * @param address - what the listener was told to listen on.
 */
export function isOurHost(host: string | undefined, address: string): boolean {
  const name = hostNameOf(host);
  if (name === undefined) return false;
  const bare = unbracketed(name);
  const isAddress = isIP(bare) !== 0;
  if (bare === address.toLowerCase() || bare === 'localhost') return true;
  if (isAddress && isLoopback(bare)) return true;
  if (isLoopback(address)) return false;
  return isAddress || PRIVATE_NAME.test(name);
}

/**
 * Whether a request that changes something comes from another site's page. Browsers say where a page is from;
 * what is no browser says nothing.
 */
export function isCrossSite(headers: IncomingHttpHeaders): boolean {
  const { origin, host = '' } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`;
}

/** The name in `name`, `name:port`, `[v6]` or `[v6]:port`; undefined for anything else. */
function hostNameOf(host = ''): string | undefined {
  return /^(?<name>\[[\da-f:.]+\]|[\w.-]+?)\.?(?::\d{1,5})?$/i.exec(host)?.groups?.['name']?.toLowerCase();
}

function unbracketed(name: string): string {
  return name.replaceAll(/^\[|\]$/g, '');
}
