import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Authority, createCertificateAuthority } from '../../src/demo/certificates.ts';
import type { WarmConnections, WarmOptions } from '../../src/upstream/warm.ts';
import { createTestFiles } from '../support/files.ts';
import { fatal, SSL_REQUEST } from '../support/messages.ts';
import { onEachServer, SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { connectPg, proxyTo, startProxy, type TestProxy } from '../support/proxy.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';
import { type Script, ScriptedServer, welcome } from '../support/scripted-server.ts';
import { createTestToken, TEST_ROLE, TestTokenSource } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { untilWarm, warmTo } from '../support/warm.ts';
import { WireClient } from '../support/wire.ts';

let authority: Authority;
let tls: { cert: string; key: string };

before(async () => {
  authority = await createCertificateAuthority('warm');
  const { certPem, keyPem } = await authority.issue({ dnsNames: [SERVER_NAME] });
  tls = { cert: certPem, key: keyPem };
});

interface Bench extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly warm: WarmConnections;
  readonly proxy: TestProxy;
}

async function startBench(options: Partial<WarmOptions> = {}): Promise<Bench> {
  const server = await ScriptedServer.start(tls);
  const upstream = { port: server.port, caPem: authority.certPem };
  const warm = warmTo(upstream, options);
  const tokens = new TestTokenSource(createTestToken());
  const proxy = await startProxy({ upstream, tokens, role: TEST_ROLE, warm });
  return {
    server,
    warm,
    proxy,
    async [Symbol.asyncDispose]() {
      warm.close();
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      assert.deepEqual(server.failures, []);
    },
  };
}

/** Logs in, and leaves as a client should. */
async function visit(proxy: TestProxy): Promise<void> {
  await using connection = await connectPg(proxy.port);
  await connection.client.query('select 1');
}

test('a login takes a connection that was verified before it came, and another one is opened', async () => {
  await using bench = await startBench();
  const { server, warm, proxy } = bench;
  await visit(proxy);
  await untilWarm(warm);
  const [first, second] = server.connections;
  assert.deepEqual([first?.secured, second?.secured], [true, true]);
  assert.deepEqual(second?.heard, SSL_REQUEST);
  await visit(proxy);
  assert.equal(second?.passwords.length, 1);
  await untilWarm(warm);
  assert.equal(server.connections.length, 3);
  const lines = proxy.log.lines.filter((line) => line['event'] === 'session');
  await until('both sessions to be over', () => lines.length === 2 || proxy.log.lines.length > 2);
  const told = proxy.log.lines.filter((line) => line['event'] === 'session').map((line) => line['warm']);
  assert.deepEqual(told, [undefined, true]);
});

test('as many are kept as were missed at once, and never more than the limit', async () => {
  await using bench = await startBench({ limit: 2 });
  const { server, warm, proxy } = bench;
  const visitors = await Promise.all([1, 2, 3, 4].map(() => connectPg(proxy.port)));
  await untilWarm(warm, 2);
  await Promise.all(visitors.map(({ client }) => client.end()));
  assert.equal(server.connections.length, 6);
});

test('without a login none is opened', async () => {
  await using bench = await startBench();
  bench.warm.refill();
  assert.deepEqual([bench.warm.count, bench.server.connections.length], [0, 0]);
});

test('none is opened while logins wait for each other', async () => {
  let isBusy = true;
  await using bench = await startBench({ isBusy: () => isBusy });
  const { server, warm, proxy } = bench;
  await visit(proxy);
  assert.equal(server.connections.length, 1);
  isBusy = false;
  await visit(proxy);
  await untilWarm(warm, 2);
});

test('one that nobody takes is closed before the server loses its patience', async () => {
  await using bench = await startBench({ maxAgeMs: 50, trafficMs: 0 });
  const { server, warm, proxy } = bench;
  await visit(proxy);
  await until('a second connection', () => server.connections.length === 2);
  await until('its end', () => server.openCount === 0);
  assert.equal(warm.count, 0);
  const [, second] = server.connections;
  assert.deepEqual(second?.heard, SSL_REQUEST);
  assert.equal(server.connections.length, 2);
});

test('while logins come, one that has grown old is replaced', async () => {
  await using bench = await startBench({ maxAgeMs: 20, trafficMs: 60_000 });
  const { server, proxy } = bench;
  await visit(proxy);
  await until('some to have come and gone', () => server.connections.length >= 5);
});

