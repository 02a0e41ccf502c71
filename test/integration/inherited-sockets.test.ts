import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { InheritedSocket } from '../../src/proxy/inherited.ts';
import type { Listener } from '../../src/proxy/listener.ts';
import type { ListenAddress } from '../../src/proxy/server.ts';
import { createTestFiles } from '../support/files.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import type { ProxyProcessOptions } from '../support/proxy-process.ts';
import { tryConnect } from '../support/unix-sockets.ts';

const PROGRAM = fileURLToPath(new URL('../support/proxy-process.ts', import.meta.url));

let server: TestServer;

before(async () => {
  server = await startTestServer();
});
after(async () => {
  await server.postgres.stop();
});

interface Report {
  readonly error?: string;
  readonly inherited: readonly InheritedSocket[];
  readonly listeners: readonly Listener[];
  readonly childEnv: string;
  readonly childFds: string;
}

interface ProxyProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly report: Report;
}

/** Passes listening sockets on as systemd does: from descriptor 3, with the process's own ID in LISTEN_PID. */
async function startProcess(
  sockets: readonly Server[],
  listen: readonly ListenAddress[],
): Promise<ProxyProcess> {
  const upstream = { port: server.postgres.port, caPem: server.authority.certPem };
  const options: ProxyProcessOptions = { upstream, token: server.token, listen };
  const environment = `LISTEN_PID=$$ LISTEN_FDS=${sockets.length} LISTEN_FDNAMES=first:second`;
  const command = `${sockets.length === 0 ? '' : environment} exec "$0" "$@"`;
  const child = spawn('sh', ['-c', command, process.execPath, PROGRAM, JSON.stringify(options)], {
    stdio: [
      'ignore',
      'pipe',
      'inherit',
      ...sockets.map((socket) => Reflect.get(socket, '_handle') as unknown),
    ] as never,
  });
  const exit = once(child, 'close');
  const [line] = (await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line')) as [
    string,
  ];
  return {
    child,
    report: JSON.parse(line) as Report,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

async function listening(
  t: TestContext,
  where: { port: number; host: string } | { path: string },
): Promise<Server> {
  const socket = createServer().listen(where);
  t.after(() => void socket.close());
  await once(socket, 'listening');
  return socket;
}

test('sockets that systemd has opened are served; children get neither them nor the variables', async (t) => {
  await using files = await createTestFiles();
  const first = await listening(t, { port: 0, host: '127.0.0.1' });
  const second = await listening(t, { path: join(files.directory, 'activated') });
  chmodSync(join(files.directory, 'activated'), 0o666);
  const { port } = first.address() as AddressInfo;
  await using proxy = await startProcess([first, second], []);
  assert.deepEqual(proxy.report.inherited, [
    { fd: 3, name: 'first' },
    { fd: 4, name: 'second' },
  ]);
  assert.deepEqual(proxy.report.listeners, [
    { kind: 'tcp', address: '127.0.0.1', port, reach: 'machine' },
    { kind: 'unix', path: join(files.directory, 'activated'), reach: 'machine' },
  ]);
  assert.doesNotMatch(proxy.report.childEnv, /^LISTEN_/m);
  assert.doesNotMatch(proxy.report.childFds, /\b[34] -> socket:/);
  first.close();
  await using connection = await connectPg(port);
  const { rows } = await connection.client.query('select 1 as one');
  assert.deepEqual(rows, [{ one: 1 }]);
  const ended = once(proxy.child, 'close');
  proxy.child.kill('SIGTERM');
  await ended;
  // It belongs to systemd, which goes on listening.
  assert.ok(existsSync(join(files.directory, 'activated')));
  assert.equal(await tryConnect(join(files.directory, 'activated')), 'connected');
});

test('a descriptor that is no listening socket is told, and the others are closed', async (t) => {
  await using files = await createTestFiles();
  const first = await listening(t, { port: 0, host: '127.0.0.1' });
  const listen: ListenAddress[] = [
    { kind: 'unix', path: files.directory, port: 6432 },
    { kind: 'inherited', fd: 77 },
  ];
  await using proxy = await startProcess([first], listen);
  assert.match(proxy.report.error ?? '', /file descriptor 77 is no listening stream socket \(E\w+\)/);
  assert.deepEqual(readdirSync(files.directory), []);
});

test('a process that just ends takes its Unix socket with it', async () => {
  await using files = await createTestFiles();
  await using proxy = await startProcess([], [{ kind: 'unix', path: files.directory, port: 6432 }]);
  assert.deepEqual(readdirSync(files.directory), ['.s.PGSQL.6432']);
  const ended = once(proxy.child, 'close');
  proxy.child.kill('SIGTERM');
  await ended;
  assert.deepEqual(readdirSync(files.directory), []);
});

test('after a process that was killed the next one takes the place', async () => {
  await using files = await createTestFiles();
  const listen: ListenAddress[] = [{ kind: 'unix', path: files.directory, port: 6432 }];
  {
    await using killed = await startProcess([], listen);
    assert.equal(killed.report.error, undefined);
  }
  assert.deepEqual(readdirSync(files.directory), ['.s.PGSQL.6432']);
  await using next = await startProcess([], listen);
  assert.equal(next.report.error, undefined);
  assert.equal(await tryConnect(join(files.directory, '.s.PGSQL.6432')), 'connected');
});
