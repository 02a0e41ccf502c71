import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig, type RawFlags } from '../../../src/config/load.ts';
import { UsageError } from '../../../src/errors.ts';

function problemsOf(flags: RawFlags, server = 'myserver'): readonly string[] {
  try {
    loadConfig([server], flags, {});
    return [];
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.problems;
  }
}

/** Fails unless the flags have exactly these problems. */
function assertProblems(flags: RawFlags, ...expected: readonly RegExp[]): void {
  const problems = problemsOf(flags);
  assert.equal(problems.length, expected.length, JSON.stringify({ flags, problems }));
  for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
}

const SCRAM = { 'local-auth': 'scram-sha-256', 'local-users-file': 'users' };
const TLS = { 'local-tls-cert': 'cert', 'local-tls-key': 'key' };

test('an address that other machines can reach needs both: to be wanted, and authentication', () => {
  for (const address of ['0.0.0.0', '::', '10.0.0.1', 'fe80::1', '::ffff:10.0.0.1']) {
    assertProblems({ address }, /that needs --allow-remote-clients/, /that needs --local-auth/);
    assertProblems(
      { address, 'allow-remote-clients': true },
      /acts as the identity: that needs --local-auth/,
    );
    assertProblems({ address, ...SCRAM }, /that needs --allow-remote-clients/);
    assertProblems({ address, ...SCRAM, 'allow-remote-clients': true });
  }
});

test('passwords do not travel between machines in the clear', () => {
  const flags = { address: '10.0.0.1', 'allow-remote-clients': true, ...SCRAM, 'local-auth': 'password' };
  assertProblems(flags, /passwords would travel in the clear/);
  assertProblems({ ...flags, ...TLS });
  assertProblems({ ...SCRAM, 'local-auth': 'password' });
});

test('remote clients are not allowed where there can be none', () => {
  assertProblems({ 'allow-remote-clients': true }, /does nothing: 127\.0\.0\.1 cannot be reached/);
});

test('a Unix socket stands in for the port, unless an address is given too', () => {
  assertProblems({ 'unix-socket': '/run/x' });
  assertProblems({ 'unix-socket': '/run/x', address: '0.0.0.0' }, /--allow-remote-clients/, /--local-auth/);
});

test('a setting that needs another says so', () => {
  assertProblems({ 'local-tls-cert': 'x' }, /^--local-tls-cert needs --local-tls-key/);
  assertProblems({ 'local-tls-key': 'x' }, /^--local-tls-key needs --local-tls-cert/);
  assertProblems({ 'local-auth': 'password' }, /^--local-auth needs --local-users-file/);
  assertProblems({ 'local-users-file': 'x' }, /^--local-users-file does nothing without --local-auth/);
  assertProblems({ ...TLS, ...SCRAM });
});

test('--same-user is refused where it cannot keep its word', () => {
  const isLinux = process.platform === 'linux';
  assertProblems({ 'same-user': true }, ...(isLinux ? [] : [/works on Linux only/]));
  if (!isLinux) return;
  assertProblems({ 'same-user': true, 'unix-socket': '/run/x' }, /does nothing with a Unix socket/);
  const remote = { address: '10.0.0.1', 'allow-remote-clients': true, ...SCRAM };
  assertProblems({ 'same-user': true, ...remote }, /does not go with --address 10\.0\.0\.1/);
});

test("a server's own address is looked at as closely", () => {
  assert.match(
    problemsOf({}, 'myserver?address=0.0.0.0').join(),
    /myserver\?address 0\.0\.0\.0 can be reached/,
  );
});
