import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TokenFile } from '../../../src/identity/token-file.ts';
import { jwt, temporaryDirectory } from '../tokens.ts';

const { signal } = new AbortController();

function writePrivate(path: string, text: string): Promise<void> {
  return writeFile(path, text, { mode: 0o600 });
}

test('the token is read without the white space around it, anew each time', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'token');
  const source = new TokenFile(path);
  for (const exp of [2_000_000_000, 2_000_000_001]) {
    const value = jwt({ exp });
    await writePrivate(path, `\n ${value} \r\n`);
    const token = await source.fetchToken(signal);
    assert.equal(token.value, value);
    assert.equal(token.expiresAt, exp * 1000);
  }
});

test('the file asks to be read again in seconds', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'token');
  await writePrivate(path, jwt({ exp: 2_000_000_000 }));
  const before = Date.now();
  const { refreshAt = 0 } = await new TokenFile(path).fetchToken(signal);
  assert.ok(refreshAt >= before + 5_000 && refreshAt <= Date.now() + 5_000);
});

test('a file that cannot be read is refused with 28000, its name and the reason', async () => {
  await using directory = await temporaryDirectory();
  const absent = join(directory.path, 'absent');
  await assert.rejects(new TokenFile(absent).fetchToken(signal), {
    name: 'ProxyError',
    sqlState: '28000',
    message: `cannot read the token file ${absent}: ENOENT`,
    hint: /--token-file/,
  });
  const folder = join(directory.path, 'folder');
  await mkdir(folder);
  await assert.rejects(new TokenFile(folder).fetchToken(signal), { sqlState: '28000', message: /EISDIR/ });
});

test('a file that holds no token is refused with 28000, and not quoted', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'token');
  const contents: [string, RegExp][] = [
    ['', /it is empty/],
    [' \n', /it is empty/],
    ['canary canary', /it holds spaces/],
    ['canary'.repeat(2_000_000), /it is longer than/],
  ];
  for (const [text, problem] of contents) {
    await writePrivate(path, text);
    await assert.rejects(new TokenFile(path).fetchToken(signal), (error: Error) => {
      assert.match(error.message, problem);
      assert.doesNotMatch(error.message, /canary/);
      return true;
    });
  }
});

test('the longest token a server takes is read whole, one byte more is refused', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'token');
  const longest = 'x'.repeat(65_530);
  await writePrivate(path, `${longest}\r\n`);
  assert.equal((await new TokenFile(path).fetchToken(signal)).value, longest);
  await writePrivate(path, `${longest}x\r\n`);
  await assert.rejects(new TokenFile(path).fetchToken(signal), /longer than/);
});

test('a read that was given up rejects with the reason', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'token');
  await writePrivate(path, jwt({}));
  const reason = new Error('too late');
  await assert.rejects(
    new TokenFile(path).fetchToken(AbortSignal.abort(reason)),
    (error) => error === reason,
  );
});
