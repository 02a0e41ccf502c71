/** The delaying relay, in a process of its own: what a network of that length would do, and no more. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { LOOPBACK } from '../../src/demo/loopback.ts';
import { DelayLine } from './delay-line.ts';

export interface DelaySetup {
  readonly port: number;
  readonly upstreamPort: number;
  readonly delayMs: number;
}

/**
 * How many one-way delays lie between a client's SYN and the server's accept: SYN there, SYN-ACK back,
 * ACK there. The kernel here answers the client's SYN at once, so the relay makes up for all three.
 */
const HANDSHAKE_DELAYS = 3;

/** Kept back for a slow receiver; more than a delay of some milliseconds can hold in flight. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

function relay(client: Socket, line: DelayLine, { upstreamPort, delayMs }: DelaySetup): void {
  client.setNoDelay(true);
  const reachesServer = performance.now() + HANDSHAKE_DELAYS * delayMs;
  let server: Socket | undefined;
  const drop = (): void => {
    client.destroy();
    server?.destroy();
  };
  client.on('error', drop);
  line.at(reachesServer, () => {
    if (client.destroyed) return;
    server = connect({ host: LOOPBACK, port: upstreamPort, noDelay: true, allowHalfOpen: true });
    server.on('error', drop);
    forward(
      server,
      () => client,
      line,
      () => performance.now() + delayMs,
    );
  });
  // Nothing passes the one above; what is written to a socket before it is connected, it keeps until then.
  forward(
    client,
    () => server,
    line,
    () => Math.max(reachesServer, performance.now() + delayMs),
  );
}

/** Passes on all that one side sends, and its end, each at its time. */
function forward(from: Socket, to: () => Socket | undefined, line: DelayLine, due: () => number): void {
  let queued = 0;
  from.on('data', (chunk: Buffer) => {
    queued += chunk.length;
    if (queued > MAX_QUEUED_BYTES) from.pause();
    line.at(due(), () => {
      const passed = (): void => {
        queued -= chunk.length;
        if (from.isPaused() && queued < MAX_QUEUED_BYTES) from.resume();
      };
      const socket = to();
      if (socket === undefined || socket.destroyed) passed();
      else socket.write(chunk, passed);
    });
  });
  from.on('end', () => line.at(due(), () => to()?.end()));
  from.on('close', (hadError) => {
    if (hadError) to()?.destroy();
  });
}

async function main(setup: DelaySetup): Promise<void> {
  const line = new DelayLine();
  const server = createServer({ allowHalfOpen: true }, (client) => relay(client, line, setup));
  server.listen(setup.port, LOOPBACK);
  await once(server, 'listening');
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
}

process.on('disconnect', () => process.exit());
process.once('message', (setup: DelaySetup) => void main(setup));
