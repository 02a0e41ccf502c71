import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeDetails } from '../../../src/identity/token-details.ts';
import { jwt } from '../tokens.ts';

const NOTHING = { issuer: undefined, applicationId: undefined, scopes: [], roles: [], groupCount: 0 };

test('what people want to know of a token besides its owner is read', () => {
  const claims = {
    iss: 'https://x/',
    appid: 'a',
    azp: 'b',
    scp: 'one two',
    roles: ['r'],
    groups: ['g', 'h'],
  };
  assert.deepEqual(decodeDetails(jwt(claims)), {
    issuer: 'https://x/',
    applicationId: 'a',
    scopes: ['one', 'two'],
    roles: ['r'],
    groupCount: 2,
  });
  assert.equal(decodeDetails(jwt({ azp: 'b' }))?.applicationId, 'b');
});

test('of an owner who is in too many groups, nobody knows in how many', () => {
  for (const claims of [{ hasgroups: true }, { _claim_names: { groups: 'src1' }, _claim_sources: {} }])
    assert.equal(decodeDetails(jwt(claims))?.groupCount, undefined);
  assert.equal(decodeDetails(jwt({ _claim_names: { other: 'x' } }))?.groupCount, 0);
});

test('details of an unexpected type are left out, and what is no JWT has none', () => {
  for (const wrong of [null, 1, true, { x: 1 }, '']) {
    const claims = {
      iss: wrong,
      appid: wrong,
      azp: wrong,
      scp: wrong,
      roles: wrong,
      groups: wrong,
      _claim_names: wrong,
    };
    assert.deepEqual(decodeDetails(jwt(claims)), NOTHING);
  }
  assert.deepEqual(decodeDetails(jwt({ roles: [1, 'r', null], groups: [1] })), { ...NOTHING, roles: ['r'] });
  assert.equal(decodeDetails('opaque'), undefined);
});

test('random texts have details or none, and throw nothing', () => {
  const parts = fc.oneof(
    fc.string(),
    fc.json().map((json) => Buffer.from(json).toString('base64url')),
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 4 }), (all) => {
      const details = decodeDetails(all.join('.'));
      if (details !== undefined) assert.deepEqual(Object.keys(details), Object.keys(NOTHING));
    }),
    { numRuns: 1_000 },
  );
});
