import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ALL_WELL, type CheckResult, check } from '../support/check.ts';
import {
  APPLICATION,
  CLIENT_ID,
  entraFlags,
  startCredentialBench,
  TENANT_ID,
} from '../support/credentials.ts';
import { startImds } from '../support/imds.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { closedPort } from '../support/scripted-server.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';

const OBJECT_ID = '77777777-8888-4999-aaaa-bbbbbbbbbbbb';
const MANAGED_IDENTITY = `/subscriptions/1/resourcegroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-orders`;

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());
const secrets: string[] = [bench.server.token, APPLICATION.AZURE_CLIENT_SECRET];
const upstream = [SERVER_NAME, '--upstream-address', '127.0.0.1', '--ca', bench.serverCa, '--port', '0'];
const port = ['--upstream-port', String(bench.server.postgres.port)];
const env = { NODE_EXTRA_CA_CERTS: join(bench.files.directory, 'entra-ca.pem') };

/** The bench's certificate lasts for 30 days. */
const WELL = { ...ALL_WELL, tls: 'warning' };

/** What is left without a token. */
const NO_TOKEN = {
  ...WELL,
  credential: 'failed',
  claims: 'skipped',
  login: 'skipped',
  role: 'skipped',
  server: 'skipped',
};

/** What is left with a token that must not be used. */
const BAD_TOKEN = { ...NO_TOKEN, credential: 'ok', claims: 'failed' };

function look(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<CheckResult> {
  return check([...upstream, ...port, ...args], secrets, { ...env, ...more });
}

/** A token that the server may or may not take, in a file. */
async function tokenFile(claims: Readonly<Record<string, unknown>>, accepted = false): Promise<string[]> {
  const token = accepted ? await bench.issueToken(claims) : createTestToken(claims);
  secrets.push(token);
  return [
    '--credential',
    'token-file',
    '--token-file',
    await bench.files.write(`token-${secrets.length}`, token),
  ];
}

test('an application is told by its claims, and how long the token lasts', async () => {
  await using entra = await bench.startEntra({ claims: { idtyp: 'app', oid: OBJECT_ID } });
  const result = await look(
    ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)],
    APPLICATION,
  );
  assert.deepEqual(result.statuses, WELL);
  assert.match(result.step('credential').summary, /^environment gave a token in \d+ ms$/);
  assert.equal(result.step('claims').summary, "the token is an application's");
  assert.deepEqual(result.facts('claims', 'kind'), ['application']);
  assert.deepEqual(result.facts('claims', 'object id'), [OBJECT_ID]);
  assert.deepEqual(result.facts('claims', 'tenant'), [TENANT_ID]);
  assert.deepEqual(result.facts('claims', 'audience'), ['https://ossrdbms-aad.database.windows.net']);
  assert.deepEqual(result.facts('claims', 'role'), [`${TEST_ROLE} (as --user says)`]);
});

test('of default, it is told which credential won, and why the others did not', async () => {
  const issueToken = async (): Promise<string> => {
    secrets.push(await bench.issueToken({ xms_mirid: MANAGED_IDENTITY, upn: undefined, oid: OBJECT_ID }));
    return secrets.at(-1) ?? '';
  };
  await using imds = await startImds({ issueToken });
  const result = await look(['--user', TEST_ROLE], imds.env);
  assert.deepEqual(result.statuses, WELL);
  assert.match(result.step('credential').summary, /^default: managed-identity gave a token/);
  const passedOver = result.facts('credential', 'not used');
  assert.match(
    passedOver.join('\n'),
    /^environment: EnvironmentCredential is unavailable.*\nworkload-identity: /,
  );
  assert.deepEqual(result.facts('claims', 'kind'), ['managed identity']);
  assert.deepEqual(result.facts('claims', 'name'), ['id-orders']);
});

test("Entra's refusal is told with its AADSTS text, and the network is looked at still", async () => {
  await using entra = await bench.startEntra({ clientSecret: 'another' });
  const result = await look(
    ['--credential', 'environment', '--user', 'x', ...entraFlags(entra)],
    APPLICATION,
  );
  assert.deepEqual(result.statuses, NO_TOKEN);
  assert.match(
    result.step('credential').summary,
    /^no token from the credential "environment": AADSTS7000215: /,
  );
  assert.match(result.repair('credential'), /AZURE_CLIENT_SECRET/);
  assert.equal(result.code, 1);
});

