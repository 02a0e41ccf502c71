import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Authority, createCertificateAuthority } from '../../../src/demo/certificates.ts';
import { UsageError } from '../../../src/errors.ts';
import { loadCertificate } from '../../../src/local/certificate-files.ts';
import { createTestFiles, type TestFiles } from '../../support/files.ts';

let files: TestFiles;
let authority: Authority;
let cert: string;
let key: string;
let certFile: string;
let keyFile: string;

before(async () => {
  files = await createTestFiles();
  authority = await createCertificateAuthority('certificate files');
  ({ certPem: cert, keyPem: key } = await authority.issue({ dnsNames: ['localhost'] }));
  certFile = await files.write('good.crt', cert);
  keyFile = await files.write('good.key', key);
});
after(() => files[Symbol.asyncDispose]());

/** All that is wrong with a pair of files. */
async function problemsOf(pair: { certFile?: string; keyFile?: string }): Promise<string> {
  let problems = '';
  await assert.rejects(loadCertificate({ certFile, keyFile, ...pair }), (error) => {
    assert.ok(error instanceof UsageError, String(error));
    problems = error.problems.join('\n');
    return true;
  });
  assert.ok(!problems.includes(key.split('\n')[1] ?? ''), 'it shows the key');
  return problems;
}

test('a certificate and its key are loaded, from two files or from one', async () => {
  const both = await files.write('both.pem', `${key}${cert}`);
  for (const pair of [
    { certFile, keyFile },
    { certFile: both, keyFile: both },
  ]) {
    const { certificate, warning } = await loadCertificate(pair);
    assert.equal(certificate.subject, 'CN=localhost');
    assert.equal(warning, undefined);
  }
});

test('a chain is loaded with the certificate of the key in front, and refused otherwise', async () => {
  const chain = await files.write('chain.crt', `some words\n${cert}${authority.certPem}`);
  assert.equal((await loadCertificate({ certFile: chain, keyFile })).certificate.subject, 'CN=localhost');
  const reversed = await files.write('reversed.crt', `${authority.certPem}${cert}`);
  assert.match(await problemsOf({ certFile: reversed }), /reversed\.crt: .*must be the first/);
});

test('keys in the older forms are read, and those with a passphrase are refused', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const old = await files.write('rsa.key', privateKey.export({ type: 'pkcs1', format: 'pem' }).toString());
  assert.match(await problemsOf({ keyFile: old }), /rsa\.key: the key does not belong to the certificate/);
  for (const type of ['pkcs1', 'pkcs8'] as const) {
    const pem = privateKey.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
    const locked = await files.write('locked.key', pem);
    assert.match(await problemsOf({ keyFile: locked }), /locked\.key: the key has a passphrase/);
  }
});

test("another certificate's key is refused", async () => {
  const other = await authority.issue({ dnsNames: ['localhost'] });
  const wrong = await files.write('other.key', other.keyPem);
  assert.match(await problemsOf({ keyFile: wrong }), /other\.key: the key does not belong to .*good\.crt/);
});

test('a key that others can read is refused, with what to do', async () => {
  const open = await files.write('open.key', key, 0o644);
  assert.match(await problemsOf({ keyFile: open }), /other users of this machine may read .* chmod 600/);
});

test('every problem of both files is told at once', async () => {
  const problems = await problemsOf({
    certFile: join(files.directory, 'missing.crt'),
    keyFile: join(files.directory, 'missing.key'),
  });
  assert.match(problems, /missing\.crt: .*cannot be read \(ENOENT\)/);
  assert.match(problems, /cannot read the local TLS key .*missing\.key: ENOENT/);
});

test('files that hold something else are refused', async () => {
  const empty = await files.write('empty.pem', '');
  assert.match(await problemsOf({ certFile: keyFile }), /good\.key: no certificate in it/);
  assert.match(await problemsOf({ keyFile: certFile }), /good\.crt: no private key in it/);
  assert.match(
    await problemsOf({ certFile: empty, keyFile: empty }),
    /no certificate in it.*\n.*no private key/,
  );
  const cut = await files.write('cut.pem', `${cert}${cert.replace(/MII.{40}/, 'MII')}`);
  assert.match(await problemsOf({ certFile: cut }), /cut\.pem: certificate 2 of 2 is damaged/);
  const cutKey = await files.write('cut.key', key.replace(/\n.{20}/, '\n'));
  assert.match(await problemsOf({ keyFile: cutKey }), /cut\.key: the private key is damaged/);
});

test('a certificate out of its time is loaded with a warning', async () => {
  const day = 86_400_000;
  for (const [request, expected] of [
    [{ notAfter: new Date(Date.now() - day) }, /expired on 2\d{3}-.*verify-full/],
    [{ notBefore: new Date(Date.now() + day) }, /not valid before 2\d{3}-/],
  ] as const) {
    const late = await authority.issue({ dnsNames: ['localhost'], ...request });
    const pair = {
      certFile: await files.write('late.crt', late.certPem),
      keyFile: await files.write('late.key', late.keyPem),
    };
    assert.match((await loadCertificate(pair)).warning ?? '', expected);
  }
});