for (const [how, end] of [
  ['has closed', (connection) => connection.end()],
  ['has reset', (connection) => connection.reset()],
  ['has spoken on', (connection) => connection.send(fatal('57P01', 'terminating connection'))],
] as const satisfies readonly (readonly [
  string,
  (connection: ScriptedServer['connections'][number]) => void,
])[]) {
  test(`one that the server ${how} is dropped, and none takes its place before the next login`, async () => {
    await using bench = await startBench();
    const { server, warm, proxy } = bench;
    await visit(proxy);
    await untilWarm(warm);
    const [, second] = server.connections;
    if (second !== undefined) end(second);
    await untilWarm(warm, 0);
    assert.equal(server.connections.length, 2);
    await visit(proxy);
    assert.equal(second?.passwords.length, 0);
  });
}

for (const [how, script] of [
  [
    'closes at the startup',
    async (connection) => {
      await connection.acceptStartup();
      connection.end();
    },
  ],
  [
    'resets at the startup',
    async (connection) => {
      await connection.acceptStartup();
      connection.reset();
    },
  ],
  [
    'leaves the startup unanswered',
    async (connection) => {
      await connection.acceptStartup();
      await connection.untilGone();
    },
  ],
] as const satisfies readonly (readonly [string, Script])[]) {
  test(`a warm connection whose server ${how} costs the client nothing`, async () => {
    await using bench = await startBench({ answerWithinMs: 200 });
    const { server, warm, proxy } = bench;
    server.script = welcome;
    await visit(proxy);
    // What was opened for the next login plays another part, and so does what might be opened with it.
    await untilWarm(warm);
    await visit(proxy);
    server.script = script;
    warm.clear();
    warm.refill();
    await untilWarm(warm);
    server.script = welcome;
    await visit(proxy);
    const sessions = (): unknown[] => proxy.log.lines.filter((line) => line['event'] === 'session');
    await until('three sessions', () => sessions().length === 3);
    const last = sessions()[2] as Record<string, unknown>;
    assert.deepEqual([last['warm'], last['endedBy']], [undefined, 'client']);
  });
}

test('a refusal on a warm connection is final, as on any other', async () => {
  await using bench = await startBench();
  const { server, warm, proxy } = bench;
  await visit(proxy);
  server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(fatal('3D000', 'database "app" does not exist'));
    connection.end();
  };
  warm.clear();
  warm.refill();
  await untilWarm(warm);
  const count = server.connections.length;
  const client = new WireClient(proxy.dial());
  client.startUp();
  assert.equal((await client.waitError()).sqlState, '3D000');
  assert.equal(server.connections.length, count);
});

test('after its end nothing is opened any more', async () => {
  await using bench = await startBench();
  const { server, warm, proxy } = bench;
  await visit(proxy);
  await untilWarm(warm);
  warm.close();
  await visit(proxy);
  assert.deepEqual([warm.count, server.connections.length], [0, 3]);
});

onEachServer((server) => {
  test('sessions over warm connections are like all others', async () => {
    const { port } = server().postgres;
    const warm = warmTo({ port, caPem: server().authority.certPem });
    await using proxy = await proxyTo(server(), { warm });
    await visit(proxy);
    for (let count = 0; count < 10; count += 1) {
      await untilWarm(warm);
      await using connection = await connectPg(proxy.port);
      const { rows } = await connection.client.query(
        'select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()',
      );
      assert.deepEqual(rows, [{ current_user: TEST_ROLE, ssl: true }]);
    }
    await untilWarm(warm);
    warm.close();
    await proxy.idle();
    const told = proxy.log.lines.filter((line) => line['event'] === 'session').map((line) => line['warm']);
    assert.deepEqual(told, [undefined, ...Array.from({ length: 10 }, () => true)]);
  });
});

test('the program keeps connections warm by itself; --warm 0 turns that off; its end is not held up', async () => {
  const server = await startTestServer();
  const files = await createTestFiles();
  after(() => Promise.all([server.postgres.stop(), files[Symbol.asyncDispose]()]));
  const args = await argumentsFor(server, files);
  const count = async (flags: readonly string[]): Promise<number> => {
    await using program = await startListening([...args, '--admin-port', '0', ...flags]);
    const { port } = await program.find('admin-listening');
    const status = async (): Promise<{ servers: [{ warmConnections: number }] }> =>
      (await (await fetch(`http://127.0.0.1:${String(port)}/status`)).json()) as Awaited<
        ReturnType<typeof status>
      >;
    for (let visits = 0; visits < 3; visits += 1) {
      await using connection = await connectPg(program.port);
      await connection.client.query('select 1');
      if (flags.length === 0)
        await until('a warm connection', async () => (await status()).servers[0].warmConnections === 1);
    }
    const { warmConnections } = (await status()).servers[0];
    program.child.kill('SIGTERM');
    assert.deepEqual(await program.exit, { code: 0, signal: null });
    return warmConnections;
  };
  assert.equal(await count([]), 1);
  assert.equal(await count(['--warm', '0']), 0);
});
