import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startForwarder } from '../support/forwarder.ts';
import { onEachServer, startTestServer } from '../support/postgres.ts';
import { proxyTo } from '../support/proxy.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';

onEachServer((server) => {
  test('a session that the server ends hears why from the server, and nothing else', async () => {
    await using proxy = await proxyTo(server());
    const client = new WireClient(proxy.dial());
    client.startUp();
    await client.wait('Z');
    await server().postgres.admin(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename <> 'postgres'",
    );
    assert.equal((await client.waitError()).sqlState, '57P01');
    await client.waitEnd();
    assert.equal(client.of('E').length, 1);
    const line = await proxy.log.find('session');
    assert.deepEqual([line['endedBy'], line['reason']], ['server', 'FATAL error']);
  });
});

test('a backend that crashes is told as 08006, not as a bare close, and the next session works', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using proxy = await proxyTo(server);
  const client = new WireClient(proxy.dial());
  client.startUp();
  const { body } = await client.wait('K');
  await client.wait('Z');
  process.kill(body.readInt32BE(0), 'SIGKILL');
  const { severity, sqlState, hint } = await client.waitError();
  assert.deepEqual([severity, sqlState], ['FATAL', '08006']);
  assert.match(hint ?? '', /connect again/);
  await until('a new session to work', async () => {
    const next = new WireClient(proxy.dial());
    next.startUp();
    await until('an answer', () => next.of('Z').length + next.of('E').length > 0);
    next.socket.destroy();
    return next.of('Z').length > 0;
  });
});

test('a network that cuts the connection to the server is told as 08006', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using hop = await startForwarder(server.postgres.port);
  await using proxy = await proxyTo(server, {
    upstream: { port: hop.port, caPem: server.authority.certPem },
  });
  const client = new WireClient(proxy.dial());
  client.startUp();
  await client.wait('Z');
  hop.cut();
  assert.equal((await client.waitError()).sqlState, '08006');
  await client.waitEnd();
});

test('a server that has gone is told as 08001, with the settings to look at', async () => {
  const server = await startTestServer();
  await using proxy = await proxyTo(server);
  await server.postgres.stop();
  const client = new WireClient(proxy.dial());
  client.startUp();
  const { sqlState, hint } = await client.waitError();
  assert.equal(sqlState, '08001');
  assert.match(hint ?? '', /--upstream-port/);
});
