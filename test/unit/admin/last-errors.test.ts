import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LastErrors } from '../../../src/admin/last-errors.ts';
import type { SessionOutcome } from '../../../src/proxy/observer.ts';

function failure(
  result: 'refused' | 'rejected',
  sqlState: string,
  message: string,
  hint?: string,
): SessionOutcome {
  return { result, sqlState, error: { message, hint }, bytesFromClient: 0, bytesFromServer: 0 };
}

test('of each kind of error the last is kept, with how many there were, the latest first', () => {
  let now = 1;
  const errors = new LastErrors(() => now);
  errors.note('a', failure('rejected', '28P01', 'first'));
  now = 2;
  errors.note('a', failure('rejected', '42704', 'other class', 'do this'));
  now = 3;
  errors.note('a', failure('refused', '28P01', 'ours'));
  now = 4;
  errors.note('a', failure('rejected', '28P01', 'second'));
  errors.note('b', failure('refused', '53300', 'elsewhere'));
  assert.deepEqual(errors.of('a'), [
    { result: 'rejected', class: '28P01', sqlState: '28P01', message: 'second', hint: null, at: 4, count: 2 },
    { result: 'refused', class: '28P01', sqlState: '28P01', message: 'ours', hint: null, at: 3, count: 1 },
    {
      result: 'rejected',
      class: '42000',
      sqlState: '42704',
      message: 'other class',
      hint: 'do this',
      at: 2,
      count: 1,
    },
  ]);
  assert.deepEqual(errors.of('c'), []);
});

test('what ended well is no error', () => {
  const errors = new LastErrors();
  errors.note('a', {
    result: 'completed',
    sqlState: undefined,
    error: undefined,
    bytesFromClient: 1,
    bytesFromServer: 1,
  });
  assert.deepEqual(errors.of('a'), []);
});

test('whatever comes, few are kept, each of bounded length, on one line and without tokens', () => {
  const errors = new LastErrors();
  const token = `eyJ${'a'.repeat(40)}.eyJ${'B1'.repeat(40)}.c`;
  for (let index = 0; index < 2_000; index += 1)
    errors.note(
      'a',
      failure('rejected', `${index}x`.padEnd(5, '0'), `${token}\n${'long '.repeat(500)}`, token),
    );
  const kept = errors.of('a');
  assert.ok(kept.length < 120, `${kept.length} kept`);
  for (const { message, hint } of kept) {
    assert.ok(message.length <= 1_100);
    assert.doesNotMatch(`${message}${hint}`, /eyJa|\n/);
  }
});
