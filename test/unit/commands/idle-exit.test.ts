import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { IdleExit } from '../../../src/commands/idle-exit.ts';

function start(idleMs: number): { change: IdleExit['change']; pass: (ms: number) => number } {
  mock.timers.enable({ apis: ['setTimeout'] });
  let ends = 0;
  const { change } = new IdleExit(
    () => idleMs,
    () => (ends += 1),
  );
  return {
    change,
    pass: (ms) => {
      mock.timers.tick(ms);
      return ends;
    },
  };
}

test('time counts from the end of the last session, and not before the first', (t) => {
  t.after(() => mock.timers.reset());
  const { change, pass } = start(1_000);
  assert.equal(pass(10_000), 0, 'before the first session');
  change(1);
  change(1);
  change(-1);
  assert.equal(pass(10_000), 0, 'while one is open');
  change(-1);
  assert.equal(pass(999), 0, 'not yet');
  change(1);
  assert.equal(pass(10_000), 0, 'another has come meanwhile');
  change(-1);
  assert.equal(pass(999), 0, 'it counts from the start again');
  assert.equal(pass(1), 1);
});

test('0 is never', (t) => {
  t.after(() => mock.timers.reset());
  const { change, pass } = start(0);
  change(1);
  change(-1);
  assert.equal(pass(1_000_000), 0);
});
