import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { ask } from '../support/admin.ts';
import { missing, startClient } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, type RunningProgram } from '../support/running-program.ts';
import { startTraceReceiver } from '../support/trace-receiver.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';
import { connectPlaced, isAlive, killWorker, linesOf, startWorkers, workerPids } from '../support/workers.ts';

const server = await startTestServer();
const files = await createTestFiles();
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

/** Sessions that wait for what their client says next, one for each worker and one more. */
async function idleSessions(program: RunningProgram, count: number): Promise<WireClient[]> {
  const clients = Array.from({ length: count }, () => {
    const client = new WireClient(connect({ host: '127.0.0.1', port: program.port, allowHalfOpen: true }));
    client.startUp();
    return client;
  });
  await Promise.all(clients.map((client) => client.wait('Z')));
  return clients;
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} ends idle sessions of all workers with 57P01, lets transactions end, and leaves no process`, async () => {
    await using program = await startWorkers(server, files, 3);
    const clients = await idleSessions(program, 6);
    const [busy, ...idle] = clients as [WireClient, ...WireClient[]];
    busy.query('begin; select 1');
    await busy.wait('Z', 2);
    program.child.kill(signal);
    for (const client of idle) assert.equal((await client.waitError()).sqlState, '57P01');
    assert.equal(program.child.exitCode, null);
    busy.query('commit');
    await busy.wait('Z', 3);
    assert.equal((await busy.waitError()).sqlState, '57P01');
    assert.deepEqual(await program.exit, { code: 0, signal: null });
    assert.equal((await program.find('stopped'))['cut'], 0);
    assert.ok(![...workerPids(program).values()].some(isAlive));
    // What the workers have to tell comes before the last word.
    assert.match(program.stderr.trimEnd().split('\n').at(-1) ?? '', /"event":"stopped"/);
  });
}

test('a signal to all processes, as Ctrl-C in a terminal is, lets transactions end like one to the program', async () => {
  await using program = await startWorkers(server, files, 2);
  const [busy, idle] = (await idleSessions(program, 2)) as [WireClient, WireClient];
  busy.query('begin; select 1');
  await busy.wait('Z', 2);
  for (const pid of [...workerPids(program).values(), program.child.pid ?? assert.fail()])
    for (const signal of ['SIGHUP', 'SIGINT'] as const) process.kill(pid, signal);
  assert.equal((await idle.waitError()).sqlState, '57P01');
  busy.query('commit');
  await busy.wait('Z', 3);
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 0);
});

test('a second signal ends all sessions at once; so many as that are cut, and told with 1', async () => {
  await using program = await startWorkers(server, files, 3, ['--drain-timeout', '10m']);
  const clients = await idleSessions(program, 5);
  for (const client of clients) client.query('begin; select 1');
  await Promise.all(clients.map((client) => client.wait('Z', 2)));
  program.child.kill('SIGTERM');
  await program.find('stopping');
  program.child.kill('SIGTERM');
  for (const client of clients) assert.equal((await client.waitError()).sqlState, '57P01');
  assert.deepEqual(await program.exit, { code: 1, signal: null }, program.stderr.slice(-3000));
  assert.equal((await program.find('stopped'))['cut'], 5);
});

test('--drain-timeout bounds the wait in all workers', async () => {
  await using program = await startWorkers(server, files, 2, ['--drain-timeout', '100ms']);
  const clients = await idleSessions(program, 3);
  for (const client of clients) client.query('begin; select 1');
  await Promise.all(clients.map((client) => client.wait('Z', 2)));
  program.child.kill('SIGTERM');
  for (const client of clients) assert.equal((await client.waitError()).sqlState, '57P01');
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 3);
});

test('a worker that does not answer any more is ended when its time is up, and its sessions are cut', async () => {
  await using program = await startWorkers(server, files, 2, [
    '--drain-timeout',
    '100ms',
    '--admin-port',
    '0',
  ]);
  const admin = Number((await program.find('admin-listening'))['port']);
  const clients = await connectPlaced(program, 2);
  for (const { client } of clients) client.on('error', () => {});
  process.kill(workerPids(program).get(1) ?? assert.fail(), 'SIGSTOP');
  // Neither probes nor the status wait for it.
  assert.equal((await ask(admin, '/readiness')).status, 200);
  assert.equal((await ask(admin, '/status')).status, 200);
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 1);
});

test('a worker that dies while the program stops is not replaced, and its sessions are cut', async () => {
  await using program = await startWorkers(server, files, 2);
  const clients = await connectPlaced(program, 2);
  for (const { client } of clients) {
    client.on('error', () => {});
    await client.query('begin');
  }
  program.child.kill('SIGTERM');
  await program.find('stopping');
  killWorker(program, 1);
  const died = await program.find('worker-died');
  assert.match(String(died['msg']), /^worker 1 was ended by SIGKILL: 1 sessions lost$/);
  await clients.find(({ worker }) => worker === 2)?.client.query('commit');
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 1);
  assert.equal(linesOf(program, 'worker-ready').length, 2);
});

test('programs with workers that stop under pgbench lose no transaction', {
  skip: missing('pgbench'),
}, async () => {
  await server.postgres.admin('create table if not exists counted (id bigserial)', 'app');
  await server.postgres.admin('grant all on counted, counted_id_seq to public', 'app');
  const script = await files.write('insert.sql', 'insert into counted default values;\n');
  await using program = await startWorkers(server, files, 2);
  const args = ['-n', '-c', '8', '-T', '60', '-f', script];
  const bench = startClient('pgbench', args, program.port);
  let told = '';
  for (const stream of [bench.stdout, bench.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (told += text));
  const exit = once(bench, 'close');
  const count = async (): Promise<number> =>
    Number((await server.postgres.admin('select count(*) from counted', 'app'))[0]?.['count']);
  await until('some transactions', async () => (await count()) > 200);
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  await exit;
  const acknowledged = Number(/actually processed: (\d+)/.exec(told)?.[1]);
  assert.equal(await count(), acknowledged, told);
});

test('--exit-when-idle waits for the last session of all workers', async () => {
  await using program = await startWorkers(server, files, 2, ['--exit-when-idle', '300ms']);
  {
    await using long = await connectPg(program.port);
    {
      await using short = await connectPg(program.port);
      await short.client.query('select 1');
    }
    await long.client.query('select pg_sleep(0.5)');
    assert.equal(program.child.exitCode, null);
  }
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});

test('POST /quit stops all processes', async () => {
  await using program = await startWorkers(server, files, 2, ['--admin-port', '0', '--admin-quit']);
  const admin = Number((await program.find('admin-listening'))['port']);
  const [client] = await idleSessions(program, 1);
  assert.equal((await ask(admin, '/quit', { method: 'POST' })).status, 202);
  assert.equal((await client?.waitError())?.sqlState, '57P01');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});

test('the traces of all workers are sent before the program ends', async () => {
  await using receiver = await startTraceReceiver();
  const args = [
    ...(await argumentsFor(server, files)),
    '--port',
    '0',
    '--workers',
    '2',
    '--log-level',
    'debug',
  ];
  await using program = startProgram(args, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_BSP_SCHEDULE_DELAY: '600000',
  });
  const port = Number((await program.find('listening'))['port']);
  const clients = await connectPlaced(Object.assign(Object.create(program) as RunningProgram, { port }), 2);
  assert.notEqual(clients[0]?.worker, clients[1]?.worker);
  for (const { client } of clients) await client.end();
  program.child.kill('SIGTERM');
  assert.equal((await program.exit).code, 0);
  assert.equal(receiver.spans.filter(({ name }) => name === 'login').length, 2);
});
