import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printable, withoutTokens } from '../../src/redact.ts';
import { jwt } from './tokens.ts';

test('tokens are taken out of a text, the rest of it stays', () => {
  const token = jwt({ upn: 'alice@contoso.com' });
  assert.equal(withoutTokens(`Bearer ${token}, see "${token}".`), 'Bearer [token], see "[token]".');
  assert.equal(withoutTokens('no token here: eyJ. or eyJabc'), 'no token here: eyJ. or eyJabc');
});

test('a token is found wherever it stands, and when its end is missing', () => {
  const token = jwt({ upn: 'alice@contoso.com', exp: 1 });
  const [header = '', payload = '', signature = ''] = token.split('.');
  fc.assert(
    fc.property(fc.string(), fc.string(), (before, after) => {
      const text = withoutTokens(`${before}${token}${after}`);
      for (const part of [header, payload, signature]) assert.ok(!text.includes(part), text);
    }),
  );
  for (const cut of [`${header}.${payload.slice(0, 5)}`, `${header}.${payload}`, `${header}.${payload}.`]) {
    assert.equal(withoutTokens(`cut: ${cut}`), 'cut: [token]');
  }
});

test('a long text that only looks like tokens is searched in no time', () => {
  // A command may print a megabyte. A quadratic search of this much takes seconds, a linear one none.
  const text = 'eyJ'.repeat(25_000);
  const start = performance.now();
  withoutTokens(text);
  assert.ok(performance.now() - start < 500);
});

test('a strange text becomes one printable line', () => {
  const strange = 'a\nb\r\tc\0d\u001b[31me\u007ff\u0085g\u2028h\u2029i';
  assert.equal(printable(strange), 'a?b??c?d?[31me?f?g?h?i');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
      // oxlint-disable-next-line no-control-regex -- exactly those are looked for
      assert.doesNotMatch(printable(text), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    }),
  );
  const codes = [
    ...Array(32).keys(),
    ...Array.from({ length: 33 }, (_, index) => 0x7f + index),
    0x2028,
    0x2029,
  ];
  for (const code of codes) assert.equal(printable(String.fromCharCode(code)), '?', `code ${code}`);
  assert.equal(printable('Gr\u00fc\u00dfe, \u4f60\u597d'), 'Gr\u00fc\u00dfe, \u4f60\u597d');
});

test('a long text is cut, and says so', () => {
  assert.equal(printable('x'.repeat(128)), 'x'.repeat(128));
  assert.equal(printable('x'.repeat(129)), `${'x'.repeat(128)}...`);
  assert.equal(printable('abcdef', 3), 'abc...');
});

test('a long mixture that may be a secret is taken out; names, paths and GUIDs stay', () => {
  const secret = 'Ab1~xY8z'.repeat(5);
  assert.equal(withoutTokens(`secret ${secret} is wrong`), 'secret [secret] is wrong');
  for (const text of [
    '123cd850-d9df-40bd-94d5-c9f07b7fa203',
    '/var/run/secrets/Azure/Tokens/azure-identity-token-1',
    'myserver.postgres.database.azure.com:5432',
    'AADSTS7000215: Invalid client secret provided.',
  ]) {
    assert.equal(withoutTokens(text), text);
  }
});

test('a secret is taken out also where it holds the letters that a token begins with', () => {
  const secret = `${'Ab1xY8z'.repeat(3)}eyJ${'Ab1xY8z'.repeat(3)}`;
  assert.equal(withoutTokens(secret), '[secret]');
});

test('the pin of a public key is no secret', () => {
  const pin = 'sha256/i7WTqTvh0OioIruIfFR4kMPnBqrS2rdiVPl/s2uC/CY=';
  assert.equal(
    withoutTokens(`the chain is: a (${pin}); b (${pin}).`),
    `the chain is: a (${pin}); b (${pin}).`,
  );
  // The same without its name may be anything.
  assert.equal(withoutTokens(pin.replace('sha256/', '')), '[secret]');
});
