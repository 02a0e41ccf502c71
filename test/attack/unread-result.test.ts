import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createTestFiles } from '../support/files.ts';
import { message, STARTUP } from '../support/messages.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

/** 500 MB. */
const HUGE = message('Q', "select repeat('x', 1000) from generate_series(1, 500000)\0");

const MAX_GROWTH_KB = 64 * 1024;

/** Looks this often, in vain, for the backend to get on before it counts as stuck. */
const STUCK_LOOKS = 30;

async function residentKb(pid: number | undefined): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout);
}

test('a client that never reads its 500 MB costs the proxy no memory, and its backend ends with it', async () => {
  const server = await startTestServer();
  try {
    await using files = await createTestFiles();
    await using program = await startListening(await argumentsFor(server, files));
    await using warm = await connectPg(program.port);
    await warm.client.query("select repeat('x', 1000) from generate_series(1, 20000)");
    await warm[Symbol.asyncDispose]();
    const before = await residentKb(program.child.pid);
    const waits = `select wait_event from pg_stat_activity where usename = '${TEST_ROLE}' and state = 'active'`;
    const socket = connect({ host: '127.0.0.1', port: program.port });
    socket.on('error', () => {}).write(Buffer.concat([STARTUP, HUGE]));
    let stuck = 0;
    await until('the backend to be stuck', async () => {
      const [row] = await server.postgres.admin(waits);
      stuck = row?.['wait_event'] === 'ClientWrite' ? stuck + 1 : 0;
      return stuck === STUCK_LOOKS;
    });
    const growth = (await residentKb(program.child.pid)) - before;
    assert.ok(growth < MAX_GROWTH_KB, `the proxy grew by ${growth} KB`);
    socket.resetAndDestroy();
    await until('the backend to end', async () => (await server.postgres.admin(waits)).length === 0);
    await using fresh = await connectPg(program.port);
    await fresh.client.query('select 1');
  } finally {
    await server.postgres.stop();
  }
});
