import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { startCredentialBench } from '../support/credentials.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

test('token-file: a rewritten file serves new sessions within seconds', async () => {
  const path = await bench.files.write('token', `${await bench.issueToken()}\n`);
  await using proxy = await bench.startProxy(['--credential', 'token-file', '--token-file', path]);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  await bench.files.write('token', `${await bench.issueToken()}\n`);
  assert.equal((await refusedLogin(proxy.port)).code, '28P01', 'the server still takes the old token');
  await until('a login with the new token', () => proxy.letsIn(), 10_000);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

test('token-file: a client is told which file is missing, and gets in once it is there', async () => {
  const path = join(bench.files.directory, 'not-yet');
  await using proxy = await bench.startProxy(['--credential', 'token-file', '--token-file', path]);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.ok(message.includes(path), message);
  assert.match(hint ?? '', /--token-file/);
  await bench.files.write('not-yet', await bench.issueToken());
  await until('a login', () => proxy.letsIn());
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

test('token-file: a client is told when the file holds something else, without a word of it', async () => {
  const token = await bench.issueToken();
  const path = await bench.files.write('two-tokens', `${token}\n${token}\n`);
  await using proxy = await bench.startProxy(['--credential', 'token-file', '--token-file', path]);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.ok(message.includes(path), message);
  assert.doesNotMatch(message, /eyJ/);
  assert.match(hint ?? '', /one access token/);
});

const NO_MODES = process.platform === 'win32' && 'Windows has no modes';

test('token-file: one that others may read is refused, and taken after chmod 600', {
  skip: NO_MODES,
}, async () => {
  const path = await bench.files.write('for-all', await bench.issueToken());
  await chmod(path, 0o644);
  await using proxy = await bench.startProxy(['--credential', 'token-file', '--token-file', path]);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.equal(
    message,
    `other users of this machine may read or change the token file ${path}: its mode is 0644`,
  );
  assert.match(hint ?? '', new RegExp(`^Run chmod 600 ${path};`));
  await chmod(path, 0o600);
  await until('a login', () => proxy.letsIn());
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

/** Mounts a directory read-only at another, as a container has its secrets; undone after the test. */
function mountReadOnly(t: TestContext, source: string, target: string): boolean {
  try {
    execFileSync('/bin/mount', ['--bind', source, target], { stdio: 'ignore' });
  } catch {
    return false;
  }
  t.after(() => execFileSync('/bin/umount', [target]));
  execFileSync('/bin/mount', ['-o', 'remount,bind,ro', target]);
  return true;
}

test("token-file: one that a container has from its platform's secrets may be readable by all", async (t) => {
  const volume = join(bench.files.directory, 'volume');
  const mounted = join(bench.files.directory, 'secrets');
  await mkdir(join(volume, '..2026_01_01'), { recursive: true });
  await mkdir(mounted);
  // As Kubernetes lays them out, to change them all at once.
  await symlink('..2026_01_01', join(volume, '..data'));
  await symlink('..data/token', join(volume, 'token'));
  const token = await bench.issueToken();
  await chmod(await bench.files.write('volume/..2026_01_01/token', token), 0o644);
  const args = (directory: string): string[] => [
    '--credential',
    'token-file',
    '--token-file',
    join(directory, 'token'),
  ];
  await using writable = await bench.startProxy(args(volume));
  assert.match((await refusedLogin(writable.port)).message, /its mode is 0644/);
  if (!mountReadOnly(t, volume, mounted)) return t.skip('no leave to mount');
  await using proxy = await bench.startProxy(args(mounted));
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});
