import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, quantile } from '../../../bench/report/stats.ts';

test('a quantile is a measured value that so many are at or below', () => {
  const values = Array.from({ length: 200 }, (_none, index) => 200 - index);
  assert.equal(quantile(values, 0.5), 100);
  assert.equal(quantile(values, 0.99), 198);
  assert.equal(quantile(values, 1), 200);
  assert.equal(quantile([7], 0.99), 7);
  assert.deepEqual(values.slice(0, 2), [200, 199], 'the values are left as they were');
});

test('values are ordered as numbers, not as text', () => {
  assert.equal(quantile([9, 10, 100], 0.5), 10);
  assert.equal(median([100, 9, 10]), 10);
});

test('the median of an even number of values lies between the middle two', () => {
  assert.equal(median([1, 2, 4, 100]), 3);
});

test('of nothing there is no quantile', () => {
  assert.equal(quantile([], 0.5), Number.NaN);
  assert.equal(median([]), Number.NaN);
});
