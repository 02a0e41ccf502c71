import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { assertUnharmed, countTcpHandles } from '../support/after-attack.ts';
import { message, STARTUP } from '../support/messages.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { proxyTo } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const BIG = message('Q', "select repeat('x', 1000) from generate_series(1, 200000)\0");

/** Looks this often, in vain, for a byte to get on before the pipes count as full. */
const CALM_LOOKS = 20;

let server: TestServer;

before(async () => {
  server = await startTestServer();
});

after(() => server.postgres.stop());

async function backends(): Promise<number> {
  const sql = `select count(*)::int as count from pg_stat_activity where usename = '${TEST_ROLE}'`;
  const [row] = await server.postgres.admin(sql);
  return Number(row?.['count']);
}

/** Logs in, asks, and reads as far as told. */
async function readPart(port: number, length: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  let heard = 0;
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      if (heard === 0) socket.write(BIG);
      heard += chunk.length;
      if (heard >= length) resolve();
    });
    socket.write(STARTUP);
  });
  return socket;
}

for (const how of ['resetAndDestroy', 'destroy'] as const) {
  test(`clients that leave in the middle of a big result (${how}) leave no backend behind`, async () => {
    await using proxy = await proxyTo(server);
    const tcpHandles = countTcpHandles();
    const sockets = await Promise.all([1, 2, 3, 4].map((part) => readPart(proxy.port, part * 500_000)));
    for (const socket of sockets) socket[how]();
    await proxy.idle();
    await until('the backends to end', async () => (await backends()) === 0);
    await assertUnharmed(proxy, tcpHandles);
  });
}

test('a client that fills both directions and then leaves leaves no backend behind', async () => {
  await using proxy = await proxyTo(server);
  const tcpHandles = countTcpHandles();
  const socket = await readPart(proxy.port, 100_000);
  socket.pause();
  socket.write(Buffer.concat(Array<Buffer>(200_000).fill(BIG)));
  let left = 0;
  let calm = 0;
  await until('the pipes to be full', () => {
    calm = socket.writableLength === left ? calm + 1 : 0;
    left = socket.writableLength;
    return calm === CALM_LOOKS;
  });
  assert.ok(left > 0, 'the proxy swallowed it all');
  socket.resetAndDestroy();
  await proxy.idle();
  await until('the backends to end', async () => (await backends()) === 0);
  await assertUnharmed(proxy, tcpHandles);
});
