import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { attackArguments, startAttack } from '../support/after-attack.ts';
import { createTestFiles } from '../support/files.ts';
import { connectPg } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';
import { until } from '../support/wait.ts';

const limit = promisify(execFile);

test('without a file descriptor left the proxy lives on, and serves when there are some again', async (t) => {
  await using attack = await startAttack();
  await using files = await createTestFiles();
  await using program = await startListening([
    ...(await attackArguments(attack, files)),
    '--login-timeout',
    '10s',
  ]);
  await program.find('ready');
  try {
    await limit('prlimit', ['--pid', String(program.child.pid), '--nofile=64:64']);
  } catch {
    return t.skip('prlimit cannot lower the limit of open files here');
  }
  const crowd = Array.from({ length: 200 }, () => new RawClient(program.port));
  await until('connections that the proxy could not take', () => crowd.some(({ ended }) => ended));
  assert.equal(program.child.exitCode, null);
  for (const { socket } of crowd) socket.destroy();
  await until('a login', () =>
    connectPg(program.port).then(
      async (connection) => {
        await connection[Symbol.asyncDispose]();
        return true;
      },
      () => false,
    ),
  );
  assert.equal(program.child.exitCode, null);
  assert.doesNotMatch(program.stderr, /uncaught|unhandled/i);
  assert.equal(program.child.kill('SIGTERM'), true);
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});
