import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Upstream } from '../upstream/dial.ts';
import { ConnectTimeoutError, connectFailure } from '../upstream/failures.ts';

/** How long one of several addresses may take before the next is tried, in milliseconds; as when logging in. */
const ADDRESS_ATTEMPT_MS = 1_000;

/**
 * Connects to the server over TCP, for what can be found out before TLS, and hangs up after that.
 *
 * @param use - gets a signal that aborts when all of it has taken as long as the connect timeout.
 * @throws DialFailure if there is no connection, or no time left; whatever `use` throws.
 */
export async function onConnection<T>(
  upstream: Upstream,
  use: (socket: Socket, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const { signal } = deadline;
  const timer = setTimeout(() => deadline.abort(new ConnectTimeoutError()), upstream.connectTimeoutMs);
  const socket = connect({
    host: upstream.address,
    port: upstream.port,
    autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
  });
  // Whoever waits hears of an error; a late one must not end the process.
  socket.on('error', () => {});
  try {
    await once(socket, 'connect', { signal }).catch((error: unknown) => {
      throw connectFailure(error, upstream);
    });
    return await use(socket, signal);
  } catch (error) {
    throw signal.aborted ? connectFailure(signal.reason, upstream) : error;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
