import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { MAIN, runProgram, startProgram } from '../support/program.ts';

test('--help and --version print what they say and end with 0', async () => {
  const help = await runProgram(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /pg-entra-proxy \[run\] <server\.\.\.>/);
  assert.match(help.stdout, /--upstream-address/);
  const version = await runProgram(['--version']);
  assert.deepEqual([version.code, version.stderr], [0, '']);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('every problem of a command line is told in one message, with exit status 2', async () => {
  const args = [
    'myserver',
    'other?prto=1',
    '--prot',
    '1',
    '--port',
    'x',
    '--login-timeout',
    '30',
    '--ca',
    '/nowhere.pem',
  ];
  const { code, stdout, stderr } = await runProgram([...args, '--token-file', 't'], { PGEP_TLS_MIN: '1.1' });
  assert.deepEqual([code, stdout], [2, '']);
  for (const problem of [
    'other?prto is not a setting of pg-entra-proxy',
    '--prot is not a flag',
    '--port takes a whole number from 0 to 65535, not "x"',
    '--login-timeout takes a duration such as 500ms, 30s or 5m, not "30"',
    '--ca file /nowhere.pem cannot be read (ENOENT)',
    'PGEP_TLS_MIN takes one of 1.2, 1.3, not "1.1"',
    '--token-file does nothing with --credential default',
  ]) {
    assert.ok(stderr.includes(problem), `${problem}\nis missing in\n${stderr}`);
  }
});

test('an address that other machines can reach is refused where nobody has to prove who he is', async () => {
  for (const address of ['0.0.0.0', '::', '10.0.0.1']) {
    const { code, stderr } = await runProgram(['myserver', '--address', address, '--allow-remote-clients']);
    assert.equal(code, 2);
    assert.match(stderr, /can be reached by other machines.*needs --local-auth/);
  }
});

test('a word that was probably meant to be a command is not taken for a server', async () => {
  const { code, stderr } = await runProgram(['wiat', '--admin-port', '9090']);
  assert.equal(code, 2);
  assert.match(stderr, /"wiat" is no command; did you mean "wait"\? A server called so .* run wiat$/m);
  assert.equal((await runProgram(['run', 'wiat', '--print-config'])).code, 0);
});

test('a flag that lacks a dash is that flag', async () => {
  const { stdout } = await runProgram(['myserver', '-port', '7000', '--print-config']);
  assert.match(stdout, /^ {4}port: 7000 # --port$/m);
});

test('a command behind -- is for exec, and no list of servers', async () => {
  const { code, stderr } = await runProgram(['myserver', '--', 'psql', '-c', 'select 1']);
  assert.equal(code, 2);
  assert.match(stderr, /is for exec: pg-entra-proxy exec <server> -- COMMAND/);
});

test('who reads only the beginning of the output hears no complaint', async () => {
  const program = startProgram(['completion', 'zsh']);
  program.child.stdout?.destroy();
  assert.deepEqual([await program.exit, program.stderr], [{ code: 0, signal: null }, '']);
});

test('output that cannot be written ends with 1', { skip: !existsSync('/dev/full') }, async () => {
  const full = await open('/dev/full', 'w');
  const child = spawn(process.execPath, [MAIN, '--help'], { stdio: ['ignore', full.fd, 'pipe'] });
  assert.ok(child.stderr !== null);
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  await full.close();
  assert.deepEqual([code, said], [1, 'pg-entra-proxy: standard output cannot be written to (ENOSPC)\n']);
});

test('a port in use is told with its owner, and ends with 1', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const { code, stderr } = await runProgram(['myserver', '--port', String(port)]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`port ${port} on 127.0.0.1 is in use`));
  if (process.platform === 'linux')
    assert.match(stderr, new RegExp(`in use by [^"]+\\(pid ${process.pid}\\)`));
  other.close();
});

test('with --fail-fast a token that cannot be had ends the program with 1', async () => {
  const args = ['--fail-fast', '--credential', 'token-file', '--token-file', '/nowhere/token', '--port', '0'];
  const { code, stderr } = await runProgram(['myserver', ...args]);
  assert.equal(code, 1);
  assert.match(stderr, /cannot read the token file \/nowhere\/token: ENOENT/);
});

test('a switch with a value counts as it is written, and not as off', async () => {
  const on = await runProgram(['myserver', '--refuse-replication=yes', '--print-config']);
  assert.match(on.stdout, /refuse-replication: yes # --refuse-replication/);
  for (const [args, problem] of [
    [['--refuse-replication=maybe'], /takes true or false, not "maybe"/],
    [['--refuse-replication='], /takes true or false, not ""/],
    [['--refuse-replication', '--refuse-replication=false'], /is given more than once/],
  ] as const) {
    const { code, stderr } = await runProgram(['myserver', ...args, '--print-config']);
    assert.equal(code, 2);
    assert.match(stderr, problem);
  }
});
