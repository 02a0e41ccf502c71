import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import { after, before, test } from 'node:test';
import { listen } from '../../src/demo/loopback.ts';
import { StartError } from '../../src/errors.ts';
import { clientTarget, describeListener } from '../../src/proxy/listener.ts';
import type { ListenAddress } from '../../src/proxy/server.ts';
import { missing, runClient } from '../support/clients.ts';
import { createTestFiles, type TestFiles } from '../support/files.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { proxyTo, type TestProxy } from '../support/proxy.ts';
import { until } from '../support/wait.ts';

const NO_PSQL = missing('psql');
const NO_IPV6 =
  !Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1')) &&
  'this machine has no ::1';
const QUERY = [
  '-AtXc',
  "select current_database() || ' ' || ssl from pg_stat_ssl where pid = pg_backend_pid()",
];

let server: TestServer;
let files: TestFiles;

before(async () => {
  server = await startTestServer();
  files = await createTestFiles();
});
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

function proxyOn(...addresses: readonly ListenAddress[]): Promise<TestProxy> {
  return proxyTo(server, { listen: addresses });
}

function unixSocket(port: number): ListenAddress {
  return { kind: 'unix', path: files.directory, port };
}

function localhost(port = 0): ListenAddress {
  return { kind: 'tcp', address: 'localhost', port };
}

async function psql(host: string, port: number): Promise<string> {
  return (await runClient('psql', QUERY, port, { PGHOST: host })).stdout.trim();
}

test('psql connects through a Unix socket, named by its directory and its port', {
  skip: NO_PSQL,
}, async () => {
  await using proxy = await proxyOn(unixSocket(6432));
  const [listener] = proxy.server.listeners;
  assert.ok(listener?.kind === 'unix');
  assert.deepEqual(listener, { kind: 'unix', path: `${files.directory}/.s.PGSQL.6432`, reach: 'user' });
  assert.deepEqual(clientTarget(listener), { host: files.directory, port: 6432 });
  assert.equal(describeListener(listener), listener.path);
  assert.equal(lstatSync(listener.path).mode & 0o777, 0o600);
  assert.equal(await psql(dirname(listener.path), 6432), 'app true');
  assert.equal((await proxy.log.find('session'))['client'], 'unix socket');
});

test('a Unix socket beside a port of its own choice has that port for its number', async () => {
  await using proxy = await proxyOn({ kind: 'tcp', address: '127.0.0.1', port: 0 }, unixSocket(0));
  const [tcp, unix] = proxy.server.listeners;
  assert.ok(tcp?.kind === 'tcp' && unix?.kind === 'unix');
  assert.equal(unix.path, `${files.directory}/.s.PGSQL.${tcp.port}`);
  await using alone = await proxyOn(unixSocket(0));
  assert.deepEqual(alone.server.listeners.map(describeListener), [`${files.directory}/.s.PGSQL.5432`]);
});

test('localhost is 127.0.0.1 and ::1, with the same port', { skip: NO_PSQL || NO_IPV6 }, async () => {
  await using proxy = await proxyOn(localhost());
  const { port } = proxy;
  assert.deepEqual(proxy.server.listeners.map(describeListener), [`127.0.0.1:${port}`, `[::1]:${port}`]);
  assert.deepEqual(
    proxy.server.listeners.map(({ reach }) => reach),
    ['machine', 'machine'],
  );
  const answers = await Promise.all(['127.0.0.1', '::1', 'localhost'].map((host) => psql(host, port)));
  assert.deepEqual(answers, ['app true', 'app true', 'app true']);
});

test('a port that is taken on ::1 alone is not a port for localhost', { skip: NO_IPV6 }, async (t) => {
  const taken = createServer().listen(0, '::1');
  t.after(() => void taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  await assert.rejects(proxyOn(localhost(port)), (error) => {
    assert.ok(error instanceof StartError);
    assert.match(error.message, new RegExp(`port ${port} on ::1 is in use`));
    return true;
  });
  // Nothing is left on the other one.
  const free = createServer().listen(port, '127.0.0.1');
  await once(free, 'listening');
  free.close();
});

test('a listener that others can reach over the network says so, before anybody is accepted there', async () => {
  const seen: unknown[] = [];
  const anywhere: ListenAddress = { kind: 'tcp', address: '0.0.0.0', port: 0 };
  const refused = proxyTo(server, {
    listen: [unixSocket(6433), anywhere],
    server: {
      permit: ({ kind, reach }) => {
        seen.push([kind, reach]);
        if (reach === 'network') throw new StartError('not without local authentication');
      },
    },
  });
  await assert.rejects(refused, /not without local authentication/);
  assert.deepEqual(seen, [
    ['unix', 'user'],
    ['tcp', 'network'],
  ]);
  assert.deepEqual(readdirSync(files.directory), []);
});

test('where one listener cannot be had there is none, and no socket is left', async (t) => {
  const taken = await listen(createServer());
  t.after(taken.close);
  await assert.rejects(
    proxyOn(unixSocket(6434), { kind: 'tcp', address: '127.0.0.1', port: taken.port }),
    new RegExp(`port ${taken.port} on 127\\.0\\.0\\.1 is in use by node .*pid ${process.pid}`),
  );
  assert.deepEqual(readdirSync(files.directory), []);
  await taken.close();
  await using living = await proxyOn(unixSocket(6434));
  assert.equal(living.server.listeners.length, 1);
  await assert.rejects(proxyOn(localhost(), unixSocket(6434)), /is in use by a living server/);
  assert.deepEqual(readdirSync(files.directory), ['.s.PGSQL.6434']);
});

test('the socket goes when the drain begins, while sessions on it may end in peace', {
  skip: NO_PSQL,
}, async () => {
  await using proxy = await proxyOn(unixSocket(6435));
  const path = `${files.directory}/.s.PGSQL.6435`;
  const busy = runClient('psql', ['-AtXc', 'select pg_sleep(0.3), 7'], 6435, { PGHOST: files.directory });
  await until('the session', async () => {
    const rows = await server.postgres.admin(
      "select 1 from pg_stat_activity where query like 'select pg_sleep%'",
    );
    return rows.length > 0;
  });
  const drained = proxy.server.drain(10_000);
  assert.equal(existsSync(path), false);
  assert.equal(await drained, 0);
  assert.match((await busy).stdout, /\|7$/m);
  proxy.server.stop();
  assert.deepEqual(readdirSync(files.directory), []);
});
