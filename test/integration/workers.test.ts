import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { ask, samplesOf } from '../support/admin.ts';
import { createTestFiles } from '../support/files.ts';
import { SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { runProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { connectPlaced, linesOf, startWorkers, workerPids } from '../support/workers.ts';

const server = await startTestServer();
const files = await createTestFiles();
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

const labels = `server="${SERVER_NAME}"`;

const ascending = (one: number, other: number): number => one - other;

test('sessions are spread over the workers, numbered by one count, and told of with their worker', async () => {
  await using program = await startWorkers(server, files, 3);
  const clients = await connectPlaced(program, 6);
  assert.deepEqual(clients.map(({ worker }) => worker).toSorted(ascending), [1, 1, 2, 2, 3, 3]);
  for (const { client } of clients) await client.end();
  await until('the end of each session', () => linesOf(program, 'session').length === 6);
  const ends = linesOf(program, 'session');
  assert.deepEqual(ends.map((line) => Number(line['sessionId'])).toSorted(ascending), [1, 2, 3, 4, 5, 6]);
  assert.ok(ends.every((line) => line['role'] === TEST_ROLE));
  assert.equal(new Set(workerPids(program).values()).size, 3);
  for (const event of ['listening', 'ready', 'hint']) {
    const lines = linesOf(program, event);
    assert.equal(lines.length, 1, event);
    assert.equal(lines[0]?.['worker'], undefined, event);
  }
});

test('a worker that is full of sessions gets no more of them than the others', async () => {
  await using program = await startWorkers(server, files, 2);
  const first = await connectPlaced(program, 4);
  const [one] = first;
  for (const { client, worker } of first) if (worker !== one?.worker) await client.end();
  await until('the end of those of one worker', () => linesOf(program, 'session').length === 2);
  const next = await connectPlaced(program, 2);
  assert.ok(next.every(({ worker }) => worker !== one?.worker));
});

test('by default there is one process, and no line names a worker', async () => {
  const args = await argumentsFor(server, files);
  await using program = await startListening([...args, '--log-level', 'trace']);
  await using login = await connectPg(program.port);
  await login.client.query('select 1');
  assert.doesNotMatch(program.stderr, /worker/);
});

test('/status and /metrics show the sessions of all workers, added up', async () => {
  await using program = await startWorkers(server, files, 3, ['--admin-port', '0', '--max-sessions', '7']);
  const admin = Number((await program.find('admin-listening'))['port']);
  const metric = async (name: string): Promise<number | undefined> =>
    samplesOf((await ask(admin, '/metrics')).body).get(`pg_entra_proxy_${name}`);
  const clients = await connectPlaced(program, 5);
  for (const { client } of clients) await client.query('begin');
  const { servers } = (await ask(admin, '/status')).json as unknown as {
    servers: {
      connections: number;
      sessions: { active: number; max: number; list: Record<string, unknown>[] };
    }[];
  };
  const { connections, sessions } = servers[0] ?? assert.fail('no server');
  assert.deepEqual([connections, sessions.active, sessions.max], [5, 5, 7]);
  assert.deepEqual(
    sessions.list.map(({ role, activity, database }) => [role, activity, database]),
    Array.from({ length: 5 }, () => [TEST_ROLE, 'idle in transaction', 'app']),
  );
  assert.equal(await metric(`sessions_active{${labels}}`), 5);
  assert.equal(await metric(`sessions_limit{${labels}}`), 7);
  assert.equal(await metric(`connections_open{${labels}}`), 5);
  assert.equal(await metric(`login_duration_seconds_count{${labels}}`), 5);
  assert.ok(Number(await metric(`warm_connections{${labels}}`)) >= 1);
  const relayed = (): Promise<number | undefined> =>
    metric(`relayed_bytes_total{${labels},direction="server_to_client"}`);
  const running = Number(await relayed());
  assert.ok(running > 5 * 300, `${running} bytes`);
  for (const { client } of clients) await client.end();
  await until('no session', async () => (await metric(`connections_open{${labels}}`)) === 0);
  await until('the log of each', () => linesOf(program, 'session').length === 5);
  const total = linesOf(program, 'session').reduce((sum, line) => sum + Number(line['bytesFromServer']), 0);
  assert.equal(await relayed(), total);
  assert.equal(await metric(`sessions_total{${labels},result="completed",sqlstate="none"}`), 5);
  assert.equal(await metric('token_refreshes_total{identity="token-file",result="ok"}'), 1);
});

test('--max-sessions holds over all workers, to the last one; who has not said what it wants is no session', async () => {
  await using program = await startWorkers(server, files, 3, ['--max-sessions', '4']);
  const silent = Array.from({ length: 3 }, () =>
    connect({ host: '127.0.0.1', port: program.port }).on('error', () => {}),
  );
  const clients = await connectPlaced(program, 4);
  const refusals = await Promise.all(Array.from({ length: 5 }, () => refusedLogin(program.port)));
  assert.deepEqual(new Set(refusals.map(({ code }) => code)), new Set(['53300']));
  assert.match(String(refusals[0]?.message), /no session left \(of 4\)/);
  await clients[0]?.client.end();
  await until('the end of a session', () =>
    linesOf(program, 'session').some((line) => line['reason'] === 'terminated'),
  );
  await using another = await connectPg(program.port);
  await another.client.query('select 1');
  assert.equal((await refusedLogin(program.port)).code, '53300');
  for (const socket of silent) socket.destroy();
});

test('a crowd at the cap gets as many sessions as there are, whichever worker each comes to', async () => {
  await using program = await startWorkers(server, files, 3, ['--max-sessions', '10']);
  const logins = await Promise.allSettled(Array.from({ length: 20 }, () => connectPg(program.port)));
  const codes = logins.flatMap((login) =>
    login.status === 'rejected' ? [(login.reason as { code?: string }).code] : [],
  );
  assert.deepEqual(
    codes,
    Array.from({ length: 10 }, () => '53300'),
  );
});

test('what is no number of workers is told, and --check-config and --print-config know of it', async () => {
  for (const number of ['0', '65', 'many']) {
    const { code, stderr } = await runProgram(['myserver', '--workers', number]);
    assert.equal(code, 2);
    assert.match(stderr, /--workers takes a whole number from 1 to 64/);
  }
  const checked = await runProgram(['myserver', '--workers', '4', '--check-config']);
  assert.deepEqual([checked.code, checked.stdout], [0, 'the configuration is fine\n']);
  const printed = await runProgram(['myserver', '--print-config'], { PGEP_WORKERS: '4' });
  assert.match(printed.stdout, /workers: 4 +# PGEP_WORKERS/);
  const exec = await runProgram(['exec', 'myserver', '--workers', '2', '--', 'true']);
  assert.equal(exec.code, 2);
  assert.match(exec.stderr, /--workers does nothing with exec/);
});
