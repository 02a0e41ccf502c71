import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sample, Values } from '../../../bench/report/metrics.ts';
import { formatReport, type Report } from '../../../bench/report/report.ts';
import { summarize } from '../../../bench/report/summary.ts';
import { formatTable } from '../../../bench/report/table.ts';
import { judgeTargets } from '../../../bench/report/targets.ts';

const REFERENCES = ['direct TLS', 'stunnel'];

function samples(contender: string, ...values: readonly Values[]): Sample[] {
  return values.map((one, index) => ({
    workload: 'round trips',
    case: '8 clients',
    contender,
    round: index + 1,
    values: one,
  }));
}

test('ratios are of medians over the rounds, and nobody is compared with itself', () => {
  const rows = summarize(
    [
      ...samples('direct TLS', { tps: 100 }, { tps: 400 }, { tps: 200 }),
      ...samples('proxy', { tps: 300 }, { tps: 90 }, { tps: 100 }),
      ...samples('stunnel', { tps: 50 }),
    ],
    REFERENCES,
  );
  const of = (name: string) => rows.find(({ contender }) => contender === name);
  assert.deepEqual(of('proxy')?.ratios, { 'direct TLS': 0.5, stunnel: 2 });
  assert.deepEqual([of('proxy')?.median, of('proxy')?.min, of('proxy')?.max], [100, 90, 300]);
  assert.deepEqual(of('direct TLS')?.ratios, { stunnel: 4 });
});

test('a reference of zero, a value that is missing and a failure make no ratio', () => {
  const rows = summarize(
    [
      ...samples('direct TLS', {}),
      ...samples('stunnel', { cpuUs: 0, tps: Number.NaN }),
      ...samples('proxy', { cpuUs: 20, tps: 10 }),
      {
        workload: 'round trips',
        case: '8 clients',
        contender: 'proxy',
        round: 2,
        values: {},
        failure: 'reset',
      },
    ],
    REFERENCES,
  );
  assert.deepEqual(
    rows.map(({ contender, metric, ratios }) => ({ contender, metric, ratios })),
    [
      { contender: 'stunnel', metric: 'cpuUs', ratios: {} },
      { contender: 'proxy', metric: 'tps', ratios: {} },
      { contender: 'proxy', metric: 'cpuUs', ratios: {} },
    ],
  );
});

test('the table has the contenders of one metric together, and ratios in columns of their own', () => {
  const rows = summarize(
    [
      ...samples('direct TLS', { tps: 100, p50Ms: 2 }),
      ...samples('proxy', { tps: 50, p50Ms: 3 }, { tps: 60, p50Ms: 3 }),
    ],
    ['direct TLS'],
  );
  assert.equal(
    formatTable(rows, ['direct TLS'], 'markdown'),
    `| workload | metric | contender | median | min - max | / direct TLS |
| --- | --- | --- | ---: | ---: | ---: |
| round trips: 8 clients | transactions/s | direct TLS | 100 | 100 - 100 |  |
|  |  | proxy | 55 | 50 - 60 | 0.55 |
| round trips: 8 clients | p50 ms | direct TLS | 2.000 | 2.000 - 2.000 |  |
|  |  | proxy | 3.000 | 3.000 - 3.000 | 1.50 |`,
  );
  const [head = '', ...lines] = formatTable(rows, ['direct TLS'], 'text').split('\n');
  const column = head.indexOf('/ direct TLS') + '/ direct TLS'.length;
  assert.ok(lines.some((line) => line.length === column && line.endsWith(' 0.55')));
});

test('a target is met up to its bound, missed beyond it, and not judged without its reference', () => {
  const judge = (tps: number, cpuUs: number) =>
    judgeTargets(
      summarize(
        [...samples('stunnel', { tps: 100, cpuUs: 20 }), ...samples('proxy', { tps, cpuUs })],
        ['stunnel'],
      ),
    ).map((line) => line.slice(0, line.indexOf(':')));
  assert.deepEqual(judge(100, 20), ['met', 'met']);
  assert.deepEqual(judge(99, 21), ['NOT met', 'NOT met']);
  assert.deepEqual(judgeTargets(summarize(samples('proxy', { tps: 1 }), ['stunnel'])), []);
});

test('what failed stands in the report', () => {
  const failed = {
    workload: 'memory',
    case: 'all',
    contender: 'stunnel',
    round: 1,
    values: {},
    failure: 'no threads',
  };
  const report: Report = {
    startedAt: '2026-01-01T00:00:00.000Z',
    quick: true,
    rounds: 1,
    versions: {
      node: 'v24.0.0',
      postgres: 'PostgreSQL 15.1 (Debian)',
      pgbench: undefined,
      stunnel: '5.68',
      pgbouncer: undefined,
      linux: '6.1',
      cpu: 'a processor',
      cpuCount: 2,
    },
    contenders: [{ name: 'stunnel', kind: 'peer' }],
    samples: [failed],
  };
  const text = formatReport(report, { markdown: false });
  assert.match(text, /stunnel, memory, all: no threads/);
  assert.match(text, /Node\.js v24\.0\.0, PostgreSQL 15\.1 \(Debian\), stunnel 5\.68; Linux 6\.1, 2 cores/);
  assert.doesNotMatch(text, /undefined|pgbench/);
});
