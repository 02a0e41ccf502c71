import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A bare TCP hop in front of a port, to watch and to cut what goes through. */
export interface Forwarder extends AsyncDisposable {
  readonly port: number;
  readonly opened: number;
  readonly closed: number;
  /** Resets all connections, as a failing network would. */
  cut(): void;
}

/** @param listenPort - default: any free one. */
export async function startForwarder(target: number, listenPort = 0): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  let opened = 0;
  let closed = 0;
  const server = createServer((near) => {
    opened += 1;
    const far = connect(target, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        // A pipe does not end what it fed when its source is destroyed.
        other.destroySoon();
      });
      one.pipe(other);
    }
    near.once('close', () => {
      closed += 1;
    });
  });
  server.listen(listenPort, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    get opened() {
      return opened;
    },
    get closed() {
      return closed;
    },
    cut,
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
