import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findFreePort } from '../../src/demo/loopback.ts';
import {
  APPLICATION,
  type CredentialBench,
  entraFlags,
  startCredentialBench,
} from '../support/credentials.ts';
import { type Container, engine, inspectImage, noImage, startContainer } from '../support/image.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { WireClient } from '../support/wire.ts';

let bench: CredentialBench;

/** Files of the test as a container sees them: another user's, but not to be written to. */
async function share(name: string, content: string): Promise<string> {
  await bench.files.write(name, content, 0o644);
  return `/test/${name}`;
}

/** Starts the image in front of the real server, with a token in a file. */
async function startProxy(port = 0): Promise<Container & { readonly port: number }> {
  const token = await share('token', await bench.issueToken());
  const identity = ['--credential', 'token-file', '--token-file', token];
  const container = startContainer([...upstream(), ...identity, '--port', String(port)], {
    directory: bench.files.directory,
  });
  const [, actual] = await container.says(/"event":"listening".*"port":(\d+)/);
  return Object.create(container, { port: { value: Number(actual) } }) as Container & { port: number };
}

function upstream(): string[] {
  const port = String(bench.server.postgres.port);
  return [
    SERVER_NAME,
    '--upstream-address',
    '127.0.0.1',
    '--upstream-port',
    port,
    '--ca',
    '/test/server-ca.pem',
  ];
}

/** Runs the image's own health check. */
async function checkHealth(container: Container): Promise<{ status: number; output: string }> {
  const { Healthcheck } = await inspectImage();
  return container.execute(...Healthcheck.Test.slice(1));
}

describe('a container of the image', { skip: noImage }, () => {
  before(async () => {
    bench = await startCredentialBench();
    await chmod(bench.files.directory, 0o755);
    for (const ca of ['server-ca.pem', 'entra-ca.pem']) await chmod(join(bench.files.directory, ca), 0o644);
  });
  after(() => bench[Symbol.asyncDispose]());

  test('says its version and its help, and without a server what is missing', async () => {
    await using version = startContainer(['--version']);
    await using help = startContainer(['--help']);
    await using nothing = startContainer([]);
    assert.deepEqual([await version.exit, await help.exit, await nothing.exit], [0, 0, 2]);
    assert.match(version.output, /^\d+\.\d+\.\d+\S*\n$/);
    assert.match(help.output, /--upstream-address/);
    assert.match(nothing.output, /which server\?/);
  });

  test('logs in as an application whose token comes from Entra, with nothing to write to and no capability', async () => {
    await using entra = await bench.startEntra();
    const identity = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
    await using container = startContainer([...upstream(), ...identity, '--port', '0'], {
      directory: bench.files.directory,
      env: { ...APPLICATION, NODE_EXTRA_CA_CERTS: '/test/entra-ca.pem' },
    });
    const [, port] = await container.says(/"event":"listening".*"port":(\d+)/);
    await using connection = await connectPg(Number(port));
    const { rows } = await connection.client.query(
      'select current_user as role, ssl from pg_stat_ssl where pid = pg_backend_pid()',
    );
    assert.deepEqual(rows, [{ role: TEST_ROLE, ssl: true }]);
    assert.equal(entra.requests, 1);

    const script = `
      const { readFileSync, writeFileSync } = require('fs');
      const status = readFileSync('/proc/1/status', 'utf8');
      const [uid] = /^Uid:\\s+(.*)$/m.exec(status).slice(1);
      const capabilities = [...status.matchAll(/^Cap\\w+:\\s+(\\w+)$/gm)].map(([, mask]) => BigInt('0x' + mask));
      const attempts = ['/app/x', '/tmp/x', '/home/nonroot/x'].map((path) => {
        try { writeFileSync(path, ''); return 'written'; } catch ({ code }) { return code; }
      });
      console.log(JSON.stringify([uid.split('\\t'), capabilities.every((mask) => mask === 0n), attempts]));`;
    const { output } = await container.execute('/nodejs/bin/node', '-e', script);
    const id = '65532';
    assert.deepEqual(JSON.parse(output), [[id, id, id, id], true, ['EROFS', 'EROFS', 'EROFS']]);
  });

  test('stops at SIGTERM, as the first process there, when the transaction has ended', async () => {
    await using container = await startProxy();
    const busy = new WireClient(connect(container.port, '127.0.0.1'));
    busy.startUp();
    await busy.wait('Z');
    busy.query('begin; select 1');
    await busy.wait('Z', 2);
    await engine('kill', '--signal', 'TERM', container.name);
    await container.says(/"event":"stopping"/);
    busy.query('commit');
    assert.equal((await busy.waitError()).sqlState, '57P01');
    assert.equal(await container.exit, 0);
  });

  test('is stopped by the engine, which does not have to kill it', async () => {
    await using container = await startProxy();
    await engine('stop', '-t', '60', container.name);
    assert.equal(await container.exit, 0);
  });

  test('is healthy as soon as it has a token, where it has an admin listener, however that was asked for', async () => {
    const late = await share('late', '');
    const flags = ['--credential', 'token-file', '--token-file', late];
    const port = String(await findFreePort());
    await using waiting = startContainer([...upstream(), ...flags, '--port', '0', '--admin-port', port], {
      directory: bench.files.directory,
      // What a flag says wins, here as there.
      env: { PGEP_ADMIN_PORT: '1' },
    });
    await waiting.says(/"event":"token-failed"/);
    const early = await checkHealth(waiting);
    assert.equal(early.status, 1);
    assert.match(early.output, /^GET http:\/\/127\.0\.0\.1:\d+\/startup: HTTP status 503: .*no token yet/);
    await share('late', await bench.issueToken());
    await waiting.says(/"event":"ready"/);
    assert.deepEqual(await checkHealth(waiting), { status: 0, output: '' });
  });

  test('is healthy when it listens, where it has no admin listener', async () => {
    await using container = await startProxy(await findFreePort());
    assert.deepEqual(await checkHealth(container), { status: 0, output: '' });
  });

  test('gives a command its own proxy; without a place for a socket, it says what to do', async () => {
    const token = await share('token', await bench.issueToken());
    const args = ['exec', ...upstream(), '--credential', 'token-file', '--token-file', token];
    const script = 'console.log(process.env.PGHOST, process.env.PGUSER, process.pid > 1)';
    const command = ['--', '/nodejs/bin/node', '-e', script];
    const { directory } = bench.files;
    await using container = startContainer([...args, '--tcp', ...command], { directory });
    assert.equal(await container.exit, 0);
    assert.equal(container.output, `127.0.0.1 ${TEST_ROLE} true\n`);
    await using nowhere = startContainer([...args, ...command], { directory });
    assert.equal(await nowhere.exit, 1);
    assert.match(
      nowhere.output,
      /no socket can be made in \/tmp \(EROFS\): use --tcp, .* mount a tmpfs there"/,
    );
    await using mounted = startContainer([...args, ...command], { directory, run: ['--tmpfs', '/tmp'] });
    assert.equal(await mounted.exit, 0);
    assert.match(mounted.output, /^\/tmp\/pgep-/);
  });
});
