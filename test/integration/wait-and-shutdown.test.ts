import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { findFreePort } from '../../src/demo/loopback.ts';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { runProgram, startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';

const server = await startTestServer();
const files = await createTestFiles();
const args = await argumentsFor(server, files);
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

/** Something that answers everything in the same way. */
async function startAnswering(status: number, body: string): Promise<Server & AsyncDisposable> {
  const answering = createServer((_request, response) => response.writeHead(status).end(body));
  answering.listen(0, '127.0.0.1');
  await once(answering, 'listening');
  return answering;
}

function portOf(answering: Server): string {
  return String((answering.address() as AddressInfo).port);
}

test('wait ends when the proxy has its first token; shutdown lets a transaction end, and then it stops', async () => {
  const port = String(await findFreePort());
  const tokenFile = await files.write('late token', '');
  const own = args.with(args.indexOf('--token-file') + 1, tokenFile);
  const env = { PGEP_ADMIN_PORT: port };
  await using waiting = startProgram(['wait'], env);
  await using program = await startListening([...own, '--admin-quit'], env);
  await program.find('token-failed');
  assert.equal(waiting.child.exitCode, null);
  const impatient = await runProgram(['wait', '--timeout', '300ms'], env);
  assert.equal(impatient.code, 1);
  assert.match(
    impatient.stderr,
    /^pg-entra-proxy wait: http:\/\/127\.0\.0\.1:\d+ was not ready within 0\.3 s: no token yet/,
  );
  assert.match(impatient.stdout, /^\{.*\}\n$/);
  await writeFile(tokenFile, server.token);
  assert.deepEqual(await waiting.exit, { code: 0, signal: null });
  assert.deepEqual([waiting.stdout, waiting.stderr], ['', '']);

  await using connection = await connectPg(program.port);
  await connection.client.query('begin');
  const { code, stdout } = await runProgram(['shutdown'], env);
  assert.equal(code, 0);
  assert.equal(stdout, `the proxy at http://127.0.0.1:${port} stops\n`);
  await program.find('stopping');
  await connection.client.query('commit');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});

test('a signal after shutdown is no second one: the transaction still ends', async () => {
  const admin = ['--admin-port', '0', '--admin-quit'];
  await using program = await startListening([...args, ...admin]);
  const port = String((await program.find('admin-listening'))['port']);
  await using connection = await connectPg(program.port);
  await connection.client.query('begin');
  assert.equal((await runProgram(['shutdown', '--admin-port', port])).code, 0);
  program.child.kill('SIGTERM');
  await program.find('stopping');
  await connection.client.query('commit');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 0);
});

test('shutdown says so if the proxy does not allow it, or if nobody answers', async () => {
  await using program = await startListening([...args, '--admin-port', '0']);
  const port = String((await program.find('admin-listening'))['port']);
  const refused = await runProgram(['shutdown', '--admin-port', port]);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^pg-entra-proxy shutdown: the proxy at http:\/\/127\.0\.0\.1:\d+ refuses: .*--admin-quit/,
  );
  const nobody = await runProgram(['shutdown', '--admin-port', String(await findFreePort())]);
  assert.equal(nobody.code, 1);
  assert.match(
    nobody.stderr,
    /nobody answers at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*--admin-port\?\n$/,
  );
});

test('what answers and is no proxy is told by its status', async () => {
  await using other = await startAnswering(404, '<html>');
  const timeout = ['--timeout', '200ms'];
  const waited = await runProgram(['wait', '--admin-port', portOf(other), ...timeout]);
  assert.equal(waited.code, 1);
  assert.match(waited.stderr, /was not ready within 0\.2 s: HTTP status 404\n$/);
  const asked = await runProgram(['shutdown', '--admin-port', portOf(other)]);
  assert.equal(asked.code, 1);
  assert.match(asked.stderr, /refuses: HTTP status 404/);
});

test('wait and shutdown tell all that is wrong with their command line, with 2', async () => {
  const { code, stderr } = await runProgram(['wait', 'myserver', '--timeout', 'x', '--port', '1']);
  assert.equal(code, 2);
  for (const problem of [
    'wait takes no server, and no "myserver"',
    '--timeout takes a duration',
    'wait does not take --port',
    'wait needs --admin-port',
  ]) {
    assert.ok(stderr.includes(problem), `${problem}\nis missing in\n${stderr}`);
  }
  const shutdown = await runProgram(['shutdown', '--timeout', '1s']);
  assert.equal(shutdown.code, 2);
  assert.match(shutdown.stderr, /shutdown does not take --timeout/);
});

test('each command has a --help of its own', async () => {
  const helps = await Promise.all(
    ['exec', 'wait', 'shutdown'].map((command) => runProgram([command, '--help'])),
  );
  for (const { code, stdout, stderr } of helps)
    assert.deepEqual([code, stdout === '', stderr], [0, false, '']);
  const [exec, wait, shutdown] = helps.map(({ stdout }) => stdout) as [string, string, string];
  assert.match(exec, /pg-entra-proxy exec <server> \[flags\] -- COMMAND[^]*--url-env/);
  assert.doesNotMatch(exec, /--unix-socket|--admin-quit/);
  assert.match(wait, /--timeout[^]*/);
  assert.match(shutdown, /--admin-port/);
  assert.doesNotMatch(shutdown, /--timeout|--user/);
});
