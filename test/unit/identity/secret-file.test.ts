import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readSecretFile } from '../../../src/identity/secret-file.ts';
import { temporaryDirectory } from '../tokens.ts';

const MODULE = fileURLToPath(new URL('../../../src/identity/secret-file.ts', import.meta.url));
const run = promisify(execFile);
const UNSHARE = '/usr/bin/unshare';

const skip = process.platform === 'win32' ? 'Windows has no modes' : false;
const skipUnlessRoot = process.getuid?.() === 0 ? skip : 'only root may give files away';

function read(path: string): Promise<string> {
  return readSecretFile({ path, kind: 'token file', flag: '--token-file' });
}

test('a file that any other user may read, change or run is refused, with how to mend it', {
  skip,
}, async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'token');
  await writeFile(path, 'secret', { mode: 0o600 });
  for (const mode of [0o604, 0o602, 0o601, 0o644, 0o666, 0o620, 0o660, 0o777]) {
    await chmod(path, mode);
    await assert.rejects(read(path), {
      sqlState: '28000',
      message: `other users of this machine may read or change the token file ${path}: its mode is 0${mode.toString(8)}`,
      hint: new RegExp(`^Run chmod 600 ${path};.*mounted read-only`),
    });
  }
  for (const mode of [0o600, 0o400, 0o700]) {
    await chmod(path, mode);
    assert.equal(await read(path), 'secret');
  }
});

/**
 * Reads a file as another user does, in a process of its own.
 *
 * @param mount - a directory that this process alone sees, mounted read-only at the other.
 */
async function readAs(user: number, group: number, path: string, mount?: readonly [string, string]) {
  const script = `
    process.setgroups([]); process.setgid(${group}); process.setuid(${user});
    const { readSecretFile } = await import(${JSON.stringify(MODULE)});
    console.log(await readSecretFile(${JSON.stringify({ path, kind: 'token file', flag: '--token-file' })})
      .catch(({ message, hint }) => message + '|' + hint));`;
  const node = [process.execPath, '--input-type=module', '-e', script] as const;
  if (mount === undefined) return (await run(node[0], node.slice(1))).stdout.trim();
  const shell = 'mount --bind "$0" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"';
  return (await run(UNSHARE, ['-m', 'sh', '-c', shell, ...mount, ...node])).stdout.trim();
}

const DAEMON = 65_001;
const OTHER = 65_002;
const GROUP = 65_003;

test("a group may read a file of root's or of another user, as it is shared on purpose, but not one's own", {
  skip: skipUnlessRoot,
}, async () => {
  await using directory = await temporaryDirectory();
  await chmod(directory.path, 0o755);
  const path = join(directory.path, 'token');
  await writeFile(path, 'secret');
  await chmod(path, 0o640);
  for (const owner of [0, OTHER]) {
    await chown(path, owner, GROUP);
    assert.equal(await readAs(DAEMON, GROUP, path), 'secret');
    assert.equal(await readAs(0, GROUP, path), 'secret');
  }
  await chown(path, DAEMON, GROUP);
  assert.match(await readAs(DAEMON, GROUP, path), /mode is 0640\|Run chmod 600/);
  await chown(path, OTHER, GROUP);
  await chmod(path, 0o644);
  assert.match(await readAs(DAEMON, GROUP, path), /mode is 0644\|Run chmod 640/);
});

const unmountable = skipUnlessRoot === false && spawnSync(UNSHARE, ['-m', 'true']).status !== 0;

test('through a read-only mount any mode will do, whoever reads, though the file system can be written to', {
  skip: unmountable ? 'no leave to mount' : skipUnlessRoot,
}, async () => {
  await using directory = await temporaryDirectory();
  await chmod(directory.path, 0o755);
  const [source, target] = ['source', 'target'].map((name) => join(directory.path, name)) as [string, string];
  await mkdir(source);
  await mkdir(target);
  await writeFile(join(source, 'token'), 'secret');
  await chmod(join(source, 'token'), 0o644);
  for (const user of [0, DAEMON]) {
    assert.equal(await readAs(user, GROUP, join(target, 'token'), [source, target]), 'secret');
    assert.match(await readAs(user, GROUP, join(source, 'token'), [source, target]), /mode is 0644/);
  }
});