test('an Entra that cannot be reached is told, with where it was looked for', async () => {
  const authority = `https://127.0.0.1:${await closedPort()}`;
  const flags = ['--credential', 'client-secret', '--tenant-id', TENANT_ID, '--client-id', CLIENT_ID];
  const result = await look(
    [...flags, '--user', 'x', '--authority-host', authority, '--disable-instance-discovery'],
    {
      AZURE_CLIENT_SECRET: APPLICATION.AZURE_CLIENT_SECRET,
    },
  );
  assert.deepEqual(result.statuses, NO_TOKEN);
  assert.ok(result.step('credential').summary.startsWith(`cannot reach Microsoft Entra at ${authority}`));
});

test('a token command that fails is told with what it says, less the tokens in it', async () => {
  const token = createTestToken();
  secrets.push(token);
  const script = await bench.files.write('fails.sh', `echo 'vault is sealed, last: ${token}' >&2; exit 3`);
  const result = await look(['--credential', 'token-command', '--token-command', `sh ${script}`]);
  assert.deepEqual(result.statuses, NO_TOKEN);
  assert.equal(
    result.step('credential').summary,
    'the token command sh failed (exit status 3): vault is sealed, last: [token]',
  );
  assert.match(result.repair('credential'), /Run it by hand/);
});

test('a token file that others may read is told with the command that mends it', async () => {
  const path = await bench.files.write('open', createTestToken());
  await chmod(path, 0o644);
  const result = await look(['--credential', 'token-file', '--token-file', path]);
  assert.deepEqual(result.statuses, NO_TOKEN);
  assert.match(result.repair('credential'), new RegExp(`^Run chmod 600 ${path}`));
});

test('a token that has expired fails, says since when, and is not sent', async () => {
  const exp = Math.floor(Date.now() / 1000) - 7_300;
  const result = await look(await tokenFile({ exp }));
  assert.deepEqual(result.statuses, BAD_TOKEN);
  assert.match(result.step('claims').summary, /gave a token that has already expired/);
  assert.match(result.facts('claims', 'expiry').join(), /\(2 hours ago\)$/);
  assert.deepEqual(result.facts('claims', 'name'), [TEST_ROLE]);
  assert.match(result.repair('claims'), /clock/);
});

test('a token for something else is a warning: the server decides', async () => {
  const result = await look(await tokenFile({ aud: 'https://management.azure.com/' }, true));
  assert.deepEqual(result.statuses, { ...WELL, claims: 'warning' });
  assert.equal(
    result.step('claims').summary,
    'the token is for "https://management.azure.com", but the server expects one for "https://ossrdbms-aad.database.windows.net"',
  );
  assert.equal(result.repair('claims'), 'Check --cloud and --scope.');
  assert.equal(result.code, 0);
});

test('a token that names no role fails without --user', async () => {
  const result = await look(await tokenFile({ upn: undefined, idtyp: 'app', oid: OBJECT_ID }));
  assert.deepEqual(result.statuses, BAD_TOKEN);
  assert.match(result.step('claims').summary, /does not say which role is its owner's/);
  assert.match(result.repair('claims'), /--user NAME/);
});

test('what is no JWT is a warning', async () => {
  const token = 'opaque~token~of~nobody~knows~whom';
  secrets.push(token);
  await bench.server.acceptToken(token);
  const path = await bench.files.write('opaque', token);
  const result = await look(['--credential', 'token-file', '--token-file', path, '--user', TEST_ROLE]);
  assert.deepEqual(result.statuses, { ...WELL, claims: 'warning' });
  assert.match(result.step('claims').summary, /no JWT/);
});

test('where no credential works, it is told why each does not', async () => {
  const result = await look(['--credential', 'default'], {
    AZURE_TOKEN_CREDENTIALS: 'AzureCliCredential',
    PATH: '/nowhere',
  });
  assert.deepEqual(result.statuses, NO_TOKEN);
  assert.match(result.step('credential').summary, /no credential works on this machine: azure-cli \(/);
  assert.match(result.repair('credential'), /az login/);
});
