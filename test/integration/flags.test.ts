import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { findFreePort } from '../../src/demo/loopback.ts';
import { createTestFiles, type TestFiles } from '../support/files.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';

let server: TestServer;
let files: TestFiles;
let args: string[];

before(async () => {
  server = await startTestServer();
  files = await createTestFiles();
  args = await argumentsFor(server, files);
});
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

function dial(port: number): Socket {
  return connect(port, '127.0.0.1');
}

/** What a client hears that logs in and is refused. */
async function refusal(flags: readonly string[], env: Readonly<Record<string, string>> = {}) {
  await using program = await startListening([...args, ...flags], env);
  const client = new WireClient(dial(program.port));
  client.startUp();
  return await client.waitError();
}

test('the start-up says what listens where, towards which server, as which role, and how to connect', async () => {
  await using program = await startListening(args);
  const ready = await program.find('ready');
  assert.equal(program.listening['serverName'], 'test.postgres.database.azure.com');
  assert.deepEqual([ready['role'], ready['credential']], [TEST_ROLE, 'token-file']);
  assert.ok(Date.parse(String(ready['tokenExpiresAt'])) > Date.now());
  assert.match(
    String((await program.find('hint'))['msg']),
    /psql "host=127\.0\.0\.1 port=\d+ dbname=postgres"/,
  );
});

test('a session gets one log line with its whole story', async () => {
  await using program = await startListening(args);
  {
    await using connection = await connectPg(program.port, { application_name: 'story teller' });
    await connection.client.query('select 1');
  }
  const { loginMs, client, durationMs, ...line } = await program.find('session');
  assert.match(String(client), /^127\.0\.0\.1:\d+$/);
  assert.equal(typeof durationMs, 'number');
  assert.deepEqual(Object.keys(loginMs as object).toSorted(), ['authentication', 'dial', 'tls', 'token']);
  const { level, time, msg, sessionId, bytesFromClient, bytesFromServer, ...rest } = line;
  assert.ok(Number(bytesFromClient) > 0 && Number(bytesFromServer) > 0);
  assert.deepEqual([level, typeof time, typeof msg, sessionId], [30, 'string', 'string', 1]);
  assert.deepEqual(rest, {
    event: 'session',
    clientUser: 'anyone',
    database: 'app',
    applicationName: 'story teller',
    role: TEST_ROLE,
    upstream: `127.0.0.1:${server.postgres.port}`,
    tls: 'TLSv1.3',
    endedBy: 'client',
    reason: 'terminated',
  });
});

test('--log-format pretty is for reading; --log-level hides what matters less', async () => {
  await using pretty = startProgram([...args, '--port', '0', '--log-format', 'pretty']);
  await new Promise<void>((resolve) => {
    pretty.child.stderr?.on('data', () => pretty.stderr.includes('connect with') && resolve());
  });
  assert.match(pretty.stderr, /listening on 127\.0\.0\.1:\d+, towards 127\.0\.0\.1:\d+/);
  assert.match(pretty.stderr, new RegExp(`logging in as ${TEST_ROLE}.*valid until`));

  const port = await findFreePort();
  await using quiet = startProgram([
    ...args,
    '--port',
    String(port),
    '--log-level',
    'warn',
    '--user',
    'nobody',
  ]);
  await until('the program to refuse a session', async () => {
    const client = new WireClient(dial(port));
    client.startUp();
    await client.waitEnd();
    return client.of('E').length > 0;
  });
  await quiet.find('session');
  assert.doesNotMatch(quiet.stderr, /"level":30/);
});

test('settings come from the environment too, and a flag wins', async () => {
  const port = await findFreePort();
  await using fromEnv = await startListening(args, { PGEP_PORT: String(port), PGEP_TYPO: 'x' });
  assert.equal(fromEnv.port, port);
  assert.match(String((await fromEnv.find('config'))['msg']), /PGEP_TYPO is not a setting/);
  await using fromFlag = await startListening([...args, '--port', '0'], { PGEP_PORT: String(port) });
  assert.notEqual(fromFlag.port, port);
});

test('--user is the role, whatever the token says', async () => {
  const { sqlState, message } = await refusal(['--user', 'somebody else']);
  assert.equal(sqlState, '28P01');
  assert.equal(message, 'password authentication failed for user "somebody else"');
});

test('--server-name is the name that the certificate must be for', async () => {
  const { sqlState, message, hint } = await refusal(['--server-name', 'other.postgres.database.azure.com']);
  assert.equal(sqlState, '08001');
  assert.match(message, /not for "other\.postgres\.database\.azure\.com"/);
  assert.match(hint ?? '', /--server-name/);
});

test('--ca decides which roots are trusted: neither another CA nor the bundled or system ones will do', async () => {
  const other = await createCertificateAuthority('another CA');
  const file = await files.write('other.pem', other.certPem);
  for (const roots of [file, 'bundled', 'system']) {
    const withRoots = args.map((arg, index) => (args[index - 1] === '--ca' ? roots : arg));
    await using program = await startListening(withRoots);
    const client = new WireClient(dial(program.port));
    client.startUp();
    const { sqlState, hint } = await client.waitError();
    assert.equal(sqlState, '08001');
    assert.ok(hint?.includes(`--ca is "${roots}"`), hint);
  }
});

