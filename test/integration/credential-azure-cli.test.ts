import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, test } from 'node:test';
import { startCredentialBench, TENANT_ID } from '../support/credentials.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** A directory with an `az` in it, for PATH. */
interface FakeAz {
  readonly env: { readonly PATH: string };
  /** Makes it print what the real one does, with a token that the server accepts. */
  logIn(): Promise<void>;
  /** Makes it fail with this on standard error. */
  fail(stderr: string): Promise<void>;
  /** The arguments of each call so far. */
  calls(): Promise<string[]>;
}

async function createAz(name: string): Promise<FakeAz> {
  const directory = join(bench.files.directory, name);
  const program = join(directory, 'az');
  const calls = join(directory, 'calls');
  const answer = join(directory, 'answer');
  await mkdir(directory);
  await writeFile(calls, '');
  const install = async (commands: string, text: string): Promise<void> => {
    await writeFile(answer, text);
    await writeFile(program, `#!/bin/sh\necho "$*" >> '${calls}'\n${commands}\n`);
    await chmod(program, 0o700);
  };
  return {
    env: { PATH: [directory, '/usr/bin', '/bin'].join(delimiter) },
    async logIn() {
      const expires = Math.floor(Date.now() / 1000) + 3_600;
      const answers = {
        accessToken: await bench.issueToken(),
        expiresOn: '2100-01-01 00:00:00.000000',
        expires_on: expires,
        subscription: '99999999-0000-4000-8000-000000000000',
        tenant: TENANT_ID,
        tokenType: 'Bearer',
      };
      await install(`cat '${answer}'`, JSON.stringify(answers, undefined, 2));
    },
    fail: (stderr) => install(`cat '${answer}' >&2; exit 1`, stderr),
    calls: async () => (await readFile(calls, 'utf8')).trim().split('\n'),
  };
}

const COMMAND = 'account get-access-token --output json --resource https://ossrdbms-aad.database.windows.net';

test('azure-cli: a developer logs in as the user of az', async () => {
  const az = await createAz('logged-in');
  await az.logIn();
  await using proxy = await bench.startProxy(['--credential', 'azure-cli'], az.env);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.deepEqual(await az.calls(), [COMMAND]);
});

test('azure-cli: az is asked for a token of the tenant in --tenant-id', async () => {
  const az = await createAz('with-tenant');
  await az.logIn();
  const flags = ['--credential', 'azure-cli', '--tenant-id', TENANT_ID];
  await using proxy = await bench.startProxy(flags, az.env);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.deepEqual(await az.calls(), [`${COMMAND} --tenant ${TENANT_ID}`]);
});

for (const [what, said, reason] of [
  ['is logged out', "ERROR: Please run 'az login' to setup account.", /run 'az login'/],
  [
    'has an expired login',
    'ERROR: AADSTS700082: The refresh token has expired due to inactivity.\n' +
      'Interactive authentication is needed. Please run:\n' +
      'az login --scope https://ossrdbms-aad.database.windows.net/.default',
    /AADSTS700082: The refresh token has expired due to inactivity/,
  ],
] as const) {
  test(`azure-cli: while az ${what}, clients are told so, and after az login they get in`, async () => {
    const az = await createAz(what);
    await az.fail(said);
    await using proxy = await bench.startProxy(['--credential', 'azure-cli'], az.env);
    const { code, message, hint } = await refusedLogin(proxy.port);
    assert.equal(code, '28000');
    assert.match(message, reason);
    assert.match(hint ?? '', /az login/);
    await az.logIn();
    await until('a login', () => proxy.letsIn());
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
  });
}

test('azure-cli: --cloud decides what az is asked for, --scope wins over it, and a token for something else is warned of', async () => {
  for (const [name, flags, resource] of [
    ['usgov', ['--cloud', 'usgov'], 'https://ossrdbms-aad.database.usgovcloudapi.net'],
    [
      'cosmos',
      ['--scope', 'https://token.postgres.cosmos.azure.com/.default'],
      'https://token.postgres.cosmos.azure.com',
    ],
  ] as const) {
    const az = await createAz(name);
    await az.logIn();
    await using proxy = await bench.startProxy(['--credential', 'azure-cli', ...flags], az.env);
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
    assert.deepEqual(await az.calls(), [`account get-access-token --output json --resource ${resource}`]);
    const { msg } = await proxy.program.find('audience');
    assert.ok(String(msg).includes(`is for "https://ossrdbms-aad.database.windows.net"`), String(msg));
    assert.ok(String(msg).includes(`expects one for "${resource}"`), String(msg));
  }
});

test('default: the log says once that az won, and why the ones before it did not', async () => {
  const az = await createAz('default');
  await az.logIn();
  await using proxy = await bench.startProxy([], { ...az.env, AZURE_TOKEN_CREDENTIALS: 'dev' });
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  const { msg, credential } = await proxy.program.find('credential');
  assert.equal(credential, 'azure-cli');
  assert.match(String(msg), /^using the credential azure-cli$/);
  assert.equal((await proxy.program.find('ready'))['credential'], 'default: azure-cli');
});

test('azure-cli: a client is told when there is no az', async () => {
  const empty = join(bench.files.directory, 'empty');
  await mkdir(empty);
  await using proxy = await bench.startProxy(['--credential', 'azure-cli'], { PATH: empty });
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /Azure CLI could not be found/);
  assert.match(hint ?? '', /az is on its PATH/);
});
