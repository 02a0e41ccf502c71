import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { startDelayRelay } from '../../../bench/wire/delay-relay.ts';
import { listen } from '../../../src/demo/loopback.ts';

test('the delaying relay delays each way, keeps the order and both ends, and loses nothing', async (context) => {
  const DELAY_MS = 25;
  const echo = await listen(
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    }),
  );
  context.after(() => echo.close());
  await using relay = await startDelayRelay({ upstreamPort: echo.port, delayMs: DELAY_MS });
  const sent = Buffer.from(Uint32Array.from({ length: 1_000_000 }, (_none, index) => index).buffer);
  const started = performance.now();
  const client = connect({ host: '127.0.0.1', port: relay.port, allowHalfOpen: true });
  let firstAt: number | undefined;
  const received: Buffer[] = [];
  client.on('data', (chunk: Buffer) => {
    firstAt ??= performance.now();
    received.push(chunk);
  });
  client.end(sent);
  await once(client, 'end');
  assert.ok(sent.equals(Buffer.concat(received)), 'what came back is what was sent');
  // SYN, SYN-ACK and ACK, then there and back.
  assert.ok(
    (firstAt ?? 0) - started >= 4 * DELAY_MS,
    `the first byte came after ${(firstAt ?? 0) - started} ms`,
  );
});
