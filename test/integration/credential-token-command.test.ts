import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
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
    ['28000', 'the token command /nonexistent/get-token failed (ENOENT: there is no such program)'],
  );
  await using silent = await bench.startProxy(await flags('silent', 'exit 0'));
  const empty = await refusedLogin(silent.port);
  assert.deepEqual(
    [empty.code, empty.message],
    ['28000', 'the token command sh gave no usable token: it is empty'],
  );
});

test('token-command: a shell with its pipes and quotes is had by naming it', async () => {
  const json = JSON.stringify({ accessToken: await bench.issueToken() });
  const path = await bench.files.write('az.json', json);
  const command = `sh -c 'cat "${path}" | sed "s/.*:.//" | tr -d "}\\""'`;
  await using proxy = await bench.startProxy(['--credential', 'token-command', '--token-command', command]);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

test('token-command: a token on standard output does not count when the command fails', async () => {
  const script = `echo '${await bench.issueToken()}'; echo 'cannot renew' >&2; exit 1`;
  await using proxy = await bench.startProxy(await flags('half', script));
  const { code, message } = await refusedLogin(proxy.port);
  assert.deepEqual([code, message], ['28000', 'the token command sh failed (exit status 1): cannot renew']);
});

test('token-command: one that is running when the proxy stops ends with it, and what it started', async () => {
  const listener = createServer().listen(0, '127.0.0.1');
  after(() => listener.close());
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const connected = once(listener, 'connection') as Promise<[Socket]>;
  const connect = `require("net").connect(${port}, "127.0.0.1")`;
  // A command behind it keeps the shell from becoming the program.
  const script = `'${process.execPath}' -e '${connect}'; echo done`;
  await using proxy = await bench.startProxy(await flags('endless', script));
  const [connection] = await connected;
  const ended = once(connection.on('error', () => {}).resume(), 'close');
  proxy.program.child.kill('SIGTERM');
  assert.equal((await proxy.program.exit).code, 0);
  await ended;
});
