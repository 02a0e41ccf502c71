import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';
import { WireClient } from '../support/wire.ts';

onEachServer((server) => {
  test("the client's own parameters reach the server, and its ParameterStatus the client", async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp({
      application_name: 'test app',
      options: '-c geqo=off -c work_mem=5MB',
      TimeZone: 'Asia/Tokyo',
    });
    await client.wait('Z');
    const status = client.of('S').map(({ body }) => body.toString());
    assert.ok(status.includes('application_name\0test app\0'));
    assert.ok(status.includes('TimeZone\0Asia/Tokyo\0'));
    assert.ok(status.some((line) => line.startsWith('server_version\0')));
    client.query('show work_mem');
    assert.match((await client.wait('D')).body.toString(), /5MB$/);
    client.socket.destroy();
  });

  test('a bad parameter is refused by the server after AuthenticationOk, and the client hears it', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp({ no_such_parameter: 'x' });
    const { sqlState, severity } = await client.waitError();
    assert.deepEqual([severity, sqlState], ['FATAL', '42704']);
    await client.waitEnd();
    assert.equal(client.of('R').length, 1);
    assert.equal(client.of('E').length, 1, 'the proxy adds nothing to a FATAL error');
  });

  test('notices of the server reach the client', async () => {
    await using proxy = await proxyTo(server());
    await using connection = await connectPg(proxy.port);
    const notice = new Promise<string>((resolve) => {
      connection.client.on('notice', ({ message }) => resolve(message ?? ''));
    });
    await connection.client.query("do $$ begin raise notice 'hear this'; end $$");
    assert.equal(await notice, 'hear this');
  });
});
