import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { encodeCancelRequest } from '../../src/protocol/startup.ts';
import { onEachServer } from '../support/postgres.ts';
import { proxyTo } from '../support/proxy.ts';
import { until } from '../support/wait.ts';
import { PROTOCOL_3_0, PROTOCOL_3_2, WireClient } from '../support/wire.ts';

onEachServer((server) => {
  const sleeping = async (): Promise<boolean> => {
    const rows = await server().postgres.admin(
      "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'",
    );
    return rows.length > 0;
  };

  for (const [name, version] of [
    ['a 4-byte', PROTOCOL_3_0],
    ['a long', PROTOCOL_3_2],
  ] as const) {
    test(`a query is cancelled with ${name} key, and the session goes on`, async () => {
      await using proxy = await proxyTo(server());
      const client = new WireClient(proxy.dial());
      client.startUp({}, version);
      const { body: key } = await client.wait('K');
      client.query('select pg_sleep(60)');
      await until('the query to run', sleeping);

      const canceller = new WireClient(proxy.dial());
      canceller.send(encodeCancelRequest(key));
      await canceller.waitEnd();
      assert.equal(canceller.messages.length, 0, 'a cancellation has no answer');

      assert.equal((await client.waitError()).sqlState, '57014');
      client.query('select 1');
      await client.wait('Z', 3);
      client.socket.destroy();
    });
  }

  test('a client may hang up as soon as it has asked for the cancellation', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp();
    const { body: key } = await client.wait('K');
    client.query('select pg_sleep(60)');
    await until('the query to run', sleeping);
    const canceller = proxy.dial().on('error', () => {});
    canceller.write(encodeCancelRequest(key), () => canceller.resetAndDestroy());
    assert.equal((await client.waitError()).sqlState, '57014');
    client.socket.destroy();
  });

  test('a cancellation gets through when no session is left', async () => {
    await using proxy = await proxyTo(server(), { maxSessions: 1 });
    const client = new WireClient(proxy.dial());
    client.startUp();
    const { body: key } = await client.wait('K');
    client.query('select pg_sleep(60)');
    await until('the query to run', sleeping);
    new WireClient(proxy.dial()).send(encodeCancelRequest(key));
    assert.equal((await client.waitError()).sqlState, '57014');
    client.socket.destroy();
  });

  test('a cancellation goes to where the session lives, also when the name points elsewhere by now', async () => {
    const { port } = server().postgres;
    const elsewhere = createServer((socket) => socket.destroy());
    elsewhere.listen(port, '127.0.0.2');
    await once(elsewhere, 'listening');
    let address = '127.0.0.1';
    const upstream = {
      port,
      caPem: server().authority.certPem,
      get address() {
        return address;
      },
    };
    await using proxy = await proxyTo(server(), { upstream });
    const client = new WireClient(proxy.dial());
    client.startUp();
    const { body: key } = await client.wait('K');
    client.query('select pg_sleep(60)');
    await until('the query to run', sleeping);
    address = '127.0.0.2';
    new WireClient(proxy.dial()).send(encodeCancelRequest(key));
    assert.equal((await client.waitError()).sqlState, '57014');
    client.socket.destroy();
    await proxy.idle();
    assert.equal(proxy.deps.cancelKeys.upstreamOf(key), undefined, 'forgotten with the session');
    elsewhere.close();
  });
});
