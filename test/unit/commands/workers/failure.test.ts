import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFailure, encodeFailure } from '../../../../src/commands/workers/failure.ts';
import { ProxyError, SqlState, toProxyError } from '../../../../src/errors.ts';
import { createTestToken } from '../../../support/tokens.ts';

const cross = (error: unknown): Error => decodeFailure(structuredClone(encodeFailure(error)));

test('what clients may be told crosses with its SQLSTATE, message and HINT', () => {
  const error = cross(
    new ProxyError(SqlState.tooManyConnections, 'no session left', { hint: 'Close some.' }),
  );
  assert.ok(error instanceof ProxyError);
  assert.deepEqual(
    [error.sqlState, error.message, error.hint, error.cause],
    ['53300', 'no session left', 'Close some.', undefined],
  );
});

test('any other error stays one that clients are told nothing of', () => {
  const error = cross(new TypeError('a fault of our own'));
  assert.ok(!(error instanceof ProxyError));
  assert.match(error.message, /a fault of our own/);
  assert.equal(toProxyError(error).sqlState, 'XX000');
});

test('a cause crosses as text for the log, without a token in it', () => {
  const token = createTestToken();
  const cause = new Error(`refused: ${token}`);
  const error = cross(new ProxyError(SqlState.invalidAuthorization, 'no token', { cause }));
  assert.match(String(error.cause), /refused/);
  assert.ok(!JSON.stringify(encodeFailure(error)).includes(token.split('.')[1] ?? ''));
});
