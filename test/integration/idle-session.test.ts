import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { missing, startClient } from '../support/clients.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg, proxyTo, type TestProxy } from '../support/proxy.ts';
import { until } from '../support/wait.ts';
import { extendedQuery, message, WireClient } from '../support/wire.ts';

const LIMITS = { idleTimeoutMs: 100, sweepMs: 10 };

async function logIn(proxy: TestProxy, parameters: Record<string, string> = {}): Promise<WireClient> {
  const client = new WireClient(proxy.dial());
  client.startUp(parameters);
  await client.wait('Z');
  return client;
}

async function assertClosedAsIdle(client: WireClient): Promise<void> {
  await client.waitEnd();
  const { severity, sqlState, message: text, hint } = await client.waitError();
  assert.deepEqual(
    [severity, sqlState, text],
    ['FATAL', '57P05', 'terminating connection due to idle-session timeout'],
  );
  assert.match(hint ?? '', /--idle-session-timeout/);
}

/** Comes now, is idle, and is closed for it: whoever was idle before it came would have been closed as well. */
async function watchAnotherGo(proxy: TestProxy): Promise<void> {
  await assertClosedAsIdle(await logIn(proxy));
}

const server = await startTestServer();
after(() => server.postgres.stop());

// Each spends its time waiting.
describe('idle sessions', { concurrency: true }, () => {
  const backends = async (name: string): Promise<number> => {
    const sql = `select from pg_stat_activity where application_name = '${name}'`;
    return (await server.postgres.admin(sql)).length;
  };

  test('an idle session is closed with 57P05, on the server too, and the log says why', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    await assertClosedAsIdle(await logIn(proxy, { application_name: 'idle' }));
    await proxy.idle();
    await until('the backend to be gone', async () => (await backends('idle')) === 0);
    const { endedBy, reason } = await proxy.log.find('session');
    assert.deepEqual([endedBy, reason], ['proxy', 'idle']);
  });

  test('pg is told why its idle session ends', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    await using connection = await connectPg(proxy.port);
    const error = await new Promise<unknown>((resolve) => connection.client.once('error', resolve));
    assert.deepEqual((error as { code?: string }).code, '57P05');
  });

  test('psql shows it at the next command', { skip: missing('psql') }, async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const psql = startClient('psql', ['-wAt'], proxy.port);
    let errors = '';
    psql.stderr?.on('data', (text) => (errors += String(text)));
    await until('psql to come', () => proxy.deps.registry.sessionCount === 1);
    await proxy.idle();
    psql.stdin?.end('select 1;\n');
    await until('psql to notice', () =>
      errors.includes('FATAL:  terminating connection due to idle-session timeout'),
    );
  });

  test('a transaction is not closed, nor a query that waits, however long; after them it is', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const holder = await logIn(proxy);
    holder.query('begin; select pg_advisory_xact_lock(57)');
    await holder.wait('Z', 2);
    const failed = await logIn(proxy);
    failed.query('begin; select 1/0');
    await failed.wait('E');
    const waiter = await logIn(proxy);
    waiter.query('select pg_advisory_lock(57)');
    await watchAnotherGo(proxy);
    assert.deepEqual(
      [holder, failed, waiter].map(({ ended }) => ended),
      [false, false, false],
    );
    holder.query('commit');
    await waiter.wait('Z', 2);
    await Promise.all([assertClosedAsIdle(holder), assertClosedAsIdle(waiter)]);
    failed.query('rollback');
    await failed.wait('Z', 2);
    await failed.waitEnd();
    assert.equal(failed.of('E').length, 2);
  });

  test('neither COPY, nor a batch without its Sync, nor half a message is idle', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const copying = await logIn(proxy);
    copying.query('create temp table copied (id int); copy copied from stdin');
    await copying.wait('G');
    const batch = await logIn(proxy);
    batch.send(extendedQuery('select 1'), message('H'));
    await batch.wait('D');
    const half = await logIn(proxy);
    const query = message('Q', 'select 1\0');
    half.send(query.subarray(0, 7));
    await watchAnotherGo(proxy);
    copying.send(message('d', '1\n'), message('c'));
    batch.send(message('S'));
    half.send(query.subarray(7));
    const clients = [copying, batch, half];
    await Promise.all(clients.map((client) => client.wait('Z', 2)));
    await Promise.all(clients.map(assertClosedAsIdle));
  });

  test('a client that says something now and then is not idle', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const busy = await logIn(proxy);
    const gone = watchAnotherGo(proxy).then(() => true);
    let count = 1;
    const answered = (): boolean => busy.of('Z').length === count;
    const say = async (): Promise<false> => {
      busy.query('select 1');
      count += 1;
      await until('the answer', answered);
      return false;
    };
    await until('another to be closed', () => Promise.race([gone, say()]));
    assert.equal(busy.ended, false);
    await assertClosedAsIdle(busy);
  });

  test('a client that only listens is idle, whatever it is notified of', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const listener = await logIn(proxy);
    listener.query('listen news');
    await listener.wait('Z', 2);
    await until('the listener to be closed', async () => {
      await server.postgres.admin('notify news', 'app');
      return listener.ended;
    });
    assert.ok(listener.of('A').length > 0);
    await assertClosedAsIdle(listener);
  });

  test('a replication stream is not idle', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const [row] = await server.postgres.admin('select pg_current_wal_flush_lsn() as lsn');
    const replica = await logIn(proxy, { replication: 'true' });
    replica.query(`START_REPLICATION PHYSICAL ${String(row?.['lsn'])}`);
    await replica.wait('W');
    await watchAnotherGo(proxy);
    assert.equal(replica.ended, false);
    replica.send(message('c'));
    await replica.wait('Z', 2);
    await assertClosedAsIdle(replica);
  });

  test('without a limit an idle session stays, and nothing watches it', async () => {
    await using limited = await proxyTo(server, { limits: LIMITS });
    await using free = await proxyTo(server);
    const client = await logIn(free);
    await watchAnotherGo(limited);
    assert.equal(client.ended, false);
    client.send(message('X'));
    await client.waitEnd();
  });
});
