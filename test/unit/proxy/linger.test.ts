import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { closeGently } from '../../../src/proxy/linger.ts';
import { SocketReader } from '../../../src/socket-reader.ts';
import { connectPair, receiveAll } from '../sockets.ts';

/** Longer than any of these tests may take: where it is waited for, the test times out. */
const LONG_MS = 30_000;
const TEST_TIMEOUT = { timeout: 5_000 };

test('the last bytes reach a peer that closes when it has them', TEST_TIMEOUT, async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const received = receiveAll(far);
  far.once('end', () => far.end());
  await closeGently(near, Buffer.from('last words'), LONG_MS);
  assert.equal((await received).toString(), 'last words');
  assert.equal(near.destroyed, true);
});

test(
  'the last bytes are not lost on a peer that reads only when it has sent everything',
  TEST_TIMEOUT,
  async () => {
    await using pair = await connectPair();
    const { near, far } = pair;
    const sent = Promise.withResolvers<void>();
    far.write(Buffer.alloc(20_000_000), () => sent.resolve());
    const closed = closeGently(near, Buffer.from('last words'), LONG_MS);
    await sent.promise;
    const received = receiveAll(far);
    far.once('end', () => far.end());
    assert.equal((await received).toString(), 'last words');
    await closed;
  },
);

test('a large last message gets through to a peer that starts reading late', TEST_TIMEOUT, async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const lastBytes = Buffer.alloc(8_000_000, 'x');
  const closed = closeGently(near, lastBytes, LONG_MS);
  const received = receiveAll(far);
  far.once('end', () => far.end());
  assert.equal((await received).length, lastBytes.length);
  await closed;
});

test('a peer that sent more than was read can be closed as fast as any other', {
  timeout: 3_000,
}, async (t) => {
  await using pair = await connectPair();
  const { near, far } = pair;
  t.after(() => near.destroy());
  const reader = new SocketReader(near, 'client');
  far.write('startup and more');
  await reader.read(7, new AbortController().signal);
  far.once('end', () => far.end()).resume();
  await closeGently(near, Buffer.from('refused'), LONG_MS);
});

test('a peer that never closes is cut off when the time is up', TEST_TIMEOUT, async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  far.resume();
  const ended = once(far, 'end');
  await closeGently(near, Buffer.from('bye'), 50);
  await ended;
  assert.equal(near.destroyed, true);
});

test('a peer that does not read is cut off when the time is up', TEST_TIMEOUT, async () => {
  await using pair = await connectPair();
  const { near } = pair;
  await closeGently(near, Buffer.alloc(50_000_000), 50);
  assert.equal(near.destroyed, true);
});

test('closing a closed socket, or one that is being closed, is done when it is', TEST_TIMEOUT, async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  far.once('end', () => far.end()).resume();
  await Promise.all([closeGently(near, Buffer.from('bye'), LONG_MS), closeGently(near, undefined, LONG_MS)]);
  await closeGently(near, undefined, LONG_MS);
  assert.equal(near.destroyed, true);
});

test('nothing to say still tells the peer that this is the end', TEST_TIMEOUT, async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  far.once('end', () => far.end()).resume();
  await closeGently(near, undefined, LONG_MS);
  assert.equal(far.readableEnded, true);
});
