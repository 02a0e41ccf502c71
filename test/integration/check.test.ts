import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { listen } from '../../src/demo/loopback.ts';
import { ALL_WELL, check } from '../support/check.ts';
import { missing } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { MAIN, runProgram, startProgram } from '../support/program.ts';
import { argumentsFor } from '../support/running-program.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const YEAR_MS = 365 * 86_400_000;
/** Of util-linux: runs a command in a terminal of its own. */
const TERMINAL = 'script';

const UTF_8 = { LANG: 'C.UTF-8' };

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());
const server = await startTestServer(undefined, { notAfter: new Date(Date.now() + YEAR_MS) });
after(() => server.postgres.stop());
const args = [...(await argumentsFor(server, files)).slice(1), '--port', '0'];
const secrets = [server.token];

test('of a server that is as it should be, every step is ok, and says what it saw', async () => {
  const result = await check([...args, '--database', 'app'], secrets);
  assert.deepEqual(result.statuses, ALL_WELL);
  assert.deepEqual([result.code, result.outcome], [0, 'ok']);
  assert.deepEqual(Object.keys(result.statuses), Object.keys(ALL_WELL));
  const { port, version } = server.postgres;
  assert.match(result.step('dns').summary, /^127\.0\.0\.1 is an address \(this machine\)/);
  assert.deepEqual(result.facts('dns', 'TLS name'), [SERVER_NAME]);
  assert.match(result.step('tcp').summary, new RegExp(`^connected to 127\\.0\\.0\\.1:${port} in \\d+ ms$`));
  assert.match(result.step('tls').summary, new RegExp(`^TLSv1\\.3, verified to be ${SERVER_NAME}$`));
  assert.match(
    result.facts('tls', 'certificate').join(),
    /^test\.postgres\.database\.azure\.com, issued by pg-entra-proxy tests, valid until \S+ \(in 364 days\)$/,
  );
  assert.match(result.facts('tls', 'root').join(), /^pg-entra-proxy tests, issued by itself, valid until/);
  assert.match(result.facts('tls', 'trusted by').join(), /ca\.pem$/);
  assert.match(result.facts('tls', 'cipher').join(), /^TLS_/);
  assert.match(result.step('credential').summary, /^token-file gave a token in/);
  assert.deepEqual(result.facts('claims', 'kind'), ['user']);
  assert.deepEqual(result.facts('claims', 'role'), [`${TEST_ROLE} (the name in the token)`]);
  assert.match(result.facts('claims', 'expiry').join(), /\(in 59 minutes\)$/);
  assert.deepEqual(result.facts('login', 'database'), ['app']);
  assert.match(result.facts('server', 'TLS').join(), /^TLSv1\.3, TLS_/);
  assert.match(result.step('server').summary, new RegExp(`^PostgreSQL ${version}`));
  assert.match(result.facts('server', 'round trip').join(), /^\d+\.\d ms, at best \d+\.\d ms$/);
  assert.deepEqual(result.facts('server', 'clock'), ['the same as here']);
});

test('doctor is another name for it', async () => {
  const { code, stdout } = await runProgram(['doctor', ...args], UTF_8);
  assert.equal(code, 0);
  assert.match(stdout, /^✓ DNS {9}127\.0\.0\.1 is an address/m);
});

test('for people, each step is a line with a mark, its facts are aligned, and the last line counts', async () => {
  const { code, stdout, stderr } = await runProgram(['check', ...args, '--user', "O'Brien"], UTF_8);
  assert.deepEqual([code, stderr], [1, '']);
  const lines = stdout.split('\n');
  assert.match(lines[0] ?? '', new RegExp(`^${SERVER_NAME}:\\d+, dialled at 127\\.0\\.0\\.1:\\d+$`));
  assert.ok(lines.includes('✓ SSLRequest  the server speaks PostgreSQL, and offers TLS'));
  assert.ok(lines.includes('                kind       user'));
  assert.ok(lines.includes('                object id  none'));
  assert.match(
    stdout,
    /^✗ login {7}the server says: password authentication failed for user "O'Brien" \(28P01\)$/m,
  );
  assert.match(stdout, /^ {16}→ Check --user/m);
  assert.match(stdout, /^ {18}select \* from pgaadauth_create_principal\('O''Brien', false, false\);$/m);
  assert.match(stdout, /^- role {8}needs a login$/m);
  assert.match(stdout, /\n\n1 failed, 2 skipped, 7 ok\n$/);
  assert.ok(lines.every((line) => line.length <= 100));
});

