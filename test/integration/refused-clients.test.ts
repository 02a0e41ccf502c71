import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serialize } from 'pg-protocol';
import { findFreePort } from '../../src/demo/loopback.ts';
import { startProxy } from '../support/proxy.ts';
import { createTestToken, TestTokenSource } from '../support/tokens.ts';
import { WireClient } from '../support/wire.ts';

/** A proxy whose server is not there. */
async function startLonelyProxy(maxSessions = 1) {
  const upstream = { port: await findFreePort(), caPem: '' };
  return startProxy({ upstream, tokens: new TestTokenSource(createTestToken()), maxSessions });
}

test('a client that was refused and does not close takes no place, and its log line does not wait', async () => {
  await using proxy = await startLonelyProxy(2);
  for (let count = 1; count <= 3; count += 1) {
    const client = new WireClient(proxy.dial());
    // As some old drivers do, it leaves the proxy's end of the connection without an answer.
    client.socket.removeAllListeners('end');
    client.startUp();
    assert.equal((await client.waitError()).sqlState, '08001');
    await proxy.log.find('session', (line) => line['sessionId'] === count);
    assert.equal(proxy.deps.registry.sessionCount, 0);
  }
  assert.equal(proxy.deps.registry.connectionCount, 3);
});

test('a client that leaves when it is refused TLS is told of in the log, with what to set', async () => {
  await using proxy = await startLonelyProxy();
  const client = proxy.dial();
  client.write(serialize.requestSsl());
  client.once('data', () => client.destroy());
  const { msg } = await proxy.log.find('connection');
  assert.match(String(msg), /left when it was refused TLS.*sslmode=disable/);
});

test('a client that starts TLS although it was refused is told of in the log, with what to set', async () => {
  await using proxy = await startLonelyProxy();
  const client = proxy.dial();
  client.on('error', () => {});
  client.write(serialize.requestSsl());
  client.once('data', () => client.write(Buffer.from([0x16, 3, 1, 0, 100, 1, 0, 0])));
  const { msg } = await proxy.log.find('connection');
  assert.match(String(msg), /starts TLS although it was refused.*sslmode=disable, ssl: false/);
  client.destroy();
});
