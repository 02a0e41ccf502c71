import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { Worker } from 'node:worker_threads';

/** Leaves a socket behind that nobody listens on, as a killed process does. */
export async function leaveStaleSocket(path: string): Promise<void> {
  const born = `${path}.born`;
  const server = createServer().listen(born);
  await once(server, 'listening');
  // Node.js removes what it has made, under the name that it has made it with.
  renameSync(born, path);
  server.close();
  await once(server, 'close');
}

/** @returns the error's code, or `connected`. */
export function tryConnect(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.once('connect', () => {
      socket.destroy();
      resolve('connected');
    });
  });
}

export interface ModeWatch extends AsyncDisposable {
  /** What has been seen so far, such as `socket 600`, sorted. */
  seen(): Promise<string[]>;
}

const WATCH = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { lstatSync, readdirSync } = require('node:fs');
  const { join } = require('node:path');
  const stop = new Int32Array(workerData.stop);
  const seen = new Set();
  parentPort.postMessage('watching');
  while (Atomics.load(stop, 0) === 0) {
    for (const name of readdirSync(workerData.directory)) {
      const stat = lstatSync(join(workerData.directory, name), { throwIfNoEntry: false });
      if (stat === undefined) continue;
      const kind = stat.isSocket() ? 'socket' : stat.isDirectory() ? 'directory' : 'file';
      seen.add(kind + ' ' + (stat.mode & 0o777).toString(8));
    }
  }
  parentPort.postMessage([...seen].sort());
`;

/** Looks all the time, from a thread of its own, at what lies in a directory. */
export async function watchModes(directory: string): Promise<ModeWatch> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(WATCH, { eval: true, workerData: { directory, stop: stop.buffer } });
  await once(worker, 'message');
  return {
    async seen() {
      const result = once(worker, 'message') as Promise<[string[]]>;
      Atomics.store(stop, 0, 1);
      return (await result)[0];
    },
    async [Symbol.asyncDispose]() {
      Atomics.store(stop, 0, 1);
      await worker.terminate();
    },
  };
}
