import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { serialize } from 'pg-protocol';
import {
  decodeAuthenticationRequest,
  decodePasswordMessage,
  encodePasswordMessage,
  encodeSaslRequest,
} from '../../../src/protocol/authentication.ts';
import { anyBytes, decodesOrRefuses, int32, message } from '../bytes.ts';

const VIOLATION = { name: 'ProxyError', sqlState: '08P01' };
const REFUSAL = { name: 'ProxyError', sqlState: '28000' };

const passwords = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 200 })
  .filter((password) => !password.includes('\0'));

test('AuthenticationOk and AuthenticationCleartextPassword are told apart', () => {
  assert.deepEqual(decodeAuthenticationRequest(int32(0)), { kind: 'ok' });
  assert.deepEqual(decodeAuthenticationRequest(int32(3)), { kind: 'cleartextPassword' });
});

test('MD5 and the steps of SASL are told apart, and the mechanisms are listed in their order', () => {
  const decode = (code: number, data = '') =>
    decodeAuthenticationRequest(Buffer.concat([int32(code), Buffer.from(data)]));
  assert.deepEqual(decode(5, 'salt'), { kind: 'md5Password', method: 'MD5' });
  const mechanisms = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'];
  assert.deepEqual(decode(10, 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'), {
    kind: 'sasl',
    method: 'SCRAM',
    mechanisms,
  });
  assert.deepEqual(decode(10, 'OAUTHBEARER\0\0'), {
    kind: 'sasl',
    method: 'OAUTHBEARER',
    mechanisms: ['OAUTHBEARER'],
  });
  assert.deepEqual(decode(10, '\0'), { kind: 'sasl', method: 'SCRAM', mechanisms: [] });
  assert.deepEqual(decode(11, 'r=nonce'), { kind: 'saslContinue', method: 'SCRAM' });
  assert.deepEqual(decode(12, 'v=signature'), { kind: 'saslFinal', method: 'SCRAM' });
});

test('every other authentication method is named, with whatever data it brings', () => {
  const methods: [number, string][] = [
    [1, 'authentication code 1'],
    [2, 'Kerberos V5'],
    [4, 'authentication code 4'],
    [6, 'SCM credentials'],
    [7, 'GSSAPI'],
    [8, 'GSSAPI'],
    [9, 'SSPI'],
    [13, 'authentication code 13'],
    [0xffff_ffff, 'authentication code 4294967295'],
  ];
  for (const [code, method] of methods) {
    const body = Buffer.concat([int32(code), Buffer.from('whatever\0')]);
    assert.deepEqual(decodeAuthenticationRequest(body), { kind: 'other', method });
  }
});

test('an Authentication message that is cut, or of the wrong length for its method, is refused with 08P01', () => {
  for (const body of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(5)]) {
    assert.throws(() => decodeAuthenticationRequest(body), VIOLATION);
  }
  const wrong: [number, string][] = [
    [3, '\0'],
    [5, 'sal'],
    [5, 'salty'],
    [10, ''],
    [10, 'SCRAM-SHA-256'],
    [10, 'SCRAM-SHA-256\0'],
    [10, 'SCRAM-SHA-256\0\0more'],
    [10, '\0\0'],
  ];
  for (const [code, data] of wrong) {
    const body = Buffer.concat([int32(code), Buffer.from(data)]);
    assert.throws(() => decodeAuthenticationRequest(body), VIOLATION, `${code} ${JSON.stringify(data)}`);
  }
});

test('a list of SASL mechanisms survives encoding and decoding', () => {
  const names = fc.array(fc.stringMatching(/^[A-Z0-9-]{1,20}$/), { maxLength: 5 });
  fc.assert(
    fc.property(names, (mechanisms) => {
      const whole = encodeSaslRequest(mechanisms);
      const data = mechanisms.map((name) => `${name}\0`).join('');
      assert.deepEqual(whole, message('R', Buffer.concat([int32(10), Buffer.from(`${data}\0`)])));
      const decoded = decodeAuthenticationRequest(whole.subarray(5));
      assert.equal(decoded.kind, 'sasl');
      assert.deepEqual('mechanisms' in decoded && decoded.mechanisms, mechanisms);
    }),
  );
});

