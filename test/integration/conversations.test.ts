import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';
import { extendedQuery, message, WireClient } from '../support/wire.ts';

onEachServer((server) => {
  test('LISTEN and NOTIFY pass between sessions', async () => {
    await using proxy = await proxyTo(server());
    await using listener = await connectPg(proxy.port);
    await using speaker = await connectPg(proxy.port);
    const heard = new Promise<string>((resolve) => {
      listener.client.on('notification', ({ payload }) => resolve(payload ?? ''));
    });
    await listener.client.query('listen news');
    await speaker.client.query("notify news, 'hello'");
    assert.equal(await heard, 'hello');
  });

  test('a pipeline of many statements in one flight is answered in order', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp();
    await client.wait('Z');
    const statements = Array.from({ length: 500 }, (_, index) => extendedQuery(`select ${index}`));
    client.send(...statements.flatMap((statement) => [statement, message('S')]));
    await client.wait('Z', 501);
    const values = client.of('D').map(({ body }) => Number(body.toString('latin1', 6)));
    assert.deepEqual(
      values,
      statements.map((_, index) => index),
    );
    client.socket.destroy();
  });

  test('a physical replication stream passes, and does not hold up a drain', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp({ replication: 'true' });
    await client.wait('Z');
    client.query('IDENTIFY_SYSTEM');
    const position = /[0-9A-F]+\/[0-9A-F]+/.exec((await client.wait('D')).body.toString('latin1'))?.[0];
    await client.wait('Z', 2);
    client.query(`START_REPLICATION PHYSICAL ${position}`);
    await client.wait('W');
    await server().postgres.admin('create table written (); drop table written');
    await client.wait('d');
    assert.equal(await proxy.server.drain(60_000), 0);
    assert.equal((await client.waitError()).sqlState, '57P01');
  });

  test('large objects pass both ways', async () => {
    await using proxy = await proxyTo(server());
    await using connection = await connectPg(proxy.port);
    const { client } = connection;
    const data = Buffer.alloc(8_000_000, 'large object ');
    const created = await client.query<{ oid: number }>('select lo_from_bytea(0, $1) as oid', [data]);
    const read = await client.query<{ data: Buffer }>('select lo_get($1) as data', [created.rows[0]?.oid]);
    assert.ok(read.rows[0]?.data.equals(data));
  });

  test("an error inside a transaction is the transaction's alone", async () => {
    await using proxy = await proxyTo(server());
    await using connection = await connectPg(proxy.port);
    const { client } = connection;
    await client.query('begin');
    await assert.rejects(client.query('select 1/0'), { code: '22012' });
    await assert.rejects(client.query('select 1'), { code: '25P02' });
    await client.query('rollback');
    assert.equal((await client.query('select 1 as one')).rows.length, 1);
  });
});
