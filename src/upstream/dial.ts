import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { serialize } from 'pg-protocol';
import { SocketReader } from '../socket-reader.ts';
import type { Availability } from './availability.ts';
import {
  answerFailure,
  ConnectTimeoutError,
  connectFailure,
  SilentAddressError,
  tlsFailure,
} from './failures.ts';
import { verifyPins } from './pins.ts';
import type { Trust } from './trust.ts';

/** Well under the 4 minutes after which Azure's load balancers forget an idle connection. */
export const KEEPALIVE_MS = 60_000;

/** How long one of several addresses may take before the next is tried; Node.js gives it 250 ms. */
const ADDRESS_ATTEMPT_MS = 1_000;

/** Where to dial and whom to expect there: separate, because private endpoints have other names. */
export interface Upstream {
  /** Host name or IP address; resolved anew at each dial, since failover changes it. */
  readonly address: string;
  readonly port: number;
  readonly trust: Trust;
  readonly connectTimeoutMs: number;
  /** What is known of the server's being there; without it, logins do not wait for it to come back. */
  readonly availability?: Availability | undefined;
}

/** How long an attempt may take, where that is less than the connect timeout. */
export interface DialLimits {
  readonly totalMs: number;
  /** For TCP alone, the name's resolution included. */
  readonly tcpMs: number;
}

/** How long each phase of a dial took, in milliseconds. */
export interface DialTimes {
  readonly tcpMs: number;
  readonly tlsMs: number;
}

export interface Dialled {
  readonly socket: TLSSocket;
  readonly times: DialTimes;
}

/**
 * Opens a verified TLS session to the server: resolve, TCP, SSLRequest, exactly one byte `S`, TLS.
 *
 * @throws {@link ProxyError} 08001 with a HINT that names the setting to look at; the signal's reason.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
export async function dialUpstream(
  upstream: Upstream,
  signal: AbortSignal,
  limits: DialLimits = { totalMs: upstream.connectTimeoutMs, tcpMs: upstream.connectTimeoutMs },
): Promise<Dialled> {
  signal.throwIfAborted();
  const attempt = new AbortController();
  const giveUp = (): void => attempt.abort(signal.reason);
  const timer = setTimeout(() => attempt.abort(new ConnectTimeoutError()), limits.totalMs);
  signal.addEventListener('abort', giveUp);
  try {
    const dialled = await dial(upstream, attempt, limits);
    upstream.availability?.reached();
    return dialled;
  } catch (error) {
    signal.throwIfAborted();
    throw attempt.signal.aborted ? connectFailure(attempt.signal.reason, upstream) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

async function dial(upstream: Upstream, attempt: AbortController, limits: DialLimits): Promise<Dialled> {
  const { signal } = attempt;
  const start = performance.now();
  const tcp = connectTcp({
    host: upstream.address,
    port: upstream.port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_MS,
    autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
  });
  // Whoever waits hears of an error through its own listener; a late one must not end the process.
  tcp.on('error', ignore);
  const { tcpMs, totalMs } = limits;
  const timer =
    tcpMs < totalMs ? setTimeout(() => attempt.abort(new SilentAddressError()), tcpMs) : undefined;
  try {
    await opened(tcp, 'connect', signal).catch((error: unknown) => {
      throw connectFailure(error, upstream);
    });
    clearTimeout(timer);
    const connected = performance.now();
    await requestTls(tcp, upstream, signal);
    const socket = await startTls(tcp, upstream, signal);
    return { socket, times: { tcpMs: connected - start, tlsMs: performance.now() - connected } };
  } catch (error) {
    tcp.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function requestTls(tcp: Socket, upstream: Upstream, signal: AbortSignal): Promise<void> {
  const reader = new SocketReader(tcp, 'server');
  try {
    tcp.write(serialize.requestSsl());
    const answer = await reader.read(1, signal).catch((error: unknown) => {
      throw answerFailure('closed', upstream, error);
    });
    const byte = String.fromCharCode(answer[0] as number);
    if (byte !== 'S') throw answerFailure(byte, upstream);
    // Bytes behind 'S' arrived in the clear: someone on the path is injecting (CVE-2021-23222).
    if (reader.buffered > 0) throw answerFailure('injected', upstream);
  } finally {
    reader.detach();
  }
}

async function startTls(tcp: Socket, upstream: Upstream, signal: AbortSignal): Promise<TLSSocket> {
  const { secureContext, serverName, pins } = upstream.trust;
  const socket = connectTls({
    socket: tcp,
    secureContext,
    // SNI carries no IP addresses (RFC 6066); Node.js then verifies against `host`.
    ...(isIP(serverName) === 0 ? { servername: serverName } : { host: serverName }),
    // Said aloud, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default.
    rejectUnauthorized: true,
  });
  socket.on('error', ignore);
  try {
    await opened(socket, 'secureConnect', signal);
    verifyPins(socket, pins);
    return socket;
  } catch (error) {
    socket.destroy();
    throw tlsFailure(error, upstream);
  }
}

/** Waits for a socket to say it is connected; rejects on its error, its close, or the signal. */
function opened(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      socket.off(event, onOpen).off('error', settle).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onOpen = (): void => settle();
    const onClose = (): void => settle(new Error('connection closed'));
    const onAbort = (): void => settle(signal.reason as Error);
    socket.on(event, onOpen).on('error', settle).on('close', onClose);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

function ignore(): void {}
