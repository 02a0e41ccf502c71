import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { type CredentialProxy, startCredentialBench } from '../support/credentials.ts';
import { createTestToken } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const RESOURCE_GROUP = '/subscriptions/99999999-0000-4000-8000-000000000000/resourcegroups/shop';

/** A proxy whose token has these claims, in front of a server that takes it for the role. */
async function startProxy(
  claims: Readonly<Record<string, unknown>>,
  role: string,
  flags: readonly string[] = [],
): Promise<CredentialProxy> {
  const token = bench.keepSecret(createTestToken({ upn: undefined, ...claims }));
  const name = escapeIdentifier(role);
  const { postgres } = bench.server;
  await postgres.admin(`drop role if exists ${name}`);
  await postgres.admin(`create role ${name} login password ${escapeLiteral(token)}`);
  const path = await bench.files.write('token', token);
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
