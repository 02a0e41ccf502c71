import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  deriveVerifier,
  isPasswordOf,
  parseScramVerifier,
  type ScramVerifier,
} from '../../../src/local/scram-verifier.ts';

const SALT = 'W22ZaJ0SNY7soEsUEjb6gQ==';

/** The password "pencil", as in RFC 7677. */
const STORED_KEY = 'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=';
const SERVER_KEY = 'wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=';
const STORED = `SCRAM-SHA-256$4096:${SALT}$${STORED_KEY}:${SERVER_KEY}`;

function stored({ iterations, salt, storedKey, serverKey }: ScramVerifier): string {
  const [s, t, v] = [salt, storedKey, serverKey].map((bytes) => bytes.toString('base64'));
  return `SCRAM-SHA-256$${iterations}:${s}$${t}:${v}`;
}

test('a password makes the verifier that PostgreSQL would store', async () => {
  assert.equal(stored(await deriveVerifier(Buffer.from('pencil'), Buffer.from(SALT, 'base64'))), STORED);
});

test('a stored verifier is read, and fits its password only', async () => {
  const verifier = parseScramVerifier(STORED);
  assert.ok(verifier);
  assert.equal(stored(verifier), STORED);
  assert.equal(await isPasswordOf(verifier, Buffer.from('pencil')), true);
  for (const password of ['Pencil', '', 'pencil\n', STORED, STORED_KEY]) {
    assert.equal(await isPasswordOf(verifier, Buffer.from(password)), false, password);
  }
});

test('the iterations are the verifier\u2019s own', async () => {
  const verifier = await deriveVerifier(Buffer.from('x'), Buffer.from('salt'), 1);
  assert.equal(verifier.iterations, 1);
  assert.equal(await isPasswordOf(verifier, Buffer.from('x')), true);
  assert.equal(await isPasswordOf({ ...verifier, iterations: 2 }, Buffer.from('x')), false);
});

test('anything else is no verifier', () => {
  const texts = [
    [
      '',
      'pencil',
      `md5${'0'.repeat(32)}`,
      'SCRAM-SHA-256$',
      STORED.toLowerCase(),
      ` ${STORED}`,
      `${STORED} `,
    ],
    [STORED.replace('4096', '0'), STORED.replace('4096', '-1'), STORED.replace('4096', '4e3')],
    [STORED.replace('4096', '2147483647'), STORED.replace('4096', '99999999999'), STORED.replace('256', '1')],
    [
      STORED.slice(0, -1),
      STORED.slice(0, -4),
      `${STORED}AAAA`,
      STORED.replace(SALT, ''),
      `${STORED}:${SALT}`,
    ],
    [STORED.replace(SALT, 'W22'), STORED.replace(STORED_KEY, SALT), STORED.replace(SERVER_KEY, SALT)],
    [STORED.replace(`:${SERVER_KEY}`, ''), STORED.replace('$4096', '')],
  ].flat();
  for (const text of texts) assert.equal(parseScramVerifier(text), undefined, text);
});
