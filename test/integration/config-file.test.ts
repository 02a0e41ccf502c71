import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { portsIn, runProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { closedPort } from '../support/scripted-server.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** A role, and a file with the token that the server lets in as it. */
async function createRole(role: string, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const token = bench.keepSecret(createTestToken({ upn: role, ...claims }));
  const name = escapeIdentifier(role);
  await bench.server.postgres.admin(`drop role if exists ${name}`);
  await bench.server.postgres.admin(`create role ${name} login password ${escapeLiteral(token)}`);
  return bench.files.write(`token of ${role}`, token);
}

async function whoIs(port: number, user: string, password?: string): Promise<string | undefined> {
  await using connection = await connectPg(port, { user, password });
  const { rows } = await connection.client.query<{ current_user: string }>('select current_user');
  return rows[0]?.current_user;
}

test('one proxy serves several identities, and lets native roles log in with their own password', async () => {
  const [main, app, report] = await Promise.all([
    createRole('main'),
    createRole('app'),
    createRole('Reports'),
  ]);
  const { postgres } = bench.server;
  await postgres.admin("create role legacy login password 'a password of its own'");
  const config = await bench.files.write(
    'proxy.yaml',
    `
credential: token-file
token-file: ${main}
client-users:
  report: { credential: token-file, token-file: ${report}, user: Reports }
  app: { credential: token-file, token-file: ${app} }
  legacy: { pass-through: true }
`,
  );
  await using proxy = await bench.startProxy(['--config', config]);
  const { port } = proxy;
  assert.deepEqual(
    [
      await whoIs(port, 'report'),
      await whoIs(port, 'app'),
      await whoIs(port, 'anybody'),
      await whoIs(port, 'legacy', 'a password of its own'),
    ],
    ['Reports', 'app', 'main', 'legacy'],
  );
  await assert.rejects(whoIs(port, 'legacy', 'wrong'), { code: '28P01' });
  const { msg, sessionId } = await proxy.program.find('client-user');
  assert.match(String(msg), /names user "anybody", which is ignored/);
  assert.equal(typeof sessionId, 'number');
  await proxy.program.find('ready');
  assert.match(proxy.program.stderr, /client user report logs in as Reports \(credential: token-file\)/);
});

test('one program serves several servers, each on a port of its own', async () => {
  const [one, two] = await Promise.all([createRole('one'), createRole('two')]);
  const second = new URLSearchParams({ 'token-file': two, 'server-name': SERVER_NAME });
  const flags = ['--credential', 'token-file', '--token-file', one];
  await using proxy = await bench.startProxy([`second.example?${second.toString()}`, ...flags]);
  await until('both to listen', () => portsIn(proxy.program.stderr).length === 2);
  const roles = await Promise.all(portsIn(proxy.program.stderr).map((port) => whoIs(port, 'anybody')));
  assert.deepEqual(new Set(roles), new Set(['one', 'two']));
  await until(
    'their sessions to be told',
    () => (proxy.program.stderr.match(/"event":"session"/g) ?? []).length === 2,
  );
  assert.match(proxy.program.stderr, /"server":"second\.example"[^\n]*"role":"two"/);
});

test('servers with the same identity share its token', async () => {
  await using entra = await bench.startEntra();
  const servers = [2, 3].map((number) => `server${number}.example?server-name=${SERVER_NAME}`);
  const flags = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy([...servers, ...flags], APPLICATION);
  await until('all to listen', () => portsIn(proxy.program.stderr).length === 3);
  const roles = await Promise.all(portsIn(proxy.program.stderr).map((port) => whoIs(port, 'anybody')));
  assert.deepEqual(roles, [TEST_ROLE, TEST_ROLE, TEST_ROLE]);
  assert.equal(entra.requests, 1);
});

test("one server's outage touches no other", async () => {
  const one = await createRole('one');
  const dead = new URLSearchParams({ 'upstream-port': String(await closedPort()) });
  const flags = ['--credential', 'token-file', '--token-file', one, '--connect-timeout', '500ms'];
  await using proxy = await bench.startProxy([`dead.example?${dead.toString()}`, ...flags]);
  await until('both to listen', () => portsIn(proxy.program.stderr).length === 2);
  const outcomes = await Promise.allSettled(
    portsIn(proxy.program.stderr).map((port) => whoIs(port, 'anybody')),
  );
  const told = outcomes.map((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as { code: string }).code,
  );
  assert.deepEqual(new Set(told), new Set(['one', '08001']));
});

test('a program that cannot have its ports says which, all of them, and stops', async () => {
  const token = await createRole('three');
  const flags = ['--credential', 'token-file', '--token-file', token];
  await using first = await bench.startProxy(['second.example', ...flags]);
  await until('both to listen', () => portsIn(first.program.stderr).length === 2);
  const [one, two] = portsIn(first.program.stderr);
  const servers = [`one.example?port=${one}`, 'two.example?port=0', `three.example?port=${two}`];
  const { code, stderr } = await runProgram([...servers, ...flags]);
  assert.equal(code, 1);
  for (const port of [one, two]) {
    assert.match(stderr, new RegExp(`cannot start: port ${port} on 127\\.0\\.0\\.1 is in use`));
  }
});

test('two servers with one listener are refused before anything is tried', async () => {
  const { code, stderr } = await runProgram(['one.example?port=7000', 'two.example?port=7000']);
  assert.equal(code, 2);
  assert.match(stderr, /one\.example and two\.example cannot both listen on 127\.0\.0\.1:7000/);
});

test('--check-config says what is wrong, or that nothing is, and starts nothing', async () => {
  const good = await bench.files.write('good.yaml', 'server: myserver\nport: 6432\n');
  const { code, stdout, stderr } = await runProgram(['--config', good, '--check-config']);
  assert.deepEqual([code, stdout, stderr], [0, 'the configuration is fine\n', '']);
  const bad = await bench.files.write('bad.yaml', 'server: myserver\nprot: 6432\n');
  const refused = await runProgram(['run', '--config', bad, '--check-config']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /bad\.yaml:2:1 prot is not a setting/);
});

test('--print-config shows what counts and where it comes from, as a file that says the same', async () => {
  const secret = createTestToken();
  const path = await bench.files.write(
    'print.yaml',
    `
allow-databases: [app, 'a b']
credential: token-command
token-command: echo ${secret}
servers:
  - server: orders:6000
    client-users: { report: { user: '007' }, legacy: { pass-through: true } }
  - server: reports
    port: 7000
`,
  );
  const args = ['--config', path, '--user', 'x', '--print-config'];
  const { code, stdout } = await runProgram(args, { PGEP_LOG_LEVEL: 'debug' });
  assert.equal(code, 0);
  assert.doesNotMatch(stdout, /eyJ/);
  for (const line of [
    'log-level: debug # PGEP_LOG_LEVEL',
    'drain-timeout: 30s # default',
    '  - server: orders.postgres.database.azure.com:6000',
    '    user: x # --user',
    `    allow-databases: [app, a b] # ${path}:2:18 allow-databases`,
    '        user: "007" # ',
    '        pass-through: true',
    `    port: 7000 # ${path}:9:11 servers[2].port`,
  ]) {
    assert.ok(stdout.includes(line), `${line}\nis missing in\n${stdout}`);
  }
  const printed = await bench.files.write('printed.yaml', stdout);
  const again = await runProgram(['--config', printed, '--print-config']);
  const withoutOrigins = (text: string): string => text.replaceAll(/ # .*$/gm, '');
  assert.equal(withoutOrigins(again.stdout), withoutOrigins(stdout));
});
