import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { findFreePort } from '../../src/demo/loopback.ts';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { type Program, startProgram } from '../support/program.ts';
import { argumentsFor } from '../support/running-program.ts';

const HEALTH_CHECK = fileURLToPath(new URL('../../src/commands/health-check.ts', import.meta.url));

const server = await startTestServer();
const files = await createTestFiles();
const args = await argumentsFor(server, files);
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

/** What the image's HEALTHCHECK says of a process. */
function check(pid: number | undefined): Promise<{ status: number; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [HEALTH_CHECK, String(pid)], { env: {} }, (error, _stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stderr }),
    );
  });
}

const HEALTHY = { status: 0, stderr: '' };

/** At its most talkative, so that what a check leaves in the log can be seen. */
async function start(flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Program> {
  const program = startProgram([...args, ...flags], env);
  await program.find('listening');
  return program;
}

for (const [what, flags] of [
  ['a port', async () => ['--port', String(await findFreePort())]],
  ['a port with TLS', async () => ['--port', String(await findFreePort()), ...(await localTls())]],
  [
    'a port of all addresses of this machine',
    async () => ['--port', String(await findFreePort()), '--address', 'localhost'],
  ],
  ['a Unix socket', async () => ['--unix-socket', files.directory]],
  ['any free port, which cannot be told', async () => ['--port', '0']],
] as const)
  test(`a proxy on ${what} is healthy when it listens, and says nothing of being asked`, async () => {
    await using program = await start(await flags());
    assert.deepEqual(await check(program.child.pid), HEALTHY);
    await program.find('ready');
    assert.doesNotMatch(program.stderr, /"event":"connection"|refused/);
  });

async function localTls(): Promise<string[]> {
  const authority = await createCertificateAuthority('local');
  const { certPem, keyPem } = await authority.issue({ dnsNames: ['localhost'] });
  const [cert, key] = [await files.write('local.crt', certPem), await files.write('local.key', keyPem)];
  return ['--local-tls-cert', cert, '--local-tls-key', key];
}

test('a proxy that has stopped answering is not healthy, with or without an admin listener', async () => {
  const port = String(await findFreePort());
  const admin = String(await findFreePort());
  await using bare = await start(['--port', port]);
  await using observed = await start(['--port', '0'], { PGEP_ADMIN_PORT: admin });
  await observed.find('ready');
  assert.deepEqual(await check(observed.child.pid), HEALTHY);
  for (const { child } of [bare, observed]) child.kill('SIGSTOP');
  const [first, second] = await Promise.all([check(bare.child.pid), check(observed.child.pid)]);
  assert.equal(first.status, 1);
  assert.match(first.stderr, new RegExp(`^no answer at port ${port}: .*abort`));
  assert.equal(second.status, 1);
  assert.match(second.stderr, new RegExp(`^GET http://127\\.0\\.0\\.1:${admin}/startup: .*abort`));
});

test('a mistake that has come into the file says nothing of the proxy that runs', async () => {
  const port = await findFreePort();
  const file = await files.write('proxy.yaml', `port: ${port}\n`);
  await using program = await start(['--config', file]);
  assert.deepEqual(await check(program.child.pid), HEALTHY);
  await files.write('proxy.yaml', 'prot: 1\n');
  assert.deepEqual(await check(program.child.pid), HEALTHY);
  // What it says is read, as long as it can be: here, of a port where nobody is.
  await files.write('proxy.yaml', `port: ${await findFreePort()}\n`);
  assert.equal((await check(program.child.pid)).status, 1);
});

test('whoever runs a command has nobody else to listen for', async () => {
  const [, ...rest] = args;
  await using program = startProgram(['exec', ...rest, '--log-level', 'info', '--', 'sleep', '60']);
  await program.find('listening');
  assert.deepEqual(await check(program.child.pid), HEALTHY);
  // The command gets it too.
  program.child.kill('SIGTERM');
  assert.equal((await program.exit).code, 143);
});

test('where there is no proxy, it says so', async () => {
  assert.deepEqual(await check(process.pid), { status: 1, stderr: 'no pg-entra-proxy runs here\n' });
});

test('its limit is within the one that the Dockerfile gives it', () => {
  const dockerfile = readFileSync('Dockerfile', 'utf8');
  const source = readFileSync(HEALTH_CHECK, 'utf8');
  const [, givenSeconds] = /--timeout=(\d+)s/.exec(dockerfile) ?? [];
  const [, ownSeconds] = /TIMEOUT_MS = (\d+)_000/.exec(source) ?? [];
  assert.ok(Number(ownSeconds) < Number(givenSeconds), `${ownSeconds} s of ${givenSeconds} s`);
});
