import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { ask, samplesOf } from '../support/admin.ts';
import { missing } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { createLocalTls } from '../support/local-tls.ts';
import { STARTUP } from '../support/messages.ts';
import { ONE_USER, psqlAsOther } from '../support/other-user.ts';
import { SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { portsIn } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { RawClient, refusedLogin } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';
import { createTestToken } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';
import { killWorker, linesOf, startWorkers, workerPids, workersOfSessions } from '../support/workers.ts';

const server = await startTestServer();
const files = await createTestFiles();
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

const PASSWORD = 'the password of the application';

const scramFor = (usersFile: string): string[] => [
  '--local-auth',
  'scram-sha-256',
  '--local-users-file',
  usersFile,
];

test('a Unix socket and a port at once: sessions of both are spread over the workers', async () => {
  const both = ['--unix-socket', files.directory, '--address', '127.0.0.1'];
  await using program = await startWorkers(server, files, 2, both);
  await until('both listeners', () => linesOf(program, 'listening').length === 2);
  for (let round = 0; round < 2; round += 1) {
    await using overSocket = await connectPg(program.port, { host: files.directory });
    await using overTcp = await connectPg(program.port);
    const clients = [overSocket, overTcp];
    for (const { client } of clients) assert.equal((await client.query('select 1')).rowCount, 1);
  }
  await until('the sessions', () => workersOfSessions(program).size === 4);
  assert.deepEqual(new Set(workersOfSessions(program).values()), new Set([1, 2]));
  program.child.kill('SIGTERM');
  assert.equal((await program.exit).code, 0);
});

test('what a client has sent before its worker looks is not lost, nor is the end of what it says', async () => {
  await using program = await startWorkers(server, files, 2, ['--admin-port', '0']);
  const admin = Number((await program.find('admin-listening'))['port']);
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of workerPids(program).values()) process.kill(pid, name);
  };
  signal('SIGSTOP');
  const talking = Array.from({ length: 4 }, () => new RawClient(program.port).send(STARTUP));
  const strange = new RawClient(program.port);
  strange.socket.end('GET / HTTP/1.0\r\n\r\n');
  const open = `pg_entra_proxy_connections_open{server="${SERVER_NAME}"}`;
  await until('all connections', async () => samplesOf((await ask(admin, '/metrics')).body).get(open) === 5);
  signal('SIGCONT');
  for (const client of talking) {
    await client.hear(9);
    client.socket.destroy();
  }
  await until('the answer', () => strange.ended);
  assert.match(strange.heard.toString(), /^HTTP\/1\.1 400 .*This port speaks PostgreSQL/s);
});

test('a client that has said all it has to say still gets the answer', async () => {
  await using program = await startWorkers(server, files, 2);
  const client = new WireClient(connect({ host: '127.0.0.1', port: program.port, allowHalfOpen: true }));
  client.startUp();
  await client.wait('Z');
  client.query('select pg_sleep(0.2), 7');
  client.socket.end();
  await client.wait('D');
  await client.waitEnd();
});

test('local TLS and SCRAM: who knows the password gets in, in every worker, and nobody else', async () => {
  await using tls = await createLocalTls();
  const users = await files.write('users.txt', `"app" "${PASSWORD}"\n`);
  await using program = await startWorkers(server, files, 3, [
    ...scramFor(users),
    '--local-tls-cert',
    tls.certFile,
    '--local-tls-key',
    tls.keyFile,
  ]);
  const options = {
    user: 'app',
    password: PASSWORD,
    ssl: { ca: tls.authority.certPem, servername: 'localhost' },
  };
  for (let round = 0; round < 6; round += 1) {
    await using connection = await connectPg(program.port, options);
    assert.equal((await connection.client.query('select 1')).rowCount, 1);
  }
  await until('the end of each', () => linesOf(program, 'session').length === 6);
  const ends = linesOf(program, 'session');
  assert.deepEqual(new Set(ends.map((line) => line['worker'])), new Set([1, 2, 3]));
  assert.ok(ends.every((line) => line['clientTls'] === 'TLSv1.3'));
  assert.equal((await refusedLogin(program.port, { ...options, password: 'wrong' })).code, '28P01');
});

test('an unknown user meets the same salt in every worker, so that it does not give itself away', async () => {
  const users = await files.write('users.txt', `"app" "${PASSWORD}"\n`);
  await using program = await startWorkers(server, files, 3, scramFor(users));
  const salts = new Set<string>();
  for (let round = 0; round < 6; round += 1) {
    const client = new WireClient(connect({ host: '127.0.0.1', port: program.port }));
    client.startUp({ user: 'nobody' });
    await client.wait('R');
    const first = Buffer.from('n,,n=,r=0123456789abcdefghijklmn');
    const length = Buffer.alloc(4);
    length.writeInt32BE(first.length);
    const head = Buffer.from('p\0\0\0\0SCRAM-SHA-256\0', 'latin1');
    head.writeInt32BE(head.length - 1 + 4 + first.length, 1);
    client.send(head, length, first);
    const challenge = (await client.wait('R', 2)).body.toString('latin1');
    salts.add(/,s=([^,]+),/.exec(challenge)?.[1] ?? 'none');
    client.socket.destroy();
  }
  assert.equal(salts.size, 1);
  assert.ok(!salts.has('none'));
});

