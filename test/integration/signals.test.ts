import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';
import { WireClient } from '../support/wire.ts';

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops accepting, ends idle sessions with 57P01, lets a transaction end, and exits with 0`, async () => {
    const server = await startTestServer();
    await using _postgres = server.postgres;
    await using files = await createTestFiles();
    await using program = await startListening(await argumentsFor(server, files));
    const idle = new WireClient(connect(program.port, '127.0.0.1'));
    const busy = new WireClient(connect(program.port, '127.0.0.1'));
    idle.startUp();
    busy.startUp();
    await Promise.all([idle.wait('Z'), busy.wait('Z')]);
    busy.query('begin; select 1');
    await busy.wait('Z', 2);

    program.child.kill(signal);
    assert.equal((await idle.waitError()).sqlState, '57P01');
    const late = connect(program.port, '127.0.0.1');
    await new Promise<void>((resolve) => {
      late.once('error', () => resolve());
    });
    assert.equal(program.child.exitCode, null);
    busy.query('commit');
    await busy.wait('Z', 3);
    assert.equal((await busy.waitError()).sqlState, '57P01');
    assert.deepEqual(await program.exit, { code: 0, signal: null });
    assert.equal((await program.find('stopped'))['cut'], 0);
  });
}

test('a second signal ends everything at once, with 1 if that cut a session', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using files = await createTestFiles();
  await using program = await startListening([
    ...(await argumentsFor(server, files)),
    '--drain-timeout',
    '10m',
  ]);
  const busy = new WireClient(connect({ port: program.port, host: '127.0.0.1', allowHalfOpen: true }));
  busy.startUp();
  await busy.wait('Z');
  busy.query('begin; select 1');
  await busy.wait('Z', 2);
  program.child.kill('SIGINT');
  await program.find('stopping');
  program.child.kill('SIGINT');
  assert.equal((await busy.waitError()).sqlState, '57P01');
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 1);
});

test('--drain-timeout bounds the wait for a transaction; that it was cut is told with 1', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using files = await createTestFiles();
  await using program = await startListening([
    ...(await argumentsFor(server, files)),
    '--drain-timeout',
    '100ms',
  ]);
  const busy = new WireClient(connect(program.port, '127.0.0.1'));
  busy.startUp();
  await busy.wait('Z');
  busy.query('begin; select 1');
  await busy.wait('Z', 2);
  program.child.kill('SIGTERM');
  assert.equal((await busy.waitError()).sqlState, '57P01');
  assert.deepEqual(await program.exit, { code: 1, signal: null });
});

test('a signal that comes while the program sees to its last words does not change its status', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using files = await createTestFiles();
  // Takes no trace off the program's hands, which waits for that.
  const collector = createServer(() => {}).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const { port } = collector.address() as AddressInfo;
  const asked = once(collector, 'connection');
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    OTEL_BSP_SCHEDULE_DELAY: '600000',
  };
  await using program = await startListening(await argumentsFor(server, files), env);
  await using connection = await connectPg(program.port);
  await connection.client.query('select 1');
  await connection.client.end();
  program.child.kill('SIGTERM');
  await program.find('stopped');
  await asked;
  program.child.kill('SIGINT');
  program.child.kill('SIGTERM');
  program.child.kill('SIGHUP');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  collector.close();
});

test('SIGUSR1 does not open a debugger, where the token could be read', {
  skip: process.platform === 'win32' && 'there is no such signal',
}, async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using files = await createTestFiles();
  await using program = await startListening(await argumentsFor(server, files));
  program.child.kill('SIGUSR1');
  await using connection = await connectPg(program.port);
  await connection.client.query('select 1');
  await connection.client.end();
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.doesNotMatch(program.stderr, /Debugger listening/);
});
