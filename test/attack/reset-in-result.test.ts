import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertUnharmed, countSockets } from '../support/after-attack.ts';
import { type Entrance, overTcp, overTls, overUnixSocket } from '../support/entrances.ts';
import { message, STARTUP } from '../support/messages.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { proxyTo, type TestProxy } from '../support/proxy.ts';
import type { RawClient } from '../support/raw-client.ts';
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
async function readPart(entrance: Entrance, proxy: TestProxy, length: number): Promise<RawClient> {
  const client = (await entrance.connect(proxy)).send(STARTUP, BIG);
  await client.hear(length);
  return client;
}

// After the login, SCRAM is as TCP.
for (const [name, open] of Object.entries({ TCP: overTcp, 'Unix socket': overUnixSocket, TLS: overTls })) {
  for (const how of ['reset', 'destroy'] as const) {
    test(`${name}: clients that leave in the middle of a big result (${how}) leave no backend behind`, async () => {
      await using entrance = await open();
      await using proxy = await proxyTo(server, entrance.options);
      const sockets = countSockets();
      const parts = [1, 2, 3, 4].map((part) => readPart(entrance, proxy, part * 500_000));
      for (const client of await Promise.all(parts)) {
        if (how === 'reset') client.reset();
        else client.socket.destroy();
      }
      await proxy.idle();
      await until('the backends to end', async () => (await backends()) === 0);
      await assertUnharmed(proxy, sockets, entrance.pg(proxy));
    });
  }

  test(`${name}: a client that fills both directions and then leaves leaves no backend behind`, async () => {
    await using entrance = await open();
    await using proxy = await proxyTo(server, entrance.options);
    const sockets = countSockets();
    const client = await readPart(entrance, proxy, 100_000);
    const { socket } = client;
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
    client.reset();
    await proxy.idle();
    await until('the backends to end', async () => (await backends()) === 0);
    await assertUnharmed(proxy, sockets, entrance.pg(proxy));
  });
}
