import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Listens, and then never takes a connection: the kernel does that for it, up to the backlog. */
const DEAF = `
const [address, port] = process.argv.slice(1);
const server = require('node:net').createServer();
server.listen({ host: address, port: Number(port), backlog: 1 }, () => {
  require('node:fs').writeSync(1, 'listening');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
`;

/** Longer than a connection on this machine takes, if it is taken at all. */
const TAKEN_WITHIN_MS = 100;

/** An address where connections are neither taken nor refused, as of a machine that is gone. */
export async function startSilentAddress(address: string, port: number): Promise<AsyncDisposable> {
  const child = spawn(process.execPath, ['-e', DEAF, address, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const sockets: Socket[] = [];
  for (;;) {
    const socket = connect(port, address).on('error', () => {});
    sockets.push(socket);
    const signal = AbortSignal.timeout(TAKEN_WITHIN_MS);
    const isTaken = await once(socket, 'connect', { signal }).then(
      () => true,
      () => false,
    );
    if (!isTaken) break;
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
