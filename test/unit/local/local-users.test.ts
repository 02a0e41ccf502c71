import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalUsers, saltFor } from '../../../src/local/local-users.ts';
import { deriveVerifier, type ScramVerifier } from '../../../src/local/scram-verifier.ts';

const SECRET = Buffer.alloc(32, 1);
const OTHER_SECRET = Buffer.alloc(32, 2);

async function verifier(iterations?: number): Promise<ScramVerifier> {
  return deriveVerifier(Buffer.from('secret'), Buffer.from('sixteen bytes...'), iterations);
}

test('a known user is found by exactly its name', async () => {
  const own = await verifier();
  const users = new LocalUsers(new Map([['r\u00e9my', own]]), SECRET);
  assert.deepEqual(users.find('r\u00e9my'), { isKnown: true, verifier: own });
  for (const name of ['R\u00e9my', 're\u0301my', 'remy', 'r\u00e9my ', '', '__proto__', 'constructor']) {
    assert.equal(users.find(name).isKnown, false, name);
  }
  assert.equal(users.count, 1);
});

test('an unknown user looks like a known one, and always the same', async () => {
  const own = await verifier();
  const users = new LocalUsers(new Map([['app', own]]), SECRET);
  const mock = users.find('nobody').verifier;
  assert.deepEqual(users.find('nobody').verifier, mock);
  assert.deepEqual(new LocalUsers(new Map(), SECRET).find('nobody').verifier, mock);
  for (const [name, bytes] of Object.entries({ ...own, iterations: undefined })) {
    if (bytes !== undefined) assert.equal((mock[name as keyof ScramVerifier] as Buffer).length, bytes.length);
  }
  assert.equal(mock.iterations, own.iterations);
});

test('the salt of an unknown user is its own, and nobody can tell it who has not the secret', () => {
  const [users, others] = [SECRET, OTHER_SECRET].map((secret) => new LocalUsers(new Map(), secret));
  const salt = (of: LocalUsers | undefined, user: string): string | undefined =>
    of?.find(user).verifier.salt.toString('hex');
  assert.notEqual(salt(users, 'nobody'), salt(users, 'somebody'));
  assert.notEqual(salt(users, 'nobody'), salt(others, 'nobody'));
  const { salt: bytes, storedKey, serverKey } = users?.find('nobody').verifier ?? ({} as ScramVerifier);
  assert.equal(new Set([bytes, storedKey.subarray(0, 16), serverKey.subarray(0, 16)].map(String)).size, 3);
});

test('an unknown user has the salt that it would get with a plain password', () => {
  const users = new LocalUsers(new Map(), SECRET);
  assert.deepEqual(users.find('app').verifier.salt, saltFor('app', SECRET));
});

test('an unknown user has as many iterations as most of the known ones', async () => {
  const [few, many] = [await verifier(10), await verifier(20)];
  const of = (...verifiers: ScramVerifier[]): number =>
    new LocalUsers(new Map(verifiers.map((one, index) => [String(index), one])), SECRET).find('nobody')
      .verifier.iterations;
  assert.equal(of(few, many, many), 20);
  assert.equal(of(many, few, few), 10);
  assert.equal(of(), 4_096);
});
