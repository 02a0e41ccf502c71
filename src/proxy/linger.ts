import type { Socket } from 'node:net';

/** How long a peer may take to read the next of our last bytes, and then to close, in milliseconds. */
const LINGER_MS = 5_000;

/** The same for a session that the proxy itself ends: it may be waited for by whoever stops the proxy. */
export const SHORT_LINGER_MS = 500;

/**
 * Sends the last bytes and closes, without cutting them off: closing a socket that holds unread bytes
 * sends a reset, which can overtake what was sent before. So after the last byte has gone, what still
 * comes is read and dropped until the peer closes too, or the time is up.
 */
export function closeGently(socket: Socket, lastBytes?: Buffer, lingerMs = LINGER_MS): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) {
      resolve();
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.removeAllListeners('data').removeAllListeners('readable').pause();
    // Node.js counts progress in writing as activity, so a slow reader gets all it is owed.
    socket.setTimeout(lingerMs, () => socket.destroy());
    socket.once('finish', () => {
      socket.setTimeout(0);
      timer = setTimeout(() => socket.destroy(), lingerMs);
      // Not before the stream has noticed that nobody listens for 'readable' any more.
      setImmediate(() => socket.resume());
    });
    if (socket.writableFinished) socket.emit('finish');
    else if (lastBytes === undefined || socket.writableEnded) socket.end();
    else socket.end(lastBytes);
  });
}
