import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { CLIENT_ID, entraFlags, startCredentialBench, TENANT_ID } from '../support/credentials.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const FLAGS = ['--credential', 'workload-identity', '--user', TEST_ROLE];

/** What the webhook of AKS puts into a pod's environment, with a service account's token in the file. */
async function podEnvironment(): Promise<Record<string, string>> {
  const assertion = bench.keepSecret(createTestToken({ sub: 'system:serviceaccount:shop:orders' }));
  return {
    AZURE_TENANT_ID: TENANT_ID,
    AZURE_CLIENT_ID: CLIENT_ID,
    AZURE_FEDERATED_TOKEN_FILE: await bench.files.write('service-account-token', assertion),
  };
}

test("workload-identity: a pod logs in with its service account's token", async () => {
  await using entra = await bench.startEntra();
  await using proxy = await bench.startProxy([...FLAGS, ...entraFlags(entra)], await podEnvironment());
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.equal(entra.requests, 1);
});

test('workload-identity: --client-id and --tenant-id win over the environment', async () => {
  await using entra = await bench.startEntra();
  const flags = [...FLAGS, '--client-id', CLIENT_ID, '--tenant-id', TENANT_ID, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, {
    ...(await podEnvironment()),
    AZURE_TENANT_ID: '00000000-0000-4000-8000-000000000001',
    AZURE_CLIENT_ID: '00000000-0000-4000-8000-000000000002',
  });
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

test('workload-identity: a client of an application that Entra does not know is told so', async () => {
  await using entra = await bench.startEntra();
  await using proxy = await bench.startProxy([...FLAGS, ...entraFlags(entra)], {
    ...(await podEnvironment()),
    AZURE_CLIENT_ID: '00000000-0000-4000-8000-000000000002',
  });
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /AADSTS700016: Application with identifier '00000000-0000-4000-8000-000000000002'/);
  assert.match(hint ?? '', /federated credential/);
});

test("workload-identity: a client is told which service account's token is missing", async () => {
  await using proxy = await bench.startProxy(FLAGS, {
    ...(await podEnvironment()),
    AZURE_FEDERATED_TOKEN_FILE: '/nonexistent/service-account-token',
  });
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /ENOENT.*\/nonexistent\/service-account-token/);
  assert.match(hint ?? '', /azure\.workload\.identity\/use/);
});

test('default: a pod with a workload identity needs no other setting', async () => {
  await using entra = await bench.startEntra();
  const flags = ['--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, await podEnvironment());
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.equal(entra.requests, 1);
});