test('random Authentication messages are decoded or refused with 08P01, never anything else', () => {
  fc.assert(
    fc.property(anyBytes(20), (body) => decodesOrRefuses(() => decodeAuthenticationRequest(body))),
    { numRuns: 1_000 },
  );
  const codes = fc.constantFrom(0, 3, 5, 10, 11, 12).map(int32);
  fc.assert(
    fc.property(codes, anyBytes(20), (code, data) =>
      decodesOrRefuses(() => decodeAuthenticationRequest(Buffer.concat([code, data]))),
    ),
    { numRuns: 1_000 },
  );
});

test('a password survives encoding and decoding, and is encoded as pg-protocol does', () => {
  fc.assert(
    fc.property(passwords, (password) => {
      const whole = encodePasswordMessage(password);
      assert.deepEqual(whole, message('p', `${password}\0`));
      assert.deepEqual(whole, serialize.password(password));
      assert.equal(decodePasswordMessage(whole.subarray(5)).toString(), password);
    }),
  );
});

test('a password of 65,530 bytes can be sent, one byte more cannot', () => {
  const longest = `${'x'.repeat(65_528)}\u00fc`;
  const whole = encodePasswordMessage(longest);
  assert.equal(whole.readUInt32BE(1), 65_535);
  assert.equal(decodePasswordMessage(whole.subarray(5)).toString(), longest);
  assert.throws(() => encodePasswordMessage(`${longest}x`), REFUSAL);
});

test('no password and one with a zero byte are refused, and the refusal does not quote it', () => {
  assert.throws(() => encodePasswordMessage(''), REFUSAL);
  assert.throws(
    () => encodePasswordMessage('se\0cret'),
    (error: Error) => {
      assert.equal(error.name, 'ProxyError');
      assert.ok(!`${error.message} ${error.stack}`.includes('cret'));
      return true;
    },
  );
});

test('a PasswordMessage is taken if it has one zero byte, at its end, and refused with 08P01 otherwise', () => {
  assert.deepEqual(decodePasswordMessage(Buffer.from('\0')), Buffer.alloc(0));
  for (const body of ['secret', 'sec\0ret', 'sec\0ret\0', 'secret\0\0', '\0secret', '\0\0']) {
    assert.throws(() => decodePasswordMessage(Buffer.from(body)), VIOLATION, JSON.stringify(body));
  }
  const bodies = fc.array(fc.constantFrom(0, 1, 255), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(bodies, (bytes) => {
      const body = Buffer.from(bytes);
      if (bytes.indexOf(0) === bytes.length - 1)
        assert.equal(decodePasswordMessage(body).length, bytes.length - 1);
      else assert.throws(() => decodePasswordMessage(body), VIOLATION);
    }),
  );
});

test('a PasswordMessage without even the zero byte is refused with 08P01', () => {
  assert.throws(() => decodePasswordMessage(Buffer.alloc(0)), VIOLATION);
});

test('a PasswordMessage longer than PostgreSQL reads is refused with 08P01', () => {
  const body = (length: number): Buffer => Buffer.concat([Buffer.alloc(length - 1, 120), Buffer.of(0)]);
  assert.equal(decodePasswordMessage(body(65_535)).length, 65_534);
  assert.throws(() => decodePasswordMessage(body(65_536)), VIOLATION);
});

test('random PasswordMessages are decoded or refused with 08P01, never anything else', () => {
  fc.assert(
    fc.property(anyBytes(20), (body) => decodesOrRefuses(() => decodePasswordMessage(body))),
    { numRuns: 1_000 },
  );
});
