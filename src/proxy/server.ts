import type { Socket } from 'node:net';
import { describeError } from '../log.ts';
import { openInheritedListener } from './inherited.ts';
import { type Listener, type ListenerEvents, type OpenListener, openUnixListener } from './listener.ts';
import { runSession, type SessionDeps } from './session.ts';
import { openTcpListeners } from './tcp-listener.ts';
import { socketPath } from './unix-socket.ts';

/** Errors of accepting (no file descriptor left, say) come by the thousand: one line in this time. */
const ACCEPT_ERROR_LOG_MS = 10_000;

const POSTGRES_PORT = 5432;

/** What to listen on. */
export type ListenAddress =
  /** `localhost` is 127.0.0.1 and, where the machine has it, ::1. Port 0 is any free one. */
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
  /** As {@link socketPath} says; port 0 is that of the TCP listener before it, or else PostgreSQL's own. */
  | { readonly kind: 'unix'; readonly path: string; readonly port: number }
  /** A listening socket that another process has opened. */
  | { readonly kind: 'inherited'; readonly fd: number };

export interface ServerOptions {
  /**
   * Whether whoever has connected over TCP is welcome: asked before a byte is read, and answered by a
   * rejection if not, which the client is told when it has said what it wants.
   */
  readonly admit?: ((client: Socket) => Promise<void>) | undefined;
  /** Throws if a listener must not be, before anybody is accepted there. */
  readonly permit?: ((listener: Listener) => void) | undefined;
  /** Has another process run the session, where there is one. */
  readonly handOver?: HandOver | undefined;
}

/**
 * Gives a connection, of which nothing has been read, to whoever is to run its session.
 *
 * @param admitted - rejects if whoever has connected is not welcome, which is to be told all the same.
 * @param runHere - runs the session in this process, or refuses it with an error.
 */
export type HandOver = (
  client: Socket,
  admitted: Promise<void> | undefined,
  runHere: (refusal?: Error) => void,
) => void;

/** Listeners and their sessions. */
export interface ProxyServer {
  readonly listeners: readonly Listener[];
  /**
   * Runs a session for a connection that another process has accepted.
   *
   * @param admitted - rejects if whoever has connected is not welcome.
   */
  serve(client: Socket, admitted?: Promise<void>): void;
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
 * @param deps - what a new session gets; it may change, except for the registry.
 * @throws StartError if one of the listeners cannot be had: then there is none.
 */
export async function startServer(
  listen: readonly ListenAddress[],
  deps: () => SessionDeps,
  options: ServerOptions = {},
): Promise<ProxyServer> {
  const open: OpenListener[] = [];
  const close = (): void => {
    for (const one of open) one.close();
  };
  const stop = (): void => {
    close();
    deps().registry.stop();
  };
  const events = createEvents(deps, options);
  try {
    for (const wanted of listen) {
      // oxlint-disable-next-line no-await-in-loop -- a Unix socket may have its number from the port before it
      const opened = await openWanted(wanted, open, events);
      open.push(...opened);
      // In the same turn as they were opened: nobody has been accepted yet.
      for (const { listener } of opened) options.permit?.(listener);
    }
  } catch (error) {
    stop();
    throw error;
  }
  const listeners = open.map(({ listener }) => listener);
  const serve: ProxyServer['serve'] = (client, admitted) => void runSession(client, deps(), admitted);
  return { listeners, serve, drain: (timeoutMs) => drain(close, deps, timeoutMs), stop };
}

async function openWanted(
  wanted: ListenAddress,
  before: readonly OpenListener[],
  events: ListenerEvents,
): Promise<OpenListener[]> {
  if (wanted.kind === 'tcp') return openTcpListeners(wanted.address, wanted.port, events);
  if (wanted.kind === 'inherited') return [await openInheritedListener(wanted.fd, events)];
  const ports = before.flatMap(({ listener }) => (listener.kind === 'tcp' ? [listener.port] : []));
  const port = wanted.port || (ports.at(-1) ?? POSTGRES_PORT);
  return [await openUnixListener(socketPath(wanted.path, port), events)];
}

/** Of a connection that is handed over, nothing must have been read. */
type ServerEvents = ListenerEvents & { readonly pauseOnConnect: boolean };

function createEvents(deps: () => SessionDeps, { admit, handOver }: ServerOptions): ServerEvents {
  let silentUntil = 0;
  return {
    pauseOnConnect: handOver !== undefined,
    accept: (client, { kind }) => {
      const admitted = kind === 'tcp' ? admit?.(client) : undefined;
      // The session hears of it in its own time.
      admitted?.catch(() => {});
      const runHere = (refusal?: Error): void => {
        const welcome = refusal === undefined ? admitted : Promise.reject(refusal);
        welcome?.catch(() => {});
        void runSession(client, deps(), welcome);
      };
      if (handOver === undefined) runHere();
      else handOver(client, admitted, runHere);
    },
    skipped: (address, code) =>
      deps().log.debug(
        { event: 'not-listening', address },
        `not listening on ${address}, which is not here (${code})`,
      ),
    failed: (error) => {
      const now = performance.now();
      if (now < silentUntil) return;
      silentUntil = now + ACCEPT_ERROR_LOG_MS;
      deps().log.error(
        { event: 'accept-error', error: describeError(error) },
        `cannot accept connections: ${describeError(error)}; raise the limit of open files (ulimit -n) if it is that`,
      );
    },
  };
}

async function drain(close: () => void, deps: () => SessionDeps, timeoutMs: number): Promise<number> {
  close();
  const { registry, observer } = deps();
  if (!registry.draining) observer?.draining();
  let cut = 0;
  const timer = setTimeout(() => {
    cut = registry.connectionCount;
    registry.stop();
  }, timeoutMs);
  await registry.drain();
  clearTimeout(timer);
  return cut;
}
