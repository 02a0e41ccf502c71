import assert from 'node:assert/strict';
import { mkdtemp, rename, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { type CredentialProxy, startCredentialBench } from '../support/credentials.ts';
import { type IdentityEndpoint, startImds } from '../support/imds.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { createTestToken } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const RESOURCE_GROUP = '/subscriptions/99999999-0000-4000-8000-000000000000/resourcegroups/shop';

/** Makes the server take a token for this role, and no other. */
async function acceptToken(role: string, token: string): Promise<string> {
  const name = escapeIdentifier(role);
  const { postgres } = bench.server;
  await postgres.admin(`drop role if exists ${name}`);
  await postgres.admin(`create role ${name} login password ${escapeLiteral(token)}`);
  return token;
}

/** A proxy whose token has these claims, in front of a server that takes it for the role. */
async function startProxy(
  claims: Readonly<Record<string, unknown>>,
  role: string,
  flags: readonly string[] = [],
): Promise<CredentialProxy> {
  const token = bench.keepSecret(createTestToken({ upn: undefined, ...claims }));
  const path = await bench.files.write('token', await acceptToken(role, token));
  return bench.startProxy(['--credential', 'token-file', '--token-file', path, ...flags]);
}

test("--user auto takes a user's principal name for the role", async () => {
  await using proxy = await startProxy({ upn: 'Bob.Builder@contoso.com' }, 'Bob.Builder@contoso.com');
  assert.equal(await proxy.whoAmI(), 'Bob.Builder@contoso.com');
});

test("--user auto takes a user-assigned managed identity's name for the role", async () => {
  const mirid = `${RESOURCE_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-Orders`;
  await using proxy = await startProxy({ xms_mirid: mirid }, 'id-Orders', ['--user', 'auto']);
  assert.equal(await proxy.whoAmI(), 'id-Orders');
});

test("--user auto takes a virtual machine's name for the role of its system-assigned identity", async () => {
  const mirid = `${RESOURCE_GROUP}/providers/Microsoft.Compute/virtualMachines/vm-orders`;
  await using proxy = await startProxy({ xms_mirid: mirid }, 'vm-orders');
  assert.equal(await proxy.whoAmI(), 'vm-orders');
});

test('--user auto: a token that names no role ends the program, which says what to do and the SQL for it', async () => {
  const claims = { idtyp: 'app', appid: '66666666-7777-4888-9999-aaaaaaaaaaaa' };
  await using proxy = await startProxy(claims, 'an application');
  assert.equal((await proxy.program.exit).code, 1);
  const { msg } = await proxy.program.find('start-failed');
  assert.match(String(msg), /cannot start: the token does not say which role/);
  assert.match(String(msg), /--user NAME.*pgaadauth_create_principal\('NAME', false, false\)/);
});

test("--user wins over the token's own name", async () => {
  const flags = ['--user', 'Reporting Group'];
  await using proxy = await startProxy({ upn: 'bob@contoso.com' }, 'Reporting Group', flags);
  assert.equal(await proxy.whoAmI(), 'Reporting Group');
  assert.equal((await proxy.program.find('ready'))['role'], 'Reporting Group');
});

const SERVERS = 'https://ossrdbms-aad.database.windows.net';
const MANAGEMENT = 'https://management.azure.com';
const VM_ORDERS = `${RESOURCE_GROUP}/providers/Microsoft.Compute/virtualMachines/vm-orders`;
const IDENTITY = { upn: undefined, oid: '77777777-8888-4999-aaaa-bbbbbbbbbbbb', idtyp: 'app' };

/** Two tokens of one identity: that for the server has no name, that for management these claims. */
function twoTokens(claims: Readonly<Record<string, unknown>> = { xms_mirid: VM_ORDERS }) {
  return {
    server: bench.keepSecret(createTestToken(IDENTITY)),
    management: bench.keepSecret(createTestToken({ ...IDENTITY, aud: MANAGEMENT, ...claims })),
  };
}

type TwoTokens = ReturnType<typeof twoTokens>;

/** A machine whose identity has these tokens. */
function startMachine(tokens: TwoTokens, management = MANAGEMENT, servers = SERVERS) {
  return startImds({
    issueToken: async (resource) => (resource === management ? tokens.management : tokens.server),
    resources: [servers, management],
  });
}

function resourcesOf({ requests }: IdentityEndpoint): (string | undefined)[] {
  return requests.map(({ query }) => query['resource']);
}

const MACHINE_FLAGS = ['--credential', 'managed-identity'];

test("a machine whose token for the server has no name logs in by that in Azure Resource Manager's", async () => {
  const tokens = twoTokens();
  await using machine = await startMachine(tokens);
  await acceptToken('vm-orders', tokens.server);
  await using proxy = await bench.startProxy(MACHINE_FLAGS, machine.env);
  assert.deepEqual(await Promise.all([proxy.whoAmI(), proxy.whoAmI()]), ['vm-orders', 'vm-orders']);
  assert.equal((await proxy.program.find('ready'))['role'], 'vm-orders');
  assert.equal(await proxy.whoAmI(), 'vm-orders');
  assert.deepEqual(resourcesOf(machine), [SERVERS, MANAGEMENT]);
});

test('the token for Azure Resource Manager is never sent to the server', async () => {
  const tokens = twoTokens();
  await using machine = await startMachine(tokens);
  await acceptToken('vm-orders', tokens.management);
  await using proxy = await bench.startProxy(MACHINE_FLAGS, machine.env);
  await proxy.program.find('ready');
  assert.equal((await refusedLogin(proxy.port)).code, '28P01');
});

test('what Azure Resource Manager is called depends on --cloud and on nothing else', async () => {
  for (const [cloud, management] of [
    ['usgov', 'https://management.usgovcloudapi.net'],
    ['china', 'https://management.chinacloudapi.cn'],
  ] as const) {
    const tokens = twoTokens();
    const cosmos = 'https://token.postgres.cosmos.azure.com';
    await using machine = await startMachine(tokens, management, cosmos);
    await acceptToken('vm-orders', tokens.server);
    const flags = [...MACHINE_FLAGS, '--cloud', cloud, '--scope', `${cosmos}/.default`];
    await using proxy = await bench.startProxy(flags, machine.env);
    assert.equal(await proxy.whoAmI(), 'vm-orders');
    assert.deepEqual(resourcesOf(machine), [cosmos, management]);
  }
});

test('with the default credential, the one that gave the token gives the name, and no other is tried', async () => {
  const tokens = twoTokens();
  await using machine = await startMachine(tokens);
  await acceptToken('vm-orders', tokens.server);
  await using proxy = await bench.startProxy([], machine.env);
  assert.equal(await proxy.whoAmI(), 'vm-orders');
  const asked = machine.requests.filter(({ headers }) => headers['metadata'] === 'true');
  assert.deepEqual(
    asked.map(({ query }) => query['resource']),
    [SERVERS, MANAGEMENT],
  );
  assert.equal(proxy.program.stderr.match(/"event":"credential"/g)?.length, 1);
});

for (const [what, claims] of [
  ['has no name either', {}],
  ["is another identity's", { upn: 'mallory', oid: '00000000-0000-4000-8000-000000000001' }],
] as const) {
  test(`a token for Azure Resource Manager that ${what} ends the start like a first one with no name`, async () => {
    await using machine = await startMachine(twoTokens(claims));
    await using proxy = await bench.startProxy(MACHINE_FLAGS, machine.env);
    assert.equal((await proxy.program.exit).code, 1);
    const { msg } = await proxy.program.find('start-failed');
    assert.match(String(msg), /--user NAME.*pgaadauth_create_principal\('NAME', false, false\)/);
    assert.deepEqual(resourcesOf(machine), [SERVERS, MANAGEMENT]);
  });
}

test('while no token for Azure Resource Manager can be had, clients are told to try again, and then get in', async () => {
  const tokens = twoTokens();
  await acceptToken('vm-orders', tokens.server);
  const directory = await mkdtemp(join(bench.files.directory, 'az-'));
  const answer = (token: string): string => JSON.stringify({ accessToken: token, expires_on: 4_102_444_800 });
  const install = async (management: string): Promise<void> => {
    const script = `case "$*" in *${MANAGEMENT}*) ${management};; *) echo '${answer(tokens.server)}';; esac`;
    await writeFile(join(directory, 'new'), `#!/bin/sh\n${script}\n`, { mode: 0o700 });
    await rename(join(directory, 'new'), join(directory, 'az'));
  };
  await install("echo 'ERROR: Max retries exceeded with url: /token' >&2; exit 1");
  const path = { PATH: [directory, '/usr/bin', '/bin'].join(delimiter) };
  await using proxy = await bench.startProxy(['--credential', 'azure-cli'], path);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '57P03');
  assert.match(message, /does not say which role.*no token for Azure Resource Manager.*Max retries exceeded/);
  assert.match(hint ?? '', /try again.*--user NAME/);
  await install(`echo '${answer(tokens.management)}'`);
  await until('a login', () => proxy.letsIn());
  assert.equal(await proxy.whoAmI(), 'vm-orders');
});
