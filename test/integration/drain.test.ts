import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';
import { until } from '../support/wait.ts';
import { extendedQuery, message, WireClient } from '../support/wire.ts';

const LONG_MS = 60_000;

onEachServer((server) => {
  test('a drain closes idle sessions at once, with 57P01', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp();
    await client.wait('Z');
    assert.equal(await proxy.server.drain(LONG_MS), 0);
    assert.equal((await client.waitError()).sqlState, '57P01');
    assert.equal((await proxy.log.find('session'))['reason'], 'drained');
  });

  test('a drain waits for the transaction to end, and what was committed is there', async () => {
    await using proxy = await proxyTo(server());
    await server().postgres.admin(
      'create table if not exists drained (id int); grant all on drained to public',
      'app',
    );
    await using connection = await connectPg(proxy.port);
    const { client } = connection;
    await client.query('begin');
    await client.query('insert into drained values (1)');
    const drained = proxy.server.drain(LONG_MS);
    await client.query('insert into drained values (2)');
    await client.query('commit');
    assert.equal(await drained, 0);
    const rows = await server().postgres.admin('select count(*)::int as count from drained', 'app');
    assert.deepEqual(rows, [{ count: 2 }]);
    await server().postgres.admin('drop table drained', 'app');
  });

  test('a drain does not cut a batch that waits for its Sync, nor one of two queries in flight', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp();
    await client.wait('Z');
    client.send(extendedQuery('select 1'), message('H'));
    await client.wait('D');
    const drained = proxy.server.drain(LONG_MS);
    assert.equal(client.of('E').length, 0);
    client.send(message('S'), extendedQuery('select 2'), message('S'));
    assert.equal(await drained, 0);
    await client.waitEnd();
    assert.equal(client.of('D').length, 2);
    assert.equal(client.of('Z').length, 3);
    assert.equal((await client.waitError()).sqlState, '57P01');
  });

  test('after its timeout a drain closes what is left, and says how many', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp();
    await client.wait('Z');
    client.query('begin; select 1');
    await client.wait('Z', 2);
    assert.equal(await proxy.server.drain(50), 1);
    assert.equal((await client.waitError()).sqlState, '57P01');
  });

  test('a login under way when the drain begins is refused with 57P03', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    await until('the connection to be accepted', () => proxy.deps.registry.connectionCount === 1);
    await proxy.server.drain(LONG_MS);
    assert.equal((await client.waitError()).sqlState, '57P03');
  });
});
