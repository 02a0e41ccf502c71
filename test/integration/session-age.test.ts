import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startTestServer } from '../support/postgres.ts';
import { connectPg, proxyTo, type TestProxy } from '../support/proxy.ts';
import { extendedQuery, message, WireClient } from '../support/wire.ts';

const LIMITS = { maxAgeMs: 150, sweepMs: 10 };

async function logIn(proxy: TestProxy): Promise<WireClient> {
  const client = new WireClient(proxy.dial());
  client.startUp();
  await client.wait('Z');
  return client;
}

async function assertClosedForAge(client: WireClient): Promise<void> {
  await client.waitEnd();
  const { severity, sqlState, message: text } = await client.waitError();
  assert.deepEqual([severity, sqlState], ['FATAL', '57P01']);
  assert.match(text, /maximum age \(--max-session-age is 0\.15 s\)/);
}

/** Grows old, too: two of them one after the other, as each may be closed a little earlier than others. */
async function watchOthersGo(proxy: TestProxy): Promise<void> {
  await assertClosedForAge(await logIn(proxy));
  await assertClosedForAge(await logIn(proxy));
}

const server = await startTestServer();
after(() => server.postgres.stop());

// Each spends its time waiting.
describe('session age', { concurrency: true }, () => {
  test('a session that is too old is closed with 57P01, and the log says why', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    await assertClosedForAge(await logIn(proxy));
    const { endedBy, reason, durationMs } = await proxy.log.find('session');
    assert.deepEqual([endedBy, reason], ['proxy', 'max age']);
    assert.ok(Number(durationMs) >= 0.9 * LIMITS.maxAgeMs, 'more than 10 % too early');
    await proxy.idle();
  });

  test('a transaction may grow older, and is closed after its commit, which is done', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    await server.postgres.admin('create table aged (id int); grant all on aged to public', 'app');
    const client = await logIn(proxy);
    client.query('begin; insert into aged values (1)');
    await client.wait('Z', 2);
    await watchOthersGo(proxy);
    assert.equal(client.ended, false);
    client.query('insert into aged values (2); commit');
    await client.wait('Z', 3);
    await assertClosedForAge(client);
    const rows = await server.postgres.admin('select count(*)::int as count from aged', 'app');
    assert.deepEqual(rows, [{ count: 2 }]);
    await server.postgres.admin('drop table aged', 'app');
  });

  test('neither a batch without its Sync, nor half a message, nor queries in the pipeline are cut', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const batch = await logIn(proxy);
    batch.send(extendedQuery('select 1'), message('H'));
    await batch.wait('D');
    const half = await logIn(proxy);
    const query = message('Q', 'select 1\0');
    half.send(query.subarray(0, 7));
    const pipeline = await logIn(proxy);
    const holder = await logIn(proxy);
    holder.query('begin; select pg_advisory_xact_lock(58)');
    await holder.wait('Z', 2);
    pipeline.query('select pg_advisory_lock(58)');
    pipeline.send(extendedQuery('select 2'), message('S'), query);
    await watchOthersGo(proxy);
    const clients = [batch, half, pipeline, holder];
    assert.deepEqual(
      clients.map(({ ended }) => ended),
      [false, false, false, false],
    );
    batch.send(extendedQuery('select 3'), message('S'));
    half.send(query.subarray(7));
    holder.query('rollback');
    await Promise.all(clients.map(assertClosedForAge));
    assert.deepEqual(
      clients.map((client) => client.of('D').length),
      [2, 1, 3, 1],
    );
    assert.deepEqual(
      clients.map((client) => client.of('Z').length),
      [2, 2, 4, 3],
    );
  });

  test('a session that is never idle for long is closed between two of its queries', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const table = 'create table counted (id int); grant all on counted to public';
    await server.postgres.admin(table, 'app');
    await using connection = await connectPg(proxy.port);
    const { client } = connection;
    let told: unknown;
    client.on('error', (error) => (told = error));
    let count = 0;
    while (told === undefined) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other is what it is about
        await client.query('insert into counted values (1)');
        count += 1;
      } catch (error) {
        told ??= error;
      }
    }
    assert.equal((told as { code?: string }).code, '57P01');
    const rows = await server.postgres.admin('select count(*)::int as count from counted', 'app');
    assert.deepEqual(rows, [{ count }]);
    await server.postgres.admin('drop table counted', 'app');
  });

  test('a drain of sessions that are too old and busy says what a drain says', async () => {
    await using proxy = await proxyTo(server, { limits: LIMITS });
    const client = await logIn(proxy);
    client.query('begin');
    await client.wait('Z', 2);
    await watchOthersGo(proxy);
    const drained = proxy.server.drain(60_000);
    client.query('commit');
    await drained;
    assert.match((await client.waitError()).message, /shutting down/);
  });
});
