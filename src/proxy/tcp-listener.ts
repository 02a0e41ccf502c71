import { StartError } from '../errors.ts';
import { type ListenerEvents, type OpenListener, openListener } from './listener.ts';
import { findPortOwner } from './port-owner.ts';

/** Times to look for a port that is free on both addresses of `localhost`. */
const MAX_ATTEMPTS = 5;

/** What a machine without IPv6 says to ::1. */
const NO_IPV6: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/**
 * Listens on a TCP address: for `localhost` on 127.0.0.1 and, where the machine has it, on ::1 too, with
 * the same port, since a client may try either.
 *
 * @throws {@link StartError} if it cannot be had.
 */
export async function openTcpListeners(
  address: string,
  port: number,
  events: ListenerEvents,
): Promise<OpenListener[]> {
  for (let attempt = 1; ; attempt += 1) {
    // oxlint-disable-next-line no-await-in-loop -- a port for both is looked for one by one
    const found = await tryToOpen(address, port, events);
    if (Array.isArray(found)) return found;
    if (found.code === 'EADDRINUSE' && found.chosen && attempt < MAX_ATTEMPTS) continue;
    // oxlint-disable-next-line no-await-in-loop -- the last thing it does
    throw new StartError(await failure(found));
  }
}

interface Failure {
  readonly code: string | undefined;
  readonly address: string;
  readonly port: number;
  /** The port was not asked for: another may do. */
  readonly chosen: boolean;
}

async function tryToOpen(
  address: string,
  port: number,
  events: ListenerEvents,
): Promise<OpenListener[] | Failure> {
  const addresses = address === 'localhost' ? ['127.0.0.1', '::1'] : [address];
  const open: OpenListener[] = [];
  let actual = port;
  for (const host of addresses) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the second takes the port of the first
      const one = await openListener({ host, port: actual }, events);
      open.push(one);
      if (one.listener.kind === 'tcp') actual = one.listener.port;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (open.length > 0 && NO_IPV6.has(code)) {
        events.skipped(host, code);
        return open;
      }
      for (const one of open) one.close();
      return { code, address: host, port: actual, chosen: actual !== port };
    }
  }
  return open;
}

async function failure({ code, address, port }: Failure): Promise<string> {
  switch (code) {
    case 'EADDRINUSE': {
      const owner = await findPortOwner(port);
      const whose = owner === undefined ? '' : ` by ${owner}`;
      const likely = port === 6432 ? "; 6432 is PgBouncer's port too" : '';
      return `port ${port} on ${address} is in use${whose}${likely}. Stop what listens there, or choose another with --port`;
    }
    case 'EACCES':
      return `not allowed to listen on port ${port}. Choose one above 1023 with --port`;
    case 'EADDRNOTAVAIL':
      return `${address} is not an address of this machine. Check --address`;
    default:
      return `cannot listen on ${address}:${port} (${code}). Check --address and --port`;
  }
}
