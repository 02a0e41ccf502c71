import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PeerClosedError } from '../../src/errors.ts';
import { SocketReader } from '../../src/socket-reader.ts';
import { connectPair, writeAndArrive } from './sockets.ts';

const { signal } = new AbortController();

function isPeerClosed(peer: string, code?: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PeerClosedError);
    assert.equal(error.peer, peer);
    if (code !== undefined) assert.equal((error.cause as NodeJS.ErrnoException).code, code);
    return true;
  };
}

/** Counts the reads of a socket from now on: every wake-up of a reader makes at least one. */
function countReads(socket: Socket): () => number {
  const read = socket.read.bind(socket);
  let count = 0;
  socket.read = (size?: number) => {
    count += 1;
    return read(size) as unknown;
  };
  return () => count;
}

test('reads are exact, however the bytes arrive', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const reader = new SocketReader(near, 'client');
  const first = reader.read(4, signal);
  await writeAndArrive(far, near, Buffer.from('a'));
  await writeAndArrive(far, near, Buffer.from('bc'));
  await writeAndArrive(far, near, Buffer.from('defghi'));
  assert.equal((await first).toString(), 'abcd');
  assert.equal((await reader.read(1, signal)).toString(), 'e');
  assert.equal((await reader.read(0, signal)).length, 0);
  assert.equal((await reader.read(4, signal)).toString(), 'fghi');
});

test('a read larger than the socket buffers at once is served', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const reader = new SocketReader(near, 'client');
  const bytes = Buffer.alloc(200_000, 'x');
  far.write(bytes);
  assert.deepEqual(await reader.read(bytes.length, signal), bytes);
});

test('what was not asked for is counted, stays in the socket, and reaches a later listener', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const reader = new SocketReader(near, 'client');
  far.write('startup and more');
  assert.equal((await reader.read(7, signal)).toString(), 'startup');
  assert.equal(reader.buffered, 9);
  reader.detach();
  const [rest] = (await once(near, 'data')) as [Buffer];
  assert.equal(rest.toString(), ' and more');
  const later = once(near, 'data') as Promise<[Buffer]>;
  far.write('!');
  assert.equal((await later)[0].toString(), '!');
});

test('a partial packet wakes the reader once, not in a loop', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const reader = new SocketReader(near, 'client');
  await writeAndArrive(far, near, Buffer.from('ab'));
  const reads = countReads(near);
  const four = reader.read(4, signal);
  for (let turns = 0; turns < 200; turns += 1) await turn();
  assert.ok(reads() >= 1);
  assert.ok(reads() < 10, `${reads()} reads of 2 bytes`);
  far.write('cd');
  assert.equal((await four).toString(), 'abcd');
  assert.ok(reads() < 20, `${reads()} reads of 4 bytes`);
});

test('a peer that closes before the last byte has come is reported, also to the reads after', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const reader = new SocketReader(near, 'server');
  const read = reader.read(4, signal);
  far.end('abc');
  await assert.rejects(read, isPeerClosed('server'));
  await assert.rejects(reader.read(1, signal), isPeerClosed('server'));
});

test('a peer that closes without a word is reported', async () => {
  await using pair = await connectPair();
  const reader = new SocketReader(pair.near, 'client');
  const read = reader.read(1, signal);
  pair.far.end();
  await assert.rejects(read, isPeerClosed('client'));
});

test('bytes sent right before the close can still be read', async () => {
  await using pair = await connectPair();
  const reader = new SocketReader(pair.near, 'client');
  pair.far.end('abcdef');
  assert.equal((await reader.read(4, signal)).toString(), 'abcd');
  assert.equal((await reader.read(2, signal)).toString(), 'ef');
  await assert.rejects(reader.read(1, signal), isPeerClosed('client'));
});

test('a reset is reported with its cause', async () => {
  await using pair = await connectPair();
  const reader = new SocketReader(pair.near, 'client');
  const read = reader.read(4, signal);
  pair.far.resetAndDestroy();
  await assert.rejects(read, isPeerClosed('client', 'ECONNRESET'));
});

test('a socket that was destroyed here is reported as closed', async () => {
  await using pair = await connectPair();
  const reader = new SocketReader(pair.near, 'client');
  pair.near.destroy();
  await assert.rejects(reader.read(1, signal), isPeerClosed('client'));
});

test('an abort while waiting ends the wait with its reason, and takes no byte', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const reader = new SocketReader(near, 'client');
  const controller = new AbortController();
  const read = reader.read(4, controller.signal);
  await writeAndArrive(far, near, Buffer.from('abc'));
  const reason = new Error('login deadline');
  controller.abort(reason);
  await assert.rejects(read, (error) => error === reason);
  await assert.rejects(reader.read(1, controller.signal), (error) => error === reason);
  assert.equal((await reader.read(3, signal)).toString(), 'abc');
});

test('reading leaves no listener behind on the signal, and detaching none on the socket', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const names = ['readable', 'error', 'end', 'close'];
  const before = names.map((name) => near.listenerCount(name));
  const reader = new SocketReader(near, 'client');
  const controller = new AbortController();
  const read = reader.read(6, controller.signal);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 1);
  for (const byte of 'abcdef') await writeAndArrive(far, near, Buffer.from(byte));
  await read;
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  reader.detach();
  assert.deepEqual(
    names.map((name) => near.listenerCount(name)),
    before,
  );
});
