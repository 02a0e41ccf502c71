import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProxyError } from '../../../src/errors.ts';
import { createAccessToken } from '../../../src/identity/token-source.ts';
import { jwt } from '../tokens.ts';

const NOW = 1_700_000_000_000;

/** The error for a value that cannot be a token. */
function refusalOf(value: string): ProxyError {
  try {
    createAccessToken(value, 'the file /run/token', { now: NOW });
  } catch (error) {
    assert.ok(error instanceof ProxyError);
    return error;
  }
  return assert.fail('was taken');
}

test('the source knows best when a token expires, then the token itself, then it is trusted five minutes', () => {
  const value = jwt({ exp: 1_700_003_600, upn: 'alice@contoso.com' });
  const known = createAccessToken(value, 'x', { expiresAt: NOW + 1, refreshAt: NOW, now: NOW });
  assert.deepEqual([known.value, known.expiresAt, known.refreshAt], [value, NOW + 1, NOW]);
  assert.equal(known.claims?.upn, 'alice@contoso.com');
  assert.equal(createAccessToken(value, 'x', { now: NOW }).expiresAt, 1_700_003_600_000);
  assert.equal(createAccessToken(jwt({}), 'x', { now: NOW }).expiresAt, NOW + 300_000);
  const opaque = createAccessToken('opaque', 'x', { now: NOW });
  assert.deepEqual(
    [opaque.expiresAt, opaque.claims, opaque.refreshAt],
    [NOW + 300_000, undefined, undefined],
  );
});

test('a token has at most the 65,530 bytes that a server reads', () => {
  const longest = 'x'.repeat(65_530);
  assert.equal(createAccessToken(longest, 'x', { now: NOW }).value, longest);
  assert.match(refusalOf(`${longest}x`).message, /longer than 65530 bytes/);
});

test('what cannot be a token is refused with 28000, the reason and where it came from', () => {
  assert.equal(refusalOf('').message, 'the file /run/token gave no usable token: it is empty');
  for (const value of ['a b', ' a', 'a\n', 'a\0b', 'a\tb', '\ufeffa', 't\u00f6ken', '\u007f']) {
    const error = refusalOf(value);
    assert.equal(error.sqlState, '28000');
    assert.match(error.message, /^the file \/run\/token gave no usable token: it holds spaces/);
    assert.match(error.hint ?? '', /az account get-access-token/);
  }
});

test('no refusal ever quotes what it refuses', () => {
  const canary = 'canaryCanaryCanary';
  fc.assert(
    fc.property(fc.constantFrom(' ', '\n', '\0', '\u00fc'), fc.nat(40), (bad, count) => {
      const error = refusalOf(`${canary}${bad}${canary.repeat(count)}`);
      assert.ok(!`${error.message} ${error.hint} ${error.stack} ${String(error.cause)}`.includes(canary));
    }),
  );
  assert.ok(!refusalOf(canary.repeat(10_000)).message.includes(canary));
});
