import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Client } from 'pg';
import { missing } from '../support/clients.ts';
import { startExecBench } from '../support/exec.ts';
import { type Program, runProgram, startProgram } from '../support/program.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const bench = await startExecBench();
after(() => bench[Symbol.asyncDispose]());

const skip = missing('psql');

/** What a command ended with, and what it wrote; fails if anything of the proxy is left. */
async function outcome(program: Program): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { code } = await program.exit;
  assert.deepEqual(bench.left(), []);
  const { stdout, stderr } = program;
  return { code, stdout, stderr };
}

const WHO = "select current_user || ' in ' || current_database()";

test('psql finds the proxy by its environment, logs in as the role, and nothing else is said', {
  skip,
}, async () => {
  await using program = bench.start([], ['psql', '-XAtc', WHO], { PGDATABASE: 'app' });
  assert.deepEqual(await outcome(program), { code: 0, stdout: `${TEST_ROLE} in app\n`, stderr: '' });
});

test('the database is --database, or else that of the environment, or else postgres', { skip }, async () => {
  await using flag = bench.start(['--database', 'app'], ['psql', '-XAtc', WHO], { PGDATABASE: 'template1' });
  assert.equal((await outcome(flag)).stdout, `${TEST_ROLE} in app\n`);
  await using neither = bench.start([], ['psql', '-XAtc', WHO]);
  assert.equal((await outcome(neither)).stdout, `${TEST_ROLE} in postgres\n`);
});

test('what the environment says of another server does not count, and its password goes nowhere', {
  skip,
}, async () => {
  const outer = {
    PGHOST: 'elsewhere.example',
    PGHOSTADDR: '192.0.2.1',
    PGPORT: '1',
    PGUSER: 'somebody else',
    PGPASSWORD: 'of another server',
    PGSERVICE: 'another',
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: 'system',
    PGCHANNELBINDING: 'require',
    PGREQUIREAUTH: 'scram-sha-256',
    PGSSLNEGOTIATION: 'direct',
    KEPT: 'kept',
  };
  const script = 'env | grep -E "^(PG|KEPT)" | sort; psql -XAtc "select 1"';
  await using program = bench.start([], ['sh', '-c', script], outer);
  const { code, stdout, stderr } = await outcome(program);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(
    stdout,
    /^KEPT=kept\nPGDATABASE=postgres\nPGGSSENCMODE=disable\nPGHOST=\/\S+\nPGPORT=5432\nPGSSLMODE=disable\nPGUSER=alice@contoso\.com\n1\n$/,
  );
});

test('the socket lies in a directory that only this user can enter', { skip }, async () => {
  const script = 'ls -ld "$PGHOST" | cut -c1-10; ls -l "$PGHOST/.s.PGSQL.5432" | cut -c1-10; ls -A "$PGHOST"';
  await using program = bench.start([], ['sh', '-c', script]);
  assert.equal((await outcome(program)).stdout, 'drwx------\nsrw-------\n.s.PGSQL.5432\n');
});

test('--tcp: a port of 127.0.0.1 and a password of one use, without which nobody gets in', {
  skip,
}, async () => {
  const wrong = [
    'PGPASSWORD=wrong psql -XAtc "select 2" &',
    'psql -w -U somebody -XAtc "select 3" &',
    '(unset PGPASSWORD; psql -w -XAtc "select 4") &',
    'wait',
  ];
  const start = (...lines: readonly string[]): Program => {
    const script = ['echo "$PGHOST $PGPASSWORD"', `psql -XAtc "${WHO}"`, ...lines].join('\n');
    return bench.start(['--tcp', '--log-level', 'fatal'], ['sh', '-c', script]);
  };
  await using one = start(...wrong);
  await using other = start();
  const passwords = [one, other].map(async (program) => {
    const { code } = await program.exit;
    const [, password = '', answer] = /^127\.0\.0\.1 ([\w-]{43})\n(.*)\n$/.exec(program.stdout) ?? [];
    assert.deepEqual([code, answer], [0, `${TEST_ROLE} in postgres`], program.stdout);
    assert.ok(!program.stderr.includes(password));
    return password;
  });
  assert.equal(new Set(await Promise.all(passwords)).size, 2);
  assert.match(one.stderr, /password authentication failed for user "alice@contoso\.com"/);
  assert.match(one.stderr, /password authentication failed for user "somebody"/);
  assert.match(one.stderr, /no password supplied/);
});

