import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { after, test } from 'node:test';
import {
  APPLICATION,
  CLIENT_ID,
  entraFlags,
  startCredentialBench,
  TENANT_ID,
} from '../support/credentials.ts';
import { runProgram } from '../support/program.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { selfSigned } from '../support/self-signed.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const IDS = ['--tenant-id', TENANT_ID, '--client-id', CLIENT_ID, '--user', TEST_ROLE];

test('client-secret: an application logs in with the secret in a file', async () => {
  await using entra = await bench.startEntra();
  const file = await bench.files.write('secret', `${APPLICATION.AZURE_CLIENT_SECRET}\n`);
  const flags = ['--credential', 'client-secret', '--client-secret-file', file, ...IDS, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

test('client-secret: an application logs in with all three from the environment', async () => {
  await using entra = await bench.startEntra();
  const flags = ['--credential', 'client-secret', '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, APPLICATION);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

test('client-secret: a client is told of an expired secret, and gets in once the file holds the new one', async () => {
  await using entra = await bench.startEntra();
  const file = await bench.files.write('rotated', 'last~years~secret');
  const flags = ['--credential', 'client-secret', '--client-secret-file', file, ...IDS, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /AADSTS7000215/);
  assert.match(hint ?? '', /may have expired/);
  await bench.files.write('rotated', APPLICATION.AZURE_CLIENT_SECRET);
  await until('a login', () => proxy.letsIn());
});

test('client-secret: a client is told which file is missing', async () => {
  const flags = ['--credential', 'client-secret', '--client-secret-file', '/nowhere/secret', ...IDS];
  await using proxy = await bench.startProxy(flags);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /cannot read the client secret file \/nowhere\/secret: ENOENT/);
  assert.match(hint ?? '', /--client-secret-file/);
});

test('client-certificate: an application logs in with its certificate', async () => {
  await using entra = await bench.startEntra();
  const { cert, key } = await selfSigned('app.example.com', 'RSA');
  const file = await bench.files.write('application.pem', `${key}\n${cert}\n`);
  const flags = ['--credential', 'client-certificate', ...IDS, ...entraFlags(entra)];
  {
    await using proxy = await bench.startProxy([...flags, '--client-certificate-file', file]);
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
  }
  await using proxy = await bench.startProxy(flags, { AZURE_CLIENT_CERTIFICATE_PATH: file });
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});

test('client-secret, client-certificate: a file that others may read is refused, and taken after chmod 600', {
  skip: process.platform === 'win32' && 'Windows has no modes',
}, async () => {
  await using entra = await bench.startEntra();
  const { cert, key } = await selfSigned('app.example.com', 'RSA');
  for (const [kind, content] of [
    ['client-secret', APPLICATION.AZURE_CLIENT_SECRET],
    ['client-certificate', `${key}\n${cert}\n`],
  ] as const) {
    const file = await bench.files.write(`shared-${kind}`, content);
    await chmod(file, 0o644);
    const flags = ['--credential', kind, `--${kind}-file`, file, ...IDS, ...entraFlags(entra)];
    await using proxy = await bench.startProxy(flags);
    const { code, message, hint } = await refusedLogin(proxy.port);
    assert.equal(code, '28000');
    assert.match(message, new RegExp(`the ${kind.replace('-', ' ')} file ${file}: its mode is 0644`));
    assert.match(hint ?? '', new RegExp(`^Run chmod 600 ${file};`));
    await chmod(file, 0o600);
    await until('a login', () => proxy.letsIn());
  }
});

test('client-certificate: a client is told which file is missing', async () => {
  const flags = ['--credential', 'client-certificate', '--client-certificate-file', '/nowhere/pem', ...IDS];
  await using proxy = await bench.startProxy(flags);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(message, /cannot read the client certificate file \/nowhere\/pem: ENOENT/);
  assert.match(hint ?? '', /--client-certificate-file/);
});

test('client-certificate: a client is told of a certificate that cannot be used', async () => {
  await using entra = await bench.startEntra();
  const file = await bench.files.write('nonsense.pem', 'no certificate');
  const flags = ['--credential', 'client-certificate', '--client-certificate-file', file, ...IDS];
  await using proxy = await bench.startProxy([...flags, ...entraFlags(entra)]);
  const { code, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '28000');
  assert.match(hint ?? '', /PEM with its private key/);
});

test('what an application cannot do without is asked for at the start, all of it', async () => {
  const { code, stderr } = await runProgram([
    'myserver',
    '--credential',
    'client-secret',
    '--object-id',
    'x',
  ]);
  assert.equal(code, 2);
  assert.match(stderr, /needs --tenant-id or the environment variable AZURE_TENANT_ID/);
  assert.match(stderr, /needs --client-id or the environment variable AZURE_CLIENT_ID/);
  assert.match(stderr, /needs --client-secret-file or the environment variable AZURE_CLIENT_SECRET/);
  assert.match(stderr, /--object-id does nothing with --credential client-secret/);
});
