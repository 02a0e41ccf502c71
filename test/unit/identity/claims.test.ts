import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeClaims } from '../../../src/identity/claims.ts';
import { jwt } from '../tokens.ts';

const NONE = {
  exp: undefined,
  aud: undefined,
  oid: undefined,
  tid: undefined,
  idtyp: undefined,
  scp: undefined,
  xms_mirid: undefined,
  upn: undefined,
  preferred_username: undefined,
  unique_name: undefined,
};

test('the claims that matter are read, in any script, and no others', () => {
  const claims = {
    exp: 1_700_000_000,
    aud: 'https://ossrdbms-aad.database.windows.net',
    oid: '77777777-8888-4999-aaaa-bbbbbbbbbbbb',
    tid: '11111111-2222-4333-8444-555555555555',
    idtyp: 'user',
    scp: 'user_impersonation',
    xms_mirid: '/subscriptions/x',
    upn: 'j\u00f6rg@contoso.com',
    preferred_username: '\u4f60\u597d',
    unique_name: 'live.com#x',
  };
  assert.deepEqual(decodeClaims(jwt({ ...claims, deviceid: 'secret', roles: ['x'] })), claims);
});

test('what is not a JWT has no claims', () => {
  const header = jwt({}).split('.')[0];
  for (const text of [
    '',
    'opaque',
    '.',
    '..',
    'a.b.c',
    `${header}.e30=x.s.more`,
    jwt([]),
    jwt('text'),
    jwt(null),
    jwt(1),
  ]) {
    assert.equal(decodeClaims(text), undefined, text);
  }
  assert.equal(decodeClaims(`${jwt({ upn: 'x' })}.fourth.fifth`), undefined);
});

test('claims of an unexpected type are left out', () => {
  for (const wrong of [null, 1, true, ['x'], { x: 1 }, '']) {
    const claims = {
      xms_mirid: wrong,
      upn: wrong,
      preferred_username: wrong,
      unique_name: wrong,
      aud: wrong,
      oid: wrong,
    };
    assert.deepEqual(decodeClaims(jwt(claims)), NONE);
  }
  for (const wrong of [null, '1700000000', true, [1], {}])
    assert.deepEqual(decodeClaims(jwt({ exp: wrong })), NONE);
  const huge = Buffer.from('{"exp":1e999}').toString('base64url');
  assert.deepEqual(decodeClaims(`e30.${huge}.s`), NONE);
});

test('random texts have claims or none, and throw nothing', () => {
  const parts = fc.oneof(
    fc.string(),
    fc.json().map((json) => Buffer.from(json).toString('base64url')),
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 5 }), (all) => {
      const claims = decodeClaims(all.join('.'));
      if (claims !== undefined)
        assert.deepEqual(Object.keys(claims).toSorted(), Object.keys(NONE).toSorted());
    }),
    { numRuns: 1_000 },
  );
});
