import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer, isIP, type Server, type Socket } from 'node:net';
import { isLoopback } from '../loopback.ts';
import { KEEPALIVE_MS } from '../upstream/dial.ts';
import { listenOnUnixSocket, socketTarget } from './unix-socket.ts';

/** Most connections that may wait in the kernel to be accepted; it has a limit of its own (somaxconn). */
const BACKLOG = 4_096;

/** Bytes held for a client that reads slowly; with fewer, the server would be paused in the middle of what came together. */
const HIGH_WATER_MARK = 262_144;

/** Who can connect: this user, everybody on this machine, or other machines too. */
type Reach = 'user' | 'machine' | 'network';

/** What is listened on. */
export type Listener =
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number; readonly reach: Reach }
  | { readonly kind: 'unix'; readonly path: string; readonly reach: Reach };

export interface OpenListener {
  readonly listener: Listener;
  /** Stops accepting, and removes a Unix socket that it has made. */
  close(): void;
}

/** Who hears of connections, and of what goes wrong. */
export interface ListenerEvents {
  readonly accept: (client: Socket, listener: Listener) => void;
  /** A connection could not be accepted. */
  readonly failed: (error: Error) => void;
  /** Whether no byte is to be read of a connection before somebody asks for it: another process may take it over. */
  readonly pauseOnConnect?: boolean;
  /** This machine does not have the address, and that is all right. */
  readonly skipped: (address: string, code: string) => void;
}

/** As people and log lines name it. */
export function describeListener(listener: Listener): string {
  if (listener.kind === 'unix') return listener.path;
  const { address, port } = listener;
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What libpq takes for host and port; undefined for a socket that it has no name for. */
export function clientTarget(
  listener: Listener,
): { readonly host: string; readonly port: number } | undefined {
  if (listener.kind === 'unix') return socketTarget(listener.path);
  const { address, port } = listener;
  if (address === '0.0.0.0') return { host: '127.0.0.1', port };
  return { host: address === '::' ? '::1' : address, port };
}

/**
 * Listens on an address, or on a socket that another process has opened; rejects with Node.js's own error.
 *
 * @param where - with a descriptor, its path if it is a Unix socket.
 */
export async function openListener(
  where:
    | { readonly host: string; readonly port: number }
    | { readonly fd: number; readonly path: string | undefined },
  events: ListenerEvents,
): Promise<OpenListener> {
  const server = createServerFor(events, () => listener);
  const { path, ...options } = { path: undefined, ...where };
  server.listen({ ...options, backlog: BACKLOG });
  await once(server, 'listening');
  server.on('error', events.failed);
  const listener = listenerOf(server, path);
  return { listener, close: () => void server.close() };
}

/**
 * Listens on a Unix socket of our own making, which goes when it is closed, or at the latest with the process.
 *
 * @throws StartError if it cannot be had.
 */
export async function openUnixListener(path: string, events: ListenerEvents): Promise<OpenListener> {
  const listener: Listener = { kind: 'unix', path, reach: 'user' };
  const server = createServerFor(events, () => listener);
  const remove = await listenOnUnixSocket(server, path, BACKLOG);
  server.on('error', events.failed);
  // One for each listener is no leak.
  process.once('exit', remove).setMaxListeners(process.getMaxListeners() + 1);
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    process.off('exit', remove).setMaxListeners(process.getMaxListeners() - 1);
    remove();
    server.close();
  };
  return { listener, close };
}

function createServerFor(
  { accept, pauseOnConnect = false }: ListenerEvents,
  listener: () => Listener,
): Server {
  return createServer(
    {
      allowHalfOpen: true,
      pauseOnConnect,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
      highWaterMark: HIGH_WATER_MARK,
    },
    (client) => accept(client, listener()),
  );
}

function listenerOf(server: Server, path = '(nameless Unix socket)'): Listener {
  const found = server.address();
  // Node.js knows no path that it has not chosen itself.
  if (found === null || typeof found === 'string') return { kind: 'unix', path, reach: reachOfSocket(path) };
  const { address, port } = found;
  return { kind: 'tcp', address, port, reach: isLoopback(address) ? 'machine' : 'network' };
}

/** By the socket's own mode; an abstract or nameless one has none. What its directory may keep out is not looked at. */
function reachOfSocket(path: string): Reach {
  try {
    const { mode, uid } = statSync(path);
    const isOurs = uid === 0 || uid === process.getuid?.();
    return isOurs && (mode & 0o077) === 0 ? 'user' : 'machine';
  } catch {
    return 'machine';
  }
}
