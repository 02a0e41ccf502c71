import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTrust, readRoots } from '../../../src/upstream/trust.ts';
import { temporaryDirectory } from '../tokens.ts';

const CERTS = new URL('../../../certs/', import.meta.url);

/** Subject and SHA-256 fingerprint of each, written down here apart from the files. */
const ROOTS: Readonly<Record<string, [subject: string, fingerprint: string]>> = {
  'digicert-global-root-ca.pem': [
    'DigiCert Global Root CA',
    '4348A0E9444C78CB265E058D5E8944B4D84F9662BD26DB257F8934A443C70161',
  ],
  'digicert-global-root-g2.pem': [
    'DigiCert Global Root G2',
    'CB3CCBB76031E5E0138F8DD39A23F9DE47FFC35E43C1144CEA27D46A5AB1CB5F',
  ],
  'microsoft-ecc-root-2017.pem': [
    'Microsoft ECC Root Certificate Authority 2017',
    '358DF39D764AF9E1B766E9C972DF352EE15CFAC227AF6AD1D70E8E4A6EDCBA02',
  ],
  'microsoft-rsa-root-2017.pem': [
    'Microsoft RSA Root Certificate Authority 2017',
    'C741F70F4B2A8D88BF2E71C14122EF53EF10EBA0CFA5E64CFA20F418853073E0',
  ],
};

function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '');
}

test('the bundled files hold exactly the roots of Azure, and say so', async () => {
  assert.deepEqual((await readdir(CERTS)).toSorted(), Object.keys(ROOTS).toSorted());
  for (const [name, [subject, fingerprint]] of Object.entries(ROOTS)) {
    const text = await readFile(new URL(name, CERTS), 'utf8');
    assert.equal(text.match(/-----BEGIN/g)?.length, 1, name);
    assert.equal(fingerprintOf(text), fingerprint, name);
    assert.ok(new X509Certificate(text).subject.split('\n').includes(`CN=${subject}`), name);
    const header = text.slice(0, text.indexOf('-----BEGIN'));
    assert.match(header, new RegExp(`^# Subject: ${subject}$`, 'm'));
    assert.match(header, new RegExp(`^# SHA-256: ${fingerprint}$`, 'm'));
    assert.match(header, /^# Source: \S.+$/m);
    const [, validTo] = /^# Valid to: (\S+)$/m.exec(header) ?? [];
    assert.equal(validTo, new Date(new X509Certificate(text).validTo).toISOString().slice(0, 10), name);
  }
});

test('"bundled" trusts each of them, and nothing more', () => {
  const expected = Object.values(ROOTS).map(([, fingerprint]) => fingerprint);
  assert.deepEqual(readRoots('bundled').map(fingerprintOf).toSorted(), expected.toSorted());
});

test('"system" trusts what this machine trusts', () => {
  const roots = readRoots('system');
  assert.ok(Array.isArray(roots));
  for (const root of roots.slice(0, 3)) assert.ok(new X509Certificate(root).ca);
  assert.equal(createTrust('system', 'db.example', '1.2').roots, 'system');
});

test('a file may hold several certificates, with comments and other blocks between them', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'ca.pem');
  const [first = '', second = ''] = readRoots('bundled');
  const block = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----';
  await writeFile(path, `# mine\n${first}\n${block}\r\ntext\n${second}`);
  assert.deepEqual(readRoots(path).map(fingerprintOf), [fingerprintOf(first), fingerprintOf(second)]);
  const trust = createTrust(path, 'db.example', '1.3');
  assert.deepEqual([trust.roots, trust.serverName], [path, 'db.example']);
});

test('a file without a certificate is refused, and named', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'ca.pem');
  const key = '-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n';
  for (const text of ['', 'not PEM', key, '-----BEGIN CERTIFICATE-----\nAAAA\n']) {
    await writeFile(path, text);
    assert.throws(() => readRoots(path), { message: `${path} holds no PEM certificate` });
  }
  assert.throws(() => readRoots(join(directory.path, 'absent')), /absent.*ENOENT|ENOENT.*absent/);
  assert.throws(() => readRoots(directory.path), /EISDIR/);
});

test('a certificate that cannot be parsed is refused, and counted', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'ca.pem');
  const [good = ''] = readRoots('bundled');
  for (const garbage of ['AAAA', '!!!!', 'MIIDrzCCApegAwIBAgIQ']) {
    const bad = `-----BEGIN CERTIFICATE-----\n${garbage}\n-----END CERTIFICATE-----\n`;
    await writeFile(path, bad);
    assert.throws(() => readRoots(path), { message: `certificate 1 in ${path} cannot be read` });
    await writeFile(path, `${good}\n${bad}`);
    assert.throws(() => readRoots(path), { message: `certificate 2 in ${path} cannot be read` });
  }
});
