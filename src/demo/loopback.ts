import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** Everything of the demo listens here and nowhere else, unless it has a container of its own. */
export const LOOPBACK = '127.0.0.1';

/** A listening server. */
export interface Listener {
  readonly port: number;
  /** Stops listening and ends every open connection. May be called again. */
  readonly close: () => Promise<void>;
}

/** Starts a server, on a free port unless told otherwise. */
export async function listen(server: Server, port = 0, host: string = LOOPBACK): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
    return closing;
  };
  return { port: address.port, close };
}

/** A port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const { port, close } = await listen(createServer());
  await close();
  return port;
}
