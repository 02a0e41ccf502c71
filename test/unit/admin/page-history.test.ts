import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Durations } from '../../../src/admin/durations.ts';
import { BUCKET_COUNT, BUCKET_MS, LoginHistory } from '../../../src/admin/login-history.ts';
import { LOGIN_PHASES } from '../../../src/proxy/observer.ts';

function createHistory() {
  const clock = { now: 1_000_000 };
  return { clock, history: new LoginHistory(() => clock.now) };
}

test('percentiles are right to five percent, from microseconds to minutes', () => {
  for (const scale of [0.2, 1, 30, 500]) {
    const durations = new Durations();
    const values = Array.from({ length: 1_000 }, (_, index) => ((index * 617) % 1_000) + 1);
    for (const value of values) durations.note(value * scale);
    for (const share of [0.01, 0.5, 0.95, 1]) {
      const exact = share * 1_000 * scale;
      const found = durations.percentile(share);
      assert.ok(Math.abs(found - exact) <= exact * 0.05, `${share} of ${scale}: ${found}, not ${exact}`);
    }
  }
});

test('a single duration is told exactly, and none as 0', () => {
  assert.equal(new Durations().percentile(0.5), 0);
  for (const ms of [0, 0.003, 4.2, 59_999, 10_000_000]) {
    const durations = new Durations();
    durations.note(ms);
    assert.deepEqual([durations.percentile(0.5), durations.percentile(0.95)], [ms, ms]);
  }
});

test('logins are in the interval in which they were made, with the parts that they had', () => {
  const { clock, history } = createHistory();
  history.note(10, { token: 1, authentication: 9 });
  clock.now += 3 * BUCKET_MS;
  history.note(20, { token: 2 });
  history.note(20, { token: 2, queue: 5 });
  assert.deepEqual(history.buckets(), [
    { ago: 0, count: 2, total: [20, 20], phases: { token: [2, 2], queue: [5, 5] } },
    { ago: 3, count: 1, total: [10, 10], phases: { token: [1, 1], authentication: [9, 9] } },
  ]);
});

test('what is older than ten minutes is gone, also if nothing comes any more', () => {
  const { clock, history } = createHistory();
  history.note(1, {});
  clock.now += (BUCKET_COUNT - 1) * BUCKET_MS;
  assert.deepEqual(
    history.buckets().map(({ ago }) => ago),
    [BUCKET_COUNT - 1],
  );
  clock.now += BUCKET_MS;
  assert.deepEqual(history.buckets(), []);
  history.note(1, {});
  clock.now += BUCKET_MS;
  history.note(1, {});
  clock.now += BUCKET_COUNT * BUCKET_MS;
  assert.deepEqual(history.buckets(), []);
});

test('however many logins come for however long, ten minutes of numbers are kept', () => {
  const { clock, history } = createHistory();
  const phases = Object.fromEntries(LOGIN_PHASES.map((phase) => [phase, 1]));
  for (let count = 0; count < 20_000; count += 1) {
    clock.now += BUCKET_MS / 10;
    history.note(count % 500, phases);
  }
  const buckets = history.buckets();
  assert.equal(buckets.length, BUCKET_COUNT);
  assert.ok(JSON.stringify(buckets).length < 30_000);
});
