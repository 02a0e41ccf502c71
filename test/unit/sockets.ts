import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP connection over loopback: `near` is the end under test, accepted as the proxy accepts. */
export interface SocketPair extends AsyncDisposable {
  readonly near: Socket;
  readonly far: Socket;
}

export async function connectPair(): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const { port } = server.address() as AddressInfo;
  const far = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
  const [near] = await accepted;
  if (far.connecting) await once(far, 'connect');
  server.close();
  for (const socket of [near, far]) socket.on('error', () => {});
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      await Promise.all([near, far].map(destroyed));
    },
  };
}

async function destroyed(socket: Socket): Promise<void> {
  if (socket.closed) return;
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  socket.destroy();
  await closed;
}

/** Writes, and waits until a reader on the other end (one that listens to 'readable') has been told. */
export async function writeAndArrive(from: Socket, to: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0) return;
  const total = to.bytesRead + bytes.length;
  from.write(bytes);
  while (to.bytesRead < total) await once(to, 'readable');
}

/** All that a socket receives until the other end is through. */
export async function receiveAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (!socket.readableEnded) await once(socket, 'end');
  return Buffer.concat(chunks);
}
