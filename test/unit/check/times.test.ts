import assert from 'node:assert/strict';
import { test } from 'node:test';
import { days, duration, moment } from '../../../src/check/times.ts';

const NOW = Date.UTC(2026, 10, 22, 14, 0, 0);

test('durations are told in the largest unit of which there are two', () => {
  assert.deepEqual([0, 119_999, 120_000, 7_199_999, 7_200_000, 172_799_999, 172_800_000].map(duration), [
    '0 seconds',
    '119 seconds',
    '2 minutes',
    '119 minutes',
    '2 hours',
    '47 hours',
    '2 days',
  ]);
});

test('times are told with how far they are', () => {
  assert.equal(days(NOW + 10 * 86_400_000, NOW), '2026-12-02 (in 10 days)');
  assert.match(moment(NOW - 3_600_000, NOW), /^2026-11-22 \d\d:00:00 \(60 minutes ago\)$/);
});
