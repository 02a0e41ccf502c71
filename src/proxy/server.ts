import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { StartError } from '../errors.ts';
import { describeError } from '../log.ts';
import { KEEPALIVE_MS } from '../upstream/dial.ts';
import { findPortOwner } from './port-owner.ts';
import { runSession, type SessionDeps } from './session.ts';

/** Errors of accepting (no file descriptor left, say) come by the thousand: one line in this time. */
const ACCEPT_ERROR_LOG_MS = 10_000;

/** Most connections that may wait in the kernel to be accepted; it has a limit of its own (somaxconn). */
const BACKLOG = 4_096;

/** A listener and its sessions. */
export interface ProxyServer {
  readonly address: string;
  readonly port: number;
  /**
   * Stops accepting and ends each session between transactions.
   *
   * @param timeoutMs - after it, what is left is closed all the same.
   * @returns how many sessions had to be cut.
   */
  drain(timeoutMs: number): Promise<number>;
  /** Ends everything at once: also a drain that is under way. */
  stop(): void;
}

/**
 * Listens and runs a session for each connection.
 *
 * @throws {@link StartError} if it cannot listen.
 */
export async function startServer(
  listen: { readonly address: string; readonly port: number },
  deps: SessionDeps,
): Promise<ProxyServer> {
  const server = createServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS },
    (client) => void runSession(client, deps),
  );
  server.listen({ host: listen.address, port: listen.port, backlog: BACKLOG });
  await once(server, 'listening').catch(async (error: unknown) => {
    throw new StartError(await listenFailure(error, listen.address, listen.port));
  });
  surviveAcceptErrors(server, deps);
  const { address, port } = server.address() as AddressInfo;
  return {
    address,
    port,
    drain: (timeoutMs) => drain(server, deps, timeoutMs),
    stop: () => {
      server.close();
      deps.registry.stop();
    },
  };
}

async function drain(server: Server, { registry }: SessionDeps, timeoutMs: number): Promise<number> {
  server.close();
  let cut = 0;
  const timer = setTimeout(() => {
    cut = registry.connectionCount;
    registry.stop();
  }, timeoutMs);
  await registry.drain();
  clearTimeout(timer);
  return cut;
}

async function listenFailure(error: unknown, address: string, port: number): Promise<string> {
  const { code } = error as NodeJS.ErrnoException;
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

function surviveAcceptErrors(server: Server, { log }: SessionDeps): void {
  let silentUntil = 0;
  server.on('error', (error) => {
    const now = performance.now();
    if (now < silentUntil) return;
    silentUntil = now + ACCEPT_ERROR_LOG_MS;
    log.error(
      { event: 'accept-error', error: describeError(error) },
      `cannot accept connections: ${describeError(error)}; raise the limit of open files (ulimit -n) if it is that`,
    );
  });
}
