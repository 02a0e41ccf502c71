import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preparePassword } from '../../../src/local/saslprep.ts';

function prepared(password: string): string {
  return preparePassword(Buffer.from(password)).toString();
}

test('the examples of RFC 4013 are prepared as it says, or kept where it forbids them', () => {
  assert.equal(prepared('I\u00adX'), 'IX');
  assert.equal(prepared('user'), 'user');
  assert.equal(prepared('USER'), 'USER');
  assert.equal(prepared('\u00aa'), 'a');
  assert.equal(prepared('\u2168'), 'IX');
  assert.equal(prepared('\u0007'), '\u0007');
  assert.equal(prepared('\u06271'), '\u06271');
});

test('spaces that are not ASCII become one that is, each for itself', () => {
  assert.equal(prepared('a\u00a0b\u3000\u2003c'), 'a b  c');
});

test('nothing but characters that count for nothing is kept as it is', () => {
  assert.equal(prepared('\u00ad\u200d'), '\u00ad\u200d');
});

test('what is not UTF-8 is kept as it is, to the byte', () => {
  for (const bytes of [[0xff], [0xc2], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0x61, 0xc2, 0xad, 0x80]]) {
    assert.deepEqual(preparePassword(Buffer.from(bytes)), Buffer.from(bytes));
  }
});

test('a password as long as may be sent is prepared like a short one, or kept', () => {
  const long = Buffer.from('\u00e9'.repeat(32_765));
  assert.deepEqual(preparePassword(long), long);
});
