import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CLIENT_ID, startCredentialBench } from '../support/credentials.ts';
import { createArcKeys, startAppService, startArc, startImds } from '../support/imds.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const FLAGS = ['--credential', 'managed-identity', '--user', TEST_ROLE];
const RESOURCE = 'https://ossrdbms-aad.database.windows.net';
const options = { issueToken: () => bench.issueToken(), clientIds: [CLIENT_ID] };

test('managed-identity: a VM logs in as its system-assigned identity', async () => {
  await using imds = await startImds(options);
  await using proxy = await bench.startProxy(FLAGS, imds.env);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  const [{ headers, query } = assert.fail('no request'), ...others] = imds.requests;
  assert.equal(headers['metadata'], 'true');
  assert.deepEqual(query, { 'api-version': '2018-02-01', resource: RESOURCE });
  assert.deepEqual(others, []);
});

test('managed-identity: --client-id picks a user-assigned identity of a VM', async () => {
  await using imds = await startImds(options);
  await using proxy = await bench.startProxy([...FLAGS, '--client-id', CLIENT_ID], imds.env);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.deepEqual(
    imds.requests.map(({ query }) => query),
    [{ 'api-version': '2018-02-01', resource: RESOURCE, client_id: CLIENT_ID }],
  );
});

for (const [flag, value, parameter] of [
  ['--object-id', '77777777-8888-4999-aaaa-bbbbbbbbbbbb', 'object_id'],
  [
    '--resource-id',
    '/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app',
    'msi_res_id',
  ],
] as const) {
  test(`managed-identity: ${flag} picks a user-assigned identity of a VM`, async () => {
    await using imds = await startImds(options);
    await using proxy = await bench.startProxy([...FLAGS, flag, value], imds.env);
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
    assert.deepEqual(
      imds.requests.map(({ query }) => query),
      [{ 'api-version': '2018-02-01', resource: RESOURCE, [parameter]: value }],
    );
  });
}

test('managed-identity: a client is told when the VM has no such identity', async () => {
  await using imds = await startImds({ ...options, clientIds: [] });
  await using proxy = await bench.startProxy([...FLAGS, '--client-id', CLIENT_ID], imds.env);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, new RegExp(`this machine has no managed identity ${CLIENT_ID}`));
  assert.match(hint ?? '', /--client-id/);
});

for (const [which, flags, clientId] of [
  ['its system-assigned identity', [], {}],
  ['the identity that --client-id picks', ['--client-id', CLIENT_ID], { client_id: CLIENT_ID }],
] as const) {
  test(`managed-identity: an App Service logs in as ${which}`, async () => {
    await using appService = await startAppService(options);
    await using proxy = await bench.startProxy([...FLAGS, ...flags], appService.env);
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
    const [{ headers, query } = assert.fail('no request'), ...others] = appService.requests;
    assert.equal(headers['x-identity-header'], appService.env['IDENTITY_HEADER']);
    assert.deepEqual(query, { 'api-version': '2019-08-01', resource: RESOURCE, ...clientId });
    assert.deepEqual(others, []);
  });
}

for (const [which, flags, clientId] of [
  ['its own identity', [], {}],
  ['the identity that --client-id picks', ['--client-id', CLIENT_ID], { client_id: CLIENT_ID }],
] as const) {
  test(`managed-identity: a machine with Azure Arc's agent logs in as ${which}, showing the agent's key`, async (t) => {
    await using keys = await createArcKeys();
    if (keys === undefined) return t.skip('no leave to write the keys that the agent of Azure Arc would');
    const key = { name: 'a1b2c3.key', value: bench.keepSecret('a-key-of-the-agent-which-changes-each-time') };
    await writeFile(join(keys.path, key.name), key.value, { mode: 0o600 });
    await using arc = await startArc(options, key);
    await using proxy = await bench.startProxy([...FLAGS, ...flags], arc.env);
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
    const query = { 'api-version': '2020-06-01', resource: RESOURCE, ...clientId };
    const asked = arc.requests.map((request) => [request.query, request.headers.authorization]);
    assert.deepEqual(asked, [
      [query, undefined],
      [query, `Basic ${key.value}`],
    ]);
  });
}

test("managed-identity: a client is told when the key of Azure Arc's agent may not be read", async (t) => {
  await using keys = await createArcKeys();
  if (keys === undefined) return t.skip('no leave to write the keys that the agent of Azure Arc would');
  await using arc = await startArc(options, { name: 'absent.key', value: 'x' });
  await using proxy = await bench.startProxy(FLAGS, arc.env);
  const { code, message } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /unable_to_read_secret_file/);
});
