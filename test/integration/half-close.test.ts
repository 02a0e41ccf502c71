import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEachServer } from '../support/postgres.ts';
import { proxyTo } from '../support/proxy.ts';
import { WireClient } from '../support/wire.ts';

onEachServer((server) => {
  test('a client that closes its sending side still gets the whole answer', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp();
    await client.wait('Z');
    client.query("select repeat('x', 1000) from generate_series(1, 20000)");
    client.socket.end();
    await client.waitEnd();
    assert.equal(client.of('D').length, 20_000);
    assert.equal(client.of('E').length, 0);
  });

  test('a client that sends a query, Terminate and its end in one flight gets the whole answer, each time', async () => {
    await using proxy = await proxyTo(server());
    for (let round = 0; round < 10; round += 1) {
      const client = new WireClient(proxy.dial());
      client.startUp();
      await client.wait('Z');
      client.query("select repeat('x', 1000) from generate_series(1, 3000)");
      client.socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
      await client.waitEnd();
      assert.equal(client.of('D').length, 3_000, `round ${round}`);
      assert.equal(client.of('E').length, 0);
    }
  });

  test('Terminate ends the session on both sides at once', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp();
    await client.wait('Z');
    client.socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
    await client.waitEnd();
    await proxy.idle();
    const line = await proxy.log.find('session');
    assert.deepEqual([line['endedBy'], line['reason']], ['client', 'terminated']);
  });
});
