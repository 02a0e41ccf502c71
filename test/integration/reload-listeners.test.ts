import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startCredentialBench } from '../support/credentials.ts';
import { ONE_USER, psqlAsOther } from '../support/other-user.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { closedPort } from '../support/scripted-server.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** A proxy on a port of its own, whose configuration changes. */
async function startProxy(lines: readonly string[]) {
  const port = await closedPort();
  const yaml = (more: readonly string[]): string => [`port: ${port}`, ...more, ''].join('\n');
  const config = await bench.files.write('reload.yaml', yaml(lines));
  const tokenFile = await bench.files.write('token', await bench.issueToken());
  const identity = ['--credential', 'token-file', '--token-file', tokenFile];
  const upstream = ['--upstream-address', '127.0.0.1', '--upstream-port', String(bench.server.postgres.port)];
  const args = [SERVER_NAME, ...upstream, '--ca', bench.serverCa, ...identity, '--config', config];
  const program = startProgram(args);
  await program.find('ready');
  const count = (): number => program.stderr.match(/"event":"reload(?:ed|-failed)"/g)?.length ?? 0;
  return {
    port,
    async reload(more: readonly string[]) {
      const before = count();
      await writeFile(config, yaml(more));
      program.child.kill('SIGHUP');
      await until('the configuration to be read again', () => count() > before);
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

async function letsIn(host: string, port: number): Promise<string> {
  try {
    await using connection = await connectPg(port, { host });
    await connection.client.query('select 1');
    return 'in';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

test('SIGHUP: --same-user counts from then on, and no longer when it is gone', {
  skip: ONE_USER,
}, async () => {
  await using proxy = await startProxy([]);
  const { port } = proxy;
  await psqlAsOther('127.0.0.1', port);
  await proxy.reload(['same-user: true']);
  assert.equal(await letsIn('127.0.0.1', port), 'in');
  await assert.rejects(psqlAsOther('127.0.0.1', port), /this proxy serves only user/);
  await proxy.reload([]);
  await psqlAsOther('127.0.0.1', port);
});

test('SIGHUP: a port that the configuration has no more is closed, and its Unix socket goes on', async () => {
  const directory = join(bench.files.directory, 'sockets');
  await mkdir(directory);
  const socket = `unix-socket: ${directory}`;
  await using proxy = await startProxy([socket, 'address: 127.0.0.1']);
  const { port } = proxy;
  assert.equal(await letsIn('127.0.0.1', port), 'in');
  assert.equal(await letsIn(directory, port), 'in');
  await proxy.reload([socket]);
  assert.equal(await letsIn('127.0.0.1', port), 'ECONNREFUSED');
  assert.equal(await letsIn(directory, port), 'in');
  await proxy.reload([socket, 'address: 127.0.0.1']);
  assert.equal(await letsIn('127.0.0.1', port), 'in');
});

test('SIGHUP: a listener that takes the place of another has its port', async () => {
  await using proxy = await startProxy([]);
  const { port } = proxy;
  await using old = await connectPg(port);
  const ended = once(old.client, 'error');
  await proxy.reload(['address: localhost']);
  assert.equal(await letsIn('localhost', port), 'in');
  await proxy.reload(['address: 127.0.0.2']);
  assert.equal(await letsIn('127.0.0.1', port), 'ECONNREFUSED');
  assert.equal(await letsIn('127.0.0.2', port), 'in');
  assert.equal((await ended)[0].code, '57P01');
});
