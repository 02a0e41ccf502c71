import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, test } from 'node:test';
import { startCredentialBench, TENANT_ID } from '../support/credentials.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const EXPIRES = new Date(Date.now() + 3_600_000).toISOString();
const RESOURCE = 'https://ossrdbms-aad.database.windows.net';

/** Puts a program of that name on a PATH of its own: a shell script, told where to note its calls. */
async function installTool(name: string, script: (calls: string) => string) {
  const directory = join(bench.files.directory, `${name}-${Math.random().toString(36).slice(2)}`);
  const program = join(directory, name);
  const calls = join(directory, 'calls');
  await mkdir(directory);
  await writeFile(calls, '');
  await writeFile(program, `#!/bin/sh\n${script(calls)}\n`);
  await chmod(program, 0o700);
  return {
    env: { PATH: [directory, '/usr/bin', '/bin'].join(delimiter) },
    calls: () => readFile(calls, 'utf8'),
  };
}

test('azure-developer-cli: a developer logs in as the user of azd', async () => {
  const answer = JSON.stringify({ token: await bench.issueToken(), expiresOn: EXPIRES });
  const azd = await installTool('azd', (calls) => `echo "$*" >> '${calls}'; printf '%s' '${answer}'`);
  const flags = ['--credential', 'azure-developer-cli', '--tenant-id', TENANT_ID];
  await using proxy = await bench.startProxy(flags, azd.env);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  const calls = await azd.calls();
  assert.match(calls, /^auth token --output json/);
  assert.ok(calls.includes(`--scope ${RESOURCE}/.default`), calls);
  assert.ok(calls.includes(`--tenant-id ${TENANT_ID}`), calls);
});

test('azure-developer-cli: a client is told that azd is logged out', async () => {
  const azd = await installTool(
    'azd',
    () => "echo 'not logged in, run `azd auth login` to login' >&2; exit 1",
  );
  await using proxy = await bench.startProxy(['--credential', 'azure-developer-cli'], azd.env);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /azd auth login/);
  assert.match(hint ?? '', /azd auth login/);
});

test('azure-powershell: a developer logs in as the user of Connect-AzAccount', async () => {
  const answer = JSON.stringify({ Token: await bench.issueToken(), ExpiresOn: EXPIRES });
  const pwsh = await installTool(
    'pwsh',
    (calls) => `env | grep -i resource >> '${calls}'; [ "$1" = "/?" ] || printf '%s' '${answer}'`,
  );
  await using proxy = await bench.startProxy(['--credential', 'azure-powershell'], pwsh.env);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.ok((await pwsh.calls()).includes(RESOURCE));
});

test('azure-powershell: a client is told that nobody is connected', async () => {
  const pwsh = await installTool(
    'pwsh',
    () => '[ "$1" = "/?" ] || { echo "Run Connect-AzAccount to login" >&2; exit 1; }',
  );
  await using proxy = await bench.startProxy(['--credential', 'azure-powershell'], pwsh.env);
  const { code, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(hint ?? '', /Connect-AzAccount/);
});
