import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startCredentialBench } from '../support/credentials.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** A shell script of the test's own, as `--token-command` takes it. */
async function flags(name: string, script: string): Promise<string[]> {
  const path = await bench.files.write(name, script);
  return ['--credential', 'token-command', '--token-command', `sh '${path}'`];
}

test('token-command: a bare token on standard output logs in', async () => {
  const token = await bench.issueToken();
  await using proxy = await bench.startProxy(await flags('bare', `echo '${token}'`));
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

test("token-command: az's JSON on standard output logs in, and says how long for", async () => {
  const expiresOn = Math.floor(Date.now() / 1000) + 1_234;
  const json = JSON.stringify({ accessToken: await bench.issueToken(), expires_on: expiresOn });
  await using proxy = await bench.startProxy(await flags('json', `echo '${json}'`));
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  const { tokenExpiresAt } = await proxy.program.find('ready');
  assert.equal(tokenExpiresAt, new Date(expiresOn * 1000).toISOString());
});

test('token-command: a client is told what a failing command says, less the tokens in it', async () => {
  const token = bench.keepSecret(createTestToken());
  const script = `echo 'vault is sealed, last token: ${token}' >&2; exit 3`;
  await using proxy = await bench.startProxy(await flags('failing', script));
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.equal(message, 'the token command sh failed (exit status 3): vault is sealed, last token: [token]');
  assert.match(hint ?? '', /as the user that the proxy runs as/);
});

test('token-command: a client is told when there is no such command, and when it prints nothing', async () => {
  const missing = ['--credential', 'token-command', '--token-command', '/nonexistent/get-token --now'];
  await using none = await bench.startProxy(missing);
  const notFound = await refusedLogin(none.port);
  assert.deepEqual(
    [notFound.code, notFound.message],
    ['28000', 'the token command /nonexistent/get-token failed (ENOENT)'],
  );
  await using silent = await bench.startProxy(await flags('silent', 'exit 0'));
  const empty = await refusedLogin(silent.port);
  assert.deepEqual(
    [empty.code, empty.message],
    ['28000', 'the token command sh gave no usable token: it is empty'],
  );
});
