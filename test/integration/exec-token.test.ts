import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { DemoEntra } from '../../src/demo/entra.ts';
import { missing } from '../support/clients.ts';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { type Program, startProgram } from '../support/program.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const home = join(bench.files.directory, 'home');
await mkdir(home);

function exec(flags: readonly string[], command: readonly string[]): Program {
  const upstream = ['--upstream-address', '127.0.0.1', '--upstream-port', String(bench.server.postgres.port)];
  return startProgram(
    ['exec', SERVER_NAME, ...upstream, '--ca', bench.serverCa, ...flags, '--', ...command],
    {
      ...APPLICATION,
      NODE_EXTRA_CA_CERTS: join(bench.files.directory, 'entra-ca.pem'),
      XDG_RUNTIME_DIR: home,
    },
  );
}

/** Entra, which says of its first answers that it is busy: that passes. */
async function startBusyEntra(busyAnswers: number): Promise<DemoEntra> {
  const entra = await bench.startEntra();
  let left = busyAnswers;
  entra.behave = ({ method }, response) => {
    if (method === 'GET' || left === 0) return 'normal';
    left -= 1;
    const error = { error: 'temporarily_unavailable', error_description: 'AADSTS90033: try again.' };
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(error));
    return 'handled';
  };
  return entra;
}

const AS_ROLE = ['--credential', 'environment', '--user', TEST_ROLE];

test('a token that may still come is waited for, and then the command starts', {
  skip: missing('psql'),
}, async () => {
  await using entra = await startBusyEntra(1);
  const who = ['psql', '-XAtc', 'select current_user'];
  await using program = exec([...AS_ROLE, ...entraFlags(entra), '--log-level', 'fatal'], who);
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.deepEqual([program.stdout, program.stderr], [`${TEST_ROLE}\n`, '']);
  assert.deepEqual(await readdir(home), []);
});

test('after --connect-timeout the wait is over, and the reason is told, with 1', async () => {
  await using entra = await startBusyEntra(Number.POSITIVE_INFINITY);
  const flags = [...AS_ROLE, ...entraFlags(entra), '--connect-timeout', '300ms'];
  await using program = exec(flags, ['echo', 'started']);
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.equal(program.stdout, '');
  assert.match(program.stderr, /cannot start: [^]*AADSTS90033|cannot start: no token came within 0\.3 s/);
  assert.deepEqual(await readdir(home), []);
});

test('a token that will never come is told at once, with 1', async () => {
  const flags = ['--credential', 'token-file', '--token-file', '/nowhere', '--connect-timeout', '10m'];
  await using program = exec(flags, ['echo', 'started']);
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.equal(program.stdout, '');
  assert.match(program.stderr, /cannot start: cannot read the token file \/nowhere: ENOENT/);
  assert.deepEqual(await readdir(home), []);
});
