import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyError } from '../../src/errors.ts';
import { describeError, explainError } from '../../src/log.ts';
import { jwt } from './tokens.ts';

test('an error and its causes become one line', () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  const middle = Object.assign(new Error('it broke'), { code: 'E_BROKE' });
  middle.cause = reset;
  const error = new ProxyError('08006', 'the server was lost', { cause: middle });
  assert.equal(describeError(error), 'the server was lost: it broke (E_BROKE): read ECONNRESET');
  assert.equal(describeError(error, 0), 'the server was lost');
  assert.equal(describeError(error, 1), 'the server was lost: it broke (E_BROKE)');
});

test('tokens and control characters are taken out of every link of the chain', () => {
  const token = jwt({ upn: 'alice@contoso.com' });
  const error = new Error(`request with ${token}\n\tfailed`, { cause: new Error(`header ${token}`) });
  assert.equal(describeError(error), 'request with [token] failed: header [token]');
  assert.equal(describeError(`thrown ${token}`), 'thrown [token]');
});

test('whatever was thrown is described: no message, no error, an endless chain', () => {
  assert.equal(describeError(new TypeError()), 'TypeError');
  assert.equal(describeError(undefined), 'undefined');
  assert.equal(describeError(new Error('outer', { cause: 'text' })), 'outer: text');
  const endless = new Error('again');
  endless.cause = endless;
  assert.equal(describeError(endless), 'again: again: again: again: again');
});

test('control characters become question marks, white space one blank', () => {
  assert.equal(describeError(new Error('a\r\n  b\u0007c\u001b[0m')), 'a b?c?[0m');
});

test('an error that has a hint is explained with it, any other with its causes', () => {
  const cause = new Error('cause');
  assert.equal(
    explainError(new ProxyError('28000', 'no token', { hint: 'Log in.', cause })),
    'no token. Log in.',
  );
  assert.equal(explainError(new Error('odd', { cause })), 'odd: cause');
  assert.equal(explainError('text'), 'text');
});

test('what was thrown and is nothing is explained too', () => {
  assert.equal(explainError(undefined), 'undefined');
});

test('a very long message is cut', () => {
  assert.ok(describeError(new Error('x'.repeat(100_000))).length < 1_100);
});

test('nothing but the message and the code of an error is shown', () => {
  const error = Object.assign(new Error('401'), { request: { headers: { authorization: 'canary' } } });
  assert.equal(describeError(error), '401');
});
