import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProcessStat } from '../../../bench/linux/process-figures.ts';
import { between, parseLog, parseProgress } from '../../../bench/pgbench.ts';

test('the transaction log gives milliseconds, with or without a schedule lag behind', () => {
  const log = '0 199 2241 0 1175850568 995598\n1 198 333 0 1175850568 998079 12\n';
  assert.deepEqual(parseLog(log), [2.241, 0.333]);
});

test('transactions count between the first and the last progress line', () => {
  const lines = [
    'progress: 1.0 s, 900.0 tps, lat 0.534 ms stddev 0.123, 0 failed',
    'progress: 2.0 s, 1000.0 tps, lat 0.534 ms stddev 0.123, 0 failed',
    'progress: 4.0 s, 500.5 tps, lat 0.534 ms stddev 0.123, 0 failed',
  ].map((line) => parseProgress(line));
  const progress = lines.filter((line) => line !== undefined);
  assert.deepEqual(between(progress), { transactions: 2001, seconds: 3 });
});

test('other lines of pgbench are no progress', () => {
  assert.equal(parseProgress('pgbench (15.1 (Debian 15.1-1))'), undefined);
  assert.equal(parseProgress('tps = 14956.8 (without initial connection time)'), undefined);
});

test('CPU time is the own and that of children that ended, whatever the program calls itself', () => {
  const line = '42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 11 0 5 6 7';
  assert.deepEqual(parseProcessStat(line), { parent: 7, ticks: 127 });
});
