import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEachServer } from '../support/postgres.ts';
import { proxyTo } from '../support/proxy.ts';
import { PROTOCOL_3_2, WireClient } from '../support/wire.ts';

onEachServer((server) => {
  test('protocol 3.2 is forwarded as sent: an older server negotiates, a newer one gives a long key', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp({}, PROTOCOL_3_2);
    const { body } = await client.wait('K');
    const isNew = server().postgres.version >= 18;
    assert.equal(client.of('v').length, isNew ? 0 : 1);
    assert.equal(body.length, isNew ? 4 + 32 : 4 + 4);
    client.socket.destroy();
  });

  test('an unknown minor version and unknown protocol options are negotiated by the server itself', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp({ '_pq_.grease': 'on' }, 0x3_270f);
    await client.wait('Z');
    const [negotiation] = client.of('v');
    assert.match(negotiation?.body.toString('latin1') ?? '', /_pq_\.grease\0$/);
    client.socket.destroy();
  });

  test('a startup packet followed at once by queries works', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.socket.cork();
    client.startUp();
    client.query('select 1');
    client.query('select 2');
    client.socket.uncork();
    await client.wait('Z', 3);
    assert.equal(client.of('D').length, 2);
    client.socket.destroy();
  });
});
