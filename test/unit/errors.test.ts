import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerClosedError, ProxyError, toProxyError, UsageError } from '../../src/errors.ts';

test('an error that may be shown is shown as it is', () => {
  const error = new ProxyError('28000', 'no', { hint: 'try' });
  assert.equal(toProxyError(error), error);
});

test('the text of any other error is withheld, and kept as the cause for the log', () => {
  for (const thrown of [new Error('canary'), new PeerClosedError('server'), 'canary', undefined]) {
    const error = toProxyError(thrown);
    assert.equal(error.sqlState, 'XX000');
    assert.ok(!`${error.message} ${error.hint}`.includes('canary'));
    assert.equal(error.cause, thrown);
  }
});

test('a usage error says every problem, one a line', () => {
  const error = new UsageError(['--port is wrong', '--ca is wrong']);
  assert.equal(error.message, '--port is wrong\n--ca is wrong');
  assert.deepEqual(error.problems, ['--port is wrong', '--ca is wrong']);
});