test('--tls-min 1.3 does not talk to a server that ends at 1.2', async () => {
  await server.postgres.admin("alter system set ssl_max_protocol_version = 'TLSv1.2'");
  await server.postgres.admin('select pg_reload_conf()');
  try {
    const { sqlState, hint } = await refusal(['--tls-min', '1.3']);
    assert.equal(sqlState, '08001');
    assert.match(hint ?? '', /--tls-min/);
    await using program = await startListening(args);
    await using connection = await connectPg(program.port);
    await connection.client.query('select 1');
  } finally {
    await server.postgres.admin('alter system reset ssl_max_protocol_version');
    await server.postgres.admin('select pg_reload_conf()');
  }
});

test('--database is for clients that name none', async () => {
  await using program = await startListening([...args, '--database', 'app']);
  const client = new WireClient(dial(program.port));
  client.startUp({ database: '' });
  await client.wait('Z');
  client.query('select current_database()');
  assert.match((await client.wait('D')).body.toString(), /app$/);
  client.socket.destroy();
});

test('--max-sessions refuses one too many with 53300', async () => {
  await using program = await startListening([...args, '--max-sessions', '1']);
  const first = new WireClient(dial(program.port));
  first.startUp();
  await first.wait('Z');
  const second = new WireClient(dial(program.port));
  second.startUp();
  const { sqlState, hint } = await second.waitError();
  assert.equal(sqlState, '53300');
  assert.match(hint ?? '', /--max-sessions/);
  first.socket.destroy();
});

test('--login-timeout ends a client that says nothing with 57P05', async () => {
  await using program = await startListening([...args, '--login-timeout', '200ms']);
  const client = new WireClient(dial(program.port));
  assert.equal((await client.waitError()).sqlState, '57P05');
});

test('--connect-timeout ends the wait for a server that says nothing with 08001', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const port = String((silent.address() as AddressInfo).port);
  const towards = args.map((arg, index) => (args[index - 1] === '--upstream-port' ? port : arg));
  await using program = await startListening([...towards, '--connect-timeout', '200ms']);
  const client = new WireClient(dial(program.port));
  client.startUp();
  const { sqlState, hint } = await client.waitError();
  assert.equal(sqlState, '08001');
  assert.match(hint ?? '', /--connect-timeout/);
  silent.close();
});

test('--fail-fast tries a login first: it starts if that works, and ends with 1 if not', async () => {
  await using program = await startListening([...args, '--fail-fast']);
  assert.equal(program.child.exitCode, null);
  await using failing = startProgram([...args, '--port', '0', '--fail-fast', '--user', 'nobody']);
  assert.equal((await failing.exit).code, 1);
  assert.match(failing.stderr, /the server refused a test login: password authentication failed/);
});

test('--address takes another loopback address', {
  skip: process.platform !== 'linux' && 'Linux has 127/8',
}, async () => {
  await using program = await startListening([...args, '--address', '127.0.0.3']);
  assert.equal(program.listening['address'], '127.0.0.3');
});

test('--max-logins lets so many logins through to the server; who waits too long for one gets 53300', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const port = String((silent.address() as AddressInfo).port);
  const towards = args.map((arg, index) => (args[index - 1] === '--upstream-port' ? port : arg));
  await using program = await startListening([...towards, '--max-logins', '1', '--login-timeout', '500ms']);
  const clients = [new WireClient(dial(program.port)), new WireClient(dial(program.port))];
  for (const client of clients) client.startUp();
  const states = await Promise.all(clients.map(async (client) => (await client.waitError()).sqlState));
  assert.equal(states.filter((state) => state === '53300').length, 1, states.join());
  silent.close();
});

for (const [flag, sqlState] of [
  ['--idle-session-timeout', '57P05'],
  ['--max-session-age', '57P01'],
] as const) {
  test(`${flag} ends a session between transactions with ${sqlState}`, async () => {
    await using program = await startListening([...args, flag, '100ms']);
    const client = new WireClient(dial(program.port));
    client.startUp();
    await client.wait('Z');
    assert.equal((await client.waitError()).sqlState, sqlState);
  });
}

test('--local-tls-cert and --local-tls-key give clients TLS that ask for it', async () => {
  const authority = await createCertificateAuthority('local clients');
  const { certPem, keyPem } = await authority.issue({ dnsNames: ['localhost'] });
  const cert = await files.write('local.crt', certPem);
  const key = await files.write('local.key', keyPem);
  await using program = await startListening([...args, '--local-tls-cert', cert, '--local-tls-key', key]);
  const ssl = { ca: authority.certPem, servername: 'localhost' };
  await using connection = await connectPg(program.port, { ssl });
  await connection.client.query('select 1');
  await connection.client.end();
  assert.equal((await program.find('session'))['clientTls'], 'TLSv1.3');
});

test('--admin-address is where the admin listener is', { skip: process.platform !== 'linux' }, async () => {
  const admin = ['--admin-address', '127.0.0.2', '--admin-port', '0'];
  await using program = await startListening([...args, ...admin]);
  const { address, port } = await program.find('admin-listening');
  assert.equal(address, '127.0.0.2');
  assert.equal((await fetch(`http://127.0.0.2:${String(port)}/liveness`)).status, 200);
});
