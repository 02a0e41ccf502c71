import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps the connections to a server few: for one too many the oldest goes, so that whoever keeps all of them
 * does not keep a probe out.
 */
export function limitConnections(server: Server, maxConnections: number): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const [oldest] = open;
    if (open.size > maxConnections) oldest?.destroy();
  });
}
