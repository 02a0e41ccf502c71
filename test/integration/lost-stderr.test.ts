import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { after, test } from 'node:test';
import { findFreePort } from '../../src/demo/loopback.ts';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { MAIN } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor } from '../support/running-program.ts';
import { until } from '../support/wait.ts';

const server = await startTestServer();
const files = await createTestFiles();
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

async function start(stderr: 'pipe' | number): Promise<{ child: ChildProcess; port: number }> {
  const port = await findFreePort();
  // Lines enough to fill a pipe, and each of them is tried to be written.
  const args = [...(await argumentsFor(server, files)), '--port', String(port), '--log-level', 'trace'];
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', stderr] });
  return { child, port };
}

const SESSIONS = 20;

async function assertServes(port: number): Promise<void> {
  await until('the program to serve', () =>
    connectPg(port).then(
      (session) => session[Symbol.asyncDispose]().then(() => true),
      () => false,
    ),
  );
  for (let count = 0; count < SESSIONS; count += 1) {
    await using session = await connectPg(port);
    const { rows } = await session.client.query<{ one: number }>('select 1 as one');
    assert.deepEqual(rows, [{ one: 1 }]);
  }
}

async function assertEnds(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await exit;
  assert.equal(code, 0);
}

test('a full disk under its log does not keep the program from serving and stopping', {
  skip: existsSync('/dev/full') ? false : 'no /dev/full here',
}, async () => {
  const full = openSync('/dev/full', 'w');
  const { child, port } = await start(full);
  closeSync(full);
  await assertServes(port);
  await assertEnds(child);
});

test('a reader of its log that goes does not keep the program from serving and stopping', async () => {
  const { child, port } = await start('pipe');
  child.stderr?.destroy();
  await assertServes(port);
  await assertEnds(child);
});
