import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEachServer } from '../support/postgres.ts';
import { proxyTo } from '../support/proxy.ts';
import { WireClient } from '../support/wire.ts';

onEachServer((server) => {
  test('a client that names no database gets the one named like its own user, not like the role', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp({ user: 'app', database: '' });
    await client.wait('Z');
    client.query('select current_database()');
    assert.match((await client.wait('D')).body.toString(), /app$/);
    client.socket.destroy();
  });

  test('a client that names no database gets the configured one, where there is one', async () => {
    await using proxy = await proxyTo(server(), { database: 'app' });
    const client = new WireClient(proxy.dial());
    client.startUp({ user: 'somebody', database: '' });
    await client.wait('Z');
    client.query('select current_database()');
    assert.match((await client.wait('D')).body.toString(), /app$/);
    client.socket.destroy();
  });

  test("a database that does not exist is refused in the server's own words", async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp({ database: 'nowhere' });
    const { sqlState, message, severity } = await client.waitError();
    assert.deepEqual([severity, sqlState], ['FATAL', '3D000']);
    assert.match(message, /database "nowhere" does not exist/);
  });
});
