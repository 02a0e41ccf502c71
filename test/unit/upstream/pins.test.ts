import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HOW_TO_COMPUTE } from '../../../src/config/parse-pins.ts';
import { findVouchers, isPin, pinOf } from '../../../src/upstream/pins.ts';
import { readRoots } from '../../../src/upstream/trust.ts';
import { certify, createChain, createSigner } from '../../support/certificate-chain.ts';
import { missing } from '../../support/clients.ts';

const DAY_MS = 86_400_000;

function vouchersOf(own: string, ...others: readonly string[]): string[] {
  const certificates = others.map((pem) => new X509Certificate(pem));
  return findVouchers(new X509Certificate(own), certificates).map(pinOf);
}

function pinsOf(...pems: readonly string[]): string[] {
  return pems.map((pem) => pinOf(new X509Certificate(pem)));
}

test('a pin is the SHA-256 of the public key as its certificate holds it, in base64', () => {
  const [digicertGlobalRootG2 = ''] = readRoots('bundled');
  assert.deepEqual(pinsOf(digicertGlobalRootG2), ['sha256/i7WTqTvh0OioIruIfFR4kMPnBqrS2rdiVPl/s2uC/CY=']);
  for (const root of readRoots('bundled')) assert.ok(isPin(pinOf(new X509Certificate(root))));
});

test('the line that refusals tell computes a pin', { skip: missing('openssl') }, () => {
  for (const name of ['digicert-global-root-g2', 'microsoft-ecc-root-2017']) {
    const file = fileURLToPath(new URL(`../../../certs/${name}.pem`, import.meta.url));
    const printed = execFileSync('sh', ['-c', HOW_TO_COMPUTE.replace('CERTIFICATE.pem', `'${file}'`)]);
    assert.deepEqual(pinsOf(readFileSync(file, 'utf8')), [`sha256/${printed.toString().trim()}`]);
  }
});

test('what is not sha256/ and the base64 of 32 bytes is no pin', () => {
  const hash = 'i7WTqTvh0OioIruIfFR4kMPnBqrS2rdiVPl/s2uC/CY=';
  for (const text of [
    '',
    hash,
    `sha1/${hash}`,
    `SHA256/${hash}`,
    `sha256//${hash}`,
    `sha256/${hash.slice(1)}`,
    `sha256/A${hash}`,
    `sha256/${hash} `,
    `sha256/${hash}\n`,
    // Base64 of the same bytes, and of a few bits more.
    `sha256/${hash.replace('Y=', 'Z=')}`,
    `sha256/${hash.replaceAll('/', '_')}`,
    `sha256/${'8b'.repeat(32)}`,
  ])
    assert.equal(isPin(text), false, text);
});

test('the intermediate and the root vouch for a certificate, in whatever order they come', async () => {
  const { rootPem, intermediatePem, serverPem } = await createChain('db.example');
  const all = pinsOf(serverPem, intermediatePem, rootPem);
  assert.deepEqual(vouchersOf(serverPem, intermediatePem, rootPem), all);
  assert.deepEqual(vouchersOf(serverPem, rootPem, intermediatePem, serverPem, rootPem), all);
  // Without the link between them, a root has nothing to do with it.
  assert.deepEqual(vouchersOf(serverPem, rootPem), pinsOf(serverPem));
});

test('with a cross-signed intermediate, both roots vouch', async () => {
  const { rootPem, intermediate, intermediatePem, serverPem } = await createChain('db.example');
  const other = await createSigner('Other Root');
  const crossed = [await certify(other, other), await certify(intermediate, other)];
  const found = vouchersOf(serverPem, intermediatePem, rootPem, ...crossed);
  for (const pin of pinsOf(rootPem, ...crossed)) assert.ok(found.includes(pin));
});

test('a certificate that holds a key which has signed nothing here vouches for nobody', async () => {
  const { rootPem, intermediatePem, serverPem } = await createChain('db.example');
  const attacker = await createSigner('Attacker');
  const { keys: pinned } = await createSigner('Pinned');
  // The right names, and the pinned key: all of it public.
  const intermediate = await certify({ name: 'Intermediate', keys: pinned }, attacker, {}, 'Root');
  const root = await certify({ name: 'Root', keys: pinned }, attacker, {}, 'Root');
  const found = vouchersOf(serverPem, intermediate, root, intermediatePem, rootPem);
  assert.deepEqual(found, pinsOf(serverPem, intermediatePem, rootPem));
});

test('a key that may not sign others, or whose time is over, vouches for nobody', async () => {
  const { root, rootPem, intermediate, serverPem } = await createChain('db.example');
  const noAuthority = await certify(intermediate, root, { isAuthority: false });
  const expired = await certify(intermediate, root, { notAfter: new Date(Date.now() - DAY_MS) });
  assert.deepEqual(vouchersOf(serverPem, noAuthority, rootPem), pinsOf(serverPem));
  assert.deepEqual(vouchersOf(serverPem, expired, rootPem), pinsOf(serverPem));
});
