import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CREDENTIALS, createTokenSource } from '../../../src/identity/credentials.ts';
import { jwt, temporaryDirectory } from '../tokens.ts';

const { signal } = new AbortController();
const SETTINGS = {
  scope: 'api://x/.default',
  managementScope: 'api://y/.default',
  disableInstanceDiscovery: false,
  tellUser: () => {},
  onChosen: () => {},
};

test('every credential that can be chosen makes a source of that name', () => {
  for (const credential of CREDENTIALS) {
    assert.equal(createTokenSource({ ...SETTINGS, credential }).name, credential);
  }
});

test('the file and the command are the ones from the settings', async () => {
  await using directory = await temporaryDirectory();
  const value = jwt({ exp: 2_000_000_000 });
  const tokenFile = join(directory.path, 'token');
  await writeFile(tokenFile, value, { mode: 0o600 });
  const fromFile = createTokenSource({ ...SETTINGS, credential: 'token-file', tokenFile });
  assert.equal((await fromFile.fetchToken(signal)).value, value);
  const tokenCommand = `"${process.execPath}" -p "'${value}'"`;
  const fromCommand = createTokenSource({ ...SETTINGS, credential: 'token-command', tokenCommand });
  assert.equal((await fromCommand.fetchToken(signal)).value, value);
});

test('an Entra credential that cannot be used is refused with 28000 and what to check', async () => {
  const source = createTokenSource({ ...SETTINGS, credential: 'workload-identity' });
  await assert.rejects(source.fetchToken(signal), {
    name: 'ProxyError',
    sqlState: '28000',
    message: /^no token from the credential "workload-identity": \S/,
    hint: /azure\.workload\.identity\/use/,
  });
});