test('--same-user refuses another user with 28000, whichever worker has it', {
  skip: ONE_USER || missing('psql'),
}, async () => {
  await using program = await startWorkers(server, files, 2, ['--same-user']);
  await using own = await connectPg(program.port);
  assert.equal((await own.client.query('select 1')).rowCount, 1);
  for (let round = 0; round < 3; round += 1)
    await assert.rejects(psqlAsOther('127.0.0.1', program.port), (error: Error & { stderr: string }) => {
      assert.match(error.stderr, /FATAL: +this proxy serves only user \w+ \(--same-user\)/);
      assert.match(error.stderr, /HINT: +Connect as that user/);
      return true;
    });
  const refused = (): number =>
    linesOf(program, 'connection').filter((line) => line['sqlState'] === '28000').length;
  await until('the refusals in the log', () => refused() === 3);
  assert.ok(linesOf(program, 'connection').every((line) => line['cause'] === 'it is of uid 54321'));
});

test('SIGHUP: servers, users and identities change in all workers, and sessions that run keep what they had', async () => {
  const role = async (name: string): Promise<string> => {
    const token = createTestToken({ upn: name });
    const id = escapeIdentifier(name);
    await server.postgres.admin(`create role ${id} login password ${escapeLiteral(token)}`);
    return files.write(`token of ${name}`, token);
  };
  const [one, two] = [await role('one'), await role('two')];
  const ca = await files.write('ca.pem', server.authority.certPem);
  const estate = (servers: readonly string[]): string =>
    [
      'upstream-address: 127.0.0.1',
      `upstream-port: ${server.postgres.port}`,
      `ca: ${ca}`,
      'credential: token-file',
      'workers: 2',
      'log-level: debug',
      'servers:',
      ...servers,
      '',
    ].join('\n');
  const first = (token: string): string => `  - { server: ${SERVER_NAME}, port: 0, token-file: ${token} }`;
  const second = `  - { server: second.example, server-name: ${SERVER_NAME}, port: 0, token-file: ${two} }`;
  const config = await files.write('estate.yaml', estate([first(one)]));
  // The port of the command line is not that of the file's server.
  await using program = await startListening(['--config', config], { PGEP_PORT: '0' });
  await program.find('ready');
  const reload = async (servers: readonly string[]): Promise<void> => {
    const before = linesOf(program, 'reloaded').length;
    await files.write('estate.yaml', estate(servers));
    program.child.kill('SIGHUP');
    await until('the configuration to be read again', () => linesOf(program, 'reloaded').length > before);
  };
  const roles = async (port: number): Promise<Set<unknown>> => {
    const found = Array.from({ length: 4 }, async () => {
      await using connection = await connectPg(port);
      return (await connection.client.query('select current_user as role')).rows[0]?.role as unknown;
    });
    return new Set(await Promise.all(found));
  };
  const [port = 0] = portsIn(program.stderr);
  assert.deepEqual(await roles(port), new Set(['one']));
  await using stays = await connectPg(port);
  await reload([first(two)]);
  assert.deepEqual(await roles(port), new Set(['two']));
  assert.deepEqual((await stays.client.query('select current_user as role')).rows, [{ role: 'one' }]);
  await reload([first(one), second]);
  const other = portsIn(program.stderr)[1] ?? 0;
  assert.deepEqual([await roles(port), await roles(other)], [new Set(['one']), new Set(['two'])]);
  await using leaves = await connectPg(other);
  const gone = new Promise((resolve) => {
    leaves.client.once('error', resolve);
  });
  await reload([first(one)]);
  assert.equal(((await gone) as { code?: string }).code, '57P01');
  assert.deepEqual(await roles(port), new Set(['one']));
  assert.equal(linesOf(program, 'reload-failed').length, 0);
  program.child.kill('SIGTERM');
  assert.equal((await program.exit).code, 0);
});

test('a worker that takes the place of another knows the configuration, and has the token that is there', async () => {
  await using program = await startWorkers(server, files, 2);
  await program.find('ready');
  for (const number of [1, 2]) killWorker(program, number);
  await until('both to be replaced', () => linesOf(program, 'worker-ready').length === 4);
  // Nobody could read another.
  await files.write('token', 'no token');
  for (let round = 0; round < 2; round += 1) {
    await using connection = await connectPg(program.port);
    assert.equal((await connection.client.query('select 1')).rowCount, 1);
  }
  assert.equal(linesOf(program, 'token').length, 1);
});
