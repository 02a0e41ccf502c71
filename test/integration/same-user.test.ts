import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { listen } from '../../src/demo/loopback.ts';
import { SameUser } from '../../src/proxy/same-user.ts';
import { SocketTable } from '../../src/proxy/socket-table.ts';
import { missing, runClient } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { int32, packet, STARTUP } from '../support/messages.ts';
import { ONE_USER, psqlAsOther, sendAndGoAsOther, sendAsOther } from '../support/other-user.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { connectPg, proxyTo, type TestProxy } from '../support/proxy.ts';
import { RawClient, refusedLogin } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const NO_PSQL = missing('psql');
const LINUX_ONLY = process.platform !== 'linux' && 'only Linux tells whose a connection is';
const CANCEL = 80_877_102;

let server: TestServer;

before(async () => {
  server = await startTestServer();
});
after(() => server.postgres.stop());

async function ownProxy(address = '127.0.0.1', table?: SocketTable): Promise<TestProxy> {
  const { admit, permit } = await SameUser.create(table);
  return proxyTo(server, { listen: [{ kind: 'tcp', address, port: 0 }], server: { admit, permit } });
}

/** Why a connection was refused, as the log says it. */
async function refusalOf(proxy: TestProxy): Promise<unknown> {
  const line = await proxy.log.find('connection', ({ sqlState }) => sqlState !== undefined);
  assert.equal(line['sqlState'], '28000');
  return line['cause'];
}

test('this user gets in, over IPv4, IPv6, and IPv4 in IPv6', { skip: LINUX_ONLY || NO_PSQL }, async () => {
  await using proxy = await ownProxy('::');
  for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { stdout } = await runClient('psql', ['-AtXc', 'select 7'], proxy.port, { PGHOST: host });
    assert.equal(stdout, '7\n', host);
  }
});

test('another user is refused with 28000, and told whom this is for', {
  skip: ONE_USER || NO_PSQL,
}, async () => {
  await using proxy = await ownProxy('localhost');
  for (const host of ['127.0.0.1', '::1']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await assert.rejects(psqlAsOther(host, proxy.port), (error: Error & { stderr: string }) => {
      assert.match(error.stderr, /FATAL: +this proxy serves only user \w+ \(--same-user\)/);
      assert.match(error.stderr, /HINT: +Connect as that user/);
      assert.doesNotMatch(error.stderr, /54321/);
      return true;
    });
  }
  assert.equal(await refusalOf(proxy), 'it is of uid 54321');
  assert.equal(
    (await server.postgres.admin("select 1 from pg_stat_activity where datname = 'app'")).length,
    0,
  );
});

test('nobody else cancels a query, not even one who is gone by then', { skip: ONE_USER }, async () => {
  await using proxy = await ownProxy();
  await using connection = await connectPg(proxy.port);
  const { processID, secretKey } = connection.client as unknown as { processID: number; secretKey: number };
  const request = packet(int32(CANCEL), int32(processID), int32(secretKey >>> 0));
  const query = connection.client.query('select pg_sleep(60)').catch((error: unknown) => error);
  await sendAsOther(proxy.port, request);
  sendAndGoAsOther(proxy.port, request);
  await until(
    'both to be refused',
    () => proxy.log.lines.filter(({ sqlState }) => sqlState === '28000').length === 2,
  );
  const running = await server.postgres.admin(
    "select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'",
  );
  assert.equal(running.length, 1);
  const own = new RawClient(proxy.port).send(request);
  await own.end();
  assert.match(String(await query), /canceling statement due to user request/);
});

test('who has closed before anybody could look is nobody, and not root', { skip: ONE_USER }, async (t) => {
  const listener = createServer({ allowHalfOpen: true });
  const connected = once(listener, 'connection') as Promise<[Socket]>;
  const { port, close } = await listen(listener);
  t.after(close);
  sendAndGoAsOther(port, STARTUP);
  const [client] = await connected;
  const hex = (number: number): string => `:${number.toString(16).toUpperCase().padStart(4, '0')} `;
  await until('the row to be of user 0', async () => {
    const rows = (await readFile('/proc/net/tcp', 'latin1')).split('\n');
    const row = rows.find((one) => one.includes(`${hex(client.remotePort ?? 0)}0100007F${hex(port)}`));
    return row === undefined || / 0 +0 +0 /.test(row);
  });
  const { admit } = await SameUser.create();
  await assert.rejects(admit(client), /only user/);
});

test('a crowd of connections neither lets anybody in nor keeps anybody out', {
  skip: ONE_USER,
}, async (t) => {
  const crowd: Socket[] = [];
  const accepted: Socket[] = [];
  const far = await listen(createServer((socket) => accepted.push(socket)));
  t.after(far.close);
  t.after(() => crowd.forEach((socket) => void socket.destroy()));
  await using proxy = await ownProxy();
  while (crowd.length < 3_000) {
    // Not more at once than wait to be accepted.
    for (let count = 0; count < 250; count += 1)
      crowd.push(connect(far.port, '127.0.0.1').on('error', () => {}));
    // oxlint-disable-next-line no-await-in-loop -- one batch after the other
    await until('the crowd', () => accepted.length === crowd.length);
  }
  const others = Array.from({ length: 5 }, () => sendAsOther(proxy.port, STARTUP));
  const own = Array.from({ length: 30 }, () => connectPg(proxy.port));
  for (const heard of await Promise.all(others)) assert.match(heard, /C28000.*this proxy serves only user/s);
  for (const connection of await Promise.all(own)) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await connection[Symbol.asyncDispose]();
  }
});

test('where the table does not say, or cannot be read, nobody gets in', { skip: LINUX_ONLY }, async () => {
  await using files = await createTestFiles();
  const empty = new SocketTable([await files.write('tcp', 'no rows here\n')]);
  {
    await using proxy = await ownProxy('127.0.0.1', empty);
    assert.equal((await refusedLogin(proxy.port)).code, '28000');
    assert.match(String(await refusalOf(proxy)), /whose it is cannot be told/);
  }
  await using proxy = await ownProxy('127.0.0.1', new SocketTable([`${files.directory}/none`]));
  const error = await refusedLogin(proxy.port);
  assert.deepEqual([error.code, error.hint?.includes(files.directory)], ['28000', false]);
  assert.match(String(await refusalOf(proxy)), /ENOENT/);
});

test('a Unix socket is not asked about, since nobody else can use it', {
  skip: LINUX_ONLY || NO_PSQL,
}, async () => {
  await using files = await createTestFiles();
  const { admit, permit } = await SameUser.create(new SocketTable([]));
  await using proxy = await proxyTo(server, {
    listen: [{ kind: 'unix', path: files.directory, port: 6432 }],
    server: { admit, permit },
  });
  assert.equal(proxy.server.listeners.length, 1);
  const { stdout } = await runClient('psql', ['-AtXc', 'select 7'], 6432, { PGHOST: files.directory });
  assert.equal(stdout, '7\n');
  assert.throws(() => permit({ kind: 'unix', path: '/run/x', reach: 'machine' }), /SocketMode=0600/);
});
