import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

test('environment: an application logs in with its secret', async () => {
  await using entra = await bench.startEntra();
  const flags = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, APPLICATION);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.equal(entra.requests, 1);
});

test('environment: a client whose application has a wrong secret is told what Entra says of it', async () => {
  await using entra = await bench.startEntra({ clientSecret: 'another~secret' });
  const flags = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, APPLICATION);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /AADSTS7000215: Invalid client secret provided/);
  assert.match(hint ?? '', /AZURE_CLIENT_SECRET/);
});

test('environment: a client is told which variables are missing', async () => {
  await using proxy = await bench.startProxy(['--credential', 'environment', '--user', TEST_ROLE]);
  const { code, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(hint ?? '', /AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET/);
});

for (const [what, choice] of [
  ['takes the environment first', {}],
  ['takes the one that AZURE_TOKEN_CREDENTIALS names', { AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential' }],
] as const) {
  test(`default: ${what}`, async () => {
    await using entra = await bench.startEntra();
    await using proxy = await bench.startProxy(['--user', TEST_ROLE, ...entraFlags(entra)], {
      ...APPLICATION,
      ...choice,
    });
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
    assert.equal((await proxy.program.find('ready'))['credential'], 'default: environment');
    assert.equal(entra.requests, 1);
  });
}

for (const credential of ['environment', 'default']) {
  test(`${credential}: an Entra that cannot be talked to is not taken for a wrong secret`, async () => {
    await using entra = await bench.startEntra();
    const flags = ['--credential', credential, '--user', TEST_ROLE, ...entraFlags(entra)];
    // As somebody might have tried to mend it.
    const untrusted = { NODE_EXTRA_CA_CERTS: '', NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    await using proxy = await bench.startProxy(flags, { ...APPLICATION, ...untrusted });
    const { code, message, hint } = await refusedLogin(proxy.port);
    assert.equal(code, '57P03');
    assert.match(message, /cannot reach Microsoft Entra/);
    assert.match(hint ?? '', /then try again/);
  });
}
