import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { ask, samplesOf } from '../support/admin.ts';
import { createTestFiles } from '../support/files.ts';
import { SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { argumentsFor } from '../support/running-program.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';
import { connectPlaced, isAlive, killWorker, linesOf, startWorkers, workerPids } from '../support/workers.ts';

const server = await startTestServer();
const files = await createTestFiles();
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

test('a worker that is killed is told of and replaced; its sessions are lost and counted so, the others live on', async () => {
  await using program = await startWorkers(server, files, 2, ['--admin-port', '0']);
  const admin = Number((await program.find('admin-listening'))['port']);
  const metric = async (name: string): Promise<number | undefined> =>
    samplesOf((await ask(admin, '/metrics')).body).get(`pg_entra_proxy_${name}`);
  const labels = `server="${SERVER_NAME}"`;
  const clients = await connectPlaced(program, 6);
  for (const { client } of clients) client.on('error', () => {});
  const pids = workerPids(program);
  const relayed = async (): Promise<number> =>
    Number(await metric(`relayed_bytes_total{${labels},direction="server_to_client"}`));
  const before = await relayed();
  killWorker(program, 1);
  const died = await program.find('worker-died');
  assert.deepEqual(
    [died['worker'], died['pid'], died['signal'], died['sessions'], died['level']],
    [1, pids.get(1), 'SIGKILL', 3, 50],
  );
  await until('another worker', () => linesOf(program, 'worker-ready').length === 3);
  assert.notEqual(workerPids(program).get(1), pids.get(1));
  assert.equal(await metric(`sessions_active{${labels}}`), 3);
  assert.equal(await metric(`connections_open{${labels}}`), 3);
  assert.equal(await metric(`sessions_total{${labels},result="cut",sqlstate="none"}`), 3);
  const now = await relayed();
  assert.ok(now >= before, `a counter that goes back from ${before} to ${now}`);
  for (const { client, worker } of clients) {
    if (worker === 1) await assert.rejects(client.query('select 1'));
    else assert.equal((await client.query('select 1')).rowCount, 1);
  }
  const next = await connectPlaced(program, 3);
  assert.deepEqual(new Set(next.map(({ worker }) => worker)), new Set([1]), 'the new one has fewest');
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});

test('with no worker alive, the primary process serves who comes', async () => {
  await using program = await startWorkers(server, files, 2);
  for (const number of [1, 2]) killWorker(program, number);
  const client = new WireClient(connect({ host: '127.0.0.1', port: program.port }));
  client.startUp();
  await client.wait('Z');
  client.query('select 1');
  await client.wait('Z', 2);
  client.socket.destroy();
  await until('both to be replaced', () => linesOf(program, 'worker-ready').length === 4);
  await using connection = await connectPg(program.port);
  await connection.client.query('select 1');
});

test('connections that come while workers are killed are served, or lost with a worker, but never left hanging', async () => {
  await using program = await startWorkers(server, files, 3);
  const ending = new AbortController();
  let served = 0;
  const keepConnecting = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      try {
        await using connection = await connectPg(program.port, { connectionTimeoutMillis: 10_000 });
        await connection.client.query('select 1');
        served += 1;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        assert.match(code ?? message, /^(?:ECONNRESET|EPIPE|57P03|Connection terminated unexpectedly)$/);
      }
    }
  };
  const clients = Array.from({ length: 6 }, keepConnecting);
  for (let death = 1; death <= 4; death += 1) {
    const before = served;
    await until('some sessions', () => served >= before + 10);
    killWorker(program, (death % 3) + 1);
    await until('the death to be told', () => linesOf(program, 'worker-died').length >= death);
    await until('another worker', () => linesOf(program, 'worker-ready').length >= 3 + death);
  }
  ending.abort();
  await Promise.all(clients);
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});

test('who comes to workers that do not take anybody over is told so when the login has taken too long', async () => {
  await using program = await startWorkers(server, files, 2, ['--login-timeout', '1s']);
  for (const pid of workerPids(program).values()) process.kill(pid, 'SIGSTOP');
  const { code, message } = await refusedLogin(program.port);
  assert.deepEqual([code, message], ['57P03', 'pg-entra-proxy cannot reach one of its processes']);
  for (const pid of workerPids(program).values()) process.kill(pid, 'SIGCONT');
  await using connection = await connectPg(program.port);
  await connection.client.query('select 1');
});

test('workers that die as soon as they are there end the program with 1', async () => {
  const args = await argumentsFor(server, files);
  // The primary process is started without the hook, which is for processes with a channel to another alone.
  const hook = await files.write('die.mjs', 'if (process.send !== undefined) process.exit(7);\n');
  await using program = startProgram([...args, '--port', '0', '--workers', '2'], {
    NODE_OPTIONS: `--import file://${hook}`,
  });
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.match(program.stderr, /"worker":\d,.*ended with status 7: 0 sessions lost, for the 5th time/);
  const [failed] = linesOf(program, 'start-failed');
  assert.match(String(failed?.['msg']), /cannot start: worker \d dies as soon as it starts/);
  assert.equal(linesOf(program, 'listening').length, 0);
});

test('workers that die again and again later end the program with 1 too, after a drain', async () => {
  await using program = await startWorkers(server, files, 2);
  const [stays] = (await connectPlaced(program, 2)).filter(({ worker }) => worker === 2);
  await stays?.client.query('begin');
  for (let death = 1; death <= 5; death += 1) {
    killWorker(program, 1);
    await until('the death to be told', () => linesOf(program, 'worker-died').length === death);
    if (death < 5) await until('another worker', () => linesOf(program, 'worker-ready').length === 2 + death);
  }
  await program.find('stopping');
  await stays?.client.query('commit');
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 0);
});

test('when the primary process is killed, no worker is left, and open transactions have a moment to end', async () => {
  await using program = await startWorkers(server, files, 2);
  const clients = Array.from({ length: 2 }, () => {
    const client = new WireClient(connect({ host: '127.0.0.1', port: program.port }));
    client.startUp();
    return client;
  });
  for (const client of clients) await client.wait('Z');
  const [busy, idle] = clients as [WireClient, WireClient];
  busy.query('begin');
  await busy.wait('Z', 2);
  program.child.kill('SIGKILL');
  assert.equal((await idle.waitError()).sqlState, '57P01');
  busy.query('commit');
  await busy.wait('Z', 3);
  assert.equal((await busy.waitError()).sqlState, '57P01');
  const pids = [...workerPids(program).values()];
  await until('the workers to be gone', () => !pids.some(isAlive));
  await until('the last word of each', () => linesOf(program, 'orphaned').length === 2);
});
