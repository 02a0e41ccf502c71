import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findFreePort, listen } from '../../src/demo/loopback.ts';
import { type CheckResult, check } from '../support/check.ts';
import { createTestFiles } from '../support/files.ts';
import { startProgram } from '../support/program.ts';
import { closedPort } from '../support/scripted-server.ts';
import { createTestToken } from '../support/tokens.ts';

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());
const token = createTestToken();
const identity = ['--credential', 'token-file', '--token-file', await files.write('token', token)];
const upstream = ['127.0.0.1', '--upstream-port', String(await closedPort())];

async function look(...args: string[]): Promise<CheckResult['steps'][number]> {
  return (await check([...upstream, ...identity, ...args], [token])).step('local-port');
}

test('a port that is free is ok, and still free afterwards', async () => {
  const port = await findFreePort();
  for (const _ of [1, 2]) {
    const { status, summary } = await look('--port', String(port));
    assert.deepEqual([status, summary], ['ok', `127.0.0.1:${port} is free`]);
  }
});

test('a port that another program has fails, and it is told whose', async () => {
  const { port, close } = await listen(createServer());
  after(close);
  const { status, summary, repair } = await look('--port', String(port));
  // Only Linux tells.
  assert.equal(status, process.platform === 'linux' ? 'failed' : 'warning');
  assert.match(summary, new RegExp(`^port ${port} on 127\\.0\\.0\\.1 is in use`));
  if (process.platform === 'linux') assert.match(summary, new RegExp(`\\(pid ${process.pid}\\)`));
  assert.match(JSON.stringify(repair), /choose another with --port/);
});

test('a port where pg-entra-proxy runs already is ok', {
  skip: process.platform !== 'linux' && 'only Linux tells whose a port is',
}, async () => {
  await using program = startProgram(['run', ...upstream, ...identity, '--port', '0']);
  const port = Number((await program.find('listening'))['port']);
  const { status, summary } = await look('--port', String(port));
  assert.equal(status, 'ok');
  assert.match(
    summary,
    new RegExp(`is where pg-entra-proxy runs already: node main\\.ts \\(pid ${program.child.pid}\\)$`),
  );
});

test('a place for a Unix socket is tried, and left as it was', async () => {
  const socket = join(files.directory, '.s.PGSQL.6432');
  const { status, summary } = await look('--unix-socket', files.directory);
  assert.deepEqual([status, summary], ['ok', `${socket} is free`]);
  await assert.rejects(stat(socket), /ENOENT/);
  const nowhere = await look('--unix-socket', '/nowhere');
  assert.equal(nowhere.status, 'failed');
  assert.match(nowhere.summary, /there is no directory \/nowhere/);
  assert.match(JSON.stringify(nowhere.repair), /correct --unix-socket/);
});

test('of a port and a Unix socket, the one that cannot be had is told first', async () => {
  const port = String(await findFreePort());
  const { status, summary, details } = await look(
    '--unix-socket',
    '/nowhere',
    '--address',
    '127.0.0.1',
    '--port',
    port,
  );
  assert.equal(status, 'failed');
  assert.match(summary, /\/nowhere/);
  assert.deepEqual(details, [{ name: 'and', value: `127.0.0.1:${port} is free` }]);
});
