import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { type CredentialProxy, startCredentialBench } from '../support/credentials.ts';
import { ONE_USER, psqlAsOther } from '../support/other-user.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { MAIN, runProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { createTestToken } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const PASSWORD = 'the password of the application';

/** The flags of a proxy that logs in as `main`. */
async function asMain(): Promise<string[]> {
  const token = bench.keepSecret(createTestToken({ upn: 'main' }));
  const name = escapeIdentifier('main');
  await bench.server.postgres.admin(`drop role if exists ${name}`);
  await bench.server.postgres.admin(`create role ${name} login password ${escapeLiteral(token)}`);
  return ['--credential', 'token-file', '--token-file', await bench.files.write('main', token)];
}

interface Wish {
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly replication?: string;
}

async function whoIs(port: number, wish: Wish): Promise<string | undefined> {
  await using connection = await connectPg(port, { user: 'app', ...wish });
  const { rows } = await connection.client.query<{ current_user: string }>('select current_user');
  return rows[0]?.current_user;
}

async function startWithUsers(method: string): Promise<CredentialProxy & { usersFile: string }> {
  const usersFile = await bench.files.write('users.txt', `"app" "${PASSWORD}"\n`);
  const flags = ['--local-auth', method, '--local-users-file', usersFile];
  return { ...(await bench.startProxy([...(await asMain()), ...flags])), usersFile };
}

for (const method of ['password', 'scram-sha-256']) {
  test(`--local-auth ${method}: who knows the password gets in, nobody else`, async () => {
    await using proxy = await startWithUsers(method);
    assert.equal(await whoIs(proxy.port, { password: PASSWORD }), 'main');
    const wrong = [
      { password: 'wrong' },
      { password: '' },
      { user: 'nobody', password: PASSWORD },
      { user: 'App', password: PASSWORD },
    ].map((wish) => assert.rejects(whoIs(proxy.port, wish), /password|28P01/, JSON.stringify(wish)));
    await Promise.all(wrong);
    const line = proxy.program.stderr.split('\n').find((one) => one.includes('28P01')) ?? '';
    assert.match(line, /"client":"127\.0\.0\.1:\d+"/);
    assert.match(line, /"clientUser":"(?:app|nobody|App)"/);
    assert.doesNotMatch(proxy.program.stderr, new RegExp(PASSWORD));
  });
}

test('SIGHUP reads the users file again; one with problems changes nothing', async () => {
  await using proxy = await startWithUsers('scram-sha-256');
  const reloads = (): number => proxy.program.stderr.match(/"event":"reload(?:ed|-failed)"/g)?.length ?? 0;
  const reload = async (users: string): Promise<void> => {
    const before = reloads();
    await writeFile(proxy.usersFile, users);
    proxy.program.child.kill('SIGHUP');
    await until('the files to be read again', () => reloads() > before);
  };
  await reload('"app" "another password"\n');
  assert.equal(await whoIs(proxy.port, { password: 'another password' }), 'main');
  await assert.rejects(whoIs(proxy.port, { password: PASSWORD }), { code: '28P01' });
  await reload('app is not quoted\n');
  assert.match(proxy.program.stderr, /the old one goes on: [^"]*users\.txt:1: not/);
  assert.equal(await whoIs(proxy.port, { password: 'another password' }), 'main');
});

test('a program whose files are of no use says everything about them, and does not start', async () => {
  const key = await bench.files.write('key.pem', 'no key');
  const flags = ['--local-tls-cert', '/no/such/cert', '--local-tls-key', key];
  const auth = ['--local-auth', 'password', '--local-users-file', '/no/such/users'];
  for (const check of [[], ['--check-config']]) {
    const { code, stderr } = await runProgram(['myserver', ...flags, ...auth, ...check]);
    assert.equal(code, 2);
    for (const problem of [/\/no\/such\/cert/, /key\.pem: no private key/, /\/no\/such\/users: ENOENT/]) {
      assert.match(stderr, problem);
    }
  }
});

test('only the users, databases and kinds of connection that are allowed get in', async () => {
  const flags = ['--allow-users', 'app,batch', '--allow-databases', 'app', '--refuse-replication'];
  await using proxy = await bench.startProxy([...(await asMain()), ...flags]);
  assert.equal(await whoIs(proxy.port, {}), 'main');
  assert.equal(await whoIs(proxy.port, { user: 'batch' }), 'main');
  const refused = { code: '28000' };
  await assert.rejects(whoIs(proxy.port, { user: 'root' }), refused);
  await assert.rejects(whoIs(proxy.port, { database: 'postgres' }), refused);
  await assert.rejects(whoIs(proxy.port, { replication: 'database' }), refused);
});

test('--same-user: this user gets in, nobody else', { skip: ONE_USER }, async () => {
  await using proxy = await bench.startProxy([...(await asMain()), '--same-user']);
  assert.equal(await whoIs(proxy.port, {}), 'main');
  await assert.rejects(psqlAsOther('127.0.0.1', proxy.port), /this proxy serves only user/);
});

/** Starts the program as systemd does: with a listening socket for descriptor 3. */
async function startActivated(flags: readonly string[]): Promise<{ port: number; child: ChildProcess }> {
  const socket = createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  const upstream = ['--upstream-address', '127.0.0.1', '--upstream-port', String(bench.server.postgres.port)];
  const args = [MAIN, SERVER_NAME, ...upstream, '--ca', bench.serverCa, ...flags];
  const command = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"';
  const child = spawn('sh', ['-c', command, process.execPath, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', (Reflect.get(socket, '_handle') as { fd: number }).fd],
  });
  socket.close();
  return { port, child };
}

test('a socket that systemd has opened is served', { skip: process.platform === 'win32' }, async () => {
  const { port, child } = await startActivated(await asMain());
  const ended = once(child, 'close');
  try {
    assert.equal(await whoIs(port, {}), 'main');
  } finally {
    child.kill();
  }
  assert.deepEqual(await ended, [0, null]);
});
