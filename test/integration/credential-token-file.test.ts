import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
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
