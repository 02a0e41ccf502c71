import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { missing, runClient, startClient } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { argumentsFor, type RunningProgram, startListening } from '../support/running-program.ts';
import { until } from '../support/wait.ts';

/** How pgbench speaks to the server; one after the other, each until its proxy stops. */
const MODES = ['simple', 'extended', 'prepared'];

const CLIENTS = 6;

/** The first of its transaction's commands that goes to the server. */
const BEGIN = 4;

/** So many more transactions are committed before a proxy is told to stop. */
const COMMITS_PER_RESTART = 200;

/** Its TPC-B-like transactions of five statements; each adds a row to pgbench_history. */
function startPgbench(mode: string, port: number): { child: ChildProcess; output: () => string } {
  const args = ['--no-vacuum', `--client=${CLIENTS}`, '--time=60', `--protocol=${mode}`];
  const child = startClient('pgbench', args, port);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  return { child, output: () => output };
}

test('under the load of pgbench, proxies that stop lose no commit and cut no transaction', {
  skip: missing('pgbench'),
}, async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using files = await createTestFiles();
  const args = await argumentsFor(server, files);
  const history = async (): Promise<number> => {
    const rows = await server.postgres.admin('select count(*)::int as count from pgbench_history', 'app');
    return Number(rows[0]?.['count']);
  };
  let acknowledged = 0;
  await using programs = new AsyncDisposableStack();
  const start = async (): Promise<RunningProgram> => programs.use(await startListening(args));
  let program = await start();
  await runClient('pgbench', ['--initialize', '--quiet'], program.port);
  for (const mode of MODES) {
    const load = startPgbench(mode, program.port);
    const closed = once(load.child, 'close');
    const due = acknowledged + COMMITS_PER_RESTART;
    await until(`${due} commits`, async () => (await history()) >= due);
    program.child.kill('SIGTERM');
    assert.deepEqual(await program.exit, { code: 0, signal: null }, 'no session was cut');
    assert.equal((await program.find('stopped'))['cut'], 0);
    await closed;
    const output = load.output();
    assert.match(output, /pg-entra-proxy is shutting down/);
    const ends = [...output.matchAll(/client \d+ (?:script \d+ )?aborted in command (\d+)/g)].map(
      ([, command]) => Number(command),
    );
    assert.deepEqual(
      ends,
      Array.from({ length: CLIENTS }, () => BEGIN),
      output,
    );
    acknowledged += Number(/transactions actually processed: (\d+)/.exec(output)?.[1]);
    assert.equal(await history(), acknowledged, output);
    program = await start();
  }
  const [sums] = await server.postgres.admin(
    'select (select sum(delta) from pgbench_history) = (select sum(abalance) from pgbench_accounts) as whole',
    'app',
  );
  assert.deepEqual(sums, { whole: true });
});
