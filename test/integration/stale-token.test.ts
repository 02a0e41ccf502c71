import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startForwarder } from '../support/forwarder.ts';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';
import { createTestToken, TEST_ROLE, TestTokenSource } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';

onEachServer((server) => {
  test('sessions outlive the token they logged in with, and new ones use the next token', async () => {
    const source = new TestTokenSource(server().token);
    await using proxy = await proxyTo(server(), { tokens: source });
    await using before = await connectPg(proxy.port);
    const stale = await proxy.tokens.getToken();
    source.token = createTestToken();
    await server().acceptToken(source.token);
    await proxy.tokens.replacementFor(stale, { fetch: true });
    await using after = await connectPg(proxy.port);
    const rows = await Promise.all([before, after].map(({ client }) => client.query('select current_user')));
    assert.deepEqual(
      rows.map((result) => result.rows[0]),
      [{ current_user: TEST_ROLE }, { current_user: TEST_ROLE }],
    );
    await server().acceptToken(server().token);
  });

  test('a login refused while a fresher token is on its way waits for it, unseen by the client', async () => {
    const fresh = createTestToken();
    const source = new TestTokenSource(server().token);
    await using hop = await startForwarder(server().postgres.port);
    const upstream = { port: hop.port, caPem: server().authority.certPem };
    await using proxy = await proxyTo(server(), { tokens: source, upstream });
    const stale = await proxy.tokens.getToken();
    await server().acceptToken(fresh);
    const arrival = Promise.withResolvers<void>();
    source.fetchToken = async () => {
      await arrival.promise;
      return { ...stale, value: fresh };
    };
    const replaced = proxy.tokens.replacementFor(stale, { fetch: true });
    const client = new WireClient(proxy.dial());
    client.startUp();
    await until('the server to refuse the first login', () => hop.closed === 1);
    arrival.resolve();
    await replaced;
    await client.wait('Z');
    assert.equal(client.of('E').length, 0);
    assert.equal(hop.opened, 2);
    client.socket.destroy();
    await server().acceptToken(server().token);
  });

  test("a token that the server does not know is refused in the server's own words, with a HINT", async () => {
    await using proxy = await proxyTo(server(), { tokens: new TestTokenSource(createTestToken()) });
    const client = new WireClient(proxy.dial());
    client.startUp();
    const { severity, sqlState, message, hint } = await client.waitError();
    assert.deepEqual([severity, sqlState], ['FATAL', '28P01']);
    assert.ok(hint?.includes(`pgaadauth_create_principal('${TEST_ROLE}', false, false)`), hint);
    assert.equal(message, `password authentication failed for user "${TEST_ROLE}"`);
    const line = await proxy.log.find('session');
    assert.deepEqual([line['endedBy'], line['sqlState'], line['role']], ['server', '28P01', TEST_ROLE]);
  });
});