test('where there is no UTF-8, words take the place of the marks', async () => {
  const { stdout } = await runProgram(['check', ...args, '--user', 'nobody'], { LANG: 'C' });
  assert.match(stdout, /^ok {3}DNS {9}127/m);
  assert.match(stdout, /^FAIL login {7}the server says/m);
  assert.match(stdout, /^ {19}-> Check --user/m);
  assert.match(stdout, /^[\n\x20-\x7e]*$/);
});

test('colours are for a terminal, and not with NO_COLOR', {
  skip: process.platform !== 'linux' || missing(TERMINAL),
}, async () => {
  const onTerminal = (env: Readonly<Record<string, string>>): string => {
    const command = [process.execPath, MAIN, 'check', ...args].map((word) => `'${word}'`).join(' ');
    const { stdout, status } = spawnSync(TERMINAL, ['-qec', command, '/dev/null'], {
      env: { PATH: process.env['PATH'], TERM: 'xterm-256color', ...UTF_8, ...env },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout);
    return stdout;
  };
  assert.ok(onTerminal({}).includes('\u001B[32m✓\u001B[39m DNS'));
  for (const env of [{ NO_COLOR: '1' }, { NO_COLOR: '1', FORCE_COLOR: '1' }])
    assert.doesNotMatch(onTerminal(env), /\[\d+m/);
  const { stdout } = await runProgram(['check', ...args], UTF_8);
  // oxlint-disable-next-line no-control-regex -- there must be none
  assert.doesNotMatch(stdout, /[\u0000-\u0009\u000B-\u001F]/);
});

test('several servers are looked at one after the other, and each step says which it is about', async () => {
  const file = await files.write(
    'servers.yaml',
    `servers:\n  - server: ${SERVER_NAME}\n  - server: second.example\n    server-name: ${SERVER_NAME}\n    port: 0\n`,
  );
  const result = await check([...args.slice(1), '--config', file], secrets);
  assert.deepEqual([...new Set(result.steps.map((step) => step.server))], [SERVER_NAME, 'second.example']);
  assert.equal(result.steps.length, 20);
  assert.equal(result.code, 0);
  const { stdout } = await runProgram(['check', ...args.slice(1), '--config', file]);
  assert.match(stdout, /^second\.example:\d+, dialled at/m);
});

test('what is no setting, or for something else, is told before anything is looked at', async () => {
  const wrong = ['--prot', '1', '--print-config'];
  const { code, stdout, stderr } = await runProgram(['check', ...wrong]);
  assert.deepEqual([code, stdout], [2, '']);
  for (const problem of ['--prot is not a flag', '--print-config does nothing with check', 'which server?'])
    assert.ok(stderr.includes(problem), `${problem}\nis missing in\n${stderr}`);
});

test('a command line of run is taken as it is, and a variable that is none is told', async () => {
  const more = ['--drain-timeout', '5s', '--max-sessions', '7', '--log-level', 'debug'];
  const { code, stdout } = await runProgram(['check', ...args, ...more], { PGEP_PROT: '1' });
  assert.equal(code, 0);
  assert.match(stdout, /^the environment variable PGEP_PROT is not a setting/);
  const { stdout: json } = await runProgram(['check', ...args, '--json'], { PGEP_PROT: '1' });
  assert.match(String((JSON.parse(json) as { warnings: string[] }).warnings), /PGEP_PROT/);
});

test('--help says what it takes and how it ends', async () => {
  const { code, stdout } = await runProgram(['check', '--help']);
  assert.equal(code, 0);
  for (const text of [
    'pg-entra-proxy check <server...>',
    '--json',
    '--upstream-address',
    '--ca',
    '1 something failed',
  ])
    assert.ok(stdout.includes(text), text);
  assert.doesNotMatch(stdout, /--drain-timeout|--print-config/);
});

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} ends it at once, and the token command with it`, async () => {
    let open = 0;
    let isCommandThere = false;
    const silent = createServer((socket) => {
      open += 1;
      socket.on('error', () => {}).on('close', () => (open -= 1));
      socket.on('data', (chunk) => (isCommandThere ||= chunk.toString() === 'command'));
    });
    const listener = await listen(silent);
    after(() => listener.close());
    const connect = `require("net").connect(${listener.port}, "127.0.0.1").write("command")`;
    const command = `'${process.execPath}' -e '${connect}'`;
    const identity = ['--credential', 'token-command', '--token-command', command];
    const upstream = ['127.0.0.1', '--upstream-port', String(listener.port)];
    await using program = startProgram(['check', ...upstream, ...identity]);
    await until('the command', () => isCommandThere);
    program.child.kill(signal);
    assert.deepEqual(await program.exit, { code: status, signal: null });
    await until('the command to be gone', () => open === 0);
  });
}
