import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createHash, webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { X509CertificateGenerator } from '@peculiar/x509';
import { tlsServerEndPoint } from '../../../src/local/channel-binding.ts';

const RSA = { publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2_048 };

/** A certificate that is signed by such a key, with such a hash. */
async function certificate(name: string, hash?: string): Promise<{ der: Buffer; pem: string }> {
  const algorithm = {
    name,
    ...(hash === undefined ? {} : { hash }),
    ...(name.startsWith('RSA') ? RSA : {}),
    ...(name === 'ECDSA' ? { namedCurve: 'P-256' } : {}),
    ...(name === 'RSA-PSS' ? { saltLength: 32 } : {}),
  };
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const made = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=local',
    keys,
    signingAlgorithm: algorithm,
  });
  return { der: Buffer.from(made.rawData), pem: made.toString('pem') };
}

const CASES = [
  ['ECDSA', 'SHA-1', 'sha256'],
  ['ECDSA', 'SHA-256', 'sha256'],
  ['ECDSA', 'SHA-384', 'sha384'],
  ['ECDSA', 'SHA-512', 'sha512'],
  ['RSASSA-PKCS1-v1_5', 'SHA-1', 'sha256'],
  ['RSASSA-PKCS1-v1_5', 'SHA-256', 'sha256'],
  ['RSASSA-PKCS1-v1_5', 'SHA-384', 'sha384'],
  ['RSASSA-PKCS1-v1_5', 'SHA-512', 'sha512'],
  ['RSA-PSS', 'SHA-256', 'sha256'],
  ['RSA-PSS', 'SHA-384', 'sha384'],
  ['RSA-PSS', 'SHA-512', 'sha512'],
] as const;

for (const [name, hash, expected] of CASES) {
  test(`a certificate signed by ${name} with ${hash} is hashed with ${expected}`, async () => {
    const { der, pem } = await certificate(name, hash);
    const digest = createHash(expected).update(der).digest();
    assert.deepEqual(tlsServerEndPoint(der), digest);
    assert.deepEqual(tlsServerEndPoint(pem), digest);
  });
}

test('a certificate signed by Ed25519, which has no such hash, allows no channel binding', async () => {
  assert.equal(tlsServerEndPoint((await certificate('Ed25519')).der), undefined);
});

test('of a chain of certificates it is the first, the server\u2019s own', async () => {
  const [own, issuer] = [await certificate('ECDSA', 'SHA-384'), await certificate('ECDSA', 'SHA-256')];
  const digest = createHash('sha384').update(own.der).digest();
  assert.deepEqual(tlsServerEndPoint(`${own.pem}\n${issuer.pem}\n`), digest);
});
