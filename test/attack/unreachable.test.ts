import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { startAttack } from '../support/after-attack.ts';
import { startProxy } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { closedPort } from '../support/scripted-server.ts';
import { createTestToken, TestTokenSource } from '../support/tokens.ts';

async function proxyTowards(upstream: { port: number; address?: string }) {
  const { certPem } = await createCertificateAuthority('nobody');
  return startProxy({
    upstream: { ...upstream, caPem: certPem },
    tokens: new TestTokenSource(createTestToken()),
  });
}

test('a server that refuses connections is 08001', async () => {
  await using proxy = await proxyTowards({ port: await closedPort() });
  const error = await refusedLogin(proxy.port);
  assert.equal(error.code, '08001');
  assert.match(error.message, /refused the connection/);
  assert.match(error.hint ?? '', /--upstream-address and --upstream-port/);
  await proxy.idle();
});

test('a server name that does not resolve is 08001', async () => {
  await using proxy = await proxyTowards({ port: 5432, address: 'nonexistent.invalid' });
  const error = await refusedLogin(proxy.port);
  assert.equal(error.code, '08001');
  assert.match(error.message, /could not resolve .*"nonexistent\.invalid"/);
  assert.match(error.hint ?? '', /--upstream-address/);
  await proxy.idle();
});

test('a server that accepts and then says nothing is 08001 after the connect timeout', async () => {
  await using attack = await startAttack({ connectTimeoutMs: 300 });
  attack.server.script = (connection) => connection.untilGone();
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '08001');
  assert.match(error.message, /within the connect timeout/);
  assert.match(error.hint ?? '', /--connect-timeout/);
  await attack.assertUnharmed();
});

test('a server that says S and then nothing is 08001 after the connect timeout', async () => {
  await using attack = await startAttack({ connectTimeoutMs: 300 });
  attack.server.script = async (connection) => {
    await connection.readSslRequest();
    connection.send(Buffer.from('S'));
    await connection.untilGone();
  };
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '08001');
  assert.match(error.message, /within the connect timeout/);
  assert.match(error.hint ?? '', /--connect-timeout/);
  await attack.assertUnharmed();
});

for (const [step, act] of [
  ['after TLS', 'acceptTls'],
  ['after the startup message', 'acceptStartup'],
  ['after the token', 'acceptToken'],
] as const) {
  test(`a server that says nothing ${step} is 57P05 after the login timeout`, async () => {
    await using attack = await startAttack({ loginTimeoutMs: 500 });
    attack.server.script = async (connection) => {
      await connection[act]();
      await connection.untilGone();
    };
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, '57P05');
    assert.match(error.hint ?? '', /--login-timeout/);
    await attack.assertUnharmed();
  });
}