for (const flags of [[], ['--tcp']]) {
  test(`--url-env ${flags.join('')}: libpq and pg take the URL for what it means`, { skip }, async () => {
    const script = `echo "$DATABASE_URL"; unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD; psql "$DATABASE_URL" -XAtc "${WHO}"`;
    await bench.server.postgres.admin('create database "it\'s 100%"').catch(() => {});
    const url = ['--url-env', 'DATABASE_URL', '--database', "it's 100%"];
    await using program = bench.start([...flags, ...url], ['sh', '-c', script]);
    const { stdout } = await outcome(program);
    const [line = '', answer] = stdout.split('\n');
    assert.equal(answer, `${TEST_ROLE} in it's 100%`);
    const { user, database, host, password } = new Client({ connectionString: line });
    assert.deepEqual([user, database], [TEST_ROLE, "it's 100%"]);
    if (flags.length === 0) assert.ok(host.startsWith(bench.files.directory), host);
    else assert.deepEqual([host, password?.length], ['127.0.0.1', 43]);
  });
}

test('exec ends with the status of its command, or with 128 and the number of the signal', async () => {
  const scripts = { 'exit 0': 0, 'exit 7': 7, 'kill -KILL $$': 137, 'kill -TERM $$': 143 };
  const runs = Object.entries(scripts).map(async ([script, status]) => {
    await using program = bench.start([], ['sh', '-c', script]);
    assert.deepEqual(await program.exit, { code: status, signal: null }, script);
  });
  await Promise.all(runs);
  assert.deepEqual(bench.left(), []);
});

test('a command that is not there ends with 127, one that cannot be run with 126', async () => {
  const file = await bench.files.write('not-executable', '#!/bin/sh\n', 0o600);
  await using absent = bench.start([], ['no-such-command', 'x']);
  await using unusable = bench.start([], [file]);
  // The other one's directory is there as long as it runs.
  assert.deepEqual((await unusable.exit).code, 126);
  const { code, stderr } = await outcome(absent);
  assert.equal(code, 127);
  assert.match(stderr, /cannot run no-such-command: there is no such program/);
  assert.match(unusable.stderr, /not-executable: EACCES/);
});

test('a server that cannot be reached is told to the command; with --fail-fast there is no command', {
  skip,
}, async () => {
  const args = bench.args(['--connect-timeout', '500ms'], ['psql', '-XAtc', 'select 1']);
  const port = args.indexOf('--upstream-port') + 1;
  const towards = args.with(port, '1');
  await using program = startProgram(towards, bench.env);
  const { code, stderr } = await outcome(program);
  assert.equal(code, 2);
  assert.match(stderr, /psql: error: [^]*FATAL:[^]*127\.0\.0\.1[^]*HINT:/);
  await using failing = startProgram(towards.toSpliced(1, 0, '--fail-fast'), bench.env);
  const failed = await outcome(failing);
  assert.deepEqual([failed.code, failed.stdout], [1, '']);
  assert.match(failed.stderr, /cannot start: [^]*127\.0\.0\.1/);
  assert.doesNotMatch(failed.stderr, /psql/);
});

test('every mistake in the command line is told at once, with 2', async () => {
  const flags = ['--port', '1', '--url-env', 'a b', '--prot', '2', '--admin-port', '3'];
  const { code, stderr } = await runProgram(['exec', 'one', 'two', ...flags]);
  assert.equal(code, 2);
  for (const problem of [
    'exec needs a command',
    '--port does nothing with exec',
    '--admin-port does nothing with exec',
    '--url-env takes the name of a variable, such as DATABASE_URL',
    '--prot is not a flag',
  ]) {
    assert.ok(stderr.includes(problem), `${problem}\nis missing in\n${stderr}`);
  }
  const several = await runProgram(['exec', 'one', 'two', '--', 'true']);
  assert.equal(several.code, 2);
  assert.match(several.stderr, /exec takes one server, and here are 2/);
});

test('what the environment says of listening is for run, and does not keep exec from it', {
  skip,
}, async () => {
  const env = { PGEP_PORT: '1', PGEP_UNIX_SOCKET: '/nowhere', PGEP_LOCAL_AUTH: 'scram-sha-256' };
  const listening = {
    ...env,
    PGEP_LOCAL_USERS_FILE: '/nowhere',
    PGEP_ALLOW_USERS: 'x',
    PGEP_ADMIN_PORT: '1',
  };
  await using program = bench.start([], ['psql', '-XAtc', 'select 1'], listening);
  assert.deepEqual(await outcome(program), { code: 0, stdout: '1\n', stderr: '' });
});
